package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
)

// crashed commits b to a store that holds "settled" at checkpoint 1, and returns the store as it is after a crash at
// the point.
func crashed(t *testing.T, s Subject, point string, b pipeline.Batch) Store {
	t.Helper()
	dir, image := t.TempDir(), t.TempDir()
	var armed atomic.Bool
	store := s.open(t, Setting{Dir: dir, Crash: func(at string) {
		if at == point && armed.CompareAndSwap(true, false) {
			s.Copy(t, dir, image)
		}
	}})
	commit(t, store, checkpointed("", "1", 1, entry("settled", 0)))
	armed.Store(true)
	commit(t, store, b)
	if armed.Load() {
		t.Fatalf("the commit never came to %q", point)
	}
	return s.open(t, Setting{Dir: image})
}

// interrupted is a batch with something of everything.
func interrupted() pipeline.Batch {
	b := checkpointed("1", "4", 4, entry("a", 1), entry("b", 2), entry("settled", 0))
	b.DeadLetters = []pipeline.DeadLetter{letter("4")}
	return b
}

func crashBefore(t *testing.T, s Subject) { crashLeavesNothing(t, s, s.Before) }
func crashMiddle(t *testing.T, s Subject) { crashLeavesNothing(t, s, s.Inserted) }

func crashLeavesNothing(t *testing.T, s Subject, point string) {
	store := crashed(t, s, point, interrupted())
	if got := stored(t, store); !slices.Equal(got, []string{"settled"}) {
		t.Errorf("stored after the crash: %v", got)
	}
	if at := position(t, store); at != "1" {
		t.Errorf("checkpoint %q, want 1", at)
	}
	if letters, n := s.DeadLetters(t, store), s.Verify(t, store)["partition/0"]; len(letters) != 0 || n != 1 {
		t.Errorf("%d dead letters and %d audit entries, want 0 and 1", len(letters), n)
	}
	for i, r := range commit(t, store, interrupted()) { // the worker starts again from its checkpoint
		if r.Stored != (i < 2) {
			t.Errorf("repeat, entry %d: stored %v", i, r.Stored)
		}
	}
	whole(t, s, store)
}

// whole checks that the interrupted batch is there, once.
func whole(t *testing.T, s Subject, store Store) {
	t.Helper()
	if got := stored(t, store); !slices.Equal(got, []string{"settled", "a", "b"}) {
		t.Errorf("stored %v", got)
	}
	if at := position(t, store); at != "4" {
		t.Errorf("checkpoint %q, want 4", at)
	}
	if letters, n := s.DeadLetters(t, store), s.Verify(t, store)["partition/0"]; len(letters) != 1 || n != 2 {
		t.Errorf("%d dead letters and %d audit entries, want 1 and 2", len(letters), n)
	}
	if got := s.Alerts(t, store); !slices.Equal(got, []string{"b"}) {
		t.Errorf("alerts of %v, want b", got)
	}
}

// crashAfter is the ambiguous commit: it happened, and nobody was told. The repeat is refused by its checkpoint, or,
// without one, finds every id taken by itself.
func crashAfter(t *testing.T, s Subject) {
	store := crashed(t, s, s.After, interrupted())
	whole(t, s, store)
	fenced(t, store, interrupted())
	blind := interrupted()
	blind.Checkpoint = nil
	for i, r := range commit(t, store, blind) {
		if r.Stored || r.Conflict(&blind.Entries[i].Transaction) {
			t.Errorf("repeat, entry %d: stored %v, or in conflict with itself", i, r.Stored)
		}
	}
	whole(t, s, store)
}

func crashGroup(t *testing.T, s Subject) {
	dir, image := t.TempDir(), t.TempDir()
	var mu sync.Mutex
	var acknowledged, before []string // before: when the image was made
	var points atomic.Int64
	store := s.open(t, Setting{Dir: dir, Crash: func(at string) {
		if at == s.Inserted && points.Add(1) == 5 {
			mu.Lock()
			defer mu.Unlock()
			before = slices.Clone(acknowledged)
			s.Copy(t, dir, image)
		}
	}})
	storm(t, store, func(id string) {
		mu.Lock()
		defer mu.Unlock()
		acknowledged = append(acknowledged, id)
	})
	if points.Load() < 5 {
		t.Fatalf("%d transactions passed the point where the image is made: there is none", points.Load())
	}
	after := s.open(t, Setting{Dir: image})
	have := make(map[string]bool)
	for _, id := range stored(t, after) {
		have[id] = true
	}
	for id := range have {
		if twin := id[:len(id)-1] + string('0'+'1'-id[len(id)-1]); !have[twin] {
			t.Errorf("%s is stored without %s of the same commit", id, twin)
		}
	}
	for _, id := range before {
		if !have[id+"-0"] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	if len(have) == 160 {
		t.Error("the image has every commit: it was not made before one")
	}
	s.Verify(t, after)
}

// storm commits 80 batches of two from 8 goroutines. Each repeats an id, so that no store takes a way on which there is
// nothing between inserting and committing.
func storm(t *testing.T, store Store, acknowledged func(id string)) {
	t.Helper()
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for n := range 10 {
				id := fmt.Sprintf("tx-%d-%d", w, n)
				receipts, err := store.Commit(t.Context(), batch(entry(id+"-0", n), entry(id+"-1", n), entry(id+"-0", n)))
				if err != nil || !receipts[0].Stored || !receipts[1].Stored || receipts[2].Stored {
					t.Errorf("commit of %s: %+v, %v", id, receipts, err)
					return
				}
				acknowledged(id)
			}
		})
	}
	group.Wait()
}

