package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
)

func roundTrip(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	var entries []pipeline.Entry
	for n := range 50 {
		entries = append(entries, entry(fmt.Sprintf("tx-%d", n), n))
	}
	var ids []string
	for i, r := range commit(t, store, batch(entries...)) {
		if !r.Stored || r.Erased || r.MAC != entries[i].Transaction.MAC {
			t.Errorf("receipt %d: stored %v, erased %v, MAC %q", i, r.Stored, r.Erased, r.MAC)
		}
		ids = append(ids, entries[i].Transaction.ID)
	}
	found, err := store.Known(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		want := pipeline.Receipt{Decision: entries[i].Decision, MAC: entries[i].Transaction.MAC}
		if diff := cmp.Diff(want, found[id]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
}

func receiptOrder(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, batch(entry("b", 2), entry("d", 4), entry("k", 11)))
	var entries []pipeline.Entry
	for n, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
		entries = append(entries, entry(id, 100+n))
	}
	for i, r := range commit(t, store, batch(entries...)) {
		id := entries[i].Transaction.ID
		if r.Decision.TransactionID != id {
			t.Errorf("receipt %d is about %q, want %q", i, r.Decision.TransactionID, id)
		}
		if old := id == "b" || id == "d" || id == "k"; r.Stored == old {
			t.Errorf("%s: stored %v", id, r.Stored)
		}
	}
	want := []string{"b", "d", "k", "a", "c", "e", "f", "g", "h", "i", "j", "l"}
	if got := stored(t, store); !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

func bothPaths(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	for round := range 20 {
		id := fmt.Sprintf("tx-%d", round)
		sync1, async := entry(id, 1), entry(id, 1)
		sync1.Decision.Path, sync1.Decision.Outcome, sync1.Decision.Score = decision.Sync, decision.Decline, 900
		async.Decision.Outcome, async.Decision.Score = decision.Approve, 10
		batches := []pipeline.Batch{batch(sync1), {Chain: "partition/0", Entries: []pipeline.Entry{async}}}
		receipts := make([][]pipeline.Receipt, len(batches))
		var group sync.WaitGroup
		for i, b := range batches {
			group.Go(func() {
				var err error
				if receipts[i], err = store.Commit(t.Context(), b); err != nil {
					t.Errorf("commit: %v", err)
				}
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
		a, b := receipts[0][0], receipts[1][0]
		if a.Stored == b.Stored {
			t.Errorf("stored %v on one path and %v on the other", a.Stored, b.Stored)
		}
		if diff := cmp.Diff(a.Decision, b.Decision); diff != "" {
			t.Errorf("two verdicts for one id:\n%s", diff)
		}
		if b.Conflict(&async.Transaction) || a.Conflict(&sync1.Transaction) {
			t.Error("the same payload is a conflict")
		}
	}
	s.Verify(t, store)
}

func repeatedInBatch(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	receipts := commit(t, store, batch(entry("a", 1), entry("b", 2), entry("a", 3), entry("a", 1)))
	if !receipts[0].Stored || !receipts[1].Stored || receipts[2].Stored || receipts[3].Stored {
		t.Fatalf("stored: %v %v %v %v, want the first two", receipts[0].Stored, receipts[1].Stored, receipts[2].Stored, receipts[3].Stored)
	}
	other, same := entry("a", 3), entry("a", 1)
	if receipts[2].Decision.Score != 1 || !receipts[2].Conflict(&other.Transaction) {
		t.Errorf("the other payload got score %d, conflict %v", receipts[2].Decision.Score, receipts[2].Conflict(&other.Transaction))
	}
	if receipts[3].Decision.Score != 1 || receipts[3].Conflict(&same.Transaction) {
		t.Errorf("the repeat got score %d, conflict %v", receipts[3].Decision.Score, receipts[3].Conflict(&same.Transaction))
	}
	if got := stored(t, store); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("stored %v", got)
	}
}

func conflict(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, batch(entry("a", 1)))
	other, same := entry("a", 2), entry("a", 1)
	receipts := commit(t, store, batch(other))
	if r := receipts[0]; r.Stored || r.Decision.Score != 1 || !r.Conflict(&other.Transaction) || r.Conflict(&same.Transaction) {
		t.Errorf("receipt %+v", r)
	}
	if letters := s.DeadLetters(t, store); len(letters) != 0 {
		t.Errorf("a conflict of the synchronous path was put aside: %+v", letters)
	}
}

func conflictPutAside(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, batch(entry("a", 1), entry("b", 2)))
	conflicting, repeated := entry("a", 3), entry("b", 2)
	conflicting.Origin = &stream.Record{Partition: "0", Position: "1", Key: []byte("k"), Data: []byte("sealed")}
	repeated.Origin = &stream.Record{Partition: "0", Position: "2", Key: []byte("k"), Data: []byte("same")}
	commit(t, store, checkpointed("", "2", 2, conflicting, repeated))
	letters := s.DeadLetters(t, store)
	if len(letters) != 1 || letters[0].Reason != pipeline.IDConflict || letters[0].Position != "1" ||
		string(letters[0].Data) != "sealed" || string(letters[0].Key) != "k" || letters[0].At.IsZero() {
		t.Fatalf("dead letters %+v, want record 1 as a conflict", letters)
	}
	if s.Verify(t, store)["partition/0"] != 1 {
		t.Error("the conflict has no audit entry")
	}
}

func erasedRow(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, batch(entry("a", 1), entry("b", 2)))
	s.Erase(t, store, token(1, 1))
	other := entry("a", 77)
	r := commit(t, store, batch(other))[0]
	if r.Stored || !r.Erased || r.MAC != [32]byte{} || r.Decision.Score != 1 || r.Conflict(&other.Transaction) {
		t.Errorf("receipt of an erased id: %+v", r)
	}
	found, err := store.Known(t.Context(), []string{"a", "b"})
	if err != nil || !found["a"].Erased || found["b"].Erased || found["b"].MAC != mac(2) {
		t.Errorf("known: %+v, %v", found, err)
	}
	s.Verify(t, store)
}

