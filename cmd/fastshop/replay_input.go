package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
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
	id         string // of a refused row only if it is in the form of an id, so that nothing personal is taken for one
	line       int    // in the file, from 1
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
	r, err := unpacked(path, file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if format == "ndjson" {
		lines := &lineReader{r: bufio.NewReaderSize(r, simulate.MaxLine)}
		return &ndjsonInput{simulate.NewDecoder(lines), lines, file}, nil
	}
	h, err := backtest.NewHandbook(r)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &handbookInput{handbook: h, Closer: file}, nil
}

// unpacked is what a file's reader gives, unpacked if the name ends in .gz.
func unpacked(path string, file io.Reader) (io.Reader, error) {
	if !strings.HasSuffix(path, ".gz") {
		return file, nil
	}
	r, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("unpack input: %w", err)
	}
	return r, nil
}

// handbookInput makes submissions of the handbook's rows: card payments in BRL at a terminal.
type handbookInput struct {
	handbook *backtest.Handbook
	io.Closer
}

func (in *handbookInput) Next() (replayRow, error) {
	row, err := in.handbook.Next()
	if errors.Is(err, backtest.ErrFormat) {
		return replayRow{id: safeID(row.ID), line: row.Line, refused: err}, nil
	}
	if err != nil {
		return replayRow{}, err
	}
	s := &ingest.Submission{ID: row.ID, OccurredAt: row.At, Method: payment.Card, Terminal: row.Terminal}
	s.Amount.Centavos, s.Amount.Currency = row.Centavos, "BRL"
	s.Customer.ID = pii.NewText(row.Customer)
	out := replayRow{id: row.ID, line: row.Line, at: row.At, submission: s, truth: true, fraud: row.Fraud}
	if err := s.Validate(row.At); err != nil {
		return replayRow{id: safeID(row.ID), line: row.Line, at: row.At, refused: err}, nil
	}
	if row.Fraud {
		// Genuine rows need no label: without one a transaction counts as genuine after the same seven days.
		out.label = &review.Label{TransactionID: row.ID, Verdict: review.Fraud, Source: review.Benchmark, KnownAt: row.At.Add(backtest.HandbookDelay)}
	}
	return out, nil
}

// ndjsonInput reads what fastshop simulate writes. Its labels come as rows of their own, at their time.
type ndjsonInput struct {
	decoder *simulate.Decoder
	lines   *lineReader
	io.Closer
}

func (in *ndjsonInput) Next() (replayRow, error) {
	item, err := in.decoder.Next()
	if errors.Is(err, simulate.ErrFormat) {
		return replayRow{id: safeID(idIn(in.lines.last)), line: in.lines.n, refused: err}, nil
	}
	if err != nil {
		return replayRow{}, err
	}
	if l := item.Label; l != nil {
		return replayRow{id: l.TransactionID, line: in.lines.n, at: l.KnownAt, label: labelOf(l)}, nil
	}
	row := replayRow{id: item.ID, line: in.lines.n, at: item.At, truth: true, fraud: item.Fraud}
	if row.submission, row.refused = ingest.Decode(item.Submission, item.At); row.refused != nil {
		row.id = safeID(row.id)
	}
	return row, nil
}

// safeID is an id that was refused along with its row, if it may be written down: in the form of an id, and no card
// number.
func safeID(id string) string {
	if !payment.ValidID(id) || pii.ContainsPAN(id) {
		return ""
	}
	return id
}

// idIn finds the id of a transaction in a line that is JSON, but not what it should be.
func idIn(line []byte) string {
	var row struct {
		Transaction struct {
			ID string `json:"id"`
		} `json:"transaction"`
	}
	if json.Unmarshal(line, &row) != nil {
		return ""
	}
	return row.Transaction.ID
}

// lineReader hands out at most one line at a time, so that whoever reads through it can be told the current one.
type lineReader struct {
	r    *bufio.Reader
	n    int    // number of the current line
	last []byte // its end, valid until the next Read: all of it unless it is longer than the buffer
	rest []byte // of last, what was not handed out yet
	more bool   // the line goes on
}

func (l *lineReader) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		part, err := l.r.ReadSlice('\n')
		if len(part) == 0 && err != nil {
			return 0, err
		}
		if !l.more {
			l.n++
		}
		l.more = errors.Is(err, bufio.ErrBufferFull)
		l.last, l.rest = part, part // an error other than a full buffer comes again with the next call
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
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
