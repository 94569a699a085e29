package pgstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore/query"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/stream"
)

// bounded runs a read that ends within the store's timeout, also when the server stands still.
func bounded[T any](ctx context.Context, s *Store, read func(context.Context) (T, error)) (T, error) {
	within, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	v, err := read(within)
	return v, unavailable(ctx, err)
}

// Known implements pipeline.Store.
func (s *Store) Known(ctx context.Context, ids []string) (map[string]pipeline.Receipt, error) {
	if len(ids) == 0 {
		return map[string]pipeline.Receipt{}, ctx.Err()
	}
	rows, err := bounded(ctx, s, func(ctx context.Context) ([]query.KnownRow, error) { return s.query.Known(ctx, keysOf(ids)) })
	if err != nil {
		return nil, fmt.Errorf("look up known ids: %w", err)
	}
	return receipts(rows)
}

// Checkpoint implements pipeline.Store.
func (s *Store) Checkpoint(ctx context.Context, p stream.Partition) (pipeline.Checkpoint, bool, error) {
	row, err := bounded(ctx, s, func(ctx context.Context) (*query.CheckpointRow, error) {
		row, err := s.query.Checkpoint(ctx, string(p))
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		}
		return &row, err
	})
	if err != nil {
		return pipeline.Checkpoint{}, false, fmt.Errorf("read checkpoint: %w", err)
	}
	if row == nil {
		return pipeline.Checkpoint{}, false, nil
	}
	at := stream.Position(row.Position)
	return pipeline.Checkpoint{Stream: row.Stream, Partition: p, After: at, Position: at, Records: row.Records}, true, nil
}

// Decision returns a stored transaction with its decision, label and alert. An unknown id is ledger.ErrNotFound.
func (s *Store) Decision(ctx context.Context, id string) (ledger.Stored, error) {
	found, err := bounded(ctx, s, func(ctx context.Context) ([]ledger.Stored, error) {
		rows, err := s.query.StoredByKey(ctx, appendKey(nil, id))
		if err != nil {
			return nil, err
		}
		return s.complete(ctx, rows)
	})
	if err == nil && len(found) == 0 {
		err = ledger.ErrNotFound
	}
	if err != nil {
		return ledger.Stored{}, fmt.Errorf("decision: %w", err)
	}
	return found[0], nil
}

// Recent returns the n transactions that were committed last, the newest first.
func (s *Store) Recent(ctx context.Context, n int) ([]ledger.Stored, error) {
	found, err := bounded(ctx, s, func(ctx context.Context) ([]ledger.Stored, error) {
		recent, err := s.query.StoredRecently(ctx, limit(n))
		if err != nil {
			return nil, err
		}
		rows := make([]query.StoredByKeyRow, len(recent))
		for i := range recent {
			rows[i] = query.StoredByKeyRow(recent[i])
		}
		return s.complete(ctx, rows)
	})
	if err != nil {
		return nil, fmt.Errorf("recent decisions: %w", err)
	}
	return found, nil
}

// limit is n as LIMIT takes it.
func limit(n int) int32 { return int32(min(max(n, 0), math.MaxInt32)) }

// Rows calls fn for every stored transaction in the order of commits, without labels and alerts, until fn returns an
// error. It reads page by page: what is committed meanwhile may be among them or not. A role that may not read sealed
// fields gets none.
func (s *Store) Rows(ctx context.Context, fn func(ledger.Stored) error) error {
	for after := int64(0); ; {
		page, err := bounded(ctx, s, func(ctx context.Context) ([]ledger.Stored, error) {
			page, err := s.query.StoredAfter(ctx, query.StoredAfterParams{After: after, Most: pageRows})
			if err != nil {
				return nil, err
			}
			rows := make([]query.StoredByKeyRow, len(page))
			for i := range page {
				rows[i] = query.StoredByKeyRow(page[i])
			}
			return s.decode(ctx, rows)
		})
		if err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			if err := fn(page[i]); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Seq
	}
}

// decode makes transactions of rows, with their sealed fields if this role may read them.
func (s *Store) decode(ctx context.Context, rows []query.StoredByKeyRow) ([]ledger.Stored, error) {
	found := make([]ledger.Stored, len(rows))
	place := make(map[int64]int, len(rows))
	for i := range rows {
		r := &rows[i]
		id, err := idOf(r.Key)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", r.Seq, err)
		}
		c := ledger.Columns{Seq: r.Seq, ID: id, Flags: ledger.Flags(r.Flags), Payload: r.Payload, Decision: r.Decision, MAC: r.Mac}
		if found[i], err = c.Stored(); err != nil {
			return nil, err
		}
		place[r.Seq] = i
	}
	if !s.seals || len(rows) == 0 {
		return found, nil
	}
	sealed, err := s.query.Sealed(ctx, seqsOf(found))
	for i := range sealed {
		found[place[sealed[i].Seq]].Transaction.Sealed = sealed[i].Sealed
	}
	return found, err
}

