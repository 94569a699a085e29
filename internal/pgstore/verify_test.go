package pgstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/testenv"
)

// one is a transaction under review, sealed in some bytes.
func one(id string, sealed int) pipeline.Batch {
	return pipeline.Batch{Chain: "sync", Entries: []pipeline.Entry{{
		Transaction: payment.Transaction{
			ID: id, OccurredAt: time.UnixMilli(1_770_000_000_000).UTC(), ReceivedAt: time.UnixMilli(1_770_000_000_000).UTC(),
			Amount: payment.Amount{Currency: "BRL"}, Method: payment.Pix, Customer: payment.Token{1, 2}, FiscalRegion: payment.NoRegion,
			SealState: payment.Sealed, Sealed: make([]byte, sealed), MAC: [32]byte{7},
		},
		Decision: decision.Decision{TransactionID: id, Outcome: decision.Review, RuleSet: "r@1"},
	}}}
}

// whole makes a store with something in every table: transaction a is declined and labeled, b is approved and erased.
func whole(t *testing.T) (*pgstore.Store, *pgx.Conn) {
	t.Helper()
	url := migrated(t, testenv.SharedPostgres(t))
	s := open(t, url, pgstore.Options{})
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
	return s, dial(t, url)
}

// damage is a change behind the store's back, and how to undo it: the tables that it touches, as they were.
func damage(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	ctx := context.Background()
	run := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run("SET search_path = fastshop")
	for _, table := range tables {
		run("CREATE TEMPORARY TABLE kept_" + table + " AS TABLE fastshop." + table)
	}
	run(sql)
	t.Cleanup(func() {
		for _, table := range tables {
			run("DELETE FROM fastshop." + table)
			run("INSERT INTO fastshop." + table + " TABLE kept_" + table)
			run("DROP TABLE kept_" + table)
		}
	})
}

func TestAWholeStoreHasNoRowFault(t *testing.T) {
	s, _ := whole(t)
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
	s, conn := whole(t)
	for sql, want := range map[string]string{
		"UPDATE transactions SET occurred_at = occurred_at + '1 ms' WHERE key = 'a'":                     "column occurred_at",
		"UPDATE transactions SET outcome = 1 WHERE key = 'a'":                                            "column outcome is 1, its decision says 4",
		"UPDATE transactions SET customer = '\\x01' WHERE key = 'a'":                                     "column customer",
		"UPDATE transactions SET flags = 0 WHERE key = 'a'":                                              "flag anomalous is false",
		"UPDATE transactions SET flags = flags | 8 WHERE key = 'a'":                                      "unknown bits",
		"UPDATE transactions SET flags = flags | 4 WHERE key = 'b'":                                      "there is nothing to count",
		"UPDATE transactions SET flags = flags | 2 WHERE key = 'a'":                                      "still there",
		"UPDATE transactions SET flags = 0 WHERE key = 'b'":                                              "its MAC is gone",
		"UPDATE transactions SET mac = '\\x" + strings.Repeat("07", 32) + "', flags = 0 WHERE key = 'b'": "its sealed fields are gone",
		"UPDATE transactions SET payload = '\\x00' WHERE key = 'a'":                                      "transaction a",
		"UPDATE transactions SET key = 'z' WHERE key = 'a'":                                              "payload has another id",
		"UPDATE transactions SET key = '\\x0001' WHERE key = 'a'":                                        "id of 2 bytes",
		"DELETE FROM transactions WHERE key = 'a'":                                                       "totals: decline is 1, the rows are 0",
		"DELETE FROM alerts":          "its alert is missing",
		"UPDATE alerts SET score = 1": "another score or code",
		"UPDATE alerts SET subject = (SELECT seq FROM transactions WHERE key = 'b')": "transaction b",
		"INSERT INTO alerts VALUES (7, now(), 1, 'X')":                               "alerts, row 7: there is no such transaction",
		"UPDATE labels SET verdict = 7":                                              "no known verdict",
		"UPDATE labels SET verdict = 2":                                              "totals: frauds is 1, the rows are 0",
		"UPDATE labels SET subject = 7":                                              "there is no such transaction",
		"UPDATE dead_letters SET resolved_at = now()":                                "totals: dead letters is 1, the rows are 0",
		"UPDATE chains SET erased = 0":                                               "totals: erased is 0, the rows are 1",
		"UPDATE chains SET approve = 2 WHERE chain = 'sync'":                         "totals: approve is 2, the rows are 1",
		"UPDATE list_entries SET list = 2":                                           "list_entries, row",
		"UPDATE list_changes SET removed = true":                                     "list_entries, row",
	} {
		t.Run(sql, func(t *testing.T) {
			damage(t, conn, sql)
			var found []string
			if _, err := s.VerifyRows(t.Context(), nil, func(f *ledger.RowFault) { found = append(found, f.Error()) }); err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(found, "\n"); !strings.Contains(all, want) {
				t.Errorf("found %q, want %q", all, want)
			}
		})
	}
	verify(t, s)
}

