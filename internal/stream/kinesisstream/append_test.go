package kinesisstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
)

// TestOrderHoldsWhenMuchFails has many callers append under failures of all kinds: three records in ten are turned away,
// one in ten is stored without saying so, one call in ten fails, and calls overtake one another.
func TestOrderHoldsWhenMuchFails(t *testing.T) {
	c := newCloud(t, 3)
	d := newDice(7)
	c.server.Fail(kinesistest.Faults{
		Record: func(string) string {
			switch {
			case d.chance(0.2):
				return kinesistest.Throttled
			case d.chance(0.1 / 0.8):
				return kinesistest.InternalFailure
			}
			return ""
		},
		Lost: func(string) bool { return d.chance(0.1) },
		Call: func(operation string) string {
			if operation == "PutRecords" && d.chance(0.1) {
				return kinesistest.InternalFailure
			}
			return ""
		},
		Delay: func(string) time.Duration { return time.Duration(d.float() * float64(4*time.Millisecond)) },
	})
	o := c.options()
	var retried atomic.Int64
	o.Retried = func(string) { retried.Add(1) }
	l := c.open(t, o)
	const callers, appends, each = 24, 12, 4
	var group sync.WaitGroup
	for w := range callers {
		group.Go(func() {
			mine, shared := fmt.Sprintf("caller-%d", w), fmt.Sprintf("both-%d", w)
			for n := range appends {
				var entries []stream.Entry
				for i := range each {
					entries = append(entries, entry(mine, n*each+i), entry(shared, n*each+i))
				}
				if err := l.Append(t.Context(), entries); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	group.Wait()
	c.server.Fail(kinesistest.Faults{})
	got := follow(t, l, callers*appends*each*2)
	for key, list := range got {
		ordered(t, key, list, appends*each)
	}
	if n := retried.Load(); n < 100 {
		t.Errorf("only %d retries: the failures did not happen", n)
	}
}

func TestEntriesOfAKeyShareARecord(t *testing.T) {
	c := newCloud(t, 1)
	var records atomic.Int64
	c.server.Fail(kinesistest.Faults{Record: func(string) string { records.Add(1); return "" }})
	l := c.open(t, c.options())
	var entries []stream.Entry
	for n := range 1200 {
		entries = append(entries, entry("k", n))
	}
	appendAll(t, l, entries...)
	if n := records.Load(); n != 3 {
		t.Errorf("1200 entries of a key went in %d records, want 3", n)
	}
	large := stream.Entry{Key: []byte("k"), Data: make([]byte, stream.MaxData)}
	appendAll(t, l, large, large, entry("k", 0))
	if n := records.Load(); n != 6 {
		t.Errorf("two large entries and a small one made it %d records, want 6", n)
	}
	if got := readAll(t, l, only(t, l), ""); len(got) != 1203 || string(got[1199].Data) != "k/1199" || len(got[1200].Data) != stream.MaxData {
		t.Errorf("%d records", len(got))
	}
}

func TestAFullRequestStaysInBounds(t *testing.T) {
	c := newCloud(t, 1) // which refuses a call over 500 records or 5 MiB
	l := c.open(t, c.options())
	var entries []stream.Entry
	for n := range 60 {
		e := entry(fmt.Sprintf("large-%d", n), n)
		e.Data = make([]byte, stream.MaxData)
		entries = append(entries, e)
	}
	for n := range 2100 {
		entries = append(entries, entry(fmt.Sprintf("small-%d", n), n))
	}
	appendAll(t, l, entries...)
	if n := c.server.Calls("PutRecords"); n < 8 || n > 12 {
		t.Errorf("%d calls for 15 MiB and 2160 keys, want 8 or a few more", n)
	}
	if n := len(readAll(t, l, only(t, l), "")); n != 2160 {
		t.Errorf("%d records", n)
	}
}

func TestTooLargeSendsNothing(t *testing.T) {
	c := newCloud(t, 1)
	l := c.open(t, c.options())
	for _, bad := range []stream.Entry{
		{Key: []byte("k"), Data: make([]byte, stream.MaxData+1)},
		{Key: make([]byte, 1025)},
	} {
		if err := l.Append(t.Context(), []stream.Entry{entry("k", 0), bad}); !errors.Is(err, stream.ErrTooLarge) {
			t.Errorf("%v, want ErrTooLarge", err)
		}
	}
	appendAll(t, l, stream.Entry{Key: make([]byte, 1024), Data: []byte("long key")})
	if got := readAll(t, l, only(t, l), ""); len(got) != 1 || len(got[0].Key) != 1024 {
		t.Errorf("%d records, want the one with the longest key", len(got))
	}
}

// TestAppendGivesUp tells what a caller hears when it takes too long, and that the log works when the trouble is over.
func TestAppendGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		faults  kinesistest.Faults
		timeout time.Duration
		want    error
		not     error
	}{
		"throttled": {kinesistest.Faults{Record: func(string) string { return kinesistest.Throttled }}, time.Minute, stream.ErrFull, stream.ErrUnavailable},
		"failing":   {kinesistest.Faults{Record: func(string) string { return kinesistest.InternalFailure }}, time.Minute, stream.ErrUnavailable, stream.ErrFull},
		"no answer": {kinesistest.Faults{Delay: func(string) time.Duration { return time.Minute }}, 200 * time.Millisecond, stream.ErrUnavailable, stream.ErrFull},
		"refused":   {kinesistest.Faults{Call: func(string) string { return "KMSDisabledException" }}, time.Minute, stream.ErrUnavailable, stream.ErrFull},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, 1)
			o := cloud.options()
			o.Patience, o.Timeout = time.Second, c.timeout
			l := cloud.open(t, o)
			cloud.server.Fail(c.faults)
			err := l.Append(t.Context(), []stream.Entry{entry("secret-token", 0)})
			if !errors.Is(err, c.want) || errors.Is(err, c.not) || strings.Contains(err.Error(), "secret-token") {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err := l.Ready(t.Context()); err == nil {
				t.Error("ready, though nothing is taken")
			}
			cloud.server.Fail(kinesistest.Faults{})
			appendAll(t, l, entry("secret-token", 1))
			if err := l.Ready(t.Context()); err != nil {
				t.Errorf("not ready after an append: %v", err)
			}
			calm := cloud.open(t, cloud.options())
			if got := texts(readAll(t, calm, only(t, calm), "")); !slices.Contains(got, "secret-token/1") {
				t.Errorf("read %v", got)
			}
		})
	}
}

