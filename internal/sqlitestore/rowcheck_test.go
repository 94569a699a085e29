package sqlitestore

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
)

// whole makes a store with something in every table: transaction a is declined and labeled, b is approved and erased.
func whole(t *testing.T) *Store {
	t.Helper()
	s := openAt(t, filepath.Join(t.TempDir(), "store.db"), Options{})
	a, b := one("a", 10), one("b", 10)
	a.Entries[0].Decision.Outcome, a.Entries[0].Decision.Score, a.Entries[0].Decision.Anomalous = decision.Decline, 900, true
	a.Entries[0].Decision.Reasons = []decision.Reason{{Code: "STRONG"}}
	a.Chain, a.DeadLetters = "partition/0", []pipeline.DeadLetter{{Reason: pipeline.Undecodable, At: time.UnixMilli(0)}}
	b.Entries[0].Transaction.Customer = payment.Token{9}
	b.Entries[0].Decision.Outcome = decision.Approve
	for _, batch := range []pipeline.Batch{a, b} {
		if _, err := s.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Label(t.Context(), []review.Label{{TransactionID: "a", Verdict: review.Fraud, Source: review.PixMED, KnownAt: time.UnixMilli(5)}})
	if err == nil {
		_, _, err = s.PutListEntry(t.Context(), ledger.ListEntry{List: payment.Blocked, Kind: 5, Token: payment.Token{1}})
	}
	if err == nil {
		_, err = s.Erase(t.Context(), payment.Token{9})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAWholeStoreHasNoRowFault(t *testing.T) {
	s := whole(t)
	told := int64(0)
	counted, err := s.VerifyRows(t.Context(), func(n int64) { told = n }, func(f *ledger.RowFault) { t.Error(f) })
	if want := (ledger.Totals{Approve: 1, Decline: 1, Frauds: 1, Alerts: 1, DeadLetters: 1, Erased: 1}); err != nil || counted != want || told != 2 {
		t.Errorf("counted %+v, told %d, %v; want %+v", counted, told, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.VerifyRows(ctx, nil, func(f *ledger.RowFault) { t.Error(f) }); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// TestColumnsThatDifferAreFound changes what no audit chain covers.
func TestColumnsThatDifferAreFound(t *testing.T) {
	for sql, want := range map[string]string{
		"UPDATE transactions SET occurred_at = occurred_at + 1 WHERE id = 'a'":                        "transaction a (row 1): column occurred_at",
		"UPDATE transactions SET outcome = 1 WHERE id = 'a'":                                          "transaction a (row 1): column outcome is 1, its decision says 4",
		"UPDATE transactions SET customer = x'01' WHERE id = 'a'":                                     "transaction a (row 1): column customer",
		"UPDATE transactions SET flags = 0 WHERE id = 'a'":                                            "transaction a (row 1): flag anomalous is false",
		"UPDATE transactions SET flags = flags | 8 WHERE id = 'a'":                                    "unknown bits",
		"UPDATE transactions SET flags = flags | 4 WHERE id = 'b'":                                    "there is nothing to count",
		"UPDATE transactions SET flags = flags | 2 WHERE id = 'a'":                                    "still there",
		"UPDATE transactions SET flags = 0 WHERE id = 'b'":                                            "its MAC is gone",
		"UPDATE transactions SET mac = x'" + strings.Repeat("07", 32) + "', flags = 0 WHERE id = 'b'": "its sealed fields are gone",
		"UPDATE transactions SET payload = x'00' WHERE id = 'a'":                                      "transaction a (row 1): row 1",
		"UPDATE transactions SET id = 'z' WHERE id = 'a'":                                             "transaction z (row 1): row 1",
		"DELETE FROM transactions WHERE id = 'a'":                                                     "totals: decline is 1, the rows are 0",
		"DELETE FROM alerts":                                "its alert is missing",
		"UPDATE alerts SET score = 1":                       "another score or code",
		"UPDATE alerts SET subject = 2":                     "transaction b (row 2): it has an alert",
		"INSERT INTO alerts VALUES (7, 1, 'X', 0)":          "alerts, row 7: there is no such transaction",
		"UPDATE labels SET verdict = 7":                     "labels, row 1: no known verdict",
		"UPDATE labels SET verdict = 2":                     "totals: frauds is 1, the rows are 0",
		"UPDATE labels SET subject = 7":                     "labels, row 1: there is no such transaction",
		"UPDATE dead_letters SET resolved_at = 1":           "totals: dead letters is 1, the rows are 0",
		"UPDATE totals SET erased = 0":                      "totals: erased is 0, the rows are 1",
		"UPDATE totals SET approve = 2":                     "totals: approve is 2, the rows are 1",
		"UPDATE list_entries SET list = 2":                  "list_entries, row 1",
		"UPDATE list_changes SET removed = 1 WHERE seq = 1": "list_entries, row 1",
	} {
		t.Run(sql, func(t *testing.T) {
			s := whole(t)
			if err := s.file.Writer().Script(sql); err != nil {
				t.Fatal(err)
			}
			var found []string
			if _, err := s.VerifyRows(t.Context(), nil, func(f *ledger.RowFault) { found = append(found, f.Error()) }); err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(found, "\n"); !strings.Contains(all, want) {
				t.Errorf("found %q, want %q", all, want)
			}
		})
	}
}

// TestEveryFaultyChainIsNamed damages two chains of four at once: the others are checked all the same.
func TestEveryFaultyChainIsNamed(t *testing.T) {
	s := whole(t)
	damage := `UPDATE audit_entries SET newest = newest - 1 WHERE chain = 'partition/0'; UPDATE labels SET source = 1`
	if err := s.file.Writer().Script(damage); err != nil {
		t.Fatal(err)
	}
	checks, err := s.VerifyChains(t.Context())
	if !errors.Is(err, audit.ErrRows) || len(checks) != 4 {
		t.Fatalf("%d checks, %v", len(checks), err)
	}
	faulty := map[string]bool{}
	for _, c := range checks {
		var fault *audit.Fault
		if errors.As(c.Fault, &fault) {
			faulty[fault.Chain] = true
		} else if c.Seq != 1 {
			t.Errorf("chain %q ends at %d", c.Chain, c.Seq)
		}
		if c.Chain == "partition/0" && c.Transactions != 1 {
			t.Errorf("partition/0 covers %d transactions", c.Transactions)
		}
	}
	if len(faulty) != 2 || !faulty["partition/0"] || !faulty["labels"] {
		t.Errorf("faulty are %v", faulty)
	}
}

// TestWhatNoEntryCoversIsFound adds rows past the chains.
func TestWhatNoEntryCoversIsFound(t *testing.T) {
	for _, sql := range []string{
		"INSERT INTO labels VALUES (9, 1, 2, 1, 6, 6)",
		"INSERT INTO list_changes VALUES (9, 1, 1, 5, NULL, 6)",
		"INSERT INTO dead_letters VALUES (9, '0', '9', x'', x'', 'undecodable', '', 0, NULL)",
		"INSERT INTO transactions SELECT 9, 'new', occurred_at, outcome, flags, customer, payload, decision, mac, sealed FROM transactions WHERE seq = 1",
		"DELETE FROM audit_entries WHERE chain = 'lists'",
	} {
		s := whole(t)
		if err := s.file.Writer().Script(sql); err != nil {
			t.Fatal(err)
		}
		checks, err := s.VerifyChains(t.Context())
		last := checks[len(checks)-1]
		if !errors.Is(err, audit.ErrRows) || last.Chain != "" || last.Fault == nil {
			t.Errorf("%s: %+v, %v", sql, last, err)
		}
	}
}

func TestBoundTellsWhatBindWrote(t *testing.T) {
	s := whole(t)
	if v, err := s.Bound(t.Context(), "keys"); err != nil || v != "" {
		t.Errorf("unbound: %q, %v", v, err)
	}
	if err := s.Bind(t.Context(), "keys", "k"); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Bound(t.Context(), "keys"); err != nil || v != "k" {
		t.Errorf("bound: %q, %v", v, err)
	}
}
