package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/velocity"
)

func TestEveryRecordIsDecidedOnce(t *testing.T) {
	for _, batch := range []int{0, 1, 3, 100} {
		s := newShop(t)
		for i := range 10 {
			s.append(pay(fmt.Sprint("a", i), 1, i, 0), pay(fmt.Sprint("b", i), byte(10+i), i, 0))
		}
		s.must(s.work(batch))
		for i := range 10 {
			want := decision.Approve
			if i >= 3 {
				want = decision.Decline // the fourth payment of customer 1 within the hour and on
			}
			if got := s.outcome(fmt.Sprint("a", i)); got != want {
				t.Errorf("batch %d: a%d is %v, want %v", batch, i, got, want)
			}
			if got := s.outcome(fmt.Sprint("b", i)); got != decision.Approve {
				t.Errorf("batch %d: b%d is %v", batch, i, got)
			}
		}
		if len(s.decided) != 20 {
			t.Errorf("batch %d: told of %d decisions, want 20", batch, len(s.decided))
		}
	}
}

func TestDecisionsDoNotDependOnBatches(t *testing.T) {
	var first []string
	for _, batch := range []int{1, 2, 5, 50} {
		s := newShop(t)
		for i := range 30 {
			s.append(pay(fmt.Sprint("t", i), byte(i%4), i, 0))
		}
		s.must(s.work(batch))
		var got []string
		for i := range 30 {
			d, err := s.stored.Decision(context.Background(), fmt.Sprint("t", i))
			s.must(err)
			got = append(got, fmt.Sprint(d.Decision.Outcome, d.Decision.Score, d.Decision.Reasons, d.Decision.Features.Values))
		}
		if first == nil {
			first = got
		} else if !slices.Equal(first, got) {
			t.Errorf("batches of %d decide differently", batch)
		}
	}
}

func TestARestartGoesOnWhereItStopped(t *testing.T) {
	s := newShop(t)
	s.append(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0))
	s.must(s.work(10))
	s.restart()
	s.append(pay("a2", 1, 2, 0), pay("a3", 1, 3, 0))
	s.must(s.work(10))
	if got := s.outcome("a3"); got != decision.Decline {
		t.Errorf("a3 is %v: the windows did not survive the restart", got)
	}
}

func TestWhatCannotBeReadIsPutAside(t *testing.T) {
	s := newShop(t)
	s.append(pay("a0", 1, 0, 0))
	s.must(s.log.Append(context.Background(), []stream.Entry{{Key: []byte("k"), Data: []byte("no transaction")}}))
	s.append(pay("a1", 1, 1, 0))
	s.must(s.work(10))
	if s.outcome("a0") != decision.Approve || s.outcome("a1") != decision.Approve {
		t.Error("neighbors of a poison record were not decided")
	}
	if dead := s.dead(); len(dead) != 1 || !slices.Contains(values(dead), pipeline.Undecodable) {
		t.Errorf("dead letters: %v", dead)
	}
}

func values[K comparable, V any](m map[K]V) []V {
	var all []V
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func TestRepeatsAndConflicts(t *testing.T) {
	for _, batch := range []int{1, 10} { // in batches of their own, and within one
		s := newShop(t)
		s.append(pay("a0", 1, 0, 7), pay("a0", 1, 0, 7), pay("a0", 1, 0, 8), pay("a1", 1, 1, 0))
		s.must(s.work(batch))
		if len(s.decided) != 2 || s.outcome("a0") != decision.Approve || s.outcome("a1") != decision.Approve {
			t.Errorf("batch %d: decided %d", batch, len(s.decided))
		}
		if dead := s.dead(); len(dead) != 1 || !slices.Contains(values(dead), pipeline.IDConflict) {
			t.Errorf("batch %d: dead letters: %v", batch, dead)
		}
		totals, err := s.stored.Totals(context.Background())
		s.must(err)
		if totals.Transactions() != 2 {
			t.Errorf("batch %d: stored %d", batch, totals.Transactions())
		}
	}
}

func TestAnUnavailableStoreIsWaitedFor(t *testing.T) {
	s := newShop(t)
	s.append(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0), pay("a2", 1, 2, 0))
	s.store.before = times(3, errAway)
	away := 2
	s.store.known = func() error {
		if away--; away >= 0 {
			return errAway
		}
		return nil
	}
	s.must(s.work(2))
	if len(s.decided) != 3 || len(s.dead()) != 0 {
		t.Errorf("decided %d, dead %v", len(s.decided), s.dead())
	}
}

