package kmswrap

import (
	"bytes"
	"context"
	"sync"
)

// flights lets callers who ask the same at once share an answer. A caller never gets an answer to a question that was
// asked before it came: while one is under way, all who come wait for the next. So a key that has been disabled is noticed
// by every call that begins after it. The zero value is ready.
type flights struct {
	mu  sync.Mutex
	air map[string]*flight
}

// flight is one question. The fields are guarded by flights.mu; answer and err do not change once done is closed.
type flight struct {
	ask     func() ([]byte, error)
	done    chan struct{}
	answer  []byte
	err     error
	waiting int     // callers who will still take the answer
	next    *flight // for those who came while this one was under way
}

// do returns what ask returns, called for this caller or for one that came at the same time; ask runs without the end of
// anybody's context. Everybody gets a copy of the answer.
func (f *flights) do(ctx context.Context, name string, ask func(context.Context) ([]byte, error)) ([]byte, error) {
	mine := f.join(name, func() ([]byte, error) { return ask(context.WithoutCancel(ctx)) })
	select {
	case <-mine.done:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var answer []byte
	err := ctx.Err()
	select {
	case <-mine.done:
		answer, err = bytes.Clone(mine.answer), mine.err
	default:
	}
	if mine.waiting--; mine.waiting == 0 {
		clear(mine.answer)
	}
	return answer, err
}

// join returns a flight that has not begun, or begins one.
func (f *flights) join(name string, ask func() ([]byte, error)) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.air == nil {
		f.air = make(map[string]*flight)
	}
	fresh := &flight{ask: ask, done: make(chan struct{}), waiting: 1}
	current := f.air[name]
	switch {
	case current == nil:
		f.air[name] = fresh
		go f.run(name, fresh)
		return fresh
	case current.next == nil:
		current.next = fresh
		return fresh
	}
	current.next.waiting++
	return current.next
}

// run asks, and goes on with the next flight as long as somebody waits for one.
func (f *flights) run(name string, current *flight) {
	for current != nil {
		answer, err := current.ask()
		f.mu.Lock()
		current.answer, current.err = answer, err
		close(current.done)
		if current.waiting == 0 {
			clear(answer)
		}
		next := current.next
		if next != nil && next.waiting == 0 {
			next = nil // they all gave up
		}
		if next == nil {
			delete(f.air, name)
		} else {
			f.air[name] = next
		}
		f.mu.Unlock()
		current = next
	}
}
