package pgstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore/query"
)

const (
	// searchRows is how many rows are searched at a time.
	searchRows = 20_000
	// eraseRows is how many are emptied at a time.
	eraseRows = 1000
	// rounds of searching before commits have to wait for the last one: each is as long as what was committed during the
	// one before.
	rounds = 2
	// ownCounts is the row of counts that belong to no chain.
	ownCounts = ""
)

// Erase empties seal and MAC of every stored transaction of the customers and marks them erased, and returns how many.
// Decisions, audit chains and everything else stay as they are. After an error some may be erased; the same call again
// goes on.
//
// It reads the whole table (see the schema on why there is no index), so give it all customers at once. When it returns,
// nothing that was committed before it returned is left: the last rows are searched while commits wait.
func (s *Store) Erase(ctx context.Context, customers ...payment.Token) (n int64, err error) {
	e := erasure{store: s}
	for _, c := range customers {
		e.customers = append(e.customers, c[:])
	}
	for range rounds {
		if err = e.round(ctx, false); err != nil {
			break
		}
	}
	if err == nil {
		err = e.round(ctx, true)
	}
	if err != nil {
		return e.erased, fmt.Errorf("erase: %w", unavailable(ctx, err))
	}
	return e.erased, nil
}

// erasure is Erase at work.
type erasure struct {
	store     *Store
	customers [][]byte
	searched  int64 // seq up to which all is done
	erased    int64
}

// round erases what was committed since the round before. The last one keeps commits waiting until it is done.
func (e *erasure) round(ctx context.Context, last bool) error {
	var block int64
	err := e.store.begin(ctx, func(t pgx.Tx) (err error) {
		if block, err = query.New(t).HoldCommits(ctx); err != nil || !last {
			return err
		}
		return e.search(ctx, query.New(t), block, func(seqs []int64) error { return e.empty(ctx, t, seqs) })
	})
	if err != nil || last {
		return err
	}
	return e.search(ctx, e.store.query, block, func(seqs []int64) error {
		return e.store.begin(ctx, func(t pgx.Tx) error { return e.empty(ctx, t, seqs) })
	})
}

// begin runs do in a transaction of its own.
func (s *Store) begin(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, do)
}

// search finds the customers' rows up to a block, page by page.
func (e *erasure) search(ctx context.Context, q *query.Queries, block int64, found func([]int64) error) error {
	to := block<<blockBits | (maxRows - 1)
	for e.searched < to {
		end, err := q.PageEnd(ctx, query.PageEndParams{First: e.searched + 1, Last: to, Most: searchRows})
		if err != nil {
			return err
		}
		if end == 0 {
			break
		}
		seqs, err := q.CustomersBetween(ctx, query.CustomersBetweenParams{First: e.searched + 1, Last: end, Customers: e.customers})
		if err != nil {
			return err
		}
		for part := range slices.Chunk(seqs, eraseRows) {
			if err := found(part); err != nil {
				return err
			}
		}
		e.searched = end
	}
	e.searched = to
	return nil
}

// empty erases rows and counts them.
func (e *erasure) empty(ctx context.Context, t pgx.Tx, seqs []int64) error {
	n, err := query.New(t).EraseRows(ctx, seqs)
	if err != nil || n == 0 {
		return err
	}
	counts := &entries{}
	counts.count(&ledger.Totals{Erased: n})
	if _, err := t.Exec(ctx, appendAudit, counts.arguments(ownCounts, audit.Decisions, e.store.options.Now())...); err != nil {
		return err
	}
	e.erased += n
	return nil
}
