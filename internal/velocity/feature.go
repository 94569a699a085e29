package velocity

import (
	"fmt"
	"strings"

	"github.com/fastshop/pipeline/internal/payment"
)

// Aggregate is what a feature says about the events of an entity. The zero value is invalid.
type Aggregate uint8

// The aggregates. Those up to Distinct need a window, the others have none.
const (
	Count      Aggregate = iota + 1
	Sum                  // of amounts, centavos
	Mean                 // of amounts, centavos
	SD                   // sample standard deviation of amounts, centavos
	Max                  // of amounts, centavos
	Declines             // that we declined
	Frauds               // known as of the moment of reading
	FraudShare           // Frauds / Count
	Anomalies            // whose amount was far from the customer's own past
	Distinct             // different counterparts

	SecondsSinceLast
	FirstSeenSeconds
	AmountMedian
	AmountSpread
	HourShare
	FraudRun
	CounterpartAge
)

var aggregateNames = [...]string{
	"", "count", "sum", "mean", "sd", "max", "declines", "frauds", "fraud_share", "anomalies", "distinct_",
	"seconds_since_last", "first_seen_seconds", "amount_median", "amount_spread", "hour_share", "fraud_run", "_age_seconds",
}

// Window is a length of time. The zero value is for features without one.
type Window uint8

// The windows; see the package comment for their exact edges.
const (
	NoWindow Window = iota
	Minute
	FiveMinutes
	Hour
	Day
	Week  // exact to the hour
	Month // 30 days, exact to the hour

	windowCount = iota
)

var (
	windowNames = [windowCount]string{"", "1m", "5m", "1h", "24h", "7d", "30d"}
	windowTexts = [windowCount]string{"", "minute", "5 minutes", "hour", "24 hours", "7 days", "30 days"}
)

// Feature is one number that a reading has: about which kind of entity, what, over which time.
type Feature struct {
	Kind        payment.Kind
	Aggregate   Aggregate
	Window      Window       // set for aggregates up to Distinct
	Delayed     bool         // the window ends seven days before the moment of reading
	Counterpart payment.Kind // set for Distinct and CounterpartAge, and never Kind itself
}

// Plan is the features that are asked for, without repeats. A reading's values follow it, and the cost of a reading
// depends on it.
type Plan []Feature

// Valid reports whether f is one of [All].
func (f Feature) Valid() bool {
	if f.Kind == payment.KindInvalid || f.Kind >= payment.KindCount {
		return false
	}
	paired := f.Aggregate == Distinct || f.Aggregate == CounterpartAge
	if paired != (f.Counterpart != payment.KindInvalid) || f.Counterpart >= payment.KindCount || f.Counterpart == f.Kind {
		return false
	}
	switch {
	case f.Aggregate == 0 || f.Aggregate > CounterpartAge:
		return false
	case f.Aggregate <= Distinct:
		return f.Window != NoWindow && f.Window < windowCount
	default:
		return f.Window == NoWindow && !f.Delayed
	}
}

// Name is the feature's name in rules: "card.count_1h", "device.distinct_card_24h", "terminal.fraud_share_7d_delayed",
// "customer.device_age_seconds". It is "" for a feature that is not valid.
func (f Feature) Name() string {
	if !f.Valid() {
		return ""
	}
	var b strings.Builder
	b.WriteString(f.Kind.String())
	b.WriteByte('.')
	if f.Aggregate == CounterpartAge {
		b.WriteString(f.Counterpart.String())
	}
	b.WriteString(aggregateNames[f.Aggregate])
	if f.Aggregate == Distinct {
		b.WriteString(f.Counterpart.String())
	}
	if f.Window != NoWindow {
		b.WriteByte('_')
		b.WriteString(windowNames[f.Window])
	}
	if f.Delayed {
		b.WriteString("_delayed")
	}
	return b.String()
}

// ParseFeature is the inverse of Name. Its error wraps [ErrFeature].
func ParseFeature(name string) (Feature, error) {
	kind, rest, _ := strings.Cut(name, ".")
	f := Feature{Kind: payment.ParseKind(kind)}
	if text, ok := strings.CutSuffix(rest, aggregateNames[CounterpartAge]); ok {
		f.Aggregate, f.Counterpart = CounterpartAge, payment.ParseKind(text)
	} else if a := parseAggregate(rest); a > Distinct {
		f.Aggregate = a
	} else {
		rest, f.Delayed = strings.CutSuffix(rest, "_delayed")
		rest, f.Window = cutWindow(rest)
		if text, ok := strings.CutPrefix(rest, aggregateNames[Distinct]); ok {
			f.Aggregate, f.Counterpart = Distinct, payment.ParseKind(text)
		} else {
			f.Aggregate = parseAggregate(rest)
		}
	}
	if !f.Valid() || f.Name() != name {
		return Feature{}, fmt.Errorf("%w: unknown name %q", ErrFeature, name)
	}
	return f, nil
}

