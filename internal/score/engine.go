package score

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Config is what an engine is made of.
type Config struct {
	Rules   *rule.Set
	Plan    velocity.Plan // of Windows; from PlanFor
	Windows Windows
	Model   Model // nil while there is none
	Shadow  Model // judges beside Model, without effect; nil for none
	// Seen is told what Model has read, and its points, when a payment is scored; nil tells nobody. It must not keep the
	// inputs, and not block.
	Seen func(inputs []float64, points int)
	Zone *time.Location // whose clock "night" means: America/Sao_Paulo
	Now  func() time.Time
}

// Engine scores transactions. It is safe for concurrent use.
type Engine struct {
	Config
	planVersion string
	planNames   []string
	fill        []filler
	derive      []derivation
	z           derivation // customer.amount_z
	model       *bound     // nil without Model
	shadow      *bound     // nil without Shadow
	rules       []rule.Rule
	floors      []int // rank of each rule's floor
	scratch     sync.Pool
}

// filler puts one variable of the transaction itself into its slot.
type filler struct {
	own
	slot int
}

// derivation computes one derived number, or copies one feature (value nil).
type derivation struct {
	slot  int
	from  []int // indexes into the plan
	value func(amount float64, v [maxNeeds]float64) float64
}

type scratch struct {
	input  *rule.Input
	result rule.Result
	events [1]velocity.Event
	settle [1]velocity.Settlement
	inputs []float64 // of the model
	shadow []float64 // of the shadow model
}

// floorNames orders the outcomes that a rule may ask for.
var floorNames = [...]string{"", "challenge", "review", "decline"}

// New makes an engine. It fails when the plan lacks something that the rules read.
func New(c Config) (*Engine, error) {
	if c.Rules == nil || c.Windows == nil || c.Now == nil || c.Zone == nil {
		return nil, errors.New("make score engine: rules, windows, zone and clock are required")
	}
	e := &Engine{Config: c, rules: c.Rules.Rules()}
	index := map[string]int{}
	for i, f := range c.Plan {
		index[f.Name()] = i
		e.planNames = append(e.planNames, f.Name())
	}
	sum := sha256.Sum256([]byte(strings.Join(e.planNames, "\n")))
	e.planVersion = "plan-" + hex.EncodeToString(sum[:6])
	if err := e.bind(index); err != nil {
		return nil, fmt.Errorf("make score engine: %w", err)
	}
	var err error
	if e.model, err = bind(c.Model, c.Plan, c.Zone); err != nil {
		return nil, fmt.Errorf("make score engine: %w", err)
	}
	if e.shadow, err = bind(c.Shadow, c.Plan, c.Zone); err != nil {
		return nil, fmt.Errorf("make score engine: shadow model: %w", err)
	}
	for _, r := range e.rules {
		rank := 0
		for i, name := range floorNames {
			if name == r.Outcome {
				rank = i
			}
		}
		e.floors = append(e.floors, rank)
	}
	e.scratch.New = func() any { return e.newScratch() }
	return e, nil
}

func (e *Engine) newScratch() *scratch {
	return &scratch{input: e.Rules.NewInput(), inputs: make([]float64, e.model.width()), shadow: make([]float64, e.shadow.width())}
}

// bind resolves every variable that the rules read to where its value comes from.
func (e *Engine) bind(index map[string]int) error {
	owns := map[string]own{}
	for _, o := range ownVariables() {
		owns[o.Name] = o
	}
	ways := map[string]derived{}
	for _, d := range derivedVariables() {
		ways[d.name] = d
	}
	resolve := func(names []string) ([]int, error) {
		var from []int
		for _, n := range names {
			i, ok := index[n]
			if !ok {
				return nil, fmt.Errorf("plan lacks %s", n)
			}
			from = append(from, i)
		}
		return from, nil
	}
	for _, v := range e.Rules.Variables() {
		_, slot, ok := e.Rules.Slot(v.Name)
		if !ok {
			return fmt.Errorf("rule set has no slot for %s", v.Name)
		}
		if o, ok := owns[v.Name]; ok {
			e.fill = append(e.fill, filler{o, slot})
			continue
		}
		d, isDerived := ways[v.Name]
		needs := []string{v.Name}
		if isDerived {
			needs = d.needs
		}
		from, err := resolve(needs)
		if err != nil {
			return err
		}
		e.derive = append(e.derive, derivation{slot, from, d.value})
	}
	z := ways["customer.amount_z"]
	from, err := resolve(z.needs)
	if err != nil {
		return err
	}
	e.z = derivation{from: from, value: z.value}
	return nil
}

// Plan returns the version of the plan and the names of the values in a Result, in order.
func (e *Engine) Plan() (version string, names []string) { return e.planVersion, e.planNames }

// Score judges t as of its own time and lets the windows count it. asksDecline tells from the result whether our own
// outcome will be decline, which the windows count too, so that the next transaction sees it.
//
// A transaction of a customer who was erased meanwhile is judged without windows, and they do not count it.
//
// The errors are those of ctx, and one for a transaction that no window can hold (velocity.ErrEvent). Trouble with
// windows, rules or model is on the result.
func (e *Engine) Score(ctx context.Context, t *payment.Transaction, asksDecline func(*Result) bool) (Result, error) {
	return e.ScoreIn(ctx, e.Windows, t, asksDecline)
}

