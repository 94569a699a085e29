package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Recounting are stores that keep in mind what windows outside of the process lack, for a Healer to bring in.
type Recounting interface {
	// Uncount has stored transactions restored, with their labels, whether the windows have counted them or not. Unknown
	// ids and those of erased customers are passed over.
	Uncount(ctx context.Context, ids []string) error
}

// Labeler stores labels and lets the windows know.
type Labeler struct {
	// Store may be Recounting: then labels that the windows could not be told of come into them by healing.
	Store   Store
	Windows Windows
	Now     func() time.Time
	Log     *slog.Logger
	// telling keeps the windows' order of labels that of the store.
	telling sync.Mutex
	// Labeled is told of every label that was stored; nil tells nobody. It must not block.
	Labeled func(review.Label, Labeled)
}

// Label stores labels of stored transactions and tells for each whether there was such a transaction. Stored labels
// are durable; the windows see them from KnownAt on.
func (l *Labeler) Label(ctx context.Context, labels []review.Label) ([]bool, error) {
	now := l.Now()
	for i := range labels {
		labels[i].RecordedAt = now
	}
	l.telling.Lock()
	defer l.telling.Unlock()
	about, err := l.Store.Label(ctx, labels)
	if err != nil {
		return nil, fmt.Errorf("store labels: %w", err)
	}
	stored := make([]bool, len(labels))
	told := make([]velocity.Label, 0, len(labels))
	for i, a := range about {
		if a == nil {
			continue
		}
		stored[i] = true
		told = append(told, velocityLabel(a))
		if l.Labeled != nil {
			l.Labeled(labels[i], *a)
		}
	}
	if err := l.Windows.Label(ctx, told); err != nil {
		l.Log.WarnContext(ctx, "labels stored but not in the windows; healing, or a rebuild at a restart, brings them in", slog.Any("error", err))
		l.uncount(ctx, told)
	}
	return stored, nil
}

// uncountTime bounds what is done about labels that did not reach the windows, even if the caller is gone.
const uncountTime = 5 * time.Second

// uncount leaves labels to healing.
func (l *Labeler) uncount(ctx context.Context, told []velocity.Label) {
	store, ok := l.Store.(Recounting)
	if !ok {
		return
	}
	ids := make([]string, len(told))
	for i := range told {
		ids[i] = told[i].ID
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), uncountTime)
	defer cancel()
	if err := store.Uncount(ctx, ids); err != nil {
		l.Log.ErrorContext(ctx, "labels are missing in the windows until all is restored", slog.Any("error", err))
	}
}

// velocityLabel is what counts of a transaction's labels: the latest one.
func velocityLabel(a *Labeled) velocity.Label {
	return velocity.Label{
		ID: a.ID, At: a.At, Entities: a.Entities,
		Fraud: a.Label.Verdict == review.Fraud, KnownAt: a.Label.KnownAt,
	}
}

// Remembered is a stored transaction as the windows take it in at start.
func (a *Labeled) Remembered() velocity.Remembered {
	r := velocity.Remembered{
		Event:    velocity.Event{ID: a.ID, At: a.At, Amount: a.Amount, Entities: a.Entities},
		Declined: a.Outcome == decision.Decline, Anomalous: a.Anomalous,
	}
	if a.Label != nil {
		l := velocityLabel(a)
		r.Label = &l
	}
	return r
}
