package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/gbdt"
	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/rule"
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
	p := start(t, dir, "", "--shadow-model", second.Version())
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
	for _, want := range []string{`"recomputed":true`, `"agrees":true`, `"version":"` + first.Version() + `"`, `"variable":"device.sd_7d","value":null,"log_odds":0`,
		`"shadow_model":{"version":"` + second.Version() + `","points":`} {
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
	for _, want := range []string{"em análise (review)", "modelo " + first.Version(), "O valor desta compra.", "confere: sim", "Como contestar", "modelo em observação " + second.Version() + ": "} {
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

// TestADecisionIsExplainedByTheRulesThatDecided decides under some rules, and asks why under others: of the server and of
// the command, with the file that decided gone, and with the kept text damaged.
func TestADecisionIsExplainedByTheRulesThatDecided(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine.yaml")
	file := "name: mine\nversion: \"1\"\n# of the spring\nrules:\n  - id: any\n    code: ANY_AMOUNT\n    when: tx.amount > 1\n    points: 400\n    outcome: review\n    text: {pt: Um valor., en: An amount.}\n"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(mine, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file)
	other := filepath.Join(dir, "other.yaml") // which says something else under the same id and code
	newer := strings.NewReplacer("name: mine", "name: other", "400", "700", "outcome: review", "outcome: decline", "Um valor.", "PALAVRAS NOVAS.", "An amount.", "NEWER WORDS.").Replace(file)
	if err := os.WriteFile(other, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, "", "--rules", mine)
	c := &canaryClient{t: t, p: p, places: map[string][]byte{}}
	c.want(200, "POST", "/v1/decisions", "application/json", canaryPayment("canary-1", ""))
	const page = "/v1/decisions/canary-1/explanation"
	first := strings.TrimSpace(string(ask(t, p, page)))
	for _, want := range []string{`"recomputed":true`, `"agrees":true`, `"rule_set":"mine@`, `"en":"An amount."`, `"outcome":"review","shadow":false`} {
		if !strings.Contains(first, want) {
			t.Errorf("lacks %s: %s", want, first)
		}
	}
	p.stop()
	places := []string{"--data-dir", filepath.Join(dir, "data"), "--keys-dir", filepath.Join(dir, "keys")}
	same := func(when, got string) {
		t.Helper()
		if got != first {
			t.Errorf("%s:\n%s\nit was\n%s", when, got, first)
		}
	}
	same("the command, with the built-in rules", explained(t, places...))
	write(strings.Replace(file, "# of the spring", "# a comment is no other rule", 1))
	p = start(t, dir, "", "--rules", mine)
	same("after a comment was changed", strings.TrimSpace(string(ask(t, p, page))))
	p.stop()
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	p = start(t, dir, "", "--rules", other)
	for range 2 {
		same("the server, with other rules", strings.TrimSpace(string(ask(t, p, page))))
	}
	c.p = p
	c.want(200, "POST", "/v1/decisions", "application/json", canaryPayment("canary-2", ""))
	if e := string(ask(t, p, "/v1/decisions/canary-2/explanation")); !strings.Contains(e, `"recomputed":true`) || !strings.Contains(e, "NEWER WORDS") || strings.Contains(e, "mine@") {
		t.Errorf("a decision of the other rules: %s", e)
	}
	p.stop()
	same("the command, with other rules", explained(t, append(places, "--rules", other)...))

	store("UPDATE rule_sets SET text = CAST(replace(CAST(text AS TEXT), '400', '300') AS BLOB) WHERE version LIKE 'mine@%'")(t, filepath.Join(dir, "data"))
	code, out, errs := program(t, append([]string{"explain", "canary-1", "--json"}, places...)...)
	if code == exitDone || out != "" || !strings.Contains(errs, "the rules that are kept as mine@") || !strings.Contains(errs, "--rules FILE") {
		t.Errorf("with a damaged text: exit code %d, %s%s", code, out, errs)
	}
	write(file)
	same("a damaged text, and the file from elsewhere", explained(t, append(places, "--rules", mine)...))
	if code, _, errs := program(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--rules", mine}, places...)...); code == exitDone || !strings.Contains(errs, "another rule file has this version") {
		t.Errorf("a start over a damaged text: exit code %d, %s", code, errs)
	}
}

// keptTexts are rules of a store, and how often it was asked.
type keptTexts struct {
	of    map[string]string
	asked int
}

func (k *keptTexts) RuleSet(_ context.Context, version string) ([]byte, error) {
	k.asked++
	if text, ok := k.of[version]; ok {
		return []byte(text), nil
	}
	return nil, ledger.ErrNotFound
}

// TestExplainersAreBounded asks for models and rules that are gone, and for many that are kept.
func TestExplainersAreBounded(t *testing.T) {
	t.Parallel()
	rules, err := loadRules("")
	if err != nil {
		t.Fatal(err)
	}
	live := stump(t, "live", 1)
	x := newExplainers(&judging{rules: rules, live: live}, model.Open(t.TempDir()))
	store := &keptTexts{of: map[string]string{}}
	first, err := x.by(t.Context(), store, x.atHand())
	if err != nil || store.asked != 0 {
		t.Fatalf("asked %d times for the rules at hand: %v", store.asked, err)
	}
	want := []judgesOf{{"gone@1", live.Version()}, {"gone@2", "../../etc/passwd"}}
	for _, version := range []string{"", "a/1", "b/1", "c/1", "d/1", "e/1", "../../etc/passwd"} {
		want = append(want, judgesOf{rules.Version(), version})
	}
	for i := range 6 {
		text := fmt.Sprintf("name: n%d\nversion: a\nrules:\n  - {id: r, code: R, when: tx.night, points: 1, text: {pt: a, en: b}}\n", i)
		version, err := rule.Version([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		store.of[version] = text
		want = append(want, judgesOf{version, ""})
	}
	for _, of := range want {
		by, err := x.by(t.Context(), store, of)
		if err != nil || by == nil {
			t.Fatalf("%v: %v", of, err)
		}
		asked := store.asked
		if again, err := x.by(t.Context(), store, of); err != nil || again != by || store.of[of.rules] != "" && store.asked != asked {
			t.Errorf("%v is made anew: %v", of, err)
		}
		if again, err := x.by(t.Context(), store, x.atHand()); err != nil || again != first || len(x.made) > maxExplainers {
			t.Errorf("after %v: the live one is made anew, or %d are kept: %v", of, len(x.made), err)
		}
	}
}

// TestKeptRulesAreChecked has texts that are not what their version says, and one that this program cannot run.
func TestKeptRulesAreChecked(t *testing.T) {
	t.Parallel()
	rules, err := loadRules("")
	if err != nil {
		t.Fatal(err)
	}
	const of = "name: n\nversion: a\nrules:\n  - {id: r, code: R, when: tx.gone > 1, points: 1, text: {pt: a, en: b}}\n"
	version, err := rule.Version([]byte(of))
	if err != nil {
		t.Fatal(err)
	}
	x := newExplainers(&judging{rules: rules}, model.Open(t.TempDir()))
	for name, text := range map[string]string{
		"another rule": strings.Replace(of, "> 1", "> 2", 1), "a cut text": of[:len(of)-9], "nothing": "", "another name": strings.Replace(of, "name: n", "name: m", 1),
	} {
		if _, err := x.by(t.Context(), &keptTexts{of: map[string]string{version: text}}, judgesOf{version, ""}); !errors.Is(err, ledger.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
	atHand, err := x.by(t.Context(), &keptTexts{}, x.atHand())
	if err != nil {
		t.Fatal(err)
	}
	if by, err := x.by(t.Context(), &keptTexts{of: map[string]string{version: of}}, judgesOf{version, ""}); err != nil || by != atHand {
		t.Errorf("rules over a variable that is gone: %v", err)
	}
}
