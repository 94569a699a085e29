package review

import "testing"

func TestVerdictWords(t *testing.T) {
	for v, want := range map[Verdict]string{0: "", Fraud: "fraud", Genuine: "genuine", 9: ""} {
		if got := v.String(); got != want {
			t.Errorf("Verdict(%d) = %q, want %q", v, got, want)
		}
	}
}

func TestWordsAreReadBack(t *testing.T) {
	words := map[string]bool{}
	for s := Chargeback; s <= Benchmark; s++ {
		if got, ok := ParseSource(s.String()); !ok || got != s || s.String() == "" || words[s.String()] {
			t.Errorf("source %d, %q, is read as %d, %t", s, s.String(), got, ok)
		}
		words[s.String()] = true
	}
	for _, v := range []Verdict{Fraud, Genuine} {
		if got, ok := ParseVerdict(v.String()); !ok || got != v {
			t.Errorf("verdict %d is read as %d, %t", v, got, ok)
		}
	}
	if Source(0).String() != "" || Source(99).String() != "" {
		t.Error("a number that is no source has a word")
	}
	for _, text := range []string{"", "Fraud", "pix-med", "unknown"} {
		if v, ok := ParseVerdict(text); ok || v != 0 {
			t.Errorf("%q is verdict %d", text, v)
		}
		if s, ok := ParseSource(text); ok || s != 0 {
			t.Errorf("%q is source %d", text, s)
		}
	}
}
