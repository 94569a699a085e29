package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/review"
)

// asJSON compares answers without regard to the order of members.
func asJSON(t testing.TB, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func TestSameIDSameBodySameAnswer(t *testing.T) {
	h := newHarness(t, ScopeRead)
	body := transaction("t-1", "100")
	first := h.do("POST", "/v1/transactions", body)
	again := h.do("POST", "/v1/transactions", body)
	if first.Code != 202 || again.Code != 202 || first.Header().Get("Location") != "/v1/decisions/t-1" {
		t.Errorf("%d %d, Location %q", first.Code, again.Code, first.Header().Get("Location"))
	}
	if !strings.Contains(first.Body.String(), `"accepted"`) || !strings.Contains(again.Body.String(), `"duplicate"`) {
		t.Errorf("%s %s", first.Body, again.Body)
	}
	verdict := h.do("POST", "/v1/decisions", body).Body.String()
	h.outcome = decision.Approve
	if got := h.do("POST", "/v1/decisions", body); got.Code != 200 || got.Body.String() != verdict {
		t.Errorf("the second verdict differs: %s, first %s", got.Body, verdict)
	}
	for _, path := range []string{"/v1/transactions", "/v1/decisions"} {
		if w := h.do("POST", path, transaction("t-1", "101")); w.Code != 409 {
			t.Errorf("%s: another body: %d", path, w.Code)
		}
	}
	h.erased["t-1"] = true
	for _, path := range []string{"/v1/transactions", "/v1/decisions"} {
		if w := h.do("POST", path, body); w.Code != 410 {
			t.Errorf("%s: erased: %d", path, w.Code)
		}
	}
}

func TestVerdict(t *testing.T) {
	h := newHarness(t, ScopeRead)
	w := h.do("POST", "/v1/decisions", transaction("t-1", "100"))
	want := `{"transaction_id":"t-1","outcome":"review","score":640,
		"reasons":[{"code":"NEW_DEVICE","text":{"pt":"Dispositivo novo com endereço novo","en":"New device with a new address"}}],
		"rule_set":"default-1f0c2a9b","policy":"default-77aa01c4","degraded":[],"decided_at":"2026-03-01T15:30:00Z"}`
	if got := w.Body.String(); !reflect.DeepEqual(asJSON(t, got), asJSON(t, want)) {
		t.Errorf("got %s", got)
	}
	h.do("POST", "/v1/labels", `{"transaction_id":"t-1","verdict":"fraud","source":"report","known_at":"2026-03-01T12:00:00.1239-03:00"}`)
	r := asJSON(t, h.do("GET", "/v1/decisions/t-1", "").Body.String()).(map[string]any)
	if got := fmt.Sprintf("%v %v %v", r["label"], r["path"], r["occurred_at"]); got != "map[known_at:2026-03-01T15:00:00.123Z source:report verdict:fraud] sync 2026-03-01T15:29:58Z" {
		t.Errorf("got %s", got)
	}
}

// TestAnExplanationIsThatOfThePort shows what the port says, and nothing to a caller who asks for what is no id or no outcome.
func TestAnExplanationIsThatOfThePort(t *testing.T) {
	h := newHarness(t, ScopeRead)
	h.do("POST", "/v1/decisions", transaction("labeled", "100"))
	e, err := h.Explanation(t.Context(), "labeled")
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if w := h.do("GET", "/v1/decisions/labeled/explanation", ""); w.Code != 200 || w.Body.String() != string(want)+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, id := range []string{"none", "111.444.777-35%20", strings.Repeat("x", 65)} {
		if w := h.do("GET", "/v1/decisions/"+id+"/explanation", ""); w.Code != 404 || strings.Contains(w.Body.String(), id) {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
	}
	h.outcome = decision.Invalid
	h.do("POST", "/v1/decisions", transaction("invalid", "100"))
	if w := h.do("GET", "/v1/decisions/invalid/explanation", ""); w.Code != 500 || strings.Contains(w.Body.String(), "outcome") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAnErrorIsNeverAVerdict: whatever fails, no answer has an outcome.
func TestAnErrorIsNeverAVerdict(t *testing.T) {
	for name, breakIt := range map[string]func(*shop){
		"invalid outcome": func(s *shop) { s.outcome = decision.Invalid },
		"unknown outcome": func(s *shop) { s.outcome = 77 },
		"error":           func(s *shop) { s.fail = errBroken },
		"unavailable":     func(s *shop) { s.fail = ErrUnavailable },
		"overloaded":      func(s *shop) { s.fail = ErrOverloaded },
		"canceled":        func(s *shop) { s.fail = context.Canceled },
		"panic":           func(s *shop) { s.panics = "x" },
	} {
		h := newHarness(t, ScopeRead)
		breakIt(h.shop)
		w := h.do("POST", "/v1/decisions", transaction("t-1", "1"))
		if w.Code < 500 || strings.Contains(w.Body.String(), "outcome") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		checkProblem(t, w)
	}
}

func TestBatchLinesAreJudgedApart(t *testing.T) {
	h := newHarness(t, ScopeRead)
	h.macs["taken"] = [32]byte{1}
	h.erased["gone"] = true
	calls := 0
	h.accepted = func(n int) {
		calls++
		if n != 5 {
			t.Errorf("%d submissions in one call", n)
		}
	}
	body := strings.Join([]string{
		transaction("t-1", "1"), transaction("taken", "1"), "", "not json", transaction("gone", "1"),
		transaction("t-2", "-1"), "  ", transaction("t-1", "1"), `{"id":"` + canary + `"}`, transaction("t-3", "1"), "[]",
	}, "\n")
	got := lineResults(t, h.do("POST", "/v1/transactions:batch", body))
	want := []string{
		"1 t-1 accepted ", "2 taken conflict id-conflict", "4  refused malformed", "5 gone erased erased",
		"6  refused invalid-fields", "8 t-1 duplicate ", "9  refused invalid-fields", "10 t-3 accepted ",
	}
	if fmt.Sprint(got[:8]) != fmt.Sprint(want) || len(got) != 9 || !strings.HasPrefix(got[8], "11  refused") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if calls != 1 {
		t.Errorf("the intake was called %d times", calls)
	}
	h.fail = ErrUnavailable
	if w := h.do("POST", "/v1/transactions:batch", body); w.Code != 503 {
		t.Errorf("intake gone: %d", w.Code)
	}
	if w := h.do("POST", "/v1/transactions:batch", "{}\n{}"); w.Code != 200 {
		t.Errorf("only bad lines need no intake: %d", w.Code)
	}
}

// TestIntakeThatBreaksItsContract is answered 500, never taken for an acceptance.
func TestIntakeThatBreaksItsContract(t *testing.T) {
	h := newHarness(t, ScopeRead)
	h.accept = func(i int) bool { return false }
	for path, body := range map[string]string{"/v1/transactions": transaction("t-1", "1"), "/v1/transactions:batch": transaction("t-1", "1") + "\n" + transaction("t-2", "1")} {
		if w := h.do("POST", path, body); w.Code != 500 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	short := newHarness(t, ScopeRead, func(c *Config) { c.Intake = forgetful{c.Intake}; c.Labels = nothing{} })
	for path, body := range map[string]string{
		"/v1/transactions": transaction("t-1", "1"), "/v1/transactions:batch": transaction("t-1", "1"),
		"/v1/labels": usual["POST /v1/labels"].body,
	} {
		if w := short.do("POST", path, body); w.Code != 500 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestLabels(t *testing.T) {
	h := newHarness(t, ScopeRead)
	h.do("POST", "/v1/decisions", transaction("t-1", "1"))
	for body, want := range map[string]string{
		`{"transaction_id":"t-1","verdict":"fraud","source":"pix_med","known_at":"2026-03-01T15:34:00Z"}`:   `200 {"transaction_id":"t-1","status":"stored"}`,
		`{"transaction_id":"t-1","verdict":"fraud","source":"pix_med","known_at":"2026-03-01T15:36:00Z"}`:   "422 /known_at in_the_future",
		`{"transaction_id":"t-1","verdict":"fraud","source":"pix_med","known_at":"yesterday"}`:              "422 /known_at invalid",
		`{"transaction_id":"t-1","verdict":"fraud","source":"benchmark","known_at":"2026-03-01T15:00:00Z"}`: "422 /source invalid",
		`{"transaction_id":"ç","verdict":"Fraud","source":"","known_at":""}`:                                "422 /transaction_id invalid /verdict invalid /source invalid /known_at invalid",
		`{"transaction_id":"t-1","verdict":7}`:                                                              "422 /verdict wrong_type",
		`{"çanary":"t-1"}`:                                                                                  "422  unknown_field",
		`{"transaction_id":"a","transaction_id":"b"}`:                                                       "422  duplicate_field",
		`{"transaction_id":"a"} {}`:                                                                         "400",
		`null`:                                                                                              "400",
		`"x"`:                                                                                               "422  wrong_type",
		`[]`:                                                                                                "400",
		`[1,`:                                                                                               "400",
	} {
		w := h.do("POST", "/v1/labels", body)
		if got := outcomeOf(t, w); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
}

// outcomeOf is the status and the faults of an answer, or its body when it is no problem.
func outcomeOf(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	out := fmt.Sprint(w.Code)
	if w.Code < 400 {
		return strings.TrimSpace(out + " " + w.Body.String())
	}
	checkProblem(t, w)
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Errors {
		out += " " + e.Field + " " + e.Code
	}
	return out
}

func TestLists(t *testing.T) {
	h := newHarness(t, ScopeRead)
	entry := `{"kind":"document","value":"111.444.777-35","reason":"confirmed_fraud","expires_at":"2026-04-01T00:00:00Z"}`
	shown := h.do("POST", "/v1/lists/block", entry)
	if shown.Code != 201 || strings.Contains(shown.Body.String(), "111") {
		t.Fatalf("%d %s", shown.Code, shown.Body)
	}
	token := asJSON(t, shown.Body.String()).(map[string]any)["token"].(string)
	if got := h.do("GET", "/v1/lists/block", "").Body.String(); !strings.Contains(got, token) || strings.Contains(got, "next") {
		t.Errorf("list %s", got)
	}
	if again := h.do("POST", "/v1/lists/block", strings.Replace(entry, "confirmed", "suspected", 1)); again.Code != 200 || len(h.lists) != 1 || h.lists[0].Reason != "suspected_fraud" {
		t.Errorf("again: %d %s", again.Code, again.Body)
	}
	if got := h.do("GET", "/v1/lists/allow", "").Body.String(); strings.Contains(got, token) {
		t.Errorf("on the other list as well: %s", got)
	}
	for body, want := range map[string]string{
		`{"kind":"document","value":"x","token":"` + token + `"}`: "422  contradiction",
		`{"kind":"document"}`:                          "422  contradiction",
		`{"kind":"document","value":"x","reason":"y"}`: "422  contradiction",
		`{"kind":"document","token":"short"}`:          "422 /token invalid",
		`{"kind":"document","value":"!"}`:              "422 /value invalid",
		`{"kind":"shoe","value":"x"}`:                  "422 /kind invalid",
		`{"kind":"document","value":"other"}`:          "404",
	} {
		if got := outcomeOf(t, h.do("DELETE", "/v1/lists/block", body)); got != want {
			t.Errorf("DELETE %s: %s, want %s", body, got, want)
		}
	}
	if got := outcomeOf(t, h.do("DELETE", "/v1/lists/block", `{"kind":"document","token":"`+token+`"}`)); got != "204" || len(h.lists) != 0 {
		t.Errorf("removed by token: %s, left %v", got, h.lists)
	}
	for body, want := range map[string]string{
		`{"kind":"ip"}`: "422 /value missing /expires_at invalid",
		`{"kind":"ip","value":"x","token":"y","reason":"Maria da Silva","expires_at":"2026-02-01T00:00:00Z"}`:      "422 /token invalid /reason invalid /expires_at out_of_range",
		`{"kind":"ip","value":"x","reason":"` + strings.Repeat("r", 41) + `","expires_at":"2032-02-01T00:00:00Z"}`: "422 /reason invalid /expires_at out_of_range",
	} {
		if got := outcomeOf(t, h.do("POST", "/v1/lists/block", body)); got != want {
			t.Errorf("POST %s: %s, want %s", body, got, want)
		}
	}
}

// TestListPages reads every page; entries that go meanwhile neither hide nor repeat another.
func TestListPages(t *testing.T) {
	h := newHarness(t, ScopeRead, func(c *Config) { c.Limits.ListPage = 2 })
	for i := range 5 {
		h.do("POST", "/v1/lists/allow", fmt.Sprintf(`{"kind":"ip","value":"%d","expires_at":"2026-04-01T00:00:00Z"}`, i))
	}
	var shown []string
	for after := "0"; after != ""; {
		var page struct {
			Entries []struct{ Token string }
			Next    json.Number
		}
		if err := json.Unmarshal(h.do("GET", "/v1/lists/allow?after="+after, "").Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			shown = append(shown, e.Token)
		}
		after = page.Next.String()
		h.do("DELETE", "/v1/lists/allow", `{"kind":"ip","value":"0"}`)
	}
	distinct := map[string]bool{}
	for _, s := range shown {
		distinct[s] = true
	}
	if len(shown) != 5 || len(distinct) != 5 {
		t.Errorf("shown %v", shown)
	}
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	s := newShop()
	full := Config{Intake: s, Decider: s, Decisions: s, Explanations: s, Labels: s, Lists: s, ListVault: s, Keys: nothing{}}
	if _, err := New(full); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"port":  func(c *Config) { c.Decider = nil },
		"why":   func(c *Config) { c.Explanations = nil },
		"keys":  func(c *Config) { c.Keys = nil },
		"check": func(c *Config) { c.Checks = []Check{{Name: "store"}} },
	} {
		c := full
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: missing, and accepted", name)
		}
	}
}

// forgetful loses acceptances.
type forgetful struct{ Intake }

func (forgetful) Accept(context.Context, []*ingest.Submission) ([]ingest.Acceptance, error) {
	return nil, nil
}

// nothing answers nothing, and knows no keys.
type nothing struct{}

func (nothing) Label(context.Context, []review.Label) ([]bool, error) { return nil, nil }

func (nothing) Authenticate(string) (Key, error) { return Key{}, errBroken }
