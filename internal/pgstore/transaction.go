package pgstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore/query"
	"github.com/fastshop/pipeline/internal/pipeline"
)

// tx is a transaction of one or several changes.
type tx struct {
	conn    *pgx.Conn
	now     time.Time
	changes []*change
	rows    *columnArrays // of all changes
	base    int64         // seq of place 0 in the block
	letters span          // of dead letters; only a change that is alone has some
}

// span is a range of seq. The empty one has last before first.
type span struct{ first, last int64 }

// transact writes the changes in one transaction and fills their receipts. An error leaves nothing of them, or nobody
// knows: then it is ErrUnavailable.
func (s *Store) transact(ctx context.Context, changes []*change) error {
	s.options.Crash("store.commit.before")
	waiting, cancel := context.WithTimeout(ctx, s.options.Timeout)
	conn, err := s.pool.Acquire(waiting)
	cancel()
	if err != nil {
		return unavailable(ctx, err)
	}
	defer conn.Release()
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), s.options.Timeout)
	defer cancel()
	t := &tx{conn: conn.Conn(), now: s.options.Now().UTC().Truncate(time.Millisecond), changes: changes, rows: arrays(changes)}
	settled := false
	if t.simple() {
		settled, err = t.atOnce(ctx)
	}
	if !settled {
		err = t.inSteps(ctx, s.options.Crash)
	}
	if err != nil {
		rollback(t.conn)
		return err
	}
	s.options.Crash("store.commit.after")
	return nil
}

// inSteps asks which rows are new before it writes what follows from that. It serves every kind of change.
func (t *tx) inSteps(ctx context.Context, crash func(point string)) error {
	if err := t.insert(ctx); err != nil {
		return err
	}
	crash("store.commit.inserted")
	if err := t.putAside(ctx); err != nil {
		return err
	}
	return t.finish(ctx)
}

// rollback ends a failed transaction; a connection on which even that fails is not used again.
func rollback(conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := conn.PgConn().Exec(ctx, "ROLLBACK").ReadAll(); err != nil {
		_ = conn.Close(ctx) // the pool drops closed connections, the server their transactions
	}
}

const (
	begin = "BEGIN" // at the level of the connection: to name it here would cost the server some 40 µs each time

	firstCheckpoint = `INSERT INTO checkpoints AS c (partition, stream, position, records) VALUES ($1, $2, $4, $5)
		ON CONFLICT (partition) DO UPDATE SET position = excluded.position, records = excluded.records
		WHERE c.stream = excluded.stream AND c.position = $3`
	moveCheckpoint = `UPDATE checkpoints SET position = $4, records = $5 WHERE partition = $1 AND stream = $2 AND position = $3`

	// insertRows takes a block, inserts the rows whose id is absent, and tells the block, how many were inserted, and, unless
	// it is all of them, their places. Rows come in the order of their keys.
	insertRows = `WITH block AS MATERIALIZED (SELECT nextval('blocks') << 16 AS base),
		inserted AS (
			INSERT INTO transactions (seq, occurred_at, outcome, flags, customer, key, payload, decision, mac, sealed)
			SELECT block.base + r.place, r.occurred_at, r.outcome, r.flags, r.customer, r.key, r.payload, r.decision, r.mac, r.sealed
			FROM block, unnest($1::int4[], $2::timestamptz[], $3::int2[], $4::int2[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[],
				$9::bytea[], $10::bytea[]) AS r (place, occurred_at, outcome, flags, customer, key, payload, decision, mac, sealed)
			ON CONFLICT (key) DO NOTHING
			RETURNING seq),
		n AS (SELECT count(*) AS inserted FROM inserted)
		SELECT block.base, n.inserted,
			CASE WHEN n.inserted < cardinality($1) THEN (SELECT array_agg((seq - block.base)::int4) FROM inserted) END
		FROM block, n`
)

// insert begins the transaction, moves the checkpoint, inserts the rows and fills the receipts.
func (t *tx) insert(ctx context.Context) error {
	b := &pgx.Batch{}
	b.Queue(begin)
	next := t.changes[0].batch.Checkpoint // a change with a checkpoint is alone
	if next != nil {
		sql := moveCheckpoint
		if next.After == "" {
			sql = firstCheckpoint
		}
		b.Queue(sql, string(next.Partition), next.Stream, string(next.After), string(next.Position), next.Records)
	}
	b.Queue(insertRows, t.rows.arguments()...)
	answers := t.conn.SendBatch(ctx, b)
	fenced := error(nil)
	err := exec(answers)
	if err == nil && next != nil {
		fenced, err = t.fence(answers, next)
	}
	var inserted int
	var places []int32
	if err == nil {
		err = answers.QueryRow().Scan(&t.base, &inserted, &places)
	}
	if closed := answers.Close(); err == nil {
		err = closed
	}
	switch {
	case err != nil:
		return unavailable(context.Background(), err)
	case fenced != nil:
		return fenced
	}
	return t.receive(ctx, inserted, places)
}

// exec is the next answer, to a statement that has no rows.
func exec(answers pgx.BatchResults) error {
	_, err := answers.Exec()
	return err
}

