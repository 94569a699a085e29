package streamtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
)

func refusedLeavesNothing(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	large := stream.Entry{Key: []byte("a"), Data: make([]byte, stream.MaxData+1)}
	if err := l.Append(t.Context(), []stream.Entry{entry("a", 1), large, entry("b", 1)}); !errors.Is(err, stream.ErrTooLarge) {
		t.Fatalf("append of %d bytes: %v, want ErrTooLarge", len(large.Data), err)
	}
	if n := count(everything(t, l)); n != 0 {
		t.Errorf("%d records left by a refused append", n)
	}
	largest := stream.Entry{Key: []byte("a"), Data: bytes.Repeat([]byte{7}, stream.MaxData)}
	appendAll(t, l, largest)
	for _, records := range everything(t, l) {
		if !bytes.Equal(records[0].Data, largest.Data) {
			t.Error("the largest entry came back changed")
		}
	}
}

func unknownPosition(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	appendAll(t, l, entry("a", 1))
	other := s.open(t, Setting{})
	var foreign stream.Position
	var home stream.Partition
	appendAll(t, other, entry("a", 1))
	appendAll(t, other, entry("a", 2))
	for p, records := range everything(t, other) {
		home, foreign = p, records[len(records)-1].Position
	}
	for _, position := range []stream.Position{foreign, "never a position", "-1"} {
		if _, err := l.Read(t.Context(), home, position, 1); !errors.Is(err, stream.ErrPosition) {
			t.Errorf("read after %q: %v, want ErrPosition", position, err)
		}
		if err := l.Wait(t.Context(), home, position); !errors.Is(err, stream.ErrPosition) {
			t.Errorf("wait after %q: %v, want ErrPosition", position, err)
		}
	}
}

func unknownPartition(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	for _, p := range []stream.Partition{"", "no such partition", "4711", "00"} {
		if _, err := l.Read(t.Context(), p, "", 1); err == nil {
			t.Errorf("read of partition %q succeeded", p)
		}
	}
}

// clock is a clock that cases move by hand.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time       { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) move(d time.Duration) { c.ms.Add(d.Milliseconds()) }

const longAgo = 365 * 24 * time.Hour // beyond any retention

