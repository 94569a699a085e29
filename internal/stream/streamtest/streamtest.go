// Package streamtest is the contract suite of logs: every implementation of the
// stream's ports passes it. Its names read as the cases that they are.
//
// A crash is tested on copies: at a named point inside an append the subject's files
// are copied as they stand, as power loss would leave them, and the copy is opened.
//
// A log that a service keeps has no files to copy, trims by the clock of the service
// alone and cannot take back half of an append. It says so (Subject.Managed), and the
// cases that need one of these are left out or ask less; all others are the same.
package streamtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
)

// Log is what the suite needs of a log. The contract of each method is that of the implementation's own comment; the
// suite says what all of them have in common.
type Log interface {
	Append(ctx context.Context, entries []stream.Entry) error
	Read(ctx context.Context, p stream.Partition, after stream.Position, limit int) ([]stream.Record, error)
	Wait(ctx context.Context, p stream.Partition, after stream.Position) error
	Partitions(ctx context.Context) ([]stream.Partition, error)
	Close() error
}

// Retained is a log that lets go of old records when it is told to. Every log is one, unless its Subject is Managed.
type Retained interface {
	Log
	Trim(ctx context.Context, before time.Time, checkpoints map[stream.Partition]stream.Position) (int64, error)
	End(ctx context.Context, p stream.Partition) (stream.Position, int64, error)
}

// Setting is what a case asks of the log that it opens.
type Setting struct {
	Dir      string             // a folder of the case's own; the same folder again means the same log
	MaxBytes int64              // room for keys and data; 0 means plenty
	Now      func() time.Time   // the log's clock
	Crash    func(point string) // called at named points; never nil
}

// Subject is an implementation under test.
type Subject struct {
	// Open opens the log of a folder, making it if there is none. It has at least two partitions.
	Open func(t *testing.T, s Setting) Log
	// Managed tells that the log is kept by a service: it is not Retained, has no bound on its bytes and no files, and
	// an append that failed may have left some of its entries. Copy, Before and After are not used then.
	Managed bool
	// Copy copies the files of one folder to another while the log is open, as power loss would leave them.
	Copy func(t *testing.T, from, to string)
	// Before and After are the names of the points just before and just after an append becomes durable.
	Before, After string
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	type example struct {
		name string
		test func(*testing.T, Subject)
	}
	cases := []example{
		{"records of a key keep their order", orderPerKey},
		{"an append of many keys is all there", allThere},
		{"a refused append leaves nothing", refusedLeavesNothing},
		{"concurrent appends are all there, each in its order", concurrentAppends},
		{"a record is read as often as one likes", rereads},
		{"any mix of appends and reads is a log", model},
		{"positions hold across a reopen", reopen},
		{"an unknown position is refused", unknownPosition},
		{"an unknown partition is refused", unknownPartition},
		{"wait ends with an append, a context or a close", wait},
		{"a closed log says so", closed},
		{"a canceled append is as its answer says", canceled},
	}
	if !s.Managed {
		cases = append(cases, []example{
			{"a full log refuses and takes again after a trim", fullLog},
			{"trim respects age, checkpoints and readers", trim},
			{"trimmed positions are never used again", trimmedPositions},
			{"append crashed before commit leaves nothing", crashBefore},
			{"append crashed after commit leaves everything", crashAfter},
			{"appends that shared a crashed commit leave nothing", crashGroup},
		}...)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

// open opens a new log of the case's own.
func (s Subject) open(t *testing.T, set Setting) Log {
	t.Helper()
	if set.Dir == "" {
		set.Dir = t.TempDir()
	}
	if set.Now == nil {
		set.Now = time.Now
	}
	if set.Crash == nil {
		set.Crash = func(string) {}
	}
	l := s.Open(t, set)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// retained opens a log that can trim.
func (s Subject) retained(t *testing.T, set Setting) Retained {
	t.Helper()
	r, ok := s.open(t, set).(Retained)
	if !ok {
		t.Fatal("the log cannot trim")
	}
	return r
}

// entry makes an entry whose data tells key and number.
func entry(key string, n int) stream.Entry {
	return stream.Entry{Key: []byte(key), Data: fmt.Appendf(nil, "%s/%d", key, n)}
}

func appendAll(t *testing.T, l Log, entries ...stream.Entry) {
	t.Helper()
	if err := l.Append(t.Context(), entries); err != nil {
		t.Fatalf("append %d entries: %v", len(entries), err)
	}
}

// everything reads each partition from its beginning, a few records at a time, and checks what all reads promise.
func everything(t *testing.T, l Log) map[stream.Partition][]stream.Record {
	t.Helper()
	partitions, err := l.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[stream.Partition][]stream.Record)
	for _, p := range partitions {
		after := stream.Position("")
		for {
			records, err := l.Read(t.Context(), p, after, 3)
			if err != nil {
				t.Fatalf("read partition %s after %q: %v", p, after, err)
			}
			if len(records) == 0 {
				break
			}
			if len(records) > 3 {
				t.Fatalf("read gave %d records, asked for 3", len(records))
			}
			for _, r := range records {
				if r.Partition != p || r.Position == "" || r.Position == after {
					t.Fatalf("record of partition %q at %q, read from %q after %q", r.Partition, r.Position, p, after)
				}
				after = r.Position
			}
			all[p] = append(all[p], records...)
		}
	}
	return all
}

// texts gathers the data of records by key, over all partitions, and fails if a key is in two of them.
func texts(t *testing.T, all map[stream.Partition][]stream.Record) map[string][]string {
	t.Helper()
	home := make(map[string]stream.Partition)
	byKey := make(map[string][]string)
	for p, records := range all {
		for _, r := range records {
			key := string(r.Key)
			if h, ok := home[key]; ok && h != p {
				t.Fatalf("key %q is in partitions %s and %s", key, h, p)
			}
			home[key] = p
			byKey[key] = append(byKey[key], string(r.Data))
		}
	}
	return byKey
}

func count(all map[stream.Partition][]stream.Record) (n int) {
	for _, records := range all {
		n += len(records)
	}
	return n
}
