package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a rule file. They bound the work of loading, and with it what a wrong or
// hostile file can cost; an analyst's file stays far below them.
const (
	maxFileBytes       = 1 << 20
	maxRules           = 500
	maxExpressionBytes = 2000
	maxWordingRunes    = 500
	maxNotesRunes      = 2000
	maxLabelRunes      = 64 // name, version, id, code, tag
	maxTags            = 10
	maxNesting         = 32 // lists and mappings within one another; a rule file has four
)

var (
	idForm   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	codeForm = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`)
)

// expression is the source of a CEL expression and where it stands in the file.
type expression struct {
	source string
	line   int
}

// draft is a rule that was read but not compiled.
type draft struct {
	Rule
	line   int
	place  string // the id, or "rule 3" while there is none
	when   expression
	points expression // empty source when the points are a plain integer
	fixed  int        // the plain integer
}

// file is a rule file that was read but not compiled.
type file struct {
	name, version string
	drafts        []draft
	faults        Faults
}

func (f *file) fault(line int, rule, problem, advice string) {
	f.faults = append(f.faults, Fault{Line: line, Rule: rule, Problem: problem, Advice: advice})
}

// readFile reads all that can be read and collects the faults of the rest.
func readFile(data []byte) *file {
	f := &file{}
	if len(data) > maxFileBytes {
		f.fault(0, "", fmt.Sprintf("file of %d bytes is larger than %d", len(data), maxFileBytes), "split it into several sets or shorten its notes")
		return f
	}
	if !utf8.Valid(data) {
		f.fault(0, "", "file is not UTF-8", "save it as UTF-8")
		return f
	}
	root, faults := parseYAML(data)
	if len(faults) > 0 {
		f.faults = faults
		return f
	}
	top := f.mapping(root, "", "name", "version", "rules")
	if top == nil {
		return f
	}
	f.name = f.label(top, "name", root.line, "")
	if f.name != "" && !idForm.MatchString(f.name) {
		f.fault(top["name"].line, "", fmt.Sprintf("name %q is malformed", f.name), "use lower-case letters, digits and single dashes")
	}
	f.version = f.label(top, "version", root.line, "")
	list, ok := top["rules"]
	switch {
	case !ok:
		f.fault(root.line, "", `key "rules" is missing`, "list at least one rule")
	case list.kind != sequenceNode:
		f.fault(list.line, "", `"rules" is not a list`, `start each rule with "- id:"`)
	case len(list.items) == 0:
		f.fault(list.line, "", `"rules" is empty`, "a set without rules approves everything; list at least one")
	case len(list.items) > maxRules:
		f.fault(list.line, "", fmt.Sprintf("%d rules are more than %d", len(list.items), maxRules), "split the file into several sets")
	default:
		for i, item := range list.items {
			f.readRule(item, i+1)
		}
		f.checkIDs()
	}
	return f
}

// checkIDs refuses a second rule of the same id.
func (f *file) checkIDs() {
	first := make(map[string]int, len(f.drafts))
	for _, d := range f.drafts {
		if line, taken := first[d.ID]; taken && d.ID != "" {
			f.fault(d.line, d.ID, fmt.Sprintf("id %q is taken by the rule of line %d", d.ID, line), "give every rule its own id")
			continue
		}
		first[d.ID] = d.line
	}
}

func (f *file) readRule(item node, ordinal int) {
	place := fmt.Sprintf("rule %d", ordinal)
	if id, ok := item.get("id"); ok && id.kind == scalarNode && idForm.MatchString(id.text) {
		place = id.text
	}
	m := f.mapping(item, place, "id", "code", "mode", "when", "points", "outcome", "text", "tags", "notes")
	if m == nil {
		return
	}
	d := draft{line: item.line, place: place}
	d.ID = f.label(m, "id", item.line, place)
	if d.ID != "" && !idForm.MatchString(d.ID) {
		f.fault(m["id"].line, place, fmt.Sprintf("id %q is malformed", d.ID), "use lower-case letters, digits and single dashes")
	}
	d.Code = f.label(m, "code", item.line, place)
	if d.Code != "" && !codeForm.MatchString(d.Code) {
		f.fault(m["code"].line, place, fmt.Sprintf("code %q is malformed", d.Code), "use upper-case letters, digits and single underscores, such as CARD_TESTING")
	}
	d.Mode = f.mode(m, place)
	d.Outcome = f.outcome(m, place)
	d.when = f.expression(m, "when", item.line, place)
	d.When = d.when.source
	f.readPoints(&d, m, place)
	f.readWording(&d, m, place)
	d.Tags = f.tags(m, place)
	if notes, ok := m["notes"]; ok {
		d.Notes = f.prose(notes, "notes", place, maxNotesRunes)
	}
	f.drafts = append(f.drafts, d)
}

// mapping checks the keys of a mapping and returns its values; nil when it is none.
func (f *file) mapping(n node, place string, known ...string) map[string]node {
	if n.kind != mappingNode {
		f.fault(n.line, place, "expected keys and values, found "+n.describe(), `write "key: value" lines: `+strings.Join(known, ", "))
		return nil
	}
	values := make(map[string]node, len(n.pairs))
	for _, p := range n.pairs {
		_, twice := values[p.key]
		switch {
		case !slices.Contains(known, p.key):
			advice := didYouMean(p.key, known)
			if advice == "" {
				advice = "known here are " + strings.Join(known, ", ")
			}
			f.fault(p.line, place, fmt.Sprintf("unknown key %s", quote(p.key)), advice)
		case twice:
			f.fault(p.line, place, fmt.Sprintf("key %q stands twice", p.key), "keep one")
		default:
			values[p.key] = p.value
		}
	}
	return values
}

// label reads a required short scalar.
func (f *file) label(m map[string]node, key string, line int, place string) string {
	n, ok := m[key]
	switch {
	case !ok:
		f.fault(line, place, fmt.Sprintf("key %q is missing", key), "add it")
	case n.kind != scalarNode || strings.TrimSpace(n.text) == "":
		f.fault(n.line, place, fmt.Sprintf("%q has no value", key), "write a short text, in quotes if it has special characters")
	case utf8.RuneCountInString(n.text) > maxLabelRunes:
		f.fault(n.line, place, fmt.Sprintf("%q is longer than %d characters", key, maxLabelRunes), "shorten it")
	case strings.ContainsFunc(n.text, isControl):
		f.fault(n.line, place, fmt.Sprintf("%q holds a control character", key), "keep it on one line of printable text")
	default:
		return n.text
	}
	return ""
}

func (f *file) mode(m map[string]node, place string) Mode {
	n, ok := m["mode"]
	if !ok {
		return Live
	}
	for _, mode := range []Mode{Live, Shadow} {
		if n.kind == scalarNode && n.text == mode.String() {
			return mode
		}
	}
	f.fault(n.line, place, fmt.Sprintf("mode %s is unknown", n.quoted()), "write live or shadow")
	return Live
}

func (f *file) outcome(m map[string]node, place string) string {
	n, ok := m["outcome"]
	if !ok {
		return ""
	}
	known := []string{"challenge", "review", "decline"}
	if n.kind == scalarNode && slices.Contains(known, n.text) {
		return n.text
	}
	f.fault(n.line, place, fmt.Sprintf("outcome %s is unknown", n.quoted()), "write challenge, review or decline, or leave it out; a rule cannot approve")
	return ""
}

// expression reads a required CEL source.
func (f *file) expression(m map[string]node, key string, line int, place string) expression {
	n, ok := m[key]
	switch {
	case !ok:
		f.fault(line, place, fmt.Sprintf("key %q is missing", key), "add a CEL expression")
	case n.kind != scalarNode || strings.TrimSpace(n.text) == "":
		f.fault(n.line, place, fmt.Sprintf("%q has no expression, found %s", key, n.describe()), "put it in quotes or in a block after |, above all if it starts with ! or [ or holds a colon")
	case len(n.text) > maxExpressionBytes:
		f.fault(n.line, place, fmt.Sprintf("expression of %d bytes is longer than %d", len(n.text), maxExpressionBytes), "split the rule in two")
	default:
		return expression{source: strings.TrimSpace(n.text), line: n.contentLine()}
	}
	return expression{}
}

// readPoints takes an integer as it is and leaves all else to CEL.
func (f *file) readPoints(d *draft, m map[string]node, place string) {
	e := f.expression(m, "points", d.line, place)
	d.Points = e.source
	if e.source == "" {
		return
	}
	points, err := strconv.ParseFloat(e.source, 64)
	if err != nil {
		d.points = e
		return
	}
	if points != float64(int(points)) || points < 0 || points > maxPoints {
		f.fault(e.line, place, fmt.Sprintf("points %s are not an integer from 0 to %d", e.source, maxPoints), "write an integer or a CEL expression")
		return
	}
	d.fixed = int(points)
	d.Points = strconv.Itoa(d.fixed)
}

func (f *file) readWording(d *draft, m map[string]node, place string) {
	n, ok := m["text"]
	if !ok {
		f.fault(d.line, place, `key "text" is missing`, "add text: {pt: …, en: …}: it is what the customer is told")
		return
	}
	texts := f.mapping(n, place, "pt", "en")
	if texts == nil {
		return
	}
	for _, language := range []struct {
		key  string
		into *string
	}{{"pt", &d.Text.PT}, {"en", &d.Text.EN}} {
		if t, ok := texts[language.key]; ok {
			*language.into = f.prose(t, "text."+language.key, place, maxWordingRunes)
		} else {
			f.fault(n.line, place, fmt.Sprintf("text.%s is missing", language.key), "every rule is explained in Portuguese and in English")
		}
	}
}

// prose reads a longer text, with its line breaks folded.
func (f *file) prose(n node, key, place string, limit int) string {
	folded := strings.Join(strings.Fields(n.text), " ")
	switch {
	case n.kind != scalarNode || folded == "":
		f.fault(n.line, place, fmt.Sprintf("%s has no text, found %s", key, n.describe()), "write a sentence, in quotes if it holds a colon")
	case utf8.RuneCountInString(folded) > limit:
		f.fault(n.line, place, fmt.Sprintf("%s is longer than %d characters", key, limit), "shorten it")
	case strings.ContainsFunc(folded, isControl):
		f.fault(n.line, place, key+" holds a control character", "remove it")
	default:
		return folded
	}
	return ""
}

func (f *file) tags(m map[string]node, place string) []string {
	n, ok := m["tags"]
	if !ok {
		return nil
	}
	if n.kind != sequenceNode || len(n.items) > maxTags {
		f.fault(n.line, place, fmt.Sprintf(`"tags" is not a list of at most %d words`, maxTags), "write tags: [one, two]")
		return nil
	}
	var tags []string
	for _, item := range n.items {
		if item.kind != scalarNode || !idForm.MatchString(item.text) || len(item.text) > maxLabelRunes {
			f.fault(item.line, place, fmt.Sprintf("tag %s is malformed", item.quoted()), "use lower-case letters, digits and single dashes")
			continue
		}
		tags = append(tags, item.text)
	}
	return tags
}

// isControl tells characters that break a line or hide in one: C0, DEL, C1 and the two Unicode separators.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029
}
