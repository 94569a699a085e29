package pgstore_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
)

var now = time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

func commit(t *testing.T, s *pgstore.Store, entries ...pipeline.Entry) {
	t.Helper()
	if _, err := s.Commit(t.Context(), pipeline.Batch{Chain: "sync", Entries: entries}); err != nil {
		t.Fatal(err)
	}
}

func TestADecisionComesWithAllThatBelongsToIt(t *testing.T) {
	s := fresh(t, pgstore.Options{Now: clock})
	e := sample(100) // declined
	e.Decision.Reasons = append([]decision.Reason{{Code: "SHADOW", Shadow: true}}, e.Decision.Reasons...)
	commit(t, s, sample(1), e, sample(3))
	label := review.Label{TransactionID: e.Transaction.ID, Verdict: review.Fraud, Source: review.Chargeback, KnownAt: now}
	if _, err := s.Label(t.Context(), []review.Label{label}); err != nil {
		t.Fatal(err)
	}
	label.RecordedAt = now
	got, err := s.Decision(t.Context(), e.Transaction.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Stored{
		Seq: got.Seq, Transaction: e.Transaction, Decision: e.Decision, Label: &label,
		Alert: &review.Alert{TransactionID: e.Transaction.ID, Score: 100, Code: "CARD_TESTING", OpenedAt: now},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("-committed +read:\n%s", diff)
	}
	for _, id := range []string{"", "unknown"} {
		if _, err := s.Decision(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("decision of %q: %v, want ErrNotFound", id, err)
		}
	}
	recent, err := s.Recent(t.Context(), 2)
	if err != nil || len(recent) != 2 || recent[0].Seq != got.Seq+1 || recent[1].Label == nil {
		t.Errorf("recent: %d, %v", len(recent), err)
	}
	if none, err := s.Recent(t.Context(), -1); err != nil || len(none) != 0 {
		t.Errorf("recent -1: %d, %v", len(none), err)
	}
	totals, err := s.Totals(t.Context())
	if diff := cmp.Diff(ledger.Totals{Approve: 2, Decline: 1, Frauds: 1, Alerts: 1}, totals); diff != "" || err != nil {
		t.Errorf("totals (-want +got), %v:\n%s", err, diff)
	}
}

func TestErasedTransactionsKeepNothingPersonal(t *testing.T) {
	s := fresh(t, pgstore.Options{})
	customer := sample(1).Transaction.Customer
	var ids []string
	for n := range 3000 {
		if n%1000 == 1 {
			e := sample(n)
			e.Transaction.Customer = customer
			ids = append(ids, e.Transaction.ID)
			commit(t, s, e)
		}
	}
	commit(t, s, samples(10_000, 2500)...) // other customers, more than a page
	for round, want := range []int64{3, 0} {
		if n, err := s.Erase(t.Context(), customer, payment.Token{9}); err != nil || n != want {
			t.Errorf("erasure %d: %d rows, %v, want %d", round, n, err, want)
		}
	}
	for _, id := range ids {
		got, err := s.Decision(t.Context(), id)
		if err != nil || !got.Erased || got.Transaction.SealState != payment.SealErased || got.Transaction.Sealed != nil || got.Transaction.MAC != [32]byte{} {
			t.Errorf("%s: %+v, %v", id, got.Transaction, err)
		}
	}
	verify(t, s)
}

func TestLists(t *testing.T) {
	s := fresh(t, pgstore.Options{Now: clock})
	a := ledger.ListEntry{List: payment.Blocked, Kind: 5, Token: payment.Token{1, 2}, ExpiresAt: now.Add(time.Hour), Reason: "card testing", AddedBy: "k1", AddedAt: now}
	b := ledger.ListEntry{List: payment.Allowed, Kind: 3, Token: payment.Token{1, 3}}
	for i, e := range []*ledger.ListEntry{&a, &b, &a} {
		stored, added, err := s.PutListEntry(t.Context(), *e)
		if err != nil {
			t.Fatal(err)
		}
		if added != (i < 2) {
			t.Errorf("entry %d is new: %v", i, added)
		}
		*e = stored
	}
	if a.Seq == 0 || b.Seq <= a.Seq || b.AddedAt != now {
		t.Errorf("stored entries are %+v and %+v", a, b)
	}
	got, err := s.ListEntries(t.Context())
	if diff := cmp.Diff([]ledger.ListEntry{a, b}, got); diff != "" || err != nil {
		t.Errorf("entries (-want +got), %v:\n%s", err, diff)
	}
	if err := s.DeleteListEntry(t.Context(), a.List, a.Kind, a.Token); err != nil {
		t.Error(err)
	}
	if err := s.DeleteListEntry(t.Context(), a.List, a.Kind, a.Token); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("second delete: %v, want ErrNotFound", err)
	}
	if got, err := s.ListEntries(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("%d entries left, %v", len(got), err)
	}
	for _, bad := range []ledger.ListEntry{
		{Kind: 5, Token: payment.Token{1}},
		{List: payment.Blocked, Token: payment.Token{1}},
		{List: payment.Blocked, Kind: 5},
		{List: payment.Blocked | payment.Allowed, Kind: 5, Token: payment.Token{1}},
	} {
		if _, _, err := s.PutListEntry(t.Context(), bad); err == nil {
			t.Errorf("put %+v", bad)
		}
	}
	if n := verify(t, s)["lists"]; n != 4 {
		t.Errorf("%d audit entries, want 4", n)
	}
}

