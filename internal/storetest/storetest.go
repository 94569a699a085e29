// Package storetest is the contract suite of stores: every implementation of the
// pipeline's Store passes it. Its names read as the cases that they are.
//
// A crash is tested on copies: at a named point inside a commit the subject's files
// are copied as they stand, as power loss would leave them, and the copy is opened.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
)

// Store is a store that can be closed.
type Store interface {
	pipeline.Store
	pipeline.History
	pipeline.Recounting
	ruleSets
	Close() error
}

// ruleSets is what explaining asks: the rules that decided, as text, by their version. What PutRuleSet was given is durable
// when it returns, and never changes: the same again changes nothing, another text is ledger.ErrRuleSet. Both may be called
// at once; a version that is not stored is ledger.ErrNotFound.
type ruleSets interface {
	PutRuleSet(ctx context.Context, version string, text []byte) error
	RuleSet(ctx context.Context, version string) ([]byte, error)
	RuleSets(ctx context.Context) ([]string, error) // the versions, in the order of their names
}

// Setting is what a case asks of the store that it opens.
type Setting struct {
	Dir   string             // a folder of the case's own; the same folder again means the same store
	Now   func() time.Time   // the store's clock
	Crash func(point string) // called at named points; never nil
}

// Subject is an implementation under test, with the few abilities beyond the port that the cases need.
type Subject struct {
	// Open opens the store of a folder, making it if there is none.
	Open func(t *testing.T, s Setting) Store
	// Erase lets go of seal and payload MAC of a customer's transactions, and returns how many they were.
	Erase func(t *testing.T, s Store, customer payment.Token) int
	// DeadLetters returns those that are open, oldest first.
	DeadLetters func(t *testing.T, s Store) []pipeline.DeadLetter
	// Alerts returns the ids of transactions for which an alert was opened.
	Alerts func(t *testing.T, s Store) []string
	// Verify checks the audit chains against the stored rows and returns the number of entries of each chain.
	Verify func(t *testing.T, s Store) map[string]int64
	// Copy copies the files of one folder to another while the store is open, as power loss would leave them.
	Copy func(t *testing.T, from, to string)
	// Before, Inserted and After are the names of the points before a commit's first write, after its last one, and
	// just after it became durable.
	Before, Inserted, After string
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	cases := []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"a commit comes back as it was", roundTrip},
		{"receipts stand in the order of entries", receiptOrder},
		{"the first verdict for an id wins on both paths", bothPaths},
		{"the first of an id that a batch repeats wins", repeatedInBatch},
		{"an id with another payload is a conflict", conflict},
		{"a conflict of a stream record is put aside in the same commit", conflictPutAside},
		{"an erased row keeps its verdict and loses its MAC", erasedRow},
		{"a transaction of an erased customer is stored erased", storedErased},
		{"a batch with an invalid outcome is refused whole", invalidOutcome},
		{"alerts are opened once for review and decline", alerts},
		{"known tells what is stored and nothing else", known},
		{"a checkpoint follows the one before", checkpointFollows},
		{"a checkpoint of another stream is fenced", checkpointStream},
		{"a later batch of the same partition commits first", laterFirst},
		{"a refused checkpoint leaves nothing", fencedLeavesNothing},
		{"a batch that inserts nothing moves the checkpoint and adds no audit entry", emptyMoves},
		{"checkpoint and dead letters are one", deadLetterAtomic},
		{"a dead letter is put aside once and settled once", deadLetterLife},
		{"labels: the latest known counts, the same again does not", labels},
		{"labels of unknown transactions are not stored", labelUnknown},
		{"replay tells what the windows need, in the order of commits", replay},
		{"replay ends with its caller's error", replayEnds},
		{"what was decided without windows is kept until it is counted", decidedWithoutWindows},
		{"replay by the time of commits", replayCommitted},
		{"labels of older transactions are replayed", replayLabeled},
		{"what is uncounted is restored", uncount},
		{"a rule set is kept as it was, and never replaced", ruleSetKept},
		{"of two texts that come at once for a version of the rules one is kept", ruleSetRace},
		{"concurrent commits are each whole", concurrentCommits},
		{"a failing batch does not fail its neighbors", failingNeighbor},
		{"everything is there after a reopen", reopen},
		{"a canceled commit is all there or not at all", canceled},
		{"a closed store is unavailable", closed},
		{"audit chains verify", chains},
		{"any mix of calls behaves as the model does", model},
		{"crash before the first write leaves nothing", crashBefore},
		{"crash in the middle leaves nothing", crashMiddle},
		{"crash after commit, before the reply, leaves everything", crashAfter},
		{"commits that shared a crashed transaction leave nothing", crashGroup},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

