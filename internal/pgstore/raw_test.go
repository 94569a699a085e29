package pgstore_test

import (
	"testing"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/testenv"
)

func TestRawStoresTheVeryRowsAndLeavesNothing(t *testing.T) {
	url := migrated(t, testenv.SharedPostgres(t))
	s := open(t, url, pgstore.Options{})
	commit(t, s, samples(0, 450)...)
	if _, err := s.Erase(t.Context(), samples(3, 1)[0].Transaction.Customer, payment.Token{9}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1000, 200} {
		raw, err := pgstore.Raw(t.Context(), pgstore.Options{Config: parse(t, url)}, n, 100, 2)
		want := min(n, 450)
		if err != nil || raw.Rows != want || raw.Bytes < int64(want)*800 || raw.Insert <= 0 || raw.Copy <= 0 {
			t.Errorf("%+v, %v; want %d rows", raw, err, want)
		}
	}
	var schemas, same int
	conn := dial(t, url)
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'fastshop_%'").Scan(&schemas); err != nil || schemas != 0 {
		t.Errorf("%d schemas were left, %v", schemas, err)
	}
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM fastshop.transactions WHERE key = fastshop.id_key($1)", samples(7, 1)[0].Transaction.ID).Scan(&same); err != nil || same != 1 {
		t.Errorf("id_key finds %d rows, %v", same, err)
	}
	verify(t, s)
}
