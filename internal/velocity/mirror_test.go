package velocity_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/velocitytest"
)

// logs are what mirrors share, here in a map.
type logs struct {
	mu    sync.Mutex
	next  uint64
	names map[string]*log
}

type log struct {
	generation uint64
	base       uint32
	blocks     []string // number 0 is none
}

func newLogs() *logs { return &logs{names: map[string]*log{}} }

func nameOf(kind payment.Kind, t payment.Token) string { return kind.String() + t.String() }

// open returns the log of a share, made if need be.
func (l *logs) open(s *velocity.Share, create bool) *log {
	name := nameOf(s.Kind, s.Token)
	if l.names[name] == nil && create {
		l.next++
		l.names[name] = &log{generation: l.next, blocks: []string{""}}
	}
	return l.names[name]
}

// mirrored are windows over a mirror and logs, the way that a network would do it.
type mirrored struct {
	*velocity.Mirror
	logs *logs
	// snapshots is after how many batches, on average, a log is replaced by a snapshot; 0: never.
	snapshots int
	compactor *velocity.Compactor
	rand      *rand.Rand
}

func newMirrored(t testing.TB, l *logs, plan velocity.Plan, o velocity.Options, budget int64) *mirrored {
	t.Helper()
	m, err := velocity.NewMirror(plan, o, budget)
	if err != nil {
		t.Fatal(err)
	}
	return &mirrored{Mirror: m, logs: l, compactor: m.NewCompactor(), rand: rand.New(rand.NewPCG(1, 1))}
}

func (w *mirrored) begin(events []velocity.Event, count bool) (*velocity.Batch, error) {
	open := w.Open
	if !count {
		open = w.OpenRead
	}
	b, err := open(events)
	if err != nil {
		return nil, err
	}
	w.logs.mu.Lock()
	defer w.logs.mu.Unlock()
	for i := range b.Len() {
		s := b.Share(i)
		l := w.logs.open(s, count)
		if l == nil {
			continue
		}
		at := uint32(len(l.blocks))
		if count {
			l.blocks = append(l.blocks, string(s.Block))
		}
		b.Start(s, l.generation, l.base)
		if from := b.Behind(s, l.generation, at); from > 0 {
			if err := b.Feed(s, l.generation, from, l.blocks[from:at]); err != nil {
				return nil, err
			}
		}
		b.Locate(s, l.generation, at)
	}
	return b, nil
}

func (w *mirrored) end(b *velocity.Batch) error {
	b.Advance()
	w.logs.mu.Lock()
	defer w.logs.mu.Unlock()
	for i := range b.Len() {
		s := b.Share(i)
		if len(s.Later) > 0 {
			l := w.logs.open(s, false)
			b.Appended(s, s.Later, uint32(len(l.blocks)))
			l.blocks = append(l.blocks, string(s.Later))
		}
	}
	for i := range b.Len() {
		if w.snapshots > 0 && w.rand.IntN(w.snapshots) == 0 {
			if err := w.compact(b.Share(i)); err != nil {
				return err
			}
		}
	}
	b.Close()
	return nil
}

func (w *mirrored) compact(s *velocity.Share) error {
	l := w.logs.open(s, false)
	if l == nil {
		return nil
	}
	snapshot, err := w.compactor.Snapshot(s.Kind, l.blocks[1:])
	if err != nil {
		return err
	}
	old := *l
	w.logs.next++
	l.generation, l.base, l.blocks = w.logs.next, 0, []string{""}
	for _, block := range snapshot {
		l.base += uint32(len(block))
		l.blocks = append(l.blocks, string(block))
	}
	w.Follow(s.Kind, s.Token, old.generation, uint32(len(old.blocks)), l.generation, uint32(len(l.blocks)), l.base)
	return nil
}

func (w *mirrored) Observe(_ context.Context, events []velocity.Event) ([]velocity.Reading, error) {
	return w.observe(events, true)
}

func (w *mirrored) observe(events []velocity.Event, count bool) ([]velocity.Reading, error) {
	b, err := w.begin(events, count)
	if err != nil {
		return nil, err
	}
	readings := make([]velocity.Reading, len(events))
	for i := range events {
		readings[i] = b.Observe(i)
	}
	return readings, w.end(b)
}

func (w *mirrored) change(b *velocity.Batch) error {
	w.logs.mu.Lock()
	for i := range b.Len() {
		s := b.Share(i)
		if l := w.logs.open(s, false); l != nil {
			b.Appended(s, s.Block, uint32(len(l.blocks)))
			l.blocks = append(l.blocks, string(s.Block))
		}
	}
	w.logs.mu.Unlock()
	return w.end(b)
}

func (w *mirrored) Settle(_ context.Context, s []velocity.Settlement) error {
	return w.change(w.OpenSettle(s))
}

func (w *mirrored) Label(_ context.Context, l []velocity.Label) error {
	return w.change(w.OpenLabel(l))
}

func (w *mirrored) Retract(_ context.Context, e []velocity.Event) error {
	return w.change(w.OpenRetract(e))
}

func TestMirror(t *testing.T) {
	for _, c := range []struct {
		name      string
		budget    int64
		snapshots int
	}{
		{"kept", 1 << 30, 0},
		{"forgotten at once", 0, 0},
		{"compacted", 1 << 30, 3},
		{"compacted and forgotten", 3000, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			velocitytest.Run(t, func(t *testing.T, plan velocity.Plan, o velocity.Options) velocitytest.Windows {
				w := newMirrored(t, newLogs(), plan, o, c.budget)
				w.snapshots = c.snapshots
				return w
			})
		})
	}
}

// several are mirrors over the same logs that take turns.
type several struct {
	mu      sync.Mutex
	mirrors []*mirrored
	turn    int
}

func (s *several) next() *mirrored {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	return s.mirrors[s.turn%len(s.mirrors)]
}

func (s *several) Observe(ctx context.Context, e []velocity.Event) ([]velocity.Reading, error) {
	return s.next().Observe(ctx, e)
}
func (s *several) Settle(ctx context.Context, e []velocity.Settlement) error {
	return s.next().Settle(ctx, e)
}
func (s *several) Label(ctx context.Context, l []velocity.Label) error { return s.next().Label(ctx, l) }
func (s *several) Retract(ctx context.Context, e []velocity.Event) error {
	return s.next().Retract(ctx, e)
}

var _ = fmt.Sprint