func concurrentCommits(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	storm(t, store, func(string) {})
	if n := len(stored(t, store)); n != 160 {
		t.Errorf("%d rows, want 160", n)
	}
	if n := s.Verify(t, store)["sync"]; n != 80 {
		t.Errorf("%d audit entries, want 80", n)
	}
}

// failingNeighbor runs commits that are refused beside commits that are not.
func failingNeighbor(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, checkpointed("", "1", 1))
	var group sync.WaitGroup
	for n := range 40 {
		group.Go(func() {
			b := batch(entry(fmt.Sprintf("tx-%d", n), n))
			want := error(nil)
			if n%4 == 0 {
				b.Checkpoint = checkpointed("no such", "2", 2).Checkpoint
				want = pipeline.ErrFenced
			}
			if _, err := store.Commit(t.Context(), b); !errors.Is(err, want) {
				t.Errorf("commit %d: %v, want %v", n, err, want)
			}
		})
	}
	group.Wait()
	if n := len(stored(t, store)); n != 30 {
		t.Errorf("%d rows, want 30", n)
	}
	s.Verify(t, store)
}

func reopen(t *testing.T, s Subject) {
	dir := t.TempDir()
	store := s.open(t, Setting{Dir: dir})
	commit(t, store, checkpointed("", "1", 1, entry("settled", 0)))
	commit(t, store, interrupted())
	putLabels(t, store, label("a", review.Fraud, 1))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = s.open(t, Setting{Dir: dir})
	whole(t, s, store)
	if r := commit(t, store, batch(entry("a", 1)))[0]; r.Stored {
		t.Error("an id from before the reopen was stored again")
	}
	commit(t, store, checkpointed("4", "5", 5, entry("c", 3)))
	if n := s.Verify(t, store)["partition/0"]; n != 3 {
		t.Errorf("%d audit entries, want 3: the chain goes on", n)
	}
	if found := replayed(t, store, time.Time{}); len(found) != 4 || found[1].Label == nil {
		t.Errorf("replay after the reopen: %+v", found)
	}
}

func canceled(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	answers := make([]error, 64)
	var group sync.WaitGroup
	for n := range answers {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			id := fmt.Sprintf("tx-%d", n)
			_, answers[n] = store.Commit(ctx, batch(entry(id+"-0", n), entry(id+"-1", n)))
		})
	}
	group.Wait()
	have := make(map[string]bool)
	for _, id := range stored(t, store) {
		have[id] = true
	}
	for n, err := range answers {
		for _, id := range []string{fmt.Sprintf("tx-%d-0", n), fmt.Sprintf("tx-%d-1", n)} {
			if have[id] != (err == nil) {
				t.Errorf("commit %d answered %v, and %s is stored: %v", n, err, id, have[id])
			}
		}
	}
}

func closed(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, batch(entry("a", 1)))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Commit(t.Context(), batch(entry("b", 2))); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("commit: %v, want ErrUnavailable", err)
	}
	if _, err := store.Known(t.Context(), []string{"a"}); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("known: %v, want ErrUnavailable", err)
	}
	if _, _, err := store.Checkpoint(t.Context(), "0"); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("checkpoint: %v, want ErrUnavailable", err)
	}
	if _, err := store.Label(t.Context(), []review.Label{label("a", review.Fraud, 1)}); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("label: %v, want ErrUnavailable", err)
	}
	if err := store.Replay(t.Context(), time.Time{}, func(pipeline.Labeled) error { return nil }); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("replay: %v, want ErrUnavailable", err)
	}
}

func chains(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	for n := range 6 {
		b := batch(entry(fmt.Sprintf("tx-%d", n), n), entry(fmt.Sprintf("tx-%d", n+1), n+1)) // each id comes twice
		b.Chain = fmt.Sprintf("partition/%d", n%2)
		commit(t, store, b)
	}
	putLabels(t, store, label("tx-1", review.Fraud, 1), label("tx-2", review.Genuine, 1))
	got := s.Verify(t, store)
	if got["partition/0"] != 3 || got["partition/1"] != 3 || got["labels"] != 1 {
		t.Errorf("audit entries by chain: %v", got)
	}
}
