package simulate

import (
	"math"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/pii"
)

// Every attempt, fraudulent ones too, passes the checks of the real intake.
func TestSubmissionsValidate(t *testing.T) {
	s := newShop(t, Config{Seed: 11, Customers: 1000, Count: 4000, FraudShare: 0.2})
	for {
		item, ok := s.Next()
		if !ok {
			return
		}
		if item.Label != nil {
			continue
		}
		if _, err := ingest.Decode(item.Submission, item.At); err != nil {
			t.Fatalf("%s %s: %v\n%s", item.ID, item.Scenario, err, item.Submission)
		}
	}
}

func TestDocuments(t *testing.T) {
	s := newShop(t, Config{Seed: 5, Customers: 30_000})
	seen := map[string]bool{}
	people, local, letters, companies := 0, 0, 0, 0
	for _, c := range s.customers {
		doc := string(c.doc.bytes())
		if seen[doc] {
			t.Fatal("a document occurs twice")
		}
		seen[doc] = true
		if c.company {
			companies++
			if strings.ContainsAny(doc, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
				letters++
			}
		} else {
			people++
			if doc[8] == s.states[c.home.state].region {
				local++
			}
		}
		if _, err := pii.ParseDocument(doc); err != nil {
			t.Fatalf("document refused: %v", err)
		}
	}
	within(t, "companies", float64(companies)/30_000, companyShare, 0.005)
	within(t, "alphanumeric CNPJs", float64(letters)/float64(companies), alphanumericShare, 0.05)
	if share := float64(local) / float64(people); share < 0.86 || share > 0.95 {
		t.Errorf("%.3f of the CPFs fit the state", share)
	}
}

// The vector of the Receita Federal's own example, and a region whose CPF would be eleven equal digits.
func TestKnownDocuments(t *testing.T) {
	if d := [2]byte{cpfDigit([]byte("111444777")), cpfDigit([]byte("1114447773"))}; d != [2]byte{'3', '5'} {
		t.Errorf("check digits of 111.444.777 are %s", d[:])
	}
	if d := [2]byte{cnpjDigit([]byte("12ABC34501DE")), cnpjDigit([]byte("12ABC34501DE3"))}; d != [2]byte{'3', '5'} {
		t.Errorf("check digits of 12.ABC.345/01DE are %s", d[:])
	}
	if d := makeCPF(0, 0, '0'); allEqual(d.bytes()) {
		t.Error("eleven equal digits were issued")
	} else if _, err := pii.ParseDocument(string(d.bytes())); err != nil {
		t.Error(err)
	}
}

// digitRuns finds what could be read as a card number: digits, bare or in groups.
var digitRuns = regexp.MustCompile(`[0-9](?:[ .-]?[0-9])+`)

func TestNothingLooksLikeACardNumber(t *testing.T) {
	run(t, Config{Seed: 21, Customers: 1500, Count: 2000, FraudShare: 0.1}, func(i Item, w *wire) {
		if w == nil {
			return
		}
		fields := []string{w.ID, w.Customer.ID, w.Customer.Document, w.Customer.Email, w.Customer.Phone, w.Customer.Name, w.Merchant.ID, w.Terminal}
		if w.Card != nil {
			fields = append(fields, w.Card.Token, w.Card.BIN, w.Card.Last4)
		}
		if w.Pix != nil {
			fields = append(fields, w.Pix.EndToEndID, w.Pix.TxID)
		}
		if w.Device != nil {
			fields = append(fields, w.Device.ID, w.Device.UserAgent)
		}
		if w.Shipping != nil {
			fields = append(fields, w.Shipping.CEP, w.Shipping.Number, w.Shipping.City)
		}
		for _, f := range fields {
			for _, found := range digitRuns.FindAllString(f, -1) {
				digits := strings.NewReplacer(" ", "", ".", "", "-", "").Replace(found)
				if len(digits) >= 13 && len(digits) <= 19 && luhn([]byte(digits)) {
					t.Fatalf("%q holds what passes as a card number", f)
				}
			}
		}
	})
}

