package velocity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

func TestFeatureNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range velocity.All() {
		name := f.Name()
		if seen[name] {
			t.Fatalf("%s is there twice", name)
		}
		seen[name] = true
		back, err := velocity.ParseFeature(name)
		if err != nil || back != f {
			t.Fatalf("%s parses as %+v, %v", name, back, err)
		}
		doc := velocity.Doc(f)
		if !strings.Contains(doc, "missing") || !strings.Contains(doc, f.Kind.String()) || strings.Contains(doc, "\n") {
			t.Errorf("doc of %s: %q", name, doc)
		}
	}
	// 9 kinds · (12 windows · (9 aggregates + 8 counterparts) + 6 + 8 ages)
	if len(seen) != 9*(12*17+14) {
		t.Errorf("there are %d features", len(seen))
	}
	for _, name := range []string{"card.count_1h", "device.distinct_card_24h", "terminal.fraud_share_7d_delayed",
		"customer.device_age_seconds", "customer.seconds_since_last", "merchant.first_seen_seconds", "ip.hour_share"} {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestParseFeatureRefuses(t *testing.T) {
	for _, name := range []string{"", ".", "card", "card.", "card.count", "card.count_", "card.count_2h", "card.count_1h_",
		"card.count_1h_delayed_delayed", "card.distinct_1h", "card.distinct_card_1h", "card.distinct_email_1h", "card.card_age_seconds",
		"card._age_seconds", "card.age_seconds", "card.amount_median_1h", "card.fraud_run_delayed", "email.count_1h", "Card.count_1h",
		"card.count_1h ", "card..count_1h", "card.distinct__1h"} {
		if f, err := velocity.ParseFeature(name); !errors.Is(err, velocity.ErrFeature) {
			t.Errorf("%q parses as %+v, %v", name, f, err)
		}
	}
	for _, f := range []velocity.Feature{{}, {Kind: payment.KindCard}, {Kind: payment.KindCount, Aggregate: velocity.Count, Window: velocity.Hour}} {
		if f.Valid() || f.Name() != "" || velocity.Doc(f) != "" {
			t.Errorf("%+v is valid", f)
		}
	}
}

func FuzzParseFeature(f *testing.F) {
	for _, name := range []string{"card.count_1h", "device.distinct_card_24h_delayed", "customer.device_age_seconds", "ip.fraud_run"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		feature, err := velocity.ParseFeature(name)
		if err == nil && feature.Name() != name {
			t.Fatalf("%q parses as %q", name, feature.Name())
		}
	})
}

func TestNewMemoryRefuses(t *testing.T) {
	count, err := velocity.ParseFeature("card.count_1h")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		plan velocity.Plan
		o    velocity.Options
	}{
		{"invalid feature", velocity.Plan{{}}, velocity.Options{}},
		{"feature twice", velocity.Plan{count, count}, velocity.Options{}},
		{"negative maturity", nil, velocity.Options{LabelMaturity: -time.Hour}},
		{"maturity of a millisecond", nil, velocity.Options{LabelMaturity: time.Millisecond}},
		{"short horizon", nil, velocity.Options{ProfileHorizon: 37 * 24 * time.Hour}},
		{"counterparts", nil, velocity.Options{MaxCounterparts: 65}},
		{"distinct", nil, velocity.Options{MaxDistinct: 257}},
		{"distinct events", nil, velocity.Options{MaxDistinctEvents: -1}},
		{"few events", nil, velocity.Options{MaxEvents: 127}},
		{"many events", nil, velocity.Options{MaxEvents: 1 << 23}},
	} {
		if _, err := velocity.NewMemory(c.plan, c.o); !errors.Is(err, velocity.ErrFeature) {
			t.Errorf("%s: %v", c.name, err)
		}
		if r := velocity.Recount(c.plan, nil, velocity.Event{}, c.o); len(c.plan) == 0 && r.Values != nil {
			t.Errorf("%s: recounts", c.name)
		}
	}
}
