package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
)

const handbookHeader = "transaction_id,tx_datetime,customer_id,terminal_id,tx_amount,tx_fraud,tx_fraud_scenario\n"

// handbookDays makes rows of some days in which every large amount is a fraud.
func handbookDays(days int) []string {
	r := rand.New(rand.NewPCG(5, 7))
	var rows []string
	for hour := range days * 24 {
		for range 4 {
			at := time.Date(2018, 4, 1, hour, 0, 0, 0, time.UTC).Format(time.DateTime)
			amount, fraud := 10+r.Float64()*50, 0
			if r.IntN(20) == 0 {
				amount, fraud = 300+r.Float64()*50, 1
			}
			rows = append(rows, fmt.Sprintf("%d,%s,%d,%d,%.2f,%d,%d\n", len(rows), at, r.IntN(200), r.IntN(30), amount, fraud, fraud))
		}
	}
	return rows
}

// handbookFile writes rows to a file, packed if its name says so.
func handbookFile(t *testing.T, name string, rows []string) string {
	t.Helper()
	content := []byte(handbookHeader + strings.Join(rows, ""))
	if strings.HasSuffix(name, ".gz") {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		content = packed.Bytes()
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func backtestRun(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), append([]string{"backtest", "--format", "handbook"}, args...), streams{&out, &err})
	return code, out.String(), err.String()
}

var smallProtocol = []string{"--first-test", "2018-04-15", "--folds", "2", "--train-days", "5", "--delay-days", "3", "--test-days", "2"}

func TestBacktestRunsTheProtocol(t *testing.T) {
	rows := handbookDays(18)
	whole := handbookFile(t, "whole.csv", rows)
	report, features := filepath.Join(t.TempDir(), "report.json"), filepath.Join(t.TempDir(), "features.csv")
	code, stdout, stderr := backtestRun(append(smallProtocol, "--input", whole, "--json", report, "--features", features)...)
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	if strings.Count(stdout, "\n") != 4 || !strings.Contains(stdout, "2018-04-17") || strings.Contains(stdout, "published") {
		t.Errorf("the table of another protocol than the published one is\n%s", stdout)
	}
	first := readFolds(t, report)
	if len(first.Folds) != 2 || first.Folds[1].TestStart != "2018-04-17" || first.Folds[0].TrainRows != 5*24*4 {
		t.Fatalf("folds are %+v", first.Folds)
	}
	if f := first.Folds[0]; f.AUC < 0.99 || f.AP < 0.99 || f.TestRows < 2*24*3 || f.TestRows >= 2*24*4 || f.Seconds <= 0 {
		t.Errorf("the plainest of frauds is found so: %+v", f)
	}
	if mean := (first.Folds[0].CP100 + first.Folds[1].CP100) / 2; first.Mean.CP100 < mean-1e-9 || first.Mean.CP100 > mean+1e-9 {
		t.Errorf("mean of CP@100 is %v, want %v", first.Mean.CP100, mean)
	}

	table, err := os.ReadFile(features)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(table, []byte("test,label,tx.amount,")) || bytes.Count(table, []byte("\n0,")) != first.Folds[0].TrainRows ||
		bytes.Count(table, []byte("\n1,")) != first.Folds[0].TestRows {
		t.Errorf("the features are not those of fold %+v:\n%.200s", first.Folds[0], table)
	}

	// The same in two parts, one of them packed, is the same history.
	parts := []string{"--input", handbookFile(t, "one.csv.gz", rows[:700]), "--input", handbookFile(t, "two.csv", rows[700:])}
	if code, _, stderr = backtestRun(append(append(smallProtocol, "--json", report), parts...)...); code != exitDone {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	second := readFolds(t, report)
	for i := range second.Folds {
		first.Folds[i].Seconds, second.Folds[i].Seconds = 0, 0
		if first.Folds[i] != second.Folds[i] {
			t.Errorf("fold %d is %+v in one file, %+v in two", i, first.Folds[i], second.Folds[i])
		}
	}
}

func readFolds(t *testing.T, path string) (r foldReport) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil || len(keys) != 2 {
		t.Fatalf("report has the keys %v, %v", keys, err)
	}
	for _, key := range []string{`"test_start"`, `"train_rows"`, `"test_rows"`, `"auc"`, `"ap"`, `"cp100"`, `"seconds"`} {
		if strings.Count(string(data), key) < len(r.Folds) {
			t.Errorf("report lacks %s", key)
		}
	}
	return r
}