func TestPlans(t *testing.T) {
	s := fresh(t, pgstore.Options{})
	names := []string{"card.count_1h", "customer.amount_median"}
	for range 2 {
		if err := s.PutPlan(t.Context(), "v1", names); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutPlan(t.Context(), "v1", names[:1]); !errors.Is(err, ledger.ErrPlan) {
		t.Errorf("other names under v1: %v, want ErrPlan", err)
	}
	if err := s.PutPlan(t.Context(), "v2", nil); err != nil {
		t.Error(err)
	}
	if err := s.PutPlan(t.Context(), "v3", []string{"two\nlines"}); err == nil {
		t.Error("a name of two lines was stored")
	}
	if got, err := s.Plan(t.Context(), "v1"); err != nil || !slices.Equal(got, names) {
		t.Errorf("v1 is %v, %v", got, err)
	}
	if got, err := s.Plan(t.Context(), "v2"); err != nil || len(got) != 0 {
		t.Errorf("v2 is %v, %v", got, err)
	}
	if _, err := s.Plan(t.Context(), "v3"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("v3: %v, want ErrNotFound", err)
	}
}

func TestAuditEntriesAreToldInOrder(t *testing.T) {
	s := fresh(t, pgstore.Options{})
	for n := range 3 {
		commit(t, s, sample(n))
	}
	chains, err := s.Chains(t.Context())
	if err != nil || !slices.Equal(chains, []string{"sync"}) {
		t.Errorf("chains %v, %v", chains, err)
	}
	var head audit.Head
	v := audit.NewVerifier("sync")
	err = s.AuditEntries(t.Context(), "sync", func(e audit.Entry) error {
		head = e.Head()
		return v.Add(&e)
	})
	if err != nil || head.Seq != 3 {
		t.Errorf("chain ends at %d, %v", head.Seq, err)
	}
	enough := errors.New("enough")
	if err := s.AuditEntries(t.Context(), "sync", func(audit.Entry) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("entries ended with %v", err)
	}
	if err := s.Rows(t.Context(), func(ledger.Stored) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("rows ended with %v", err)
	}
	letters, err := s.DeadLetters(t.Context(), 0, -1)
	if err != nil || len(letters) != 0 {
		t.Errorf("dead letters %v, %v", letters, err)
	}
}

func TestWhatCannotComeBackIsRefused(t *testing.T) {
	s := fresh(t, pgstore.Options{})
	long := make([]byte, 2000)
	for name, damage := range map[string]func(*pipeline.Batch){
		"no chain":        func(b *pipeline.Batch) { b.Chain = "" },
		"no id":           func(b *pipeline.Batch) { b.Entries[0].Transaction.ID = "" },
		"large seal":      func(b *pipeline.Batch) { b.Entries[0].Transaction.Sealed = make([]byte, payment.MaxSealed+1) },
		"long rule set":   func(b *pipeline.Batch) { b.Entries[0].Decision.RuleSet = string(long) },
		"long rule":       func(b *pipeline.Batch) { b.Entries[0].Decision.Reasons[1].Rule = string(long) },
		"endless reasons": func(b *pipeline.Batch) { b.Entries[0].Decision.Reasons = make([]decision.Reason, 2000) },
	} {
		b := pipeline.Batch{Chain: "sync", Entries: samples(1, 1)}
		damage(&b)
		if _, err := s.Commit(t.Context(), b); err == nil || errors.Is(err, pipeline.ErrUnavailable) {
			t.Errorf("%s: %v, want an error for good", name, err)
		}
	}
	verify(t, s)
}
