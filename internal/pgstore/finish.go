package pgstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
)

const (
	resolveLetters = `UPDATE dead_letters d SET resolved_at = $1 FROM unnest($2::text[], $3::text[]) AS k (partition, position)
		WHERE d.partition = k.partition AND d.position = k.position AND d.resolved_at IS NULL`
	insertLetters = `INSERT INTO dead_letters (seq, at, partition, position, key, data, reason, detail)
		SELECT $1 + r.place, r.at, r.partition, r.position, r.key, r.data, r.reason, r.detail
		FROM unnest($2::int4[], $3::timestamptz[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::text[], $9::text[])
			AS r (place, at, partition, position, key, data, reason, detail)
		ON CONFLICT (partition, position) WHERE resolved_at IS NULL DO NOTHING
		RETURNING (seq - $1)::int4`
	insertAlerts = `INSERT INTO alerts (subject, opened_at, score, code)
		SELECT r.subject, $1, r.score, r.code FROM unnest($2::int8[], $3::int8[], $4::text[]) AS r (subject, score, code)`
	appendAudit = `SELECT append_audit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
)

// putAside settles the dead letters that the change resolves, then stores its own. One that is not open needs no
// settling; a record that is put aside already stays as it was.
func (t *tx) putAside(ctx context.Context) error {
	c := t.changes[0]
	letters, resolved := c.letters(t.now), c.batch.Resolved
	t.letters = span{t.base, t.base - 1}
	if len(t.changes) > 1 || len(letters)+len(resolved) == 0 {
		return nil
	}
	if len(letters) > maxRows {
		return fmt.Errorf("batch puts %d records aside, at most %d fit", len(letters), maxRows)
	}
	b := &pgx.Batch{}
	if len(resolved) > 0 {
		partitions, positions := make([]string, len(resolved)), make([]string, len(resolved))
		for i, k := range resolved {
			partitions[i], positions[i] = string(k.Partition), string(k.Position)
		}
		b.Queue(resolveLetters, t.now, partitions, positions).Exec(func(tag pgconn.CommandTag) error {
			c.totals.DeadLetters -= tag.RowsAffected()
			return nil
		})
	}
	if len(letters) > 0 {
		b.Queue(insertLetters, t.letterArrays(letters)...).Query(func(rows pgx.Rows) error {
			places, err := pgx.CollectRows(rows, pgx.RowTo[int32])
			c.putAside(letters, places)
			return err
		})
		t.letters.last = t.base + int64(len(letters)) - 1
	}
	return unavailable(context.Background(), t.conn.SendBatch(ctx, b).Close())
}

// putAside counts the letters that were stored.
func (c *change) putAside(letters []pipeline.DeadLetter, places []int32) {
	slices.Sort(places)
	for _, place := range places {
		l := &letters[place]
		c.covered.DeadLetter(string(l.Partition), string(l.Position), string(l.Reason))
		c.totals.DeadLetters++
	}
}

// letterArrays are the arguments of insertLetters, in the order of partition and position: see columnArrays.
func (t *tx) letterArrays(letters []pipeline.DeadLetter) []any {
	n := len(letters)
	places := make([]int32, n)
	for i := range places {
		places[i] = int32(i)
	}
	slices.SortStableFunc(places, func(x, y int32) int {
		a, b := &letters[x], &letters[y]
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Position, b.Position))
	})
	at, keys, data := make([]time.Time, n), make([][]byte, n), make([][]byte, n)
	partitions, positions, reasons, details := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for to, place := range places {
		l := &letters[place]
		at[to], keys[to], data[to] = l.At, blob(l.Key), blob(l.Data)
		partitions[to], positions[to], reasons[to] = string(l.Partition), string(l.Position), string(l.Reason)
		details[to] = strings.ReplaceAll(strings.ToValidUTF8(l.Detail, "?"), "\x00", "?") // it may quote what was undecodable
	}
	return []any{t.base, places, at, partitions, positions, keys, data, reasons, details}
}

// blob is b, or an empty one where nil would be NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// finish opens the alerts, adds the audit entries and commits, in one round trip: heads of chains are locked for no longer
// than that takes.
func (t *tx) finish(ctx context.Context) error {
	b := &pgx.Batch{}
	t.queueAlerts(b, insertAlerts)
	t.queueAudit(b, appendAudit)
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return fmt.Errorf("commit ended as %s", tag)
		}
		return nil
	})
	err := t.conn.SendBatch(ctx, b).Close()
	var server *pgconn.PgError
	if errors.As(err, &server) && !strings.HasPrefix(server.Code, "22") {
		// A constraint that fails here is one of the store's own, and no fault of the batch.
		return fmt.Errorf("%w: %w", pipeline.ErrUnavailable, safe(err))
	}
	return unavailable(context.Background(), err)
}

// queueAlerts asks an analyst, by insertAlerts or its like, to look at what was inserted and is not to go through.
func (t *tx) queueAlerts(b *pgx.Batch, insert string) {
	var subjects, scores []int64
	var codes []string
	for _, c := range t.changes {
		for i := range c.receipts {
			d := &c.batch.Entries[i].Decision
			if c.receipts[i].Stored && d.Outcome >= decision.Review {
				subjects = append(subjects, t.base+int64(c.first+i))
				scores, codes = append(scores, int64(d.Score)), append(codes, ledger.Leading(d))
			}
		}
	}
	if len(subjects) > 0 {
		b.Queue(insert, t.now, subjects, scores, codes)
	}
}

// entries are the audit entries of one chain, column by column, and what they add to its counts.
type entries struct {
	counts                                   []int32
	rows                                     [][]byte
	firstRows, lastRows, firstDead, lastDead []int64
	newest                                   []*time.Time
	totals                                   [9]int64
}

func (e *entries) add(sum [32]byte, count int, rows, dead span, newest *time.Time) {
	e.counts, e.rows = append(e.counts, int32(count)), append(e.rows, sum[:])
	e.firstRows, e.lastRows = append(e.firstRows, rows.first), append(e.lastRows, rows.last)
	e.firstDead, e.lastDead = append(e.firstDead, dead.first), append(e.lastDead, dead.last)
	e.newest = append(e.newest, newest)
}

func (e *entries) count(n *ledger.Totals) {
	for i, v := range n.Values() {
		e.totals[i] += v
	}
}

// arguments are those of appendAudit.
func (e *entries) arguments(chain, kind string, at time.Time) []any {
	return []any{chain, kind, at, e.counts, e.rows, e.firstRows, e.lastRows, e.firstDead, e.lastDead, e.newest, e.totals[:]}
}

// queueAudit adds an entry, by appendAudit or its like, for each change that stored something, chains in the order of their
// names.
func (t *tx) queueAudit(b *pgx.Batch, appendTo string) {
	chains := make(map[string]*entries)
	for _, c := range t.changes {
		e := chains[c.batch.Chain]
		if e == nil {
			e = &entries{}
			chains[c.batch.Chain] = e
		}
		e.count(&c.totals)
		if n := c.covered.Count(); n > 0 {
			first := t.base + int64(c.first)
			e.add(c.covered.Sum(), n, span{first, first + int64(len(c.rows)) - 1}, t.letters, c.newest)
		}
	}
	for _, chain := range slices.Sorted(maps.Keys(chains)) {
		if e := chains[chain]; len(e.counts) > 0 || e.totals != [9]int64{} {
			b.Queue(appendTo, e.arguments(chain, audit.Decisions, t.now)...)
		}
	}
}
