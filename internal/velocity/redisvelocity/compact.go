package redisvelocity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/redis/rueidis"
)

const (
	compactQueue = 256                  // logs that wait for their snapshot at most
	compactPause = 5 * time.Millisecond // between two of them
	compactLarge = 4 << 20              // bytes of a log whose snapshot's memory is not kept
)

// compaction replaces logs by their snapshots, one at a time, while nobody waits for it.
type compaction struct {
	mu        sync.Mutex
	waiting   []grown
	running   bool
	compactor *velocity.Compactor // of who is running
	fresh     func() *velocity.Compactor
	done      atomic.Int64
}

// grown is a log that is due.
type grown struct {
	kind  payment.Kind
	token payment.Token
}

func (k *compaction) init(m *velocity.Mirror) {
	k.fresh = m.NewCompactor
	k.compactor = m.NewCompactor()
}

// offer takes note of the logs of a batch that have grown.
func (k *compaction) offer(w *Windows, b *velocity.Batch) {
	for i := range b.Len() {
		if s := b.Share(i); s.Grown {
			k.add(w, grown{s.Kind, s.Token})
		}
	}
}

func (k *compaction) add(w *Windows, g grown) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, other := range k.waiting {
		if other == g {
			return
		}
	}
	if len(k.waiting) == compactQueue || w.closing.Err() != nil {
		return
	}
	k.waiting = append(k.waiting, g)
	if !k.running {
		k.running = true
		w.background.Go(func() { k.run(w) })
	}
}

// run works until nothing waits.
func (k *compaction) run(w *Windows) {
	for {
		k.mu.Lock()
		if len(k.waiting) == 0 || w.closing.Err() != nil {
			k.running = false
			k.mu.Unlock()
			return
		}
		g := k.waiting[0]
		k.mu.Unlock()
		if err := w.snapshot(w.closing, g); err != nil && w.closing.Err() == nil {
			w.o.Log.Debug("log not replaced by its snapshot", slog.Any("error", err))
		}
		k.mu.Lock()
		k.waiting = k.waiting[1:]
		k.mu.Unlock()
		select {
		case <-time.After(compactPause):
		case <-w.closing.Done():
		}
	}
}

var errMoved = errors.New("log was replaced meanwhile")

// snapshot replaces what a log said until a moment ago by a snapshot of it. What others append meanwhile stays behind it.
func (w *Windows) snapshot(ctx context.Context, g grown) error {
	key := string(w.names.append(nil, g.kind, &g.token))
	old, text, log, err := w.readLog(ctx, key)
	if err != nil {
		return err
	}
	size := 0
	for _, block := range log {
		size += len(block)
	}
	blocks, err := w.compact.compactor.Snapshot(g.kind, log)
	if size > compactLarge {
		w.compact.compactor = w.compact.fresh()
	}
	if err != nil {
		return err
	}
	base := 0
	for _, block := range blocks {
		base += len(block)
	}
	h, err := newHead(w.o.Random, uint32(base))
	if err != nil {
		return err
	}
	last := text
	if len(log) > 0 {
		last = log[len(log)-1]
	}
	args := []string{text, strconv.Itoa(len(log) + 1), last, w.millis(g.kind), h.String()}
	for _, block := range blocks {
		args = append(args, rueidis.BinaryString(block))
	}
	w.mirror.Replace(g.kind, g.token)
	defer w.mirror.Stay()
	return w.call(ctx, restoreTimeout, func(ctx context.Context, c client) error {
		n, err := w.scripts.replace.run(ctx, c, key, args...).AsInt64()
		if err == nil && n == 1 {
			w.compact.done.Add(1)
			w.mirror.Follow(g.kind, g.token, old.generation, uint32(len(log)+1), h.generation, uint32(len(blocks)+1), h.base)
		}
		return err
	})
}

// readLog reads all of a log, of one generation.
func (w *Windows) readLog(ctx context.Context, key string) (h head, text string, log []string, err error) {
	for n := int64(math.MaxInt64); int64(len(log)) < n; {
		var part []string
		var now string
		err = w.call(ctx, w.o.BatchTimeout, func(ctx context.Context, c client) error {
			from := int64(len(log))
			results := c.DoMulti(ctx, c.B().Lrange().Key(key).Start(from).Stop(from+fetchBlocks-1).Build(),
				c.B().Llen().Key(key).Build(), c.B().Lindex().Key(key).Index(0).Build())
			if err := failure(results); err != nil {
				return err
			}
			if part, err = results[0].AsStrSlice(); err == nil {
				n, err = results[1].AsInt64()
			}
			if err == nil {
				now, err = readHead(results[2])
			}
			return err
		})
		if err != nil {
			return h, "", nil, fmt.Errorf("read log: %w", err)
		}
		log = append(log, part...)
		if len(part) == 0 || now != log[0] {
			return h, "", nil, errMoved
		}
	}
	text, log = log[0], log[1:]
	h, ok := parseHead(text)
	if !ok {
		return h, "", nil, velocity.ErrLog
	}
	return h, text, log, nil
}
