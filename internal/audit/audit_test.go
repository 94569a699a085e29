package audit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/payment"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)

// chain makes a chain of n entries.
func chain(n int) []audit.Entry {
	var head audit.Head
	var entries []audit.Entry
	for i := range n {
		e := audit.Next(head, "partition/0", start.Add(time.Duration(i)*time.Second), audit.Decisions, i+1, sha256.Sum256([]byte{byte(i)}))
		entries, head = append(entries, e), e.Head()
	}
	return entries
}

func all(entries []audit.Entry) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestAWholeChainVerifies(t *testing.T) {
	entries := chain(5)
	head, err := audit.Verify("partition/0", all(entries))
	if err != nil || head != entries[4].Head() {
		t.Errorf("head %+v, %v", head, err)
	}
	if _, err := audit.Verify("partition/0", all(nil)); err != nil {
		t.Errorf("empty chain: %v", err)
	}
	if at := entries[0].At; !at.Equal(start.Truncate(time.Millisecond)) {
		t.Errorf("entry made at %v", at)
	}
}

// TestEntryHashIsPinned fails when the encoding changes: stored chains would no longer verify.
func TestEntryHashIsPinned(t *testing.T) {
	rows := audit.NewRows()
	rows.Decision(audit.Decision{ID: "tx-1", OccurredAt: start, Centavos: 12_345, Method: payment.Pix, Outcome: 4, Score: 870, RuleSet: "default@1"})
	rows.DeadLetter("0", "17", "undecodable")
	rows.Label("tx-1", 1, 2, start, start.Add(time.Hour))
	rows.ListChange(true, payment.Blocked, 5, time.Time{}, start)
	e := audit.Next(audit.Head{}, "sync", start, audit.Decisions, rows.Count(), rows.Sum())
	if got, want := hex.EncodeToString(e.Hash[:]), "3163c2f5612fa0e0037dc9b9f1a372dff4d88d8d4b303437a624919593e7ec06"; got != want {
		t.Errorf("hash of a known entry is %s, was %s", got, want)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	boom := errors.New("cannot read")
	cases := []struct {
		name   string
		tamper func([]audit.Entry) []audit.Entry
		want   error
		seq    int64
	}{
		{"an edited count", func(e []audit.Entry) []audit.Entry { e[2].Count++; return e }, audit.ErrHash, 3},
		{"edited rows with a fresh hash", func(e []audit.Entry) []audit.Entry {
			e[2].Rows[0] ^= 1
			e[2].Hash = audit.Hash(&e[2])
			return e
		}, audit.ErrLink, 4},
		{"a removed entry", func(e []audit.Entry) []audit.Entry { return slices.Delete(e, 2, 3) }, audit.ErrGap, 4},
		{"a removed entry, renumbered", func(e []audit.Entry) []audit.Entry {
			e = slices.Delete(e, 2, 3)
			e[2].Seq = 3
			e[2].Hash = audit.Hash(&e[2])
			return e
		}, audit.ErrLink, 3},
		{"a missing beginning", func(e []audit.Entry) []audit.Entry { return e[1:] }, audit.ErrGap, 2},
		{"an entry of another chain", func(e []audit.Entry) []audit.Entry { e[1].Chain = "sync"; return e }, audit.ErrChain, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := audit.Verify("partition/0", all(c.tamper(chain(5))))
			var fault *audit.Fault
			if !errors.Is(err, c.want) || !errors.As(err, &fault) || fault.Seq != c.seq {
				t.Errorf("%v, want %v at entry %d", err, c.want, c.seq)
			}
		})
	}
	_, err := audit.Verify("partition/0", func(yield func(audit.Entry, error) bool) { yield(audit.Entry{}, boom) })
	if !errors.Is(err, boom) {
		t.Errorf("reading failed with %v, want the reader's error", err)
	}
	fault := &audit.Fault{Chain: "sync", Seq: 9, Err: audit.ErrGap}
	if text := fault.Error(); !strings.Contains(text, "sync") || !strings.Contains(text, "9") {
		t.Errorf("error %q names no place", text)
	}
}

// TestAnyTamperingIsFound edits, removes, inserts or moves something inside a random chain.
func TestAnyTamperingIsFound(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(2, 20).Draw(r, "entries")
		entries := chain(n)
		kept := entries[n-1].Head()
		i := rapid.IntRange(0, n-1).Draw(r, "at")
		inner := rapid.IntRange(0, n-2).Draw(r, "inside")
		switch rapid.SampledFrom([]string{"edit", "delete", "insert", "swap"}).Draw(r, "how") {
		case "edit":
			edit(r, &entries[i])
		case "delete":
			entries = slices.Delete(entries, inner, inner+1)
		case "insert":
			forged := audit.Next(entries[i].Head(), "partition/0", start, audit.Decisions, 1, [32]byte{1})
			entries = slices.Insert(entries, i, forged)
		case "swap":
			entries[inner], entries[inner+1] = entries[inner+1], entries[inner]
		}
		if _, err := audit.VerifyAgainst(kept, all(entries)); err == nil {
			r.Fatal("nobody noticed")
		}
	})
}

