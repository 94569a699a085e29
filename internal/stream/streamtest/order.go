package streamtest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/stream"
)

func orderPerKey(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	want := make(map[string][]string)
	for n := range 200 {
		e := entry(fmt.Sprintf("key-%d", n%7), n)
		appendAll(t, l, e)
		want[string(e.Key)] = append(want[string(e.Key)], string(e.Data))
	}
	got := texts(t, everything(t, l))
	for key := range want {
		if !slices.Equal(got[key], want[key]) {
			t.Errorf("key %s: read %v, appended %v", key, got[key], want[key])
		}
	}
}

func allThere(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	var entries []stream.Entry
	for n := range 2000 { // more than an implementation is likely to keep in one row
		entries = append(entries, entry(fmt.Sprintf("key-%d", n%3), n))
	}
	entries = append(entries, stream.Entry{}) // no key, no data
	appendAll(t, l, entries...)
	appendAll(t, l)
	all := everything(t, l)
	if got := count(all); got != len(entries) {
		t.Fatalf("read %d records, appended %d", got, len(entries))
	}
	if got := texts(t, all)["key-2"]; len(got) != 666 || got[0] != "key-2/2" || got[665] != "key-2/1997" {
		t.Errorf("key-2 has %d records, from %q", len(got), got[:1])
	}
}

func concurrentAppends(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	const writers, appends = 16, 20
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range appends {
				key := fmt.Sprintf("writer-%d", w)
				if err := l.Append(t.Context(), []stream.Entry{entry(key, 2*n), entry(key, 2*n+1)}); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	group.Wait()
	got := texts(t, everything(t, l))
	for w := range writers {
		key := fmt.Sprintf("writer-%d", w)
		if len(got[key]) != 2*appends {
			t.Fatalf("%s has %d records, want %d", key, len(got[key]), 2*appends)
		}
		for n, text := range got[key] {
			if want := string(entry(key, n).Data); text != want {
				t.Fatalf("%s, record %d is %q, want %q", key, n, text, want)
			}
		}
	}
}

func rereads(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	appendAll(t, l, entry("a", 1), entry("b", 2), entry("c", 3))
	first, second := everything(t, l), everything(t, l)
	for p := range first {
		for i := range first[p] {
			a, b := first[p][i], second[p][i]
			if a.Position != b.Position || string(a.Data) != string(b.Data) || !a.AppendedAt.Equal(b.AppendedAt) {
				t.Errorf("read %+v, then %+v", a, b)
			}
			again, err := l.Read(t.Context(), p, a.Position, 100)
			if err != nil || len(again) != len(first[p])-i-1 {
				t.Errorf("after %q: %d records and %v, want %d", a.Position, len(again), err, len(first[p])-i-1)
			}
		}
	}
}

// model compares the log with a slice per key under random appends, reads and rereads.
func model(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	appended := make(map[string][]string) // of all checks: the log is one
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) stream.Entry {
			return stream.Entry{
				Key:  []byte(rapid.StringMatching(`[a-e]`).Draw(r, "key")),
				Data: []byte(rapid.String().Draw(r, "data")),
			}
		}), 0, 40).Draw(r, "entries")
		if err := l.Append(t.Context(), entries); err != nil {
			r.Fatalf("append: %v", err)
		}
		for _, e := range entries {
			appended[string(e.Key)] = append(appended[string(e.Key)], string(e.Data))
		}
		if n += len(entries); n > 2000 {
			return // enough to read back each time
		}
		got := texts(t, everything(t, l))
		for key := range appended {
			if !slices.Equal(got[key], appended[key]) {
				r.Fatalf("key %q: %d records read, %d appended, or in another order", key, len(got[key]), len(appended[key]))
			}
		}
	})
}

func reopen(t *testing.T, s Subject) {
	dir := t.TempDir()
	l := s.open(t, Setting{Dir: dir})
	appendAll(t, l, entry("a", 1), entry("a", 2), entry("b", 1))
	before := everything(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = s.open(t, Setting{Dir: dir})
	after := everything(t, l)
	if count(after) != 3 {
		t.Fatalf("%d records after the reopen, want 3", count(after))
	}
	for p := range before {
		last := before[p][len(before[p])-1]
		if got := after[p][len(after[p])-1]; got.Position != last.Position || string(got.Data) != string(last.Data) {
			t.Errorf("partition %s ended with %+v, now with %+v", p, last, got)
		}
	}
	appendAll(t, l, entry("a", 3))
	if got := texts(t, everything(t, l))["a"]; !slices.Equal(got, []string{"a/1", "a/2", "a/3"}) {
		t.Errorf("key a: %v", got)
	}
}
