package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/velocity"
)

// exactFor is how far before the newest event of all a reading is still exact; see velocity.Reading.Late.
const exactFor = 36 * 24 * time.Hour

// recounted rebuilds the windows as a start does and compares them, for the entities of sampled transactions, with a
// brute-force count of the stored rows. Each sample is read as of the newest event of its own entities: later, the
// short windows would be empty on both sides.
func (v *verification) recounted(ctx context.Context, f *finding) error {
	read, closer, err := v.windows(ctx)
	if err != nil {
		return err
	}
	defer closer()
	probes, newest, err := v.probes(ctx)
	if err != nil {
		return err
	}
	history, err := v.histories(ctx, probes)
	if err != nil {
		return err
	}
	compared, filled := 0, 0
	for i := range probes {
		v.show("recounting windows: %d of %d", i+1, len(probes))
		probe := &probes[i]
		probe.At = newest.Add(-exactFor)
		for _, h := range history[i] {
			if h.At.After(probe.At) {
				probe.At = h.At
			}
		}
		reading, err := patientRead(ctx, read, probe)
		if err != nil {
			return err
		}
		if reading.Incomplete {
			f.fault("the windows know that they lost events and are not healed yet: fastshop windows heal")
			return nil
		}
		want := velocity.Recount(v.plan, history[i], *probe, v.windowOptions)
		for j, feature := range v.plan {
			got, expected := reading.Values[j], want.Values[j]
			if got != expected && !(math.IsNaN(got) && math.IsNaN(expected)) {
				f.fault("%s of the entities of transaction %s is %v, a recount gives %v", feature.Name(), probe.ID, got, expected)
			}
			compared++
			if expected != 0 && !math.IsNaN(expected) {
				filled++
			}
		}
	}
	f.Detail = fmt.Sprintf("%d features of the entities of %d transactions equal a recount of the stored rows (%s values, %s of them not zero)",
		len(v.plan), len(probes), count(compared), count(filled))
	return nil
}

// readPatience is how long windows that do not answer are asked again: they are made to give up within moments, so that no
// verdict waits for them, and a check has more time than a verdict.
const readPatience = 15 * time.Second

// patientRead reads the windows for one event.
func patientRead(ctx context.Context, w windows, e *velocity.Event) (velocity.Reading, error) {
	for began := time.Now(); ; {
		readings, err := w.Read(ctx, []velocity.Event{*e})
		switch {
		case err == nil:
			return readings[0], nil
		case !errors.Is(err, velocity.ErrUnavailable) || time.Since(began) > readPatience:
			return velocity.Reading{}, err
		}
		select {
		case <-ctx.Done():
			return velocity.Reading{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// windows are those to compare: in memory, rebuilt as a start does, or those in Redis as they are.
func (v *verification) windows(ctx context.Context) (windows, func(), error) {
	w, closer, err := openWindows(ctx, v.Velocity, defaultWindowCache, v.plan, v.windowOptions, &v.clouds, quiet(), time.Now)
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = closer() } // reading is all that was done
	if memory, ok := w.(*velocity.Memory); ok {
		_, err = pipeline.Rebuild(ctx, v.store, memory, time.Time{}, func(n int) { v.show("rebuilding windows: %s transactions", count(n)) })
	}
	return w, done, err
}

// probes picks transactions spread over all of history, half of them from its last tenth.
func (v *verification) probes(ctx context.Context) (picked []velocity.Event, newest time.Time, err error) {
	totals, err := v.store.Totals(ctx)
	if err != nil {
		return nil, newest, err
	}
	n := totals.Transactions()
	early := max(1, n*2/int64(v.Samples))
	late := max(1, n/10*2/int64(v.Samples))
	var i int64
	err = v.store.Replay(ctx, time.Time{}, func(t pipeline.Labeled) error {
		i++
		if t.At.After(newest) {
			newest = t.At
		}
		if (i%early == 0 || i > n-n/10 && i%late == 0) && len(picked) < v.Samples {
			picked = append(picked, t.Remembered().Event)
		}
		return nil
	})
	for i := range picked {
		picked[i].ID = "verify-" + picked[i].ID // not counted yet, so that nothing is left out
	}
	return picked, newest, err
}

// histories gathers for each probe the rows that share an entity with it.
func (v *verification) histories(ctx context.Context, probes []velocity.Event) ([][]velocity.Remembered, error) {
	type entity struct {
		kind  payment.Kind
		token payment.Token
	}
	wanted := map[entity][]int{}
	for i, e := range probes {
		for k, t := range e.Entities {
			if !t.IsZero() {
				key := entity{payment.Kind(k), t}
				wanted[key] = append(wanted[key], i)
			}
		}
	}
	found := make([][]velocity.Remembered, len(probes))
	taken := make([]int64, len(probes))
	var row int64
	err := v.store.Replay(ctx, time.Time{}, func(t pipeline.Labeled) error {
		row++
		for k, token := range t.Entities {
			for _, i := range wanted[entity{payment.Kind(k), token}] {
				if taken[i] != row {
					taken[i] = row
					found[i] = append(found[i], t.Remembered())
				}
			}
		}
		return nil
	})
	return found, err
}
