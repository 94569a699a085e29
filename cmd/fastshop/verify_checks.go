package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitestore"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/velocity"
)

// rows checks that every stored row can be read, is there once, and adds up to the running totals.
func (v *verification) rows(ctx context.Context, f *finding) error {
	f.Check = "store"
	seed := maphash.MakeSeed()
	seen := map[uint64]struct{}{}
	var n int64
	err := v.store.Rows(ctx, func(s sqlitestore.Stored) error {
		n++
		v.show("reading stored rows: %s", count(n))
		if !s.Decision.Outcome.Valid() {
			f.fault("transaction %s has no valid outcome", s.Transaction.ID)
		}
		h := maphash.String(seed, s.Transaction.ID)
		if _, twice := seen[h]; twice {
			f.fault("transaction %s is stored twice", s.Transaction.ID)
		}
		seen[h] = struct{}{}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	totals, err := v.store.Totals(ctx)
	if err != nil {
		return err
	}
	if totals.Transactions() != n {
		f.fault("the totals count %d transactions, the rows are %d", totals.Transactions(), n)
	}
	f.Detail = fmt.Sprintf("%s transactions, each once", count(n))
	return nil
}

// streamed checks that every record up to the checkpoint became a row or a dead letter.
func (v *verification) streamed(ctx context.Context, f *finding) error {
	f.Check = "stream"
	dead, err := v.deadLetters(ctx)
	if err != nil {
		return err
	}
	partitions, err := v.stream.Partitions(ctx)
	if err != nil {
		return err
	}
	var kept, waiting int64
	for _, p := range partitions {
		c, _, err := v.store.Checkpoint(ctx, p)
		if err != nil {
			return err
		}
		_, end, err := v.stream.End(ctx, p)
		if err != nil {
			return err
		}
		trimmed, records, err := v.stream.Kept(ctx, p)
		if err != nil {
			return err
		}
		handled, err := v.records(ctx, f, p, trimmed, c.Position, dead)
		if err != nil {
			return err
		}
		if before := end - records; before+handled != c.Records {
			f.fault("partition %s: the checkpoint counts %d records, the stream has %d up to there", p, c.Records, before+handled)
		}
		kept += records
		waiting += end - c.Records
	}
	f.Detail = fmt.Sprintf("%s records kept in %d partitions, each stored or a dead letter (%s open); %s wait to be decided",
		count(kept), len(partitions), count(len(dead)), count(waiting))
	return nil
}

func (v *verification) deadLetters(ctx context.Context) (map[pipeline.DeadLetterKey]bool, error) {
	letters, err := v.store.DeadLetters(ctx, 0, -1)
	if err != nil {
		return nil, err
	}
	dead := make(map[pipeline.DeadLetterKey]bool, len(letters))
	for _, l := range letters {
		dead[l.DeadLetterKey] = true
	}
	return dead, nil
}

// records walks one partition up to its checkpoint and returns how many records that were.
func (v *verification) records(ctx context.Context, f *finding, p stream.Partition, after, checkpoint stream.Position, dead map[pipeline.DeadLetterKey]bool) (int64, error) {
	var n int64
	for after != checkpoint {
		records, err := v.stream.Read(ctx, p, after, 1000)
		if err != nil {
			return n, err
		}
		if len(records) == 0 {
			f.fault("partition %s: the checkpoint %s lies past the end of the stream", p, checkpoint)
			return n, nil
		}
		for i := range records {
			if after == checkpoint {
				records = records[:i]
				break
			}
			after = records[i].Position
			n++
		}
		v.show("reading the stream: partition %s, %s records", p, count(n))
		if err := v.matched(ctx, f, records, dead); err != nil {
			return n, err
		}
	}
	return n, nil
}

// matched checks that records are rows or dead letters.
func (v *verification) matched(ctx context.Context, f *finding, records []stream.Record, dead map[pipeline.DeadLetterKey]bool) error {
	ids := make([]string, 0, len(records))
	transactions := make([]payment.Transaction, 0, len(records))
	for _, r := range records {
		if dead[pipeline.DeadLetterKey{Partition: r.Partition, Position: r.Position}] {
			continue
		}
		t, err := payment.DecodeTransaction(r.Data)
		if err != nil {
			f.fault("record %s/%s cannot be read and is no dead letter", r.Partition, r.Position)
			continue
		}
		ids = append(ids, t.ID)
		transactions = append(transactions, t)
	}
	known, err := v.store.Known(ctx, ids)
	if err != nil {
		return err
	}
	for i := range transactions {
		k, ok := known[transactions[i].ID]
		switch {
		case !ok:
			f.fault("transaction %s was acknowledged but is neither stored nor a dead letter", transactions[i].ID)
		case k.Conflict(&transactions[i]):
			f.fault("transaction %s is stored with another body, and the record is no dead letter", transactions[i].ID)
		}
	}
	return nil
}

// chains checks the audit chains against the rows that they cover.
func (v *verification) chains(ctx context.Context, f *finding) error {
	f.Check = "audit"
	v.show("checking audit chains")
	heads, err := v.store.VerifyChains(ctx)
	var wrong *audit.Fault
	if errors.As(err, &wrong) {
		f.fault("%v", wrong)
		return nil
	}
	if err != nil {
		return err
	}
	var entries int64
	for _, h := range heads {
		entries += h.Seq
	}
	f.Detail = fmt.Sprintf("%d chains, %s entries, unbroken", len(heads), count(entries))
	return nil
}

// recounted checks the rebuilt windows of sampled transactions against a brute-force count of the stored rows.
func (v *verification) recounted(ctx context.Context, f *finding) error {
	f.Check = "windows"
	probes, newest, err := v.probes(ctx)
	if err != nil {
		return err
	}
	history, err := v.histories(ctx, probes)
	if err != nil {
		return err
	}
	_, names := v.engine.Plan()
	for i := range probes {
		v.show("recounting windows: %d of %d", i+1, len(probes))
		probes[i].At = newest
		readings, err := v.windows.Read(ctx, probes[i:i+1])
		if err != nil {
			return err
		}
		want := velocity.Recount(v.engine.Config.Plan, history[i], probes[i], v.windowOptions)
		for j := range names {
			got, expected := readings[0].Values[j], want.Values[j]
			if got != expected && !(math.IsNaN(got) && math.IsNaN(expected)) {
				f.fault("%s of the entities of transaction %s is %v, a recount gives %v", names[j], probes[i].ID, got, expected)
			}
		}
	}
	f.Detail = fmt.Sprintf("%d features of the entities of %d transactions equal a recount of the stored rows", len(names), len(probes))
	return nil
}

// probes picks transactions spread over all of history, half of them from its last tenth.
func (v *verification) probes(ctx context.Context) (picked []velocity.Event, newest time.Time, err error) {
	totals, err := v.store.Totals(ctx)
	if err != nil {
		return nil, newest, err
	}
	n := totals.Transactions()
	early := max(1, n*2/int64(max(v.samples, 1)))
	late := max(1, n/10*2/int64(max(v.samples, 1)))
	var i int64
	err = v.store.Replay(ctx, time.Time{}, func(t pipeline.Labelled) error {
		i++
		if t.At.After(newest) {
			newest = t.At
		}
		if (i%early == 0 || i > n-n/10 && i%late == 0) && len(picked) < v.samples {
			e := t.Remembered().Event
			picked = append(picked, e)
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
	err := v.store.Replay(ctx, time.Time{}, func(t pipeline.Labelled) error {
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
