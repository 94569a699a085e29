// Package controls holds the security controls that the stack must meet, as a table that is run over the resources that
// the program registers.
//
// The controls are those of the AWS Foundational Security Best Practices standard and the rules of cdk-nag and checkov
// that go further, plus rules of our own for policies, destroyability and names. cdk-nag and checkov read no Go program;
// here their ids are the catalog, and the checks are ours. Whatever a control finds must be put right or stand in the
// register of exceptions with a reason, and an exception that excuses nothing any more is a fault, too.
package controls

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

// Resource is one captured registration.
type Resource = tapstacktest.Resource

// Source is the catalog that a control comes from.
type Source string

// The catalogs.
const (
	FSBP        Source = "AWS FSBP"     // AWS Foundational Security Best Practices
	SecurityHub Source = "Security Hub" // another standard of Security Hub: CIS, PCI, NIST or tagging
	CDKNag      Source = "cdk-nag"      // AwsSolutions rules
	Checkov     Source = "checkov"
	FastShop    Source = "FastShop" // our own
)

// Control is one requirement.
type Control struct {
	// ID is the catalog's, such as RDS.8, and Also the ids by which other catalogs ask for the same.
	ID   string
	Also []string
	From Source
	// Requires says in one phrase what must hold.
	Requires string
	// check looks at resources and finds what is wrong.
	check func(in *inspection)
}

// Stack is what the controls judge: everything that one run of the program registered.
type Stack struct {
	// Variant names the arguments of the run, such as "default".
	Variant string
	// Suffix is the environment's, and Tags are the operator's own.
	Suffix    string
	Tags      map[string]string
	Resources []*Resource
}

// ofType is every resource of the token.
func (s *Stack) ofType(token string) []*Resource {
	var found []*Resource
	for _, r := range s.Resources {
		if r.Type == token {
			found = append(found, r)
		}
	}
	return found
}

// Finding is one thing that is wrong.
type Finding struct {
	Control string
	// Type and Name are the resource's, Field the input's path; Field is empty where the resource as a whole is meant.
	Type, Name, Field string
	// Advice says what to change.
	Advice string
}

func (f Finding) String() string {
	where := f.Type + " " + f.Name
	if f.Field != "" {
		where += ": " + f.Field
	}
	return fmt.Sprintf("%s: %s: %s", f.Control, where, f.Advice)
}

// inspection is one control at work on one stack.
type inspection struct {
	*Stack
	control  string
	looked   []*Resource
	findings []Finding
}

// each looks at every resource of the type.
func (in *inspection) each(token string, check func(r *Resource)) {
	for _, r := range in.ofType(token) {
		in.look(r)
		check(r)
	}
}

// look notes that the control judged the resource. A control that judged none proves nothing.
func (in *inspection) look(r *Resource) {
	if !slices.Contains(in.looked, r) {
		in.looked = append(in.looked, r)
	}
}

// want finds a fault unless it holds.
func (in *inspection) want(holds bool, r *Resource, field, advice string) {
	if !holds {
		in.findings = append(in.findings, Finding{Control: in.control, Type: r.Type, Name: r.Name, Field: field, Advice: advice})
	}
}

// Status is how a control came out.
type Status string

// The outcomes. Vacuous means that the control found no resource to judge: either it does not apply, and belongs to the
// list of those, or the stack lacks what it is about.
const (
	Passed   Status = "passed"
	Excepted Status = "exception"
	Failed   Status = "FAILED"
	Vacuous  Status = "VACUOUS"
)

// Result is one control's outcome on one stack.
type Result struct {
	Control Control
	Status  Status
	// Looked are the resources that were judged.
	Looked []*Resource
	// Findings are the faults without an exception, Excused those with one.
	Findings, Excused []Finding
}

// Report is what came of all controls on one stack.
type Report struct {
	Stack   Stack
	Results []Result
	// Used tells how many findings each exception excused, by its index in the register.
	Used []int
	// Contradicted are the entries of the not-applicable list that a resource of the stack contradicts.
	Contradicted []NotApplicable

	exceptions []Exception
}

// Evaluate runs the controls over the stack, heeding the exceptions, and holds the not-applicable list against it.
func Evaluate(stack Stack, catalog []Control, exceptions []Exception, absent []NotApplicable) *Report {
	report := &Report{Stack: stack, Used: make([]int, len(exceptions)), exceptions: exceptions}
	for _, control := range catalog {
		in := &inspection{Stack: &report.Stack, control: control.ID}
		control.check(in)
		result := Result{Control: control, Status: Passed, Looked: in.looked}
		for _, f := range in.findings {
			if i := report.excuse(f); i >= 0 {
				report.Used[i]++
				result.Excused = append(result.Excused, f)
			} else {
				result.Findings = append(result.Findings, f)
			}
		}
		switch {
		case len(result.Findings) > 0:
			result.Status = Failed
		case len(in.looked) == 0:
			result.Status = Vacuous
		case len(result.Excused) > 0:
			result.Status = Excepted
		}
		report.Results = append(report.Results, result)
	}
	for _, n := range absent {
		if n.contradicted(stack.Resources) {
			report.Contradicted = append(report.Contradicted, n)
		}
	}
	return report
}

// excuse is the index of the exception that covers the finding, or -1.
func (r *Report) excuse(f Finding) int {
	return slices.IndexFunc(r.exceptions, func(e Exception) bool {
		return e.Control == f.Control && matches(e.Resource, f.Name) &&
			!slices.ContainsFunc(e.NotIn, func(suffix string) bool { return matches(suffix, r.Stack.Suffix) })
	})
}

// matches is path.Match; a malformed pattern matches nothing.
func matches(pattern, name string) bool {
	matched, err := path.Match(pattern, name)
	return err == nil && matched
}

// Faults are the reasons why the stack must not pass, in words: failed and vacuous controls, and controls that are said not
// to apply though they do.
func (r *Report) Faults() []string {
	var faults []string
	for _, result := range r.Results {
		for _, f := range result.Findings {
			faults = append(faults, f.String())
		}
		if result.Status == Vacuous {
			faults = append(faults, result.Control.ID+": no resource to judge: the stack lacks what the control is about, or the control belongs to the not-applicable list")
		}
	}
	for _, n := range r.Contradicted {
		faults = append(faults, fmt.Sprintf("%s: listed as not applicable, but the stack has %s: write the control", strings.Join(n.IDs, ", "), strings.Join(n.Unless, " or ")))
	}
	return faults
}

// Stale are the exceptions that excused nothing in any of the reports: they must leave the register. The reports must come
// from the same register.
func Stale(reports ...*Report) []Exception {
	var stale []Exception
	if len(reports) == 0 {
		return nil
	}
	for i, e := range reports[0].exceptions {
		used := slices.ContainsFunc(reports, func(r *Report) bool { return r.Used[i] > 0 })
		if !used {
			stale = append(stale, e)
		}
	}
	return stale
}