func parseAggregate(name string) Aggregate {
	for a := Count; a < CounterpartAge; a++ {
		if aggregateNames[a] == name {
			return a
		}
	}
	return 0
}

func cutWindow(name string) (string, Window) {
	i := strings.LastIndexByte(name, '_')
	if i < 0 {
		return name, NoWindow
	}
	for w := Minute; w < windowCount; w++ {
		if windowNames[w] == name[i+1:] {
			return name[:i], w
		}
	}
	return name, NoWindow
}

// All returns every valid feature: kinds in order, then windows, then aggregates.
func All() []Feature {
	var all []Feature
	add := func(f Feature) {
		if f.Valid() {
			all = append(all, f)
		}
	}
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		for w := NoWindow; w < windowCount; w++ {
			for _, delayed := range []bool{false, true} {
				for a := Count; a <= CounterpartAge; a++ {
					for other := payment.KindInvalid; other < payment.KindCount; other++ {
						add(Feature{Kind: kind, Aggregate: a, Window: w, Delayed: delayed, Counterpart: other})
					}
				}
			}
		}
	}
	return all
}

// Doc is one line of text about f for those who write rules: meaning, unit, and when it is missing.
func Doc(f Feature) string {
	if !f.Valid() {
		return ""
	}
	kind := f.Kind.String()
	var text string
	switch f.Aggregate {
	case Count:
		text = "number of the " + kind + "'s earlier transactions"
	case Sum:
		text = "sum of the " + kind + "'s earlier amounts, in centavos"
	case Mean:
		text = "mean of the " + kind + "'s earlier amounts, in centavos"
	case SD:
		text = "sample standard deviation of the " + kind + "'s earlier amounts, in centavos"
	case Max:
		text = "largest of the " + kind + "'s earlier amounts, in centavos"
	case Declines:
		text = "number of the " + kind + "'s earlier transactions that we declined"
	case Frauds:
		text = "number of the " + kind + "'s earlier transactions known by now to be fraud"
	case FraudShare:
		text = "share, 0 to 1, of the " + kind + "'s earlier transactions known by now to be fraud"
	case Anomalies:
		text = "number of the " + kind + "'s earlier transactions with an amount far from their customer's own past"
	case Distinct:
		text = "number of different " + plural(f.Counterpart) + " in the " + kind + "'s earlier transactions, at most 256"
	default:
		return profileDoc(f, kind)
	}
	text += ", over the " + windowTexts[f.Window]
	if f.Delayed {
		text += " that ended 7 days before"
	} else {
		text += " before"
	}
	switch f.Aggregate {
	case Mean, Max, FraudShare:
		return text + "; missing if there are none, or without " + kind
	case SD:
		return text + "; missing if there are fewer than two, or without " + kind
	}
	return text + "; missing without " + kind
}

func profileDoc(f Feature, kind string) string {
	switch f.Aggregate {
	case SecondsSinceLast:
		return "seconds since the " + kind + "'s transaction before; missing if there is none, or without " + kind
	case FirstSeenSeconds:
		return "seconds since the " + kind + " was first seen, 0 if never before; missing without " + kind
	case AmountMedian:
		return "median of the " + kind + "'s last 64 amounts, in centavos; missing if there are none, or without " + kind
	case AmountSpread:
		return "robust spread (1.4826 times the median absolute deviation) of the " + kind + "'s last 64 amounts, in centavos; missing if there are none, or without " + kind
	case HourShare:
		return "share, 0 to 1, of the " + kind + "'s last 64 transactions within an hour of this time of day; missing if there are none, or without " + kind
	case FraudRun:
		return "number of the " + kind + "'s known frauds since its newest known genuine transaction, at most 64; missing without " + kind
	default:
		other := f.Counterpart.String()
		return "seconds since the " + kind + " was first seen with this " + other + ", 0 if never before; missing without " + kind + " or " + other
	}
}

func plural(k payment.Kind) string {
	if k == payment.KindAddress {
		return "addresses"
	}
	return k.String() + "s"
}
