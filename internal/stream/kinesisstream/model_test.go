package kinesisstream_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
)

// TestModel compares a stream under any mix of appends, failures, reads, reshards, expired iterators and restarts with a
// list per key.
func TestModel(t *testing.T) {
	base := newCloud(t, 1)
	streams := 0
	rapid.Check(t, func(r *rapid.T) {
		streams++
		c := *base
		c.name = fmt.Sprintf("model-%d", streams)
		c.create(t, rapid.IntRange(1, 3).Draw(r, "shards"))
		m := &machine{t: t, c: &c, appended: make(map[string][]string), got: make(map[string][]string), after: make(map[stream.Partition]stream.Position)}
		m.restart(r)
		r.Repeat(map[string]func(*rapid.T){
			"append": m.append, "append more": m.append, "read": m.read, "read more": m.read,
			"split": m.split, "merge": m.merge, "expire": func(*rapid.T) { c.server.ExpireIterators() }, "restart": m.restart,
		})
		c.server.Fail(kinesistest.Faults{})
		for m.step(1000) {
		}
		for key, want := range m.appended {
			if got := firsts(m.got[key]); !slices.Equal(got, want) {
				r.Fatalf("key %q: read %q, appended %q", key, got, want)
			}
		}
		if err := m.log.Close(); err != nil {
			r.Fatal(err)
		}
	})
}

// machine is a producer and a supervisor that does one step at a time, with its checkpoints.
type machine struct {
	t        *testing.T
	c        *cloud
	log      *kinesisstream.Log
	serial   int
	appended map[string][]string
	got      map[string][]string
	after    map[stream.Partition]stream.Position
}

// restart goes on from the checkpoints with a new log that reads ahead by another number.
func (m *machine) restart(r *rapid.T) {
	if m.log != nil {
		if err := m.log.Close(); err != nil {
			r.Fatal(err)
		}
	}
	o := m.c.options()
	o.ShardsFor = time.Hour // children are found out when their parents end
	o.Backoff, o.Linger = 10*time.Microsecond, 10*time.Microsecond
	o.Fetch = rapid.IntRange(2, 9).Draw(r, "fetch")
	m.log = m.c.open(m.t, o)
}

func (m *machine) append(r *rapid.T) {
	bad := int64(rapid.IntRange(0, 3).Draw(r, "failures in four"))
	var n atomic.Int64
	m.c.server.Fail(kinesistest.Faults{
		Record: func(string) string {
			if n.Add(1)%4 < bad {
				return kinesistest.Throttled
			}
			return ""
		},
		Lost: func(string) bool { return n.Load()%7 == 0 },
	})
	var entries []stream.Entry
	for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "c", "\xff\x00", string(make([]byte, 300))}), 0, 12).Draw(r, "keys") {
		m.serial++
		entries = append(entries, stream.Entry{Key: []byte(key), Data: fmt.Appendf(nil, "%d", m.serial)})
		m.appended[key] = append(m.appended[key], fmt.Sprint(m.serial))
	}
	if err := m.log.Append(m.t.Context(), entries); err != nil {
		r.Fatal(err)
	}
}

func (m *machine) read(r *rapid.T) {
	empty := rapid.IntRange(1, 4).Draw(r, "answers for one that is not empty")
	var n atomic.Int64
	m.c.server.Fail(kinesistest.Faults{Empty: func() bool { return n.Add(1)%int64(empty) != 0 }})
	m.step(rapid.IntRange(1, 6).Draw(r, "records"))
}

// step reads each shard that may be read once, and tells whether there was anything.
func (m *machine) step(limit int) (more bool) {
	names, err := m.log.Partitions(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	parents, err := m.log.Parents(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, p := range names {
		if m.after[p] == stream.Ended || slices.ContainsFunc(parents[p], func(parent stream.Partition) bool { return m.after[parent] != stream.Ended }) {
			continue
		}
		records, err := m.log.Read(m.t.Context(), p, m.after[p], limit)
		if errors.Is(err, stream.ErrEnded) {
			m.after[p], more = stream.Ended, true
			continue
		}
		if err != nil {
			m.t.Fatal(err)
		}
		for _, rec := range records {
			m.got[string(rec.Key)] = append(m.got[string(rec.Key)], string(rec.Data))
			m.after[p], more = rec.Position, true
		}
	}
	return more
}

func (m *machine) split(r *rapid.T) {
	if open := m.c.openShards(m.t); len(open) < 5 {
		m.c.split(m.t, open[rapid.IntRange(0, len(open)-1).Draw(r, "shard")])
	}
}

func (m *machine) merge(r *rapid.T) {
	if open := m.c.openShards(m.t); len(open) > 1 {
		n := rapid.IntRange(0, len(open)-2).Draw(r, "shard")
		m.c.merge(m.t, open[n], open[n+1])
	}
}
