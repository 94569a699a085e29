package pgstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/testenv"
)

// mixed are batches that share a transaction: on two chains, with all outcomes, erased and uncounted ones among them, and
// one without entries.
func mixed() (batches []pipeline.Batch) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for n, size := range []int{1, 3, 0, 7, 2} {
		b := pipeline.Batch{Chain: []string{"sync", "sync/b"}[n%2]}
		for i := range size {
			id := fmt.Sprintf("tx-%d-%d", 9-n, (i*5)%7)
			if i == 1 {
				id = fmt.Sprintf("00000000-0000-7000-8000-%012d", n)
			}
			e := pipeline.Entry{
				Transaction: payment.Transaction{
					ID: id, OccurredAt: at.Add(time.Duration(i-n) * time.Second), ReceivedAt: at, Customer: payment.Token{1, byte(n)},
					Amount: payment.Amount{Centavos: 100, Currency: "BRL"}, Method: payment.Pix, Channel: payment.App,
					FiscalRegion: payment.NoRegion, Merchant: "shop-1", SealState: payment.Sealed, Sealed: []byte(id), MAC: [32]byte{1, byte(i)},
				},
				Decision: decision.Decision{
					TransactionID: id, Outcome: decision.Outcomes()[(n+i)%4], Score: 100*n + i, Anomalous: i == 2,
					Reasons: []decision.Reason{{Code: "CARD_TESTING", Rule: "card-testing", Points: i}},
					RuleSet: "default@1", Policy: "policy@1", Path: decision.Sync, DecidedAt: at,
				},
			}
			switch i {
			case 3:
				e.Decision.Degraded |= decision.FeaturesDegraded
			case 4:
				e.Transaction.SealState, e.Transaction.Sealed, e.Transaction.MAC = payment.SealErased, nil, [32]byte{}
			}
			b.Entries = append(b.Entries, e)
		}
		batches = append(batches, b)
	}
	return batches
}

// TestBothWaysStoreTheSame writes the same changes at once and in steps, each into a database of its own, and compares
// every row and every receipt.
func TestBothWaysStoreTheSame(t *testing.T) {
	var stored, receipts [2]string
	for way, write := range []func(*tx) (bool, error){
		func(x *tx) (bool, error) { return x.atOnce(t.Context()) },
		func(x *tx) (bool, error) { return true, x.inSteps(t.Context(), func(string) {}) },
	} {
		config, err := ParseURL(testenv.SharedPostgres(t).Database(t))
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Config: config}
		if _, _, err := Migrate(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		o.defaults()
		pool, err := connect(t.Context(), &o)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		for round := range 3 { // the later ones with heads that are there, and blocks that are not the first
			var changes []*change
			batches := mixed()
			for n := range batches {
				for i := range batches[n].Entries {
					e := &batches[n].Entries[i]
					e.Transaction.ID += fmt.Sprint("-", round)
					e.Decision.TransactionID = e.Transaction.ID
				}
				c, err := newChange(&batches[n])
				if err != nil {
					t.Fatal(err)
				}
				changes = append(changes, c)
			}
			x := &tx{conn: conn.Conn(), now: time.Date(2026, 3, 2, 0, 0, round, 0, time.UTC), changes: changes, rows: arrays(changes)}
			if !x.simple() {
				t.Fatal("the changes would not be written at once")
			}
			if settled, err := write(x); err != nil || !settled {
				t.Fatalf("settled %v, %v", settled, err)
			}
			for _, c := range changes {
				receipts[way] += fmt.Sprintf("%+v\n", c.receipts)
			}
		}
		stored[way] = dump(t, conn.Conn())
	}
	if stored[0] != stored[1] || len(stored[0]) < 1000 {
		t.Errorf("stored at once:\n%s\nin steps:\n%s", stored[0], stored[1])
	}
	if receipts[0] != receipts[1] {
		t.Errorf("receipts of what was stored at once:\n%s\nin steps:\n%s", receipts[0], receipts[1])
	}
}

// dump is every row that a commit can write.
func dump(t *testing.T, conn *pgx.Conn) (rows string) {
	t.Helper()
	for _, table := range []string{"transactions", "alerts", "checkpoints", "dead_letters", "audit_entries", "chains"} {
		found, err := conn.Query(t.Context(), "SELECT r::text FROM "+table+" r ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil || len(lines) == 0 && table != "checkpoints" && table != "dead_letters" {
			t.Fatalf("%d rows of %s, %v", len(lines), table, err)
		}
		for _, line := range lines {
			rows += table + " " + line + "\n"
		}
	}
	return rows
}