// TestALastingRefusalIsToldAtOnce: nobody waits ten seconds to hear that the stream is gone.
func TestALastingRefusalIsToldAtOnce(t *testing.T) {
	for _, code := range []string{"ResourceNotFoundException", "AccessDeniedException"} {
		c := newCloud(t, 1)
		o := c.options()
		o.Requests = 1
		l := c.open(t, o)
		c.server.Fail(kinesistest.Faults{Call: func(string) string { return code }})
		before := c.server.Calls("PutRecords")
		var entries []stream.Entry // more than one request takes
		for n := range 1200 {
			entries = append(entries, entry(fmt.Sprintf("k-%d", n), n))
		}
		err := l.Append(t.Context(), entries)
		if err == nil || errors.Is(err, stream.ErrUnavailable) || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%v, want %s of stream %s, without hope", err, code, c.name)
		}
		if n := c.server.Calls("PutRecords") - before; n != 1 {
			t.Errorf("%d calls", n)
		}
		c.server.Fail(kinesistest.Faults{})
		appendAll(t, l, entry("k-1199", 0))
		if got := texts(readAll(t, l, only(t, l), "")); !slices.Equal(got, []string{"k-1199/0"}) {
			t.Errorf("read %d records: what was refused was sent later", len(got))
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := newCloud(t, 1)
	o := c.options()
	o.MaxBuffered, o.Requests = 100<<10, 1
	l := c.open(t, o)
	hold := make(chan struct{})
	c.server.Fail(kinesistest.Faults{Call: func(string) string { <-hold; return "" }})
	first := make(chan error)
	large := stream.Entry{Key: []byte("k"), Data: make([]byte, 150<<10)}
	go func() { first <- l.Append(t.Context(), []stream.Entry{large}) }() // larger than all there is, but alone
	for c.server.Calls("PutRecords") == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := l.Append(t.Context(), []stream.Entry{entry("l", 0)}); !errors.Is(err, stream.ErrFull) {
		t.Errorf("append when the room is taken: %v, want ErrFull", err)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
	appendAll(t, l, entry("l", 1))
}

func TestACanceledAppendIsDropped(t *testing.T) {
	c := newCloud(t, 1)
	l := c.open(t, c.options())
	var hold atomic.Bool
	hold.Store(true)
	c.server.Fail(kinesistest.Faults{Record: func(string) string {
		if hold.Load() {
			return kinesistest.Throttled
		}
		return ""
	}})
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 2)
	go func() { results <- l.Append(ctx, []stream.Entry{entry("k", 0), entry("k", 1)}) }()
	for c.server.Calls("PutRecords") == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() { results <- l.Append(t.Context(), []stream.Entry{entry("k", 2)}) }()
	time.Sleep(5 * time.Millisecond)
	cancel()
	if err := <-results; !errors.Is(err, context.Canceled) || !errors.Is(err, stream.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable and the context's error", err)
	}
	time.Sleep(5 * time.Millisecond) // until what was under way has come back
	hold.Store(false)
	if err := <-results; err != nil {
		t.Error(err)
	}
	if got := texts(readAll(t, l, only(t, l), "")); !slices.Contains(got, "k/2") || got[len(got)-1] != "k/2" {
		t.Errorf("read %v, want k/2 last", got)
	}
	if err := l.Append(ctx, []stream.Entry{entry("k", 3)}); !errors.Is(err, context.Canceled) {
		t.Errorf("append with an ended context: %v", err)
	}
}

// TestCloseFinishesAppends: what was taken in is acknowledged or refused, not forgotten.
func TestCloseFinishesAppends(t *testing.T) {
	c := newCloud(t, 2)
	d := newDice(11)
	l := c.open(t, c.options())
	c.server.Fail(kinesistest.Faults{
		Record: func(string) string {
			if d.chance(0.5) {
				return kinesistest.Throttled
			}
			return ""
		},
		Delay: func(string) time.Duration { return 3 * time.Millisecond },
	})
	const calls = 40
	results := make([]error, calls)
	var group sync.WaitGroup
	for n := range calls {
		group.Go(func() { results[n] = l.Append(t.Context(), []stream.Entry{entry(fmt.Sprintf("k-%d", n), 0)}) })
	}
	for c.server.Calls("PutRecords") == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	taken := 0
	for n, err := range results {
		if err == nil {
			taken++
		} else if !errors.Is(err, stream.ErrClosed) {
			t.Errorf("append %d: %v", n, err)
		}
	}
	c.server.Fail(kinesistest.Faults{})
	if got := follow(t, c.open(t, c.options()), taken); len(got) != taken || taken == 0 {
		t.Errorf("%d appends were acknowledged, %d are there", taken, len(got))
	}
	if err := l.Ready(t.Context()); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("ready: %v, want ErrClosed", err)
	}
}
