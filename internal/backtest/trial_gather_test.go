package backtest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/score"
)

// judgment is a payment of a test with what two judges say of it.
type judgment struct {
	t               *payment.Transaction
	fraud           bool
	candidate, live Verdict
}

var drawnRules = []RuleHit{{"a", "A", false}, {"b", "B", false}, {"c", "C", true}}

func drawVerdict(t *rapid.T) Verdict {
	v := Verdict{Outcome: rapid.SampledFrom(decision.Outcomes()).Draw(t, "outcome"), Score: rapid.SampledFrom([]int{0, 24, 25, 349, 350, 999, 1000}).Draw(t, "score")}
	for _, r := range drawnRules {
		if rapid.Bool().Draw(t, "hit") {
			v.Hits = append(v.Hits, r)
		}
	}
	return v
}

func drawJudgments(t *rapid.T) []judgment {
	at := began
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) judgment {
		at = at.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "hours")) * time.Hour)
		return judgment{
			t: &payment.Transaction{OccurredAt: at, Customer: payment.PublicToken(rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "customer")),
				Amount: payment.Amount{Centavos: rapid.Int64Range(0, 1000).Draw(t, "amount")}},
			fraud: rapid.Bool().Draw(t, "fraud"), candidate: drawVerdict(t), live: drawVerdict(t),
		}
	}), 0, 50).Draw(t, "judgments")
}

// testCost is different for every outcome, truth and amount.
func testCost(o decision.Outcome, fraud bool, amount int64) float64 {
	if fraud {
		return float64(amount) * float64(5-o)
	}
	return 7 * float64(o-decision.Approve)
}

// howMany counts the judgments of which something is true.
func howMany(all []judgment, is func(j *judgment) bool) (n int) {
	for i := range all {
		if is(&all[i]) {
			n++
		}
	}
	return n
}

func held(j *judgment, ids ...string) bool {
	for _, id := range ids {
		if !slices.ContainsFunc(j.candidate.Hits, func(h RuleHit) bool { return h.ID == id }) {
			return false
		}
	}
	return true
}

func gathered(all []judgment) (Findings, Difference) {
	policy := decision.DefaultPolicy()
	g := NewGathering(Subject{Name: "n", Policy: policy, Rules: append(drawnRules[:3:3], RuleHit{ID: "never", Code: "NEVER"})}, time.UTC, 2, testCost)
	c := NewContest(testCost)
	for i := range all {
		j := &all[i]
		g.Add(j.t, j.fraud, &j.candidate)
		c.Add(j.t, j.fraud, &j.candidate, &j.live)
	}
	return g.Findings(), c.Difference()
}

func TestFindingsEqualARecount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawJudgments(t)
		f, _ := gathered(all)
		check := func(name string, got, want int) {
			if got != want {
				t.Fatalf("%s is %d, want %d", name, got, want)
			}
		}
		check("transactions", f.Transactions, len(all))
		check("caught", f.FraudsCaught, howMany(all, func(j *judgment) bool { return j.fraud && j.candidate.Outcome != decision.Approve }))
		check("alarms", f.FalseAlarms, howMany(all, func(j *judgment) bool { return !j.fraud && j.candidate.Outcome != decision.Approve }))
		for i, o := range decision.Outcomes() {
			check(o.String(), f.Outcomes[i].Payments, howMany(all, func(j *judgment) bool { return j.candidate.Outcome == o }))
			check(o.String()+" frauds", f.Outcomes[i].Frauds, howMany(all, func(j *judgment) bool { return j.candidate.Outcome == o && j.fraud }))
		}
		for i, from := range []int{350, 550, 800} {
			p := f.Thresholds[i]
			check("flagged", p.Flagged, howMany(all, func(j *judgment) bool { return j.candidate.Score >= from }))
			frauds := howMany(all, func(j *judgment) bool { return j.candidate.Score >= from && j.fraud })
			if p.Precision != ratio(frauds, p.Flagged) || p.Recall != ratio(frauds, f.Frauds) {
				t.Fatalf("from %d: %+v with %d frauds", from, p, frauds)
			}
		}
		for _, p := range f.Curve {
			check("curve", p.Flagged, howMany(all, func(j *judgment) bool { return j.candidate.Score >= p.Threshold }))
		}
		inBin := func(from, to int, fraud bool) int {
			return howMany(all, func(j *judgment) bool {
				return j.candidate.Score >= from && j.candidate.Score <= to && j.fraud == fraud
			})
		}
		sum := 0
		for _, b := range f.Scores {
			check("bin", b.Frauds, inBin(b.From, b.To, true))
			check("bin", b.Genuine, inBin(b.From, b.To, false))
			sum += b.Frauds + b.Genuine
		}
		check("all bins", sum, len(all))
		for _, b := range f.Reliability {
			check("share", b.Payments, inBin(b.From, b.To, true)+inBin(b.From, b.To, false))
			if b.Share != ratio(inBin(b.From, b.To, true), b.Payments) || b.Low > b.Share || b.High < b.Share || b.Score < float64(b.From) || b.Score > float64(b.To) {
				t.Fatalf("reliability %+v", b)
			}
		}
	})
}

