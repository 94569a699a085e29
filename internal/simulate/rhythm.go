package simulate

import (
	"math"
	"time"
)

// Time is in Unix milliseconds inside the simulator. Brazil has kept no summer time
// since 2019 (Decreto 9.772), so Brasília time is UTC − 3 h all year and no zone file is needed.
const (
	minuteMS = int64(60_000)
	hourMS   = 60 * minuteMS
	dayMS    = 24 * hourMS
	zoneMS   = -3 * hourMS
)

// localHour is the hour of the day in Brasília, 0 to 23.
func localHour(ms int64) int { return int(floorMod(ms+zoneMS, dayMS) / hourMS) }

func floorMod(a, b int64) int64 {
	if m := a % b; m >= 0 {
		return m
	}
	return a%b + b
}

// atHour is the next moment at or after ms whose local hour is the given one, with the minutes of ms.
func atHour(ms int64, hour int) int64 {
	ahead := (hour - localHour(ms) + 24) % 24
	return ms + int64(ahead)*hourMS
}

// hourShape are the relative rates of an hour on a working day and at the weekend:
// a trough before dawn, lunch, and the evening at home; later mornings at the weekend.
var hourShape = [2][24]float64{
	{0.45, 0.25, 0.15, 0.10, 0.10, 0.15, 0.35, 0.65, 0.95, 1.15, 1.25, 1.35, 1.60, 1.50, 1.30, 1.25, 1.25, 1.30, 1.40, 1.55, 1.75, 1.70, 1.35, 0.85},
	{0.65, 0.40, 0.25, 0.15, 0.10, 0.12, 0.22, 0.40, 0.70, 1.00, 1.30, 1.50, 1.55, 1.40, 1.30, 1.30, 1.35, 1.45, 1.55, 1.60, 1.60, 1.45, 1.20, 0.90},
}

// dayShape are the relative rates of the days, Sunday first.
var dayShape = [7]float64{0.86, 1.06, 1.04, 1.02, 1.02, 1.08, 0.92}

// dateShape is the rate of a day of the month: wages are due by the fifth working day
// (CLT, art. 459, § 1), many companies pay an advance on the 20th, and the month's last days are lean.
func dateShape(day int) float64 {
	switch {
	case day >= 5 && day <= 7:
		return 1.35
	case day == 20 || day == 21:
		return 1.12
	case day >= 26:
		return 0.88
	}
	return 0.97
}

// rhythm turns a mean daily rate into one for every hour.
type rhythm struct {
	norm [2]float64 // makes each hourShape average 1
}

func newRhythm() rhythm {
	var r rhythm
	for i, shape := range hourShape {
		sum := 0.0
		for _, v := range shape {
			sum += v
		}
		r.norm[i] = 24 / sum
	}
	return r
}

// factor is the rate of the hour that holds ms, relative to the mean hour.
func (r *rhythm) factor(ms int64) float64 {
	local := time.UnixMilli(ms + zoneMS).UTC()
	weekday := int(local.Weekday())
	kind := 0
	if weekday == 0 || weekday == 6 {
		kind = 1
	}
	return hourShape[kind][local.Hour()] * r.norm[kind] * dayShape[weekday] * dateShape(local.Day())
}

// growth is how many customers there are for each one at Start; c.Growth is of those at Start, so it is linear.
func (c *Config) growth(ms int64) float64 {
	return 1 + c.Growth*float64(max(0, ms-c.Start.UnixMilli()))/float64(30*dayMS)
}

// density is what the hour that holds ms weighs in mean days at Start's rate, for a millisecond, and when that hour
// ends: a pay-day counts more, the night less, and a day with more customers more.
func (c *Config) density(r *rhythm, ms int64) (rate float64, end int64) {
	hour := ms - floorMod(ms, hourMS)
	return r.factor(hour) * c.growth(hour) / float64(dayMS), hour + hourMS
}

// walk goes from Start until the moment to, or until so many mean days have passed, and returns how many did, and when.
func (c *Config) walk(to int64, days float64) (passed float64, at int64) {
	r := newRhythm()
	for at = c.Start.UnixMilli(); at < to; {
		rate, end := c.density(&r, at)
		end = min(end, to)
		part := float64(end-at) * rate
		if passed+part >= days {
			return days, at + int64(math.Ceil((days-passed)/rate))
		}
		passed, at = passed+part, end
	}
	return passed, at
}

// advance moves s.clock to the next genuine purchase of a Poisson process whose rate is constant within an hour. When
// the number of purchases until the last moment is given, the process is that under this condition: what is left of the
// time, in mean days, is cut at the least of as many uniform draws as there are purchases left.
func (s *Shop) advance() {
	need := s.rnd.ExpFloat64() / s.cfg.PerDay
	if s.left > 0 {
		need = -math.Expm1(-need*s.cfg.PerDay/float64(s.left)) * s.days
		s.days -= need
	}
	for {
		if s.clock >= s.hourEnd {
			s.rate, s.hourEnd = s.cfg.density(&s.rhythm, s.clock)
		}
		if ahead := need / s.rate; s.carry+ahead < float64(s.hourEnd-s.clock) {
			// Fractions of a millisecond are carried over, else high rates would run slow.
			whole, fraction := math.Modf(s.carry + ahead)
			s.clock += int64(whole)
			s.carry = fraction
			break
		}
		need -= (float64(s.hourEnd-s.clock) - s.carry) * s.rate
		s.clock, s.carry = s.hourEnd, 0
	}
	if s.left >= 0 {
		s.clock = min(s.clock, s.last) // sums round
	}
}

// habits are the hours at which kinds of people shop, as the chance that somebody of
// the kind is awake to the shop: early risers, office lunch, evenings, night owls, any time.
var habits = [5][24]float64{
	{.2, .1, .1, .1, .2, .5, .9, 1, 1, .9, .8, .7, .6, .5, .4, .4, .4, .4, .3, .3, .3, .2, .2, .2},
	{.1, .1, .1, .1, .1, .1, .2, .4, .6, .7, .8, 1, 1, 1, .7, .6, .6, .6, .5, .4, .4, .3, .2, .1},
	{.3, .1, .1, .1, .1, .1, .1, .2, .3, .3, .3, .4, .5, .4, .4, .4, .5, .6, .8, 1, 1, 1, .8, .5},
	{1, .9, .7, .5, .3, .1, .1, .1, .1, .2, .2, .3, .3, .3, .4, .4, .4, .4, .5, .6, .8, .9, 1, 1},
	{.6, .5, .4, .4, .4, .5, .6, .7, .8, .8, .8, .8, .9, .9, .8, .8, .8, .8, .8, .9, .9, .9, .8, .7},
}
