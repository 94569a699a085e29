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
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

// minNeedle is the shortest value that is searched for: a shorter one is found anywhere by chance.
const minNeedle = 8

// keysBinding is the name under which a store is bound to the ring of token keys; see backends.bind.
const keysBinding = "keys"

// personal opens the sealed fields of sampled transactions and searches every file of the data folder for them. It
// says where something was found, never what.
func (v *verification) personal(ctx context.Context, f *finding) error {
	s := defaultSettings(v.DataDir, v.KeysDir)
	s.places = v.places
	s.KeysDir = keysBeside(v.DataDir, v.KeysDir)
	if _, err := os.Stat(filepath.Join(s.KeysDir, keysFile)); err != nil && v.keysEmbedded() {
		f.skip("no keys in --keys-dir, so there is nothing to search for")
		return nil
	}
	if !v.storeEmbedded() && !v.streamEmbedded() {
		f.skip("nothing is kept in a folder of this machine")
		return nil
	}
	if err := s.keysMatch(); err != nil { // nothing is made in a folder that is not what it should be
		return err
	}
	keys := &backends{settings: s, now: time.Now}
	err := keys.openVault(ctx)
	if err == nil {
		err = v.searched(ctx, f, keys.vault)
	}
	return errors.Join(err, keys.Close())
}

func (v *verification) searched(ctx context.Context, f *finding, keys *vault.Vault) error {
	bound, err := v.store.Bound(ctx, keysBinding)
	if err != nil {
		return err
	}
	if bound != "" && bound != keys.ID() {
		return errors.New("the keys in --keys-dir are not those that the data were made with")
	}
	needles, opened, err := v.needles(ctx, f, keys)
	if errors.Is(err, vault.ErrKeyDisabled) {
		f.skip("the personal-data key is disabled, so there is nothing to search for")
		return nil
	}
	if err != nil {
		return err
	}
	var searched int64
	err = filepath.WalkDir(v.DataDir, func(path string, file os.DirEntry, err error) error {
		if err != nil || !file.Type().IsRegular() {
			return err
		}
		v.show("searching %s", file.Name())
		n, hits, err := needles.search(path)
		searched += n
		for _, field := range sortedKeys(hits) {
			f.fault("%s holds a customer's %s in the clear, %d times", file.Name(), field, hits[field])
		}
		return err
	})
	f.Detail = fmt.Sprintf("%d values of %d opened transactions are nowhere in %s KiB", needles.n, opened, count(searched>>10))
	return err
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

// needles opens the newest transactions. What cannot be opened is a fault of its own.
func (v *verification) needles(ctx context.Context, f *finding, keys *vault.Vault) (found *needles, opened int, err error) {
	found = &needles{byHead: map[uint64][]needle{}}
	rows, err := v.store.Recent(ctx, v.Samples)
	if err != nil {
		return nil, 0, err
	}
	for i := range rows {
		t := &rows[i].Transaction
		if t.SealState != payment.Sealed || len(t.Sealed) == 0 {
			continue
		}
		fields, err := keys.Open(ctx, t.Customer, t.ID, t.Sealed)
		switch {
		case errors.Is(err, vault.ErrErased):
			continue
		case errors.Is(err, vault.ErrKeyDisabled):
			return nil, 0, err
		case err != nil:
			f.fault("the personal fields of transaction %s cannot be opened: %v", t.ID, err)
			continue
		}
		opened++
		found.add(t.ID, fields)
	}
	return found, opened, nil
}

func (n *needles) add(id string, fields []vault.Field) {
	for _, field := range fields {
		// The transaction's id is the client's own and in the clear by design; a shop that makes it of the customer's id
		// is told so by the documentation, not by this search.
		if len(field.Value) >= minNeedle && !bytes.Contains([]byte(id), field.Value) {
			head := binary.LittleEndian.Uint64(field.Value)
			n.byHead[head] = append(n.byHead[head], needle{field.Name, bytes.Clone(field.Value)})
			n.n++
		}
	}
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
