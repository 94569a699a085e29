package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
)

// The windows must hold what is stored and nothing else, also after things went wrong.

func TestPaymentsThatWereNeverStoredDoNotCount(t *testing.T) {
	for name, failure := range map[string]error{"for a while": errAway, "for good": errors.New("refused")} {
		s := newShop(t)
		decider := pipeline.NewDecider(s.config)
		s.store.before = times(4, failure)
		for i := range 4 { // a shop that gives up and comes back with another id
			if _, err := decider.Decide(context.Background(), pay(fmt.Sprint("lost", i), 1, i, 0)); !errors.Is(err, failure) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		d, err := decider.Decide(context.Background(), pay("a0", 1, 5, 0))
		s.must(err)
		if d.Outcome != decision.Approve {
			t.Errorf("%s: the first payment that was stored is a %v for %v", name, d.Outcome, d.Reasons)
		}
	}
}

func TestACommitThatWentThroughStaysCounted(t *testing.T) {
	s := newShop(t)
	decider := pipeline.NewDecider(s.config)
	s.store.after = times(3, errAway)
	for i := range 3 { // stored, but the answer was lost
		if _, err := decider.Decide(context.Background(), pay(fmt.Sprint("a", i), 1, i, 0)); !errors.Is(err, errAway) {
			t.Fatal(err)
		}
	}
	d, err := decider.Decide(context.Background(), pay("a3", 1, 3, 0))
	s.must(err)
	if d.Outcome != decision.Decline {
		t.Errorf("the fourth stored payment within the hour is a %v", d.Outcome)
	}
}

// erased makes a late payment of a customer who was erased: tokens of merchant and terminal are all that is left.
func erased(id string, minute int) payment.Transaction {
	t := pay(id, 1, minute, 0)
	t.SealState, t.MAC = payment.SealErased, [32]byte{}
	return t
}

func TestLatePaymentsOfErasedCustomersHaveNoWindows(t *testing.T) {
	s := newShop(t)
	decider := pipeline.NewDecider(s.config)
	for i := range 4 {
		d, err := decider.Decide(context.Background(), erased(fmt.Sprint("e", i), i))
		s.must(err) // the first verdict is a verdict
		if d.Outcome != decision.Challenge || d.Degraded&decision.FeaturesDegraded == 0 {
			t.Errorf("verdict without windows is %v, %v", d.Outcome, d.Degraded.Names())
		}
	}
	if _, err := decider.Decide(context.Background(), erased("e0", 0)); !errors.Is(err, pipeline.ErrErased) {
		t.Errorf("its replay gives %v", err)
	}
	for range 2 { // live, and rebuilt
		if n := s.windows.Stats().Events; n != 0 {
			t.Errorf("the windows hold %d events of erased customers", n)
		}
		s.restart()
	}
}

func TestATimeThatNoWindowHoldsIsPutAside(t *testing.T) {
	s := newShop(t)
	old := pay("old", 1, 0, 0)
	old.OccurredAt = time.Date(1931, 1, 1, 0, 0, 0, 0, time.UTC)
	s.append(old, pay("a0", 1, 0, 0))
	s.must(s.work(10))
	if s.outcome("old") != decision.Invalid || s.outcome("a0") != decision.Approve || len(s.dead()) != 1 {
		t.Errorf("old is %v, its neighbor %v, dead letters %v", s.outcome("old"), s.outcome("a0"), s.dead())
	}
	s.restart() // and does not keep the program from starting
}

func TestAReplayContainsAPanic(t *testing.T) {
	s := newShop(t)
	s.windows.panicAt = "a0"
	s.append(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0))
	s.must(s.work(10))
	letters, err := s.stored.DeadLetters(context.Background(), 0, -1)
	s.must(err)
	replayed, err := s.config.ReplayDeadLetters(context.Background(), []pipeline.DeadLetter{letters[0].DeadLetter})
	s.must(err)
	if replayed[0].Settled || replayed[0].Reason != pipeline.Undecidable || len(s.dead()) != 1 {
		t.Errorf("replayed %+v, dead letters %v", replayed, s.dead())
	}
}

func TestDamageStopsAWorkerLoudly(t *testing.T) {
	s := newShop(t)
	damaged := errors.New("row cannot be read")
	s.store.known = func() error { return damaged }
	s.append(pay("a0", 1, 0, 0))
	if err := s.work(10); !errors.Is(err, damaged) {
		t.Errorf("Run = %v, want the damage", err)
	}
}
