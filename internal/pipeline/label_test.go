package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/velocity"
)

// TestLabelsThatMissTheWindowsAreLeftToHealing labels while the windows cannot be reached, for a caller that is gone
// before it has its answer.
func TestLabelsThatMissTheWindowsAreLeftToHealing(t *testing.T) {
	s := newShop(t)
	_, err := pipeline.NewDecider(s.config).Decide(context.Background(), pay("a0", 1, 0, 0))
	s.must(err)
	var log bytes.Buffer
	ctx, leave := context.WithCancel(context.Background())
	labeler := &pipeline.Labeler{
		Store: s.stored, Windows: away{Windows: s.windows, leave: leave}, Now: func() time.Time { return noon },
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	labels := []review.Label{
		{TransactionID: "nobody", Verdict: review.Fraud, Source: review.Chargeback, KnownAt: noon},
		{TransactionID: "a0", Verdict: review.Fraud, Source: review.Chargeback, KnownAt: noon},
	}
	if stored, err := labeler.Label(ctx, labels); err != nil || stored[0] || !stored[1] {
		t.Fatalf("stored %v, %v", stored, err)
	}
	found, numbers, err := s.stored.Uncounted(context.Background(), 10)
	if err != nil || len(found) != 1 || len(numbers) != 1 || found[0].ID != "a0" || found[0].Label == nil || found[0].Label.Verdict != review.Fraud {
		t.Errorf("left to healing: %+v, %v", found, err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || strings.Contains(got, "a0") {
		t.Errorf("log is %s", got)
	}

	labeler.Store, labeler.Windows = forgetful{s.stored}, away{Windows: s.windows, leave: leave}
	log.Reset()
	if stored, err := labeler.Label(context.Background(), labels[1:]); err != nil || !stored[0] {
		t.Errorf("stored %v, %v; what becomes of the windows is no reason to refuse a label", stored, err)
	}
	if got := log.String(); !strings.Contains(got, "level=ERROR") {
		t.Errorf("a label that nothing brings in is logged as %s", got)
	}
}

// TestLabelsThatReachTheWindowsAreNotLeftToHealing is the rule: nothing is marked.
func TestLabelsThatReachTheWindowsAreNotLeftToHealing(t *testing.T) {
	s := newShop(t)
	_, err := pipeline.NewDecider(s.config).Decide(context.Background(), pay("a0", 1, 0, 0))
	s.must(err)
	labeler := &pipeline.Labeler{Store: s.stored, Windows: s.windows, Now: func() time.Time { return noon }, Log: s.config.Log}
	stored, err := labeler.Label(context.Background(), []review.Label{{TransactionID: "a0", Verdict: review.Fraud, Source: review.Chargeback, KnownAt: noon}})
	if err != nil || !stored[0] {
		t.Fatalf("stored %v, %v", stored, err)
	}
	if found, _, err := s.stored.Uncounted(context.Background(), 10); err != nil || len(found) != 0 {
		t.Errorf("left to healing: %+v, %v", found, err)
	}
}

// away are windows that cannot be reached, and whose caller does not wait.
type away struct {
	pipeline.Windows
	leave func()
}

func (a away) Label(context.Context, []velocity.Label) error {
	a.leave()
	return errors.New("no route")
}

// forgetful is a store that goes away after it stored a label.
type forgetful struct{ pipeline.Store }

func (forgetful) Uncount(context.Context, []string) error { return pipeline.ErrUnavailable }
