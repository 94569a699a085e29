package backtest

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// Row is one transaction of the Fraud Detection Handbook's data set.
type Row struct {
	Line     int // in the file, the header being line 1
	ID       string
	At       time.Time // UTC; the file names no zone
	Customer string
	Terminal string
	Centavos int64
	Fraud    bool
}

// HandbookDelay is how long after its transaction a label of the data set becomes known.
const HandbookDelay = 7 * 24 * time.Hour

var handbookHeader = []string{"transaction_id", "tx_datetime", "customer_id", "terminal_id", "tx_amount", "tx_fraud", "tx_fraud_scenario"}

// ErrFormat is wrapped by errors about a file that is not what it should be; they name the line, never a value.
var ErrFormat = errors.New("malformed input")

// Handbook reads the CSV of the data set, row by row.
type Handbook struct {
	csv *csv.Reader
}

// NewHandbook checks the header and returns a reader of the rows behind it.
func NewHandbook(r io.Reader) (*Handbook, error) {
	c := csv.NewReader(r)
	c.ReuseRecord = true
	c.FieldsPerRecord = len(handbookHeader)
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: the file is empty; its first line must be the header %s", ErrFormat, strings.Join(handbookHeader, ","))
	}
	var parse *csv.ParseError
	if err != nil && !errors.As(err, &parse) {
		return nil, readError(err)
	}
	if err != nil || !slices.Equal(header, handbookHeader) {
		return nil, fmt.Errorf("%w: line 1: the header must be %s", ErrFormat, strings.Join(handbookHeader, ","))
	}
	return &Handbook{csv: c}, nil
}

// Next returns the next row, or io.EOF after the last one. An error that wraps ErrFormat is about that line alone:
// reading may go on. The row then holds its line, and its id as far as the line has fields at all.
func (h *Handbook) Next() (Row, error) {
	fields, err := h.csv.Read()
	if errors.Is(err, io.EOF) {
		return Row{}, io.EOF
	}
	if err != nil {
		return Row{Line: lineOf(err)}, readError(err)
	}
	line, _ := h.csv.FieldPos(0)
	row := Row{Line: line, ID: strings.Clone(fields[0]), Customer: strings.Clone(fields[2]), Terminal: strings.Clone(fields[3])}
	bad := func(column int, want string) (Row, error) {
		return Row{Line: line, ID: row.ID}, fmt.Errorf("%w: line %d: %s must be %s", ErrFormat, line, handbookHeader[column], want)
	}
	if row.At, err = time.Parse(time.DateTime, fields[1]); err != nil {
		return bad(1, "a time like 2018-04-01 00:00:31")
	}
	var ok bool
	if row.Centavos, ok = parseCentavos(fields[4]); !ok {
		return bad(4, "an amount with two decimals")
	}
	switch fields[5] {
	case "0":
	case "1":
		row.Fraud = true
	default:
		return bad(5, "0 or 1")
	}
	return row, nil
}

// lineOf is where a record that could not be split into fields begins; 0 if the error is not about one.
func lineOf(err error) int {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return parse.StartLine
	}
	return 0
}

func readError(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("%w: line %d: %w", ErrFormat, parse.Line, parse.Err)
	}
	return fmt.Errorf("read input: %w", err)
}

// parseCentavos reads an amount exactly: no float is in between. Missing decimals count as zeros.
func parseCentavos(s string) (int64, bool) {
	whole, decimals, _ := strings.Cut(s, ".")
	if whole == "" || len(whole) > 12 || len(decimals) > 2 {
		return 0, false
	}
	decimals += "00"[:2-len(decimals)]
	w, err := strconv.ParseUint(whole, 10, 63)
	if err != nil {
		return 0, false
	}
	d, err := strconv.ParseUint(decimals, 10, 8)
	if err != nil {
		return 0, false
	}
	return int64(w)*100 + int64(d), true
}

// Case makes of a row what a card payment in reais at a terminal is on the sealed side, whose label is known after delay
// if it is a fraud; that a payment is genuine is never said. Its token of the customer is made without a key: it is for
// a history that is played in memory, and nothing else. The error wraps ErrFormat.
func (r *Row) Case(delay time.Duration) (Case, error) {
	if !payment.ValidID(r.ID) || r.Customer == "" || r.Centavos > payment.MaxCentavos {
		return Case{}, fmt.Errorf("%w: line %d: id, customer or amount is none that a payment can have", ErrFormat, r.Line)
	}
	c := Case{Fraud: r.Fraud, Transaction: &payment.Transaction{
		ID: r.ID, OccurredAt: r.At, ReceivedAt: r.At, Amount: payment.Amount{Centavos: r.Centavos, Currency: "BRL"},
		Method: payment.Card, Customer: payment.PublicToken(r.Customer), FiscalRegion: payment.NoRegion, Terminal: r.Terminal,
	}}
	if r.Fraud {
		c.KnownAt = r.At.Add(delay)
	}
	return c, nil
}
