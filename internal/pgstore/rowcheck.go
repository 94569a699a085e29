package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore/query"
	"github.com/fastshop/pipeline/internal/review"
)

// selectWhole has a place for t.sealed, or for what stands for it.
const selectWhole = `SELECT t.seq, t.key, t.flags, t.payload, t.decision, t.mac, %s, t.occurred_at, t.outcome, t.customer, a.score, a.code
	FROM transactions t LEFT JOIN alerts a ON a.subject = t.seq ORDER BY t.seq`

// VerifyRows reads everything as of one moment and compares what the store holds twice: each column of a transaction
// with its decoded payload and decision, alerts with the verdicts that open them, labels and list entries with what they
// refer to, and the running totals with the rows. It calls found for each difference and returns the totals as the rows
// give them. Whether sealed fields are there is looked at only by a role that may read them. The error is about reading
// alone. progress, if not nil, is told the running number of transactions.
//
// What the rows say is not compared with what was committed; that is VerifyChains' part.
func (s *Store) VerifyRows(ctx context.Context, progress func(int64), found func(*ledger.RowFault)) (ledger.Totals, error) {
	v := ledger.NewRowCheck(found)
	err := s.snapshot(ctx, func(t pgx.Tx) error {
		if err := s.verifyTransactions(ctx, t, v, progress); err != nil {
			return err
		}
		return others(ctx, query.New(t), v)
	})
	if err != nil {
		return v.Counted, fmt.Errorf("verify rows: %w", err)
	}
	return v.Counted, nil
}

func (s *Store) verifyTransactions(ctx context.Context, t pgx.Tx, v *ledger.RowCheck, progress func(int64)) error {
	sealed := "NULL::bytea"
	if s.seals {
		sealed = "t.sealed"
	}
	rows, err := t.Query(ctx, fmt.Sprintf(selectWhole, sealed))
	if err != nil {
		return err
	}
	var n int64
	w := ledger.Whole{Hidden: !s.seals}
	var key []byte
	var score *int64
	var code *string
	_, err = pgx.ForEachRow(rows, []any{
		&w.Seq, &key, &w.Flags, &w.Payload, &w.Decision, &w.MAC, &w.Sealed, &w.OccurredAt, &w.Outcome, &w.Customer, &score, &code,
	}, func() error {
		var err error
		if w.ID, err = idOf(key); err != nil {
			v.Fault("transactions", w.Seq, err.Error())
		}
		w.Alert = nil
		if score != nil && code != nil {
			w.Alert = &review.Alert{TransactionID: w.ID, Score: int(*score), Code: *code}
		}
		v.Transaction(&w)
		if n++; progress != nil {
			progress(n)
		}
		return nil
	})
	return err
}

// others checks the other tables.
func others(ctx context.Context, q *query.Queries, v *ledger.RowCheck) error {
	alerts, err := q.StrayAlerts(ctx)
	if err != nil {
		return err
	}
	for _, subject := range alerts {
		v.StrayAlert(subject)
	}
	for after := int64(0); ; {
		page, err := q.Verdicts(ctx, query.VerdictsParams{After: after, Most: pageRows})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, l := range page {
			v.Label(l.Seq, review.Verdict(l.Verdict), l.Stray)
		}
		after = page[len(page)-1].Seq
	}
	if v.Counted.DeadLetters, err = q.CountOpenDeadLetters(ctx); err != nil {
		return err
	}
	entries, err := q.StrayListEntries(ctx)
	if err != nil {
		return err
	}
	for _, seq := range entries {
		v.StrayListEntry(seq)
	}
	stored, err := q.Totals(ctx)
	if err != nil {
		return err
	}
	v.Totals(ledger.Totals(stored))
	return nil
}
