package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/stream"
)

// memory is the store in its simplest form.
type memory struct {
	order   []string // ids in the order of commits
	rows    map[string]pipeline.Entry
	erased  map[string]bool
	labels  map[string][]review.Label
	at      stream.Position
	records int64
	dead    map[stream.Position]bool
}

// machine compares a store with a memory, call by call.
type machine struct {
	t      *testing.T
	s      Subject
	dir    string
	store  Store
	memory memory
}

// model runs random calls, reopens among them.
func model(t *testing.T, s Subject) {
	rapid.Check(t, func(r *rapid.T) {
		m := &machine{t: t, s: s, dir: t.TempDir(), memory: memory{
			rows: make(map[string]pipeline.Entry), erased: make(map[string]bool), labels: make(map[string][]review.Label), dead: make(map[stream.Position]bool),
		}}
		m.open()
		defer func() {
			if err := m.store.Close(); err != nil {
				r.Errorf("close: %v", err)
			}
		}()
		r.Repeat(map[string]func(*rapid.T){
			"commit": m.commit, "label": m.label, "erase": m.erase, "reopen": m.reopen, "compare": m.compare,
		})
		m.compare(r)
	})
}

func (m *machine) open() {
	m.store = m.s.Open(m.t, Setting{Dir: m.dir, Now: time.Now, Crash: func(string) {}})
}

func (m *machine) reopen(r *rapid.T) {
	if rapid.IntRange(0, 4).Draw(r, "rarely") > 0 {
		return
	}
	if err := m.store.Close(); err != nil {
		r.Fatalf("close: %v", err)
	}
	m.open()
}

// commit draws a batch whose ids often repeat and whose checkpoint is sometimes wrong.
func (m *machine) commit(r *rapid.T) {
	b := pipeline.Batch{Chain: rapid.SampledFrom([]string{"sync", "partition/0"}).Draw(r, "chain")}
	for range rapid.IntRange(0, 12).Draw(r, "entries") {
		e := entry(fmt.Sprintf("tx-%d", rapid.IntRange(0, 30).Draw(r, "id")), rapid.IntRange(0, 3).Draw(r, "payload"))
		if rapid.Bool().Draw(r, "from the stream") {
			position := stream.Position(strconv.Itoa(rapid.IntRange(1, 6).Draw(r, "origin")))
			e.Origin = &stream.Record{Partition: "0", Position: position, Data: []byte("sealed")}
		}
		b.Entries = append(b.Entries, e)
	}
	for range rapid.IntRange(0, 2).Draw(r, "dead") {
		b.DeadLetters = append(b.DeadLetters, letter(stream.Position(strconv.Itoa(rapid.IntRange(1, 6).Draw(r, "position")))))
	}
	for range rapid.IntRange(0, 2).Draw(r, "resolved") {
		b.Resolved = append(b.Resolved, letter(stream.Position(strconv.Itoa(rapid.IntRange(1, 6).Draw(r, "settled")))).DeadLetterKey)
	}
	if rapid.Bool().Draw(r, "checkpoint") {
		next := m.memory.records + 1
		b.Checkpoint = &pipeline.Checkpoint{Stream: streamID, Partition: "0", After: m.memory.at, Position: stream.Position(strconv.FormatInt(next, 10)), Records: next}
		if rapid.IntRange(0, 3).Draw(r, "wrong") == 0 {
			b.Checkpoint.After += "0"
		}
	}
	receipts, err := m.store.Commit(m.t.Context(), b)
	want, refused := m.memory.commit(b)
	if refused {
		if !errors.Is(err, pipeline.ErrFenced) {
			r.Fatalf("commit: %v, want ErrFenced", err)
		}
		return
	}
	if err != nil {
		r.Fatalf("commit: %v", err)
	}
	if diff := gocmp.Diff(want, receipts); diff != "" {
		r.Fatalf("receipts (-model +store):\n%s", diff)
	}
}

