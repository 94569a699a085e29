package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
)

// protocol is the handbook's, with what the command line says instead.
func (c *backtestCommand) protocol() backtest.Protocol {
	p := backtest.HandbookProtocol()
	if at, err := time.Parse(time.DateOnly, c.FirstTest); err == nil {
		p.First = at
	}
	for _, o := range []struct{ from, into *int }{{c.Folds, &p.Folds}, {c.TrainDays, &p.Train}, {c.DelayDays, &p.Delay}, {c.TestDays, &p.Test}} {
		if o.from != nil {
			*o.into = *o.from
		}
	}
	return p
}

// handbook runs the published protocol.
func (c *backtestCommand) handbook(ctx context.Context, out streams) error {
	p, recipe := c.protocol(), backtest.HandbookRecipe()
	progress := newProgress(out.err)
	defer progress.done()
	table, err := c.rehearse(ctx, p, recipe.Features, progress)
	if err != nil {
		return err
	}
	if err := c.writeFeatures(p, table); err != nil {
		return protocolHint(err)
	}
	outcomes, err := p.Run(ctx, table, recipe.Learn, time.Now, func(fold, done, of int) {
		progress.show("fold %d of %d: %d of %d trees", fold+1, p.Folds, done, of)
	})
	if err != nil {
		return protocolHint(err)
	}
	progress.done()
	if c.JSON != "" {
		if err := writeReport(c.JSON, newFoldReport(outcomes)); err != nil {
			return err
		}
	}
	printFolds(out.out, outcomes, p == backtest.HandbookProtocol())
	return nil
}

// protocolHint says what to look at when a history does not cover its protocol.
func protocolHint(err error) error {
	if errors.Is(err, backtest.ErrProtocol) {
		return withHint(err, "the history must reach from before the first training day to the last test day; see --first-test, --folds and the others")
	}
	return err
}

// writeFeatures writes the rows of the first fold, if they are wanted.
func (c *backtestCommand) writeFeatures(p backtest.Protocol, table *backtest.Table) error {
	if c.Features == "" {
		return nil
	}
	fold, err := p.Fold(table, 0)
	if err != nil {
		return err
	}
	file, err := os.Create(c.Features)
	if err != nil {
		return fmt.Errorf("write features: %w", err)
	}
	if err := table.WriteCSV(file, fold); err != nil {
		_ = file.Close() // the disk is full, or the like
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write features: %w", err)
	}
	return nil
}

// rehearse plays all files, one after the other, and keeps the rows that the folds need. It ends with the last of them.
func (c *backtestCommand) rehearse(ctx context.Context, p backtest.Protocol, features []string, progress *progress) (*backtest.Table, error) {
	// The times of the file name no zone: night is what its own clock calls so.
	r, err := backtest.NewRehearsal(backtest.Stage{Features: features, Zone: time.UTC, Maturity: p.LabelDelay(), Now: time.Now})
	if err != nil {
		return nil, err
	}
	h := &historyReader{rehearsal: r, protocol: p, table: backtest.NewTable(features), row: make([]float64, len(features)), progress: progress}
	for _, path := range c.Input {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("open input: %w", err)
		}
		h.size += info.Size()
	}
	for _, path := range c.Input {
		if err := h.file(ctx, path); errors.Is(err, errLastDay) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return h.table, nil
}

// errLastDay ends the reading: what comes later is of no fold.
var errLastDay = errors.New("the last test day is over")

// historyReader plays the files of a history.
type historyReader struct {
	rehearsal *backtest.Rehearsal
	protocol  backtest.Protocol
	table     *backtest.Table
	row       []float64
	progress  *progress
	rows      int
	size      int64 // of all files, bytes
	read      int64 // of it
}

func (h *historyReader) file(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open input: %w", err)
	}
	defer file.Close()
	r, err := unpacked(path, bufio.NewReaderSize(countedReader{file, &h.read}, 1<<16))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	rows, err := backtest.NewHandbook(r)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if err := h.play(ctx, &row); err != nil {
			return fmt.Errorf("play %s: %w", path, err)
		}
	}
}

// play takes one row into the rehearsal, and into the table if it is of the time that the folds need.
func (h *historyReader) play(ctx context.Context, row *backtest.Row) error {
	from, until := h.protocol.Span()
	if !row.At.Before(until) {
		return errLastDay
	}
	c, err := row.Case(h.protocol.LabelDelay())
	if err != nil {
		return err
	}
	features := h.row
	if row.At.Before(from) {
		features = nil
	}
	_, err = h.rehearsal.Play(ctx, c, features)
	if errors.Is(err, backtest.ErrHistory) {
		return withHint(fmt.Errorf("line %d: %w", row.Line, err), "give the rows in time order, each once, and the files likewise")
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", row.Line, err)
	}
	if features != nil {
		h.table.Add(c, features)
	}
	h.rows++
	h.progress.show("reading: %s rows, %s, %d %%", count(h.rows), row.At.Format(time.DateOnly), 100*h.read/max(h.size, 1))
	return nil
}

// countedReader adds up what was read.
type countedReader struct {
	io.Reader
	n *int64
}

func (r countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	*r.n += int64(n)
	return n, err
}
