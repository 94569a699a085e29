package simulate

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	s := newShop(t, Config{Seed: 1, Customers: 200, Count: 150, FraudShare: 0.1})
	var b bytes.Buffer
	var want []Item
	for {
		item, ok := s.Next()
		if !ok {
			break
		}
		want = append(want, item)
		if err := Encode(&b, item); err != nil {
			t.Fatal(err)
		}
	}
	d := NewDecoder(&b)
	for i := range want {
		got, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Fatalf("item %d changed:\n%s", i, diff)
		}
	}
	if _, err := d.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("error at the end is %v", err)
	}
}

const (
	goodTransaction = `{"type":"transaction","transaction":{"id":"a","occurred_at":"2026-11-02T12:00:00Z"},"truth":{"fraud":false,"scenario":""}}`
	goodLabel       = `{"type":"label","label":{"transaction_id":"a","verdict":"fraud","source":"report","known_at":"2026-11-03T12:00:00-03:00"}}`
)

// badLines are refused with the given words.
var badLines = map[string]string{
	`{`:                           "not a JSON object",
	`[]`:                          "not a JSON object",
	`{"type":"refund"}`:           "type is neither",
	`{"type":"label","type":"x"}`: "not a JSON object",
	`{"type":"label","amount":1}`: "not a JSON object",
	`{"type":"label"}`:            "members do not fit",
	`{"type":"transaction"}`:      "members do not fit",
	goodTransaction + goodLabel:   "not a JSON object",
	`{"type":"transaction","transaction":{"id":"a"},"truth":{"fraud":true,"scenario":""}}`:                                     "no usable id",
	`{"type":"transaction","transaction":[],"truth":{"fraud":true,"scenario":""}}`:                                             "no usable id",
	`{"type":"transaction","transaction":{"id":"a","occurred_at":"tomorrow"},"truth":{"fraud":true,"scenario":""}}`:            "no usable id",
	strings.Replace(goodLabel, `"fraud"`, `"maybe"`, 1):                                                                        "verdict",
	strings.Replace(goodLabel, `"report"`, `"gossip"`, 1):                                                                      "source",
	strings.Replace(goodLabel, `"a"`, `""`, 1):                                                                                 "transaction_id",
	`{"type":"label","label":{"transaction_id":"a","verdict":"fraud","source":"report"}}`:                                      "known_at",
	`{"type":"transaction","transaction":{"id":"` + strings.Repeat("a", MaxLine) + `"},"truth":{"fraud":true,"scenario":"x"}}`: "longer than",
}

func TestDecoderRefuses(t *testing.T) {
	for line, words := range badLines {
		d := NewDecoder(strings.NewReader(goodTransaction + "\n\n" + line + "\r\n" + goodLabel))
		if _, err := d.Next(); err != nil {
			t.Fatal(err)
		}
		_, err := d.Next()
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%.60s: error %v, want ErrFormat in line 3 with %q", line, err, words)
		}
		// A bad line has no effect on its neighbors.
		if item, err := d.Next(); err != nil || item.Label == nil {
			t.Errorf("%.60s: the next line gives %v", line, err)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, io.ErrUnexpectedEOF }
func (broken) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestIOErrors(t *testing.T) {
	if _, err := NewDecoder(broken{}).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read error is %v", err)
	}
	long := io.MultiReader(strings.NewReader(strings.Repeat("x", MaxLine+9)), broken{})
	if _, err := NewDecoder(long).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read error in a long line is %v", err)
	}
	if err := Encode(broken{}, Item{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("write error is %v", err)
	}
}

// What can be read can be written and read again, and errors never quote the input.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte(goodTransaction))
	f.Add([]byte(goodLabel))
	for line := range badLines {
		if len(line) < 1000 {
			f.Add([]byte(line))
		}
	}
	s := newShop(f, Config{Seed: 1, Customers: 20, Count: 30, FraudShare: 0.2})
	for {
		item, ok := s.Next()
		if !ok {
			break
		}
		var b bytes.Buffer
		if err := Encode(&b, item); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := NewDecoder(bytes.NewReader(data))
		for {
			item, err := d.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				if !errors.Is(err, ErrFormat) || len(err.Error()) > 200 {
					t.Fatalf("error %v", err)
				}
				continue
			}
			var b bytes.Buffer
			if err := Encode(&b, item); err != nil {
				t.Fatal(err)
			}
			again, err := NewDecoder(&b).Next()
			if err != nil {
				t.Fatalf("written again, it is refused: %v", err)
			}
			if again.ID != item.ID || again.Fraud != item.Fraud || (again.Label == nil) != (item.Label == nil) {
				t.Fatalf("%+v became %+v", item, again)
			}
		}
	})
}
