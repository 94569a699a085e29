package simulate

import (
	"math"
	"testing"
	"time"
)

type seen struct {
	Item
	*wire
}

// frauds runs a shop for ninety days, so that most labels have come.
func frauds(t *testing.T) (byScenario map[string][]seen, labels map[string]Label, total int) {
	t.Helper()
	byScenario, labels = map[string][]seen{}, map[string]Label{}
	run(t, Config{Seed: 17, Customers: 2500, PerDay: 160, FraudShare: 0.2, End: firstDay.AddDate(0, 0, 90)}, func(i Item, w *wire) {
		if w == nil {
			if _, twice := labels[i.ID]; twice {
				t.Fatalf("two labels for %s", i.ID)
			}
			labels[i.ID] = *i.Label
			return
		}
		total++
		byScenario[i.Scenario] = append(byScenario[i.Scenario], seen{i, w})
		if i.Fraud != (i.Scenario != "") {
			t.Fatalf("fraud %v, scenario %q", i.Fraud, i.Scenario)
		}
	})
	return byScenario, labels, total
}

// A world with a number of transactions has just that many, and frauds at their share, from early on and of all kinds.
func TestCountAndFraudsAreExact(t *testing.T) {
	for _, cfg := range []Config{
		{Seed: 1, Customers: 200, Count: 3000, FraudShare: 0.01, End: firstDay.AddDate(0, 0, 59)},
		{Seed: 2, Customers: 2000, Count: 4000, FraudShare: 0.01, End: firstDay.AddDate(0, 0, 45)},
		{Seed: 3, Customers: 50, Count: 2000, FraudShare: 0.05, End: firstDay.Add(5 * time.Hour)},
		{Seed: 4, Customers: 100, Count: 2500, FraudShare: 0.02},
		{Seed: 5, Customers: 3, Count: 4, FraudShare: 0.2, PerDay: 0.5},
		{Seed: 6, Customers: 10, Count: 1, FraudShare: 0.2, End: firstDay.Add(time.Minute)},
		{Seed: 7, Customers: 10, Count: 300, FraudShare: -1, End: firstDay.AddDate(0, 0, 9)},
	} {
		s := newShop(t, cfg)
		n, frauds, early, kinds := 0, 0, 0, map[string]bool{}
		last := firstDay
		for item, ok := s.Next(); ok; item, ok = s.Next() {
			if item.At.Before(last) || !cfg.End.IsZero() && item.At.After(cfg.End) {
				t.Fatalf("seed %d: something happens at %s, after %s and until %s", cfg.Seed, item.At, last, cfg.End)
			}
			last = item.At
			if item.Label != nil {
				continue
			}
			n++
			if item.Fraud {
				frauds++
				kinds[item.Scenario] = true
				if n <= cfg.Count/3 {
					early++
				}
			}
		}
		want := int(math.Round(float64(cfg.Count) * max(0, cfg.FraudShare)))
		if n != cfg.Count || frauds != want {
			t.Errorf("seed %d: %d transactions with %d frauds, want %d with %d", cfg.Seed, n, frauds, cfg.Count, want)
		}
		if want >= 30 && (early == 0 || len(kinds) < 5) {
			t.Errorf("seed %d: %d frauds in the first third, kinds %v", cfg.Seed, early, kinds)
		}
	}
}

func TestFrauds(t *testing.T) {
	by, labels, total := frauds(t)
	bad := total - len(by[""])
	within(t, "share of fraud", float64(bad)/float64(total), 0.2, 0.005)
	for kind := cardTesting; kind < scenarioCount; kind++ {
		within(t, "share of "+kind.String(), float64(len(by[kind.String()]))/float64(bad), target[kind], 0.04)
	}
	t.Run("labels", func(t *testing.T) { checkLabels(t, by, labels) })
	t.Run("card testing", func(t *testing.T) { checkCardTesting(t, by["card_testing"]) })
	t.Run("takeover", func(t *testing.T) { checkTakeover(t, by["account_takeover"], by[""]) })
	t.Run("ring", func(t *testing.T) { checkRing(t, by["card_ring"]) })
	t.Run("Pix scam", func(t *testing.T) { checkScam(t, by["pix_scam"], by[""]) })
	t.Run("terminal", func(t *testing.T) { checkTerminal(t, by["compromised_terminal"]) })
}