// edit changes one field of an entry, and may even compute its hash anew.
func edit(r *rapid.T, e *audit.Entry) {
	bit := byte(1) << rapid.IntRange(0, 7).Draw(r, "bit")
	at := rapid.IntRange(0, 31).Draw(r, "byte")
	switch rapid.SampledFrom([]string{"at", "kind", "count", "rows", "prev", "hash", "seq"}).Draw(r, "field") {
	case "at":
		e.At = e.At.Add(time.Millisecond)
	case "kind":
		e.Kind = audit.Lists
	case "count":
		e.Count ^= int(bit)
	case "rows":
		e.Rows[at] ^= bit
	case "prev":
		e.Prev[at] ^= bit
	case "seq":
		e.Seq += int64(bit)
	case "hash":
		e.Hash[at] ^= bit
		return
	}
	if rapid.Bool().Draw(r, "rehash") {
		e.Hash = audit.Hash(e)
	}
}

func TestACutTailIsSeenAgainstAHeadOnly(t *testing.T) {
	entries := chain(5)
	kept := entries[3].Head()
	cut := entries[:3]
	if _, err := audit.Verify("partition/0", all(cut)); err != nil {
		t.Errorf("a cut chain alone: %v; it is as whole as any", err)
	}
	if _, err := audit.VerifyAgainst(kept, all(cut)); !errors.Is(err, audit.ErrHead) {
		t.Errorf("a cut chain against its head: %v, want ErrHead", err)
	}
	if head, err := audit.VerifyAgainst(kept, all(entries)); err != nil || head.Seq != 5 {
		t.Errorf("a chain that grew since: head %d, %v", head.Seq, err)
	}
	if _, err := audit.VerifyAgainst(audit.Head{Chain: "partition/0"}, all(entries)); err != nil {
		t.Errorf("against the head of an empty chain: %v", err)
	}
	anew := chain(2)
	for range 3 {
		anew = append(anew, audit.Next(anew[len(anew)-1].Head(), "partition/0", start, audit.Decisions, 1, [32]byte{9}))
	}
	if _, err := audit.VerifyAgainst(kept, all(anew)); !errors.Is(err, audit.ErrHead) {
		t.Errorf("a chain that was computed anew: %v, want ErrHead", err)
	}
	stop := 0
	for range all(entries) {
		if stop++; stop == 2 {
			break
		}
	}
}

// TestRowsDifferWheneverARowDoes changes each part of each kind of row in turn.
func TestRowsDifferWheneverARowDoes(t *testing.T) {
	d := audit.Decision{ID: "tx", OccurredAt: start, Centavos: 1, Method: payment.Card, Outcome: 1, Score: 1, RuleSet: "r"}
	later := start.Add(time.Millisecond)
	variants := map[string]func(*audit.Rows){
		"nothing":          func(*audit.Rows) {},
		"decision":         func(r *audit.Rows) { r.Decision(d) },
		"decision twice":   func(r *audit.Rows) { r.Decision(d); r.Decision(d) },
		"other id":         func(r *audit.Rows) { v := d; v.ID = "ty"; r.Decision(v) },
		"other time":       func(r *audit.Rows) { v := d; v.OccurredAt = later; r.Decision(v) },
		"other amount":     func(r *audit.Rows) { v := d; v.Centavos = 2; r.Decision(v) },
		"other method":     func(r *audit.Rows) { v := d; v.Method = payment.Pix; r.Decision(v) },
		"other outcome":    func(r *audit.Rows) { v := d; v.Outcome = 2; r.Decision(v) },
		"other score":      func(r *audit.Rows) { v := d; v.Score = 2; r.Decision(v) },
		"other rules":      func(r *audit.Rows) { v := d; v.RuleSet = "s"; r.Decision(v) },
		"moved text":       func(r *audit.Rows) { v := d; v.ID, v.RuleSet = "txr", ""; r.Decision(v) },
		"dead letter":      func(r *audit.Rows) { r.DeadLetter("0", "1", "undecodable") },
		"other place":      func(r *audit.Rows) { r.DeadLetter("0", "2", "undecodable") },
		"other partition":  func(r *audit.Rows) { r.DeadLetter("01", "", "undecodable") },
		"other reason":     func(r *audit.Rows) { r.DeadLetter("0", "1", "id_conflict") },
		"label":            func(r *audit.Rows) { r.Label("tx", 1, 1, start, start) },
		"other verdict":    func(r *audit.Rows) { r.Label("tx", 2, 1, start, start) },
		"other source":     func(r *audit.Rows) { r.Label("tx", 1, 2, start, start) },
		"known later":      func(r *audit.Rows) { r.Label("tx", 1, 1, later, start) },
		"recorded later":   func(r *audit.Rows) { r.Label("tx", 1, 1, start, later) },
		"list":             func(r *audit.Rows) { r.ListChange(false, 1, 2, start, start) },
		"list, removed":    func(r *audit.Rows) { r.ListChange(true, 1, 2, start, start) },
		"list, other kind": func(r *audit.Rows) { r.ListChange(false, 1, 3, start, start) },
		"other list":       func(r *audit.Rows) { r.ListChange(false, 2, 2, start, start) },
		"list, for ever":   func(r *audit.Rows) { r.ListChange(false, 1, 2, time.Time{}, start) },
	}
	seen := make(map[[32]byte]string)
	for name, add := range variants {
		r := audit.NewRows()
		add(r)
		if other, ok := seen[r.Sum()]; ok {
			t.Errorf("%q and %q have one hash", name, other)
		}
		seen[r.Sum()] = name
		if first, second := r.Sum(), r.Sum(); first != second {
			t.Errorf("%q: the sum changes by being asked for", name)
		}
	}
}
