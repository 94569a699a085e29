package pgstore

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGeneratedCodeIsThatOfTheQueries compares what sqlc read and wrote with the stamp that scripts/sqlc left: a query, a
// migration or generated code that was changed without it is found here, where sqlc need not be installed.
func TestGeneratedCodeIsThatOfTheQueries(t *testing.T) {
	var files []string
	for _, pattern := range []string{"sqlc.yaml", "migrations/*.sql", "queries/*.sql", "query/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	var got strings.Builder
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%x  %s\n", sha256.Sum256(data), filepath.ToSlash(name))
	}
	stamp, err := os.ReadFile("query/stamp.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if string(stamp) != got.String() {
		t.Errorf("run scripts/sqlc: the stamp is\n%s\nthe files are\n%s", stamp, got.String())
	}
}
