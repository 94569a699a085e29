package pgstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore/query"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
)

// update is a transaction that writes under a chain as a whole: whoever does is alone.
type update struct {
	*query.Queries
	conn *pgx.Conn
	base int64 // seq of the first row of its block
	now  time.Time
}

// update runs do in a transaction that holds the chain, and commits. ctx counts until it has a connection.
func (s *Store) update(ctx context.Context, chain string, do func(context.Context, *update) error) error {
	waiting, cancel := context.WithTimeout(ctx, s.options.Timeout)
	conn, err := s.pool.Acquire(waiting)
	cancel()
	if err != nil {
		return unavailable(ctx, err)
	}
	defer conn.Release()
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), s.options.Timeout)
	defer cancel()
	u := &update{Queries: query.New(conn.Conn()), conn: conn.Conn(), now: millis(s.options.Now())}
	_, err = u.conn.Exec(ctx, begin)
	if err == nil {
		err = u.LockChain(ctx, chain)
	}
	if err == nil {
		u.base, err = u.NextBlock(ctx)
		u.base <<= blockBits
	}
	if err == nil {
		err = do(ctx, u)
	}
	if err == nil {
		_, err = u.conn.Exec(ctx, "COMMIT")
	}
	if err != nil {
		rollback(u.conn)
	}
	return settled(err)
}

// settled is unavailable for all errors that are not the store's own word.
func settled(err error) error {
	for _, own := range []error{ledger.ErrNotFound, errTooMany} {
		if errors.Is(err, own) {
			return err
		}
	}
	return unavailable(context.Background(), err)
}

// errTooMany is about more rows than one block has numbers.
var errTooMany = fmt.Errorf("more than %d at once", maxRows)

// audit adds an entry to a chain, and counts to its row.
func (u *update) audit(ctx context.Context, chain, kind string, covered *audit.Rows, totals ledger.Totals) error {
	e := &entries{}
	e.count(&totals)
	if n := int64(covered.Count()); n > 0 {
		e.add(covered.Sum(), int(n), span{u.base, u.base + n - 1}, span{u.base, u.base - 1}, nil)
	}
	_, err := u.conn.Exec(ctx, appendAudit, e.arguments(chain, kind, u.now)...)
	return err
}

// Label implements pipeline.Store. A label without RecordedAt gets the store's time.
func (s *Store) Label(ctx context.Context, labels []review.Label) ([]*pipeline.Labeled, error) {
	if err := ledger.CheckLabels(labels); err != nil {
		return nil, err
	}
	about := make([]*pipeline.Labeled, len(labels))
	err := s.update(ctx, ledger.LabelChain, func(ctx context.Context, u *update) error {
		if len(labels) > maxRows {
			return errTooMany
		}
		return u.label(ctx, labels, about)
	})
	if err != nil {
		return nil, fmt.Errorf("label: %w", err)
	}
	return about, nil
}

// subject is a transaction that labels are about.
type subject struct {
	seq    int64
	row    pipeline.Labeled
	labels []review.Label // in the order of seq
}

func (u *update) label(ctx context.Context, labels []review.Label, about []*pipeline.Labeled) error {
	subjects, err := u.subjects(ctx, labels)
	if err != nil {
		return err
	}
	covered := audit.NewRows()
	var totals ledger.Totals
	for i, l := range labels {
		of := subjects[l.TransactionID]
		if of == nil {
			continue
		}
		if l.RecordedAt.IsZero() {
			l.RecordedAt = u.now
		}
		l.KnownAt, l.RecordedAt = millis(l.KnownAt), millis(l.RecordedAt)
		if !of.has(&l) {
			err := u.InsertLabel(ctx, query.InsertLabelParams{
				Seq: u.base + int64(covered.Count()), Subject: of.seq, Verdict: int16(l.Verdict), Source: int16(l.Source),
				KnownAt: l.KnownAt, RecordedAt: l.RecordedAt,
			})
			if err != nil {
				return err
			}
			covered.Label(l.TransactionID, uint8(l.Verdict), uint8(l.Source), l.KnownAt, l.RecordedAt)
			of.labels = append(of.labels, l)
			if l.Verdict == review.Fraud {
				totals.Frauds++
			} else {
				totals.Genuine++
			}
		}
		one := of.row
		one.Label = of.latest()
		about[i] = &one
	}
	if covered.Count() == 0 {
		return nil
	}
	return u.audit(ctx, ledger.LabelChain, audit.Labels, covered, totals)
}

