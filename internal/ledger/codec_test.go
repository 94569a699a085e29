package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/decision"
)

// decisions draws any decision that the store takes.
var decisions = rapid.Custom(func(r *rapid.T) decision.Decision {
	reason := rapid.Custom(func(r *rapid.T) decision.Reason {
		return decision.Reason{
			Code: rapid.String().Draw(r, "code"), Rule: rapid.String().Draw(r, "rule"),
			Points: rapid.IntRange(0, 1000).Draw(r, "points"), Shadow: rapid.Bool().Draw(r, "shadow"),
		}
	})
	value := rapid.OneOf(
		rapid.Just(math.NaN()), rapid.Just(0.0), rapid.Just(math.Copysign(0, -1)), rapid.Float64(),
		rapid.Custom(func(r *rapid.T) float64 { return float64(rapid.Int64().Draw(r, "whole")) }),
		rapid.Custom(func(r *rapid.T) float64 { return math.Float64frombits(rapid.Uint64().Draw(r, "bits")) }),
	)
	d := decision.Decision{
		Outcome: rapid.SampledFrom(decision.Outcomes()).Draw(r, "outcome"),
		Score:   rapid.IntRange(0, 1000).Draw(r, "score"),
		Reasons: rapid.SliceOfN(reason, 0, 8).Draw(r, "reasons"),
		RuleSet: rapid.String().Draw(r, "rules"), Policy: rapid.String().Draw(r, "policy"), Model: rapid.String().Draw(r, "model"),
		Shadow:    rapid.OneOf(rapid.Just(""), rapid.String()).Draw(r, "shadow model"),
		Features:  decision.Features{Plan: rapid.String().Draw(r, "plan"), Values: rapid.SliceOfN(value, 0, 40).Draw(r, "values")},
		Degraded:  decision.Degraded(rapid.Uint32().Draw(r, "degraded")),
		Anomalous: rapid.Bool().Draw(r, "anomalous"),
		Path:      rapid.SampledFrom([]decision.Path{decision.Async, decision.Sync}).Draw(r, "path"),
		DecidedAt: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(r, "decided")).UTC(),
		Took:      time.Duration(rapid.Int64().Draw(r, "took")),
	}
	return d
})

// same compares decisions with their values bit by bit: NaN equals itself, and -0 is not 0.
func same(a, b decision.Decision) string {
	bits := cmp.Comparer(func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
	return cmp.Diff(a, b, bits, cmpopts.EquateEmpty())
}

func TestDecisionsComeBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := decisions.Draw(r, "decision")
		d.TransactionID = "tx-1"
		got, err := DecodeDecision("tx-1", AppendDecision(nil, &d))
		if err != nil {
			r.Fatal(err)
		}
		if diff := same(d, got); diff != "" {
			r.Fatalf("-stored +read:\n%s", diff)
		}
	})
}

// storedForms are decisions in the bytes that stores hold: none of them may ever change.
var storedForms = []struct {
	name, hex string
	shadow    string
}{
	{"form 1", "01030201c80924f6c7f8e9bf68d089021464656661756c74403031323334353637383961621364656661756c742f3335302d3535302d3830301173686f702f3031323334353637" +
		"38396162020c434152445f54455354494e470a636172642d6275727374e807000c534841444f575f4d4f44454c0c736861646f772d6d6f64656c500106706c616e2d310604010a3603000000000000d03f", ""},
	{"form 2", "02030201c80924f6c7f8e9bf68d089021464656661756c74403031323334353637383961621364656661756c742f3335302d3535302d3830301173686f702f3031323334353637" +
		"38396162" + "12747269616c2f636464306465303030303030" + "020c434152445f54455354494e470a636172642d6275727374e807000c534841444f575f4d4f44454c0c736861646f772d6d6f64656c500106706c616e2d310604010a3603000000000000d03f", "trial/cdd0de000000"},
}