func TestBacktestSaysWhatIsWrong(t *testing.T) {
	rows := handbookDays(18)
	damaged := append(append([]string{}, rows[:5]...), "5,2018-04-01 02:00:00,31337,1,12.345,0,0\n")
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"no input":       {nil, exitUsage, []string{"--input is missing", "handbook.csv.gz"}},
		"no such file":   {[]string{"--input", "nowhere.csv"}, exitUsage, []string{"nowhere.csv"}},
		"bad date":       {[]string{"--input", handbookFile(t, "a.csv", rows), "--first-test", "August"}, exitUsage, []string{"2018-08-08"}},
		"bad folds":      {[]string{"--input", handbookFile(t, "a.csv", rows), "--folds", "0"}, exitUsage, []string{"number of folds is 0"}},
		"damaged line":   {[]string{"--input", handbookFile(t, "damaged.csv", damaged)}, exitFailed, []string{"damaged.csv", "line 7", "tx_amount"}},
		"not packed":     {[]string{"--input", handbookFile(t, "plain.csv", rows), "--input", rename(t, handbookFile(t, "b.csv", rows), "b.csv.gz")}, exitFailed, []string{"b.csv.gz", "unpack"}},
		"other file":     {[]string{"--input", rename(t, filepath.Join("testdata", "script", "help.txt"), "help.txt")}, exitFailed, []string{"help.txt", "header"}},
		"wrong order":    {[]string{"--input", handbookFile(t, "late.csv", rows[900:]), "--input", handbookFile(t, "early.csv", rows[:900])}, exitFailed, []string{"early.csv", "line 2", "hint: give the rows in time order"}},
		"repeated":       {[]string{"--input", handbookFile(t, "twice.csv", append(rows[:3:3], rows[2]))}, exitFailed, []string{"twice.csv", "line 5", "twice"}},
		"empty fold":     {[]string{"--input", handbookFile(t, "short.csv", rows)}, exitFailed, []string{"fold 1", "2018-07-25", "hint: "}},
		"not a customer": {[]string{"--input", handbookFile(t, "none.csv", []string{"1,2018-04-01 00:00:00,,1,1.00,0,0\n"})}, exitFailed, []string{"none.csv", "line 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := backtestRun(c.args...)
			if code != c.code || stdout != "" {
				t.Errorf("exit code %d, want %d; stdout %q", code, c.code, stdout)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr %q lacks %q", stderr, want)
				}
			}
			if strings.Contains(stderr, "31337") {
				t.Errorf("stderr %q shows a value", stderr)
			}
		})
	}
}

// rename copies a file to another name.
func rename(t *testing.T, path, name string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestPublishedResultsAreShownBesideThePublishedProtocolOnly(t *testing.T) {
	outcomes := []backtest.Outcome{{TestStart: time.Date(2018, 8, 8, 0, 0, 0, 0, time.UTC), TrainRows: 67240, TestRows: 58264}}
	var with, without bytes.Buffer
	printFolds(&with, outcomes, true)
	printFolds(&without, outcomes, false)
	for _, want := range []string{"67,240", "58,264", "2018-08-08", "logistic regression, published", "0.694", "ceiling", "0.767"} {
		if !strings.Contains(with.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, with.String())
		}
	}
	if strings.Contains(without.String(), "published") || strings.Contains(without.String(), "ceiling") {
		t.Errorf("published results are beside another protocol:\n%s", without.String())
	}
}
