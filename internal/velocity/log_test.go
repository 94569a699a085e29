package velocity

import (
	"errors"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/internal/payment"
)

func fuzzMirror(tb testing.TB) *Mirror {
	tb.Helper()
	m, err := NewMirror(All(), Options{MaxEvents: 128, MaxCounterparts: 3}, 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// written is a block with one of each entry.
func written(m *Mirror, kind payment.Kind) []byte {
	var keys [payment.KindCount]uint64
	for other := range keys {
		if keys[other] = 0; other > 2 && payment.Kind(other) != kind {
			keys[other] = pairKey(payment.Kind(other), payment.PublicToken("x"))
		}
	}
	var b []byte
	for _, o := range []op{
		{code: opEvent, at: 7, amount: 1234, keys: keys},
		{code: opRestored, digest: digest{1}, at: 9, flags: flagLabeled | flagFraud, knownAt: 11},
		{code: opSettled, flags: flagDeclined},
		{code: opLabeled, digest: digest{1}, flags: flagLabeled, knownAt: 12},
		{code: opRetracted, digest: digest{1}},
	} {
		before := len(b)
		b = appendOp(b, &o, m.needs[kind])
		if n := len(b) - before; n != opSize(&o, m.needs[kind]) {
			panic("a block is not as long as was said")
		}
	}
	return b
}

// FuzzLog feeds two blocks of any kind, which must neither panic nor leave anything behind that they should not, and what is
// accepted must survive a snapshot.
func FuzzLog(f *testing.F) {
	m := fuzzMirror(f)
	for _, kind := range []payment.Kind{payment.KindCustomer, payment.KindMerchant} {
		block := written(m, kind)
		f.Add(uint8(kind), string(block), "")
		f.Add(uint8(kind), string(block[:len(block)-3]), string(block))
		snapshot, err := m.NewCompactor().Snapshot(kind, []string{string(block)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(kind), string(snapshot[0]), string(block))
		f.Add(uint8(kind), string(block), string(snapshot[0]))
	}
	f.Add(uint8(1), "\x07"+strings.Repeat("\xff", 40), "\x13")
	f.Fuzz(func(t *testing.T, kind uint8, first, second string) {
		if kind == 0 || kind >= uint8(payment.KindCount) {
			return
		}
		m := fuzzMirror(t)
		log := []string{first, second}
		snapshot, err := m.NewCompactor().Snapshot(payment.Kind(kind), log)
		if err != nil {
			if !errors.Is(err, ErrLog) {
				t.Fatalf("a log is refused with %v", err)
			}
			return
		}
		var again []string
		for _, block := range snapshot {
			again = append(again, string(block))
		}
		twice, err := m.NewCompactor().Snapshot(payment.Kind(kind), again)
		if err != nil {
			t.Fatalf("a snapshot cannot be read: %v", err)
		}
		for i := range snapshot {
			if string(snapshot[i]) != string(twice[i]) {
				t.Fatalf("block %d of a snapshot of a snapshot is another", i)
			}
		}
	})
}

// A block that is cut short, or has one more byte, is refused, and the entity is as if nothing of it had been seen.
func TestDamagedBlocks(t *testing.T) {
	m := fuzzMirror(t)
	block := string(written(m, payment.KindMerchant))
	for _, text := range []string{block[:len(block)-1], block + "\x00", block + "\x01", "\x0f", "\xf1" + block[1:]} {
		s := &seat{kind: payment.KindMerchant, next: 1}
		if err := m.take(s, text); !errors.Is(err, ErrLog) {
			t.Errorf("a damaged block: %v", err)
		}
		if s.next != 0 || s.entity != 0 {
			t.Errorf("a damaged block leaves %+v", s)
		}
	}
}
