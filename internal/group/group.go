// Package group gathers the requests of concurrent callers, so that one transaction
// and one fsync serve many. While one group is being written the next gathers:
// nobody waits for company, and under load groups grow by themselves.
//
// A request's fate is never in doubt: either the writer saw it, and its caller waits
// for the end, or it did not, and the caller is told so.
package group

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrClosed is returned for a request to a closed group, which was not run.
var ErrClosed = errors.New("group closed")

// Group is a queue of requests with the goroutine that runs them. Make one with [New], end it with Close.
type Group[T any] struct {
	requests chan *request[T]
	run      func([]T)
	cost     func(T) int
	maxCost  int

	stopping chan struct{}
	stop     sync.Once
	stopped  chan struct{}
}

type request[T any] struct {
	value T
	taken atomic.Bool // set by whoever decides its fate: the writer, or a caller who gives up
	done  chan struct{}
}

// New starts the goroutine that calls run, which owns the requests' results: a T is usually a pointer with fields
// for them. At most depth requests wait, further callers block. A group ends when the cost of its requests reaches
// maxCost; a single request may exceed it.
func New[T any](depth, maxCost int, cost func(T) int, run func([]T)) *Group[T] {
	g := &Group[T]{
		requests: make(chan *request[T], depth),
		run:      run,
		cost:     cost,
		maxCost:  maxCost,
		stopping: make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	go g.loop()
	return g
}

// Do hands value to run and returns when run has returned. An error means that run never saw value: ctx was done first,
// or the group is closed ([ErrClosed]). Once run has it, Do waits for the end, whatever ctx says: a caller that left
// then would not know the outcome.
func (g *Group[T]) Do(ctx context.Context, value T) error {
	r := &request[T]{value: value, done: make(chan struct{})}
	select {
	case <-g.stopping:
		return ErrClosed
	default:
	}
	select {
	case g.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.stopping:
		return ErrClosed
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-r.done
		return nil
	case <-g.stopped:
		if r.taken.CompareAndSwap(false, true) {
			return ErrClosed
		}
		<-r.done
		return nil
	}
}

// Close refuses new requests, finishes those that were taken in, and returns when the goroutine has ended.
func (g *Group[T]) Close() {
	g.stop.Do(func() { close(g.stopping) })
	<-g.stopped
}

func (g *Group[T]) loop() {
	defer close(g.stopped)
	for {
		select {
		case r := <-g.requests:
			g.gather(r)
		case <-g.stopping:
			for {
				select {
				case r := <-g.requests:
					g.gather(r)
				default:
					return
				}
			}
		}
	}
}

// gather runs first together with what is waiting behind it.
func (g *Group[T]) gather(first *request[T]) {
	var batch []*request[T]
	var values []T
	total := 0
	take := func(r *request[T]) {
		if r.taken.CompareAndSwap(false, true) {
			batch, values = append(batch, r), append(values, r.value)
			total += g.cost(r.value)
		}
	}
	take(first)
	for waiting := true; waiting && total < g.maxCost; {
		select {
		case r := <-g.requests:
			take(r)
		default:
			waiting = false
		}
	}
	if len(batch) == 0 {
		return
	}
	g.run(values)
	for _, r := range batch {
		close(r.done)
	}
}
