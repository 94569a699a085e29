package simulate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"testing"
	"time"
)

// firstDay is midnight in Brasília of Sunday, 2026-11-01.
var firstDay = time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)

// wire is what a submission holds, read by other code than what wrote it.
type wire struct {
	ID         string    `json:"id"`
	OccurredAt time.Time `json:"occurred_at"`
	Amount     struct {
		Centavos int64  `json:"centavos"`
		Currency string `json:"currency"`
	} `json:"amount"`
	Method   string `json:"method"`
	Channel  string `json:"channel"`
	Customer struct {
		ID       string `json:"id"`
		Document string `json:"document"`
		Email    string `json:"email"`
		Phone    string `json:"phone"`
		Name     string `json:"name"`
	} `json:"customer"`
	Card   *struct{ Token, BIN, Last4, Brand string } `json:"card"`
	Device *struct {
		ID, IP    string
		UserAgent string `json:"user_agent"`
	} `json:"device"`
	Pix *struct {
		EndToEndID string `json:"end_to_end_id"`
		TxID       string `json:"txid"`
	} `json:"pix"`
	Merchant struct{ ID, MCC string } `json:"merchant"`
	Terminal string                   `json:"terminal"`
	Shipping *struct{ CEP, Number, City, UF string }
}

func newShop(t testing.TB, cfg Config) *Shop {
	t.Helper()
	if cfg.Start.IsZero() {
		cfg.Start = firstDay
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run yields all items of a world, with the submission parsed.
func run(t testing.TB, cfg Config, visit func(Item, *wire)) {
	t.Helper()
	s := newShop(t, cfg)
	for {
		item, ok := s.Next()
		if !ok {
			return
		}
		if item.Label != nil {
			visit(item, nil)
			continue
		}
		var w wire
		if err := json.Unmarshal(item.Submission, &w); err != nil {
			t.Fatalf("submission %s: %v", item.ID, err)
		}
		visit(item, &w)
	}
}

// fingerprint hashes everything that a world yields.
func fingerprint(t *testing.T, cfg Config) string {
	t.Helper()
	h := sha256.New()
	s := newShop(t, cfg)
	for {
		item, ok := s.Next()
		if !ok {
			return hex.EncodeToString(h.Sum(nil))
		}
		if err := Encode(h, item); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReproducible(t *testing.T) {
	cfg := Config{Seed: 7, Customers: 300, Count: 5000}
	first := fingerprint(t, cfg)
	if again := fingerprint(t, cfg); again != first {
		t.Error("the same configuration gave other bytes")
	}
	cfg.Seed = 8
	if fingerprint(t, cfg) == first {
		t.Error("another seed gave the same bytes")
	}
}

func TestOrderCountAndEnd(t *testing.T) {
	end := firstDay.AddDate(0, 0, 10)
	for _, c := range []struct {
		name string
		cfg  Config
		want int // transactions, or -1 for about 2000
	}{
		{"count without end", Config{Customers: 130, Count: 2000}, 2000},
		{"end without count", Config{Customers: 130, End: end}, -1},
		{"count spread to end", Config{Customers: 130, Count: 2000, End: end}, 2000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var last time.Time
			ids := map[string]bool{}
			transactions, afterwards := 0, 0
			run(t, c.cfg, func(i Item, w *wire) {
				if i.At.Before(last) {
					t.Fatalf("%s runs backward from %s", i.At, last)
				}
				last = i.At
				if !c.cfg.End.IsZero() && i.At.After(end) {
					t.Fatalf("%s is past the end", i.At)
				}
				if w == nil {
					if !ids[i.Label.TransactionID] {
						t.Fatalf("label of a transaction that was never made")
					}
					if afterwards++; i.ID != i.Label.TransactionID || !i.At.Equal(i.Label.KnownAt) {
						t.Fatalf("label disagrees with its item: %+v", i)
					}
					return
				}
				transactions++
				if ids[w.ID] || w.ID != i.ID || !w.OccurredAt.Equal(i.At) {
					t.Fatalf("id %q repeats or disagrees with its item", w.ID)
				}
				ids[w.ID] = true
			})
			if c.want >= 0 && transactions != c.want {
				t.Errorf("%d transactions, want %d", transactions, c.want)
			}
			if math.Abs(float64(transactions)/2000-1) > 0.15 {
				t.Errorf("%d transactions, want about 2000", transactions)
			}
			if afterwards == 0 {
				t.Error("no label arrived")
			}
			if !c.cfg.End.IsZero() && end.Sub(last) > 24*time.Hour {
				t.Errorf("the world stopped at %s, long before its end", last)
			}
		})
	}
}

func TestEndless(t *testing.T) {
	s := newShop(t, Config{Seed: 3, Customers: 200, PerDay: 400_000})
	var last Item
	for range 20_000 {
		item, ok := s.Next()
		if !ok {
			t.Fatal("an endless world ended")
		}
		last = item
	}
	if days := last.At.Sub(firstDay).Hours() / 24; days < 0.02 || days > 0.3 {
		t.Errorf("20,000 items at 400,000 a day took %.2f days", days)
	}
	if w := last.Wait(last.At.Add(-time.Second)); w != time.Second {
		t.Errorf("Wait = %s a second before", w)
	}
	if w := last.Wait(last.At.Add(time.Hour)); w != 0 {
		t.Errorf("Wait = %s an hour after", w)
	}
}

func TestIDsDependOnStart(t *testing.T) {
	a := newShop(t, Config{Seed: 1, Customers: 10})
	b := newShop(t, Config{Seed: 1, Customers: 10, Start: firstDay.Add(time.Hour)})
	x, _ := a.Next()
	y, _ := b.Next()
	if x.ID == y.ID {
		t.Error("two runs into one store would collide")
	}
}

func TestConfigRefused(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no start":         {},
		"old start":        {Start: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)},
		"end before start": {Start: firstDay, End: firstDay},
		"customers":        {Start: firstDay, Customers: -1},
		"many customers":   {Start: firstDay, Customers: 6_000_000},
		"merchants":        {Start: firstDay, Merchants: 100_000},
		"terminals":        {Start: firstDay, Terminals: -3},
		"count":            {Start: firstDay, Count: -1},
		"a rate too many":  {Start: firstDay, Count: 10, End: firstDay.Add(time.Hour), PerDay: 5},
		"a late end":       {Start: firstDay, End: firstDay.AddDate(120, 0, 0)},
		"no end in sight":  {Start: firstDay, Count: 1000, PerDay: 0.001},
		"fraud":            {Start: firstDay, FraudShare: 0.5},
		"fraud NaN":        {Start: firstDay, FraudShare: math.NaN()},
		"growth":           {Start: firstDay, Growth: 2},
		"rate":             {Start: firstDay, PerDay: -1},
		"rate NaN":         {Start: firstDay, PerDay: math.NaN()},
	} {
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: error %v, want ErrConfig", name, err)
		}
	}
}