// ends is a checkpoint of every partition at its end.
func ends(t *testing.T, l Retained) map[stream.Partition]stream.Position {
	t.Helper()
	partitions, err := l.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkpoints := make(map[stream.Partition]stream.Position)
	for _, p := range partitions {
		if checkpoints[p], _, err = l.End(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	return checkpoints
}

func fullLog(t *testing.T, s Subject) {
	c := newClock()
	l := s.retained(t, Setting{MaxBytes: 64 << 10, Now: c.now})
	block := func(n int) stream.Entry {
		return stream.Entry{Key: fmt.Appendf(nil, "%d", n), Data: make([]byte, 10<<10)}
	}
	taken := 0
	var err error
	for ; err == nil && taken < 100; taken++ {
		err = l.Append(t.Context(), []stream.Entry{block(taken)})
	}
	taken--
	if !errors.Is(err, stream.ErrFull) || taken < 3 || taken > 7 {
		t.Fatalf("%d blocks of 10 KiB in a log of 64 KiB, then %v, want ErrFull", taken, err)
	}
	if n := count(everything(t, l)); n != taken {
		t.Errorf("%d records, %d were acknowledged", n, taken)
	}
	c.move(longAgo)
	if n, err := l.Trim(t.Context(), c.now(), ends(t, l)); err != nil || n != int64(taken) {
		t.Fatalf("trimmed %d records with %v, want %d", n, err, taken)
	}
	appendAll(t, l, block(1))
}

func trim(t *testing.T, s Subject) {
	c := newClock()
	l := s.retained(t, Setting{Now: c.now})
	for n := range 10 {
		appendAll(t, l, entry("a", n), entry("b", n), entry("c", n), entry("d", n))
	}
	old := ends(t, l)
	if n, err := l.Trim(t.Context(), c.now(), old); err != nil || n != 0 {
		t.Errorf("trimmed %d fresh records with %v", n, err)
	}
	c.move(longAgo)
	appendAll(t, l, entry("a", 10))
	if n, err := l.Trim(t.Context(), c.now(), nil); err != nil || n != 0 {
		t.Errorf("trimmed %d records without a checkpoint with %v", n, err)
	}
	begin := make(map[stream.Partition]stream.Position)
	for p := range old {
		begin[p] = ""
	}
	if n, err := l.Trim(t.Context(), c.now(), begin); err != nil || n != 0 {
		t.Errorf("trimmed %d records that nobody handled, with %v", n, err)
	}
	if n, err := l.Trim(t.Context(), c.now(), ends(t, l)); err != nil || n != 40 {
		t.Errorf("trimmed %d records with %v, want the 40 old ones", n, err)
	}
	if n, err := l.Trim(t.Context(), c.now(), begin); err != nil || n != 0 {
		t.Errorf("trimmed %d records for a reader that is behind, with %v", n, err)
	}
	var left []stream.Record
	for p, position := range old {
		if position != "" {
			if _, err := l.Read(t.Context(), p, "", 10); !errors.Is(err, stream.ErrTrimmed) {
				t.Errorf("read of trimmed records of partition %s: %v, want ErrTrimmed", p, err)
			}
		}
		records, err := l.Read(t.Context(), p, position, 10)
		if err != nil {
			t.Errorf("read after the trimmed records of partition %s: %v", p, err)
		}
		left = append(left, records...)
	}
	if len(left) != 1 || string(left[0].Data) != "a/10" {
		t.Errorf("left: %v, want a/10", left)
	}
	if _, err := l.Trim(t.Context(), c.now(), map[stream.Partition]stream.Position{left[0].Partition: "999999"}); !errors.Is(err, stream.ErrPosition) {
		t.Errorf("trim with another log's checkpoint: %v, want ErrPosition", err)
	}
}

func trimmedPositions(t *testing.T, s Subject) {
	c, dir := newClock(), t.TempDir()
	l := s.retained(t, Setting{Now: c.now, Dir: dir})
	appendAll(t, l, entry("a", 1), entry("a", 2))
	before := ends(t, l)
	c.move(longAgo)
	if _, err := l.Trim(t.Context(), c.now(), before); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = s.retained(t, Setting{Now: c.now, Dir: dir})
	for p, position := range ends(t, l) {
		if position != before[p] {
			t.Errorf("partition %s ended at %q, empty and reopened at %q", p, before[p], position)
		}
	}
	appendAll(t, l, entry("a", 3))
	for p, position := range before {
		records, err := l.Read(t.Context(), p, position, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Position == position || string(r.Data) != "a/3" {
				t.Errorf("after %q: %q at %q", position, r.Data, r.Position)
			}
		}
	}
}

func wait(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	partitions, err := l.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, len(partitions))
	ctx, cancel := context.WithCancel(t.Context())
	for _, p := range partitions {
		go func() { results <- l.Wait(ctx, p, "") }()
	}
	appendAll(t, l, entry("a", 1))
	if err := <-results; err != nil {
		t.Errorf("wait for a record: %v", err)
	}
	cancel()
	for range len(partitions) - 1 {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("canceled wait: %v", err)
		}
	}
	for p, records := range everything(t, l) {
		if err := l.Wait(t.Context(), p, ""); err != nil {
			t.Errorf("wait for a record that is there: %v", err)
		}
		go func() { results <- l.Wait(t.Context(), p, records[0].Position) }()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-results; !errors.Is(err, stream.ErrClosed) {
		t.Errorf("wait on a log that is closed meanwhile: %v, want ErrClosed", err)
	}
}

func closed(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	appendAll(t, l, entry("a", 1))
	partitions, err := l.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := l.Append(t.Context(), []stream.Entry{entry("a", 2)}); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("append: %v, want ErrClosed", err)
	}
	if _, err := l.Read(t.Context(), partitions[0], "", 1); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("read: %v, want ErrClosed", err)
	}
	if err := l.Wait(t.Context(), partitions[0], ""); !errors.Is(err, stream.ErrClosed) {
		t.Errorf("wait: %v, want ErrClosed", err)
	}
}
