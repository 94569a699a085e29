package pgstore_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/storetest"
	"github.com/fastshop/pipeline/internal/testenv"
)

func TestContract(t *testing.T) {
	places := &places{server: testenv.SharedPostgres(t), t: t, of: make(map[string]*place)}
	storetest.Run(t, storetest.Subject{
		Open: func(t *testing.T, s storetest.Setting) storetest.Store {
			at := places.at(t, s.Dir)
			store, err := pgstore.Open(t.Context(), pgstore.Options{Config: parse(t, at.url), Now: s.Now, Crash: s.Crash})
			if err != nil {
				t.Fatal(err)
			}
			at.open = true
			return &placed{Store: store, close: func() { places.leave(at) }}
		},
		Erase: func(t *testing.T, s storetest.Store, customer payment.Token) int {
			n, err := s.(*placed).Erase(t.Context(), customer)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		},
		DeadLetters: func(t *testing.T, s storetest.Store) []pipeline.DeadLetter { return deadLetters(t, s.(*placed).Store) },
		Alerts:      func(t *testing.T, s storetest.Store) []string { return alerts(t, s.(*placed).Store) },
		Verify:      func(t *testing.T, s storetest.Store) map[string]int64 { return verify(t, s.(*placed).Store) },
		Copy:        places.copy,
		Before:      "store.commit.before",
		Inserted:    "store.commit.inserted",
		After:       "store.commit.after",
	})
}

// places gives each folder that the suite names a database. That of a store that was closed is emptied for the next new
// folder: databases are slow to make, and the suite opens no folder again after it opened another one.
type places struct {
	server *testenv.Postgres
	t      *testing.T // of the whole suite
	mu     sync.Mutex
	of     map[string]*place
	free   []*place
}

// place is one database.
type place struct {
	url  string
	open bool
	dir  string
}

// placed is a store that tells when it was closed.
type placed struct {
	*pgstore.Store
	close func()
}

func (p *placed) Close() error {
	err := p.Store.Close()
	p.close()
	return err
}

func (p *places) leave(at *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.open {
		at.open = false
		p.free = append(p.free, at)
	}
}

func (p *places) at(t *testing.T, dir string) *place {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.of[dir]; ok {
		p.free = slices.DeleteFunc(p.free, func(other *place) bool { return other == at })
		return at
	}
	at := &place{dir: dir}
	if n := len(p.free); n > 0 {
		at, p.free = p.free[n-1], p.free[:n-1]
		delete(p.of, at.dir)
		at.dir = dir
		conn := dial(t, at.url)
		for _, table := range tables {
			if _, err := conn.Exec(t.Context(), "DELETE FROM fastshop."+table); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		at.url = migrated(p.t, p.server)
	}
	p.of[dir] = at
	return at
}

var tables = []string{
	"transactions", "labels", "alerts", "checkpoints", "dead_letters", "audit_entries", "chains", "plans", "rule_sets", "list_entries", "list_changes", "bindings",
}

// copy copies what is committed, as of one moment.
func (p *places) copy(t *testing.T, from, to string) {
	source, target := dial(t, p.at(t, from).url), dial(t, p.at(t, to).url)
	ctx := context.Background()
	err := pgx.BeginTxFunc(ctx, source, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		for _, table := range tables {
			var data bytes.Buffer
			if _, err := source.PgConn().CopyTo(ctx, &data, "COPY fastshop."+table+" TO STDOUT"); err != nil {
				return err
			}
			if _, err := target.PgConn().CopyFrom(ctx, &data, "COPY fastshop."+table+" FROM STDIN"); err != nil {
				return err
			}
		}
		var last int64
		if err := tx.QueryRow(ctx, "SELECT last_value FROM fastshop.blocks").Scan(&last); err != nil {
			return err
		}
		_, err := target.Exec(ctx, "SELECT setval('fastshop.blocks', $1)", last)
		return err
	})
	if err != nil {
		t.Errorf("copy: %v", err)
	}
}

// dial is a connection past the store.
func dial(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func parse(t testing.TB, url string) pgstore.Config {
	t.Helper()
	c, err := pgstore.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// migrated is a new database with the schema.
func migrated(t testing.TB, server *testenv.Postgres) string {
	t.Helper()
	url := server.Database(t)
	if _, _, err := pgstore.Migrate(t.Context(), pgstore.Options{Config: parse(t, url)}); err != nil {
		t.Fatal(err)
	}
	return url
}

// open opens a store that is closed when the test ends.
func open(t testing.TB, url string, o pgstore.Options) *pgstore.Store {
	t.Helper()
	o.Config = parse(t, url)
	store, err := pgstore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// fresh opens a store in a new database of the shared server.
func fresh(t testing.TB, o pgstore.Options) *pgstore.Store {
	t.Helper()
	return open(t, migrated(t, testenv.SharedPostgres(t)), o)
}

func deadLetters(t *testing.T, s *pgstore.Store) (letters []pipeline.DeadLetter) {
	t.Helper()
	var after int64
	for {
		page, err := s.DeadLetters(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return letters
		}
		for _, l := range page {
			letters, after = append(letters, l.DeadLetter), l.Seq
		}
	}
}

func alerts(t *testing.T, s *pgstore.Store) (ids []string) {
	t.Helper()
	recent, err := s.Recent(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recent {
		if r.Alert != nil {
			ids = append(ids, r.Alert.TransactionID)
		}
	}
	return ids
}

// verify checks the chains and the rows, and that the running totals are those of the rows.
func verify(t *testing.T, store *pgstore.Store) map[string]int64 {
	t.Helper()
	checks, err := store.VerifyChains(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries := make(map[string]int64)
	for _, c := range checks {
		entries[c.Chain] = c.Seq
	}
	counted, err := store.VerifyRows(t.Context(), nil, func(f *ledger.RowFault) { t.Error(f) })
	if err != nil {
		t.Fatal(err)
	}
	totals, err := store.Totals(t.Context())
	if open := len(deadLetters(t, store)); err != nil || totals != counted || totals.DeadLetters != int64(open) {
		t.Fatalf("totals %+v, rows %+v, %d dead letters, %v", totals, counted, open, err)
	}
	return entries
}
