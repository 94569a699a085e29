package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/gbdt"
	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/model"
)

// stump is a model that finds amounts above R$ 50 suspicious.
func stump(t *testing.T, name string, suspicion float32) *model.Model {
	t.Helper()
	m, err := model.New(model.Parts{
		Name: name, Made: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Calibration: model.Calibration{Slope: 1},
		Scale: model.Scale{{}, {Probability: 0.5, Points: 400}, {Probability: 1, Points: 1000}},
		Trees: &gbdt.Model{Names: []string{"tx.amount", "customer.count_30d", "device.sd_7d"}, Trees: []gbdt.Tree{{
			{Feature: 0, Left: 1, Right: 2, Split: 5000, Cover: 10}, {Feature: gbdt.Leaf, Value: -3, Cover: 8}, {Feature: gbdt.Leaf, Value: suspicion, Cover: 2},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ask gets a page of a server.
func ask(t *testing.T, p *process, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", p.Key)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %d: %s %v", path, answer.StatusCode, body, err)
	}
	return body
}

// explained is what the command says of a decision, without spaces.
func explained(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := program(t, append([]string{"explain", "canary-1", "--json"}, args...)...)
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(out)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestADecisionWithAModelIsExplained decides with a model and asks why: the server at once, and the command later, when
// another model is live, and when the one that decided is gone.
func TestADecisionWithAModelIsExplained(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := stump(t, "first", 1), stump(t, "second", 2)
	models := model.Open(filepath.Join(dir, "data", "models"))
	for _, m := range []*model.Model{first, second} {
		if err := models.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	assign := func(version string) {
		t.Helper()
		if err := models.Assign(model.Live, version, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	assign(first.Version())
	p := start(t, dir, "")
	c := &canaryClient{t: t, p: p, places: map[string][]byte{}}
	c.want(200, "POST", "/v1/decisions", "application/json", canaryPayment("canary-1", ""))
	var verdict struct {
		Outcome, Model string
		Reasons        []struct {
			Code string
			Text httpapi.Text
		}
	}
	if err := json.Unmarshal(ask(t, p, "/v1/decisions/canary-1"), &verdict); err != nil {
		t.Fatal(err)
	}
	if verdict.Outcome != "review" || verdict.Model != first.Version() || len(verdict.Reasons) != 1 || verdict.Reasons[0].Code != "TX_AMOUNT" ||
		verdict.Reasons[0].Text != (httpapi.Text{PT: "O valor desta compra.", EN: "The amount of this purchase."}) {
		t.Errorf("the verdict is %+v", verdict)
	}
	live := strings.TrimSpace(string(ask(t, p, "/v1/decisions/canary-1/explanation")))
	for _, want := range []string{`"recomputed":true`, `"agrees":true`, `"version":"` + first.Version() + `"`, `"variable":"device.sd_7d","value":null,"log_odds":0`} {
		if !strings.Contains(live, want) {
			t.Errorf("lacks %s: %s", want, live)
		}
	}
	p.stop()
	places := []string{"--data-dir", filepath.Join(dir, "data"), "--keys-dir", filepath.Join(dir, "keys")}
	if later := explained(t, places...); later != live {
		t.Errorf("the command says\n%s\nthe server said\n%s", later, live)
	}
	assign(second.Version())
	if later := explained(t, places...); later != live {
		t.Errorf("with another model, the command says\n%s\nthe server said\n%s", later, live)
	}
	code, out, errs := program(t, append([]string{"explain", "canary-1"}, places...)...)
	for _, want := range []string{"em análise (review)", "modelo " + first.Version(), "O valor desta compra.", "confere: sim", "Como contestar"} {
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("exit code %d, lacks %q: %s%s", code, want, out, errs)
		}
	}
	if err := os.Remove(filepath.Join(dir, "data", "models", strings.ReplaceAll(first.Version(), "/", "-")+".json")); err != nil {
		t.Fatal(err)
	}
	gone := explained(t, places...)
	for _, want := range []string{`"recomputed":false`, `"agrees":null`, "The model at hand (" + second.Version() + ")", `{"code":"TX_AMOUNT","points":`} {
		if !strings.Contains(gone, want) {
			t.Errorf("without the model, lacks %s: %s", want, gone)
		}
	}
}

// TestExplainersAreBounded asks for models that are gone.
func TestExplainersAreBounded(t *testing.T) {
	t.Parallel()
	rules, err := loadRules("")
	if err != nil {
		t.Fatal(err)
	}
	live := stump(t, "live", 1)
	x := newExplainers(&judging{rules: rules, live: live}, model.Open(t.TempDir()))
	first, err := x.by(live.Version())
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "a/1", "b/1", "c/1", "d/1", "e/1", "../../etc/passwd"} {
		if by, err := x.by(version); err != nil || by == nil {
			t.Fatalf("%q: %v", version, err)
		}
		if again, err := x.by(live.Version()); err != nil || again != first || len(x.made) > maxExplainers {
			t.Errorf("after %q: the live one is made anew, or %d are kept: %v", version, len(x.made), err)
		}
	}
}
