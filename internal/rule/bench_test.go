package rule

import "testing"

// typical is the input of a plain card purchase at a terminal: everything known, three rules hold.
func typical(s *Set) *Input {
	in := s.NewInput()
	for i := range in.Numbers {
		in.Numbers[i] = 1
	}
	for name, v := range map[string]float64{"tx.amount": 15990, "customer.amount_z": 4, "customer.amount_ratio": 3, "card.count_1h": 6, "customer.first_seen_seconds": 1e7} {
		if kind, index, ok := s.Slot(name); ok && kind == Number {
			in.Numbers[index] = v
		}
	}
	if _, index, ok := s.Slot("tx.method"); ok {
		in.Texts[index] = "card"
	}
	return in
}

// BenchmarkEvaluate is the whole embedded rule file against one transaction.
func BenchmarkEvaluate(b *testing.B) {
	s := mustCompile(b, string(Default()), schema())
	in := typical(s)
	var out Result
	b.ReportAllocs()
	for b.Loop() {
		s.Evaluate(in, &out)
	}
	b.ReportMetric(float64(len(s.rules)), "rules")
	b.ReportMetric(float64(len(out.Hits)), "hits")
}

// BenchmarkInterpreted is one rule that the closures do not cover, for comparison.
func BenchmarkInterpreted(b *testing.B) {
	s := mustCompile(b, oneRule("[3.0, 5.0].exists(x, x < tx.amount) && tx.night", "100"), small())
	in := s.NewInput()
	in.Numbers[0], in.Flags[0] = 4, true
	var out Result
	b.ReportAllocs()
	for b.Loop() {
		s.Evaluate(in, &out)
	}
}

// BenchmarkCompile is the loading of the embedded file over a schema of the real size.
func BenchmarkCompile(b *testing.B) {
	data, schema := Default(), schema()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(data, schema); err != nil {
			b.Fatal(err)
		}
	}
}
