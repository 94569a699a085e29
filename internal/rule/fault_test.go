package rule

import (
	"fmt"
	"strings"
	"testing"
)

// ruleFile is a file of one rule whose lines are given, from line 5 on.
func ruleFile(lines ...string) string {
	return "name: t\nversion: \"1\"\nrules:\n  - id: a\n    " + strings.Join(lines, "\n    ") + "\n"
}

const wording = "text: {pt: p, en: e}"

// faultCatalog is every way to write a wrong file, with all that is said of it, in order.
var faultCatalog = map[string]struct {
	file string
	want []string
}{
	"empty":             {"", []string{"file is empty: write name"}},
	"only a comment":    {"# hello\n", []string{"file is empty"}},
	"not a mapping":     {"- a\n", []string{"line 1: expected keys and values, found a list"}},
	"not UTF-8":         {"name: \xff\n", []string{"file is not UTF-8"}},
	"too large":         {"name: " + strings.Repeat("x", maxFileBytes), []string{"is larger than 1048576"}},
	"two documents":     {"name: a\n---\nname: b\n", []string{"line 3: file holds more than one YAML document"}},
	"no rules":          {"name: a\nversion: b\n", []string{`line 1: key "rules" is missing`}},
	"rules not a list":  {"name: a\nversion: b\nrules: {a: 1}\n", []string{`line 3: "rules" is not a list`}},
	"empty rules":       {"name: a\nversion: b\nrules: []\n", []string{`line 3: "rules" is empty: a set without rules approves everything`}},
	"too many rules":    {"name: a\nversion: b\nrules: [" + strings.Repeat("1,", maxRules) + "1]\n", []string{"501 rules are more than 500"}},
	"rule not a map":    {"name: a\nversion: b\nrules: [1, ~]\n", []string{"rule 1: expected keys and values, found a text", "rule 2: expected keys and values, found nothing"}},
	"name malformed":    {"name: A b\nversion: b\nrules: [{id: a, code: A, when: 'true', points: 1, text: {pt: p, en: e}}]\n", []string{`line 1: name "A b" is malformed: use lower-case`}},
	"name and version":  {"rules: [{id: a, code: A, when: 'true', points: 1, text: {pt: p, en: e}}]\n", []string{`key "name" is missing`, `key "version" is missing`}},
	"nested too deep":   {strings.Repeat("[", 40), []string{"line 1: values are nested deeper than 32"}},
	"anchor and alias":  {"name: &x a\nversion: *x\n", []string{"line 1: YAML anchor, alias", "line 2: YAML anchor, alias"}},
	"tag":               {ruleFile("code: A", "when: !tx.night", "points: 1", wording), []string{`line 6: YAML tag "!tx.night": put an expression that starts with ! in quotes`}},
	"YAML syntax":       {ruleFile("code: A", "when: tx.night ? 1 : 2", "points: 1", wording), []string{"line 6: file is not valid YAML: mapping value is not allowed"}},
	"unknown key":       {ruleFile("code: A", "wen: tx.night", "when: tx.night", "points: 1", "zzzzzz: 1", wording), []string{`line 6, rule a: unknown key "wen": did you mean "when"?`, `line 9, rule a: unknown key "zzzzzz": known here are id, code`}},
	"key twice":         {ruleFile("code: A", "code: B", "when: tx.night", "points: 1", wording), []string{`line 6, rule a: key "code" stands twice`}},
	"all missing":       {"name: t\nversion: b\nrules:\n  - mode: live\n", []string{`line 4, rule 1: key "id" is missing`, `"code" is missing`, `"when" is missing`, `"points" is missing`, `"text" is missing: add text`}},
	"id malformed":      {"name: t\nversion: b\nrules:\n  - {id: A_b, code: A, when: 'true', points: 1, text: {pt: p, en: e}}\n", []string{`line 4, rule 1: id "A_b" is malformed`}},
	"id twice":          {"name: t\nversion: b\nrules:\n  - {id: a, code: A, when: 'true', points: 1, text: {pt: p, en: e}}\n  - {id: a, code: A, when: 'true', points: 1, text: {pt: p, en: e}}\n", []string{`line 5, rule a: id "a" is taken by the rule of line 4`}},
	"code malformed":    {ruleFile("code: Card-Testing", "when: tx.night", "points: 1", wording), []string{`line 5, rule a: code "Card-Testing" is malformed`}},
	"code too long":     {ruleFile("code: "+strings.Repeat("A", 65), "when: tx.night", "points: 1", wording), []string{`"code" is longer than 64`}},
	"control character": {ruleFile(`code: "A\u0007"`, "when: tx.night", "points: 1", wording), []string{`"code" holds a control character`}},
	"empty code":        {ruleFile("code:", "when: tx.night", "points: 1", wording), []string{`line 5, rule a: "code" has no value`}},
	"mode":              {ruleFile("code: A", "mode: off", "when: tx.night", "points: 1", wording), []string{`line 6, rule a: mode "off" is unknown: write live or shadow`}},
	"outcome":           {ruleFile("code: A", "outcome: approve", "when: tx.night", "points: 1", wording), []string{`line 6, rule a: outcome "approve" is unknown: write challenge, review or decline, or leave it out; a rule cannot approve`}},
	"points negative":   {ruleFile("code: A", "when: tx.night", "points: -1", wording), []string{"line 7, rule a: points -1 are not an integer from 0 to 1000"}},
	"points too large":  {ruleFile("code: A", "when: tx.night", "points: 1001", wording), []string{"points 1001 are not an integer"}},
	"points a fraction": {ruleFile("code: A", "when: tx.night", "points: 12.5", wording), []string{"points 12.5 are not an integer"}},
	"points NaN":        {ruleFile("code: A", "when: tx.night", "points: NaN", wording), []string{"points NaN are not an integer"}},
	"points a bool":     {ruleFile("code: A", "when: tx.night", "points: tx.night", wording), []string{`expression is a bool, not a double: use numbers; "condition ? 300 : 0"`}},
	"points a list":     {ruleFile("code: A", "when: tx.night", "points: [1]", wording), []string{`"points" has no expression, found a list`}},
	"text not a map":    {ruleFile("code: A", "when: tx.night", "points: 1", "text: hello"), []string{"line 8, rule a: expected keys and values, found a text"}},
	"text of one":       {ruleFile("code: A", "when: tx.night", "points: 1", "text: {pt: p}"), []string{"line 8, rule a: text.en is missing: every rule is explained in Portuguese and in English"}},
	"text empty":        {ruleFile("code: A", "when: tx.night", "points: 1", `text: {pt: " ", en: ~}`), []string{"text.pt has no text, found an empty text", "text.en has no text, found nothing"}},
	"text too long":     {ruleFile("code: A", "when: tx.night", "points: 1", "text: {pt: p, en: "+strings.Repeat("e", 501)+"}"), []string{"text.en is longer than 500"}},
	"text with bell":    {ruleFile("code: A", "when: tx.night", "points: 1", `text: {pt: p, en: "e\u0007"}`), []string{"text.en holds a control character"}},
	"tags no list":      {ruleFile("code: A", "when: tx.night", "points: 1", "tags: a", wording), []string{`"tags" is not a list of at most 10 words`}},
	"tag malformed":     {ruleFile("code: A", "when: tx.night", "points: 1", "tags: [A b, [c]]", wording), []string{`tag "A b" is malformed`, `tag (a list) is malformed`}},
	"when too long":     {ruleFile("code: A", "when: tx.night"+strings.Repeat(" || tx.night", 200), "points: 1", wording), []string{"is longer than 2000"}},
	"when of no bool":   {ruleFile("code: A", "when: tx.amount", "points: 1", wording), []string{"line 6, rule a: expression is a double, not a bool: compare the value with something"}},
	"unknown variable":  {ruleFile("code: A", "when: card.count_2h > 1 && tx.metod == 'pix' && zzz", "points: 1", wording), []string{`unknown variable "card.count_2h": did you mean "card.count_1h"?`, `unknown variable "tx.metod": did you mean "tx.method"?`, `unknown variable "zzz"`}},
	"line of a block":   {ruleFile("code: A", "when: |", "  tx.night", "    && tx.hours > 3", "points: 1", wording), []string{`line 8, rule a: unknown variable "tx.hours": did you mean "tx.hour"?`}},
	"CEL syntax":        {ruleFile("code: A", "when: |", "  tx.night", "    and tx.blocked", "points: 1", wording), []string{"line 8, rule a: Syntax error"}},
	"types":             {ruleFile("code: A", "when: tx.amount == 'x' || tx.night > 1", "points: 1", wording), []string{"found no matching overload for == applied to '(double, string)': check the types", "found no matching overload for > applied to '(bool, int)'"}},
	"int and double":    {ruleFile("code: A", "when: tx.amount * size(tx.uf) > 1", "points: 1", wording), []string{"found no matching overload for * applied to '(double, int)': a double and an int do not mix"}},
	"modulo":            {ruleFile("code: A", "when: tx.hour % 2.0 == 0", "points: 1", wording), []string{"% is for integers; use int(x) % n"}},
	"unknown function":  {ruleFile("code: A", "when: sqrt(tx.amount) > 3", "points: 1", wording), []string{"undeclared reference to 'sqrt': known functions are min, max"}},
	"bad pattern":       {ruleFile("code: A", "when: tx.uf.matches('(')", "points: 1", wording), []string{"line 6, rule a: invalid matches argument: write a regular expression"}},
	"too expensive":     {ruleFile("code: A", "when: '"+loops+"'", "points: 1", wording), []string{"expression may cost more than 5000 units"}},
	"too deep":          {ruleFile("code: A", "when: "+strings.Repeat("(", 100)+"tx.night"+strings.Repeat(")", 100), "points: 1", wording), []string{"line 6, rule a: "}},
	"all at once": {"name: t\nversion: b\nrule: x\nrules:\n  - {id: a, code: a, when: 'tx.nigth', points: 1.5, text: {pt: p, en: e}}\n  - {id: b, code: B, when: '1 +', points: 'tx.uf', text: {pt: p}}\n",
		[]string{"line 3: unknown key", `line 5, rule a: code "a"`, "line 5, rule a: points 1.5", `line 5, rule a: unknown variable "tx.nigth"`, "line 6, rule b: text.en", "line 6, rule b: Syntax error", "line 6, rule b: expression is a string"}},
}