// fence is the answer to a move of the checkpoint: it did not follow the stored one if no row was changed.
func (t *tx) fence(answers pgx.BatchResults, next *pipeline.Checkpoint) (fenced, err error) {
	tag, err := answers.Exec()
	if err == nil && tag.RowsAffected() == 0 {
		fenced = fmt.Errorf("partition %s does not stand at %q of stream %s: %w", next.Partition, next.After, next.Stream, pipeline.ErrFenced)
	}
	return fenced, err
}

// columnArrays are the rows of all changes, column by column, in the order of their keys: transactions that insert the
// same ids take their locks in one order. Of equal keys the first stays first, because it is the one that is stored.
type columnArrays struct {
	places    []int32
	occurred  []time.Time
	outcomes  []int16
	flags     []int16
	customers [][]byte
	keys      [][]byte
	payloads  [][]byte
	decisions [][]byte
	macs      [][]byte
	sealed    [][]byte
}

// arrays gives each change its places in the block, and makes columns of their rows.
func arrays(changes []*change) *columnArrays {
	n := 0
	for _, c := range changes {
		c.first = n
		n += len(c.rows)
	}
	a := &columnArrays{
		places: make([]int32, n), occurred: make([]time.Time, n), outcomes: make([]int16, n), flags: make([]int16, n),
	}
	blobs := make([][]byte, 6*n)
	for i, column := range []*[][]byte{&a.customers, &a.keys, &a.payloads, &a.decisions, &a.macs, &a.sealed} {
		*column = blobs[i*n : (i+1)*n : (i+1)*n]
	}
	owner, keys := make([]*change, 0, n), make([][]byte, 0, n)
	for _, c := range changes {
		for i := range c.rows {
			a.places[len(keys)] = int32(len(keys))
			owner, keys = append(owner, c), append(keys, c.keys[i])
		}
	}
	slices.SortStableFunc(a.places, func(x, y int32) int { return bytes.Compare(keys[x], keys[y]) })
	for to, place := range a.places {
		c := owner[place]
		i := int(place) - c.first
		e, r := &c.batch.Entries[i], &c.rows[i]
		a.occurred[to], a.outcomes[to], a.flags[to] = e.Transaction.OccurredAt, int16(e.Decision.Outcome), int16(r.Flags)
		a.customers[to], a.keys[to] = e.Transaction.Customer[:], keys[place]
		a.payloads[to], a.decisions[to], a.macs[to], a.sealed[to] = r.Payload, r.Decision, r.MAC, r.Sealed
	}
	return a
}

// arguments are those of insertRows.
func (a *columnArrays) arguments() []any {
	columns := []blobs{{values: a.customers}, {values: a.keys}, {values: a.payloads}, {values: a.decisions}, {values: a.macs}, {values: a.sealed}}
	for i := range columns {
		columns[0].room += columns[i].size()
	}
	arguments := []any{a.places, a.occurred, a.outcomes, a.flags}
	for _, c := range columns {
		arguments = append(arguments, c)
	}
	return arguments
}

// receive fills the receipts: those of rows that were inserted, and, if some were not, those of what is stored for their
// ids. Whoever inserted these has committed by now: the insert waited for that.
func (t *tx) receive(ctx context.Context, inserted int, places []int32) error {
	stored := make([]bool, len(t.rows.places))
	all := inserted == len(stored)
	for _, place := range places {
		stored[place] = true
	}
	var lost [][]byte
	for _, c := range t.changes {
		c.receipts = make([]pipeline.Receipt, len(c.rows))
		for i := range c.rows {
			if all || stored[c.first+i] {
				c.receipts[i] = c.rows[i].Receipt(&c.batch.Entries[i])
			} else {
				lost = append(lost, c.keys[i])
			}
		}
	}
	if len(lost) > 0 {
		if err := t.findStored(ctx, lost, stored); err != nil {
			return err
		}
	}
	for _, c := range t.changes {
		c.count()
	}
	return nil
}

func (t *tx) findStored(ctx context.Context, lost [][]byte, stored []bool) error {
	found, err := query.New(t.conn).Known(ctx, lost)
	if err != nil {
		return unavailable(context.Background(), err)
	}
	known, err := receipts(found)
	if err != nil {
		return err
	}
	for _, c := range t.changes {
		for i := range c.rows {
			if stored[c.first+i] {
				continue
			}
			receipt, ok := known[c.batch.Entries[i].Transaction.ID]
			if !ok {
				return fmt.Errorf("insert transactions: a row was neither stored nor there: %w", ledger.ErrCorrupt)
			}
			c.receipts[i] = receipt
		}
	}
	return nil
}

// receipts are what is stored for ids, by id.
func receipts(rows []query.KnownRow) (map[string]pipeline.Receipt, error) {
	known := make(map[string]pipeline.Receipt, len(rows))
	for i := range rows {
		r := &rows[i]
		id, err := idOf(r.Key)
		if err != nil {
			return nil, err
		}
		if known[id], err = ledger.ReceiptOf(id, ledger.Flags(r.Flags), r.Decision, r.Mac); err != nil {
			return nil, fmt.Errorf("look up a stored transaction: %w", err)
		}
	}
	return known, nil
}
