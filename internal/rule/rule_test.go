package rule

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const threeRules = `
# a comment
name: shop
version: 1.10
rules:
  - id: many
    code: CARD_VELOCITY
    when: card.count_1h >= 3
    points: 50 * card.count_1h
    outcome: review
    text: {pt: Muitas compras., en: Many purchases.}
    tags: [velocity, card]
    notes: >-
      folded
      text
  - id: night
    code: NIGHT
    mode: shadow
    when: |
      tx.night
        && tx.amount > 100
    points: 40
    text:
      pt: À noite.
      en: At night.
  - id: blocked
    code: BLOCKED
    when: "!(!tx.blocked)"
    points: 1000
    outcome: decline
    text: {pt: Bloqueado., en: Blocked.}
`

func TestASetSaysWhatWasWritten(t *testing.T) {
	s := mustCompile(t, threeRules, small())
	want := []Rule{
		{ID: "many", Code: "CARD_VELOCITY", Mode: Live, When: "card.count_1h >= 3", Points: "50 * card.count_1h", Outcome: "review",
			Text: Wording{PT: "Muitas compras.", EN: "Many purchases."}, Tags: []string{"velocity", "card"}, Notes: "folded text"},
		{ID: "night", Code: "NIGHT", Mode: Shadow, When: "tx.night\n  && tx.amount > 100", Points: "40", Text: Wording{PT: "À noite.", EN: "At night."}},
		{ID: "blocked", Code: "BLOCKED", Mode: Live, When: "!(!tx.blocked)", Points: "1000", Outcome: "decline", Text: Wording{PT: "Bloqueado.", EN: "Blocked."}},
	}
	if diff := cmp.Diff(want, s.Rules()); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if s.Name() != "shop" || s.Edition() != "1.10" {
		t.Errorf("name %q edition %q, want shop and 1.10 as it was written", s.Name(), s.Edition())
	}
	s.Rules()[0].Tags[0] = "changed"
	s.Variables()[0].Name = "changed"
	if s.Rules()[0].Tags[0] != "velocity" || s.Variables()[0].Name == "changed" {
		t.Error("a caller changed the set through a returned slice")
	}
}

func TestSlotsNumberOnlyWhatIsReadByType(t *testing.T) {
	s := mustCompile(t, threeRules, small())
	var names []string
	for _, v := range s.Variables() {
		names = append(names, v.Name)
	}
	if diff := cmp.Diff([]string{"tx.amount", "card.count_1h", "tx.night", "tx.blocked"}, names); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	for name, want := range map[string]slot{"tx.amount": {Number, 0}, "card.count_1h": {Number, 1}, "tx.night": {Flag, 0}, "tx.blocked": {Flag, 1}} {
		if kind, index, ok := s.Slot(name); !ok || kind != want.kind || index != want.index {
			t.Errorf("Slot(%s) = %d, %d, %t, want %v", name, kind, index, ok, want)
		}
	}
	if _, _, ok := s.Slot("tx.hour"); ok {
		t.Error("Slot(tx.hour) is known, but no rule reads it")
	}
	in := s.NewInput()
	if len(in.Numbers) != 2 || len(in.Texts) != 0 || len(in.Flags) != 2 || !math.IsNaN(in.Numbers[1]) {
		t.Errorf("NewInput() = %+v, want two missing numbers and two flags", in)
	}
}