// Nobody real is reached: domains, addresses and numbers are reserved or unassigned.
func TestHarmless(t *testing.T) {
	reserved := []netip.Prefix{}
	for _, p := range []string{"10.0.0.0/8", "100.64.0.0/10", "192.0.2.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"} {
		reserved = append(reserved, netip.MustParsePrefix(p))
	}
	run(t, Config{Seed: 4, Customers: 1000, Count: 3000, FraudShare: 0.1}, func(i Item, w *wire) {
		if w == nil {
			return
		}
		if e := w.Customer.Email; e != "" {
			_, domain, _ := strings.Cut(e, "@")
			if !strings.HasPrefix(domain, "example.") {
				t.Fatalf("e-mail domain %s", domain)
			}
		}
		if p := w.Customer.Phone; p != "" && p[5:7] != "90" {
			t.Fatalf("phone %s may ring", p)
		}
		if w.Device == nil || w.Device.IP == "" {
			return
		}
		addr := netip.MustParseAddr(w.Device.IP)
		for _, p := range reserved {
			if p.Contains(addr) {
				return
			}
		}
		t.Fatalf("address %s is somebody's", addr)
	})
}

func TestMixAndRhythm(t *testing.T) {
	const days = 28
	methods, channels, hours := map[string]int{}, map[string]int{}, [24]int{}
	dates := map[int]int{}
	states := map[string]int{}
	total, fresh := 0, map[string]bool{}
	brt := time.FixedZone("BRT", -3*60*60)
	run(t, Config{Seed: 9, Customers: 800, PerDay: 500, End: firstDay.AddDate(0, 0, days)}, func(i Item, w *wire) {
		if w == nil || i.Fraud {
			return
		}
		total++
		methods[w.Method]++
		channels[w.Channel]++
		local := i.At.In(brt)
		hours[local.Hour()]++
		dates[local.Day()]++
		if w.Shipping != nil {
			states[w.Shipping.UF]++
		}
		fresh[w.Customer.ID] = true
		if w.Channel == "store" && (local.Hour() < 8 || local.Hour() > 21) {
			t.Fatalf("a store is open at %s", local)
		}
		if (w.Terminal != "") != (w.Channel == "store") {
			t.Fatalf("terminal %q on channel %s", w.Terminal, w.Channel)
		}
	})
	within(t, "purchases a day", float64(total)/days, 500, 50)
	within(t, "share of Pix", float64(methods["pix"])/float64(total), 0.40, 0.06)
	within(t, "share of boleto", float64(methods["boleto"])/float64(total), 0.013, 0.008)
	within(t, "share of stores", float64(channels["store"])/float64(total), 0.19, 0.06)
	for _, c := range []string{"web", "app", "phone", "marketplace"} {
		if channels[c] == 0 {
			t.Errorf("nobody buys by %s", c)
		}
	}
	if hours[4]*6 > hours[12] || hours[4]*6 > hours[20] {
		t.Errorf("no rhythm of the day: %v", hours)
	}
	if dates[6] < dates[13]*5/4 {
		t.Errorf("no pay-day: %d on the 6th, %d on the 13th", dates[6], dates[13])
	}
	if dates[8] > dates[9] { // Sunday and Monday
		t.Errorf("no rhythm of the week: %d on Sunday, %d on Monday", dates[8], dates[9])
	}
	if states["SP"] < 3*states["MG"]/2 || states["AC"] > states["BA"] {
		t.Errorf("states are not Brazil's: %v", states)
	}
	if len(fresh) < 500 {
		t.Errorf("only %d customers bought", len(fresh))
	}
}

func TestCustomersGrow(t *testing.T) {
	s := newShop(t, Config{Seed: 2, Customers: 1000, PerDay: 500, Growth: 0.3, End: firstDay.AddDate(0, 0, 30)})
	for {
		if _, ok := s.Next(); !ok {
			break
		}
	}
	within(t, "customers after a month", float64(len(s.customers)), 1300, 60)
}

// Amounts are a person's own: somebody's tickets scatter less than everybody's.
func TestAmountsArePersonal(t *testing.T) {
	byCustomer := map[string][]float64{}
	var all []float64
	run(t, Config{Seed: 13, Customers: 120, Count: 5000, FraudShare: -1}, func(i Item, w *wire) {
		if w != nil && w.Amount.Centavos > 0 {
			v := math.Log(float64(w.Amount.Centavos))
			byCustomer[w.Customer.ID] = append(byCustomer[w.Customer.ID], v)
			all = append(all, v)
		}
	})
	means := []float64{}
	for _, list := range byCustomer {
		if len(list) >= 30 {
			means = append(means, mean(list))
		}
	}
	if spread := deviation(means); spread < 0.35 {
		t.Errorf("customers differ by %.2f only", spread)
	}
	within(t, "median ticket (log centavos)", mean(all), math.Log(90_00), 0.5)
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

func deviation(list []float64) float64 {
	m, sum := mean(list), 0.0
	for _, v := range list {
		sum += (v - m) * (v - m)
	}
	return math.Sqrt(sum / float64(len(list)))
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: %.4g, want %.4g ± %.4g", what, got, want, tolerance)
	}
}