// subjects reads the transactions and the labels that they have, by id.
func (u *update) subjects(ctx context.Context, labels []review.Label) (map[string]*subject, error) {
	ids := make([]string, len(labels))
	for i := range labels {
		ids[i] = labels[i].TransactionID
	}
	rows, err := u.Subjects(ctx, keysOf(ids))
	if err != nil {
		return nil, err
	}
	byID, bySeq := make(map[string]*subject, len(rows)), make(map[int64]*subject, len(rows))
	seqs := make([]int64, len(rows))
	for i := range rows {
		r := &rows[i]
		of := &subject{seq: r.Seq}
		if of.row, err = ledger.Labeled(r.Seq, decision.Outcome(r.Outcome), ledger.Flags(r.Flags), r.Payload); err != nil {
			return nil, err
		}
		byID[of.row.ID], bySeq[r.Seq], seqs[i] = of, of, r.Seq
	}
	stored, err := u.LabelsOf(ctx, seqs)
	for i := range stored {
		l := &stored[i]
		of := bySeq[l.Subject]
		of.labels = append(of.labels, review.Label{
			TransactionID: of.row.ID, Verdict: review.Verdict(l.Verdict), Source: review.Source(l.Source), KnownAt: l.KnownAt.UTC(), RecordedAt: l.RecordedAt.UTC(),
		})
	}
	return byID, err
}

// has reports whether the same label is there.
func (of *subject) has(l *review.Label) bool {
	for i := range of.labels {
		if o := &of.labels[i]; o.Verdict == l.Verdict && o.Source == l.Source && o.KnownAt.Equal(l.KnownAt) {
			return true
		}
	}
	return false
}

// latest is the label that counts, nil if there is none.
func (of *subject) latest() *review.Label {
	var latest *review.Label
	for i := range of.labels {
		l := &of.labels[i]
		if latest == nil || cmp.Or(l.KnownAt.Compare(latest.KnownAt), l.RecordedAt.Compare(latest.RecordedAt)) >= 0 {
			latest = l
		}
	}
	if latest != nil {
		l := *latest
		latest = &l
	}
	return latest
}

// PutListEntry adds an identifier to a list, or replaces the entry that it has there, with an audit entry. It returns
// the entry as it is stored and whether it is new.
func (s *Store) PutListEntry(ctx context.Context, e ledger.ListEntry) (stored ledger.ListEntry, added bool, err error) {
	if err := e.Check(); err != nil {
		return e, false, fmt.Errorf("put list entry: %w", err)
	}
	err = s.update(ctx, ledger.ListChain, func(ctx context.Context, u *update) error {
		stored = e
		if stored.AddedAt.IsZero() {
			stored.AddedAt = u.now
		}
		stored.AddedAt = millis(stored.AddedAt)
		seq, err := u.PutListEntry(ctx, query.PutListEntryParams{
			List: int16(e.List), Kind: int16(e.Kind), Token: e.Token[:], Seq: u.base, ExpiresAt: orNull(e.ExpiresAt),
			Reason: e.Reason, AddedBy: e.AddedBy, AddedAt: stored.AddedAt,
		})
		if err != nil {
			return err
		}
		stored.Seq, added = seq, seq == u.base
		stored.ExpiresAt = moment(orNull(e.ExpiresAt))
		return u.listChange(ctx, false, e.List, e.Kind, e.ExpiresAt)
	})
	if err != nil {
		return e, false, fmt.Errorf("put list entry: %w", err)
	}
	return stored, added, nil
}

// DeleteListEntry takes an identifier off a list, with an audit entry. One that is not on it is ledger.ErrNotFound.
func (s *Store) DeleteListEntry(ctx context.Context, list payment.Lists, kind ledger.ListKind, token payment.Token) error {
	err := s.update(ctx, ledger.ListChain, func(ctx context.Context, u *update) error {
		n, err := u.DeleteListEntry(ctx, query.DeleteListEntryParams{List: int16(list), Kind: int16(kind), Token: token[:]})
		if err == nil && n == 0 {
			err = ledger.ErrNotFound
		}
		if err != nil {
			return err
		}
		return u.listChange(ctx, true, list, kind, time.Time{})
	})
	if err != nil {
		return fmt.Errorf("delete list entry: %w", err)
	}
	return nil
}

// listChange records that a list changed.
func (u *update) listChange(ctx context.Context, removed bool, list payment.Lists, kind ledger.ListKind, expiresAt time.Time) error {
	expires := orNull(expiresAt)
	err := u.InsertListChange(ctx, query.InsertListChangeParams{
		Seq: u.base, Removed: removed, List: int16(list), Kind: int16(kind), ExpiresAt: expires, At: u.now,
	})
	if err != nil {
		return err
	}
	covered := audit.NewRows()
	covered.ListChange(removed, list, uint8(kind), moment(expires), u.now)
	return u.audit(ctx, ledger.ListChain, audit.Lists, covered, ledger.Totals{})
}
