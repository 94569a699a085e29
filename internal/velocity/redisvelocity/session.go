package redisvelocity

import (
	"context"
	"errors"

	"github.com/fastshop/pipeline/internal/velocity"
)

// ErrSession is returned for an event that is not of the session, or not in its order.
var ErrSession = errors.New("redisvelocity: event is not the session's next")

// Session are the windows of one batch: its events have been counted, and are now judged one after the other, without
// waiting for the server. It is used by one goroutine, and End must be called once.
type Session struct {
	w          *Windows
	batch      *velocity.Batch
	events     []velocity.Event
	next       int
	incomplete bool // something is known to be missing
	settled    bool
}

// Begin counts events, which should have different ids, and returns the windows that they are judged with.
func (w *Windows) Begin(ctx context.Context, events []velocity.Event) (*Session, error) {
	b, err := w.mirror.Open(events)
	if err != nil {
		return nil, err
	}
	return w.begin(ctx, b, events, true)
}

func (w *Windows) begin(ctx context.Context, b *velocity.Batch, events []velocity.Event, count bool) (*Session, error) {
	err := w.call(ctx, w.timeout(len(events)), func(ctx context.Context, c client) error {
		w.marks.due(ctx, w, c)
		x := w.scratch.Get().(*exchange)
		defer w.scratch.Put(x)
		return w.exchange(ctx, c, b, x, count)
	})
	if err != nil {
		b.Close()
		return nil, err
	}
	return &Session{w: w, batch: b, events: events, incomplete: w.marks.incomplete()}, nil
}

func (s *Session) observe(i int) velocity.Reading {
	r := s.batch.Observe(i)
	r.Incomplete = r.Incomplete || s.incomplete
	return r
}

// Observe reads events as of their own time. They are the session's next ones, in its order; some may be left out.
func (s *Session) Observe(_ context.Context, events []velocity.Event) ([]velocity.Reading, error) {
	readings := make([]velocity.Reading, len(events))
	for i := range events {
		for s.next < len(s.events) && s.events[s.next].ID != events[i].ID {
			s.observe(s.next) // counted, but not asked for
			s.next++
		}
		if s.next == len(s.events) {
			return nil, ErrSession
		}
		readings[i] = s.observe(s.next)
		s.next++
	}
	return readings, nil
}

// Settle states what became of events that were observed in this session: at once for those that follow in it, and for
// everybody else with End.
func (s *Session) Settle(_ context.Context, settlements []velocity.Settlement) error {
	for i := range settlements {
		if !s.batch.Settle(&settlements[i]) {
			return ErrSession
		}
		s.settled = true
	}
	return nil
}

// End sends what was settled. After an error what was decided stands, but others may not know how it was settled.
func (s *Session) End(ctx context.Context) error {
	defer s.batch.Close()
	s.batch.Advance()
	s.w.compact.offer(s.w, s.batch)
	if !s.settled {
		return nil
	}
	err := s.w.call(ctx, s.w.timeout(len(s.events)), func(ctx context.Context, c client) error {
		x := s.w.scratch.Get().(*exchange)
		defer s.w.scratch.Put(x)
		_, err := s.w.push(ctx, c, s.batch, x, laterOf)
		return err
	})
	if err != nil {
		for i := range s.batch.Len() {
			if share := s.batch.Share(i); len(share.Later) > 0 {
				s.batch.Forget(share) // it may have what the log has not
			}
		}
	}
	return err
}

func laterOf(s *velocity.Share) []byte { return s.Later }
