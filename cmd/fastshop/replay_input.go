package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pii"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/simulate"
)

// replayRow is what a file says next: a transaction, a label that becomes known, or a row that cannot be used.
type replayRow struct {
	id         string
	at         time.Time
	submission *ingest.Submission // nil for a label and for a refused row
	refused    error              // why the row cannot be used
	truth      bool               // the file says whether it is fraud
	fraud      bool
	label      *review.Label
}

// replayInput reads rows; Next returns io.EOF after the last one.
type replayInput interface {
	Next() (replayRow, error)
	io.Closer
}

// openReplay opens a file for replay, unpacking it if its name ends in .gz.
func openReplay(path, format string) (replayInput, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	r := io.Reader(file)
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			return nil, errors.Join(fmt.Errorf("unpack input: %w", err), file.Close())
		}
	}
	if format == "ndjson" {
		return &ndjsonInput{simulate.NewDecoder(r), file}, nil
	}
	h, err := backtest.NewHandbook(r)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &handbookInput{handbook: h, Closer: file}, nil
}

// handbookInput makes submissions of the handbook's rows: card payments in BRL at a terminal.
type handbookInput struct {
	handbook *backtest.Handbook
	io.Closer
}

func (in *handbookInput) Next() (replayRow, error) {
	row, err := in.handbook.Next()
	if errors.Is(err, backtest.ErrFormat) {
		return replayRow{id: row.ID, refused: err}, nil
	}
	if err != nil {
		return replayRow{}, err
	}
	s := &ingest.Submission{ID: row.ID, OccurredAt: row.At, Method: payment.Card, Terminal: row.Terminal}
	s.Amount.Centavos, s.Amount.Currency = row.Centavos, "BRL"
	s.Customer.ID = pii.NewText(row.Customer)
	out := replayRow{id: row.ID, at: row.At, submission: s, truth: true, fraud: row.Fraud}
	if err := s.Validate(row.At); err != nil {
		out.submission, out.refused = nil, err
	}
	if row.Fraud {
		// Genuine rows need no label: without one a transaction counts as genuine after the same seven days.
		out.label = &review.Label{TransactionID: row.ID, Verdict: review.Fraud, Source: review.Benchmark, KnownAt: row.At.Add(backtest.HandbookDelay)}
	}
	return out, nil
}

// ndjsonInput reads what fastshop simulate writes. Its labels come as rows of their own, at their time.
type ndjsonInput struct {
	lines *simulate.Decoder
	io.Closer
}

func (in *ndjsonInput) Next() (replayRow, error) {
	item, err := in.lines.Next()
	if errors.Is(err, simulate.ErrFormat) {
		return replayRow{refused: err}, nil
	}
	if err != nil {
		return replayRow{}, err
	}
	if l := item.Label; l != nil {
		return replayRow{id: l.TransactionID, at: l.KnownAt, label: labelOf(l)}, nil
	}
	row := replayRow{id: item.ID, at: item.At, truth: true, fraud: item.Fraud}
	row.submission, row.refused = ingest.Decode(item.Submission, item.At)
	return row, nil
}

func labelOf(l *simulate.Label) *review.Label {
	label := &review.Label{TransactionID: l.TransactionID, Verdict: review.Genuine, KnownAt: l.KnownAt}
	if l.Verdict == simulate.Fraud {
		label.Verdict = review.Fraud
	}
	switch l.Source {
	case simulate.Chargeback:
		label.Source = review.Chargeback
	case simulate.PixMED:
		label.Source = review.PixMED
	case simulate.Disposition:
		label.Source = review.Disposition
	default:
		label.Source = review.Report
	}
	return label
}
