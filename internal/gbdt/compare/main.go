// Command compare trains and runs models for scripts/xgboost, which holds them against XGBoost's.
//
// A table is CSV: a header, then one row a line; the column label is 0 or 1, every other one a feature, nan what is
// missing. Rows are read whole into memory. It prints one line of JSON: {"seconds": time of training alone}.
//
//	compare -train FILE [-bins N -depth N …] -model OUT    writes a model in XGBoost's JSON format
//	compare -test FILE -load MODEL -predictions OUT        writes a probability per row, one a line
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/gbdt"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

type files struct{ train, test, model, load, predictions string }

func run(args []string, out io.Writer) error {
	s, f := gbdt.DefaultSettings(), files{}
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.StringVar(&f.train, "train", "", "`table` to train on")
	flags.StringVar(&f.model, "model", "", "`file` for the model")
	flags.StringVar(&f.test, "test", "", "`table` to predict")
	flags.StringVar(&f.load, "load", "", "`model` to predict with")
	flags.StringVar(&f.predictions, "predictions", "", "`file` for the probabilities")
	flags.IntVar(&s.Trees, "trees", s.Trees, "rounds")
	flags.IntVar(&s.Depth, "depth", s.Depth, "depth of a tree")
	flags.IntVar(&s.Bins, "bins", s.Bins, "bins of a feature; 0 is exact")
	flags.Float64Var(&s.Rate, "rate", s.Rate, "learning rate")
	flags.Float64Var(&s.Gamma, "gamma", s.Gamma, "least gain of a split")
	flags.Float64Var(&s.MinChild, "min-child", s.MinChild, "least second derivative of a child")
	flags.Float64Var(&s.PositiveWeight, "positive-weight", s.PositiveWeight, "weight of the rows labeled 1")
	flags.IntVar(&s.Workers, "workers", s.Workers, "processors to use; 0 is all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case f.train != "" && f.model != "":
		return train(f, s, out)
	case f.test != "" && f.load != "" && f.predictions != "":
		return predict(f)
	}
	return errors.New("nothing to do: give -train and -model, or -test, -load and -predictions")
}

func train(f files, s gbdt.Settings, out io.Writer) error {
	set, err := table(f.train)
	if err != nil {
		return err
	}
	start := time.Now()
	m, err := gbdt.Train(context.Background(), set, nil, s, nil)
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	if err := write(f.model, m.Write); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(map[string]float64{"seconds": seconds})
}

func predict(f files) error {
	file, err := os.Open(f.load)
	if err != nil {
		return fmt.Errorf("open model: %w", err)
	}
	defer file.Close()
	m, err := gbdt.Read(file)
	if err != nil {
		return err
	}
	forest, err := m.Forest()
	if err != nil {
		return err
	}
	set, err := table(f.test)
	if err != nil {
		return err
	}
	return write(f.predictions, func(w io.Writer) error {
		values := make([]float64, len(set.Frame.Columns))
		for i := range set.Labels {
			for j, column := range set.Frame.Columns {
				values[j] = float64(column[i])
			}
			if _, err := fmt.Fprintln(w, forest.Probability(values)); err != nil {
				return err
			}
		}
		return nil
	})
}

// write makes a file of what content writes.
func write(name string, content func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	w := bufio.NewWriter(file)
	return errors.Join(content(w), w.Flush(), file.Close())
}

// table reads a CSV file.
func table(name string) (gbdt.Set, error) {
	file, err := os.Open(name)
	if err != nil {
		return gbdt.Set{}, fmt.Errorf("open table: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return gbdt.Set{}, errors.Join(errors.New("read table: it is empty"), lines.Err())
	}
	set, header := gbdt.Set{Frame: &gbdt.Frame{}}, strings.Split(lines.Text(), ",")
	for _, name := range header {
		if name != "label" {
			set.Frame.Names = append(set.Frame.Names, name)
		}
	}
	set.Frame.Columns = make([][]float32, len(set.Frame.Names))
	for line := 2; lines.Scan(); line++ {
		if err := row(&set, header, strings.Split(lines.Text(), ",")); err != nil {
			return gbdt.Set{}, fmt.Errorf("read table, line %d: %w", line, err)
		}
	}
	if err := lines.Err(); err != nil {
		return gbdt.Set{}, fmt.Errorf("read table: %w", err)
	}
	return set, nil
}

func row(set *gbdt.Set, header, fields []string) error {
	if len(fields) != len(header) {
		return fmt.Errorf("%d fields, want %d", len(fields), len(header))
	}
	j := 0
	for i, field := range fields {
		v, err := strconv.ParseFloat(field, 32)
		switch {
		case err != nil:
			return fmt.Errorf("column %d is no number", i+1)
		case header[i] == "label":
			set.Labels = append(set.Labels, v == 1)
		default:
			set.Frame.Columns[j] = append(set.Frame.Columns[j], float32(v))
			j++
		}
	}
	return nil
}
