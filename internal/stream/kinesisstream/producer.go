package kinesisstream

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/stream"
)

const (
	requestRecords = 500
	requestBytes   = 5 << 20 // data and partition keys; newer streams take 10 MiB
)

// producer sends the entries of all calls. Entries wait in lanes, one for each key; a lane has at most one Kinesis record
// under way, which holds the entries at its head.
type producer struct {
	options *Options
	wake    chan struct{} // a lane is ready
	full    chan struct{} // there is enough for a whole request
	slots   chan struct{} // one for each request under way
	stop    chan struct{}
	stopped chan struct{}

	mu       sync.Mutex
	lanes    map[laneKey]*lane
	ready    []*lane // with entries, none of them under way or resting; in the order in which they became so
	buffered int     // bytes of calls that have not ended
	waiting  int     // bytes of entries that are not under way
	calls    sync.WaitGroup
	closed   bool
	fault    *failure // of the latest request, if none of its records was taken
	faultAt  time.Time
}

// laneKey names a lane. A key that is kept inside the record has a hash for its name.
type laneKey struct {
	name   string
	inside bool
}

type lane struct {
	key    laneKey
	items  []item
	flying int // entries at the head that are under way
	tries  int // of the entries at the head that failed
}

// item is one entry.
type item struct {
	call *call
	key  []byte
	data []byte
}

func newProducer(o *Options) *producer {
	p := &producer{
		options: o, lanes: make(map[laneKey]*lane),
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1), slots: make(chan struct{}, o.Requests),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go p.run()
	return p
}

// signal makes sure that a receive from ch succeeds.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// admit takes a call in, if there is room for it.
func (p *producer) admit(c *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return stream.ErrClosed
	}
	if p.buffered > 0 && p.buffered+c.bytes > p.options.MaxBuffered {
		return fmt.Errorf("append: %d of %d bytes wait for Kinesis: %w", p.buffered, p.options.MaxBuffered, stream.ErrFull)
	}
	p.calls.Add(1)
	p.buffered += c.bytes
	p.waiting += c.bytes
	for i := range c.entries {
		l, ok := p.lanes[c.keys[i]]
		if !ok {
			l = &lane{key: c.keys[i]}
			p.lanes[l.key] = l
			p.ready = append(p.ready, l)
		}
		l.items = append(l.items, item{call: c, key: c.entries[i].Key, data: c.entries[i].Data})
	}
	p.rouse()
	return nil
}

// rouse tells the loop what there is to do. The caller holds mu.
func (p *producer) rouse() {
	if len(p.ready) == 0 {
		return
	}
	if len(p.ready) >= requestRecords || p.waiting >= requestBytes {
		signal(p.full)
	}
	signal(p.wake)
}

// abandon ends a call before its entries are acknowledged: those that are not under way are dropped. A nil err means that
// its patience ended.
func (p *producer) abandon(c *call, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.ended {
		return // it came to its end in the meantime
	}
	if err == nil {
		err = c.tired(p.options.Patience)
	}
	p.drop(c, err)
}

// drop ends a call and takes its entries out of their lanes, but for those that are under way. The caller holds mu.
func (p *producer) drop(c *call, err error) {
	p.finish(c, err)
	purged := make(map[laneKey]bool)
	for _, key := range c.keys {
		if l := p.lanes[key]; l != nil && !purged[key] {
			p.purge(l)
			purged[key] = true
		}
	}
}

// purge drops what nobody waits for any more behind the entries that are under way. The caller holds mu.
func (p *producer) purge(l *lane) {
	kept := l.items[:l.flying]
	for _, it := range l.items[l.flying:] {
		if it.call.ended {
			p.waiting -= len(it.key) + len(it.data)
			continue
		}
		kept = append(kept, it)
	}
	clear(l.items[len(kept):])
	l.items = kept
}