func TestEvaluate(t *testing.T) {
	s := mustCompile(t, threeRules, small())
	for name, tc := range map[string]struct {
		in   values
		want []Hit
	}{
		"nothing known":      {nil, nil},
		"graded":             {values{"card.count_1h": 7}, []Hit{{0, 350}}},
		"graded, at its end": {values{"card.count_1h": 70}, []Hit{{0, 1000}}},
		"shadow is recorded": {values{"tx.night": true, "tx.amount": 101}, []Hit{{1, 40}}},
		"in order":           {values{"tx.blocked": true, "card.count_1h": 3}, []Hit{{0, 150}, {2, 1000}}},
	} {
		if diff := cmp.Diff(Result{Hits: tc.want}, evaluate(t, s, tc.in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPointsAreRoundedAndLimited(t *testing.T) {
	for points, want := range map[string]int{
		"tx.amount": 250, "-tx.amount": 0, "10 * tx.amount": 1000, "tx.amount / 100": 3, "0.49 + tx.hour": 0,
		"card.count_1h": 0, // missing: no points, but a hit
		"tx.amount / 0": 1000, "1": 1, "1000": 1000, "2e2": 200, "int(tx.amount) / 3": 83, "size(tx.method)": 4, "tx.night ? 1 : 7.5": 8,
		"[1.0, 400.0].exists(x, x > tx.amount) ? 300 : 0": 300, "[1, 2].map(x, x + 1)[1]": 3, // interpreted, double and int
	} {
		out := evaluate(t, mustCompile(t, oneRule("true", points), small()), values{"tx.amount": 250, "tx.hour": 0, "tx.method": "card"})
		if diff := cmp.Diff(Result{Hits: []Hit{{0, want}}}, out); diff != "" {
			t.Errorf("points %s (-want +got):\n%s", points, diff)
		}
	}
}

func TestAFailingRuleIsSkippedAndReported(t *testing.T) {
	file := "name: t\nversion: a\nrules:\n"
	for i, when := range []string{
		"1 / int(tx.amount) > 0", "tx.blocked || 1 % int(tx.amount) == 0", // zero
		"int(card.count_1h) > 0",                                                                       // NaN
		"9223372036854775807 + size(tx.method) > 0", `tx.uf.matches("(" + tx.uf)`, `double(tx.uf) > 1`, // overflow, bad pattern, bad number
		"tx.night", // the only one that holds
	} {
		file += "  - {id: r" + string(rune('a'+i)) + ", code: R, when: '" + when + "', points: 10, text: {pt: p, en: e}}\n"
	}
	file += "  - {id: p, code: R, when: tx.night, points: int(card.count_1h), text: {pt: p, en: e}}\n"
	file += "  - {id: q, code: R, when: tx.night, points: double(tx.uf), text: {pt: p, en: e}}\n"
	s := mustCompile(t, file, small())
	got := evaluate(t, s, values{"tx.amount": 0, "tx.method": "x", "tx.uf": "SP", "tx.night": true})
	want := Result{Hits: []Hit{{6, 10}}, Failed: []int{0, 1, 2, 3, 4, 5, 7, 8}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrorsAreAbsorbedByTheSideThatDecides(t *testing.T) {
	const fails = "1 / int(tx.hour) > 0"
	for when, want := range map[string]string{
		fails + " || true": "hit", "true || " + fails: "hit", fails + " && false": "", "false && " + fails: "",
		fails + " && true": "failed", fails + " || false": "failed", "!(" + fails + ")": "failed", fails + " ? true : true": "failed",
		"(" + fails + " || true) && (" + fails + " || true)":             "hit",
		"(" + fails + ") == (" + fails + " || true)":                     "failed",
		"(" + fails + ") == (tx.blocked && tx.night)":                    "failed",
		"(" + fails + " ? 1 : 2) + (" + fails + " && false ? 1 : 2) > 0": "failed",
	} {
		got := evaluate(t, mustCompile(t, oneRule(when, "5"), small()), values{"tx.hour": 0})
		verdict := ""
		if len(got.Hits) == 1 {
			verdict = "hit"
		} else if len(got.Failed) == 1 {
			verdict = "failed"
		}
		if verdict != want {
			t.Errorf("%s: %q, want %q", when, verdict, want)
		}
	}
}

func TestAPanicIsContained(t *testing.T) {
	s := mustCompile(t, threeRules, small())
	in := s.NewInput()
	in.Numbers, in.Flags[1] = nil, true // an input that does not belong to this set
	in.Flags[0] = true
	var out Result
	s.Evaluate(in, &out)
	if diff := cmp.Diff(Result{Hits: []Hit{{2, 1000}}, Failed: []int{0, 1}}, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheRunTimeCostIsLimited(t *testing.T) {
	l, err := newLanguage(small())
	if err != nil {
		t.Fatal(err)
	}
	list := "[" + strings.Repeat("1,", 300) + "1]"
	ast, issues := l.env.Compile(list + ".all(x, " + list + ".all(y, y == x))")
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	run, err := l.interpretCondition(&checked{program: ast, tree: ast.NativeRep()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &frame{}
	if run(f) || !f.failed {
		t.Error("an expression of 90,000 steps was evaluated to its end")
	}
}

func TestVersionFollowsTheContentOnly(t *testing.T) {
	base := mustCompile(t, threeRules, small()).Version()
	if !strings.HasPrefix(base, "shop@") || len(base) != len("shop@")+12 {
		t.Fatalf("version %q", base)
	}
	same := strings.NewReplacer("# a comment", "# another", "{pt: Bloqueado., en: Blocked.}", "\n      en: Blocked.\n      pt: >\n        Bloqueado.").Replace(threeRules)
	if got := mustCompile(t, same, small()).Version(); got != base {
		t.Errorf("version changed from %s to %s with layout alone", base, got)
	}
	for _, change := range []string{"card.count_1h >= 3|card.count_1h >= 4", "Blocked.|blocked.", "1.10|1.1", "mode: shadow|mode: live", "points: 40|points: 41", "outcome: decline|outcome: review", "folded|other"} {
		from, to, _ := strings.Cut(change, "|")
		if got := mustCompile(t, strings.Replace(threeRules, from, to, 1), small()).Version(); got == base {
			t.Errorf("version did not change with %s", change)
		}
	}
}

func TestEvaluateAtOnce(t *testing.T) {
	s := mustCompile(t, oneRule("tx.amount > 10 && [1.0, 2.0].exists(x, x < tx.amount)", "tx.amount"), small())
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			in := s.NewInput()
			var out Result
			for i := range 500 {
				in.Numbers[0] = float64((g*500 + i) % 900)
				s.Evaluate(in, &out)
				held := in.Numbers[0] > 10
				if len(out.Failed) > 0 || (len(out.Hits) == 1) != held || held && out.Hits[0].Points != int(in.Numbers[0]) {
					t.Errorf("amount %v: %+v", in.Numbers[0], out)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestModeText(t *testing.T) {
	for mode, want := range map[Mode]string{Live: "live", Shadow: "shadow", 0: "invalid"} {
		if text, err := mode.MarshalText(); err != nil || string(text) != want {
			t.Errorf("Mode(%d) is %q, %v, want %q", mode, text, err, want)
		}
	}
}

func TestEvaluateDoesNotAllocate(t *testing.T) {
	s := mustCompile(t, string(Default()), schema())
	in := typical(s)
	var out Result
	s.Evaluate(in, &out)
	if n := testing.AllocsPerRun(200, func() { s.Evaluate(in, &out) }); n != 0 {
		t.Errorf("%v allocations an evaluation, want 0", n)
	}
}
