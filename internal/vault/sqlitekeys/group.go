package sqlitekeys

import (
	"context"
	"fmt"
	"sync"

	"github.com/fastshop/pipeline/internal/vault"
)

// group gathers Create calls that come while a commit is under way into the next one, so that they share its fsync.
type group struct {
	commit func([]*creation)

	mu      sync.Mutex
	waiting []*creation
	running bool
	closed  bool
	idle    sync.WaitGroup
}

// creation is one Create call. Whoever commits it sets records or err and then closes done.
type creation struct {
	offered []vault.Record
	records []vault.Record
	err     error
	done    chan struct{}
}

// do has the records committed together with those of other callers. A caller whose context ends does not wait for the
// commit, which may still happen.
func (g *group) do(ctx context.Context, offered []vault.Record) ([]vault.Record, error) {
	c := &creation{offered: offered, done: make(chan struct{})}
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil, fmt.Errorf("%w: key store closed", vault.ErrUnavailable)
	}
	g.waiting = append(g.waiting, c)
	if !g.running {
		g.running = true
		g.idle.Add(1)
		go g.run()
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.records, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run commits until nobody waits.
func (g *group) run() {
	defer g.idle.Done()
	for {
		g.mu.Lock()
		batch := g.waiting
		g.waiting = nil
		if len(batch) == 0 {
			g.running = false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		g.commit(batch)
		for _, c := range batch {
			close(c.done)
		}
	}
}

// close refuses new calls and waits for those under way.
func (g *group) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.idle.Wait()
}
