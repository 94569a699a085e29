// Package audit is the append-only, hash-chained record of what was committed.
//
// Every stream partition has a chain of its own, and so has the synchronous path.
// An entry covers one committed batch: how many rows it stored and the hash of
// them. Hashes cover only columns that erasure and retention never change, so a
// shredded customer leaves every chain whole.
//
// # What a chain proves
//
// Each entry hashes the one before it, as in Haber and Stornetta, "How to
// Time-Stamp a Digital Document" (Journal of Cryptology 3, 1991). So an entry that
// was edited, removed from the middle, inserted or moved is found by [Verify],
// without any key.
//
// # What it does not prove
//
// A chain alone cannot show that its newest entries were cut off: a shorter chain
// is as whole as a longer one. And whoever may write the file can compute a new
// chain from the place of a forgery on. Both are found by comparing with a [Head]
// that was kept elsewhere, out of reach of whoever writes the file; see
// [VerifyAgainst]. So heads belong outside, often.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"
)

// The kinds of entries.
const (
	Decisions = "decisions" // decided transactions and dead letters of one batch
	Labels    = "labels"    // what became known about stored transactions
	Lists     = "lists"     // changes of the block and allow lists
)

// Entry is one link of a chain.
type Entry struct {
	Chain string
	Seq   int64     // 1, 2, 3 … without gaps
	At    time.Time // UTC, to the millisecond
	Kind  string    // what was committed: Decisions, Labels or Lists
	Count int       // rows that the entry covers
	Rows  [32]byte  // hash of them, in order; see Rows
	Prev  [32]byte  // Hash of the entry before; zero for the first
	Hash  [32]byte
}

// What can be wrong with a chain. Errors of this package wrap one of them in a [*Fault].
var (
	ErrGap   = errors.New("entry missing before this one")
	ErrLink  = errors.New("entry does not follow the one before it")
	ErrHash  = errors.New("entry was changed: its hash differs")
	ErrChain = errors.New("entry belongs to another chain")
	ErrHead  = errors.New("chain does not contain the head that was kept elsewhere")
	ErrRows  = errors.New("stored rows differ from those that the entry covers")
)

// Fault names the first entry of a chain that is wrong.
type Fault struct {
	Chain string
	Seq   int64
	Err   error // one of the sentinels above
}

// Error implements error.
func (f *Fault) Error() string {
	return fmt.Sprintf("audit chain %q, entry %d: %v", f.Chain, f.Seq, f.Err)
}

// Unwrap gives the sentinel.
func (f *Fault) Unwrap() error { return f.Err }

// Head is the newest entry of a chain, as it is kept elsewhere. The zero Head is that of an empty chain.
type Head struct {
	Chain string
	Seq   int64
	Hash  [32]byte
}

// Head returns what is to be kept elsewhere when e is the newest entry.
func (e *Entry) Head() Head { return Head{Chain: e.Chain, Seq: e.Seq, Hash: e.Hash} }

// Next makes the entry that follows prev; a zero prev starts the chain. At is cut to the millisecond.
func Next(prev Head, chain string, at time.Time, kind string, count int, rows [32]byte) Entry {
	e := Entry{
		Chain: chain,
		Seq:   prev.Seq + 1,
		At:    at.UTC().Truncate(time.Millisecond),
		Kind:  kind,
		Count: count,
		Rows:  rows,
		Prev:  prev.Hash,
	}
	e.Hash = Hash(&e)
	return e
}

// Hash computes what Entry.Hash should be: SHA-256 over a version tag and all other fields, texts with their length in
// front and numbers as 8 bytes, big-endian, so that no two entries share an encoding.
func Hash(e *Entry) [32]byte {
	b := make([]byte, 0, 192)
	b = appendText(b, "fastshop audit entry 1")
	b = appendText(b, e.Chain)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMilli()))
	b = appendText(b, e.Kind)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Count))
	b = append(b, e.Rows[:]...)
	b = append(b, e.Prev[:]...)
	return sha256.Sum256(b)
}

// Verifier checks a chain entry by entry. Make one with [NewVerifier].
type Verifier struct{ head Head }

// NewVerifier starts before the first entry of the chain.
func NewVerifier(chain string) *Verifier { return &Verifier{head: Head{Chain: chain}} }

// Add checks the next entry. The error is a [*Fault]; the entry is then not counted as part of the chain.
func (v *Verifier) Add(e *Entry) error {
	fault := func(err error) error { return &Fault{Chain: v.head.Chain, Seq: e.Seq, Err: err} }
	switch {
	case e.Chain != v.head.Chain:
		return fault(ErrChain)
	case e.Seq != v.head.Seq+1:
		return fault(ErrGap)
	case e.Prev != v.head.Hash:
		return fault(ErrLink)
	case e.Hash != Hash(e):
		return fault(ErrHash)
	}
	v.head = e.Head()
	return nil
}

// Head returns that of the last entry that was added.
func (v *Verifier) Head() Head { return v.head }

// Verify checks all entries of one chain, oldest first, and returns its head. The error is a [*Fault] that names the
// first wrong entry. An error of entries itself is returned as it is.
func Verify(chain string, entries iter.Seq2[Entry, error]) (Head, error) {
	v := NewVerifier(chain)
	for e, err := range entries {
		if err != nil {
			return v.Head(), err
		}
		if err := v.Add(&e); err != nil {
			return v.Head(), err
		}
	}
	return v.Head(), nil
}

// VerifyAgainst checks all entries of one chain as [Verify] does, and that kept is one of its heads: the chain has not
// been cut before it, nor computed anew.
func VerifyAgainst(kept Head, entries iter.Seq2[Entry, error]) (Head, error) {
	found := kept.Seq == 0 && kept.Hash == [32]byte{}
	head, err := Verify(kept.Chain, func(yield func(Entry, error) bool) {
		for e, err := range entries {
			found = found || e.Head() == kept
			if !yield(e, err) {
				return
			}
		}
	})
	if err == nil && !found {
		err = &Fault{Chain: kept.Chain, Seq: kept.Seq, Err: ErrHead}
	}
	return head, err
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}
