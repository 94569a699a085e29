package velocity_test

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

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
	for name, snapshots := range map[string]int{"whole logs": 0, "with snapshots": 12} {
		t.Run(name, func(t *testing.T) {
			velocitytest.Run(t, func(t *testing.T, plan velocity.Plan, o velocity.Options) velocitytest.Windows {
				w := newMirrored(t, newLogs(), plan, o, 1<<30)
				w.snapshots = snapshots
				return w
			})
		})
	}
}

// Mirrors that take turns on the same logs, with much room, little and none, say the same as a memory that saw it all.
func TestMirrorsTakeTurns(t *testing.T) {
	plan := velocity.All()
	l := newLogs()
	var mirrors []*mirrored
	for _, budget := range []int64{1 << 30, 30_000, 0} {
		w := newMirrored(t, l, plan, velocity.Options{MaxEvents: 150, MaxCounterparts: 5}, budget)
		w.snapshots = 40
		mirrors = append(mirrors, w)
	}
	m := newMemory(t, plan, velocity.Options{MaxEvents: 150, MaxCounterparts: 5})
	history := payments(600, 50*time.Minute)
	r := rand.New(rand.NewPCG(2, 2))
	for from := 0; from < len(history); {
		to := min(from+1+r.IntN(8), len(history))
		var events []velocity.Event
		for i := max(from-2, 0); i < to; i++ {
			events = append(events, history[i].Event)
		}
		got, err := mirrors[r.IntN(3)].Observe(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.Observe(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			if !want[i].Late && !equal(got[i], want[i]) {
				got[i].Values, want[i].Values = differing(plan, got[i].Values, want[i].Values), nil
				t.Fatalf("event %d of a batch from %d is read as %+v, want %+v", i, from, got[i], want[i])
			}
		}
		h := &history[r.IntN(to)]
		for _, w := range []velocitytest.Windows{mirrors[r.IntN(3)], m} {
			if h.Label != nil {
				label := velocity.Label{ID: h.ID, Entities: h.Entities, Fraud: h.Label.Fraud, KnownAt: h.Label.KnownAt}
				err = w.Label(t.Context(), []velocity.Label{label})
			} else {
				s := velocity.Settlement{ID: h.ID, Entities: h.Entities, Declined: h.Declined, Anomalous: h.Anomalous}
				err = w.Settle(t.Context(), []velocity.Settlement{s})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		from = to
	}
	for i, w := range mirrors {
		s := w.Stats()
		if s.Damaged != 0 || (s.Evicted == 0) != (i == 0) || i > 0 && s.Bytes > []int64{0, 30_000, 0}[i]+1_000_000 {
			t.Errorf("mirror %d: %+v", i, s)
		}
	}
}

// differing are the indices of the values that are not the same.
func differing(plan velocity.Plan, x, y []float64) []float64 {
	var indices []float64
	for i := range plan {
		if x[i] != y[i] && !(math.IsNaN(x[i]) && math.IsNaN(y[i])) {
			indices = append(indices, float64(i))
		}
	}
	return indices
}

// What a mirror gives back is as much as it took.
func TestMirrorLeavesNothing(t *testing.T) {
	w := newMirrored(t, newLogs(), velocity.All(), velocity.Options{}, 0)
	for range 3 {
		for _, h := range payments(150, time.Minute) {
			if _, err := w.Observe(t.Context(), []velocity.Event{h.Event}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 200 { // what is left goes by and by
		if _, err := w.Observe(t.Context(), []velocity.Event{{ID: "of nobody", At: begin}}); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.Stats(); s.Bytes > 1000 || s.Events != 0 || s.Entities != 0 {
		t.Errorf("an empty mirror holds %+v", s)
	}
}

// Restored events are counted once, and what has become of those that are known is stated anew.
func TestMirrorRestores(t *testing.T) {
	plan := velocity.All()
	w := newMirrored(t, newLogs(), plan, velocity.Options{}, 1<<30)
	history := payments(500, 5*time.Minute)
	for _, h := range history[:200] {
		if _, err := w.Observe(t.Context(), []velocity.Event{h.Event}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := w.OpenRestore(history)
	if err != nil {
		t.Fatal(err)
	}
	w.logs.mu.Lock()
	for i := range b.Len() {
		l := w.logs.open(b.Share(i), true)
		b.Appended(b.Share(i), b.Share(i).Block, uint32(len(l.blocks)))
		l.blocks = append(l.blocks, string(b.Share(i).Block))
	}
	w.logs.mu.Unlock()
	if err := w.end(b); err != nil {
		t.Fatal(err)
	}
	probe := history[499].Event
	probe.ID = "probe"
	got, err := w.observe([]velocity.Event{probe}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := velocity.Recount(plan, history, probe, velocity.Options{})
	for k, f := range plan {
		if x, y := got[0].Values[k], want.Values[k]; x != y && !(math.IsNaN(x) && math.IsNaN(y)) {
			t.Errorf("%s is %v, want %v", f.Name(), x, y)
		}
	}
}
