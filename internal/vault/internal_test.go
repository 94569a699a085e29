package vault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/payment"
)

// TestEpochKeyUsedUp is pitfall P10: the uses of an epoch key are counted, and it is not used past their bound.
func TestEpochKeyUsedUp(t *testing.T) {
	k := newKEK(&Config{Now: time.Now, EpochLife: time.Hour, EpochCache: time.Hour}, func() {})
	k.newest = new(epochKey)
	k.newest.wraps.Store(maxWraps - 1)
	if _, err := k.current(); err != nil {
		t.Errorf("the last use: %v", err)
	}
	if _, err := k.current(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("one use more: %v, want ErrUnavailable", err)
	}
}

func TestEpochAt(t *testing.T) {
	k := newKEK(&Config{EpochLife: 24 * time.Hour}, func() {})
	for at, want := range map[string]string{
		"2026-11-21T00:00:00Z":      "2026-11-21T00:00:00Z",
		"2026-11-21T23:59:59.999Z":  "2026-11-21T00:00:00Z",
		"2026-11-21T23:00:00-03:00": "2026-11-22T00:00:00Z",
		"1969-12-31T12:00:00Z":      "1969-12-31T00:00:00Z",
	} {
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.epochAt(when).String(); got != want {
			t.Errorf("epoch at %s: %s, want %s", at, got, want)
		}
	}
}

// TestKeysDropped: keys that were dropped after a caller had found them usable are an error, not a panic.
func TestKeysDropped(t *testing.T) {
	now := time.Now()
	k := newKEK(&Config{Now: func() time.Time { return now }, EpochLife: time.Hour, EpochCache: time.Hour}, func() {})
	if _, err := k.current(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no key: %v, want ErrUnavailable", err)
	}
	k.note(nil)
	if _, err := k.current(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no key in spite of an answer: %v, want ErrUnavailable", err)
	}
	k.note(ErrKeyDisabled)
	if _, err := k.current(); !errors.Is(err, ErrKeyDisabled) {
		t.Errorf("no key after a stop: %v, want ErrKeyDisabled", err)
	}
}

// TestRefreshEnds: who waits for the KEK while another asks it gives up with its context.
func TestRefreshEnds(t *testing.T) {
	k := newKEK(&Config{Now: time.Now, EpochLife: time.Hour, EpochCache: time.Hour}, func() {})
	k.turn <- struct{}{} // somebody asks
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := k.refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("refresh: %v", err)
	}
	if _, err := k.of(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("of: %v", err)
	}
	k.aliveUntil.Store(time.Now().Add(time.Hour).UnixNano())
	if err := k.refresh(ctx); err != nil {
		t.Errorf("refresh with usable keys does not wait: %v", err)
	}
}

// TestCacheLikeMap compares the cache with a map that knows everything: an entry that is found is right, one that was
// dropped is not found, and there are never more than the limit.
func TestCacheLikeMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		c, truth := newCache(limit), make(map[Handle]entry)
		var seq uint64
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			h := Handle{byte(rapid.IntRange(0, 15).Draw(t, "handle"))}
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				seq++
				c.drop([]Tombstone{{Seq: seq, Handle: h, Generation: truth[h].generation}})
				delete(truth, h)
			case 1:
				c.stop()
				for h, e := range truth {
					e.keyed, e.keys = false, customerKeys{}
					truth[h] = e
				}
			case 2, 3, 4:
				e := entry{handle: h, keyed: true, generation: 1 + truth[h].generation}
				e.keys.enc.b[0] = byte(e.generation)
				c.put(c.changes, []entry{e})
				truth[h] = e
			default:
				keyed := rapid.Bool().Draw(t, "keyed")
				missing, _ := c.fill([]Handle{h}, keyed, func(_ int, e *entry) {
					want, known := truth[h]
					if !known || e.generation != want.generation || e.keys.enc.b != want.keys.enc.b || keyed && !e.keyed {
						t.Fatalf("found generation %d, want %d", e.generation, want.generation)
					}
				})
				if _, cached := c.index[h]; len(missing) == 0 && !cached {
					t.Fatal("found what is not there")
				}
			}
			if len(c.index) > limit || int(c.size) > limit || len(c.index)+len(c.free) != int(c.size) {
				t.Fatalf("%d entries and %d free of %d slots, limit %d", len(c.index), len(c.free), c.size, limit)
			}
		}
		if c.counter() != seq {
			t.Fatalf("counter %d, want %d", c.counter(), seq)
		}
	})
}

