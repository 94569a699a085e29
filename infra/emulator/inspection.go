package emulator

import (
	"fmt"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// inspection gathers what is wrong with the inputs of one resource, nested ones by their whole path. Values that are
// missing or not known yet are not judged, but for given and name.
type inspection struct {
	in     Object
	prefix string
	faults *[]Fault
}

func inspect(in Object) *inspection { return &inspection{in: in, faults: &[]Fault{}} }

// inside inspects a nested object.
func (i *inspection) inside(property string) *inspection {
	return &inspection{in: i.in.Object(property), prefix: i.prefix + property + ".", faults: i.faults}
}

// each inspects the objects of a list.
func (i *inspection) each(property string) []*inspection {
	var out []*inspection
	for n, o := range i.in.Objects(property) {
		out = append(out, &inspection{in: o, prefix: fmt.Sprintf("%s%s[%d].", i.prefix, property, n), faults: i.faults})
	}
	return out
}

func (i *inspection) found() []Fault { return *i.faults }

func (i *inspection) fault(property, format string, args ...any) {
	i.add([]Fault{{property, fmt.Sprintf(format, args...)}})
}

func (i *inspection) add(faults []Fault) {
	for _, f := range faults {
		*i.faults = append(*i.faults, Fault{Property: i.prefix + f.Property, Reason: f.Reason})
	}
}

// given demands a value, be it unknown.
func (i *inspection) given(properties ...string) {
	for _, p := range properties {
		if !i.in.Has(p) {
			i.fault(p, "MissingParameter: give it a value")
		}
	}
}

// exclusive refuses each of the others beside the first.
func (i *inspection) exclusive(first string, others ...string) {
	for _, p := range others {
		if i.in.Has(first) && i.in.Has(p) {
			i.fault(p, "InvalidParameterCombination: give either %s or %s, not both", first, p)
		}
	}
}

// unmodeled refuses inputs that would be lost in silence, because no code here passes them on.
func (i *inspection) unmodeled(properties ...string) {
	for _, p := range properties {
		if i.in.Has(p) {
			i.fault(p, "the emulator does not model this input: add it to infra/emulator, or do without it")
		}
	}
}

// between demands a whole number in the range, ends included.
func (i *inspection) between(property string, low, high int) {
	if n := i.in.Float(property); i.in.Known(property) && (n != float64(int(n)) || int(n) < low || int(n) > high) {
		i.fault(property, "InvalidParameterValue: set a whole number from %d to %d, not %v", low, high, n)
	}
}

func (i *inspection) oneOf(property string, values ...string) {
	i.add(checkOneOf(i.in, property, values...))
}

func (i *inspection) document(property string) { i.add(checkJSON(i.in, property)) }

// name demands a name that AWS would take. The real provider invents a missing one; here it is refused, because the
// name of everything in the stack must carry the environment's suffix.
func (i *inspection) name(property string, limit int, alphabet *regexp.Regexp) {
	if !i.in.Has(property) {
		i.fault(property, "MissingParameter: name it; an invented name would not carry the environment's suffix")
	}
	i.add(checkName(i.in, property, limit, alphabet))
}

// window demands a time such as 03:00-04:00, or sun:03:00-sun:04:00 when weekly, of at least so many minutes.
func (i *inspection) window(property string, weekly bool, shortest int) {
	if !i.in.Known(property) {
		return
	}
	w, err := parseWindow(i.in.Str(property), weekly)
	switch {
	case err != nil:
		i.fault(property, "InvalidParameterValue: %v", err)
	case w.length < shortest:
		i.fault(property, "InvalidParameterValue: lengthen %s: it must last at least %d minutes", i.in.Str(property), shortest)
	}
}

var (
	wordName = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)
	dashName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	// hyphenName and lowerName have single hyphens inside only, as the identifiers of ElastiCache and RDS.
	hyphenName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$`)
	lowerName  = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
)

// asWritten is a document as the program wrote it, unless what lives in the emulator means something else: the emulator
// and AWS spell policies their own way.
func asWritten(written, actual string) string {
	if sameDocument(resource.NewProperty(written), resource.NewProperty(actual)) {
		return written
	}
	return actual
}