func TestACommitWhoseAnswerWasLostIsNotRepeated(t *testing.T) {
	s := newShop(t)
	s.append(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0))
	s.store.after = times(1, errAway)
	s.must(s.work(10))
	totals, err := s.stored.Totals(context.Background())
	s.must(err)
	if totals.Transactions() != 2 || s.outcome("a0") != decision.Approve {
		t.Errorf("stored %d", totals.Transactions())
	}
}

func TestAForeignCommitStopsTheWorker(t *testing.T) {
	s := newShop(t)
	s.append(pay("a0", 1, 0, 0))
	s.store.before = times(1, fmt.Errorf("elsewhere: %w", pipeline.ErrFenced))
	if err := s.work(10); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("Run = %v, want ErrFenced", err)
	}
	if s.outcome("a0") != decision.Invalid {
		t.Error("something was stored all the same")
	}
}

func TestAFencedRepeatThatIsNotOursStopsTheWorker(t *testing.T) {
	s := newShop(t)
	s.append(pay("a0", 1, 0, 0))
	calls := 0
	s.store.before = func(pipeline.Batch) error {
		if calls++; calls == 1 {
			return errAway
		}
		return pipeline.ErrFenced
	}
	if err := s.work(10); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("Run = %v, want ErrFenced", err)
	}
}

func TestABatchThatIsRefusedIsHalved(t *testing.T) {
	errRefused := errors.New("refused for what it is")
	for poison := range 7 {
		s := newShop(t)
		s.must(s.log.Append(context.Background(), []stream.Entry{{Key: []byte("k"), Data: []byte("junk before")}}))
		for i := range 7 {
			s.append(pay(fmt.Sprint("p", i), byte(i), i, 0))
		}
		s.must(s.log.Append(context.Background(), []stream.Entry{{Key: []byte("k"), Data: []byte("junk behind")}}))
		s.store.before = func(b pipeline.Batch) error {
			for _, e := range b.Entries {
				if e.Transaction.ID == fmt.Sprint("p", poison) {
					return errRefused
				}
			}
			return nil
		}
		s.must(s.work(100))
		for i := range 7 {
			want := decision.Approve
			if i == poison {
				want = decision.Invalid
			}
			if got := s.outcome(fmt.Sprint("p", i)); got != want {
				t.Errorf("poison %d: p%d is %v", poison, i, got)
			}
		}
		dead := values(s.dead())
		slices.Sort(dead)
		if !slices.Equal(dead, []pipeline.DeadLetterReason{pipeline.Undecodable, pipeline.Undecodable, pipeline.Unstorable}) {
			t.Errorf("poison %d: dead letters %v", poison, dead)
		}
		c, _, err := s.stored.Checkpoint(context.Background(), "0")
		s.must(err)
		if c.Records != 9 {
			t.Errorf("poison %d: the checkpoint counts %d records, want 9", poison, c.Records)
		}
	}
}

func TestAPanicOfTheEngineStopsOneRecordOnly(t *testing.T) {
	s := newShop(t)
	s.windows.panicAt = "a1"
	s.append(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0), pay("a2", 1, 2, 0))
	s.must(s.work(10))
	if s.outcome("a0") != decision.Approve || s.outcome("a2") != decision.Approve || s.outcome("a1") != decision.Invalid {
		t.Error("the wrong records were decided")
	}
	letters, err := s.stored.DeadLetters(context.Background(), 0, -1)
	s.must(err)
	if len(letters) != 1 || letters[0].Reason != pipeline.Undecidable || strings.Contains(letters[0].Detail, "444") {
		t.Errorf("dead letters: %+v", letters)
	}
}

