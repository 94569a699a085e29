package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/ingest"
)

const (
	apiDocs = "../../docs/api.md"
	readme  = "../../README.md"
)

// example is a fenced block of a document and, for a call, the block after it, which shows the answer.
type example struct {
	language, info, text string
	next                 *example
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+) ?([^\n]*)\n(.*?)^```$")

func readDocs(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func examples(text string) []*example {
	var all []*example
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		e := &example{language: m[1], info: m[2], text: m[3]}
		if len(all) > 0 {
			all[len(all)-1].next = e
		}
		all = append(all, e)
	}
	return all
}

// find returns the first shell block that holds the words.
func find(t *testing.T, all []*example, words string) *example {
	t.Helper()
	for _, e := range all {
		if e.language == "sh" && strings.Contains(e.text, words) {
			return e
		}
	}
	t.Fatalf("no block has %q", words)
	return nil
}

// compare fails the test when an answer is not the documented one. A digest may leave out fields, and so may what is
// called an excerpt, which may also end a list with three points.
func compare(t *testing.T, e *example, status int, answer string, digest bool) {
	t.Helper()
	shown := e.next
	if shown == nil || shown.language == "sh" {
		t.Fatalf("no answer is shown for\n%s", e.text)
	}
	want, excerpt := strings.CutSuffix(shown.info, " excerpt")
	digest = digest || excerpt
	if want != fmt.Sprint(status) && (want != "" || status != http.StatusOK) {
		t.Errorf("status %d, documented %q, for\n%s%s", status, want, e.text, answer)
		return
	}
	if !alike(documents(t, shown.text), documents(t, answer), digest) {
		t.Errorf("for\n%sthe document shows\n%sand the program answers\n%s", e.text, shown.text, answer)
	}
}

// documents decodes a sequence of JSON documents.
func documents(t *testing.T, text string) []any {
	t.Helper()
	all := []any{}
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var v any
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		all = append(all, v)
	}
}

// alike compares what is shown with what came. Three points, or the sign for them, stand for any text that goes on
// there, and a moment for any other.
func alike(shown, got any, digest bool) bool {
	switch s := shown.(type) {
	case string:
		text, ok := got.(string)
		if before, open := strings.CutSuffix(strings.Replace(s, "…", "...", 1), "..."); open {
			return ok && len(text) > len(before) && strings.HasPrefix(text, before)
		}
		return ok && (s == text || moment(s) && moment(text))
	case []any:
		g, ok := got.([]any)
		if n := len(s) - 1; ok && digest && n >= 0 && s[n] == "..." && len(g) > n {
			s, g = s[:n], g[:n]
		}
		if !ok || len(g) != len(s) {
			return false
		}
		for i := range s {
			if !alike(s[i], g[i], digest) {
				return false
			}
		}
		return true
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || !digest && len(g) != len(s) {
			return false
		}
		for name := range s {
			if v, ok := g[name]; !ok || !alike(s[name], v, digest) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(shown, got)
}

func moment(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// TestDocsExamples makes every call of docs/api.md, in order, and compares status and answer with the block below it.
func TestDocsExamples(t *testing.T) {
	t.Parallel()
	all := examples(readDocs(t, apiDocs))
	r := newReader(t)
	r.exports(find(t, all, "export KEY=").text)
	calls := 0
	for _, e := range all {
		if e.language != "sh" || !strings.Contains(e.text, "curl ") {
			continue
		}
		calls++
		status, answer := r.call(e.text)
		compare(t, e, status, answer, false)
	}
	if calls < 13 {
		t.Errorf("only %d calls were found", calls)
	}
}

// TestDocsReadme makes the call of the README's first steps.
func TestDocsReadme(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readDocs(t, readme), "\n## Use it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	e := find(t, examples(section), "curl ")
	r := newReader(t)
	call := e.text[strings.Index(e.text, "curl "):]
	address := "http://" + defaults(t).Listen
	if !strings.Contains(call, address) {
		t.Errorf("the call does not go to %s, where fastshop serve listens", address)
	}
	status, answer := r.call(strings.Replace(call, address, r.p.URL, 1))
	compare(t, e, status, answer, true)
}

// TestDocsMakeAKey makes a key as docs/api.md says and uses it.
func TestDocsMakeAKey(t *testing.T) {
	t.Parallel()
	all := examples(readDocs(t, apiDocs))
	r := newReader(t)
	r.exports(find(t, all, "export KEY=").text)
	r.env = append(r.env, "PROGRAM="+os.Args[0], "FASTSHOP_DATA_DIR="+filepath.Join(r.dir, "data"))
	made := r.shell("fastshop() { " + asProgram + "=1 \"$PROGRAM\" \"$@\"; }\n" + find(t, all, "fastshop apikey add").text)
	r.env = append(r.env, "KEY="+strings.TrimSpace(made))
	ask := find(t, all, "order-1002-1").text
	waitFor(t, 10*time.Second, func() bool { // the server looks once a second
		status, _ := r.call(ask)
		return status == http.StatusOK
	})
	if status, answer := r.call(find(t, all, "/v1/lists/block").text); status != http.StatusForbidden {
		t.Errorf("a key without the scope lists changed one: %d %s", status, answer)
	}
}

// defaults are the settings of fastshop serve with nothing given.
func defaults(t *testing.T) *Settings {
	t.Helper()
	var c commands
	parser, err := kong.New(&c, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"serve"}); err != nil {
		t.Fatal(err)
	}
	return &c.Serve.Settings
}

// TestDocsLimits keeps the limits of docs/api.md, of the API and of the settings equal.
func TestDocsLimits(t *testing.T) {
	l, d, s := httpapi.DefaultLimits(), httpapi.DefaultTimeouts(), defaults(t)
	set := l
	set.Rate, set.Burst = s.KeyRate, s.KeyBurst
	set.InFlight.Sync, set.InFlight.Async, set.InFlight.Batch = s.SyncInFlight, s.AsyncInFlight, s.BatchInFlight
	if set != l {
		t.Errorf("fastshop serve has the limits %+v, the API %+v", set, l)
	}
	_, section, found := strings.Cut(readDocs(t, apiDocs), "\n## Limits\n")
	if !found {
		t.Fatal("docs/api.md has no limits")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	seconds := func(all ...time.Duration) string {
		var texts []string
		for _, one := range all {
			texts = append(texts, fmt.Sprintf("%g s", one.Seconds()))
		}
		return strings.Join(texts, ", ")
	}
	for what, limit := range map[string]string{
		"body of one object":               fmt.Sprintf("%d KiB (a transaction: %d KiB)", l.Body>>10, ingest.MaxBody>>10),
		"batch, as sent and when inflated": fmt.Sprintf("%d MiB", l.BatchBody>>20),
		"lines of a batch":                 fmt.Sprint(l.BatchLines),
		"labels in one request":            fmt.Sprint(l.Labels),
		"entries on a page of a list":      fmt.Sprint(l.ListPage),
		"rate of a key":                    fmt.Sprintf("%.0f transactions per second; %d can be saved up; a batch costs its lines, a label one", l.Rate, l.Burst),
		"requests in flight: decisions, transactions, batches, the rest": fmt.Sprintf("%d, %d, %d, %d", l.InFlight.Sync, l.InFlight.Async, l.InFlight.Batch, l.InFlight.Desk),
		"time for an answer: decisions, transactions, batches, the rest": seconds(l.Deadline.Sync, l.Deadline.Async, l.Deadline.Batch, l.Deadline.Desk),
		"connection: header, body, answer, idle":                         seconds(d.ReadHeader, d.Read, d.Write, d.Idle),
	} {
		if row := fmt.Sprintf("| %s | %s |", what, limit); !strings.Contains(section, row) {
			t.Errorf("docs/api.md lacks %q", row)
		}
	}
	if rows := strings.Count(section, "\n| "); rows != 10 { // with the heading
		t.Errorf("the table of limits has %d rows; this test knows nine limits", rows-1)
	}
}
