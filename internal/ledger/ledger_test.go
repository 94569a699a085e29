package ledger_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// entry is a decided transaction.
func entry(id string) pipeline.Entry {
	return pipeline.Entry{
		Transaction: payment.Transaction{
			ID: id, OccurredAt: at, ReceivedAt: at, Amount: payment.Amount{Currency: "BRL"}, Method: payment.Pix, Customer: payment.Token{1, 2},
			FiscalRegion: payment.NoRegion, SealState: payment.Sealed, Sealed: []byte("sealed"), MAC: [32]byte{7},
		},
		Decision: decision.Decision{TransactionID: id, Outcome: decision.Approve, RuleSet: "r@1", DecidedAt: at},
	}
}

func TestFlagsSayWhatAStoreMustKnow(t *testing.T) {
	plain, odd, lost, gone := entry("a"), entry("b"), entry("c"), entry("d")
	odd.Decision.Anomalous = true
	lost.Decision.Degraded = decision.FeaturesDegraded | decision.ModelGone
	gone.Transaction.SealState, gone.Decision.Degraded = payment.SealErased, decision.FeaturesDegraded
	rows, err := ledger.Encode([]pipeline.Entry{plain, odd, lost, gone})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []ledger.Flags{0, ledger.Anomalous, ledger.Uncounted, ledger.Erased} {
		if rows[i].Flags != want {
			t.Errorf("row %d has flags %d, want %d", i, rows[i].Flags, want)
		}
	}
	if rows[3].Sealed != nil || rows[0].Sealed == nil {
		t.Error("the seal of an erased customer is kept, or another is not")
	}
}

func TestNamesComeBack(t *testing.T) {
	for _, names := range [][]string{nil, {"a"}, {"card.count_1h", "customer.amount_median"}} {
		text, err := ledger.JoinNames(names)
		if got := ledger.SplitNames(text); err != nil || !slices.Equal(got, names) {
			t.Errorf("%q comes back as %q, %v", names, got, err)
		}
	}
	for _, bad := range []string{"", "two\nlines"} {
		if _, err := ledger.JoinNames([]string{bad}); err == nil {
			t.Errorf("%q is taken for a name", bad)
		}
	}
}

func TestTotalsComeBack(t *testing.T) {
	want := [9]int64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	n := ledger.TotalsOf(want)
	if n.Values() != want || n.Transactions() != 10 || n.Erased != 9 || n.Frauds != 5 {
		t.Errorf("%+v has values %v", n, n.Values())
	}
	n = ledger.Totals{}
	for _, o := range append(decision.Outcomes(), decision.Invalid) {
		n.Count(o)
	}
	if n.Values() != [9]int64{1, 1, 1, 1} {
		t.Errorf("one of each is counted as %+v", n)
	}
}

// chain is one audit chain with the rows that it covers.
type chain struct {
	entries []audit.Entry
	rows    [][]pipeline.Entry
	extra   int64
}

func (c chain) Chains(context.Context) ([]string, error) { return []string{"sync"}, nil }

func (c chain) Entries(_ context.Context, _ string, fn func(*ledger.Covered, *ledger.Evidence) error) error {
	for i, e := range c.entries {
		found := ledger.NewEvidence()
		encoded, err := ledger.Encode(c.rows[i])
		if err != nil {
			return err
		}
		for n, r := range encoded {
			found.Transaction(&ledger.Columns{ID: c.rows[i][n].Transaction.ID, Flags: r.Flags, Payload: r.Payload, Decision: r.Decision, MAC: r.MAC})
		}
		if err := fn(&ledger.Covered{Entry: e, Newest: at}, found); err != nil {
			return err
		}
	}
	return nil
}

func (c chain) All(context.Context) (n ledger.Tally, err error) {
	for _, rows := range c.rows {
		n.Transactions += int64(len(rows))
	}
	n.Transactions += c.extra
	return n, nil
}

func TestChainsAreComparedWithTheirRows(t *testing.T) {
	whole := func() *chain {
		c := &chain{}
		var head audit.Head
		for _, id := range []string{"a", "b", "c"} {
			one := entry(id)
			rows := audit.NewRows()
			rows.Decision(ledger.Audited(&one.Transaction, &one.Decision))
			e := audit.Next(head, "sync", at, audit.Decisions, rows.Count(), rows.Sum())
			head = e.Head()
			c.entries, c.rows = append(c.entries, e), append(c.rows, []pipeline.Entry{one})
		}
		return c
	}
	for name, of := range map[string]struct {
		damage func(*chain)
		want   error
		seq    int64 // of the last entry that is right
	}{
		"whole":            {func(*chain) {}, nil, 3},
		"a row is gone":    {func(c *chain) { c.rows[1] = nil }, audit.ErrRows, 2},
		"a row was put in": {func(c *chain) { c.rows[2] = append(c.rows[2], entry("x")) }, audit.ErrRows, 3},
		"a row changed":    {func(c *chain) { c.rows[0][0].Decision.Score++ }, audit.ErrRows, 1},
		"an entry is gone": {func(c *chain) { c.entries, c.rows = slices.Delete(c.entries, 1, 2), slices.Delete(c.rows, 1, 2) }, audit.ErrGap, 1},
		"an entry changed": {func(c *chain) { c.entries[2].Count++ }, audit.ErrHash, 2},
		"nobody covers it": {func(c *chain) { c.extra = 1 }, audit.ErrRows, 3},
	} {
		c := whole()
		of.damage(c)
		checks, err := ledger.VerifyChains(t.Context(), c)
		if err != nil || !errors.Is(ledger.Faults(checks), of.want) || checks[0].Seq != of.seq {
			t.Errorf("%s: %+v, %v; want %v after entry %d", name, checks, err, of.want, of.seq)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ledger.VerifyChains(ctx, whole()); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
