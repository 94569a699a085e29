package pgstore

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fastshop/pipeline/internal/pipeline"
)

// The statements of a commit in one round trip. The first takes the block, the others ask the session which one it was:
// their numbers are places in it.
const (
	// insertNewRows is insertRows for ids that are new: one that is not fails it, and with it all.
	insertNewRows = `WITH block AS MATERIALIZED (SELECT nextval('blocks') << 16 AS base)
		INSERT INTO transactions (seq, occurred_at, outcome, flags, customer, key, payload, decision, mac, sealed)
		SELECT block.base + r.place, r.occurred_at, r.outcome, r.flags, r.customer, r.key, r.payload, r.decision, r.mac, r.sealed
		FROM block, unnest($1::int4[], $2::timestamptz[], $3::int2[], $4::int2[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[],
			$9::bytea[], $10::bytea[]) AS r (place, occurred_at, outcome, flags, customer, key, payload, decision, mac, sealed)`
	// insertNewAlerts is insertAlerts.
	insertNewAlerts = `INSERT INTO alerts (subject, opened_at, score, code)
		SELECT block.base + r.place, $1, r.score, r.code
		FROM (SELECT currval('blocks') << 16 AS base) AS block, unnest($2::int8[], $3::int8[], $4::text[]) AS r (place, score, code)`
	// auditNewRows is appendAudit.
	auditNewRows = `SELECT append_audit($1, $2, $3, $4, $5,
			ARRAY(SELECT block.base + place FROM unnest($6::int8[]) AS place), ARRAY(SELECT block.base + place FROM unnest($7::int8[]) AS place),
			ARRAY(SELECT block.base + place FROM unnest($8::int8[]) AS place), ARRAY(SELECT block.base + place FROM unnest($9::int8[]) AS place),
			$10, $11)
		FROM (SELECT currval('blocks') << 16 AS base) AS block`
)

// simple reports whether all that the commit writes follows from its changes alone, if only their ids are new.
func (t *tx) simple() bool {
	keys := t.rows.keys // in order
	for i := 1; i < len(keys); i++ {
		if bytes.Equal(keys[i-1], keys[i]) {
			return false
		}
	}
	return len(keys) > 0 && t.changes[0].small() // a change that is not is alone
}

// atOnce writes simple changes on the assumption that their ids are new, in one round trip. Without BEGIN and COMMIT the
// statements of a batch are one transaction: the server commits, or rolls back, before it tells that it is ready again.
//
// It is not settled if the data was refused for what is stored already. Then nothing of it was written, and inSteps tells
// what that means.
func (t *tx) atOnce(ctx context.Context) (settled bool, err error) {
	for _, sql := range []string{insertNewRows, insertNewAlerts, auditNewRows} {
		// The driver forgets what it prepared by itself when a batch fails. These stay, so that repeats are not dear.
		if _, err := t.conn.Prepare(ctx, sql, sql); err != nil {
			return true, unavailable(context.Background(), err)
		}
	}
	t.base, t.letters = 0, span{0, -1}
	for _, c := range t.changes {
		c.receipts = make([]pipeline.Receipt, len(c.rows))
		for i := range c.rows {
			c.receipts[i] = c.rows[i].Receipt(&c.batch.Entries[i])
		}
		c.count()
	}
	b := &pgx.Batch{}
	b.Queue(insertNewRows, t.rows.arguments()...)
	t.queueAlerts(b, insertNewAlerts)
	t.queueAudit(b, auditNewRows)
	err = t.conn.SendBatch(ctx, b).Close()
	var server *pgconn.PgError
	if errors.As(err, &server) && strings.HasPrefix(server.Code, "23") {
		return false, nil
	}
	return true, unavailable(context.Background(), err)
}
