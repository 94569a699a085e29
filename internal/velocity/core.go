package velocity

import (
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// core is what [Memory] and [Mirror] have in common: how an entity's events are kept, and how they are read.
type core struct {
	bounds
	kinds *[payment.KindCount]kindPlan
	width int // values in a reading

	arena  arena
	newest int64 // second of the newest event of all, or -1
	work   scratch
}

// newCore returns an empty core that answers plan. Its error wraps ErrFeature.
func newCore(plan Plan, o Options) (core, error) {
	b, err := o.resolve()
	if err != nil {
		return core{}, err
	}
	kinds, err := compile(plan)
	if err != nil {
		return core{}, err
	}
	return core{bounds: b, kinds: kinds, width: len(plan), newest: -1}, nil
}

// readings returns n empty readings with room for their values.
func (c *core) readings(into []Reading, n int) []Reading {
	if cap(into) < n {
		into = append(make([]Reading, 0, n), into[:cap(into)]...)
	}
	into = into[:n]
	missing := 0
	for i := range into {
		if cap(into[i].Values) < c.width {
			missing++
		}
	}
	values := make([]float64, missing*c.width)
	for i := range into {
		v := into[i].Values
		if cap(v) < c.width {
			v, values = values[:c.width:c.width], values[c.width:]
		}
		into[i] = Reading{Values: v[:c.width]}
	}
	return into
}

// check returns an error without the event's content: amounts and times belong to somebody.
func check(e *Event, i int) error {
	reason := ""
	at := e.At.Unix()
	switch {
	case e.ID == "":
		reason = "has no id"
	case at < 0 || at > maxSecond:
		reason = "has a time out of range"
	case e.Amount < 0 || e.Amount > payment.MaxCentavos:
		reason = "has an amount out of range"
	default:
		return nil
	}
	return fmt.Errorf("%w: number %d of the batch %s", ErrEvent, i, reason)
}

const maxSecond = 1<<32 - 1

func clampSecond(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), maxSecond)) }

// sighting is an event with the places of what it names.
type sighting struct {
	event  *Event
	at     int64
	hour   uint8
	hash   uint64 // of the id
	known  uint32 // the record, if the id was counted before
	hashes [payment.KindCount]uint64
	places [payment.KindCount]uint32 // entities; 0: lacking, or never seen
	limits edges
}

// enter makes e know of a new event, which the caller holds. keys are those of the event's counterparts, 0 for those that it lacks; release
// takes a hold off a record that e lets go.
func (c *core) enter(kind payment.Kind, e *entity, ref uint32, keys *[payment.KindCount]uint64, release func(uint32)) {
	a := &c.arena
	r := a.records.at(ref)
	if e.first > e.last {
		e.first, e.last = r.at, r.at
	}
	span(&e.first, &e.last, r.at, c.horizon)
	e.newest = max(e.newest, r.at)
	if r.at >= e.floor {
		a.insert(e, ref, r)
		c.trim(e, release)
	}
	for _, other := range c.kinds[kind].pairs {
		if keys[other] != 0 {
			a.meet(e, keys[other], r.at, &c.bounds)
		}
	}
}
