package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/sqlitestore"
	"github.com/fastshop/pipeline/internal/vault"
)

// minNeedle is the shortest value that is searched for: a shorter one is found anywhere by chance.
const minNeedle = 8

// personal opens the sealed fields of sampled transactions and searches every file of the data folder for them. It
// says where something was found, never what.
func (v *verification) personal(ctx context.Context, f *finding) error {
	f.Check = "personal data"
	needles, opened, err := v.needles(ctx)
	if err != nil {
		return err
	}
	files, err := os.ReadDir(v.settings.DataDir)
	if err != nil {
		return err
	}
	var searched int64
	for _, file := range files {
		if !file.Type().IsRegular() {
			continue
		}
		v.show("searching %s", file.Name())
		n, hits, err := needles.search(filepath.Join(v.settings.DataDir, file.Name()))
		if err != nil {
			return err
		}
		searched += n
		for field, times := range hits {
			f.fault("%s holds a customer's %s in the clear, %d times", file.Name(), field, times)
		}
	}
	f.Detail = fmt.Sprintf("%d values of %d opened transactions are nowhere in %s MiB", needles.n, opened, count(searched>>20))
	return nil
}

// needles are values to search for, by their first eight bytes.
type needles struct {
	byHead map[uint64][]needle
	n      int
}

type needle struct {
	field vault.FieldName
	value []byte
}

// needles opens the newest sampled transactions.
func (v *verification) needles(ctx context.Context) (*needles, int, error) {
	found := &needles{byHead: map[uint64][]needle{}}
	rows, err := v.store.Recent(ctx, v.samples)
	if err != nil {
		return nil, 0, err
	}
	opened := 0
	for i := range rows {
		ok, err := v.openInto(ctx, &rows[i], found)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			opened++
		}
	}
	return found, opened, nil
}

func (v *verification) openInto(ctx context.Context, s *sqlitestore.Stored, into *needles) (bool, error) {
	t := &s.Transaction
	if t.SealState != payment.Sealed || len(t.Sealed) == 0 {
		return false, nil
	}
	fields, err := v.vault.Open(ctx, t.Customer, t.ID, t.Sealed)
	if errors.Is(err, vault.ErrErased) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open transaction %s: %w", t.ID, err)
	}
	for _, field := range fields {
		// The transaction's id is the client's own and in the clear by design; a shop that makes it of the customer's id
		// is told so by the documentation, not by this search.
		if len(field.Value) >= minNeedle && !bytes.Contains([]byte(t.ID), field.Value) {
			head := binary.LittleEndian.Uint64(field.Value)
			into.byHead[head] = append(into.byHead[head], needle{field.Name, bytes.Clone(field.Value)})
			into.n++
		}
	}
	return true, nil
}

// search reads a file and returns its size and how often values of each field were found.
func (n *needles) search(path string) (int64, map[string]int, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer file.Close()
	const overlap = 512 // no personal field is longer
	hits := map[string]int{}
	buffer := make([]byte, 4<<20)
	kept, total := 0, int64(0)
	for {
		read, err := io.ReadFull(file, buffer[kept:])
		total += int64(read)
		end := kept + read
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return total, nil, err
		}
		limit := end - overlap
		if last {
			limit = end
		}
		n.scan(buffer[:end], max(limit, 0), hits)
		if last {
			return total, hits, nil
		}
		kept = copy(buffer, buffer[limit:end])
	}
}

// scan counts values that begin before limit.
func (n *needles) scan(data []byte, limit int, hits map[string]int) {
	for i := 0; i < limit && i+minNeedle <= len(data); i++ {
		for _, candidate := range n.byHead[binary.LittleEndian.Uint64(data[i:])] {
			if bytes.HasPrefix(data[i:], candidate.value) {
				hits[candidate.field.String()]++
			}
		}
	}
}
