package kinesisstream_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
	"github.com/fastshop/pipeline/internal/testenv"
)

// TestOrderHoldsAcrossReshards splits and merges shards while producers write and while the reader is behind.
func TestOrderHoldsAcrossReshards(t *testing.T) {
	t.Run("own", func(t *testing.T) {
		c := newCloud(t, 2)
		d := newDice(13)
		c.server.Fail(kinesistest.Faults{
			Record: func(string) string {
				if d.chance(0.3) {
					return kinesistest.Throttled
				}
				return ""
			},
			Lost:  func(string) bool { return d.chance(0.05) },
			Delay: func(string) time.Duration { return time.Duration(d.float() * float64(3*time.Millisecond)) },
			Empty: func() bool { return d.chance(0.2) },
		})
		reshard(t, c, func(n int) {
			if n%3 == 0 {
				c.server.ExpireIterators()
			}
		})
	})
	t.Run("kinesalite", func(t *testing.T) {
		c := &cloud{client: kinesalite(t), name: "orders"}
		c.create(t, 2)
		reshard(t, c, func(int) {})
	})
}

func reshard(t *testing.T, c *cloud, disturb func(n int)) {
	l := c.open(t, c.options())
	const writers, records = 12, 120
	var group sync.WaitGroup
	var resharding atomic.Bool
	resharding.Store(true)
	var written atomic.Int64
	for w := range writers {
		group.Go(func() {
			key := fmt.Sprintf("customer-%d", w)
			for n := 0; n < records; n += 2 {
				if err := l.Append(t.Context(), []stream.Entry{entry(key, n), entry(key, n+1)}); err != nil {
					t.Errorf("append: %v", err)
				}
				written.Add(2)
				if resharding.Load() {
					time.Sleep(2 * time.Millisecond) // so that all of the reshards meet writers
				}
			}
		})
	}
	group.Go(func() {
		defer resharding.Store(false)
		for n := range 6 {
			before := written.Load()
			switch open := c.openShards(t); n % 3 {
			case 0, 1:
				c.split(t, open[n%len(open)])
			case 2:
				c.merge(t, open[1], open[2])
			}
			disturb(n)
			for written.Load() < before+40 && written.Load() < writers*records {
				time.Sleep(time.Millisecond)
			}
		}
	})
	got := follow(t, c.open(t, c.options()), writers*records) // beside the writers
	group.Wait()
	again := follow(t, c.open(t, c.options()), writers*records) // after them
	for w := range writers {
		key := fmt.Sprintf("customer-%d", w)
		ordered(t, key, got[key], records)
		ordered(t, key, again[key], records)
	}
	parents, err := l.Parents(t.Context())
	if err != nil || len(parents) != 2+4*2+2 {
		t.Errorf("%d shards, %v; want two, two for each split and one for each merge", len(parents), err)
	}
}

func TestLineage(t *testing.T) {
	c := newCloud(t, 2)
	c.split(t, c.openShards(t)[0])
	c.merge(t, c.openShards(t)[1], c.openShards(t)[2])
	c.server.Page(2) // of five
	l := c.open(t, c.options())
	names, err := l.Partitions(t.Context())
	want := []stream.Partition{"shardId-000000000000", "shardId-000000000001", "shardId-000000000002", "shardId-000000000003", "shardId-000000000004"}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("partitions %v, %v", names, err)
	}
	parents, err := l.Parents(t.Context())
	if err != nil || len(parents) != 5 || len(parents[want[0]])+len(parents[want[1]]) != 0 ||
		!slices.Equal(parents[want[2]], want[:1]) || !slices.Equal(parents[want[3]], want[:1]) || len(parents[want[4]]) != 2 {
		t.Errorf("parents %v, %v", parents, err)
	}
	if n := c.server.Calls("ListShards"); n < 6 {
		t.Errorf("%d calls: the list came in pages of two", n)
	}
}

// TestAnEndedShardSaysSo: with records, without, from any place, and before its end is known.
func TestAnEndedShardSaysSo(t *testing.T) {
	c, _, p := filled(t, 3)
	o := c.options()
	o.ShardsFor = time.Hour
	l := c.open(t, o)
	all := readAll(t, l, p, "")
	waits := make(chan error)
	go func() { waits <- l.Wait(t.Context(), p, all[2].Position) }()
	c.split(t, c.openShards(t)[0])
	if err := <-waits; !errors.Is(err, stream.ErrEnded) {
		t.Errorf("wait: %v, want ErrEnded", err)
	}
	if names, err := l.Partitions(t.Context()); err != nil || len(names) != 3 {
		t.Errorf("partitions %v, %v: the children are known once the end is", names, err)
	}
	for _, log := range []*kinesisstream.Log{l, c.open(t, c.options())} {
		for _, after := range []stream.Position{all[2].Position, stream.Ended} {
			if records, err := log.Read(t.Context(), p, after, 1); !errors.Is(err, stream.ErrEnded) || len(records) != 0 {
				t.Errorf("after %q: %v, %v, want ErrEnded", after, records, err)
			}
		}
		if got := readAll(t, log, p, all[0].Position); len(got) != 2 {
			t.Errorf("%d records of two", len(got))
		}
	}
	children := c.openShards(t)
	c.merge(t, children[0], children[1])
	if _, err := l.Read(t.Context(), stream.Partition(*children[0].ShardId), "", 1); !errors.Is(err, stream.ErrEnded) {
		t.Errorf("a shard that never had a record: %v, want ErrEnded", err)
	}
}

// TestMoto reads and writes one shard of another emulator, by one writer: more it cannot do.
func TestMoto(t *testing.T) {
	c := &cloud{client: kinesistest.Client(testenv.SharedMoto(t).URL()), name: fmt.Sprintf("smoke-%d", time.Now().UnixNano())}
	c.create(t, 1)
	l := c.open(t, c.options())
	for n := 0; n < 100; n += 4 {
		appendAll(t, l, entry("k", n), entry("k", n+1), entry("k", n+2), entry("k", n+3))
	}
	p := only(t, l)
	all := readAll(t, l, p, "")
	ordered(t, "k", texts(all), 100)
	fresh := c.open(t, c.options())
	if rest := texts(readAll(t, fresh, p, all[49].Position)); len(rest) != 50 || rest[0] != "k/50" {
		t.Errorf("%d records after the 50th, from %q", len(rest), rest[0])
	}
	if fresh.ID() != l.ID() {
		t.Errorf("ids %q and %q of one stream", l.ID(), fresh.ID())
	}
}
