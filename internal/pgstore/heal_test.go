package pgstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/testenv"
)

// TestAReplayBeginsHoweverLongThatTakes makes the look through the audit entries take longer than a statement may.
func TestAReplayBeginsHoweverLongThatTakes(t *testing.T) {
	url := migrated(t, testenv.SharedPostgres(t))
	commit(t, open(t, url, pgstore.Options{Now: clock}), samples(0, 2)...)
	_, err := dial(t, url).Exec(t.Context(), `SET search_path = fastshop; ALTER TABLE audit_entries RENAME TO entries;
		CREATE VIEW audit_entries AS SELECT e.* FROM entries e CROSS JOIN pg_sleep(1.2)`)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, url, pgstore.Options{Timeout: 600 * time.Millisecond})
	if _, err := s.Chains(t.Context()); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Fatalf("chains: %v; the table is not slow enough", err)
	}
	for name, replay := range map[string]func(context.Context, time.Time, func(pipeline.Labeled) error) error{
		"occurred": s.Replay, "committed": s.ReplayCommitted,
	} {
		n := 0
		if err := replay(t.Context(), time.Time{}, func(pipeline.Labeled) error { n++; return nil }); err != nil || n != 2 {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
	}
}
