package score

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/velocity"
)

// minimumPast is how many payments of the last 30 days an entity needs before its
// amounts have a shape to compare with.
const minimumPast = 5

// spreadFloor keeps amount_z finite for somebody who always pays the same: a spread
// is taken to be at least this share of the median.
const spreadFloor = 0.05

// anomalousZ is the robust z-score from which an amount counts as anomalous: 3.5 is
// the cut-off of Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993).
const anomalousZ = 3.5

// own are the variables that the transaction itself gives.
type own struct {
	rule.Variable
	number func(*moment) float64
	text   func(*moment) string
	flag   func(*moment) bool
}

// moment is a transaction with what several variables need of it.
type moment struct {
	*payment.Transaction
	local time.Time
}

func number(name, doc string, f func(*moment) float64) own {
	return own{Variable: rule.Variable{Name: name, Type: rule.Number, Doc: doc}, number: f}
}

func text(name, doc string, f func(*moment) string) own {
	return own{Variable: rule.Variable{Name: name, Type: rule.Text, Doc: doc}, text: f}
}

func flag(name, doc string, f func(*moment) bool) own {
	return own{Variable: rule.Variable{Name: name, Type: rule.Flag, Doc: doc}, flag: f}
}

// ownVariables lists what a rule can read of the transaction itself.
func ownVariables() []own {
	return []own{
		number("tx.amount", "amount in centavos", func(m *moment) float64 { return float64(m.Amount.Centavos) }),
		number("tx.hour", "local hour, 0 to 23", func(m *moment) float64 { return float64(m.local.Hour()) }),
		number("tx.weekday", "local day of the week, 0 is Sunday", func(m *moment) float64 { return float64(m.local.Weekday()) }),
		text("tx.method", "card, pix or boleto", func(m *moment) string { return m.Method.String() }),
		text("tx.channel", "web, app, store, phone, marketplace, or empty", func(m *moment) string { return m.Channel.String() }),
		text("tx.bin", "BIN of the card, 6 or 8 digits, or empty", func(m *moment) string { return m.Card.BIN }),
		text("tx.brand", "brand of the card, or empty", func(m *moment) string { return m.Card.Brand }),
		text("tx.mcc", "merchant category code (ISO 18245), or empty", func(m *moment) string { return m.MCC }),
		text("tx.merchant", "the seller's id, or empty", func(m *moment) string { return m.Merchant }),
		text("tx.terminal", "the terminal's id, or empty", func(m *moment) string { return m.Terminal }),
		text("tx.uf", "state of delivery, or empty", func(m *moment) string { return m.UF }),
		text("tx.document", "cpf, cnpj, or empty", func(m *moment) string { return m.DocumentKind.String() }),
		flag("tx.night", "20:00 to 05:59 local, the night of the Pix limits (Resolução BCB 142/2021)", func(m *moment) bool {
			return m.local.Hour() >= 20 || m.local.Hour() < 6
		}),
		flag("tx.weekend", "Saturday or Sunday, local", func(m *moment) bool {
			return m.local.Weekday() == time.Saturday || m.local.Weekday() == time.Sunday
		}),
		flag("tx.region_mismatch", "the CPF's fiscal region does not cover the state of delivery; false when either is missing", func(m *moment) bool {
			return m.FiscalRegion != payment.NoRegion && m.UF != "" && !payment.RegionCovers(m.FiscalRegion, m.UF)
		}),
		flag("tx.has_device", "the shop named a device", func(m *moment) bool { return !m.Device.IsZero() }),
		flag("tx.has_ip", "the shop named an IP address", func(m *moment) bool { return !m.IP.IsZero() }),
		flag("tx.has_address", "the shop named a delivery address", func(m *moment) bool { return !m.Address.IsZero() }),
		flag("tx.blocked", "an identifier is on the block list", func(m *moment) bool { return m.Lists&payment.Blocked != 0 }),
		flag("tx.allowed", "an identifier is on the allow list", func(m *moment) bool { return m.Lists&payment.Allowed != 0 }),
	}
}

// maxNeeds is how many features a derived number is made of at most.
const maxNeeds = 3

// derived are numbers made of several window values and the amount.
type derived struct {
	name, doc string
	needs     []string // features, by name
	value     func(amount float64, v [maxNeeds]float64) float64
}

func derivedVariables() []derived {
	var all []derived
	for _, kind := range []payment.Kind{payment.KindCustomer, payment.KindCard} {
		k := kind.String()
		all = append(all,
			derived{
				name: k + ".amount_ratio", doc: "amount over the " + k + "'s median amount; missing with fewer than 5 payments in 30 days",
				needs: []string{k + ".count_30d", k + ".amount_median"},
				value: func(amount float64, v [maxNeeds]float64) float64 { return amountRatio(amount, v[0], v[1]) },
			},
			derived{
				name: k + ".max_ratio_7d", doc: "largest of the " + k + "'s earlier amounts over the 7 days before, over its median amount; missing if there are none, or with fewer than 5 payments in 30 days",
				needs: []string{k + ".count_30d", k + ".amount_median", k + ".max_7d"},
				value: func(_ float64, v [maxNeeds]float64) float64 { return amountRatio(v[2], v[0], v[1]) },
			},
			derived{
				name: k + ".amount_z", doc: "robust z-score of the amount against the " + k + "'s own past; missing with fewer than 5 payments in 30 days",
				needs: []string{k + ".count_30d", k + ".amount_median", k + ".amount_spread"},
				value: func(amount float64, v [maxNeeds]float64) float64 { return amountZ(amount, v[0], v[1], v[2]) },
			})
	}
	return all
}

func amountRatio(amount, count, median float64) float64 {
	if !(count >= minimumPast) || !(median > 0) {
		return math.NaN()
	}
	return amount / median
}

func amountZ(amount, count, median, spread float64) float64 {
	if !(count >= minimumPast) || !(median > 0) {
		return math.NaN()
	}
	return (amount - median) / max(spread, spreadFloor*median)
}

// Schema is every variable that a rule may read.
func Schema() []rule.Variable {
	var schema []rule.Variable
	for _, v := range ownVariables() {
		schema = append(schema, v.Variable)
	}
	for _, d := range derivedVariables() {
		schema = append(schema, rule.Variable{Name: d.name, Type: rule.Number, Doc: d.doc})
	}
	for _, f := range velocity.All() {
		schema = append(schema, rule.Variable{Name: f.Name(), Type: rule.Number, Doc: velocity.Doc(f)})
	}
	return schema
}

// PlanFor is what the windows must answer so that the rules can be evaluated (nil: there are none) and the variables of
// models filled: the features that they read, those behind derived variables, and those that every decision needs.
func PlanFor(rules *rule.Set, variables ...string) (velocity.Plan, error) {
	names := map[string]bool{}
	need := func(name string) {
		parts, _ := wayOf(name)
		for _, p := range parts {
			names[p] = true
		}
	}
	isOwn := map[string]bool{}
	for _, v := range ownVariables() {
		isOwn[v.Name] = true
	}
	need("customer.amount_z") // decides Anomalous
	if rules != nil {
		for _, v := range rules.Variables() {
			if !isOwn[v.Name] {
				need(v.Name)
			}
		}
	}
	for _, name := range variables {
		if _, _, ok := ownNamed(name); !ok {
			need(name)
		}
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	plan := make(velocity.Plan, 0, len(sorted))
	for _, n := range sorted {
		f, err := velocity.ParseFeature(n)
		if err != nil {
			return nil, fmt.Errorf("plan features: %w", err)
		}
		plan = append(plan, f)
	}
	return plan, nil
}