// finish ends a call whose entries are in no lane any more, or soon will not be. The caller holds mu.
func (p *producer) finish(c *call, err error) {
	c.ended, c.err = true, err
	p.buffered -= c.bytes
	p.calls.Done()
	close(c.done)
}

// run makes a request whenever there is something to send and a slot for it.
func (p *producer) run() {
	defer close(p.stopped)
	for {
		select {
		case <-p.wake:
		case <-p.stop:
			return
		}
		p.slots <- struct{}{} // while all are taken, entries gather
		p.linger()
		r := p.gather()
		if len(r.lanes) == 0 {
			<-p.slots
			continue
		}
		go func() {
			defer func() { <-p.slots }()
			p.send(r)
		}()
	}
}

// linger waits until a request is full, but not for long.
func (p *producer) linger() {
	timer := time.NewTimer(p.options.Linger)
	defer timer.Stop()
	select {
	case <-p.full:
	case <-timer.C:
	}
}

// request is one PutRecords call: its records are those of the lanes, in turn.
type request struct {
	lanes   []*lane
	records []types.PutRecordsRequestEntry
	bytes   int
}

// gather takes one record from each ready lane, as many as fit in a request.
func (p *producer) gather() *request {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &request{}
	taken := 0
	for _, l := range p.ready {
		n, size := l.head()
		if n > 0 && (len(r.lanes) == requestRecords || r.bytes+size > requestBytes) {
			break
		}
		taken++
		if n == 0 { // its callers have gone
			delete(p.lanes, l.key)
			continue
		}
		l.flying = n
		r.lanes = append(r.lanes, l)
		r.bytes += size
	}
	select {
	case <-p.full: // it may not be so any more
	default:
	}
	clear(p.ready[:taken])
	p.ready = p.ready[taken:]
	p.pack(r)
	p.rouse() // for the rest
	return r
}

// head is how many of a lane's entries go into its next record, and the most that this record takes of a request.
func (l *lane) head() (n, size int) {
	for n < len(l.items) && n < packCount {
		more := len(l.items[n].data) + overhead
		if n == 0 {
			more += len(l.key.name) + len(l.items[0].key)
		} else if size+more > packBytes {
			break
		}
		size += more
		n++
	}
	return n, size
}

// pack writes the records of a request, one behind the other in one piece of memory.
func (p *producer) pack(r *request) {
	buffer := make([]byte, 0, r.bytes)
	r.records = make([]types.PutRecordsRequestEntry, len(r.lanes))
	for i, l := range r.lanes {
		start := len(buffer)
		items := l.items[:l.flying]
		buffer = pack(buffer, items[0].key, l.key.inside, items)
		r.records[i] = types.PutRecordsRequestEntry{PartitionKey: &l.key.name, Data: buffer[start:len(buffer):len(buffer)]}
		for _, it := range items {
			p.waiting -= len(it.key) + len(it.data)
		}
	}
}

// send carries out a request and settles what became of its records.
func (p *producer) send(r *request) {
	ctx, cancel := context.WithTimeout(context.Background(), p.options.Timeout)
	defer cancel()
	out, err := p.options.Client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &p.options.Name, Records: r.records})
	doing := "put records to stream " + p.options.Name
	failures := make([]*failure, len(r.lanes))
	var all *failure // the same for all records
	switch {
	case err != nil:
		all = explain(doing, err)
	case len(out.Records) != len(r.lanes):
		all = &failure{doing, noAnswer, fmt.Errorf("%w: %d results for %d records", stream.ErrUnavailable, len(out.Records), len(r.lanes))}
	default:
		for i := range out.Records {
			if code := aws.ToString(out.Records[i].ErrorCode); code != "" {
				failures[i] = refusal(doing, code)
			}
		}
	}
	if all != nil {
		p.options.Log.Warn("stream append failed", slog.Any("error", all))
		for i := range failures {
			failures[i] = all
		}
	}
	p.settle(r, failures)
}
