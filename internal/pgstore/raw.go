package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// RawRate is how fast PostgreSQL alone stores what the store holds.
type RawRate struct {
	Rows   int     // that were stored again
	Bytes  int64   // of their values
	Insert float64 // rows a second, by INSERT … SELECT unnest(…)
	Copy   float64 // rows a second, by COPY
}

// rawSchema is where Raw works, and nobody else.
const rawSchema = schema + "_raw"

const (
	makeRaw = "CREATE SCHEMA " + rawSchema + "; CREATE TABLE " + rawSchema + ".transactions (LIKE " + schema + ".transactions INCLUDING ALL)"
	dropRaw = "DROP SCHEMA IF EXISTS " + rawSchema + " CASCADE"

	selectRaw = "SELECT seq, occurred_at, outcome, flags, customer, key, payload, decision, mac, sealed FROM transactions ORDER BY seq DESC LIMIT $1"
	insertRaw = "INSERT INTO " + rawSchema + `.transactions (seq, occurred_at, outcome, flags, customer, key, payload, decision, mac, sealed)
		SELECT * FROM unnest($1::int8[], $2::timestamptz[], $3::int2[], $4::int2[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bytea[], $10::bytea[])`
)

// rawRow is a row of transactions.
type rawRow struct {
	Seq                                           int64
	OccurredAt                                    time.Time
	Outcome, Flags                                int16
	Customer, Key, Payload, Decision, Mac, Sealed []byte
}

// Raw stores up to n of the store's latest transactions again, in a schema of its own, which goes afterwards: the same
// table, indexes and values, through the same driver with the same durability, in transactions of batch rows on as many
// connections, and nothing else. It needs the right to make a schema.
func Raw(ctx context.Context, o Options, n, batch, connections int) (r RawRate, err error) {
	o.defaults()
	o.MaxConns = connections + 1
	o.Timeout = max(o.Timeout, 10*time.Minute)
	pool, err := connect(ctx, &o)
	if err != nil {
		return r, fmt.Errorf("measure PostgreSQL: %w", err)
	}
	defer pool.Close()
	rows, err := readRaw(ctx, pool, n)
	if err != nil {
		return r, fmt.Errorf("measure PostgreSQL: %w", unavailable(ctx, err))
	}
	r.Rows = len(rows)
	for i := range rows {
		w := &rows[i]
		r.Bytes += int64(8+8+2+2+len(w.Customer)+len(w.Key)+len(w.Payload)) + int64(len(w.Decision)+len(w.Mac)+len(w.Sealed))
	}
	for _, by := range []struct {
		rate  *float64
		store func(context.Context, *pgx.Conn, []rawRow) error
	}{{&r.Insert, insertRawRows}, {&r.Copy, copyRawRows}} {
		if *by.rate, err = measureRaw(ctx, pool, rows, batch, connections, by.store); err != nil {
			return r, fmt.Errorf("measure PostgreSQL: %w", unavailable(ctx, err))
		}
	}
	return r, nil
}

func readRaw(ctx context.Context, pool *pgxpool.Pool, n int) ([]rawRow, error) {
	found, err := pool.Query(ctx, selectRaw, limit(n))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[rawRow])
}

// measureRaw stores the rows in a new table and returns how many a second.
func measureRaw(ctx context.Context, pool *pgxpool.Pool, rows []rawRow, batch, connections int, store func(context.Context, *pgx.Conn, []rawRow) error) (rate float64, err error) {
	if _, err := pool.Exec(ctx, dropRaw); err != nil {
		return 0, err
	}
	if _, err := pool.Exec(ctx, makeRaw, pgx.QueryExecModeSimpleProtocol); err != nil {
		return 0, err
	}
	defer func() {
		_, dropped := pool.Exec(ctx, dropRaw)
		err = errors.Join(err, dropped)
	}()
	parts := make(chan []rawRow, len(rows)/batch+1)
	for from := 0; from < len(rows); from += batch {
		parts <- rows[from:min(from+batch, len(rows))]
	}
	close(parts)
	failures := make([]error, connections)
	var writers sync.WaitGroup
	start := time.Now()
	for i := range connections {
		writers.Go(func() {
			failures[i] = pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
				for part := range parts {
					if err := store(ctx, c.Conn(), part); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	writers.Wait()
	return float64(len(rows)) / time.Since(start).Seconds(), errors.Join(failures...)
}

func insertRawRows(ctx context.Context, conn *pgx.Conn, rows []rawRow) error {
	n := len(rows)
	seqs, occurred, outcomes, flags := make([]int64, n), make([]time.Time, n), make([]int16, n), make([]int16, n)
	blobs := make([][][]byte, 6)
	for i := range blobs {
		blobs[i] = make([][]byte, n)
	}
	for i := range rows {
		r := &rows[i]
		seqs[i], occurred[i], outcomes[i], flags[i] = r.Seq, r.OccurredAt, r.Outcome, r.Flags
		for column, value := range [][]byte{r.Customer, r.Key, r.Payload, r.Decision, r.Mac, r.Sealed} {
			blobs[column][i] = value
		}
	}
	_, err := conn.Exec(ctx, insertRaw, seqs, occurred, outcomes, flags, blobs[0], blobs[1], blobs[2], blobs[3], blobs[4], blobs[5])
	return err
}

func copyRawRows(ctx context.Context, conn *pgx.Conn, rows []rawRow) error {
	columns := []string{"seq", "occurred_at", "outcome", "flags", "customer", "key", "payload", "decision", "mac", "sealed"}
	_, err := conn.CopyFrom(ctx, pgx.Identifier{rawSchema, "transactions"}, columns, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		r := &rows[i]
		return []any{r.Seq, r.OccurredAt, r.Outcome, r.Flags, r.Customer, r.Key, r.Payload, r.Decision, r.Mac, r.Sealed}, nil
	}))
	return err
}
