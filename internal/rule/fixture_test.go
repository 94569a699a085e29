package rule

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// schema is what package score offers to rules, rebuilt from the names that the packages agree on.
func schema() []Variable {
	var all []Variable
	add := func(t Type, names ...string) {
		for _, name := range names {
			all = append(all, Variable{Name: name, Type: t, Doc: "for tests"})
		}
	}
	kinds := []string{"customer", "document", "card", "device", "ip", "address", "bin", "merchant", "terminal"}
	for _, kind := range kinds {
		for _, window := range []string{"1m", "5m", "1h", "24h", "7d", "30d"} {
			for _, suffix := range []string{"", "_delayed"} {
				for _, aggregate := range []string{"count", "sum", "mean", "sd", "max", "declines", "frauds", "fraud_share", "anomalies"} {
					add(Number, kind+"."+aggregate+"_"+window+suffix)
				}
				for _, other := range kinds {
					add(Number, kind+".distinct_"+other+"_"+window+suffix)
				}
			}
		}
		add(Number, kind+".seconds_since_last", kind+".first_seen_seconds", kind+".amount_median", kind+".amount_spread", kind+".hour_share", kind+".fraud_run")
		for _, other := range kinds {
			add(Number, kind+"."+other+"_age_seconds")
		}
	}
	add(Number, "customer.amount_ratio", "customer.amount_z", "card.amount_ratio", "card.amount_z", "tx.amount", "tx.hour", "tx.weekday")
	add(Text, "tx.method", "tx.channel", "tx.bin", "tx.brand", "tx.mcc", "tx.merchant", "tx.terminal", "tx.uf", "tx.document")
	add(Flag, "tx.night", "tx.weekend", "tx.region_mismatch", "tx.has_device", "tx.has_ip", "tx.has_address", "tx.blocked", "tx.allowed")
	return all
}

// small is a schema with two or more variables of each type.
func small() []Variable {
	return []Variable{
		{Name: "tx.amount", Type: Number}, {Name: "tx.hour", Type: Number}, {Name: "card.count_1h", Type: Number},
		{Name: "tx.method", Type: Text}, {Name: "tx.uf", Type: Text},
		{Name: "tx.night", Type: Flag}, {Name: "tx.blocked", Type: Flag},
	}
}

// oneRule is a file with a single rule, its expressions quoted.
func oneRule(when, points string) string {
	return fmt.Sprintf("name: t\nversion: \"1\"\nrules:\n  - id: a\n    code: A\n    when: '%s'\n    points: '%s'\n    text: {pt: um, en: one}\n",
		strings.ReplaceAll(when, "'", "''"), strings.ReplaceAll(points, "'", "''"))
}

func mustCompile(t testing.TB, file string, schema []Variable) *Set {
	t.Helper()
	s, err := Compile([]byte(file), schema)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return s
}

func faultsOf(t testing.TB, file string, schema []Variable) Faults {
	t.Helper()
	s, err := Compile([]byte(file), schema)
	if err == nil {
		t.Fatalf("compiled, want faults: %v", s.Rules())
	}
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error is %T, want Faults: %v", err, err)
	}
	return faults
}

// values sets variables of an input by name; what no rule reads is passed over.
type values map[string]any

func (v values) into(t testing.TB, s *Set) *Input {
	t.Helper()
	in := s.NewInput()
	for name, value := range v {
		kind, index, ok := s.Slot(name)
		if !ok {
			continue
		}
		switch value := value.(type) {
		case float64:
			in.Numbers[index] = value
		case int:
			in.Numbers[index] = float64(value)
		case string:
			in.Texts[index] = value
		case bool:
			in.Flags[index] = value
		default:
			t.Fatalf("%s of type %d cannot be %T", name, kind, value)
		}
	}
	return in
}

func evaluate(t testing.TB, s *Set, v values) Result {
	t.Helper()
	var out Result
	s.Evaluate(v.into(t, s), &out)
	return out
}

var nan = math.NaN()