var loops = fmt.Sprintf("%[1]s.all(x, %[1]s.all(y, %[1]s.all(z, x + y + z > 0)))", "["+strings.Repeat("1,", 30)+"1]")

func TestFaultCatalog(t *testing.T) {
	for name, tc := range faultCatalog {
		t.Run(name, func(t *testing.T) {
			faults := faultsOf(t, tc.file, small())
			if len(faults) != len(tc.want) {
				t.Fatalf("%d faults, want %d:\n%v", len(faults), len(tc.want), faults)
			}
			for i, want := range tc.want {
				if !strings.Contains(faults[i].String(), want) {
					t.Errorf("fault %d is\n  %s\nwant\n  %s", i, faults[i], want)
				}
			}
		})
	}
}

func TestFaultsSayHowManyThereAre(t *testing.T) {
	one := Faults{{Line: 3, Rule: "a", Problem: "p", Advice: "q"}}
	if got, want := one.Error(), "refuse rule file: 1 fault\n  line 3, rule a: p: q"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	two := append(one, Fault{Rule: "rule 2", Problem: "r"})
	if got, want := two.Error(), "refuse rule file: 2 faults\n  line 3, rule a: p: q\n  rule 2: r"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestASchemaThatCannotBeDeclared(t *testing.T) {
	for want, schema := range map[string][]Variable{
		"malformed name": {{Name: "Tx.amount", Type: Number}},
		"declared twice": {{Name: "a", Type: Number}, {Name: "a", Type: Text}},
		"unknown type":   {{Name: "a"}},
	} {
		_, err := Compile([]byte(threeRules), schema)
		if _, isFaults := err.(Faults); err == nil || isFaults || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"when", "wen", 1}, {"card.count_1h", "card.count_2h", 1}, {"ab", "ba", 2}, {"kitten", "sitting", 3}, {"aaaa", "bbbb", 4}} {
		if got := distance(tc.a, tc.b, 5); got != tc.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
		if got := distance(tc.a, tc.b, 1); tc.want > 1 && got != 2 {
			t.Errorf("distance(%q, %q) bounded by 1 = %d, want 2", tc.a, tc.b, got)
		}
	}
}
