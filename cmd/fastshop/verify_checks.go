package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
)

// rows checks that every stored row can be read, is there once, says the same in all its columns, and adds up to the
// running totals.
func (v *verification) rows(ctx context.Context, f *finding) error {
	counted, err := v.store.VerifyRows(ctx,
		func(n int64) { v.show("reading stored rows: %s", count(n)) },
		func(wrong *ledger.RowFault) { f.fault("%v", wrong) })
	if err != nil {
		return err
	}
	rules, err := v.ruleSets(ctx, f)
	f.Detail = fmt.Sprintf("%s transactions, each once; %s alerts, %s labels and the totals agree with them; %s rule sets kept",
		count(counted.Transactions()), count(counted.Alerts), count(counted.Frauds+counted.Genuine), count(rules))
	return err
}

// ruleSets checks that the rules that are kept are those of their versions, and returns how many they are.
func (v *verification) ruleSets(ctx context.Context, f *finding) (int, error) {
	versions, err := v.store.RuleSets(ctx)
	if err != nil {
		return 0, err
	}
	for _, version := range versions {
		if _, err := keptRules(ctx, v.store, version); err != nil {
			f.fault("rule_sets: %v", err)
		}
	}
	return len(versions), nil
}

// chains checks the audit chains against the rows that they cover.
func (v *verification) chains(ctx context.Context, f *finding) error {
	v.show("checking audit chains")
	checks, err := v.store.VerifyChains(ctx)
	if checks == nil && err != nil {
		return err
	}
	v.covered = make(map[string]int64, len(checks))
	var entries int64
	for _, c := range checks {
		if c.Fault != nil {
			f.fault("%v", c.Fault)
		}
		entries += c.Seq
		v.covered[c.Chain] = c.Transactions
	}
	f.Detail = fmt.Sprintf("%d chains, %s entries in order", len(checks), count(entries))
	return nil
}

// streamed checks that every record up to the checkpoint became a row or a dead letter.
func (v *verification) streamed(ctx context.Context, f *finding) error {
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
		k, w, err := v.partition(ctx, f, p, dead)
		if err != nil {
			f.fault("partition %s: %v", p, err)
		}
		kept += k
		waiting += w
	}
	f.Detail = fmt.Sprintf("%s records kept in %d partitions, each stored or a dead letter (%s open); %s wait to be decided",
		count(kept), len(partitions), count(len(dead)), count(waiting))
	return nil
}

// partition checks one partition, and returns how many records it holds and how many of them wait.
func (v *verification) partition(ctx context.Context, f *finding, p stream.Partition, dead map[pipeline.DeadLetterKey][]byte) (kept, waiting int64, err error) {
	c, found, err := v.store.Checkpoint(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	if found && c.Stream != v.stream.ID() {
		f.fault("partition %s: the checkpoint belongs to another stream", p)
	}
	local, ok := v.stream.(*sqlitestream.Log)
	if !ok {
		return v.remote(ctx, f, p, c, found, dead)
	}
	_, end, err := local.End(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	trimmed, kept, err := local.Kept(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	handled, err := v.records(ctx, f, p, trimmed, c.Position, dead)
	if err != nil {
		return kept, 0, err
	}
	if before := end - kept; before+handled != c.Records {
		f.fault("partition %s: the checkpoint counts %d records, the stream has %d up to there", p, c.Records, before+handled)
	}
	// Each row of the partition's chain came from a record of its own.
	if rows := v.covered[pipeline.ChainOf(p)]; rows > c.Records {
		f.fault("partition %s: %d rows were stored from it, the checkpoint counts %d records: it was moved back", p, rows, c.Records)
	}
	return kept, max(0, end-c.Records), nil
}

// remote checks what a stream of the cloud still keeps of a partition. Without a checkpoint a function carries it, and
// every record must have arrived, but for those of the last moments.
func (v *verification) remote(ctx context.Context, f *finding, p stream.Partition, c pipeline.Checkpoint, found bool, dead map[pipeline.DeadLetterKey][]byte) (kept, waiting int64, err error) {
	until := c.Position
	if !found {
		until = stream.Ended
	}
	for after := stream.Position(""); after != until; {
		records, err := v.stream.Read(ctx, p, after, 1000)
		switch {
		case errors.Is(err, stream.ErrEnded), err == nil && len(records) == 0:
			return kept, waiting, nil
		case err != nil:
			return kept, waiting, err
		}
		if i := slices.IndexFunc(records, func(r stream.Record) bool { return r.Position == until }); i >= 0 {
			records = records[:i+1]
		}
		after = records[len(records)-1].Position
		kept += int64(len(records))
		v.show("reading the stream: partition %s, %s records", p, count(kept))
		if err := v.matched(ctx, f, records, dead); err != nil {
			return kept, waiting, err
		}
	}
	return kept, waiting, nil
}

// deadLetters returns the data of open dead letters.
func (v *verification) deadLetters(ctx context.Context) (map[pipeline.DeadLetterKey][]byte, error) {
	letters, err := v.store.DeadLetters(ctx, 0, -1)
	if err != nil {
		return nil, err
	}
	dead := make(map[pipeline.DeadLetterKey][]byte, len(letters))
	for _, l := range letters {
		dead[l.DeadLetterKey] = l.Data
	}
	return dead, nil
}

// records walks one partition up to its checkpoint and returns how many records that were.
func (v *verification) records(ctx context.Context, f *finding, p stream.Partition, after, checkpoint stream.Position, dead map[pipeline.DeadLetterKey][]byte) (int64, error) {
	var n int64
	for after != checkpoint {
		records, err := v.stream.Read(ctx, p, after, 1000)
		if err != nil {
			return n, err
		}
		if len(records) == 0 {
			f.fault("partition %s: the checkpoint %q is no place in the stream as it is kept", p, checkpoint)
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
func (v *verification) matched(ctx context.Context, f *finding, records []stream.Record, dead map[pipeline.DeadLetterKey][]byte) error {
	ids := make([]string, 0, len(records))
	transactions := make([]payment.Transaction, 0, len(records))
	for _, r := range records {
		if letter, aside := dead[pipeline.DeadLetterKey{Partition: r.Partition, Position: r.Position}]; aside {
			if !bytes.Equal(letter, r.Data) {
				f.fault("record %s/%s is a dead letter with other data", r.Partition, r.Position)
			}
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