func TestRulesAndOverlapsEqualARecount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawJudgments(t)
		f, _ := gathered(all)
		if len(f.Rules) != 4 {
			t.Fatalf("%d rules, want also the one that never held: %+v", len(f.Rules), f.Rules)
		}
		for _, r := range f.Rules {
			hits := howMany(all, func(j *judgment) bool { return held(j, r.ID) })
			frauds := howMany(all, func(j *judgment) bool { return held(j, r.ID) && j.fraud })
			alone := howMany(all, func(j *judgment) bool { return held(j, r.ID) && len(j.candidate.Hits) == 1 })
			want := RuleRow{r.ID, r.Code, r.ID == "c", hits, frauds, alone, ratio(frauds, hits), ratio(frauds, f.Frauds)}
			if r != want {
				t.Fatalf("rule %+v, want %+v", r, want)
			}
		}
		found := 0
		for _, pair := range [][2]string{{"a", "b"}, {"a", "c"}, {"b", "c"}} {
			both := howMany(all, func(j *judgment) bool { return held(j, pair[0], pair[1]) })
			if both == 0 {
				continue
			}
			found++
			either := howMany(all, func(j *judgment) bool { return held(j, pair[0]) || held(j, pair[1]) })
			frauds := howMany(all, func(j *judgment) bool { return held(j, pair[0], pair[1]) && j.fraud })
			if want := (Overlap{pair[0], pair[1], both, frauds, ratio(both, either)}); !slices.Contains(f.Overlaps, want) {
				t.Fatalf("overlaps %+v lack %+v", f.Overlaps, want)
			}
		}
		if len(f.Overlaps) != found {
			t.Fatalf("overlaps %+v, want %d", f.Overlaps, found)
		}
	})
}

func TestDaysMoneyAndCardsEqualARecount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawJudgments(t)
		f, _ := gathered(all)
		want := map[string]DayRow{}
		scores := map[string][]CardScore{}
		var money Money
		for _, j := range all {
			date := j.t.OccurredAt.Format(time.DateOnly)
			d := want[date]
			d.Date = date
			d.Payments++
			cost, amount, flagged := testCost(j.candidate.Outcome, j.fraud, j.t.Amount.Centavos), j.t.Amount.Centavos, j.candidate.Outcome != decision.Approve
			d.Cost += cost
			d.ApproveAll += testCost(decision.Approve, j.fraud, amount)
			money.Cost += cost
			money.ApproveAll += testCost(decision.Approve, j.fraud, amount)
			if j.fraud {
				d.Frauds++
				money.Frauds += amount
			}
			if j.fraud && flagged {
				d.Caught++
				money.Caught += amount
			}
			if !j.fraud && flagged {
				d.Alarms++
				money.Alarmed += amount
			}
			want[date] = d
			card := int32(slices.IndexFunc(all, func(o judgment) bool { return o.t.Customer == j.t.Customer }))
			scores[date] = append(scores[date], CardScore{card, float64(j.candidate.Score), j.fraud})
		}
		var byDay [][]CardScore
		for i, d := range f.Days {
			if d != want[d.Date] || i > 0 && f.Days[i-1].Date >= d.Date {
				t.Fatalf("day %+v, want %+v, in order", d, want[d.Date])
			}
			byDay = append(byDay, scores[d.Date])
		}
		if len(f.Days) != len(want) || f.CardPrecision != CardPrecision(byDay, 2) {
			t.Fatalf("%d days, want %d; card precision %v", len(f.Days), len(want), f.CardPrecision)
		}
		if len(want) > 0 {
			money.PerDay, money.PerThousand = money.Cost/float64(len(want)), 1000*money.Cost/float64(len(all))
		}
		if f.Money != money {
			t.Fatalf("money %+v, want %+v", f.Money, money)
		}
	})
}

func TestDifferenceEqualsARecount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawJudgments(t)
		_, d := gathered(all)
		flips := func(fraud, to bool) int {
			return howMany(all, func(j *judgment) bool {
				return j.fraud == fraud && (j.candidate.Outcome != decision.Approve) == to && (j.live.Outcome != decision.Approve) != to
			})
		}
		want := Difference{
			Payments: len(all), Changed: howMany(all, func(j *judgment) bool { return j.candidate.Outcome != j.live.Outcome }),
			FraudsGained: flips(true, true), FraudsLost: flips(true, false), AlarmsGained: flips(false, true), AlarmsLost: flips(false, false),
		}
		moved := 0
		for _, m := range d.Moves {
			is := func(j *judgment) bool {
				return j.live.Outcome.String() == m.Live && j.candidate.Outcome.String() == m.Candidate
			}
			if m.Live == m.Candidate || m.Payments != howMany(all, is) || m.Frauds != howMany(all, func(j *judgment) bool { return is(j) && j.fraud }) {
				t.Fatalf("move %+v", m)
			}
			moved += m.Payments
		}
		for _, j := range all {
			want.Cost += testCost(j.candidate.Outcome, j.fraud, j.t.Amount.Centavos) - testCost(j.live.Outcome, j.fraud, j.t.Amount.Centavos)
		}
		if moved != want.Changed || math.Abs(d.Cost-want.Cost) > 1e-9 {
			t.Fatalf("%d moved of %d, cost %v, want %v", moved, want.Changed, d.Cost, want.Cost)
		}
		d.Moves, d.Cost, want.Cost = nil, 0, 0
		if fmt.Sprint(d) != fmt.Sprint(want) {
			t.Fatalf("difference %+v, want %+v", d, want)
		}
	})
}

func TestEveryScoreIsInOneBin(t *testing.T) {
	for _, n := range []int{scoreBins, shareBins} {
		next := 0
		for i := range n {
			from, to := edges(i, n)
			if from != next || to < from {
				t.Fatalf("bin %d of %d is %d to %d, want it to begin at %d", i, n, from, to, next)
			}
			next = to + 1
		}
		if next != score.Max+1 {
			t.Fatalf("%d bins end at %d", n, next-1)
		}
	}
}
