package gbdt

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
)

// Measure is what early stopping watches on the validation set.
type Measure uint8

// The measures. Both respect the weights of the set.
const (
	LogLoss          Measure = iota // mean negative log-likelihood; less is better
	AveragePrecision                // step sum over all thresholds; more is better
)

// maxTrainDepth keeps a tree within MaxNodes.
const maxTrainDepth = 15

// maxWeight is how much all rows may weigh together: what a float32 holds, with room to spare.
const maxWeight = 1e30

// maxBins is the most bins that may be asked for.
const maxBins = 1 << 16

// maxWorkers is more than any machine of today has use for.
const maxWorkers = 1024

// Settings say how a model is trained. Where XGBoost has a setting of the same meaning, the same number does the same.
type Settings struct {
	Trees int // rounds; 1 to MaxTrees
	Depth int // of a tree, splits from the root to the deepest leaf; 1 to 15
	// Rate is what every leaf is multiplied with (XGBoost: eta); above 0, at most 1.
	Rate float64
	// Lambda is added to the second derivatives of a leaf: it draws leaves toward 0; at least 0.
	Lambda float64
	// Gamma is the least gain of a split. As in XGBoost the gain is GL²/(HL+λ) + GR²/(HR+λ) − G²/(H+λ), without the ½ of
	// the paper, and a tree is grown in full before splits that gain less are cut from below.
	Gamma float64
	// MinChild is the least sum of second derivatives on either side of a split; at least 0.
	MinChild float64
	// RowShare is the part of the rows that a tree sees, every row being drawn by itself; above 0, at most 1.
	RowShare float64
	// ColumnShare is the part of the features that a tree may ask, at least one; above 0, at most 1.
	ColumnShare float64
	// Bins bounds the bins of a feature, 2 to 65,536, of equally many distinct values each. 0 tries every distinct value and
	// takes 16 bytes for each of them, feature and level of depth.
	Bins int
	// Monotone maps a feature to +1 or −1: the margin never falls, or never rises, with it. 0 is no constraint.
	Monotone map[string]int
	// PositiveWeight multiplies the weight of rows whose label is true; above 0.
	PositiveWeight float64
	Base           float64 // margin before the first tree, in log-odds
	Seed           uint64  // of the samples of rows and columns
	Workers        int     // that train at once; 0 is one per processor. The model does not depend on it
	// Stop ends training after that many rounds without a better measure on the validation set, and the model keeps the
	// trees up to the best round. 0 trains all rounds.
	Stop   int
	StopOn Measure
}

// DefaultSettings are those of XGBoost where it has them, but for shallower trees, a slower rate and finer bins.
func DefaultSettings() Settings {
	return Settings{
		Trees: 100, Depth: 3, Rate: 0.1, Lambda: 1, MinChild: 1, RowShare: 1, ColumnShare: 1, Bins: 4096, PositiveWeight: 1,
	}
}

// Validate reports the first setting that is out of range; the error wraps ErrSettings.
func (s Settings) Validate() error {
	share := func(v float64) bool { return v > 0 && v <= 1 }
	finite := func(v float64) bool { return v >= 0 && v <= math.MaxFloat32 }
	for _, check := range [...]struct {
		ok   bool
		name string
		want string
	}{
		{s.Trees >= 1 && s.Trees <= MaxTrees, "trees", fmt.Sprintf("1 to %d", MaxTrees)},
		{s.Depth >= 1 && s.Depth <= maxTrainDepth, "depth", fmt.Sprintf("1 to %d", maxTrainDepth)},
		{share(s.Rate), "rate", "above 0 and at most 1"},
		{finite(s.Lambda), "lambda", "0 or more"},
		{finite(s.Gamma), "gamma", "0 or more"},
		{finite(s.MinChild), "min child", "0 or more"},
		{share(s.RowShare), "row share", "above 0 and at most 1"},
		{share(s.ColumnShare), "column share", "above 0 and at most 1"},
		{s.Bins == 0 || s.Bins >= 2 && s.Bins <= maxBins, "bins", fmt.Sprintf("0, or 2 to %d", maxBins)},
		{finite(s.PositiveWeight) && s.PositiveWeight > 0, "positive weight", "above 0"},
		{math.Abs(s.Base) <= math.MaxFloat32, "base", "a number"},
		{s.Workers >= 0 && s.Workers <= maxWorkers, "workers", fmt.Sprintf("0 to %d", maxWorkers)},
		{s.Stop >= 0, "stop", "0 or more"},
		{s.StopOn <= AveragePrecision, "stop on", "a measure"},
	} {
		if !check.ok {
			return fmt.Errorf("%w: %s must be %s", ErrSettings, check.name, check.want)
		}
	}
	for _, direction := range s.Monotone {
		if direction < -1 || direction > 1 {
			return fmt.Errorf("%w: a monotone constraint must be -1, 0 or 1", ErrSettings)
		}
	}
	return nil
}

// Train fits a model to the rows of train. The same sets and settings give the same model to the last bit, whatever the
// number of workers, on one kind of processor. The validation set goes with Settings.Stop: there must be one if it is set,
// and none if it is not. After every round progress, unless it is nil, gets the rounds done and the most there will be.
//
// Errors: ErrSettings about settings, ErrData about rows (none, of one class only, infinite, of unequal lengths, a weight
// that is negative or no number, weights beyond 1e30), and the context's own, which ends training before the next node.
func Train(ctx context.Context, train Set, validation *Set, s Settings, progress func(done, of int)) (*Model, error) {
	t, err := newTrainer(train, validation, s)
	if err != nil {
		return nil, fmt.Errorf("train model: %w", err)
	}
	for round := range s.Trees {
		if err := t.round(ctx, uint64(round)); err != nil {
			return nil, fmt.Errorf("train tree %d: %w", round, err)
		}
		if progress != nil {
			progress(round+1, s.Trees)
		}
		if t.stop != nil && !t.stop.goOn(t.model.Trees) {
			t.model.Trees = t.model.Trees[:t.stop.best]
			break
		}
	}
	return t.model, nil
}

