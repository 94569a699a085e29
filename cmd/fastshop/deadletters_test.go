package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
)

// objects reads lines of JSON.
func objects(t *testing.T, lines string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, o)
	}
	return all
}

// TestDeadLettersAreListedAndTriedAgain has one that can never be decided and one whose transaction is stored.
func TestDeadLettersAreListedAndTriedAgain(t *testing.T) {
	dir, _ := wholeShop(t)
	data, keys := filepath.Join(dir, "data"), filepath.Join(dir, "keys")
	log, err := sqlitestream.Open(t.Context(), filepath.Join(data, streamFile), sqlitestream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	records, err := log.Read(t.Context(), "0", "", 500)
	if err != nil || log.Close() != nil {
		t.Fatal(err)
	}
	last := records[len(records)-1]
	in(storeFile, "INSERT INTO dead_letters VALUES (2, '0', ?, ?, ?, 'unstorable', 'the disk was full', 0, NULL)",
		string(last.Position), last.Key, last.Data)(t, data)

	code, out, errs := program(t, "deadletters", "list", "--data-dir", data, "--json")
	listed := objects(t, out)
	if code != exitDone || errs != "" || len(listed) != 2 {
		t.Fatalf("exit code %d, %q, %q", code, out, errs)
	}
	want := map[string]any{
		"partition": "0", "position": string(last.Position), "reason": "unstorable", "detail": "the disk was full", "at": "1970-01-01T00:00:00Z",
	}
	if diff := cmp.Diff(want, listed[1]); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if _, out, _ := program(t, "deadletters", "list", "--data-dir", data); !strings.Contains(out, "unstorable   the disk was full") {
		t.Errorf("listed for people: %q", out)
	}

	replay := []string{"deadletters", "replay", "--data-dir", data, "--keys-dir", keys}
	code, out, errs = program(t, append(replay, "--json")...)
	tried := objects(t, out)
	if code != exitDone || !strings.Contains(errs, "1 of 2 dead letters settled") || len(tried) != 2 {
		t.Fatalf("exit code %d, %q, %q", code, out, errs)
	}
	if tried[0]["settled"] != false || tried[0]["reason"] != "undecodable" || tried[0]["detail"] == "" {
		t.Errorf("what can never be decided: %v", tried[0])
	}
	id, _ := tried[1]["transaction_id"].(string)
	want = map[string]any{"partition": "0", "position": string(last.Position), "transaction_id": id, "settled": true}
	if diff := cmp.Diff(want, tried[1]); diff != "" || id == "" {
		t.Errorf("what is stored (-want +got):\n%s", diff)
	}
	if code, out, _ := program(t, replay...); code != exitDone || !strings.Contains(out, "stays: undecodable") {
		t.Errorf("tried again: exit code %d, %q", code, out)
	}
}