// ScoreIn is Score with other windows of the same plan: those of a batch that t belongs to.
func (e *Engine) ScoreIn(ctx context.Context, w Windows, t *payment.Transaction, asksDecline func(*Result) bool) (Result, error) {
	start := e.Now()
	s := e.scratch.Get().(*scratch)
	defer e.scratch.Put(s)
	s.events[0] = velocity.EventOf(t)
	var r Result
	var readings []velocity.Reading
	err := errErased
	if Counts(t) {
		readings, err = w.Observe(ctx, s.events[:])
	}
	counted := err == nil
	switch {
	case counted:
		r.Values, r.Saturated, r.Late = readings[0].Values, readings[0].Saturated, readings[0].Late
		r.Degraded, r.Repeated = readings[0].Incomplete, readings[0].Duplicate
	case ctx.Err() != nil:
		return Result{}, fmt.Errorf("observe windows: %w", ctx.Err())
	case errors.Is(err, velocity.ErrEvent):
		return Result{}, fmt.Errorf("observe windows: %w", err)
	default:
		r.Degraded = true
		r.Values = missing(len(e.planNames))
	}
	e.evaluate(t, &r, s)
	if counted {
		s.settle[0] = velocity.Settlement{
			ID: t.ID, At: t.OccurredAt, Entities: s.events[0].Entities,
			Declined: asksDecline(&r), Anomalous: r.Anomalous,
		}
		// One that had been counted before may have been settled otherwise then, by a process that did not live to store it.
		if s.settle[0].Declined || s.settle[0].Anomalous || readings[0].Duplicate {
			r.Degraded = w.Settle(ctx, s.settle[:]) != nil || r.Degraded
		}
	}
	if e.Seen != nil && e.model != nil && counted && !r.ModelGone {
		e.Seen(s.inputs, r.Model)
	}
	r.Took = e.Now().Sub(start)
	return r, nil
}

// Counts reports whether the windows count t: those of an erased customer are judged without them.
func Counts(t *payment.Transaction) bool { return t.SealState != payment.SealErased }

// errErased stands for windows that are not asked.
var errErased = errors.New("customer erased")

func missing(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = math.NaN()
	}
	return values
}

// Evaluate fills the rest of r from r.Values: what Score does after reading the windows, and what an explanation does
// again later from stored values, with the same result.
func (e *Engine) Evaluate(t *payment.Transaction, r *Result) {
	s := e.scratch.Get().(*scratch)
	defer e.scratch.Put(s)
	e.evaluate(t, r, s)
}

// evaluate is Evaluate with memory of the caller's; the model's inputs are left in it.
func (e *Engine) evaluate(t *payment.Transaction, r *Result, s *scratch) {
	m := moment{Transaction: t, local: t.OccurredAt.In(e.Zone)}
	for i := range e.fill {
		f := &e.fill[i]
		switch f.Type {
		case rule.Number:
			s.input.Numbers[f.slot] = f.number(&m)
		case rule.Text:
			s.input.Texts[f.slot] = f.text(&m)
		case rule.Flag:
			s.input.Flags[f.slot] = f.flag(&m)
		}
	}
	amount := float64(t.Amount.Centavos)
	for i := range e.derive {
		d := &e.derive[i]
		s.input.Numbers[d.slot] = d.eval(amount, r.Values)
	}
	r.Anomalous = e.z.eval(amount, r.Values) >= anomalousZ
	e.Rules.Evaluate(s.input, &s.result)
	r.Model, r.ModelGone = e.model.judge(t, r.Values, s.inputs)
	r.Shadow = NoShadow
	if points, gone := e.shadow.judge(t, r.Values, s.shadow); e.shadow != nil && !gone {
		r.Shadow = points
	}
	e.combine(&s.result, r)
}

func (d *derivation) eval(amount float64, values []float64) float64 {
	if d.value == nil {
		return values[d.from[0]]
	}
	var args [maxNeeds]float64
	for i, from := range d.from {
		args[i] = values[from]
	}
	return d.value(amount, args)
}

// combine turns rule hits, and the model's word if there is one, into the score.
func (e *Engine) combine(found *rule.Result, r *Result) {
	rest, floor := 1.0, 0
	if len(found.Hits) > 0 {
		r.Hits = make([]Hit, 0, len(found.Hits))
	}
	for _, h := range found.Hits {
		rl := &e.rules[h.Rule]
		r.Hits = append(r.Hits, Hit{Rule: rl, Points: h.Points})
		if rl.Mode != rule.Live {
			continue
		}
		rest *= remaining(h.Points)
		floor = max(floor, e.floors[h.Rule])
	}
	rest *= remaining(r.Model)
	for _, i := range found.Failed {
		r.Failed = append(r.Failed, i)
		r.LiveLost = r.LiveLost || e.rules[i].Mode == rule.Live
	}
	r.Score, r.Floor = toScore(rest), floorNames[floor]
}
