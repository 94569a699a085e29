package controls

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// purpose is what a policy document is for; the rules differ.
type purpose string

const (
	identityPolicy purpose = "identity" // what a role may do
	trustPolicy    purpose = "trust"    // who may be the role
	resourcePolicy purpose = "resource" // who may use a queue or topic
	keyPolicy      purpose = "key"      // who may use or manage a key
	endpointPolicy purpose = "endpoint" // what passes an endpoint; it grants nothing by itself
)

// document is one policy.
type document struct {
	owner   *Resource
	field   string
	purpose purpose
	text    string
	// fault is why the text is no policy; the rest is empty then.
	fault     error
	Statement []statement
}

// statement is one statement of a policy, lists made of single values.
type statement struct {
	Sid, Effect      string
	Principal        map[string][]string // AWS, Service; a bare star is AWS: *
	Action, Resource []string
	Condition        map[string]map[string][]string // operator, key, values
	// negated are the elements among NotAction, NotResource and NotPrincipal that it uses.
	negated []string
}

// condition is one value of one key.
type condition struct{ operator, key, value string }

// documents are the policies in the resources of the types, or in all resources if none is named. They count as looked at.
func (in *inspection) documents(tokens ...string) []document {
	var all []document
	for _, r := range in.Resources {
		if len(tokens) > 0 && !slices.Contains(tokens, r.Type) {
			continue
		}
		found := documentsOf(r)
		if len(found) > 0 {
			in.look(r)
		}
		all = append(all, found...)
	}
	return all
}

// roleDocuments are the policies of roles that serve one purpose.
func (in *inspection) roleDocuments(p purpose) []document {
	return slices.DeleteFunc(in.documents(iamRole, iamRolePolicy), func(d document) bool { return d.purpose != p })
}

// documentsOf are the policies that one resource holds.
func documentsOf(r *Resource) []document {
	purposes := map[string]purpose{
		iamRolePolicy: identityPolicy, kmsKey: keyPolicy, queue: resourcePolicy, queuePolicy: resourcePolicy, topic: resourcePolicy, topicPolicy: resourcePolicy,
		vpcEndpoint: endpointPolicy,
	}
	var found []document
	add := func(purpose purpose, field string) {
		if text := r.Text(field); text != "" {
			found = append(found, parse(document{owner: r, field: field, purpose: purpose, text: text}))
		}
	}
	if r.Type == iamRole {
		add(trustPolicy, "assumeRolePolicy")
		for i := range r.List("inlinePolicies") {
			add(identityPolicy, fmt.Sprintf("inlinePolicies.%d.policy", i))
		}
	} else if purpose, holds := purposes[r.Type]; holds {
		add(purpose, "policy")
	}
	return found
}

// parse fills in the statements, or the fault.
func parse(d document) document {
	var raw struct {
		Version   string
		Statement []map[string]any
	}
	decoder := json.NewDecoder(strings.NewReader(d.text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&raw); err != nil {
		d.fault = fmt.Errorf("write valid JSON with Version and a list of Statement: %w", err)
		return d
	}
	if raw.Version != "2012-10-17" {
		d.fault = fmt.Errorf("state version 2012-10-17 instead of %q: older ones read conditions differently", raw.Version)
		return d
	}
	var faults []error
	for _, object := range raw.Statement {
		s, err := parseStatement(object)
		faults = append(faults, err)
		d.Statement = append(d.Statement, s)
	}
	if len(d.Statement) == 0 {
		faults = append(faults, errors.New("write a statement at least"))
	}
	d.fault = errors.Join(faults...)
	return d
}

func parseStatement(object map[string]any) (statement, error) {
	var s statement
	var faults []error
	for element, value := range object {
		switch element {
		case "Sid":
			s.Sid, _ = value.(string)
		case "Effect":
			s.Effect, _ = value.(string)
		case "Action":
			s.Action = texts(value)
		case "Resource":
			s.Resource = texts(value)
		case "Principal":
			s.Principal = principals(value)
		case "Condition":
			s.Condition = conditions(value)
		case "NotAction", "NotResource", "NotPrincipal":
			s.negated = append(s.negated, element)
		default:
			faults = append(faults, fmt.Errorf("remove the unknown element %s", element))
		}
	}
	if s.Effect != "Allow" && s.Effect != "Deny" {
		faults = append(faults, fmt.Errorf("%s: set Effect to Allow or Deny", s.name()))
	}
	return s, errors.Join(faults...)
}

func principals(value any) map[string][]string {
	object, ok := value.(map[string]any)
	if !ok {
		return map[string][]string{"AWS": texts(value)}
	}
	all := map[string][]string{}
	for sort, who := range object {
		all[sort] = texts(who)
	}
	return all
}

func conditions(value any) map[string]map[string][]string {
	all := map[string]map[string][]string{}
	operators, _ := value.(map[string]any)
	for operator, keys := range operators {
		all[operator] = map[string][]string{}
		object, _ := keys.(map[string]any)
		for key, values := range object {
			all[operator][key] = texts(values)
		}
	}
	return all
}

// name is how findings call the statement.
func (s statement) name() string {
	if s.Sid == "" {
		return "a statement without Sid"
	}
	return "statement " + s.Sid
}

// allows are the statements that allow something.
func (d document) allows() []statement {
	return slices.DeleteFunc(slices.Clone(d.Statement), func(s statement) bool { return s.Effect != "Allow" })
}

// principals are all of the statement's, of any sort.
func (s statement) principals() []string {
	var all []string
	for _, who := range s.Principal {
		all = append(all, who...)
	}
	return all
}

// conditions are all values of all keys.
func (s statement) conditions() []condition {
	var all []condition
	for operator, keys := range s.Condition {
		for key, values := range keys {
			for _, v := range values {
				all = append(all, condition{operator, key, v})
			}
		}
	}
	return all
}

// under are the values that the statement demands of a condition key, whose case does not matter. Operators that are
// satisfied by an absent key, such as …IfExists and ForAllValues, demand nothing.
func (s statement) under(key string) []string {
	var values []string
	for _, c := range s.conditions() {
		demands := slices.Contains([]string{"StringEquals", "ArnEquals", "ArnLike", "Bool"}, c.operator)
		if demands && strings.EqualFold(c.key, key) {
			values = append(values, c.value)
		}
	}
	return values
}

// deniesPlainText tells whether the statement refuses everybody the verb over plain connections.
func (s statement) deniesPlainText(verb string) bool {
	return s.Effect == "Deny" && slices.Contains(s.principals(), "*") && len(s.covers([]string{verb})) > 0 &&
		len(s.conditions()) == 1 && slices.Contains(s.under("aws:SecureTransport"), "false")
}

// covers are the verbs of the list that one of the statement's actions means, wildcards resolved.
func (s statement) covers(verbs []string) []string {
	var covered []string
	for _, verb := range verbs {
		if slices.ContainsFunc(s.Action, func(a string) bool { return means(a, verb) }) {
			covered = append(covered, verb)
		}
	}
	return covered
}

// means tells whether an action, which may hold wildcards, includes the verb. IAM ignores case.
func means(action, verb string) bool {
	matched, err := path.Match(strings.ToLower(action), strings.ToLower(verb))
	return err == nil && matched
}

// wild tells whether a value holds a wildcard.
func wild(value string) bool { return strings.ContainsAny(value, "*?") }

// fixed tells whether a value is one value: no wildcard, no policy variable.
func fixed(value string) bool { return value != "" && !wild(value) && !strings.Contains(value, "${") }
