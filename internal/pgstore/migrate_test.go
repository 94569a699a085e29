package pgstore_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/testenv"
)

func TestMigrations(t *testing.T) {
	url := testenv.SharedPostgres(t).Database(t)
	o := pgstore.Options{Config: parse(t, url)}
	if _, err := pgstore.Open(t.Context(), o); !errors.Is(err, pgstore.ErrOlder) || !strings.Contains(err.Error(), "fastshop migrate") {
		t.Errorf("open of an empty database: %v, want ErrOlder with a hint", err)
	}
	if v, err := pgstore.Version(t.Context(), o); err != nil || v != 0 {
		t.Errorf("version of an empty database: %d, %v", v, err)
	}
	from, to, err := pgstore.Migrate(t.Context(), o)
	if err != nil || from != 0 || to < 1 {
		t.Fatalf("first migration: from %d to %d, %v", from, to, err)
	}
	s := open(t, url, pgstore.Options{})
	commit(t, s, samples(0, 3)...)
	if again, same, err := pgstore.Migrate(t.Context(), o); err != nil || again != to || same != to {
		t.Errorf("second migration: from %d to %d, %v", again, same, err)
	}
	if v, err := pgstore.Version(t.Context(), o); err != nil || v != to {
		t.Errorf("version: %d, %v; want %d", v, err, to)
	}
	verify(t, s)
	conn := dial(t, url)
	if _, err := conn.Exec(t.Context(), "INSERT INTO fastshop.schema_versions (version_id, is_applied) VALUES (999, true)"); err != nil {
		t.Fatal(err)
	}
	if _, err := pgstore.Open(t.Context(), o); !errors.Is(err, pgstore.ErrNewer) {
		t.Errorf("open of a newer schema: %v, want ErrNewer", err)
	}
	if from, _, err := pgstore.Migrate(t.Context(), o); !errors.Is(err, pgstore.ErrNewer) || from != 999 {
		t.Errorf("migration of a newer schema: from %d, %v; want ErrNewer", from, err)
	}
}

func TestTwoMigrationsAtOnce(t *testing.T) {
	o := pgstore.Options{Config: parse(t, testenv.SharedPostgres(t).Database(t))}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if _, to, err := pgstore.Migrate(t.Context(), o); err != nil || to < 1 {
				t.Errorf("to %d, %v", to, err)
			}
		})
	}
	group.Wait()
}

// TestAMigrationThatGoesWrongLeavesNothing has a table of the schema's in the way, made by somebody else.
func TestAMigrationThatGoesWrongLeavesNothing(t *testing.T) {
	url := testenv.SharedPostgres(t).Database(t)
	conn := dial(t, url)
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA fastshop; CREATE TABLE fastshop.bindings (n int)"); err != nil {
		t.Fatal(err)
	}
	o := pgstore.Options{Config: parse(t, url)}
	if _, _, err := pgstore.Migrate(t.Context(), o); err == nil {
		t.Fatal("migrated over a foreign table")
	}
	var tables int
	err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'fastshop' AND tablename NOT IN ('bindings', 'schema_versions')").Scan(&tables)
	if err != nil || tables != 0 {
		t.Errorf("%d tables were left, %v", tables, err)
	}
	if _, err := conn.Exec(t.Context(), "DROP TABLE fastshop.bindings"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := pgstore.Migrate(t.Context(), o); err != nil {
		t.Errorf("migration once nothing is in the way: %v", err)
	}
}

func TestTheStreamMustBeTheOneOfTheCheckpoints(t *testing.T) {
	url := migrated(t, testenv.SharedPostgres(t))
	s := open(t, url, pgstore.Options{StreamID: "one"})
	b := pipeline.Batch{Chain: "partition/0", Checkpoint: &pipeline.Checkpoint{Stream: "one", Partition: "0", Position: "1"}}
	if _, err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := pgstore.Open(t.Context(), pgstore.Options{Config: parse(t, url), StreamID: "another"}); !errors.Is(err, ledger.ErrStream) {
		t.Errorf("open with another stream: %v, want ErrStream", err)
	}
	open(t, url, pgstore.Options{StreamID: "one"})
}
