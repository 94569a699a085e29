package ingest_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/vault"
)

func TestNewIntakeIncomplete(t *testing.T) {
	s := newShop(t)
	whole := ingest.Config{Vault: s.vault, Appender: s.log, Stored: s.stored, Lists: s.lists, Now: time.Now}
	for want, cut := range map[string]func(*ingest.Config){
		"vault": func(c *ingest.Config) { c.Vault = nil }, "appender": func(c *ingest.Config) { c.Appender = nil }, "store": func(c *ingest.Config) { c.Stored = nil },
		"lists": func(c *ingest.Config) { c.Lists = nil }, "clock": func(c *ingest.Config) { c.Now = nil },
	} {
		c := whole
		cut(&c)
		if in, err := ingest.NewIntake(c); in != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v, %v", want, in, err)
		}
	}
}

// batch decodes bodies that differ from the full one by id, customer, and amount.
func batch(t *testing.T, rows ...[3]any) []*ingest.Submission {
	subs := make([]*ingest.Submission, len(rows))
	for i, r := range rows {
		subs[i] = decode(t, body(t, "id", r[0], "customer/id", r[1], "amount/centavos", r[2]))
	}
	return subs
}

func TestAccept(t *testing.T) {
	s := newShop(t)
	subs := batch(t, [3]any{"new-1", "ana", 1}, [3]any{"same", "bia", 2}, [3]any{"other", "bia", 3}, [3]any{"gone", "cai", 4},
		[3]any{"new-2", "ana", 5}, [3]any{"new-1", "ana", 1}, [3]any{"new-1", "ana", 6}, [3]any{"same", "bia", 7}, [3]any{"new-3", "edu", 8})
	s.stored.prior = map[string]ingest.Prior{
		"same":  {MAC: s.vault.PayloadMAC(subs[1].AppendCanonical(nil))},
		"other": {MAC: [32]byte{1}},
		"gone":  {Erased: true},
	}
	got, err := s.Accept(t.Context(), subs)
	if err != nil {
		t.Fatal(err)
	}
	want := []ingest.Acceptance{ingest.Accepted, ingest.Duplicate, ingest.Conflict, ingest.Erased, ingest.Accepted, ingest.Duplicate,
		ingest.Conflict, ingest.Conflict, ingest.Accepted}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	var appended []string
	for _, e := range s.log.entries {
		x, err := payment.DecodeTransaction(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e.Key, x.Customer[:]) {
			t.Error("an entry's key is not the customer's token")
		}
		appended = append(appended, fmt.Sprint(x.ID, " ", x.Amount.Centavos, " ", s.open(t, &x)["customer_id"]))
	}
	if diff := cmp.Diff([]string{"new-1 1 ana", "new-2 5 ana", "new-3 8 edu"}, appended); diff != "" || s.log.calls != 1 {
		t.Errorf("appended in %d calls (-want +got):\n%s", s.log.calls, diff)
	}
}

func TestAcceptNothingNew(t *testing.T) {
	s := newShop(t)
	if got, err := s.Accept(t.Context(), nil); got != nil || err != nil {
		t.Errorf("an empty batch: %v, %v", got, err)
	}
	subs := batch(t, [3]any{"a", "ana", 1})
	s.stored.prior = map[string]ingest.Prior{"a": {Erased: true}}
	before := s.keys.Calls()
	got, err := s.Accept(t.Context(), subs)
	if err != nil || len(got) != 1 || got[0] != ingest.Erased || s.log.calls != 0 {
		t.Errorf("%v, %v, %d appends", got, err, s.log.calls)
	}
	if s.keys.Calls() != before {
		t.Error("a repeat of an erased customer's id went to the key store")
	}
}

func TestAcceptFails(t *testing.T) {
	gone := errors.New("gone")
	for name, c := range map[string]struct {
		fail func(*shop)
		want error
	}{
		"store down":     {func(s *shop) { s.stored.err = gone }, gone},
		"key store down": {func(s *shop) { s.keys.SetDown(true) }, vault.ErrUnavailable},
		"stream full":    {func(s *shop) { s.log.err = stream.ErrFull }, stream.ErrFull},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			c.fail(s)
			got, err := s.Accept(t.Context(), batch(t, [3]any{"a", "canary-ana", 1}))
			if !errors.Is(err, c.want) || got != nil || len(s.log.entries) != 0 {
				t.Errorf("%v, %v, %d entries; want %v", got, err, len(s.log.entries), c.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error holds personal data: %v", err)
			}
			s.stored.err, s.log.err = nil, nil
			s.keys.SetDown(false)
			if got, err := s.Accept(t.Context(), batch(t, [3]any{"a", "canary-ana", 1})); err != nil || got[0] != ingest.Accepted {
				t.Errorf("the same again: %v, %v", got, err)
			}
		})
	}
}

func TestAcceptanceNames(t *testing.T) {
	for a, want := range map[ingest.Acceptance]string{0: "", ingest.Accepted: "accepted", ingest.Duplicate: "duplicate", ingest.Conflict: "conflict", ingest.Erased: "erased", 9: ""} {
		if a.String() != want {
			t.Errorf("%d is %q, want %q", a, a, want)
		}
	}
}
