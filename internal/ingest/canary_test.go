package ingest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
)

// said is everything that a refusal tells, in every way that it can be written.
func said(err error) string {
	var r *ingest.Refusal
	if !errors.As(err, &r) {
		return fmt.Sprintf("%v %+v %#v", err, err, err)
	}
	text, _ := json.Marshal(r)
	return fmt.Sprintf("%v %+v %#v %s", err, r, r.Faults, text)
}

// TestRefusalsHoldNoValue puts canaries in the place of names and values, breaks the body in ways of its own, and
// searches the refusal for them.
func TestRefusalsHoldNoValue(t *testing.T) {
	members := append(ingest.Pointers(), "/amount", "/customer", "/card", "/pix", "/device", "/merchant", "/shipping")
	canary := rapid.StringMatching(`QZ[A-Z0-9]{6}(@| |-|é|\.)QZ[0-9]{4}`)
	rapid.Check(t, func(t *rapid.T) {
		var canaries []string
		edits := []any{"id", absent} // one fault at least
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			c := canary.Draw(t, "canary")
			canaries = append(canaries, c)
			name := strings.TrimPrefix(rapid.SampledFrom(members).Draw(t, "member"), "/")
			value := rapid.SampledFrom([]any{c, []any{c}, map[string]any{c: c}, c + "\x00", strings.Repeat(c, 60), c + " 4111111111111111"}).Draw(t, "value")
			if rapid.Bool().Draw(t, "as a name") {
				name, value = c, map[string]any{"in": c}
			}
			if object, _, nested := strings.Cut(name, "/"); nested || object == name {
				edits = append(edits, name, value)
			}
		}
		data := canaryBody(t, edits)
		if rapid.Bool().Draw(t, "cut") {
			data = data[:rapid.IntRange(0, len(data)-1).Draw(t, "at")]
		}
		if rapid.Bool().Draw(t, "doubled") {
			data = append(data, data...)
		}
		_, err := ingest.Decode(data, now)
		if err == nil {
			if slices.ContainsFunc(canaries, payment.ValidID) {
				return // it was put in the place of the id that lacked
			}
			t.Fatalf("accepted: %s", data)
		}
		told := said(err)
		for _, c := range canaries {
			if strings.Contains(told, c) || strings.Contains(told, c[:8]) {
				t.Fatalf("%q is in the refusal: %s", c, told)
			}
		}
	})
}

// canaryBody is the fullest submission with edits; one that goes into a place that an earlier edit has filled with
// something else is left out.
func canaryBody(t *rapid.T, edits []any) []byte {
	var tree map[string]any
	if err := json.Unmarshal([]byte(fullBody), &tree); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		object, name := tree, edits[i].(string)
		if before, after, ok := strings.Cut(name, "/"); ok {
			inner, isObject := object[before].(map[string]any)
			if !isObject {
				continue
			}
			object, name = inner, after
		}
		if object[name] = edits[i+1]; edits[i+1] == absent {
			delete(object, name)
		}
	}
	data, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const fullBody = `{"id":"1","occurred_at":"2026-03-01T15:30:00Z","amount":{"centavos":1,"currency":"BRL"},"method":"card","channel":"web",
"customer":{"id":"c","document":"111.444.777-35"},"card":{"bin":"411111"},"pix":{},"device":{"id":"d"},"merchant":{"id":"m"},"shipping":{"uf":"SP"}}`

func FuzzDecode(f *testing.F) {
	for _, folder := range []string{"accepted", "refused"} {
		for _, data := range bodies(f, folder) {
			f.Add(data)
		}
	}
	known := map[string]bool{"": true}
	for _, pointer := range ingest.Pointers() {
		known[pointer] = true
		if object, _, nested := strings.Cut(pointer[1:], "/"); nested {
			known["/"+object] = true
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ingest.Decode(data, now)
		if err != nil {
			var r *ingest.Refusal
			if s != nil || !errors.As(err, &r) || len(r.Faults) == 0 || len(r.Faults) > ingest.MaxFaults {
				t.Fatalf("refused without faults: %v", err)
			}
			for _, fault := range r.Faults {
				if fault.Detail == "" || !known[fault.Field] && fault.Code != ingest.CardData {
					t.Fatalf("a fault without advice, or of a field that the contract does not know: %+v", fault)
				}
			}
			return
		}
		if !json.Valid(data) {
			t.Fatal("accepted what encoding/json does not take for JSON")
		}
		if err := s.Validate(now); err != nil {
			t.Fatalf("accepted and then refused: %v", err)
		}
	})
}
