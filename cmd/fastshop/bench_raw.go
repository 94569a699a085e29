package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/sqlitefile"
)

// rawBench is how fast SQLite alone stores what the server stored.
type rawBench struct {
	Transactions int     `json:"transactions"`
	Seconds      float64 `json:"seconds"`
	PerSecond    float64 `json:"per_second"`
	MiB          float64 `json:"mib"` // of the rows' values
}

// rawRows bounds how many transactions are held in memory and stored again. A smaller file is, if anything, faster, so
// that the ratio errs against us.
const rawRows = 200_000

// rawTable is one table of a file with the rows to store again.
type rawTable struct {
	insert string
	rows   [][]any
}

// rawFile is one file with its schema.
type rawFile struct {
	name   string
	schema string
	tables []rawTable
	bytes  int64
}

// rawSQLite stores the rows of a stopped server's files again: the same tables, indexes, values and batch size, through
// the same driver with the same durability, the files side by side as the server has them, and nothing else.
func rawSQLite(ctx context.Context, data, raw string, batch, n int) (r rawBench, err error) {
	r.Transactions = min(n, rawRows)
	var files []*rawFile
	for _, path := range []string{filepath.Join(data, streamFile), filepath.Join(data, storeFile), filepath.Join(filepath.Dir(data), "keys", keysFile)} {
		f, err := readRaw(ctx, path, float64(r.Transactions)/float64(n))
		if err != nil {
			return r, err
		}
		files = append(files, f)
		r.MiB += float64(f.bytes) / (1 << 20)
	}
	if err := os.MkdirAll(raw, 0o700); err != nil {
		return r, fmt.Errorf("make folder: %w", err)
	}
	batches := max(1, r.Transactions/batch)
	failures := make([]error, len(files))
	var writers sync.WaitGroup
	start := time.Now()
	for i, f := range files {
		writers.Go(func() { failures[i] = f.write(ctx, raw, batches) })
	}
	writers.Wait()
	err = errors.Join(failures...)
	r.Seconds = time.Since(start).Seconds()
	r.PerSecond = float64(r.Transactions) / r.Seconds
	return r, err
}

// readRaw takes a file's schema and a share of each table's rows, the oldest first.
func readRaw(ctx context.Context, path string, share float64) (_ *rawFile, err error) {
	f := &rawFile{name: filepath.Base(path)}
	source, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.name, err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	rows, err := source.QueryContext(ctx, "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC")
	if err != nil {
		return nil, fmt.Errorf("read schema of %s: %w", f.name, err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return nil, fmt.Errorf("read schema of %s: %w", f.name, err)
		}
		f.schema += text + ";\n"
		if kind == "table" {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if err := f.readTable(ctx, source, name, share); err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", name, f.name, err)
		}
	}
	return f, rows.Err()
}

func (f *rawFile) readTable(ctx context.Context, source *sql.DB, name string, share float64) error {
	var n int64
	if err := source.QueryRowContext(ctx, "SELECT count(*) FROM "+name).Scan(&n); err != nil {
		return err
	}
	rows, err := source.QueryContext(ctx, "SELECT * FROM "+name+" LIMIT ?", int64(float64(n)*share)+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	t := rawTable{insert: "INSERT OR IGNORE INTO " + name + " VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"}
	for rows.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for _, v := range row {
			switch v := v.(type) {
			case []byte:
				f.bytes += int64(len(v))
			case string:
				f.bytes += int64(len(v))
			default:
				f.bytes += 8
			}
		}
		t.rows = append(t.rows, row)
	}
	if len(t.rows) > 0 {
		f.tables = append(f.tables, t)
	}
	return rows.Err()
}

// write makes the file anew, in batches.
func (f *rawFile) write(ctx context.Context, dir string, batches int) (err error) {
	schema, err := os.MkdirTemp(dir, "schema-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(schema, "0001_schema.sql"), []byte(f.schema), 0o600); err != nil {
		return fmt.Errorf("write schema: %w", err)
	}
	file, err := sqlitefile.Open(ctx, sqlitefile.Options{Path: filepath.Join(dir, f.name), Migrations: os.DirFS(schema)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := file.Writer()
	for i := range batches {
		if err := w.BeginWrite(); err != nil {
			return err
		}
		for _, t := range f.tables {
			for _, row := range t.rows[i*len(t.rows)/batches : (i+1)*len(t.rows)/batches] {
				if _, err := w.Exec(t.insert, row...); err != nil {
					return fmt.Errorf("store %s again: %w", f.name, err)
				}
			}
		}
		if err := w.Commit(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
