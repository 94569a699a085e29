package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

// Label implements pipeline.Store. A label without RecordedAt gets the store's time.
func (s *Store) Label(ctx context.Context, labels []review.Label) ([]*pipeline.Labeled, error) {
	if err := ledger.CheckLabels(labels); err != nil {
		return nil, err
	}
	var about []*pipeline.Labeled
	err := s.update(ctx, len(labels)+1, func(t *tx) (err error) {
		about, err = t.label(labels)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("label: %w", err)
	}
	return about, nil
}

const (
	selectSubject = "SELECT seq, outcome, flags, payload FROM transactions WHERE id = ?"
	selectSame    = "SELECT 1 FROM labels WHERE subject = ? AND known_at = ? AND verdict = ? AND source = ? LIMIT 1"
	selectLatest  = `SELECT subject, verdict, source, known_at, recorded_at FROM labels
		WHERE subject BETWEEN ? AND ? ORDER BY subject, known_at, recorded_at, seq`
	insertLabel = `INSERT INTO labels (seq, subject, verdict, source, known_at, recorded_at) VALUES (?, ?, ?, ?, ?, ?)`
)

func (t *tx) label(labels []review.Label) ([]*pipeline.Labeled, error) {
	about := make([]*pipeline.Labeled, len(labels))
	covered := audit.NewRows()
	rows := span{first: t.state.label + 1}
	for i := range labels {
		seq, found, err := findSubject(t.conn, labels[i].TransactionID)
		if err != nil {
			return nil, err
		}
		if found == nil {
			continue
		}
		if err := t.addLabel(seq, labels[i], covered); err != nil {
			return nil, err
		}
		if found.Label, err = latestLabel(t.conn, seq, found.ID); err != nil {
			return nil, err
		}
		about[i] = found
	}
	if covered.Count() == 0 {
		return about, nil
	}
	rows.last = t.state.label
	return about, t.audit(ledger.LabelChain, audit.Labels, covered, rows, span{first: t.dead + 1, last: t.dead}, noTime)
}

// addLabel stores a label unless the same one is there.
func (t *tx) addLabel(subject int64, l review.Label, covered *audit.Rows) error {
	same := false
	err := t.conn.Query(selectSame, func(sqlitefile.Row) error {
		same = true
		return nil
	}, subject, l.KnownAt.UnixMilli(), int64(l.Verdict), int64(l.Source))
	if err != nil || same {
		return err
	}
	if l.RecordedAt.IsZero() {
		l.RecordedAt = t.now
	}
	_, err = t.exec(insertLabel, t.state.label+1, subject, int64(l.Verdict), int64(l.Source), l.KnownAt.UnixMilli(), l.RecordedAt.UnixMilli())
	if err != nil {
		return fmt.Errorf("insert label: %w", err)
	}
	t.state.label++
	covered.Label(l.TransactionID, uint8(l.Verdict), uint8(l.Source), l.KnownAt, l.RecordedAt)
	if l.Verdict == review.Fraud {
		t.totals.Frauds++
	} else {
		t.totals.Genuine++
	}
	return nil
}

// findSubject reads what the windows need of a stored transaction, without its label; nil if there is none.
func findSubject(conn *sqlitefile.Conn, id string) (seq int64, found *pipeline.Labeled, err error) {
	err = conn.Query(selectSubject, func(r sqlitefile.Row) error {
		l, err := labeled(r)
		seq, found = r.Int(0), &l
		return err
	}, id)
	if err != nil {
		return 0, nil, fmt.Errorf("look up a transaction: %w", err)
	}
	return seq, found, nil
}

// labeled reads the columns seq, outcome, flags, payload.
func labeled(r sqlitefile.Row) (pipeline.Labeled, error) {
	return ledger.Labeled(r.Int(0), decision.Outcome(r.Int(1)), ledger.Flags(r.Int(2)), r.Blob(3))
}

// latestLabel is the label of one transaction that counts, nil if it has none.
func latestLabel(conn *sqlitefile.Conn, seq int64, id string) (latest *review.Label, err error) {
	err = conn.Query(selectLatest, func(r sqlitefile.Row) error {
		latest = labelOf(r, id)
		return nil
	}, seq, seq)
	if err != nil {
		return nil, fmt.Errorf("look up a label: %w", err)
	}
	return latest, nil
}

// labelOf reads the columns of selectLatest.
func labelOf(r sqlitefile.Row, id string) *review.Label {
	return &review.Label{
		TransactionID: id,
		Verdict:       review.Verdict(r.Int(1)),
		Source:        review.Source(r.Int(2)),
		KnownAt:       time.UnixMilli(r.Int(3)).UTC(),
		RecordedAt:    time.UnixMilli(r.Int(4)).UTC(),
	}
}