func checkLabels(t *testing.T, by map[string][]seen, labels map[string]Label) {
	mature := firstDay.AddDate(0, 0, 49) // whose labels had 41 days
	count := map[Source]int{}
	known, fraudsOld, early, chargebacks := 0, 0, 0, 0
	for scenario, list := range by {
		for _, f := range list {
			l, ok := labels[f.Item.ID]
			if scenario == "" {
				if ok && l.Verdict != Genuine {
					t.Fatalf("a genuine payment is labeled %s", l.Verdict)
				}
				continue
			}
			if f.At.Before(mature) {
				fraudsOld++
				if ok {
					known++
				}
			}
			if !ok {
				continue
			}
			delay := l.KnownAt.Sub(f.At)
			lo, hi := time.Hour, 5*24*time.Hour
			switch l.Source {
			case Chargeback:
				lo, hi = 5*24*time.Hour, 40*24*time.Hour
				if f.At.Before(mature) {
					if chargebacks++; delay < 15*24*time.Hour {
						early++
					}
				}
			case PixMED:
				lo, hi = 2*time.Hour, 10*24*time.Hour
			}
			count[l.Source]++
			if l.Verdict != Fraud || delay < lo || delay > hi {
				t.Fatalf("%s label after %s says %s", l.Source, delay, l.Verdict)
			}
			if (l.Source == Chargeback) != (f.Method == "card") && (l.Source == Chargeback || l.Source == PixMED && f.Method != "pix") {
				t.Fatalf("%s of a %s payment", l.Source, f.Method)
			}
		}
	}
	within(t, "frauds that are ever labeled", float64(known)/float64(fraudsOld), 0.76, 0.06)
	within(t, "chargebacks within 15 days", float64(early)/float64(chargebacks), 0.57, 0.06)
	for _, s := range []Source{Chargeback, PixMED, Disposition, Report} {
		if count[s] == 0 {
			t.Errorf("no label came by %s", s)
		}
	}
}

func checkCardTesting(t *testing.T, list []seen) {
	cards, devices, tiny := map[string]bool{}, map[string]bool{}, 0
	bins := map[string]map[string]bool{} // device → BINs
	for _, f := range list {
		cards[f.Card.Token] = true
		devices[f.Device.ID] = true
		if f.Amount.Centavos < 10_00 {
			tiny++
		}
		if bins[f.Device.ID] == nil {
			bins[f.Device.ID] = map[string]bool{}
		}
		bins[f.Device.ID][f.Card.BIN] = true
	}
	if len(cards) != len(list) || len(cards) < 6*len(devices) {
		t.Errorf("%d payments with %d cards on %d devices", len(list), len(cards), len(devices))
	}
	if share := float64(tiny) / float64(len(list)); share < 0.95 || share == 1 {
		t.Errorf("%.3f of the amounts are tiny", share)
	}
	for _, b := range bins {
		if len(b) != 1 {
			t.Fatal("one machine tests more than one BIN run")
		}
	}
}

func checkTakeover(t *testing.T, list, genuine []seen) {
	own := map[string]map[string]bool{}
	for _, g := range genuine {
		if g.Device != nil {
			if own[g.Customer.ID] == nil {
				own[g.Customer.ID] = map[string]bool{}
			}
			own[g.Customer.ID][g.Device.ID] = true
		}
	}
	shipped := 0
	for _, f := range list {
		if own[f.Customer.ID][f.Device.ID] {
			t.Fatal("the intruder uses the victim's device")
		}
		if f.Shipping != nil {
			shipped++
		}
	}
	within(t, "takeovers with a parcel", float64(shipped)/float64(len(list)), 0.75, 0.12)
}

func checkRing(t *testing.T, list []seen) {
	cards, devices := map[string]map[string]bool{}, map[string]bool{}
	for _, f := range list {
		devices[f.Device.ID] = true
		if cards[f.Device.ID] == nil {
			cards[f.Device.ID] = map[string]bool{}
		}
		cards[f.Device.ID][f.Card.Token] = true
	}
	shared := 0
	for _, c := range cards {
		if len(c) >= 2 {
			shared++
		}
	}
	if shared*10 < len(devices)*8 {
		t.Errorf("%d of %d devices carry more than one card", shared, len(devices))
	}
}

func checkScam(t *testing.T, list, genuine []seen) {
	known := map[string]map[string]bool{}
	for _, g := range genuine {
		if g.Device != nil {
			if known[g.Customer.ID] == nil {
				known[g.Customer.ID] = map[string]bool{}
			}
			known[g.Customer.ID][g.Device.ID] = true
		}
	}
	own, night, checked := 0, 0, 0
	for _, f := range list {
		if f.Method != "pix" {
			t.Fatalf("a Pix scam by %s", f.Method)
		}
		if h := f.At.Add(-3 * time.Hour).Hour(); h >= 20 || h < 7 {
			night++
		}
		if len(known[f.Customer.ID]) > 1 {
			checked++
			if known[f.Customer.ID][f.Device.ID] {
				own++
			}
		}
	}
	if own*10 < checked*9 {
		t.Errorf("only %d of %d victims paid from their own device", own, checked)
	}
	within(t, "Pix scams at night", float64(night)/float64(len(list)), 0.67, 0.12)
}

func checkTerminal(t *testing.T, list []seen) {
	terminals := map[string]int{}
	for _, f := range list {
		terminals[f.Terminal]++
		if f.Channel != "store" || f.Terminal == "" || f.Device != nil || f.Shipping != nil {
			t.Fatalf("a cloned card at no terminal: %s", f.Submission)
		}
	}
	if len(list) < 6*len(terminals) {
		t.Errorf("%d frauds on %d terminals", len(list), len(terminals))
	}
}
