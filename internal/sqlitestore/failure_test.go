package sqlitestore

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
)

func openAt(t *testing.T, path string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func one(id string, sealed int) pipeline.Batch {
	return pipeline.Batch{Chain: "sync", Entries: []pipeline.Entry{{
		Transaction: payment.Transaction{
			ID: id, OccurredAt: time.UnixMilli(1_770_000_000_000).UTC(), ReceivedAt: time.UnixMilli(1_770_000_000_000).UTC(),
			Amount: payment.Amount{Currency: "BRL"}, Method: payment.Pix, Customer: payment.Token{1, 2}, FiscalRegion: payment.NoRegion,
			SealState: payment.Sealed, Sealed: make([]byte, sealed), MAC: [32]byte{7},
		},
		Decision: decision.Decision{TransactionID: id, Outcome: decision.Review, RuleSet: "r@1"},
	}}}
}

func TestAFullFileIsUnavailableAndRecovers(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "store.db"), Options{})
	w := s.file.Writer()
	if err := w.Script("PRAGMA max_page_count = 40"); err != nil {
		t.Fatal(err)
	}
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		_, err = s.Commit(t.Context(), one(time.Duration(n).String(), payment.MaxSealed))
	}
	if !errors.Is(err, pipeline.ErrUnavailable) {
		t.Fatalf("commit %d to a full file: %v, want ErrUnavailable", n, err)
	}
	if err := w.Script("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), one("room-again", 1)); err != nil {
		t.Errorf("commit with room again: %v", err)
	}
	if _, err := s.VerifyChains(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAFailedCommitStopsWriting makes COMMIT itself fail, as a broken disk would.
func TestAFailedCommitStopsWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, Options{})
	if _, err := s.Commit(t.Context(), one("a", 1)); err != nil {
		t.Fatal(err)
	}
	setUp := `PRAGMA foreign_keys = ON; CREATE TABLE parent (n INTEGER PRIMARY KEY);
		CREATE TABLE child (n INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);`
	if err := s.file.Writer().Script(setUp); err != nil {
		t.Fatal(err)
	}
	err := s.update(t.Context(), 1, func(t *tx) error {
		_, err := t.exec("INSERT INTO child VALUES (1)")
		return err
	})
	for doing, err := range map[string]error{"the commit": err, "the next one": func() error { _, err := s.Commit(t.Context(), one("b", 1)); return err }()} {
		if !errors.Is(err, pipeline.ErrUnavailable) || !errors.Is(err, errBroken) {
			t.Errorf("%s: %v, want unavailable until reopened", doing, err)
		}
	}
	if found, err := s.Known(t.Context(), []string{"a", "b"}); err != nil || len(found) != 1 {
		t.Errorf("reads go on: %v, %v", found, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path, Options{})
	if _, err := s.Commit(t.Context(), one("b", 1)); err != nil {
		t.Errorf("commit after the reopen: %v", err)
	}
}

// TestAFailureInTheMiddleIsAlone has a change fail after it wrote, in one group with good ones.
func TestAFailureInTheMiddleIsAlone(t *testing.T) {
	var once sync.Once
	entered, release := make(chan struct{}), make(chan struct{})
	s := openAt(t, filepath.Join(t.TempDir(), "store.db"), Options{Crash: func(point string) {
		if point == "store.commit.before" {
			once.Do(func() { close(entered); <-release })
		}
	}})
	var group sync.WaitGroup
	commit := func(id string) {
		group.Go(func() {
			if _, err := s.Commit(t.Context(), one(id, 1)); err != nil {
				t.Errorf("commit of %s: %v", id, err)
			}
		})
	}
	commit("first")
	<-entered // what comes now gathers into one group
	boom := errors.New("boom")
	commit("good")
	group.Go(func() {
		err := s.update(t.Context(), 1, func(t *tx) error {
			if _, err := t.exec("INSERT INTO plans VALUES ('half', 'done')"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("the bad change: %v", err)
		}
	})
	commit("better")
	time.Sleep(20 * time.Millisecond) // let them line up; should one come late, the outcome is the same
	close(release)
	group.Wait()
	if _, err := s.Plan(t.Context(), "half"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the bad change left something: %v", err)
	}
	if heads, err := s.VerifyChains(t.Context()); err != nil || heads[0].Seq != 3 {
		t.Errorf("chain %+v, %v", heads, err)
	}
}

func TestTheStreamMustBeTheOneOfTheCheckpoints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, Options{StreamID: "one"})
	b := pipeline.Batch{Chain: "partition/0", Checkpoint: &pipeline.Checkpoint{Stream: "one", Partition: "0", Position: "1"}}
	if _, err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{StreamID: "another"}); !errors.Is(err, ledger.ErrStream) {
		t.Errorf("open with another stream: %v, want ErrStream", err)
	}
	openAt(t, path, Options{StreamID: "one"})
}

// TestTamperingIsFound changes stored rows behind the store's back.
func TestTamperingIsFound(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want error
	}{
		{"DELETE FROM transactions WHERE id = 'a'", audit.ErrRows},
		{"DELETE FROM labels", audit.ErrRows},
		{"DELETE FROM dead_letters", audit.ErrRows},
		{"DELETE FROM list_changes", audit.ErrRows},
		{"UPDATE labels SET verdict = 2", audit.ErrRows},
		{"DELETE FROM audit_entries WHERE chain = 'sync'", audit.ErrRows},
		{"UPDATE audit_entries SET count = count + 1 WHERE chain = 'sync'", audit.ErrHash},
		{"UPDATE audit_entries SET hash = x'00' WHERE chain = 'sync'", ledger.ErrCorrupt},
		{"UPDATE transactions SET payload = x'00' WHERE id = 'a'", ledger.ErrCorrupt},
		{"UPDATE transactions SET decision = x'00' WHERE id = 'a'", ledger.ErrCorrupt},
		{"UPDATE transactions SET mac = x'00' WHERE id = 'a'", ledger.ErrCorrupt},
		{"UPDATE transactions SET id = 'z' WHERE id = 'a'", audit.ErrRows},
		{"UPDATE transactions SET mac = NULL, sealed = NULL, flags = 2", nil}, // an erasure is no tampering
	} {
		t.Run(c.sql, func(t *testing.T) {
			s := openAt(t, filepath.Join(t.TempDir(), "store.db"), Options{})
			b := one("a", 1)
			b.DeadLetters = []pipeline.DeadLetter{{Reason: pipeline.Undecodable, At: time.UnixMilli(0)}}
			_, err := s.Commit(t.Context(), b)
			if err == nil {
				_, err = s.Label(t.Context(), []review.Label{{TransactionID: "a", Verdict: review.Fraud, Source: review.PixMED, KnownAt: time.UnixMilli(5)}})
			}
			if err == nil {
				_, _, err = s.PutListEntry(t.Context(), ledger.ListEntry{List: payment.Blocked, Kind: 5, Token: payment.Token{1}})
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.file.Writer().Script(c.sql); err != nil {
				t.Fatal(err)
			}
			if _, err := s.VerifyChains(t.Context()); !errors.Is(err, c.want) {
				t.Errorf("verify: %v, want %v", err, c.want)
			}
		})
	}
}
