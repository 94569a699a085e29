package ingest_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/vaulttest"
)

// streamLog is a stream that keeps what is appended, or fails.
type streamLog struct {
	entries []stream.Entry
	calls   int
	err     error
}

func (l *streamLog) Append(_ context.Context, entries []stream.Entry) error {
	l.calls++
	if l.err != nil {
		return l.err
	}
	for _, e := range entries {
		l.entries = append(l.entries, stream.Entry{Key: bytes.Clone(e.Key), Data: bytes.Clone(e.Data)})
	}
	return nil
}

// storedIDs is a store.
type storedIDs struct {
	prior map[string]ingest.Prior
	err   error
}

func (s *storedIDs) Known(context.Context, []string) (map[string]ingest.Prior, error) {
	return s.prior, s.err
}

// listed are the tokens on the lists.
type listed map[payment.Token]payment.Lists

func (l listed) Match(tokens []payment.Token) (lists payment.Lists) {
	for _, t := range tokens {
		lists |= l[t]
	}
	return lists
}

// shop is an intake and all that it stands on.
type shop struct {
	*ingest.Intake
	keys   *vaulttest.Memory
	kek    *vaulttest.KEK
	vault  *vault.Vault
	log    *streamLog
	stored *storedIDs
	lists  listed
	clock  time.Time // of the vault
}

func newShop(tb testing.TB) *shop {
	tb.Helper()
	s := &shop{keys: new(vaulttest.Memory), kek: vaulttest.RandomKEK(), log: new(streamLog), stored: new(storedIDs), lists: listed{}, clock: now}
	v, err := vault.New(tb.Context(), vault.Config{Keys: s.keys, Secrets: s.keys, Personal: s.kek, Tokens: vaulttest.RandomKEK(), Env: "test",
		Now: func() time.Time { return s.clock }})
	if err != nil {
		tb.Fatal(err)
	}
	s.vault = v
	s.use(tb, s.log, s.lists)
	return s
}

// use makes the intake over another stream and other lists.
func (s *shop) use(tb testing.TB, log ingest.Appender, lists ingest.Lists) {
	tb.Helper()
	in, err := ingest.NewIntake(ingest.Config{
		Vault: s.vault, Appender: log, Stored: s.stored, Lists: lists, Now: func() time.Time { return now.Add(123456 * time.Nanosecond) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	s.Intake = in
}

// seal seals one submission.
func (s *shop) seal(t *testing.T, sub *ingest.Submission) payment.Transaction {
	t.Helper()
	sealed, err := s.Seal(t.Context(), []*ingest.Submission{sub})
	if err != nil {
		t.Fatal(err)
	}
	return sealed[0]
}

// open opens what was sealed, by the names of the fields.
func (s *shop) open(t *testing.T, x *payment.Transaction) map[string]string {
	t.Helper()
	fields, err := s.vault.Open(t.Context(), x.Customer, x.ID, x.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	clear := map[string]string{}
	for _, f := range fields {
		clear[f.Name.String()] = string(f.Value)
	}
	return clear
}
