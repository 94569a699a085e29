package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/gbdt"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
)

// labelMaturity is the age at which a payment without a label counts as genuine, as in the windows (velocity.Options).
const labelMaturity = 7 * 24 * time.Hour

// history is payments with what became known of them, in the order of time. It is held in memory: about 700 bytes a
// payment.
type history []backtest.Case

// lookBack is the moment some days ago; the zero time, before everything, for none.
func lookBack(days int) time.Time {
	if days <= 0 {
		return time.Time{}
	}
	return time.Now().AddDate(0, 0, -days)
}

// eachStored calls fn for every payment that is stored from a moment on, with what became known of it and what was decided,
// in the order of commits. It passes over those of erased customers.
func eachStored(ctx context.Context, s books, since time.Time, fn func(backtest.Case, *decision.Decision)) error {
	return s.Rows(ctx, func(row ledger.Stored) error {
		if row.Transaction.OccurredAt.Before(since) || row.Transaction.SealState == payment.SealErased {
			return nil
		}
		c := backtest.Case{Transaction: stripped(&row.Transaction)}
		if l := row.Label; l != nil {
			c.Fraud, c.KnownAt = l.Verdict == review.Fraud, l.KnownAt
		}
		fn(c, &row.Decision)
		return ctx.Err()
	})
}

// storedHistory reads what is stored, from a moment on.
func storedHistory(ctx context.Context, s books, since time.Time, p *progress) (history, error) {
	var all history
	err := eachStored(ctx, s, since, func(c backtest.Case, _ *decision.Decision) {
		all = append(all, c)
		p.show("reading the store: %s payments", count(len(all)))
	})
	all.sort()
	return all, err
}

// stripped is t without what no model sees.
func stripped(t *payment.Transaction) *payment.Transaction {
	bare := *t
	bare.Sealed = nil
	return &bare
}

func (h history) sort() {
	slices.SortStableFunc(h, func(a, b backtest.Case) int { return a.Transaction.OccurredAt.Compare(b.Transaction.OccurredAt) })
}

// fileHistory reads files of one format. Identifiers become tokens under keys that are made for it and thrown away.
func fileHistory(ctx context.Context, paths []string, format string, p *progress) (all history, err error) {
	dataDir, keysDir, cleanup, err := temporary("history")
	if err != nil {
		return nil, err
	}
	defer cleanup()
	s := defaultSettings(dataDir, keysDir)
	s.Model, s.ShadowModel = noModel, noModel
	b, err := openBackends(ctx, s, quiet(), io.Discard, hooks{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	r := fileReader{backends: b, progress: p, index: map[string]int{}}
	for _, path := range paths {
		if err := r.read(ctx, path, format); err != nil {
			return nil, err
		}
	}
	r.all.sort()
	return r.all, nil
}

// fileReader turns rows into cases. A label finds its payment by id, before or after it came.
type fileReader struct {
	*backends
	progress *progress
	all      history
	index    map[string]int
	batch    []*ingest.Submission
	labels   []*review.Label
}

func (r *fileReader) read(ctx context.Context, path, format string) (err error) {
	in, err := openReplay(path, format)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	for {
		row, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if row.refused != nil {
			return fmt.Errorf("%s: line %d: %w", path, row.line, row.refused)
		}
		if row.label != nil {
			r.labels = append(r.labels, row.label)
		}
		if row.submission != nil {
			r.batch = append(r.batch, row.submission)
		}
		if len(r.batch) == 1000 {
			if err := r.seal(ctx); err != nil {
				return err
			}
		}
	}
	if err := r.seal(ctx); err != nil {
		return err
	}
	for _, l := range r.labels {
		if i, ok := r.index[l.TransactionID]; ok {
			r.all[i].Fraud, r.all[i].KnownAt = l.Verdict == review.Fraud, l.KnownAt
		}
	}
	return nil
}

func (r *fileReader) seal(ctx context.Context) error {
	sealed, err := r.intake.Seal(ctx, r.batch)
	if err != nil {
		return err
	}
	for i := range sealed {
		if _, twice := r.index[sealed[i].ID]; twice {
			continue
		}
		r.index[sealed[i].ID] = len(r.all)
		r.all = append(r.all, backtest.Case{Transaction: stripped(&sealed[i])})
	}
	r.batch = r.batch[:0]
	r.progress.show("reading: %s payments", count(len(r.all)))
	return nil
}

// examples plays the history and keeps what each payment looked like when it was judged, with what was known of it at the
// end. Payments of the last days are left out, all of them: of those, frauds are known sooner than honest payments.
func (h history) examples(ctx context.Context, variables []string, zone *time.Location, p *progress) (model.Examples, error) {
	e := model.Examples{By: map[string][]string{}}
	stage, err := backtest.NewRehearsal(backtest.Stage{Features: variables, Zone: zone, Maturity: labelMaturity, Now: time.Now})
	if err != nil {
		return e, err
	}
	end := h[len(h)-1].Transaction.OccurredAt // a model learns what was known when the last payment was made
	table := backtest.NewTable(variables)
	row := make([]float64, len(variables))
	for i, c := range h {
		if _, err := stage.Play(ctx, c, row); err != nil {
			return e, err
		}
		p.show("playing the history: %s of %s payments", count(i+1), count(len(h)))
		if !c.Settled(end, labelMaturity) {
			continue
		}
		c.Fraud = c.Fraud && !c.KnownAt.After(end) // what will be known is not known yet
		table.Add(c, row)
		e.At = append(e.At, c.Transaction.OccurredAt)
		e.By["uf"] = append(e.By["uf"], c.Transaction.UF)
		e.By["method"] = append(e.By["method"], c.Transaction.Method.String())
	}
	e.Frame, e.Frauds = &gbdt.Frame{Names: table.Names, Columns: table.Columns}, table.Fraud
	return e, nil
}
