package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
)

// measure reads the file a second time beside what was stored: the figures are of what is durable, not of what passed by.
func (c *replayCommand) measure(ctx context.Context, b *backends, r *replayReport, p *progress) (err error) {
	defer p.done()
	in, err := openReplay(c.Input, c.Format)
	if err != nil {
		return err
	}
	defer in.Close()
	lines, closeLines, err := c.decisionLines()
	if err != nil {
		return err
	}
	m := &measurement{backends: b, report: r, lines: lines, months: map[string]*backtest.Tally{}}
	rows := newStoredRows(ctx, b.store)
	defer rows.stop()
	for seen := 0; c.Limit == 0 || seen < c.Limit; {
		row, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if row.submission == nil && row.refused == nil {
			continue
		}
		seen++
		p.show("measuring: %s of %s rows", count(seen), count(r.Rows))
		if err := m.add(&row, rows); err != nil {
			return err
		}
	}
	if err := closeLines(); err != nil {
		return err
	}
	return m.finish(ctx, b)
}

// measurement gathers the figures of a replay.
type measurement struct {
	backends *backends
	report   *replayReport
	lines    *csv.Writer // nil writes none
	all      backtest.Tally
	truths   bool
	months   map[string]*backtest.Tally

	canonical []byte // room for a row's canonical form
}

func (m *measurement) add(row *replayRow, rows *storedRows) error {
	if row.refused != nil {
		return m.line(row.id, "", "refused", "")
	}
	s, err := rows.find(row.id)
	if errors.Is(err, ledger.ErrNotFound) {
		return m.line(row.id, "", "dead_letter", "")
	}
	if err != nil {
		return err
	}
	if m.conflicts(row, s) {
		return m.line(row.id, "", "conflict", "")
	}
	d := &s.Decision
	if row.truth {
		m.truths = true
		flagged := d.Outcome != decision.Approve
		month := row.at.Format("2006-01")
		if m.months[month] == nil {
			m.months[month] = &backtest.Tally{}
		}
		m.all.Add(d.Score, row.fraud, flagged)
		m.months[month].Add(d.Score, row.fraud, flagged)
	}
	var codes []string
	for _, r := range d.Reasons {
		if !r.Shadow {
			codes = append(codes, r.Code)
		}
	}
	return m.line(row.id, strconv.Itoa(d.Score), d.Outcome.String(), strings.Join(codes, "|"))
}

// conflicts reports whether another transaction is stored under the row's id: its verdict is not the row's.
func (m *measurement) conflicts(row *replayRow, s *ledger.Stored) bool {
	m.canonical = row.submission.AppendCanonical(m.canonical[:0])
	return !s.Erased && s.Transaction.MAC != m.backends.vault.PayloadMAC(m.canonical)
}

func (m *measurement) line(fields ...string) error {
	if m.lines == nil {
		return nil
	}
	return m.lines.Write(fields)
}

func (m *measurement) finish(ctx context.Context, b *backends) error {
	totals, err := b.store.Totals(ctx)
	if err != nil {
		return err
	}
	r := m.report
	r.Total, r.DeadLetters = int(totals.Transactions()), int(totals.DeadLetters)
	for o, n := range map[decision.Outcome]int64{
		decision.Approve: totals.Approve, decision.Challenge: totals.Challenge, decision.Review: totals.Review, decision.Decline: totals.Decline,
	} {
		r.Outcomes[o.String()] = int(n)
	}
	r.RuleSet, r.Policy = b.rules.Version(), b.settings.policy().Version()
	if !m.truths {
		return nil
	}
	all := m.all.Figures()
	r.Detection, r.Months = &all, map[string]*backtest.Figures{}
	for month, t := range m.months {
		figures := t.Figures()
		r.Months[month] = &figures
	}
	return nil
}

// decisionLines opens the file of --decisions with its header.
func (c *replayCommand) decisionLines() (*csv.Writer, func() error, error) {
	if c.Decisions == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.Create(c.Decisions)
	if err != nil {
		return nil, nil, fmt.Errorf("create decisions file: %w", err)
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := csv.NewWriter(buffered)
	finish := func() error {
		w.Flush()
		if err := errors.Join(w.Error(), buffered.Flush(), f.Close()); err != nil {
			return fmt.Errorf("write decisions: %w", err)
		}
		return nil
	}
	return w, finish, w.Write([]string{"transaction_id", "score", "outcome", "reasons"})
}

// storedRows finds stored rows in the order of a file. Nearly always that is the order of commits, so that one
// scan beside the file is enough; what is not next in line is looked up by id.
type storedRows struct {
	ctx   context.Context
	store books
	next  chan ledger.Stored
	stop  context.CancelFunc
	ahead *ledger.Stored
}

func newStoredRows(ctx context.Context, store books) *storedRows {
	scan, stop := context.WithCancel(ctx)
	r := &storedRows{ctx: ctx, store: store, next: make(chan ledger.Stored, 256), stop: stop}
	go func() {
		defer close(r.next)
		// An error ends the scan early; the rows that are left are then looked up one by one, which reports it.
		_ = store.Rows(scan, func(s ledger.Stored) error {
			select {
			case r.next <- s:
				return nil
			case <-scan.Done():
				return scan.Err()
			}
		})
	}()
	return r
}

func (r *storedRows) find(id string) (*ledger.Stored, error) {
	if r.ahead == nil {
		if s, ok := <-r.next; ok {
			r.ahead = &s
		}
	}
	if r.ahead != nil && r.ahead.Transaction.ID == id {
		s := r.ahead
		r.ahead = nil
		return s, nil
	}
	s, err := r.store.Decision(r.ctx, id)
	if err != nil {
		return nil, err
	}
	return &s, nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