func seqsOf(found []ledger.Stored) []int64 {
	seqs := make([]int64, len(found))
	for i := range found {
		seqs[i] = found[i].Seq
	}
	return seqs
}

// complete is decode with labels and alerts.
func (s *Store) complete(ctx context.Context, rows []query.StoredByKeyRow) ([]ledger.Stored, error) {
	found, err := s.decode(ctx, rows)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	seqs := seqsOf(found)
	labels, err := s.query.LatestLabels(ctx, seqs)
	if err != nil {
		return nil, err
	}
	alerts, err := s.query.Alerts(ctx, seqs)
	if err != nil {
		return nil, err
	}
	place := make(map[int64]*ledger.Stored, len(found))
	for i := range found {
		place[found[i].Seq] = &found[i]
	}
	for i := range labels {
		one := place[labels[i].Subject]
		one.Label = labelOf(query.LatestLabelsBetweenRow(labels[i]), one.Transaction.ID)
	}
	for i := range alerts {
		a := &alerts[i]
		one := place[a.Subject]
		one.Alert = &review.Alert{TransactionID: one.Transaction.ID, Score: int(a.Score), Code: a.Code, OpenedAt: a.OpenedAt.UTC()}
	}
	return found, nil
}

func labelOf(r query.LatestLabelsBetweenRow, id string) *review.Label {
	return &review.Label{
		TransactionID: id, Verdict: review.Verdict(r.Verdict), Source: review.Source(r.Source), KnownAt: r.KnownAt.UTC(), RecordedAt: r.RecordedAt.UTC(),
	}
}

// Totals returns running counts. They cost a look at one row per audit chain.
func (s *Store) Totals(ctx context.Context) (ledger.Totals, error) {
	n, err := bounded(ctx, s, s.query.Totals)
	if err != nil {
		return ledger.Totals{}, fmt.Errorf("read totals: %w", err)
	}
	return ledger.Totals(n), nil
}

// DeadLetters returns up to n open dead letters after one of them, oldest first; after 0 begins with the oldest. A
// negative n means all.
func (s *Store) DeadLetters(ctx context.Context, after int64, n int) ([]ledger.DeadLetter, error) {
	if n < 0 {
		n = math.MaxInt32
	}
	rows, err := bounded(ctx, s, func(ctx context.Context) ([]query.DeadLettersRow, error) {
		return s.query.DeadLetters(ctx, query.DeadLettersParams{After: after, Most: limit(n)})
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	letters := make([]ledger.DeadLetter, len(rows))
	for i := range rows {
		r := &rows[i]
		letters[i] = ledger.DeadLetter{Seq: r.Seq, DeadLetter: pipeline.DeadLetter{
			DeadLetterKey: pipeline.DeadLetterKey{Partition: stream.Partition(r.Partition), Position: stream.Position(r.Position)},
			Key:           r.Key, Data: r.Data, Reason: pipeline.DeadLetterReason(r.Reason), Detail: r.Detail, At: r.At.UTC(),
		}}
	}
	return letters, nil
}

// ListEntries returns all entries, expired ones as well, in the order of adding.
func (s *Store) ListEntries(ctx context.Context) ([]ledger.ListEntry, error) {
	rows, err := bounded(ctx, s, s.query.ListEntries)
	if err != nil {
		return nil, fmt.Errorf("read list entries: %w", err)
	}
	entries := make([]ledger.ListEntry, len(rows))
	for i := range rows {
		r := &rows[i]
		entries[i] = ledger.ListEntry{
			Seq: r.Seq, List: payment.Lists(r.List), Kind: ledger.ListKind(r.Kind), ExpiresAt: moment(r.ExpiresAt),
			Reason: r.Reason, AddedBy: r.AddedBy, AddedAt: r.AddedAt.UTC(),
		}
		copy(entries[i].Token[:], r.Token)
	}
	return entries, nil
}

// moment is the zero time for NULL.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// millis is a moment as the store keeps it: in UTC, to the millisecond.
func millis(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// orNull is NULL for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = millis(t)
	return &t
}
