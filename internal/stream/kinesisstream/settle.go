package kinesisstream

import (
	"time"
)

// settle ends what a request began: entries that were taken leave their lanes, the others wait there for another try.
func (p *producer) settle(r *request, failures []*failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge(failures)
	for i, l := range r.lanes {
		if failures[i] == nil {
			p.acknowledge(l)
		} else {
			p.reject(l, failures[i])
		}
	}
	p.rouse()
}

// judge remembers whether the stream takes anything. The caller holds mu.
func (p *producer) judge(failures []*failure) {
	for _, f := range failures {
		if f == nil {
			p.fault = nil
			return
		}
	}
	p.fault, p.faultAt = failures[0], p.options.Now()
}

// trouble is why the latest request failed as a whole, if that was after since.
func (p *producer) trouble(since time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != nil && p.faultAt.After(since) {
		return p.fault
	}
	return nil
}

// acknowledge lets go of the entries at a lane's head. The caller holds mu.
func (p *producer) acknowledge(l *lane) {
	for _, it := range l.items[:l.flying] {
		if it.call.ended {
			continue
		}
		if it.call.left--; it.call.left == 0 {
			p.finish(it.call, nil)
		}
	}
	clear(l.items[:l.flying])
	l.items = l.items[l.flying:]
	l.flying, l.tries = 0, 0
	p.release(l)
}

// reject makes a lane rest before its head is tried again, or fails the calls of the head if that would be in vain. The
// caller holds mu.
func (p *producer) reject(l *lane, f *failure) {
	p.options.Retried(f.code)
	for _, it := range l.items[:l.flying] {
		it.call.worst = f
		if f.lasting() && !it.call.ended {
			p.drop(it.call, f)
		}
		p.waiting += len(it.key) + len(it.data)
	}
	l.flying = 0
	p.purge(l)
	l.tries++
	time.AfterFunc(p.options.pause(l.tries), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.release(l)
		p.rouse()
	})
}

// release puts a lane in the line of those that are ready, or forgets it if it is empty. The caller holds mu.
func (p *producer) release(l *lane) {
	if len(l.items) == 0 {
		delete(p.lanes, l.key)
		return
	}
	p.ready = append(p.ready, l)
}

// close refuses new calls and returns when those that were taken in have ended.
func (p *producer) close() {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	p.calls.Wait()
	if first {
		close(p.stop)
	}
	<-p.stopped
}
