package simulate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxLine is the length of the longest line that a Decoder accepts, in bytes.
const MaxLine = 64 << 10

// ErrFormat is returned, wrapped with the number of the line, for a line that is not one of the two objects.
var ErrFormat = errors.New("simulate: malformed line")

// Encode writes item as one line of NDJSON, in one Write:
//
//	{"type":"transaction","transaction":{…},"truth":{"fraud":true,"scenario":"card_ring"}}
//	{"type":"label","label":{"transaction_id":"…","verdict":"fraud","source":"chargeback","known_at":"…"}}
func Encode(w io.Writer, item Item) error {
	var b []byte
	if item.Label != nil {
		l := item.Label
		b = append(b, `{"type":"label","label":{"transaction_id":`...)
		b = appendText(b, l.TransactionID)
		b = append(b, `,"verdict":`...)
		b = appendText(b, string(l.Verdict))
		b = append(b, `,"source":`...)
		b = appendText(b, string(l.Source))
		b = append(b, `,"known_at":"`...)
		b = appendTime(b, l.KnownAt.UnixMilli())
		b = append(b, `"}}`...)
	} else {
		b = make([]byte, 0, len(item.Submission)+96)
		b = append(b, `{"type":"transaction","transaction":`...)
		b = append(b, item.Submission...)
		b = append(b, `,"truth":{"fraud":`...)
		b = fmt.Append(b, item.Fraud)
		b = append(b, `,"scenario":`...)
		b = appendText(b, item.Scenario)
		b = append(b, `}}`...)
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write item: %w", err)
	}
	return nil
}

func appendText(b []byte, s string) []byte {
	// Only invalid UTF-8 is an error, and then the text is mangled, not dropped.
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// Decoder reads what Encode writes. It is strict about the envelope: unknown, repeated
// and missing members are refused. The transaction inside is checked by ingest;
// here it only has to be an object with an id and a time.
type Decoder struct {
	r    *bufio.Reader
	line int
}

// NewDecoder reads items from r.
func NewDecoder(r io.Reader) *Decoder { return &Decoder{r: bufio.NewReaderSize(r, MaxLine)} }

type envelope struct {
	Type        string         `json:"type"`
	Transaction jsontext.Value `json:"transaction"`
	Truth       *struct {
		Fraud    bool   `json:"fraud"`
		Scenario string `json:"scenario"`
	} `json:"truth"`
	Label *Label `json:"label"`
}

// Next returns the next item, io.EOF after the last one, and ErrFormat, wrapped with
// the number of the line but never with its content, for a line it cannot read;
// reading may go on with the line after. Empty lines are skipped.
func (d *Decoder) Next() (Item, error) {
	for {
		line, err := d.r.ReadSlice('\n')
		d.line++
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return Item{}, d.skip()
		case err != nil && !errors.Is(err, io.EOF):
			return Item{}, fmt.Errorf("read line %d: %w", d.line, err)
		case err != nil && len(line) == 0:
			return Item{}, io.EOF
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		item, err := decodeLine(line)
		if err != nil {
			return Item{}, fmt.Errorf("%w: line %d: %w", ErrFormat, d.line, err)
		}
		return item, nil
	}
}

// skip drops the rest of a line that is too long.
func (d *Decoder) skip() error {
	for {
		_, err := d.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", d.line, err)
		}
		return fmt.Errorf("%w: line %d: longer than %d bytes", ErrFormat, d.line, MaxLine)
	}
}

// The decoder's own messages may quote the input, so only what they are about is handed on.
var (
	errNotJSON  = errors.New("not a JSON object of the known members")
	errHead     = errors.New("the transaction has no usable id and occurred_at")
	errMembers  = errors.New("members do not fit the type")
	errTypeName = errors.New("type is neither transaction nor label")
)

func decodeLine(line []byte) (Item, error) {
	var e envelope
	if err := json.Unmarshal(line, &e, json.RejectUnknownMembers(true)); err != nil {
		return Item{}, errNotJSON
	}
	switch e.Type {
	case "transaction":
		if e.Transaction == nil || e.Truth == nil || e.Label != nil {
			return Item{}, errMembers
		}
		var head struct {
			ID         string    `json:"id"`
			OccurredAt time.Time `json:"occurred_at"`
		}
		if err := json.Unmarshal(e.Transaction, &head); err != nil || head.ID == "" || head.OccurredAt.IsZero() {
			return Item{}, errHead
		}
		return Item{
			At: head.OccurredAt.UTC(), ID: head.ID, Submission: bytes.Clone(e.Transaction),
			Fraud: e.Truth.Fraud, Scenario: e.Truth.Scenario,
		}, nil
	case "label":
		if e.Label == nil || e.Transaction != nil || e.Truth != nil {
			return Item{}, errMembers
		}
		if err := e.Label.check(); err != nil {
			return Item{}, err
		}
		e.Label.KnownAt = e.Label.KnownAt.UTC()
		return Item{At: e.Label.KnownAt, ID: e.Label.TransactionID, Label: e.Label}, nil
	}
	return Item{}, errTypeName
}
