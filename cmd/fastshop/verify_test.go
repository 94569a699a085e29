package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/simulate"
	"github.com/fastshop/pipeline/internal/sqlitestore"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
)

// program runs a command in this process and returns its exit code and what it printed.
func program(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, streams{&stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

func mustRun(t *testing.T, args ...string) {
	t.Helper()
	if code, _, errs := program(t, args...); code != exitDone {
		t.Fatalf("fastshop %s: exit code %d\n%s", strings.Join(args, " "), code, errs)
	}
}

// wholeShop makes a small data folder that has something of everything: verdicts of each kind, labels, alerts, a dead
// letter, a list entry and an erased customer. It returns the folder and the e-mail address of its newest customer.
func wholeShop(t *testing.T) (dir, email string) {
	t.Helper()
	dir = t.TempDir()
	input := filepath.Join(dir, "shop.ndjson")
	mustRun(t, "simulate", "-n", "600", "--customers", "40", "--fraud-share", "0.1", "-o", input)
	replay := []string{"replay", "--input", input, "--format", "ndjson", "--data-dir", filepath.Join(dir, "data"), "--keys-dir", filepath.Join(dir, "keys"), "--batch-size", "100",
		"--challenge", "20", "--review", "300", "--decline", "500"}
	mustRun(t, replay...)
	log, err := sqlitestream.Open(t.Context(), filepath.Join(dir, "data", streamFile), sqlitestream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = log.Append(t.Context(), []stream.Entry{{Key: []byte("k"), Data: []byte("no transaction")}})
	if err = errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	mustRun(t, replay...) // puts it aside
	store, err := sqlitestore.Open(t.Context(), filepath.Join(dir, "data", storeFile), sqlitestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = furnish(t.Context(), store)
	if err = errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	return dir, newestEmail(t, input)
}

// furnish adds a list entry and erases the customer of the first row.
func furnish(ctx context.Context, s *sqlitestore.Store) error {
	_, _, err := s.PutListEntry(ctx, ledger.ListEntry{List: payment.Blocked, Kind: 5, Token: payment.Token{1}, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		return err
	}
	first, enough := payment.Token{}, errors.New("enough")
	err = s.Rows(ctx, func(r ledger.Stored) error {
		first = r.Transaction.Customer
		return enough
	})
	if !errors.Is(err, enough) {
		return err
	}
	_, err = s.Erase(ctx, first)
	return err
}

func newestEmail(t *testing.T, path string) (email string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for d := simulate.NewDecoder(file); ; {
		item, err := d.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		var row struct{ Customer struct{ Email string } }
		if err == nil && item.Label == nil {
			err = json.Unmarshal(item.Submission, &row)
		}
		if err != nil {
			t.Fatal(err)
		}
		if row.Customer.Email != "" {
			email = row.Customer.Email
		}
	}
	if email == "" {
		t.Fatal("the simulated shop has no customer with an e-mail address")
	}
	return email
}

// checked runs verify and returns its exit code and its findings by check.
func checked(t *testing.T, dataDir, keysDir string, more ...string) (int, map[string]finding) {
	t.Helper()
	code, out, errs := program(t, append([]string{"verify", "--json", "--data-dir", dataDir, "--keys-dir", keysDir}, more...)...)
	var answer struct {
		OK     bool      `json:"ok"`
		Checks []finding `json:"checks"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("verify printed %q and %q: %v", out, errs, err)
	}
	if answer.OK != (code == exitDone) || !answer.OK && code != exitFound {
		t.Errorf("ok is %t, the exit code %d", answer.OK, code)
	}
	found := map[string]finding{}
	for _, f := range answer.Checks {
		found[f.Check] = f
	}
	if len(found) != 5 {
		t.Errorf("%d checks were made, want 5: %s", len(found), out)
	}
	return code, found
}

func faulty(found map[string]finding) (names []string) {
	for name, f := range found {
		if !f.OK {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	to = filepath.Join(to, "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files { // a copy of keys that others may read would be refused
		if err := os.Chmod(filepath.Join(to, f.Name()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestVerifyFindsEveryDamage damages a copy of a whole folder, one thing at a time, and names the checks that must
// tell. All others must not.
func TestVerifyFindsEveryDamage(t *testing.T) {
	dir, email := wholeShop(t)
	for _, c := range slices.Concat(damagedRows(), damagedBooks(), damagedFiles(email)) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, keys := copyFolder(t, filepath.Join(dir, "data")), copyFolder(t, filepath.Join(dir, "keys"))
			c.damage(t, data)
			_, found := checked(t, data, keys)
			if got := strings.Join(faulty(found), " "); got != c.want {
				t.Errorf("faulty are %q, want %q\n%+v", got, c.want, found)
			}
			if f := found["personal data"]; strings.Contains(strings.Join(f.Faults, "\n"), email) {
				t.Errorf("the finding repeats the personal data: %q", f.Faults)
			}
		})
	}
}

// TestVerifyWithoutTheRightKeys makes every check but the one that needs the keys, and makes nothing in their folder.
func TestVerifyWithoutTheRightKeys(t *testing.T) {
	dir, _ := wholeShop(t)
	data, keys := filepath.Join(dir, "data"), filepath.Join(dir, "keys")
	none := filepath.Join(t.TempDir(), "none")
	if code, found := checked(t, data, none); code != exitDone || !found["personal data"].Skipped {
		t.Errorf("without keys: exit code %d, %+v", code, found["personal data"])
	}
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder for keys was made: %v", err)
	}
	half := copyFolder(t, keys)
	if err := os.Remove(filepath.Join(half, tokens)); err != nil {
		t.Fatal(err)
	}
	_, found := checked(t, data, half)
	if f := found["personal data"]; len(faulty(found)) != 1 || f.OK || !strings.Contains(f.Faults[0], "tokens.key is missing") {
		t.Errorf("with half of the keys: %+v", found)
	}
	if _, err := os.Stat(filepath.Join(half, tokens)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made: %v", err)
	}
	other := t.TempDir()
	input := filepath.Join(other, "one.csv")
	row := "transaction_id,tx_datetime,customer_id,terminal_id,tx_amount,tx_fraud,tx_fraud_scenario\n0,2018-04-01 00:00:31,596,3156,57.16,0,0\n"
	if err := os.WriteFile(input, []byte(row), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "replay", "--input", input, "--format", "handbook", "--data-dir", filepath.Join(other, "data"), "--keys-dir", filepath.Join(other, "keys"))
	_, found = checked(t, data, filepath.Join(other, "keys"))
	if f := found["personal data"]; f.OK || len(f.Faults) != 1 || !strings.Contains(f.Faults[0], "not those that the data were made with") {
		t.Errorf("with the keys of another shop: %+v", f)
	}
	if got := faulty(found); len(got) != 1 {
		t.Errorf("faulty are %v, want the personal data alone", got)
	}
	disabled := copyFolder(t, keys)
	if err := os.WriteFile(filepath.Join(disabled, personal+".disabled"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, found := checked(t, data, disabled); code != exitDone || !found["personal data"].Skipped {
		t.Errorf("during an emergency stop: exit code %d, %+v", code, found["personal data"])
	}
}

// TestVerifyCountsWhatItCompares keeps the recount of windows from passing by comparing nothing with nothing.
func TestVerifyCountsWhatItCompares(t *testing.T) {
	dir, _ := wholeShop(t)
	code, found := checked(t, filepath.Join(dir, "data"), filepath.Join(dir, "keys"), "--samples", "20")
	if code != exitDone {
		t.Errorf("exit code %d", code)
	}
	detail := found["windows"].Detail
	if strings.Contains(detail, "of 0 transactions") || strings.Contains(detail, ", 0 of them not zero") {
		t.Errorf("windows: %q", detail)
	}
	rules := filepath.Join(dir, "rules.yaml")
	_, all, _ := program(t, "rules", "show")
	if err := os.WriteFile(rules, []byte(strings.Replace(all, "_5m", "_1m", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, found := checked(t, filepath.Join(dir, "data"), filepath.Join(dir, "keys"), "--rules", rules); code != exitDone {
		t.Errorf("under other rules than those that judged: exit code %d, %+v", code, found)
	}
	if code, _, errs := program(t, "verify", "--data-dir", dir, "--samples", "0"); code != exitUsage || !strings.Contains(errs, "--samples") {
		t.Errorf("no samples: exit code %d, %q", code, errs)
	}
}
