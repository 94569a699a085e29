package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
)

func records(transactions ...payment.Transaction) []stream.Record {
	s := newShards()
	s.add("0", transactions...)
	return s.records["0"]
}

func TestCarriedRecordsAreDecidedOnceWithoutACheckpoint(t *testing.T) {
	s := newShop(t)
	batch := records(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0), pay("a0", 1, 0, 0), pay("a0", 1, 0, 9))
	batch = append(batch, stream.Record{Partition: "0", Position: "900", Data: []byte("no transaction")})
	for try := range 3 { // the event source gives a batch again, or a part of it
		done, err := s.config.Carry(t.Context(), "0", batch[:len(batch)-try])
		if err != nil || done != len(batch)-try {
			t.Fatalf("try %d: %d, %v", try, done, err)
		}
	}
	if len(s.decided) != 2 || s.outcome("a0") != decision.Approve || s.outcome("a1") != decision.Approve {
		t.Errorf("decided %d", len(s.decided))
	}
	dead := values(s.dead())
	slices.Sort(dead)
	if !slices.Equal(dead, []pipeline.DeadLetterReason{pipeline.IDConflict, pipeline.Undecodable}) {
		t.Errorf("dead letters %v", dead)
	}
	if _, found, err := s.stored.Checkpoint(t.Context(), "0"); found || err != nil {
		t.Errorf("there is a checkpoint, or %v", err)
	}
	if done, err := s.config.Carry(t.Context(), "0", nil); done != 0 || err != nil {
		t.Errorf("nothing: %d, %v", done, err)
	}
}

func TestACarryTellsHowFarItCame(t *testing.T) {
	s := newShop(t)
	var all []payment.Transaction
	for i := range 8 {
		all = append(all, pay(fmt.Sprint("a", i), byte(i), i, 0))
	}
	// The store refuses a1 for good, and goes away when a7 comes.
	s.store.before = func(b pipeline.Batch) error {
		for _, e := range b.Entries {
			if e.Transaction.ID == "a7" && len(b.Entries) <= 4 {
				return pipeline.ErrUnavailable
			}
		}
		for _, e := range b.Entries {
			if e.Transaction.ID == "a1" {
				return errors.New("value out of range")
			}
		}
		return nil
	}
	done, err := s.config.Carry(t.Context(), "0", records(all...))
	if done != 4 || !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("carried %d, %v; want the first half", done, err)
	}
	if s.outcome("a0") != decision.Approve || s.outcome("a3") != decision.Approve || s.outcome("a4") != decision.Invalid {
		t.Error("the first half is not stored, or the second is")
	}
	if dead := values(s.dead()); !slices.Equal(dead, []pipeline.DeadLetterReason{pipeline.Unstorable}) {
		t.Errorf("dead letters %v", dead)
	}
	s.store.before = nil
	s.store.known = func() error { return pipeline.ErrUnavailable }
	if done, err := s.config.Carry(t.Context(), "0", records(all...)[4:]); done != 0 || !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("without a store: %d, %v", done, err)
	}
	s.store.known = nil
	if done, err := s.config.Carry(t.Context(), "0", records(all...)[4:]); done != 4 || err != nil {
		t.Errorf("the rest: %d, %v", done, err)
	}
}
