package backtest

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// handbookFile is the environment variable that names the benchmark's file, which is not part of this project.
const handbookFile = "FASTSHOP_HANDBOOK"

// TestTheFirstFoldIsThePublishedOne counts rows and frauds of the first fold against those of the published protocol.
func TestTheFirstFoldIsThePublishedOne(t *testing.T) {
	path := os.Getenv(handbookFile)
	if path == "" {
		t.Skipf("NOT TESTED: the folds of the public benchmark; set %s to its file, handbook.csv.gz", handbookFile)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := io.Reader(file)
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := NewHandbook(r)
	if err != nil {
		t.Fatal(err)
	}
	p := HandbookProtocol()
	from, until := p.Span()
	table := NewTable(nil)
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if row.At.Before(from) || !row.At.Before(until) {
			continue
		}
		c, err := row.Case(p.LabelDelay())
		if err != nil {
			t.Fatal(err)
		}
		table.Add(c, nil)
	}
	fold, err := p.Fold(table, 0)
	if err != nil {
		t.Fatal(err)
	}
	frauds := func(of []bool) (n int) {
		for _, f := range of {
			if f {
				n++
			}
		}
		return n
	}
	train, test := table.Fraud[fold.TrainFirst:fold.TrainTo], pick(table.Fraud, slices.Concat(fold.Days...))
	got := [4]int{len(train), frauds(train), len(test), frauds(test)}
	if want := [4]int{67_240, 598, 58_264, 385}; got != want {
		t.Errorf("training rows, their frauds, test rows, their frauds are %v, want %v", got, want)
	}
}