func TestStoredFormsStayAsTheyAre(t *testing.T) {
	for _, form := range storedForms {
		b, err := hex.DecodeString(form.hex)
		if err != nil {
			t.Fatal(err)
		}
		want := decision.Decision{
			TransactionID: "tx-1", Outcome: decision.Review, Path: decision.Sync, Anomalous: true, Score: 612, Degraded: decision.WindowsSaturated | decision.ModelGone,
			DecidedAt: time.Date(2026, 11, 21, 15, 0, 0, 123e6, time.UTC), Took: 17 * time.Microsecond,
			RuleSet: "default@0123456789ab", Policy: "default/350-550-800", Model: "shop/0123456789ab", Shadow: form.shadow,
			Reasons:  []decision.Reason{{Code: "CARD_TESTING", Rule: "card-burst", Points: 500}, {Code: "SHADOW_MODEL", Rule: "shadow-model", Points: 40, Shadow: true}},
			Features: decision.Features{Plan: "plan-1", Values: []float64{math.NaN(), math.NaN(), 0, 1, -7, 0.25}},
		}
		got, err := DecodeDecision("tx-1", b)
		if err != nil {
			t.Fatalf("%s: %v", form.name, err)
		}
		if diff := same(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form.name, diff)
		}
		if again := AppendDecision(nil, &want); !bytes.Equal(again, b) {
			t.Errorf("%s is written as %x", form.name, again)
		}
	}
}

func TestMostFeatureValuesTakeLittleRoom(t *testing.T) {
	values := make([]float64, 200)
	for i := range values {
		switch {
		case i < 100:
			values[i] = math.NaN()
		case i < 150:
			values[i] = float64(i)
		}
	}
	if n := len(appendValues(nil, values)); n > 120 {
		t.Errorf("100 missing, 50 whole and 50 zero values take %d bytes", n)
	}
}

// FuzzDecodeDecision feeds arbitrary bytes: an error that says so, or a decision that is stored and read as the same.
func FuzzDecodeDecision(f *testing.F) {
	seed := decision.Decision{
		Outcome: decision.Review, Score: 500, Reasons: []decision.Reason{{Code: "C", Rule: "r", Points: 3, Shadow: true}}, RuleSet: "rules@1",
		Features: decision.Features{Plan: "p", Values: []float64{math.NaN(), math.NaN(), 0, 1, -7, 0.25}}, DecidedAt: time.UnixMilli(1).UTC(),
	}
	whole := AppendDecision(nil, &seed)
	f.Add(whole)
	seed.Shadow = "trial/1"
	f.Add(AppendDecision(nil, &seed))
	f.Add(whole[:len(whole)-3])
	f.Add(append([]byte{9}, whole...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeDecision("id", b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v is not ErrCorrupt", err)
			}
			return
		}
		again, err := DecodeDecision("id", AppendDecision(nil, &d))
		if err != nil {
			t.Fatal(err)
		}
		if diff := same(d, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestDamagedDecisionsAreRefused(t *testing.T) {
	d := decision.Decision{Outcome: decision.Approve, Features: decision.Features{Values: []float64{math.NaN(), 0.5, 3}}}
	whole := AppendDecision(nil, &d)
	for cut := range whole {
		if _, err := DecodeDecision("id", whole[:cut]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d of %d bytes: %v", cut, len(whole), err)
		}
	}
	if _, err := DecodeDecision("id", append(whole, 0)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with a byte too many: %v", err)
	}
	long := decision.Decision{Outcome: decision.Approve, RuleSet: strings.Repeat("x", maxText+1)}
	if _, err := DecodeDecision("id", AppendDecision(nil, &long)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with a text beyond its bound: %v", err)
	}
	nobody := AppendDecision(nil, &decision.Decision{Outcome: decision.Approve, Shadow: "x"})
	at := bytes.IndexByte(nobody, 'x') - 1
	nobody = append(nobody[:at:at], append([]byte{0}, nobody[at+2:]...)...)
	if _, err := DecodeDecision("id", nobody); !errors.Is(err, ErrCorrupt) {
		t.Errorf("form 2 without a shadow model: %v", err)
	}
	for _, values := range [][]byte{{1, 3 | 4}, {1, 4<<2 | stepMissing}, {0xff, 0xff, 0xff, 0x7f}, {1, 0x80, 0}} {
		r := reader{b: values}
		if r.values(); !r.bad {
			t.Errorf("values % x were accepted", values)
		}
	}
}