func TestReplayOfDeadLetters(t *testing.T) {
	s := newShop(t)
	s.windows.panicAt = "a1"
	s.append(pay("a0", 1, 0, 0), pay("a1", 1, 1, 0), pay("a0", 1, 0, 9))
	s.must(s.log.Append(context.Background(), []stream.Entry{{Key: []byte("k"), Data: []byte("junk")}}))
	s.must(s.work(10))
	stored, err := s.stored.DeadLetters(context.Background(), 0, -1)
	s.must(err)
	letters := make([]pipeline.DeadLetter, 0, len(stored))
	for _, l := range stored {
		letters = append(letters, l.DeadLetter)
	}
	s.windows.panicAt = ""
	replayed, err := s.config.ReplayDeadLetters(context.Background(), letters)
	s.must(err)
	got := map[string]pipeline.DeadLetterReason{}
	for _, r := range replayed {
		if r.Settled != (r.Reason == "") {
			t.Errorf("%+v is neither settled nor explained", r)
		}
		got[r.ID] = r.Reason
	}
	if len(got) != 3 || got["a1"] != "" || got["a0"] != pipeline.IDConflict || got[""] != pipeline.Undecodable {
		t.Errorf("replayed %+v", replayed)
	}
	if s.outcome("a1") != decision.Approve || len(s.dead()) != 2 {
		t.Errorf("a1 is %v, dead letters %v", s.outcome("a1"), s.dead())
	}
	// The very same letter again: it is stored already, so there is nothing left to do.
	for _, l := range letters {
		if l.Reason == pipeline.Undecidable {
			again, err := s.config.ReplayDeadLetters(context.Background(), []pipeline.DeadLetter{l})
			s.must(err)
			if !again[0].Settled {
				t.Errorf("a letter whose transaction is stored stays: %+v", again)
			}
		}
	}
	s.store.before = times(1, errAway)
	b0 := pay("b0", 5, 0, 0)
	fresh := pipeline.DeadLetter{DeadLetterKey: pipeline.DeadLetterKey{Partition: "0", Position: "99"}, Data: payment.AppendTransaction(nil, &b0)}
	if _, err := s.config.ReplayDeadLetters(context.Background(), []pipeline.DeadLetter{fresh}); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("an unavailable store gives %v", err)
	}
	s.store.before = times(1, errors.New("refused"))
	if r, err := s.config.ReplayDeadLetters(context.Background(), []pipeline.DeadLetter{fresh}); err != nil || r[0].Reason != pipeline.Unstorable {
		t.Errorf("a refused letter gives %+v, %v", r, err)
	}
}

func TestAStoreOfAnotherStreamIsRefused(t *testing.T) {
	s := newShop(t)
	s.append(pay("a0", 1, 0, 0))
	s.must(s.work(10))
	other := newShop(t)
	other.append(pay("b0", 1, 0, 0))
	other.config.Store = s.store
	if err := other.work(10); !errors.Is(err, stream.ErrPosition) {
		t.Errorf("Run = %v, want ErrPosition", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := newShop(t)
	s.store.known = func() error { return errAway }
	s.append(pay("a0", 1, 0, 0))
	ctx, stop := context.WithCancel(context.Background())
	w := pipeline.NewWorker(pipeline.WorkerConfig{Config: s.config, Source: s.log, Partition: "0"})
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run = %v after its context ended", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run does not end")
	}
}

// TestAFencedWorkerLeavesTheVerdictsOfTheOtherBehind has a worker that slept while another one carried its records and
// judged them otherwise. What it told the windows before it was fenced must not stay.
func TestAFencedWorkerLeavesTheVerdictsOfTheOtherBehind(t *testing.T) {
	s := newShop(t)
	for i := range 4 {
		s.append(pay(fmt.Sprint("a", i), 1, i, 0))
	}
	s.store.before = func(b pipeline.Batch) error {
		others := slices.Clone(b.Entries)
		for i := range others {
			others[i].Decision.Outcome = decision.Approve // also of the fourth, which this worker declined
		}
		if _, err := s.stored.Commit(context.Background(), pipeline.Batch{Chain: "other", Entries: others}); err != nil {
			return err
		}
		return pipeline.ErrFenced
	}
	if err := s.work(10); !errors.Is(err, pipeline.ErrFenced) {
		t.Fatalf("run: %v, want ErrFenced", err)
	}
	probe := pay("probe", 1, 5, 0)
	readings, err := s.windows.Read(context.Background(), []velocity.Event{velocity.EventOf(&probe)})
	s.must(err)
	_, names := s.config.Engine.Plan()
	if declines := readings[0].Values[slices.Index(names, "customer.declines_1h")]; declines != 0 {
		t.Errorf("the windows count %v declines, the store has none", declines)
	}
}
