package streamtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fastshop/pipeline/internal/stream"
)

// crashed appends the entries to a log that has one record and returns the log as it is after a crash at the point.
func crashed(t *testing.T, s Subject, point string, entries ...stream.Entry) Log {
	t.Helper()
	dir, image := t.TempDir(), t.TempDir()
	var armed atomic.Bool
	l := s.open(t, Setting{Dir: dir, Crash: func(at string) {
		if at == point && armed.CompareAndSwap(true, false) {
			s.Copy(t, dir, image)
		}
	}})
	appendAll(t, l, entry("settled", 0))
	armed.Store(true)
	appendAll(t, l, entries...)
	if armed.Load() {
		t.Fatalf("the append never came to %q", point)
	}
	return s.open(t, Setting{Dir: image})
}

func crashBefore(t *testing.T, s Subject) {
	l := crashed(t, s, s.Before, entry("a", 1), entry("b", 1), entry("c", 1))
	if got := texts(t, everything(t, l)); len(got) != 1 || len(got["settled"]) != 1 {
		t.Errorf("after the crash: %v, want the settled record alone", got)
	}
	appendAll(t, l, entry("a", 1), entry("b", 1), entry("c", 1)) // the producer, who got no answer, tries again
	if n := count(everything(t, l)); n != 4 {
		t.Errorf("%d records after the repeat, want 4", n)
	}
}

func crashAfter(t *testing.T, s Subject) {
	l := crashed(t, s, s.After, entry("a", 1), entry("b", 1), entry("c", 1))
	if n := count(everything(t, l)); n != 4 {
		t.Errorf("%d records after the crash, want 4: the append was durable", n)
	}
	appendAll(t, l, entry("a", 2))
	if got := texts(t, everything(t, l))["a"]; len(got) != 2 || got[1] != "a/2" {
		t.Errorf("key a: %v", got)
	}
}

// crashGroup lets many appends run into the crash at once: those that share its commit share its fate, and an append
// that was acknowledged before is whole.
func crashGroup(t *testing.T, s Subject) {
	dir, image := t.TempDir(), t.TempDir()
	var mu sync.Mutex
	acknowledged := make(map[string]bool)
	var before map[string]bool // acknowledged when the image was made
	var points atomic.Int64
	l := s.open(t, Setting{Dir: dir, Crash: func(at string) {
		if at == s.Before && points.Add(1) == 5 {
			mu.Lock()
			defer mu.Unlock()
			before = make(map[string]bool)
			for key := range acknowledged {
				before[key] = true
			}
			s.Copy(t, dir, image)
		}
	}})
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for n := range 10 {
				key := fmt.Sprintf("writer-%d-%d", w, n)
				if err := l.Append(t.Context(), []stream.Entry{entry(key, 0), entry(key, 1)}); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				acknowledged[key] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
	got := texts(t, everything(t, s.open(t, Setting{Dir: image})))
	for key, records := range got {
		if len(records) != 2 {
			t.Errorf("%s: %d records of an append of 2", key, len(records))
		}
	}
	for key := range before {
		if len(got[key]) != 2 {
			t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	if len(got) == 80 {
		t.Error("the image has every append: it was not made before a commit")
	}
}

// canceled gives appends up at any moment; each must have happened entirely or not at all, as its answer says. Of a managed
// log an append that failed may be there all the same, or in part, or come later, but only once.
func canceled(t *testing.T, s Subject) {
	l := s.open(t, Setting{})
	var group sync.WaitGroup
	answers := make([]error, 64)
	for n := range answers {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			key := fmt.Sprintf("key-%d", n)
			answers[n] = l.Append(ctx, []stream.Entry{entry(key, 0), entry(key, 1)})
		})
	}
	group.Wait()
	got := texts(t, everything(t, l))
	for n, err := range answers {
		want := 2
		if err != nil {
			want = 0
		}
		have := len(got[fmt.Sprintf("key-%d", n)])
		if err != nil && s.Managed && have <= 2 {
			continue
		}
		if have != want {
			t.Errorf("append %d answered %v, and left %d records", n, err, have)
		}
	}
}
