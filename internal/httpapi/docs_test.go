package httpapi

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocsAreComplete keeps the tables of docs/api.md equal to the code. That its examples are true is tested with the
// whole program, in cmd/fastshop.
func TestDocsAreComplete(t *testing.T) {
	data, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
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
}