// commit is what a store has to do with a batch.
func (m *memory) commit(b pipeline.Batch) (receipts []pipeline.Receipt, refused bool) {
	if b.Checkpoint != nil && b.Checkpoint.After != m.at {
		return nil, true
	}
	for _, k := range b.Resolved {
		delete(m.dead, k.Position)
	}
	receipts = make([]pipeline.Receipt, 0, len(b.Entries))
	for _, e := range b.Entries {
		id := e.Transaction.ID
		first, there := m.rows[id]
		if !there {
			m.rows[id], m.order, first = e, append(m.order, id), e
		}
		receipt := pipeline.Receipt{Stored: !there, Decision: first.Decision, Erased: m.erased[id]}
		if !m.erased[id] {
			receipt.MAC = first.Transaction.MAC
		}
		if receipt.Conflict(&e.Transaction) && e.Origin != nil {
			m.dead[e.Origin.Position] = true
		}
		receipts = append(receipts, receipt)
	}
	for _, l := range b.DeadLetters {
		m.dead[l.Position] = true
	}
	if b.Checkpoint != nil {
		m.at, m.records = b.Checkpoint.Position, b.Checkpoint.Records
	}
	return receipts, false
}

func (m *machine) label(r *rapid.T) {
	l := label(fmt.Sprintf("tx-%d", rapid.IntRange(0, 30).Draw(r, "id")), review.Verdict(rapid.IntRange(1, 2).Draw(r, "verdict")), rapid.IntRange(0, 3).Draw(r, "known"))
	l.RecordedAt = l.RecordedAt.Add(time.Duration(rapid.IntRange(0, 3).Draw(r, "recorded")) * time.Minute)
	about, err := m.store.Label(m.t.Context(), []review.Label{l})
	if err != nil {
		r.Fatalf("label: %v", err)
	}
	want := m.memory.label(l)
	switch got := about[0]; {
	case want == nil && got == nil:
	case want == nil || got == nil || got.Label == nil:
		r.Fatalf("label of %s: %+v, want %+v", l.TransactionID, got, want)
	default:
		if diff := gocmp.Diff(*want, *got.Label); diff != "" {
			r.Fatalf("label that counts (-model +store):\n%s", diff)
		}
	}
}

// label stores a label and returns the one that counts, nil if there is no such transaction.
func (m *memory) label(l review.Label) *review.Label {
	if _, there := m.rows[l.TransactionID]; !there {
		return nil
	}
	same := func(o review.Label) bool {
		return o.Verdict == l.Verdict && o.Source == l.Source && o.KnownAt.Equal(l.KnownAt)
	}
	if !slices.ContainsFunc(m.labels[l.TransactionID], same) {
		m.labels[l.TransactionID] = append(m.labels[l.TransactionID], l)
	}
	return m.latest(l.TransactionID)
}

func (m *memory) latest(id string) *review.Label {
	all := slices.Clone(m.labels[id])
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b review.Label) int {
		return cmp.Or(a.KnownAt.Compare(b.KnownAt), a.RecordedAt.Compare(b.RecordedAt))
	})
	return &all[len(all)-1]
}

func (m *machine) erase(r *rapid.T) {
	customer := token(1, rapid.IntRange(0, 4).Draw(r, "customer"))
	m.s.Erase(m.t, m.store, customer)
	m.memory.erase(customer)
}

func (m *memory) erase(customer payment.Token) {
	for id, e := range m.rows {
		if e.Transaction.Customer == customer {
			m.erased[id] = true
		}
	}
}

// compare compares all that can be read.
func (m *machine) compare(r *rapid.T) {
	want := slices.DeleteFunc(slices.Clone(m.memory.order), func(id string) bool { return m.memory.erased[id] })
	if got := stored(m.t, m.store); !slices.Equal(got, want) {
		r.Fatalf("replayed %v, want %v: all but those of erased customers", got, want)
	}
	for _, l := range replayed(m.t, m.store, time.Time{}) {
		if diff := gocmp.Diff(m.memory.latest(l.ID), l.Label); diff != "" {
			r.Fatalf("label of %s (-model +store):\n%s", l.ID, diff)
		}
	}
	if at := position(m.t, m.store); at != m.memory.at {
		r.Fatalf("checkpoint %q, want %q", at, m.memory.at)
	}
	letters := m.s.DeadLetters(m.t, m.store)
	for _, l := range letters {
		if !m.memory.dead[l.Position] {
			r.Fatalf("record %s is put aside", l.Position)
		}
	}
	if len(letters) != len(m.memory.dead) {
		r.Fatalf("%d dead letters, want %d", len(letters), len(m.memory.dead))
	}
	m.s.Verify(m.t, m.store)
}
