// Package vaulttest is the contract suite of the vault's ports: every pair of a key store and a wrapper passes [Run]
// unchanged, and so does the whole vault on top of them. It also has backends in memory, for the suite itself and for
// the tests of packages that use a vault.
package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

// Backends are what one installation of a vault stands on.
type Backends struct {
	Keys     vault.KeyStore
	Secrets  vault.Secrets
	Personal vault.Wrapper
	Tokens   vault.Wrapper

	// Stop disables Personal on purpose and Resume enables it; both are in force when they return.
	Stop, Resume func() error
	// Reopen closes the backends and opens the same installation again; what it returns replaces them.
	Reopen func(t *testing.T) Backends
	// Snapshot copies the key store as a backup does. What it returns puts the copy in the store's place and opens the
	// installation again, as Reopen does. nil for a store without backups; Keys has to have Bury otherwise.
	Snapshot func(t *testing.T) (restore func(t *testing.T) Backends)
}

// Run exercises the backends that open returns: a new, empty installation at each call, closed by its t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Backends) {
	t.Helper()
	for _, topic := range []struct {
		name  string
		cases []testCase
	}{
		{"KeyStore", keyStoreCases}, {"Secrets", secretsCases}, {"Wrapper", wrapperCases},
		{"Tokens", tokenCases}, {"Seal", sealCases}, {"Erasure", erasureCases}, {"Stop", stopCases}, {"Restore", restoreCases},
	} {
		t.Run(topic.name, func(t *testing.T) {
			for _, c := range topic.cases {
				t.Run(c.name, func(t *testing.T) { c.run(&rig{T: t, Backends: open(t), clock: NewClock()}) })
			}
		})
	}
}

type testCase struct {
	name string
	run  func(*rig)
}

// Clock is a clock that stands still until it is moved. All methods may be called at once.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at noon of 2026-11-21, UTC.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves the clock.
func (c *Clock) Move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// InMemory returns new backends in memory.
func InMemory() Backends {
	memory, personal := new(Memory), RandomKEK()
	b := Backends{
		Keys: memory, Secrets: memory, Personal: personal, Tokens: RandomKEK(),
		Stop:   func() error { personal.SetDisabled(true); return nil },
		Resume: func() error { personal.SetDisabled(false); return nil },
	}
	b.Reopen = func(*testing.T) Backends { return b }
	b.Snapshot = func(*testing.T) func(*testing.T) Backends {
		restore := memory.snapshot()
		return func(*testing.T) Backends { restore(); return b }
	}
	return b
}

// rig is one installation under test.
type rig struct {
	*testing.T
	Backends
	clock *Clock
}

// open starts a vault, as one process of several would.
func (r *rig) open(change ...func(*vault.Config)) *vault.Vault {
	r.Helper()
	c := vault.Config{
		Keys: r.Keys, Secrets: r.Secrets, Personal: r.Personal, Tokens: r.Tokens, Env: "test", Now: r.clock.Now,
	}
	for _, f := range change {
		f(&c)
	}
	v, err := vault.New(context.Background(), c)
	r.must(err, "open vault")
	return v
}

// must ends the test if err is not nil.
func (r *rig) must(err error, what string, args ...any) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", fmt.Sprintf(what, args...), err)
	}
}

// want reports an error that is not the one that is wanted.
func (r *rig) want(err, wanted error, what string, args ...any) {
	r.Helper()
	if !errors.Is(err, wanted) {
		r.Errorf("%s: error %v, want %v", fmt.Sprintf(what, args...), err, wanted)
	}
}

// that reports a condition that does not hold.
func (r *rig) that(ok bool, what string, args ...any) {
	r.Helper()
	if !ok {
		r.Errorf("not so: %s", fmt.Sprintf(what, args...))
	}
}

func (r *rig) customer(v *vault.Vault, id string) *vault.Customer {
	r.Helper()
	customers, err := v.Customers(context.Background(), []string{id})
	r.must(err, "customer")
	return &customers[0]
}

func (r *rig) seal(c *vault.Customer, record string, fields ...vault.Field) []byte {
	r.Helper()
	blob, state, err := c.Seal(record, fields)
	r.must(err, "seal")
	if state != payment.Sealed {
		r.Fatalf("seal: state %d, want sealed", state)
	}
	return blob
}

// opens checks that the blob opens to exactly the fields.
func (r *rig) opens(v *vault.Vault, token payment.Token, record string, blob []byte, fields ...vault.Field) {
	r.Helper()
	got, err := v.Open(context.Background(), token, record, blob)
	r.must(err, "open")
	if len(got) != len(fields) {
		r.Fatalf("open: %d fields, want %d", len(got), len(fields))
	}
	for i, f := range fields {
		r.that(got[i].Name == f.Name && string(got[i].Value) == string(f.Value), "field %s comes back as it was", f.Name)
	}
}

// refuses checks that the blob does not open and that the error is the one that is wanted.
func (r *rig) refuses(wanted error, v *vault.Vault, token payment.Token, record string, blob []byte) {
	r.Helper()
	fields, err := v.Open(context.Background(), token, record, blob)
	r.want(err, wanted, "open")
	r.that(fields == nil, "nothing comes with the error")
}

func field(name vault.FieldName, value string) vault.Field {
	return vault.Field{Name: name, Value: []byte(value)}
}

// together runs f n times at once and returns the errors joined.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