func storedErased(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	e := entry("a", 1)
	e.Transaction.SealState, e.Transaction.Sealed, e.Transaction.MAC = payment.SealErased, nil, [32]byte{}
	if r := commit(t, store, batch(e))[0]; !r.Stored || !r.Erased {
		t.Errorf("receipt %+v", r)
	}
	if r := commit(t, store, batch(e))[0]; r.Stored || !r.Erased || r.MAC != [32]byte{} {
		t.Errorf("receipt of the repeat %+v", r)
	}
}

func invalidOutcome(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	bad := entry("b", 2)
	bad.Decision.Outcome = decision.Invalid
	_, err := store.Commit(t.Context(), batch(entry("a", 1), bad))
	if err == nil || errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("commit without a verdict: %v, want an error for good", err)
	}
	if got := stored(t, store); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func alerts(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	// Of four entries in a row, outcomes are approve, challenge, review and decline.
	commit(t, store, batch(entry("approve", 0), entry("challenge", 1), entry("review", 2), entry("decline", 3)))
	commit(t, store, batch(entry("review", 2), entry("decline", 3)))
	got := s.Alerts(t, store)
	slices.Sort(got)
	if !slices.Equal(got, []string{"decline", "review"}) {
		t.Errorf("alerts of %v", got)
	}
}

func known(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, batch(entry("a", 1)))
	found, err := store.Known(t.Context(), []string{"a", "b", "a", ""})
	if err != nil || len(found) != 1 || found["a"].Stored {
		t.Errorf("known %+v, %v", found, err)
	}
	if found, err := store.Known(t.Context(), nil); err != nil || len(found) != 0 {
		t.Errorf("known of nothing: %+v, %v", found, err)
	}
}
