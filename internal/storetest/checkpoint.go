package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
)

func checkpointFollows(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	if c, found, err := store.Checkpoint(t.Context(), "0"); found || err != nil {
		t.Fatalf("a new store has checkpoint %+v, %v", c, err)
	}
	commit(t, store, checkpointed("", "5", 5, entry("a", 1)))
	commit(t, store, checkpointed("5", "9", 9, entry("b", 2)))
	c, found, err := store.Checkpoint(t.Context(), "0")
	if err != nil || !found || c.Stream != streamID || c.Partition != "0" || c.Position != "9" || c.Records != 9 {
		t.Errorf("checkpoint %+v, %v, %v", c, found, err)
	}
	if _, found, err := store.Checkpoint(t.Context(), "1"); found || err != nil {
		t.Errorf("another partition has a checkpoint, or %v", err)
	}
}

func checkpointStream(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, checkpointed("", "5", 5))
	foreign := checkpointed("5", "6", 6, entry("a", 1))
	foreign.Checkpoint.Stream = "another"
	fenced(t, store, foreign)
}

// fenced commits a batch that must be refused and leave nothing.
func fenced(t *testing.T, store Store, b pipeline.Batch) {
	t.Helper()
	before, at := stored(t, store), position(t, store)
	if _, err := store.Commit(t.Context(), b); !errors.Is(err, pipeline.ErrFenced) || errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("commit after %q: %v, want ErrFenced", b.Checkpoint.After, err)
	}
	if got := stored(t, store); !slices.Equal(got, before) {
		t.Errorf("the fenced batch left %v", got[len(before):])
	}
	if got := position(t, store); got != at {
		t.Errorf("the fenced batch moved the checkpoint from %q to %q", at, got)
	}
}

// laterFirst has two workers that believe to own a partition. The one that is ahead must not skip records that the
// other has not committed.
func laterFirst(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	first := checkpointed("", "1", 1, entry("a", 1))
	later := checkpointed("1", "2", 2, entry("b", 2))
	fenced(t, store, later)
	commit(t, store, first)
	commit(t, store, later)
	fenced(t, store, first) // and a zombie that wakes up later changes nothing
	if got := stored(t, store); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("stored %v", got)
	}
}

func fencedLeavesNothing(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, checkpointed("", "1", 1, entry("a", 1)))
	b := checkpointed("", "2", 2, entry("b", 2))
	b.DeadLetters = []pipeline.DeadLetter{letter("7")}
	fenced(t, store, b)
	if letters := s.DeadLetters(t, store); len(letters) != 0 {
		t.Errorf("the fenced batch left dead letters %+v", letters)
	}
	if n := s.Verify(t, store)["partition/0"]; n != 1 {
		t.Errorf("%d audit entries, want 1", n)
	}
}

func emptyMoves(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	commit(t, store, checkpointed("", "1", 1, entry("a", 1)))
	commit(t, store, checkpointed("1", "2", 2, entry("a", 1)))
	commit(t, store, checkpointed("2", "3", 3))
	if at := position(t, store); at != "3" {
		t.Errorf("checkpoint %q, want 3", at)
	}
	if n := s.Verify(t, store)["partition/0"]; n != 1 {
		t.Errorf("%d audit entries, want that of the first batch alone", n)
	}
}

func deadLetterAtomic(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	b := checkpointed("", "3", 3, entry("a", 1))
	b.DeadLetters = []pipeline.DeadLetter{letter("2"), {DeadLetterKey: pipeline.DeadLetterKey{Partition: "0", Position: "3"}, Reason: pipeline.Undecidable, At: day}}
	commit(t, store, b)
	letters := s.DeadLetters(t, store)
	if len(letters) != 2 {
		t.Fatalf("%d dead letters, want 2", len(letters))
	}
	if diff := cmp.Diff(letter("2"), letters[0]); diff != "" {
		t.Errorf("dead letter (-put aside +read):\n%s", diff)
	}
	if position(t, store) != "3" || s.Verify(t, store)["partition/0"] != 1 {
		t.Error("the checkpoint or the audit entry is missing")
	}
}

func deadLetterLife(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	put := pipeline.Batch{Chain: "partition/0", DeadLetters: []pipeline.DeadLetter{letter("1"), letter("2")}}
	commit(t, store, put)
	commit(t, store, put) // a repeat after an answer that was lost
	if letters := s.DeadLetters(t, store); len(letters) != 2 {
		t.Fatalf("%d dead letters after a repeat, want 2", len(letters))
	}
	settle := batch(entry("a", 1))
	settle.Resolved = []pipeline.DeadLetterKey{letter("1").DeadLetterKey, {Partition: "0", Position: "no such"}}
	commit(t, store, settle)
	commit(t, store, settle)
	letters := s.DeadLetters(t, store)
	if len(letters) != 1 || letters[0].Position != "2" {
		t.Fatalf("open after one was settled: %+v", letters)
	}
	again := letter("1")
	again.Reason = pipeline.Unstorable
	both := batch()
	both.Resolved, both.DeadLetters = []pipeline.DeadLetterKey{letter("2").DeadLetterKey}, []pipeline.DeadLetter{again, letter("2")}
	commit(t, store, both)
	var open []stream.Position
	for _, l := range s.DeadLetters(t, store) {
		open = append(open, l.Position)
	}
	slices.Sort(open)
	if !slices.Equal(open, []stream.Position{"1", "2"}) {
		t.Errorf("open after a second failure: %v", open)
	}
	s.Verify(t, store)
}