// open opens a new store of the case's own.
func (s Subject) open(t *testing.T, set Setting) Store {
	t.Helper()
	if set.Dir == "" {
		set.Dir = t.TempDir()
	}
	if set.Now == nil {
		set.Now = time.Now
	}
	if set.Crash == nil {
		set.Crash = func(string) {}
	}
	store := s.Open(t, set)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

const streamID = "0123456789abcdef0123456789abcdef"

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// token makes a token of a kind of key and a number.
func token(version byte, n int) (t payment.Token) {
	t[0] = version
	copy(t[1:], fmt.Sprintf("%015d", n))
	return t
}

// mac makes a payload MAC.
func mac(n int) (m [32]byte) {
	copy(m[:], fmt.Sprintf("mac %028d", n))
	return m
}

// entry makes a decided transaction; everything about it follows from id and n.
func entry(id string, n int) pipeline.Entry {
	outcome := decision.Outcomes()[n%4]
	return pipeline.Entry{
		Transaction: payment.Transaction{
			ID:           id,
			OccurredAt:   day.Add(time.Duration(n) * time.Second),
			ReceivedAt:   day.Add(time.Duration(n)*time.Second + 25*time.Millisecond),
			Amount:       payment.Amount{Centavos: int64(100 * n), Currency: "BRL"},
			Method:       payment.Pix,
			Channel:      payment.App,
			Customer:     token(1, n%5),
			FiscalRegion: payment.NoRegion,
			Device:       token(1, 1000+n%3),
			Merchant:     "shop-1",
			SealState:    payment.Sealed,
			Sealed:       fmt.Appendf(nil, "sealed fields of %s", id),
			MAC:          mac(n),
		},
		Decision: decision.Decision{
			TransactionID: id,
			Outcome:       outcome,
			Score:         n % 1001,
			Reasons:       []decision.Reason{{Code: "CARD_TESTING", Rule: "card-testing", Points: n % 100}},
			RuleSet:       "default@1",
			Policy:        "policy@1",
			Shadow:        []string{"", "trial/1"}[n%2],
			Features:      decision.Features{Plan: "plan@1", Values: []float64{float64(n), 0, 0.5}},
			Anomalous:     n%7 == 0,
			Path:          decision.Async,
			DecidedAt:     day.Add(time.Duration(n) * time.Millisecond),
			Took:          time.Duration(n) * time.Microsecond,
		},
	}
}

// batch makes a batch of the synchronous path.
func batch(entries ...pipeline.Entry) pipeline.Batch {
	return pipeline.Batch{Chain: "sync", Entries: entries}
}

// checkpointed makes a batch of partition 0 that moves its checkpoint.
func checkpointed(after, position stream.Position, records int64, entries ...pipeline.Entry) pipeline.Batch {
	return pipeline.Batch{Chain: "partition/0", Entries: entries, Checkpoint: &pipeline.Checkpoint{
		Stream: streamID, Partition: "0", After: after, Position: position, Records: records,
	}}
}

func commit(t *testing.T, s Store, b pipeline.Batch) []pipeline.Receipt {
	t.Helper()
	receipts, err := s.Commit(t.Context(), b)
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	if len(receipts) != len(b.Entries) {
		t.Fatalf("%d receipts for %d entries", len(receipts), len(b.Entries))
	}
	return receipts
}

// stored returns the ids of all stored transactions in the order of commits.
func stored(t *testing.T, s Store) (ids []string) {
	t.Helper()
	err := s.Replay(t.Context(), time.Time{}, func(l pipeline.Labeled) error {
		ids = append(ids, l.ID)
		return nil
	})
	if err != nil {
		t.Fatalf("replay: %v", err)
	}
	return ids
}

// position is the checkpoint of partition 0, "" if there is none.
func position(t *testing.T, s Store) stream.Position {
	t.Helper()
	c, found, err := s.Checkpoint(t.Context(), "0")
	if err != nil {
		t.Fatalf("checkpoint: %v", err)
	}
	if found && (c.Stream != streamID || c.Partition != "0") {
		t.Fatalf("checkpoint of another partition or stream: %+v", c)
	}
	return c.Position
}

func letter(position stream.Position) pipeline.DeadLetter {
	return pipeline.DeadLetter{
		DeadLetterKey: pipeline.DeadLetterKey{Partition: "0", Position: position},
		Key:           []byte("key"),
		Data:          []byte("no transaction"),
		Reason:        pipeline.Undecodable,
		Detail:        "unknown version",
		At:            day,
	}
}