// TestCachePutAfterDrop: what was loaded before an erasure is not cached after it.
func TestCachePutAfterDrop(t *testing.T) {
	for name, drop := range map[string]func(*cache){
		"tombstone": func(c *cache) { c.drop([]Tombstone{{Seq: 1, Handle: Handle{1}, Generation: 1}}) },
		"shred":     func(c *cache) { c.forget(Tombstone{Seq: 1, Handle: Handle{1}, Generation: 1}) },
		"stop":      (*cache).stop,
	} {
		c := newCache(10)
		missing, changes := c.fill([]Handle{{1}}, true, nil)
		drop(c)
		c.put(changes, []entry{{handle: Handle{1}, keyed: true, generation: 1}})
		if len(missing) != 1 || len(c.index) != 0 {
			t.Errorf("%s: a stale entry was cached", name)
		}
	}
}

func TestCacheKeepsTheUsed(t *testing.T) {
	c := newCache(100)
	hot := Handle{0xff}
	c.put(0, []entry{{handle: hot}})
	for i := range 10_000 {
		var h Handle
		h[0], h[1], h[2] = 1, byte(i), byte(i>>8)
		c.put(0, []entry{{handle: h}})
		if missing, _ := c.fill([]Handle{hot}, false, func(int, *entry) {}); len(missing) != 0 {
			t.Fatalf("an entry that is used all the time was replaced after %d others", i)
		}
	}
}

// FuzzParseBlob: whatever parses is exactly what the layout writes, and nothing panics.
func FuzzParseBlob(f *testing.F) {
	seal := testCustomer(f)
	for _, fields := range [][]Field{
		{{FieldEmail, []byte("ana@example.com")}},
		{{FieldCity, []byte("Recife")}, {FieldCustomerID, []byte("1")}, {FieldDocument, []byte("11144477735")}},
	} {
		blob, _, err := seal.Seal("t-1", fields)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(blob)
		f.Add(blob[:len(blob)-1])
		f.Add(append(blob, 0))
	}
	f.Add([]byte{})
	f.Add(make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, blob []byte) {
		b, err := parseBlob(blob)
		if err != nil {
			if !errors.Is(err, ErrBlob) {
				t.Fatalf("error %v, want ErrBlob", err)
			}
			return
		}
		again := append([]byte(nil), b.header...)
		last := FieldInvalid
		for _, field := range b.fields {
			if field.name <= last || field.name.String() == "" || len(field.data) <= tagSize || len(field.data) > MaxField+tagSize {
				t.Fatalf("field %d after %d, %d bytes", field.name, last, len(field.data))
			}
			last = field.name
			again = append(again, byte(len(field.data)>>8), byte(len(field.data)))
			again = append(append(again, field.nonce...), field.data...)
		}
		if string(again) != string(blob) {
			t.Fatal("the parsed blob is not the blob")
		}
	})
}

func testCustomer(t testing.TB) *Customer {
	t.Helper()
	c := Config{Now: time.Now, Rand: zeros{}, EpochLife: time.Hour, EpochCache: time.Hour}
	v := &Vault{now: time.Now, rand: zeros{}, personal: newKEK(&c, func() {})}
	v.scratch.New = func() any { return new(scratch) }
	v.personal.note(nil)
	return &Customer{Token: payment.Token{1}, Generation: 1, keyed: true, vault: v}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func BenchmarkCacheFill(b *testing.B) {
	c := newCache(100_000)
	handles := make([]Handle, 100_000)
	for i := range handles {
		handles[i] = Handle{byte(i), byte(i >> 8), byte(i >> 16), 1}
		c.put(0, []entry{{handle: handles[i], keyed: true}})
	}
	rand.Shuffle(len(handles), func(i, j int) { handles[i], handles[j] = handles[j], handles[i] })
	for _, size := range []int{1, 500} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			at := 0
			for b.Loop() {
				c.fill(handles[at:at+size], true, func(int, *entry) {})
				at = (at + size) % (len(handles) - size)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/customer")
		})
	}
}
