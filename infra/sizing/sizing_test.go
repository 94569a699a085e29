package sizing_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/infra/sizing"
)

func TestForLoad(t *testing.T) {
	tests := []struct {
		name        string
		load        sizing.Load
		shards      int
		write, read float64
		hot         float64
		limit       sizing.Limit
	}{
		{"100 per second", load(100, 1500, 1), 2, 0.075, 0.0375, 1, sizing.LimitFloor},
		{"1,000 per second", load(1000, 1500, 1), 3, 0.5, 0.25, 0.7 / 1.5, sizing.LimitWriteBytes},
		{"10,000 per second", load(10000, 1500, 1), 22, 15.0 / 22, 7.5 / 22, 7.0 / (15 * 21), sizing.LimitWriteBytes},
		{"small records count", load(10000, 200, 1), 15, 10.0 / 15, 1.0 / 15, 5.0 / (10 * 14), sizing.LimitWriteRecords},
		{"five readers share", load(1000, 1500, 5), 6, 0.25, 0.625, 2.25 / (3.75 * 5), sizing.LimitReadBytes},
		{"fan-out readers do not", load(1000, 1500, 0), 3, 0.5, 0, 0.7 / 1.5, sizing.LimitWriteBytes},
		{"exactly 70 % of three", load(2100, 1000, 0), 3, 0.7, 0, 0.9 / (2.1 * 2), sizing.LimitWriteBytes},
		{"one more", load(2101, 1000, 0), 4, 2.101 / 4, 0, (4 - 2.101) / (2.101 * 3), sizing.LimitWriteBytes},
		{"the least", load(1, 1, 0), 2, 0.0005, 0, 1, sizing.LimitFloor},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := sizing.ForLoad(test.load)
			if err != nil {
				t.Fatal(err)
			}
			if got.Shards != test.shards || got.LimitedBy != test.limit {
				t.Errorf("got %d shards limited by %q, want %d by %q", got.Shards, got.LimitedBy, test.shards, test.limit)
			}
			near(t, "write utilization", got.WriteUtilization, test.write)
			near(t, "read utilization", got.ReadUtilization, test.read)
			near(t, "hot key share", got.HotKeyShare, test.hot)
		})
	}
}

func load(rate, size, shared int) sizing.Load {
	return sizing.Load{TransactionsPerSecond: rate, RecordBytes: size, SharedConsumers: shared}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestForShardsOfAnOperator(t *testing.T) {
	load := sizing.Load{TransactionsPerSecond: 1000, RecordBytes: 1500, SharedConsumers: 1}
	one, err := sizing.ForShards(load, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := (sizing.Stream{Shards: 1, WriteUtilization: 1.5, ReadUtilization: 0.75, LimitedBy: sizing.LimitWriteBytes}); one != want {
		t.Errorf("too few shards: got %+v, want %+v", one, want)
	}
	load.TransactionsPerSecond = 400
	one, err = sizing.ForShards(load, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := (sizing.Stream{Shards: 1, WriteUtilization: 0.6, ReadUtilization: 0.3, HotKeyShare: 1, LimitedBy: sizing.LimitFloor}); one != want {
		t.Errorf("one shard: got %+v, want %+v", one, want)
	}
}

func TestFaultsAreReportedTogether(t *testing.T) {
	_, err := sizing.ForShards(sizing.Load{TransactionsPerSecond: 0, RecordBytes: 2 << 20, SharedConsumers: 6}, 0)
	if !errors.Is(err, sizing.ErrLoad) {
		t.Fatalf("got %v, want ErrLoad", err)
	}
	want := strings.Join([]string{
		"size stream: load out of range: transactions per second is 0; use 1 to 10000000",
		"size stream: load out of range: record size in bytes is 2097152; use 1 to 1048576",
		"size stream: load out of range: number of shared consumers is 6; use 0 to 5",
		"size stream: load out of range: 0 shards; use at least 1",
	}, "\n")
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := sizing.ForLoad(sizing.Load{TransactionsPerSecond: -1, RecordBytes: 1}); !errors.Is(err, sizing.ErrLoad) {
		t.Errorf("got %v, want ErrLoad", err)
	}
}

func TestQuota(t *testing.T) {
	fits := sizing.Load{TransactionsPerSecond: 14_000_000 / 2, RecordBytes: 2000}
	got, err := sizing.ForLoad(fits)
	if err != nil || got.Shards != sizing.MaxShards {
		t.Fatalf("got %d shards and %v, want %d", got.Shards, err, sizing.MaxShards)
	}
	fits.RecordBytes++
	if _, err := sizing.ForLoad(fits); !errors.Is(err, sizing.ErrQuota) {
		t.Errorf("got %v, want ErrQuota", err)
	}
}

// withinQuota draws loads of at most 14 GB/s, read by all consumers together.
func withinQuota(t *rapid.T) sizing.Load {
	consumers := rapid.IntRange(0, sizing.MaxSharedConsumers).Draw(t, "consumers")
	rate := rapid.IntRange(1, 1_000_000).Draw(t, "rate")
	most := min(sizing.MaxRecordBytes, 14_000_000_000/rate/max(1, consumers))
	return load(rate, rapid.IntRange(1, most).Draw(t, "size"), consumers)
}

func size(t *rapid.T, load sizing.Load) sizing.Stream {
	stream, err := sizing.ForLoad(load)
	if err != nil {
		t.Fatalf("size %+v: %v", load, err)
	}
	return stream
}

func TestStreamCarriesItsLoad(t *testing.T) {
	const tolerance = 1e-9
	rapid.Check(t, func(t *rapid.T) {
		load := withinQuota(t)
		got := size(t, load)
		if got.Shards < sizing.MinShards {
			t.Fatalf("%d shards", got.Shards)
		}
		used := max(got.WriteUtilization, got.ReadUtilization)
		if used > 0.7+tolerance {
			t.Fatalf("utilization %v of %+v", used, got)
		}
		// One shard fewer would be too few, or the floor holds.
		if n := got.Shards - 1; n >= sizing.MinShards && used*float64(got.Shards)/float64(n) <= 0.7-tolerance {
			t.Fatalf("%d shards would do for %+v", n, load)
		}
		// A key with exactly the hot share fits on a shard that also has its part of the rest.
		total, h := used*float64(got.Shards), got.HotKeyShare
		if h <= 0 || h > 1 || h*total > 0.7+tolerance || h*total+(1-h)*used > 1+tolerance {
			t.Fatalf("hot key share %v of %+v", h, got)
		}
	})
}

func TestShardsGrowWithEveryPartOfTheLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := sizing.Load{
			TransactionsPerSecond: rapid.IntRange(1, 20_000).Draw(t, "rate"),
			RecordBytes:           rapid.IntRange(1, 5_000).Draw(t, "size"),
			SharedConsumers:       rapid.IntRange(0, 4).Draw(t, "consumers"),
		}
		more := load
		more.TransactionsPerSecond += rapid.IntRange(0, 20_000).Draw(t, "more rate")
		more.RecordBytes += rapid.IntRange(0, 5_000).Draw(t, "more size")
		more.SharedConsumers += rapid.IntRange(0, 1).Draw(t, "more consumers")
		if a, b := size(t, load).Shards, size(t, more).Shards; a > b {
			t.Fatalf("%+v needs %d shards, %+v needs %d", load, a, more, b)
		}
	})
}
