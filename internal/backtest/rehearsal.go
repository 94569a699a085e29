package backtest

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/velocity"
)

// ErrHistory is wrapped by errors about a history that cannot have happened: one that goes back in time, or has a
// payment twice.
var ErrHistory = errors.New("invalid history")

// Case is one payment of a labeled history. The windows learn Fraud at KnownAt and not sooner; the zero time means that
// nobody ever says so, and then the payment counts as genuine once it has matured, as it does live.
type Case struct {
	Transaction *payment.Transaction
	Fraud       bool
	KnownAt     time.Time
}

// Stage is what a history is played on.
type Stage struct {
	Rules    *rule.Set      // nil: none
	Model    score.Model    // judges beside the rules; nil: none
	Features []string       // variables of score.Schema that are looked at beside what Rules and Model read
	Zone     *time.Location // whose clock "night" means
	Maturity time.Duration  // after which a payment without a label counts as genuine; at least 1 second
	Now      func() time.Time
	// Declines tells from a result whether our own outcome would have been decline, which the windows count; nil: never.
	Declines func(*score.Result) bool
}

// Rehearsal plays a history as if it happened now: each payment is read, judged and settled by the code that does so
// live, with windows in memory, and each label arrives when it became known. It keeps what the windows keep, and the
// labels that are under way. It is not safe for concurrent use.
type Rehearsal struct {
	stage   Stage
	plan    velocity.Plan
	engine  *score.Engine
	windows *velocity.Memory
	inputs  *score.Inputs
	pending labels
	now     time.Time // of the history
}

// NewRehearsal makes an empty past. Its errors are those of score and velocity: an unknown feature, say.
func NewRehearsal(s Stage) (*Rehearsal, error) {
	var read []string
	if s.Model != nil {
		read = s.Model.Variables()
	}
	plan, err := score.PlanFor(s.Rules, append(slices.Clone(s.Features), read...)...)
	if err != nil {
		return nil, fmt.Errorf("prepare rehearsal: %w", err)
	}
	r := &Rehearsal{stage: s, plan: plan}
	if r.inputs, err = score.NewInputs(s.Features, plan, s.Zone); err != nil {
		return nil, fmt.Errorf("prepare rehearsal: %w", err)
	}
	if r.windows, err = velocity.NewMemory(plan, velocity.Options{LabelMaturity: max(s.Maturity, time.Second), Location: s.Zone}); err != nil {
		return nil, fmt.Errorf("prepare rehearsal: %w", err)
	}
	if s.Rules == nil {
		if s.Rules, err = silence(); err != nil {
			return nil, err
		}
	}
	if s.Declines == nil {
		r.stage.Declines = func(*score.Result) bool { return false }
	}
	r.engine, err = score.New(score.Config{Rules: s.Rules, Model: s.Model, Plan: plan, Windows: r.windows, Zone: s.Zone, Now: s.Now})
	return r, err
}

// silentRules is a set whose only rule never holds: an engine needs one.
const silentRules = `
name: none
version: "1"
rules:
  - id: none
    code: NONE
    mode: shadow
    when: tx.amount < 0.0
    points: 1
    text:
      pt: Nada.
      en: Nothing.
`

func silence() (*rule.Set, error) {
	set, err := rule.Compile([]byte(silentRules), score.Schema())
	if err != nil {
		return nil, fmt.Errorf("prepare rehearsal without rules: %w", err)
	}
	return set, nil
}

// Play judges the next payment as of its own time and lets the windows count it. If row is not nil it is filled with the
// features, and must be as long as they are. The error wraps ErrHistory or velocity.ErrEvent, or is that of ctx; it names
// neither the payment nor a value. After an error wrapping one of those two, the history can go on without the payment.
func (r *Rehearsal) Play(ctx context.Context, c Case, row []float64) (score.Result, error) {
	at := c.Transaction.OccurredAt
	if at.Before(r.now) {
		return score.Result{}, fmt.Errorf("%w: a payment is older than the one before it", ErrHistory)
	}
	r.now = at
	if err := r.deliver(ctx, at); err != nil {
		return score.Result{}, err
	}
	result, err := r.engine.Score(ctx, c.Transaction, r.stage.Declines)
	if err != nil {
		return score.Result{}, err
	}
	if result.Repeated {
		return score.Result{}, fmt.Errorf("%w: a payment is there twice", ErrHistory)
	}
	if row != nil {
		r.inputs.Fill(c.Transaction, result.Values, row)
	}
	if !c.KnownAt.IsZero() {
		heap.Push(&r.pending, velocity.Label{
			ID: c.Transaction.ID, At: at, Entities: c.Transaction.Entities(), Fraud: c.Fraud, KnownAt: c.KnownAt,
		})
	}
	return result, nil
}

// deliver tells the windows what is known by now.
func (r *Rehearsal) deliver(ctx context.Context, now time.Time) error {
	for len(r.pending) > 0 && !r.pending[0].KnownAt.After(now) {
		known := heap.Pop(&r.pending).(velocity.Label)
		if err := r.windows.Label(ctx, []velocity.Label{known}); err != nil {
			return fmt.Errorf("deliver label: %w", err)
		}
	}
	return nil
}

// labels is a heap of those that are under way, the earliest first, and of one time the older payment first.
type labels []velocity.Label

func (l labels) Len() int      { return len(l) }
func (l labels) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *labels) Push(x any)   { *l = append(*l, x.(velocity.Label)) }

func (l labels) Less(i, j int) bool {
	if !l[i].KnownAt.Equal(l[j].KnownAt) {
		return l[i].KnownAt.Before(l[j].KnownAt)
	}
	return l[i].At.Before(l[j].At)
}

func (l *labels) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	(*l)[last] = velocity.Label{}
	*l = (*l)[:last]
	return x
}

// toFloat32 keeps what is beyond float32 finite, since a frame refuses infinity.
func toFloat32(v float64) float32 {
	return float32(min(max(v, -math.MaxFloat32), math.MaxFloat32))
}