func TestNoFraudAndNoGrowth(t *testing.T) {
	s := newShop(t, Config{Customers: 100, Count: 1500, FraudShare: -1, Growth: -1})
	for {
		item, ok := s.Next()
		if !ok {
			break
		}
		if item.Fraud {
			t.Fatal("fraud in a world without")
		}
	}
	if len(s.customers) != 100 {
		t.Errorf("%d customers, want 100", len(s.customers))
	}
}

// A market of one seller without stores has to do, too.
func TestSmallestWorlds(t *testing.T) {
	for seed := range uint64(20) {
		cfg := Config{Seed: seed, Customers: 1, Merchants: 1, Terminals: 1, Count: 150, FraudShare: 0.2}
		n := 0
		run(t, cfg, func(i Item, w *wire) { n++ })
		if n < 150 {
			t.Fatalf("seed %d: %d items", seed, n)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	s := newShop(b, Config{Seed: 1, Customers: 100_000, PerDay: 1_000_000})
	b.ReportAllocs()
	for b.Loop() {
		s.Next()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

func BenchmarkEncode(b *testing.B) {
	s := newShop(b, Config{Seed: 1, Customers: 10_000})
	b.ReportAllocs()
	for b.Loop() {
		item, _ := s.Next()
		if err := Encode(io.Discard, item); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newShop(b, Config{Seed: 1, Customers: 100_000})
	}
}
