package velocity

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

const (
	daySeconds   = 86_400
	hourSeconds  = 3_600
	delaySeconds = 7 * daySeconds // how long before the moment of reading a delayed window ends

	historyHours = 37 * 24           // what windows reach back: 30 days, ending 7 days ago
	keptHours    = historyHours + 24 // what an entity keeps: a day more, for readings as of yesterday
	lateSeconds  = daySeconds
	staleSeconds = 37 * daySeconds // a reading that much behind the newest event of all is Late

	sampleSize = 64 // events in the sample of amounts and hours
	sampleKept = sampleSize + 1
	runLimit   = 64
	madFactor  = 1.4826
)

// bounds are Options with their defaults, in the units that are used inside.
type bounds struct {
	maturity, horizon               int64 // seconds
	counterparts, distinct, scanned int
	events                          int
	location                        *time.Location
}

// resolve fills in the defaults. Its error wraps ErrFeature and names the option.
func (o Options) resolve() (bounds, error) {
	b := bounds{
		maturity:     int64(or(o.LabelMaturity, delaySeconds*time.Second) / time.Second),
		horizon:      int64(or(o.ProfileHorizon, 180*daySeconds*time.Second) / time.Second),
		counterparts: or(o.MaxCounterparts, 64),
		distinct:     or(o.MaxDistinct, 256),
		scanned:      or(o.MaxDistinctEvents, 4096),
		events:       or(o.MaxEvents, 1<<20),
		location:     o.Location,
	}
	if b.location == nil {
		b.location = time.FixedZone("-03", -3*hourSeconds)
	}
	for _, c := range []struct {
		name          string
		value, lo, hi int64
	}{
		{"label maturity", b.maturity, 1, 3650 * daySeconds},
		{"profile horizon", b.horizon, 38 * daySeconds, 3650 * daySeconds},
		{"counterparts", int64(b.counterparts), 1, 64},
		{"distinct", int64(b.distinct), 1, 256},
		{"distinct events", int64(b.scanned), 1, 1 << 24},
		{"events", int64(b.events), 128, 1 << 22},
	} {
		if c.value < c.lo || c.value > c.hi {
			return bounds{}, fmt.Errorf("%w: option %s is %d, want %d to %d", ErrFeature, c.name, c.value, c.lo, c.hi)
		}
	}
	return b, nil
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// output is where a feature's value goes.
type output struct {
	slot int
	Feature
}

// kindPlan is all that a plan asks about one kind of entity.
type kindPlan struct {
	outputs []output
	groups  [2]groupPlan   // ending now, and delayed
	pairs   []payment.Kind // counterparts whose first meeting is asked for
	logged  bool           // something is asked, or it is the customer: see Late in the package comment

	since, first, amounts, hours, run bool
}

// groupPlan is the windows of one end, each with its smaller ones inside.
type groupPlan struct {
	windows  []Window // for aggregates of amounts and flags, smallest first
	distinct []distinctPlan
	longest  Window // of all of them
	frauds   bool   // frauds are asked for
	flags    bool   // they, declines or anomalies are
	amounts  bool   // something about amounts is
}

type distinctPlan struct {
	counterpart payment.Kind
	windows     []Window // smallest first
}

// compile sorts a plan by kind. Its error wraps ErrFeature.
func compile(p Plan) (*[payment.KindCount]kindPlan, error) {
	var kinds [payment.KindCount]kindPlan
	var sums [payment.KindCount][2]uint
	var distinct [payment.KindCount][2][payment.KindCount]uint
	seen := make(map[Feature]bool, len(p))
	for slot, f := range p {
		if !f.Valid() || seen[f] {
			return nil, fmt.Errorf("%w: number %d of the plan (%q) is invalid or there twice", ErrFeature, slot, f.Name())
		}
		seen[f] = true
		k := &kinds[f.Kind]
		k.outputs = append(k.outputs, output{slot, f})
		switch {
		case f.Aggregate < Distinct:
			sums[f.Kind][group(f)] |= 1 << f.Window
			k.groups[group(f)].need(f.Aggregate)
		case f.Aggregate == Distinct:
			distinct[f.Kind][group(f)][f.Counterpart] |= 1 << f.Window
		default:
			k.profile(f)
		}
	}
	for kind := range kinds {
		kinds[kind].logged = len(kinds[kind].outputs) > 0 || payment.Kind(kind) == payment.KindCustomer
		for g := range kinds[kind].groups {
			gp := &kinds[kind].groups[g]
			gp.windows = windowsOf(sums[kind][g])
			all := sums[kind][g]
			for other, mask := range distinct[kind][g] {
				if mask != 0 {
					gp.distinct = append(gp.distinct, distinctPlan{payment.Kind(other), windowsOf(mask)})
					all |= mask
				}
			}
			if all != 0 {
				gp.longest = Window(bits.Len(all) - 1)
			}
		}
	}
	return &kinds, nil
}

func (g *groupPlan) need(a Aggregate) {
	switch a {
	case Sum, Mean, SD, Max:
		g.amounts = true
	case Frauds, FraudShare:
		g.frauds, g.flags = true, true
	case Declines, Anomalies:
		g.flags = true
	}
}

func (k *kindPlan) profile(f Feature) {
	switch f.Aggregate {
	case SecondsSinceLast:
		k.since = true
	case FirstSeenSeconds:
		k.first = true
	case AmountMedian, AmountSpread:
		k.amounts = true
	case HourShare:
		k.hours = true
	case FraudRun:
		k.run = true
	case CounterpartAge:
		k.pairs = append(k.pairs, f.Counterpart)
	}
}

func group(f Feature) int {
	if f.Delayed {
		return 1
	}
	return 0
}

func windowsOf(mask uint) []Window {
	var ws []Window
	for w := Minute; w < windowCount; w++ {
		if mask&(1<<w) != 0 {
			ws = append(ws, w)
		}
	}
	return ws
}

// edges are the limits of all windows for one moment: an event is inside if start < t ≤ end. They are signed since
// they may lie before 1970.
type edges struct {
	end   [2]int64
	start [2][windowCount]int64
}

func edgesAt(asOf int64) edges {
	var e edges
	for g := range e.end {
		end := asOf - int64(g)*delaySeconds
		e.end[g] = end
		for w, length := range [...]int64{Minute: 60, FiveMinutes: 300, Hour: 3600, Day: daySeconds} {
			e.start[g][w] = end - length
		}
		// The end may be negative for a delayed window in 1970: floored, not truncated.
		begun := (end+10*staleSeconds)/hourSeconds - 10*staleSeconds/hourSeconds
		e.start[g][Week] = (begun-7*24+1)*hourSeconds - 1
		e.start[g][Month] = (begun-30*24+1)*hourSeconds - 1
	}
	return e
}

// historyStart is the edge of the history that a fraud run looks at.
func historyStart(asOf int64) int64 { return (asOf/hourSeconds-historyHours+1)*hourSeconds - 1 }
