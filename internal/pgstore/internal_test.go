package pgstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
)

var ids = rapid.OneOf(
	rapid.StringMatching(`[0-9a-zA-Z._:-]{1,64}`),
	rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
	rapid.StringMatching(`[0-9a-fA-F]{8}[0-9-][0-9a-f]{4}-[0-9a-f]{4}-[0-9a-fg]{4}-[0-9a-f]{12}`),
)

func TestKeysAreIDs(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a, b := ids.Draw(r, "id"), ids.Draw(r, "other id")
		keys := keysOf([]string{a, b})
		back, err := idOf(keys[0])
		if err != nil || back != a {
			r.Fatalf("%q comes back as %q, %v", a, back, err)
		}
		if bytes.Equal(keys[0], keys[1]) != (a == b) {
			r.Fatalf("%q and %q share a key", a, b)
		}
		if same := (keys[0][0] == 0) == (keys[1][0] == 0); same && bytes.Compare(keys[0], keys[1]) != strings.Compare(a, b) {
			r.Fatalf("%q and %q changed their order", a, b)
		}
	})
	for _, c := range []struct {
		id  string
		len int
	}{{"0123abcd-0000-7000-8000-00000000000f", 17}, {"0123ABCD-0000-7000-8000-00000000000f", 36}, {"0123abcd-0000-7000-8000_00000000000f", 36}, {"tx-1", 4}} {
		if key := appendKey([]byte("x"), c.id); len(key) != 1+c.len || key[0] != 'x' {
			t.Errorf("%s takes %d bytes, want %d", c.id, len(key)-1, c.len)
		}
	}
	if _, err := idOf([]byte{0, 1}); !errors.Is(err, ledger.ErrCorrupt) {
		t.Errorf("half a UUID: %v, want ErrCorrupt", err)
	}
}

func TestErrorsAreSorted(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	secret := func(code string) error {
		return fmt.Errorf("exec: %w", &pgconn.PgError{Code: code, Message: "invalid input: 12345678909", Detail: "Key (cpf)=(12345678909)", ConstraintName: "c"})
	}
	for _, code := range []string{"08006", "53300", "57P01", "57P03", "40001", "40P01", "55P03", "25006", "57014", "42501", "42P01", "XX000"} {
		err := unavailable(t.Context(), secret(code))
		var server *pgconn.PgError
		if !errors.Is(err, pipeline.ErrUnavailable) || !errors.As(err, &server) || !strings.Contains(err.Error(), code) {
			t.Errorf("SQLSTATE %s: %v, want ErrUnavailable", code, err)
		}
	}
	for _, code := range []string{"22021", "22003", "23505", "23514"} {
		err := unavailable(t.Context(), secret(code))
		if errors.Is(err, pipeline.ErrUnavailable) || !strings.Contains(err.Error(), code) || strings.Contains(err.Error(), "12345678909") {
			t.Errorf("SQLSTATE %s: %v, want an error about the batch without its data", code, err)
		}
	}
	if err := unavailable(t.Context(), io.ErrUnexpectedEOF); !errors.Is(err, pipeline.ErrUnavailable) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut connection: %v", err)
	}
	if err := unavailable(ended, context.Canceled); errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("a caller that left: %v", err)
	}
	if err := unavailable(t.Context(), fmt.Errorf("row: %w", ledger.ErrCorrupt)); errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("damage: %v is not for another try", err)
	}
	if err := unavailable(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
