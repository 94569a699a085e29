package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const docsPath = "../../docs/api.md"

// block is a fenced block of docs/api.md.
type block struct {
	language, info, text string
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+) ?([^\n]*)\n(.*?)^```$")

func docsBlocks(t *testing.T) (string, []block) {
	t.Helper()
	data, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, m := range fence.FindAllStringSubmatch(string(data), -1) {
		blocks = append(blocks, block{m[1], m[2], m[3]})
	}
	return string(data), blocks
}

// TestDocsExamples runs every curl of docs/api.md, in order, and compares status and answer with the block below it. "..." stands for any text.
func TestDocsExamples(t *testing.T) {
	h := newHarness(t, ScopeRead, func(c *Config) {
		c.Checks = []Check{{"store", func(context.Context) error { return nil }}}
	})
	server := httptest.NewServer(h)
	defer server.Close()
	_, blocks := docsBlocks(t)
	files := map[string]string{}
	ran := 0
	for i, b := range blocks {
		if b.language == "ndjson" && b.info == "batch.ndjson" {
			files[b.info] = b.text
		}
		if b.language != "sh" || !strings.Contains(b.text, "curl ") {
			continue
		}
		ran++
		request, err := parseCurl(b.text, map[string]string{"FASTSHOP": server.URL, "KEY": h.key}, files)
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.text)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		want := blocks[i+1]
		if fmt.Sprint(response.StatusCode) != want.info {
			t.Errorf("status %d, documented %s, for\n%s%s", response.StatusCode, want.info, b.text, answer)
			continue
		}
		if got, shown := documents(t, string(answer)), documents(t, want.text); !alike(shown, got) {
			t.Errorf("answer differs from the documented one, for\n%s%s", b.text, answer)
		}
	}
	if ran < 12 {
		t.Errorf("only %d examples were found", ran)
	}
}

// documents decodes a sequence of JSON documents.
func documents(t *testing.T, text string) []any {
	t.Helper()
	out := []any{}
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		out = append(out, v)
	}
}

// alike compares what is documented with what came.
func alike(shown, got any) bool {
	switch s := shown.(type) {
	case string:
		text, ok := got.(string)
		return ok && (s == text || s == "..." && text != "")
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(s) {
			return false
		}
		for i := range s {
			if !alike(s[i], g[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(s) {
			return false
		}
		for k := range s {
			if v, ok := g[k]; !ok || !alike(s[k], v) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(shown, got)
}

// parseCurl understands as much of curl and the shell as the examples use.
func parseCurl(text string, variables, files map[string]string) (*http.Request, error) {
	words := shellWords(strings.ReplaceAll(text, "\\\n", " "), variables)
	method, url, body := "GET", "", ""
	header := http.Header{}
	for i := 1; i < len(words); i++ {
		switch w := words[i]; w {
		case "-sS":
		case "-X":
			i++
			method = words[i]
		case "-H":
			i++
			name, value, ok := strings.Cut(words[i], ": ")
			if !ok {
				return nil, fmt.Errorf("header %q", words[i])
			}
			header.Set(name, value)
		case "-d", "--data-binary":
			i++
			body = words[i]
			if name, ok := strings.CutPrefix(body, "@"); ok {
				if body, ok = files[name]; !ok {
					return nil, fmt.Errorf("no file %s above", name)
				}
			}
			if method == "GET" {
				method = "POST"
			}
		default:
			if strings.HasPrefix(w, "-") || url != "" {
				return nil, fmt.Errorf("argument %q", w)
			}
			url = w
		}
	}
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err == nil {
		r.Header = header
	}
	return r, err
}

// shellWords splits as a POSIX shell does, for quotes and variables.
func shellWords(text string, variables map[string]string) []string {
	var words []string
	var word strings.Builder
	quote, begun := rune(0), false
	for _, c := range text {
		switch {
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case c == quote:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\n'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		case quote == '\'':
			word.WriteRune(c)
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	for i, w := range words {
		if strings.Contains(w, "$") {
			words[i] = os.Expand(w, func(name string) string { return variables[name] })
		}
	}
	return words
}

// TestDocsAreComplete keeps the tables of docs/api.md equal to the code.
func TestDocsAreComplete(t *testing.T) {
	text, _ := docsBlocks(t)
	for code, k := range kinds {
		if row := fmt.Sprintf("| `/problems/%s` | %d |", code, k.Status); !strings.Contains(text, row) {
			t.Errorf("docs/api.md lacks %s", row)
		}
	}
	if n := strings.Count(text, "| `/problems/"); n != len(kinds) {
		t.Errorf("docs/api.md lists %d problems, there are %d", n, len(kinds))
	}
	for _, s := range Scopes() {
		if !strings.Contains(text, "| `"+string(s)+"` |") {
			t.Errorf("docs/api.md lacks the scope %s", s)
		}
	}
	for _, r := range (&api{}).routes() {
		if path, _, _ := strings.Cut(strings.Replace(r.path, "{list}", "{block|allow}", 1), "{code}"); !strings.Contains(text, path) {
			t.Errorf("docs/api.md lacks %s", r.path)
		}
	}
	l, d := DefaultLimits(), DefaultTimeouts()
	for _, row := range []string{
		fmt.Sprintf("| body of one object | %d KiB", l.Body>>10),
		fmt.Sprintf("inflated | %d MiB |", l.BatchBody>>20),
		fmt.Sprintf("| lines of a batch | %d |", l.BatchLines),
		fmt.Sprintf("| labels in one request | %d |", l.Labels),
		fmt.Sprintf("| entries on a page of a list | %d |", l.ListPage),
		fmt.Sprintf("%.0f transactions per second; %d can be saved up", l.Rate, l.Burst),
		fmt.Sprintf("| %d, %d, %d, %d |", l.InFlight.Sync, l.InFlight.Async, l.InFlight.Batch, l.InFlight.Desk),
		fmt.Sprintf("| %.0f s, %.0f s, %.0f s, %.0f s |", l.Deadline.Sync.Seconds(), l.Deadline.Async.Seconds(), l.Deadline.Batch.Seconds(), l.Deadline.Desk.Seconds()),
		fmt.Sprintf("| %.0f s, %.0f s, %.0f s, %.0f s |", d.ReadHeader.Seconds(), d.Read.Seconds(), d.Write.Seconds(), d.Idle.Seconds()),
	} {
		if !strings.Contains(text, row) {
			t.Errorf("docs/api.md lacks %q", row)
		}
	}
}
