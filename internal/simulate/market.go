package simulate

import (
	"math"
	"math/rand/v2"
	"sort"
)

// category is a line of business with the usual ticket.
type category struct {
	mcc    string  // ISO 18245
	median float64 // centavos
	sigma  float64 // of the logarithm
	weight float64
	store  bool // has shops with terminals
	ships  bool // delivers a parcel when bought from afar
}

func categories() []category {
	return []category{
		{"5411", 118_00, 0.75, 12, true, true},  // groceries
		{"5812", 62_00, 0.55, 9, true, false},   // restaurants
		{"5814", 34_00, 0.45, 9, true, false},   // fast food
		{"5912", 68_00, 0.65, 8, true, true},    // pharmacies
		{"5651", 155_00, 0.60, 9, true, true},   // clothing
		{"5311", 210_00, 0.75, 8, true, true},   // department stores
		{"5732", 690_00, 0.90, 5, true, true},   // electronics
		{"5722", 1250_00, 0.70, 2, true, true},  // household appliances
		{"5942", 58_00, 0.50, 4, true, true},    // books
		{"5977", 92_00, 0.60, 6, true, true},    // cosmetics
		{"5995", 110_00, 0.55, 4, true, true},   // pets
		{"5251", 130_00, 0.80, 3, true, true},   // hardware
		{"4121", 24_00, 0.50, 8, false, false},  // rides
		{"4814", 35_00, 0.35, 6, false, false},  // phone top-ups
		{"5816", 42_00, 0.70, 5, false, false},  // games
		{"4511", 780_00, 0.65, 1, false, false}, // airlines
		{"7011", 420_00, 0.60, 1, false, false}, // hotels
	}
}

// merchant is a seller.
type merchant struct {
	serial   uint32
	category uint8
}

// terminal stands in a store.
type terminal struct {
	serial   uint32
	merchant uint32 // index into Shop.merchants
	state    uint8
}

// picker draws an index with given weights by inverting the cumulative sum.
type picker []float64

func newPicker(weights ...float64) picker {
	p := make(picker, len(weights))
	sum := 0.0
	for i, w := range weights {
		sum += w
		p[i] = sum
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// draw maps u of [0, 1) to an index.
func (p picker) draw(u float64) int {
	return min(sort.SearchFloat64s(p, math.Nextafter(u, 1)), len(p)-1)
}

// openMarket makes the sellers and the terminals of the stores.
func (s *Shop) openMarket() {
	weights := make([]float64, len(s.lines))
	for i, c := range s.lines {
		weights[i] = c.weight
	}
	lines := newPicker(weights...)
	sizes := make([]float64, s.cfg.Merchants)
	stores := make([]uint32, 0, s.cfg.Merchants)
	for i := range s.cfg.Merchants {
		m := merchant{serial: uint32(i + 1), category: uint8(lines.draw(s.rnd.Float64()))}
		s.merchants = append(s.merchants, m)
		sizes[i] = math.Exp(1.1 * s.rnd.NormFloat64()) // few large sellers, many small ones
		if s.lines[m.category].store {
			stores = append(stores, uint32(i))
		}
	}
	s.sellers = newPicker(sizes...)
	s.byState = make([][]uint32, len(s.states))
	if len(stores) == 0 {
		return
	}
	for i := range s.cfg.Terminals {
		t := terminal{serial: uint32(i + 1), merchant: stores[s.rnd.IntN(len(stores))], state: s.drawState()}
		s.terminals = append(s.terminals, t)
		s.byState[t.state] = append(s.byState[t.state], uint32(i))
	}
}

// seller draws any merchant by size.
func (s *Shop) seller() uint32 { return uint32(s.sellers.draw(s.rnd.Float64())) }

// sellerOf draws a merchant of one of the given lines, or any when the market has none after a few tries.
func (s *Shop) sellerOf(codes ...string) uint32 {
	m := s.seller()
	for range 40 {
		for _, code := range codes {
			if s.lines[s.merchants[m].category].mcc == code {
				return m
			}
		}
		m = uint32(s.rnd.IntN(len(s.merchants)))
	}
	return m
}

// price draws an amount in centavos around median, with the endings that shops like.
func price(rnd *rand.Rand, median, sigma float64) int64 {
	v := int64(math.Round(median * math.Exp(sigma*rnd.NormFloat64())))
	v = min(max(v, 200), 60_000_00)
	switch rnd.IntN(10) {
	case 0, 1, 2:
		return v/100*100 + 90
	case 3, 4:
		return v/100*100 + 99
	case 5:
		return v / 100 * 100
	}
	return v
}
