package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/vaulttest"
)

func config() vault.Config {
	b := vaulttest.InMemory()
	return vault.Config{Keys: b.Keys, Secrets: b.Secrets, Personal: b.Personal, Tokens: b.Tokens, Env: "test"}
}

func open(t testing.TB, c vault.Config) *vault.Vault {
	t.Helper()
	v, err := vault.New(context.Background(), c)
	if err != nil {
		t.Fatalf("open vault: %v", err)
	}
	return v
}

func customer(t testing.TB, v *vault.Vault, id string) *vault.Customer {
	t.Helper()
	customers, err := v.Customers(context.Background(), []string{id})
	if err != nil {
		t.Fatalf("customer: %v", err)
	}
	return &customers[0]
}

func TestConfigRefused(t *testing.T) {
	for name, spoil := range map[string]func(*vault.Config){
		"no key store":         func(c *vault.Config) { c.Keys = nil },
		"no secrets":           func(c *vault.Config) { c.Secrets = nil },
		"no personal KEK":      func(c *vault.Config) { c.Personal = nil },
		"no token KEK":         func(c *vault.Config) { c.Tokens = nil },
		"no environment":       func(c *vault.Config) { c.Env = "" },
		"a long environment":   func(c *vault.Config) { c.Env = strings.Repeat("e", 256) },
		"a long app":           func(c *vault.Config) { c.App = strings.Repeat("a", 256) },
		"a negative epoch":     func(c *vault.Config) { c.EpochLife = -1 },
		"a short epoch":        func(c *vault.Config) { c.EpochLife = time.Millisecond },
		"a negative cache":     func(c *vault.Config) { c.EpochCache = -1 },
		"a negative check":     func(c *vault.Config) { c.KEKCheck = -1 },
		"a negative look":      func(c *vault.Config) { c.ErasureCheck = -1 },
		"fewer than no places": func(c *vault.Config) { c.CacheCustomers = -1 },
	} {
		c := config()
		spoil(&c)
		if _, err := vault.New(context.Background(), c); !errors.Is(err, vault.ErrInput) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
}

// TestPrintsNothing prints everything that holds keys or personal data in every way there is.
func TestPrintsNothing(t *testing.T) {
	const canary = "canary-4711"
	c := config()
	c.Rand = new(canaries)
	v := open(t, c)
	one := customer(t, v, canary)
	f := vault.Field{Name: vault.FieldEmail, Value: []byte(canary)}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for _, value := range []any{v, one, *one, []vault.Customer{*one}, f, &f, []vault.Field{f}, vault.Handle{1, 2, 3}} {
		logger.Info("value", "value", value)
		fmt.Fprintf(&log, "%v %+v %#v %s %q %x %d\n", value, value, value, value, value, value, value)
		if text, err := json.Marshal(value); err == nil {
			log.Write(text)
		}
	}
	for _, bad := range []string{canary, fmt.Sprintf("%x", canary), "107 101 121 45", "6b65792d", "key-key", "Y2FuYXJ5"} {
		if strings.Contains(log.String(), bad) {
			t.Errorf("%q is printed:\n%s", bad, log.String())
		}
	}
	if !strings.Contains(log.String(), "[redacted]") {
		t.Error("nothing is redacted")
	}
}

func TestNames(t *testing.T) {
	for name := vault.FieldCustomerID; name <= vault.FieldCity; name++ {
		if name.String() == "" || vault.ParseFieldName(name.String()) != name {
			t.Errorf("field %d is called %q, which is field %d", name, name, vault.ParseFieldName(name.String()))
		}
	}
	if vault.ParseFieldName("") != vault.FieldInvalid || vault.ParseFieldName("cvv") != vault.FieldInvalid {
		t.Error("an unknown name has a field")
	}
	if vault.FieldName(13).String() != "" || vault.TokenKind(9).String() != "" || vault.KindInvalid.String() != "" {
		t.Error("a number that is none has a name")
	}
}

func TestTake(t *testing.T) {
	token := payment.Token{1, 2}
	open := vault.Record{Generation: 1, Token: token}
	keyed := open
	keyed.Epoch, keyed.Wrapped = 5, make([]byte, 61)
	if kept, changed := open.Take(keyed); !changed || kept.Epoch != 5 || len(kept.Wrapped) != 61 {
		t.Errorf("a key for a generation without one: %v, %+v", changed, kept)
	}
	if _, changed := keyed.Take(keyed); changed {
		t.Error("a key for a generation with one is a change")
	}
	if _, changed := open.Take(open); changed {
		t.Error("no key for a generation without one is a change")
	}
}

// canaries is a source of "randomness" that can be recognized: key-key-key-…
type canaries struct{ n int }

func (c *canaries) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "key-"[c.n%4]
		c.n++
	}
	return len(p), nil
}

// TestContract runs the suite here too, so that the vault is measured with the package.
func TestContract(t *testing.T) {
	vaulttest.Run(t, func(*testing.T) vaulttest.Backends { return vaulttest.InMemory() })
}

// TestKeysAreDropped: after an emergency stop, past the limit of an outage and after an erasure, keys are not merely
// left unused: they are gone from memory.
func TestKeysAreDropped(t *testing.T) {
	held := func(v *vault.Vault, epochs, customers int, when string) {
		t.Helper()
		if e, c := v.TestOnlyHeldKeys(); e != epochs || c != customers {
			t.Errorf("%s: %d epoch keys and %d data keys held, want %d and %d", when, e, c, epochs, customers)
		}
	}
	ctx, clock, b := context.Background(), vaulttest.NewClock(), vaulttest.InMemory()
	outage := &vaulttest.Outage{Wrapper: b.Personal}
	v := open(t, vault.Config{
		Keys: b.Keys, Secrets: b.Secrets, Personal: outage, Tokens: b.Tokens, Env: "test", Now: clock.Now,
		EpochCache: time.Hour, ErasureCheck: 24 * time.Hour,
	})
	names := []string{"ana", "rui", "eva"}
	use := func() error { _, err := v.Customers(ctx, names); return err }
	if err := use(); err != nil {
		t.Fatal(err)
	}
	held(v, 1, 3, "in use")
	if _, err := v.Shred(ctx, "ana"); err != nil {
		t.Fatal(err)
	}
	held(v, 1, 2, "after a shred, before the next look at the counter")
	if c := customer(t, v, "ana"); c.Generation != 2 {
		t.Errorf("the vault that erased goes on with generation %d", c.Generation)
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	clock.Move(time.Second)
	if err := use(); err != nil {
		t.Fatal(err)
	}
	held(v, 0, 0, "after an emergency stop")
	if err := b.Resume(); err != nil {
		t.Fatal(err)
	}
	clock.Move(time.Second)
	if err := use(); err != nil {
		t.Fatal(err)
	}
	held(v, 1, 3, "after the stop")
	outage.SetDown(true)
	clock.Move(time.Hour)
	if err := use(); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("past the limit of an outage: %v, want ErrUnavailable", err)
	}
	held(v, 0, 0, "past the limit of an outage")
}
