package kmswrap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/vaulttest"
)

// faulty answers a share of the calls, in percent, with an error.
type faulty struct {
	code   atomic.Value
	share  atomic.Int64
	calls  atomic.Int64
	random *rand.Rand
}

func (f *faulty) answer(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
	f.calls.Add(1)
	if f.random.Int64N(100) >= f.share.Load() { // one call at a time: the vault sees to that
		return false
	}
	cloudtest.Refuse(w, http.StatusBadRequest, f.code.Load().(string))
	return true
}

// TestBridged: while KMS throttles half of the calls, then all of them, then refuses, a vault goes on with the keys it has,
// up to the stated time, and asks no more often than it says.
func TestBridged(t *testing.T) {
	front := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	setup := load(t, front)
	personal, tokens := createKey(t, setup), createKey(t, setup)
	f := &faulty{random: rand.New(rand.NewPCG(1, 2))}
	url := testenv.Intercept(t, front, f.answer)
	clock, memory := vaulttest.NewClock(), new(vaulttest.Memory)
	v, err := vault.New(t.Context(), vault.Config{
		Keys: memory, Secrets: memory, Personal: open(t, load(t, url), personal), Tokens: open(t, setup, tokens),
		Env: "test", Now: clock.Now, EpochCache: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	seal := func(id string) error {
		customers, err := v.Customers(t.Context(), []string{id})
		if err != nil {
			return err
		}
		if _, state, err := customers[0].Seal("t-1", []vault.Field{{Name: vault.FieldName(1), Value: []byte("x")}}); err != nil || state != payment.Sealed {
			return fmt.Errorf("state %d: %w", state, err)
		}
		return nil
	}
	must := func(id, during string) {
		t.Helper()
		if err := seal(id); err != nil {
			t.Errorf("seal during %s: %v", during, err)
		}
	}
	must("ana", "calm")
	f.code.Store("ThrottlingException")
	f.share.Store(50)
	for range 30 {
		clock.Move(10 * time.Second)
		must("ana", "throttling of half the calls")
	}
	for _, c := range []string{"ThrottlingException", "AccessDeniedException", "KMSInternalException"} {
		f.share.Store(0)
		clock.Move(time.Second)
		must("ana", "calm")
		f.code.Store(c)
		f.share.Store(100)
		f.calls.Store(0)
		for n := range 59 {
			clock.Move(time.Minute)
			must("ana", c)
			must("new-"+c+string(rune('A'+n)), c)
		}
		if f.calls.Load() != 59 {
			t.Errorf("%s: KMS was asked %d times in 59 rounds, want once each", c, f.calls.Load())
		}
		clock.Move(time.Minute)
		if err := seal("ana"); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("seal after an hour of %s: %v, want ErrUnavailable", c, err)
		}
	}
	f.share.Store(0)
	clock.Move(time.Second)
	must("ana", "calm again")
}
