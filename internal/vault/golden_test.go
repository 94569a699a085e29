package vault_test

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/vaulttest"
)

var update = flag.Bool("update", false, "write testdata/golden.txt anew: only before the first release of a layout")

// counting is a source of "randomness" that anybody can repeat: 0, 1, 2 … 255, 0 …
type counting struct{ next byte }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.next
		c.next++
	}
	return len(p), nil
}

// clearKEK "wraps" without encryption, so that vectors depend on nothing but the vault.
type clearKEK struct{}

func (clearKEK) Wrap(_ context.Context, c vault.WrapContext, key []byte) ([]byte, error) {
	return append(c.Append(nil), key...), nil
}

func (clearKEK) Unwrap(_ context.Context, c vault.WrapContext, blob []byte) ([]byte, error) {
	key, ok := strings.CutPrefix(string(blob), string(c.Append(nil)))
	if !ok {
		return nil, vault.ErrKey
	}
	return []byte(key), nil
}

// TestGolden pins every format that is stored: tokens, MACs, wrapped keys and blobs. A difference means that what is
// stored cannot be found or opened any more, and needs a new version, not a new golden file.
func TestGolden(t *testing.T) {
	ctx := context.Background()
	store, clock := new(vaulttest.Memory), vaulttest.NewClock()
	v, err := vault.New(ctx, vault.Config{
		Keys: store, Secrets: store, Personal: clearKEK{}, Tokens: clearKEK{}, Env: "golden",
		Now: clock.Now, Rand: new(counting),
	})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	line := func(name string, value []byte) { fmt.Fprintf(&out, "%-24s %s\n", name, hex.EncodeToString(value)) }
	secret := func(name string, id vault.SecretID) {
		wrapped, err := store.Secret(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		line(name, wrapped)
	}
	secret("ring", vault.SecretID{Purpose: vault.PurposeToken, Epoch: "1"})
	for kind := vault.KindCustomer; kind.String() != ""; kind++ {
		scoring, list, lookup := v.Token(kind, "11144477735"), v.ListToken(kind, "11144477735"), v.LookupToken(kind, "11144477735")
		line("scoring "+kind.String(), scoring[:])
		line("list "+kind.String(), list[:])
		line("lookup "+kind.String(), lookup[:])
	}
	mac := v.PayloadMAC([]byte("canonical payload"))
	line("payload", mac[:])

	customers, err := v.Customers(ctx, []string{"customer-1"})
	if err != nil {
		t.Fatal(err)
	}
	secret("epoch key", vault.SecretID{Purpose: vault.PurposeEpoch, Epoch: "2026-11-21T00:00:00Z"})
	c := &customers[0]
	record, err := store.ByToken(ctx, c.Token)
	if err != nil {
		t.Fatal(err)
	}
	line("handle", record.Handle[:])
	line("customer token", c.Token[:])
	line("data key", record.Wrapped)
	blob, _, err := c.Seal("transaction-1", []vault.Field{
		{Name: vault.FieldEmail, Value: []byte("ana@example.com")}, {Name: vault.FieldDocument, Value: []byte("11144477735")},
	})
	if err != nil {
		t.Fatal(err)
	}
	line("blob", blob)
	clock.Move(time.Hour)
	if _, err := v.Shred(ctx, "customer-1"); err != nil {
		t.Fatal(err)
	}
	if customers, err = v.Customers(ctx, []string{"customer-1"}); err != nil {
		t.Fatal(err)
	}
	line("customer token, next", customers[0].Token[:])
	for name := vault.FieldCustomerID; name.String() != ""; name++ {
		fmt.Fprintf(&out, "field %-2d %s\n", name, name)
	}

	compare(t, out.String())
}

func compare(t *testing.T, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("a stored format has changed:\n got\n%s\nwant\n%s", got, want)
	}
}
