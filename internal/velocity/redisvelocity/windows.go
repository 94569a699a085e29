package redisvelocity

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Windows are sliding windows and profiles on Redis. All methods may be called at once.
//
// The errors of all methods are those of ctx, one that wraps velocity.ErrEvent, and otherwise one that wraps
// velocity.ErrUnavailable: then what was to be counted may have been counted, and to try again is safe.
type Windows struct {
	o       Options
	mirror  *velocity.Mirror
	scripts scripts
	names   names
	ttl     [payment.KindCount]time.Duration // of logs
	life    time.Duration                    // of markers: the longest of them

	link    link
	breaker breaker
	marks   marks
	compact compaction
	scratch sync.Pool // of *exchange

	calls, failures, fetched, appended, vanished atomic.Int64

	background sync.WaitGroup
	closing    context.Context // ends when the windows are closed
	stop       context.CancelFunc
}

// New makes windows. It does not connect: the first call does, or Connect. Its error is about the options; it wraps
// velocity.ErrFeature if it is about the plan or the bounds.
func New(o Options) (*Windows, error) {
	if err := o.resolve(); err != nil {
		return nil, err
	}
	mirror, err := velocity.NewMirror(o.Plan, o.Bounds, o.MirrorBytes)
	if err != nil {
		return nil, err
	}
	w := &Windows{o: o, mirror: mirror, scripts: newScripts(), names: newNames(o.Prefix, mirror.Signature()), life: mirror.Reach()}
	for kind := range w.ttl {
		w.ttl[kind] = mirror.ReachOf(payment.Kind(kind))
	}
	w.marks.init(o.Prefix, mirror.Signature())
	if w.marks.self, err = w.token(); err != nil {
		return nil, err
	}
	w.compact.init(mirror)
	w.scratch.New = func() any { return &exchange{} }
	w.closing, w.stop = context.WithCancel(context.Background())
	return w, nil
}

// Close ends what goes on in the background, and the connections. No method may be called any more.
func (w *Windows) Close() {
	w.stop()
	w.background.Wait()
	w.link.close()
}

// Observe reads each event as of its own time, not counting itself, and then counts it for those that follow, also in
// the same batch. An id that was counted before is read and not counted again.
func (w *Windows) Observe(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error) {
	s, err := w.Begin(ctx, events)
	if err != nil {
		return nil, err
	}
	readings := make([]velocity.Reading, len(events))
	for i := range events {
		readings[i] = s.observe(i)
	}
	return readings, s.End(ctx)
}

// Read reads each event as of its own time and counts nothing.
func (w *Windows) Read(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error) {
	b, err := w.mirror.OpenRead(events)
	if err != nil {
		return nil, err
	}
	s, err := w.begin(ctx, b, events, false)
	if err != nil {
		return nil, err
	}
	readings := make([]velocity.Reading, len(events))
	for i := range events {
		readings[i] = s.observe(i)
	}
	return readings, s.End(ctx)
}

// Settle states what became of observed events, anew each time. Unknown ids are passed over.
func (w *Windows) Settle(ctx context.Context, settlements []velocity.Settlement) error {
	return w.change(ctx, w.mirror.OpenSettle(settlements), len(settlements))
}

// Label states what became known of observed events, in place of what was said before. Unknown ids are passed over.
func (w *Windows) Label(ctx context.Context, labels []velocity.Label) error {
	return w.change(ctx, w.mirror.OpenLabel(labels), len(labels))
}

// Retract forgets observed events, so that their ids may come again. Unknown ids are passed over.
func (w *Windows) Retract(ctx context.Context, events []velocity.Event) error {
	return w.change(ctx, w.mirror.OpenRetract(events), len(events))
}

// Restore counts events from the store with all that has become of them, without reading; of those that are known it
// states anew what has become. It is fastest with some thousand events at a time.
func (w *Windows) Restore(ctx context.Context, history []velocity.Remembered) error {
	b, err := w.mirror.OpenRestore(history)
	if err != nil {
		return err
	}
	defer b.Close()
	return w.call(ctx, restoreTimeout, func(ctx context.Context, c client) error {
		x := w.scratch.Get().(*exchange)
		defer w.scratch.Put(x)
		missing, err := w.push(ctx, c, b, x, nil)
		if err == nil && len(missing) > 0 {
			err = w.make(ctx, c, b, x, missing)
		}
		return err
	})
}

// restoreTimeout bounds one call of Restore, which may have to make thousands of logs.
const restoreTimeout = 10 * time.Second

// change appends to the logs that there are.
func (w *Windows) change(ctx context.Context, b *velocity.Batch, n int) error {
	defer b.Close()
	return w.call(ctx, w.timeout(n), func(ctx context.Context, c client) error {
		x := w.scratch.Get().(*exchange)
		defer w.scratch.Put(x)
		_, err := w.push(ctx, c, b, x, nil)
		return err
	})
}

func (w *Windows) timeout(n int) time.Duration {
	if n > 1 {
		return w.o.BatchTimeout
	}
	return w.o.Timeout
}

// Stats is how things are in this process.
type Stats struct {
	Mirror    velocity.MirrorStats
	Open      bool  // the breaker lets nothing through for now
	Calls     int64 // of all methods that ask the server
	Failures  int64 // of those
	Fetched   int64 // bytes of logs that were read
	Appended  int64 // bytes of logs that were written
	Vanished  int64 // logs that were gone, or shorter than they had been, before their time
	Snapshots int64 // logs that were replaced by their snapshot
}

// Stats counts what there is to count.
func (w *Windows) Stats() Stats {
	return Stats{Mirror: w.mirror.Stats(), Open: w.breaker.open(), Calls: w.calls.Load(), Failures: w.failures.Load(),
		Fetched: w.fetched.Load(), Appended: w.appended.Load(), Vanished: w.vanished.Load(), Snapshots: w.compact.done.Load()}
}
