package review

import "testing"

func TestVerdictWords(t *testing.T) {
	for v, want := range map[Verdict]string{0: "", Fraud: "fraud", Genuine: "genuine", 9: ""} {
		if got := v.String(); got != want {
			t.Errorf("Verdict(%d) = %q, want %q", v, got, want)
		}
	}
}
