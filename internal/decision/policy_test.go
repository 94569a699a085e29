package decision

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

func TestZeroOutcomeIsNoVerdict(t *testing.T) {
	var o Outcome
	if o.Valid() || o.String() != "invalid" || o == Approve {
		t.Errorf("the zero Outcome must be invalid, is %v", o)
	}
	if Outcome(200).Valid() || Outcome(200).String() != "invalid" || Path(9).String() != "" {
		t.Error("a number that is no outcome must be invalid")
	}
}

func TestOutcomeWords(t *testing.T) {
	for _, o := range Outcomes() {
		if ParseOutcome(o.String()) != o {
			t.Errorf("%v does not survive its own word", o)
		}
	}
	for _, word := range []string{"", "invalid", "Approve", "approved"} {
		if o := ParseOutcome(word); o != Invalid {
			t.Errorf("ParseOutcome(%q) = %v", word, o)
		}
	}
	if Async.String() != "async" || Sync.String() != "sync" {
		t.Error("paths have lost their words")
	}
}

func TestPolicyTakesTheHighestThresholdReached(t *testing.T) {
	p := DefaultPolicy()
	for points, want := range map[int]Outcome{
		0: Approve, 349: Approve, 350: Challenge, 549: Challenge, 550: Review, 799: Review, 800: Decline, 1000: Decline,
	} {
		if got := p.Outcome(points, Invalid); got != want {
			t.Errorf("Outcome(%d) = %v, want %v", points, got, want)
		}
	}
	if got := p.Outcome(0, Decline); got != Decline {
		t.Errorf("a floor of decline gives %v", got)
	}
	if got := p.Outcome(900, Challenge); got != Decline {
		t.Errorf("a floor softens: %v", got)
	}
}

func TestPolicyThresholdsMustAscend(t *testing.T) {
	for _, p := range []Policy{{}, {Challenge: 0, Review: 1, Decline: 2}, {Challenge: 5, Review: 4, Decline: 6}, {Challenge: 1, Review: 7, Decline: 6}, {Challenge: 1, Review: 2, Decline: 1002}} {
		if err := p.Validate(); !errors.Is(err, ErrPolicy) {
			t.Errorf("%+v is accepted: %v", p, err)
		}
	}
	never := Policy{Name: "never", Challenge: 1001, Review: 1001, Decline: 1001}
	if err := never.Validate(); err != nil {
		t.Errorf("a policy that stops nobody is refused: %v", err)
	}
	if never.Version() != "never/1001-1001-1001" {
		t.Errorf("version is %q", never.Version())
	}
}

func TestAPolicyIsReadFromItsVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Name: rapid.StringMatching(`[a-z0-9/-]{0,12}`).Draw(t, "name")}
		p.Challenge = rapid.IntRange(1, 1001).Draw(t, "challenge")
		p.Review = rapid.IntRange(p.Challenge, 1001).Draw(t, "review")
		p.Decline = rapid.IntRange(p.Review, 1001).Draw(t, "decline")
		if got, ok := ParsePolicy(p.Version()); !ok || got != p {
			t.Fatalf("%q is read as %+v, %t; it is %+v", p.Version(), got, ok, p)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z/]{0,4}/?[-+0-9]{0,12}`).Draw(t, "text")
		if got, ok := ParsePolicy(text); ok && (got.Version() != text || got.Validate() != nil) || !ok && got != (Policy{}) {
			t.Fatalf("%q is read as %+v, %t", text, got, ok)
		}
	})
	for _, text := range []string{
		"", "default", "default/", "default/1-2", "default/1-2-3-4", "default/1-2-x", "default/01-2-3", "default/+1-2-3", "default/3-2-1",
		"default/0-1-2", "default/1-2-1002", "350-550-800", "default/1-2-99999999999999999999",
	} {
		if p, ok := ParsePolicy(text); ok {
			t.Errorf("%q is read as %+v", text, p)
		}
	}
}

func TestTheShadowIsNamedIfItJudged(t *testing.T) {
	versions, at := Versions{Shadow: "trial/1"}, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for points, want := range map[int]string{score.NoShadow: "", 0: "trial/1", 900: "trial/1"} {
		d := DefaultPolicy().Decide(&payment.Transaction{}, &score.Result{Shadow: points}, versions, Sync, at)
		if d.Shadow != want || (len(d.Reasons) == 1) != (points > 0) || d.Outcome != Approve {
			t.Errorf("with %d points: shadow %q, reasons %+v, %v", points, d.Shadow, d.Reasons, d.Outcome)
		}
	}
}

func TestAnErrorIsNeverAnApproval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := score.Result{
			Score:    rapid.IntRange(0, 1000).Draw(t, "score"),
			Degraded: rapid.Bool().Draw(t, "degraded"),
			LiveLost: rapid.Bool().Draw(t, "lost"),
			Floor:    rapid.SampledFrom([]string{"", "challenge", "review", "decline"}).Draw(t, "floor"),
		}
		got := DefaultPolicy().Asks(&r)
		if !got.Valid() {
			t.Fatalf("Asks(%+v) = %v", r, got)
		}
		if (r.Degraded || r.LiveLost) && got == Approve {
			t.Fatalf("Asks(%+v) approves", r)
		}
		if got < ParseOutcome(r.Floor) {
			t.Fatalf("Asks(%+v) = %v is milder than its floor", r, got)
		}
	})
}

func TestDecideRecordsAllOfIt(t *testing.T) {
	live := rule.Rule{ID: "card-burst", Code: "CARD_TESTING", Mode: rule.Live}
	weak := rule.Rule{ID: "night", Code: "NIGHT", Mode: rule.Live}
	shadow := rule.Rule{ID: "trial", Code: "TRIAL", Mode: rule.Shadow}
	r := score.Result{
		Score: 600, Hits: []score.Hit{{Rule: &shadow, Points: 900}, {Rule: &weak, Points: 100}, {Rule: &live, Points: 500}},
		Failed: []int{3}, Values: []float64{1, 2}, Saturated: true, Late: true, ModelGone: true, Anomalous: true, Took: time.Microsecond,
	}
	tx := payment.Transaction{ID: "t1", SealState: payment.SealDropped}
	at := time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.FixedZone("BRT", -3*3600))
	got := DefaultPolicy().Decide(&tx, &r, Versions{RuleSet: "default@1", Model: "m", Plan: "plan-1"}, Sync, at)
	want := Decision{
		TransactionID: "t1", Outcome: Review, Score: 600,
		Reasons: []Reason{
			{Code: "CARD_TESTING", Rule: "card-burst", Points: 500},
			{Code: "NIGHT", Rule: "night", Points: 100},
			{Code: "TRIAL", Rule: "trial", Points: 900, Shadow: true},
		},
		RuleSet: "default@1", Policy: "default/350-550-800", Model: "m",
		Features:  Features{Plan: "plan-1", Values: []float64{1, 2}},
		Degraded:  RuleFailed | WindowsSaturated | LateEvent | ModelGone | PersonalDropped,
		Anomalous: true, Path: Sync, DecidedAt: time.Date(2026, 11, 21, 15, 0, 0, 123000000, time.UTC), Took: time.Microsecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decide (-want +got):\n%s", diff)
	}
	names := got.Degraded.Names()
	if diff := cmp.Diff([]string{"rule_failed", "windows_saturated", "late_event", "unsealed_dropped", "model_unavailable"}, names); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
	if none := DefaultPolicy().Decide(&tx, &score.Result{Degraded: true}, Versions{}, Async, at); none.Outcome != Challenge || none.Reasons != nil || none.Degraded&FeaturesDegraded == 0 {
		t.Errorf("a result without windows gives %+v", none)
	}
}
