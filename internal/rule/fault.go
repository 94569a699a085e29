package rule

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a rule file.
type Fault struct {
	Line    int    // line of the file, from 1; 0 when the fault is of the file as a whole
	Rule    string // id of the rule, or its place ("rule 3") while it has none; empty outside of the rules
	Problem string // what is wrong
	Advice  string // what to change; empty when the problem says it
}

// String gives the fault in one line: "line 12, rule card-declines: unknown key "wen": did you mean "when"?".
func (f Fault) String() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d", f.Line)
	}
	if f.Rule != "" {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		if !strings.HasPrefix(f.Rule, "rule ") {
			b.WriteString("rule ")
		}
		b.WriteString(f.Rule)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(f.Problem)
	if f.Advice != "" {
		b.WriteString(": ")
		b.WriteString(f.Advice)
	}
	return b.String()
}

// Faults is everything that is wrong with a rule file, in the order of its lines.
// [Compile] returns it as its error; find it with [errors.As].
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	var b strings.Builder
	if len(f) == 1 {
		b.WriteString("refuse rule file: 1 fault")
	} else {
		fmt.Fprintf(&b, "refuse rule file: %d faults", len(f))
	}
	for _, fault := range f {
		b.WriteString("\n  ")
		b.WriteString(fault.String())
	}
	return b.String()
}

// inOrder sorts by line and drops repeats.
func (f Faults) inOrder() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int { return a.Line - b.Line })
	return slices.Compact(f)
}

// nearest gives the name most like the wrong one, or "" when none is near.
func nearest(wrong string, names []string) string {
	best, bound := "", len(wrong)/3+1
	for _, name := range names {
		if d := distance(wrong, name, bound); d <= bound {
			best, bound = name, d-1
		}
		if bound < 0 {
			break
		}
	}
	return best
}

// distance is the Levenshtein distance of two short names, or bound+1 once it must exceed the bound.
func distance(a, b string, bound int) int {
	if len(a)-len(b) > bound || len(b)-len(a) > bound {
		return bound + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal, least := row[0], i+1
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
			least = min(least, row[j+1])
		}
		if least > bound {
			return bound + 1
		}
	}
	return row[len(b)]
}

// didYouMean is the advice for a wrong name.
func didYouMean(wrong string, names []string) string {
	if near := nearest(wrong, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}
