package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestTrainAndPredict(t *testing.T) {
	dir := t.TempDir()
	tableFile, model, predictions := filepath.Join(dir, "t.csv"), filepath.Join(dir, "m.json"), filepath.Join(dir, "p.txt")
	var text strings.Builder
	text.WriteString("amount,label,device_age\n")
	for i := range 40 {
		age := "nan"
		if i%3 == 0 {
			age = fmt.Sprint(i)
		}
		fmt.Fprintf(&text, "%d.5,%d,%s\n", i, i/20, age)
	}
	if err := os.WriteFile(tableFile, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"-train", tableFile, "-model", model, "-trees", "20", "-bins", "0"}, &out); err != nil {
		t.Fatal(err)
	}
	var took struct{ Seconds float64 }
	if err := json.Unmarshal(out.Bytes(), &took); err != nil || took.Seconds <= 0 {
		t.Fatalf("printed %q: %v", out.String(), err)
	}
	if err := run([]string{"-test", tableFile, "-load", model, "-predictions", predictions}, &out); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(predictions)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(content))
	if len(lines) != 40 {
		t.Fatalf("%d predictions for 40 rows", len(lines))
	}
	for i, line := range lines {
		if p, err := strconv.ParseFloat(line, 64); err != nil || (p > 0.5) != (i >= 20) {
			t.Fatalf("row %d has probability %q", i, line)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "no rows": "a,label\n", "short": "a,label\n1\n", "text": "a,label\nx,1\n", "one class": "a,label\n1,1\n2,1\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{"-train", file, "-model", filepath.Join(dir, "m")}, &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, args := range [][]string{
		{},
		{"-unknown"},
		{"-train", filepath.Join(dir, "none"), "-model", filepath.Join(dir, "m")},
		{"-test", filepath.Join(dir, "empty"), "-load", filepath.Join(dir, "none"), "-predictions", filepath.Join(dir, "p")},
		{"-test", filepath.Join(dir, "empty"), "-load", filepath.Join(dir, "empty"), "-predictions", filepath.Join(dir, "p")},
	} {
		if err := run(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
