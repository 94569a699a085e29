package pipeline_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/velocity"
)

func TestAVerdictIsDurableWhenItIsGiven(t *testing.T) {
	s := newShop(t)
	d, err := pipeline.NewDecider(s.config).Decide(context.Background(), pay("a0", 1, 0, 0))
	s.must(err)
	if d.Outcome != decision.Approve || d.Path != decision.Sync {
		t.Errorf("verdict is %+v", d)
	}
	s.restart()
	if s.outcome("a0") != decision.Approve {
		t.Error("the verdict is gone")
	}
}

func TestTheFirstVerdictWinsOnBothPaths(t *testing.T) {
	s := newShop(t)
	decider := pipeline.NewDecider(s.config)
	first, err := decider.Decide(context.Background(), pay("a0", 1, 0, 0))
	s.must(err)
	// The same body again, on both paths, gets the first verdict though the windows have changed meanwhile.
	for _, id := range []string{"x1", "x2", "x3"} {
		_, err := decider.Decide(context.Background(), pay(id, 1, 0, 0))
		s.must(err)
	}
	again, err := decider.Decide(context.Background(), pay("a0", 1, 0, 0))
	s.must(err)
	if again.Outcome != first.Outcome || again.DecidedAt != first.DecidedAt {
		t.Errorf("second verdict %+v differs from the first %+v", again, first)
	}
	s.append(pay("a0", 1, 0, 0), pay("b0", 2, 0, 0))
	s.must(s.work(10))
	if len(s.dead()) != 0 || s.outcome("a0") != decision.Approve {
		t.Errorf("a repeat through the stream: dead %v, outcome %v", s.dead(), s.outcome("a0"))
	}
	if _, err := decider.Decide(context.Background(), pay("b0", 2, 0, 9)); !errors.Is(err, pipeline.ErrConflict) {
		t.Errorf("another body under a stored id gives %v", err)
	}
}

func TestOneVerdictForManyAtOnce(t *testing.T) {
	s := newShop(t)
	decider := pipeline.NewDecider(s.config)
	var wg sync.WaitGroup
	verdicts := make([]decision.Decision, 16)
	for i := range verdicts {
		wg.Go(func() {
			d, err := decider.Decide(context.Background(), pay("same", 1, 0, 0))
			if err != nil {
				t.Error(err)
			}
			verdicts[i] = d
		})
	}
	wg.Wait()
	for _, v := range verdicts[1:] {
		if v.DecidedAt != verdicts[0].DecidedAt || v.Outcome != verdicts[0].Outcome || v.Took != verdicts[0].Took {
			t.Errorf("verdicts differ: %+v and %+v", v, verdicts[0])
		}
	}
	if len(s.decided) != 1 {
		t.Errorf("told of %d decisions", len(s.decided))
	}
}

func TestAFailedCommitIsNoVerdict(t *testing.T) {
	s := newShop(t)
	decider := pipeline.NewDecider(s.config)
	for name, err := range map[string]error{"for a while": errAway, "for good": errors.New("refused")} {
		s.store.before = times(1, err)
		d, got := decider.Decide(context.Background(), pay("a0", 1, 0, 0))
		if !errors.Is(got, err) || d.Outcome.Valid() {
			t.Errorf("%s: %+v, %v", name, d, got)
		}
	}
	s.store.known = func() error { return errAway }
	if d, err := decider.Decide(context.Background(), pay("a0", 1, 0, 0)); !errors.Is(err, pipeline.ErrUnavailable) || d.Outcome.Valid() {
		t.Errorf("without a look-up: %+v, %v", d, err)
	}
	s.store.known = nil
	s.windows.broken = errors.New("windows are not well")
	s.store.before = times(1, errors.New("refused"))
	if _, err := decider.Decide(context.Background(), pay("a1", 1, 0, 0)); err == nil {
		t.Error("a refused commit gives a verdict")
	}
}

func TestErasedTransactionsAreGone(t *testing.T) {
	s := newShop(t)
	decider := pipeline.NewDecider(s.config)
	tx := pay("a0", 1, 0, 0)
	_, err := decider.Decide(context.Background(), tx)
	s.must(err)
	_, err = s.stored.Erase(context.Background(), tx.Customer)
	s.must(err)
	if _, err := decider.Decide(context.Background(), tx); !errors.Is(err, pipeline.ErrErased) {
		t.Errorf("an erased id gives %v", err)
	}
	s.append(tx)
	s.must(s.work(10))
	if len(s.dead()) != 0 {
		t.Errorf("a replay of an erased id became a dead letter: %v", s.dead())
	}
}

func TestLabels(t *testing.T) {
	s := newShop(t)
	decider := pipeline.NewDecider(s.config)
	_, err := decider.Decide(context.Background(), pay("a0", 1, 0, 0))
	s.must(err)
	var told []review.Label
	labeler := &pipeline.Labeler{
		Store: s.store, Windows: s.windows, Now: func() time.Time { return noon.AddDate(0, 0, 3) }, Log: s.config.Log,
		Labeled: func(l review.Label, about pipeline.Labeled) { told = append(told, l) },
	}
	labels := []review.Label{
		{TransactionID: "a0", Verdict: review.Fraud, Source: review.Chargeback, KnownAt: noon.AddDate(0, 0, 2)},
		{TransactionID: "nobody", Verdict: review.Fraud, Source: review.Chargeback, KnownAt: noon.AddDate(0, 0, 2)},
	}
	stored, err := labeler.Label(context.Background(), labels)
	s.must(err)
	if !stored[0] || stored[1] || len(told) != 1 || told[0].RecordedAt != noon.AddDate(0, 0, 3) {
		t.Errorf("stored %v, told %+v", stored, told)
	}
	s.windows.broken = errors.New("windows are not well")
	if stored, err := labeler.Label(context.Background(), labels[:1]); err != nil || !stored[0] {
		t.Errorf("windows that fail keep a label from being stored: %v, %v", stored, err)
	}
	var seen []velocity.Remembered
	s.must(s.stored.Replay(context.Background(), time.Time{}, func(l pipeline.Labeled) error {
		seen = append(seen, l.Remembered())
		return nil
	}))
	if len(seen) != 1 || seen[0].Label == nil || !seen[0].Label.Fraud || seen[0].Declined {
		t.Errorf("the label does not come back at a rebuild: %+v", seen)
	}
}

func TestRebuildReportsWhatItCannotRead(t *testing.T) {
	s := newShop(t)
	_, err := pipeline.NewDecider(s.config).Decide(context.Background(), pay("a0", 1, 0, 0))
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := pipeline.Rebuild(ctx, s.store, s.windows, time.Time{}, nil); err == nil {
		t.Error("a canceled rebuild succeeds")
	}
	refuse := refusing{errors.New("no room")}
	if _, err := pipeline.Rebuild(context.Background(), s.store, refuse, time.Time{}, nil); !errors.Is(err, refuse.err) {
		t.Errorf("Rebuild = %v", err)
	}
}

type refusing struct{ err error }

func (r refusing) Restore(context.Context, []velocity.Remembered) error { return r.err }