// trainer is a training under way.
type trainer struct {
	settings Settings
	train    Set
	live     []uint32  // rows with a weight
	margins  []float64 // of every row, by the trees so far
	weights  []float64 // of every row, in units of the fixed point
	grower   *grower
	model    *Model
	stop     *stopper // nil: all rounds
}

func newTrainer(train Set, validation *Set, s Settings) (*trainer, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := train.validate(); err != nil {
		return nil, err
	}
	if s.Workers == 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	monotone, err := s.directions(train.Frame.Names)
	if err != nil {
		return nil, err
	}
	t := &trainer{settings: s, train: train, model: &Model{Names: append([]string(nil), train.Frame.Names...), Base: s.Base}}
	if t.stop, err = newStopper(train, validation, s); err != nil {
		return nil, err
	}
	t.margins = make([]float64, len(train.Labels))
	for i := range t.margins {
		t.margins[i] = s.Base
	}
	scale, err := t.weigh()
	if err != nil {
		return nil, err
	}
	columns := newColumns(train.Frame, t.live, s.Bins, s.Workers)
	t.grower = newGrower(s, columns, monotone, scale, len(t.live))
	return t, nil
}

// directions are the monotone constraints by number of the feature, or nil if there are none.
func (s Settings) directions(names []string) ([]int8, error) {
	directions, known, some := make([]int8, len(names)), 0, false
	for i, name := range names {
		if d, ok := s.Monotone[name]; ok {
			known++
			directions[i] = int8(d)
			some = some || d != 0
		}
	}
	if known != len(s.Monotone) {
		return nil, fmt.Errorf("%w: a monotone constraint names no feature", ErrSettings)
	}
	if !some {
		return nil, nil
	}
	return directions, nil
}

// weigh finds the rows that count and the fixed point in which derivatives are summed: units per one. Whole numbers add
// up to the same in any order, and what is taken away again leaves exactly nothing, so that neither the number of workers
// nor the difference of two histograms shows in a model. The sum over all rows stays below 2⁶², so that a single row among
// a million still has 40 bits behind the point.
func (t *trainer) weigh() (scale float64, err error) {
	t.weights = make([]float64, len(t.train.Labels))
	total := 0.0
	for i, label := range t.train.Labels {
		w := 1.0
		if t.train.Weights != nil {
			w = float64(t.train.Weights[i])
		}
		if w == 0 {
			continue
		}
		if label {
			w *= t.settings.PositiveWeight
		}
		t.live = append(t.live, uint32(i))
		t.weights[i] = w
		total += w
	}
	if total > maxWeight {
		return 0, fmt.Errorf("%w: the weights add up to more than %g", ErrData, float64(maxWeight))
	}
	_, exponent := math.Frexp(total)
	scale = math.Ldexp(1, 61-exponent)
	for i := range t.weights {
		t.weights[i] *= scale
	}
	return scale, nil
}

// round grows one tree and adds it to the margins.
func (t *trainer) round(ctx context.Context, round uint64) error {
	random := rand.New(rand.NewPCG(t.settings.Seed, round))
	g := t.grower
	g.rows = g.rows[:0]
	if t.settings.RowShare == 1 {
		g.rows = append(g.rows, t.live...)
	} else {
		for _, r := range t.live {
			if random.Float64() < t.settings.RowShare {
				g.rows = append(g.rows, r)
			}
		}
	}
	g.sample(random, t.settings.ColumnShare)
	g.sums = g.sums[:len(g.rows)]
	chunks(len(g.rows), t.settings.Workers, func(from, to int) { t.derive(g.rows[from:to], g.sums[from:to]) })
	tree, err := g.grow(ctx)
	if err != nil {
		return err
	}
	t.model.Trees = append(t.model.Trees, tree)
	if len(g.rows) < len(t.live) {
		chunks(len(t.live), t.settings.Workers, func(from, to int) {
			for _, r := range t.live[from:to] {
				t.margins[r] += float64(tree.valueAt(t.train.Frame, int(r)))
			}
		})
		return nil
	}
	for _, l := range g.leaves {
		value := float64(tree[l.node].Value)
		for _, r := range g.rows[l.from:l.to] {
			t.margins[r] += value
		}
	}
	return nil
}

// derive puts the derivatives of the loss of some rows into sums. The second one is at least one unit, so that a bin with
// rows is never taken for an empty one.
func (t *trainer) derive(rows []uint32, sums []lossSum) {
	for i, r := range rows {
		p := 1 / (1 + math.Exp(-t.margins[r]))
		g := p
		if t.train.Labels[r] {
			g = p - 1
		}
		w := t.weights[r]
		sums[i] = lossSum{int64(math.RoundToEven(g * w)), max(1, int64(math.RoundToEven(p*(1-p)*w)))}
	}
}

// valueAt is what t adds to the margin of a row.
func (t Tree) valueAt(f *Frame, row int) float32 {
	n := &t[0]
	for n.Feature != Leaf {
		v := f.Columns[n.Feature][row]
		if v < n.Split || v != v && n.Missing {
			n = &t[n.Left]
		} else {
			n = &t[n.Right]
		}
	}
	return n.Value
}