// TestTamperingIsFound changes, removes and inserts rows and entries behind the store's back.
func TestTamperingIsFound(t *testing.T) {
	s, conn := whole(t)
	for sql, want := range map[string]error{
		"DELETE FROM transactions WHERE key = 'a'":       audit.ErrRows,
		"DELETE FROM labels":                             audit.ErrRows,
		"DELETE FROM dead_letters":                       audit.ErrRows,
		"DELETE FROM list_changes":                       audit.ErrRows,
		"UPDATE labels SET verdict = 2":                  audit.ErrRows,
		"UPDATE labels SET subject = 7":                  audit.ErrRows,
		"UPDATE dead_letters SET reason = 'trimmed'":     audit.ErrRows,
		"DELETE FROM audit_entries WHERE chain = 'sync'": audit.ErrRows,
		"DELETE FROM audit_entries WHERE chain = 'sync'; DELETE FROM chains WHERE chain = 'sync'":                                                                 audit.ErrRows,
		"UPDATE audit_entries SET count = count + 1 WHERE chain = 'sync'":                                                                                         audit.ErrHash,
		"UPDATE audit_entries SET at = at + '1 ms' WHERE chain = 'sync'":                                                                                          audit.ErrHash,
		"UPDATE audit_entries SET newest = newest - '1 ms'::interval":                                                                                             audit.ErrRows,
		"UPDATE audit_entries SET hash = '\\x00' WHERE chain = 'sync'":                                                                                            ledger.ErrCorrupt,
		"UPDATE chains SET seq = seq + 1 WHERE chain = 'sync'":                                                                                                    audit.ErrHead,
		"UPDATE chains SET hash = sha256('x') WHERE chain = 'sync'":                                                                                               audit.ErrHead,
		"DELETE FROM chains WHERE chain = 'labels'":                                                                                                               audit.ErrHead,
		"UPDATE transactions SET payload = '\\x00' WHERE key = 'a'":                                                                                               ledger.ErrCorrupt,
		"UPDATE transactions SET decision = '\\x00' WHERE key = 'a'":                                                                                              ledger.ErrCorrupt,
		"UPDATE transactions SET mac = '\\x00' WHERE key = 'a'":                                                                                                   ledger.ErrCorrupt,
		"UPDATE transactions SET key = 'z' WHERE key = 'a'":                                                                                                       ledger.ErrCorrupt,
		"INSERT INTO labels VALUES (9, 1, now(), now(), 2, 1)":                                                                                                    audit.ErrRows,
		"INSERT INTO list_changes VALUES (9, now(), NULL, true, 1, 5)":                                                                                            audit.ErrRows,
		"INSERT INTO dead_letters VALUES (9, now(), NULL, '0', '9', '', '', 'undecodable', '')":                                                                   audit.ErrRows,
		"INSERT INTO transactions SELECT 9, occurred_at, outcome, flags, customer, 'new', payload, decision, mac, sealed FROM transactions WHERE key = 'a'":       audit.ErrRows,
		"INSERT INTO transactions SELECT seq + 1, occurred_at, outcome, flags, customer, 'new', payload, decision, mac, sealed FROM transactions WHERE key = 'a'": audit.ErrRows,
		"UPDATE transactions SET mac = NULL, sealed = NULL, flags = 2":                                                                                            nil, // an erasure is no tampering
	} {
		t.Run(sql, func(t *testing.T) {
			damage(t, conn, sql)
			if _, err := s.VerifyChains(t.Context()); !errors.Is(err, want) {
				t.Errorf("verify: %v, want %v", err, want)
			}
		})
	}
	verify(t, s)
}

// TestEveryFaultyChainIsNamed damages two chains of four at once: the others are checked all the same.
func TestEveryFaultyChainIsNamed(t *testing.T) {
	s, conn := whole(t)
	damage(t, conn, "UPDATE audit_entries SET newest = newest - '1 ms'::interval WHERE chain = 'partition/0'; UPDATE labels SET source = 1")
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
