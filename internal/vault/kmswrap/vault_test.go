package kmswrap_test

import (
	"errors"
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

// TestBridged: while KMS throttles half of the calls, then all of them, then refuses, a vault goes on with the keys it has,
// up to the stated time, and asks no more often than it says.
func TestBridged(t *testing.T) {
	front := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	setup := load(t, front)
	personal, tokens := createKey(t, setup), createKey(t, setup)
	var code atomic.Value
	var share atomic.Int64 // of calls that are answered with the code, in percent
	var calls atomic.Int64
	random := rand.New(rand.NewPCG(1, 2))
	faulty := testenv.Intercept(t, front, func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		calls.Add(1)
		if random.Int64N(100) >= share.Load() { // one call at a time: the vault sees to that
			return false
		}
		cloudtest.Refuse(w, http.StatusBadRequest, code.Load().(string))
		return true
	})
	clock, memory := vaulttest.NewClock(), new(vaulttest.Memory)
	v, err := vault.New(t.Context(), vault.Config{
		Keys: memory, Secrets: memory, Personal: open(t, load(t, faulty), personal), Tokens: open(t, setup, tokens),
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
		_, state, err := customers[0].Seal("t-1", []vault.Field{{Name: vault.FieldName(1), Value: []byte("x")}})
		if err == nil && state != payment.Sealed {
			t.Errorf("state %d, want sealed", state)
		}
		return err
	}
	must := func(id, during string) {
		t.Helper()
		if err := seal(id); err != nil {
			t.Errorf("seal during %s: %v", during, err)
		}
	}
	must("ana", "calm")
	code.Store("ThrottlingException")
	share.Store(50)
	for range 30 {
		clock.Move(10 * time.Second)
		must("ana", "throttling of half the calls")
	}
	for _, c := range []string{"ThrottlingException", "AccessDeniedException", "KMSInternalException"} {
		share.Store(0)
		clock.Move(time.Second)
		must("ana", "calm")
		code.Store(c)
		share.Store(100)
		calls.Store(0)
		for n := range 59 {
			clock.Move(time.Minute)
			must("ana", c)
			must("new-"+c+string(rune('A'+n)), c)
		}
		if calls.Load() != 59 {
			t.Errorf("%s: KMS was asked %d times in 59 rounds, want once each", c, calls.Load())
		}
		clock.Move(time.Minute)
		if err := seal("ana"); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("seal after an hour of %s: %v, want ErrUnavailable", c, err)
		}
	}
	share.Store(0)
	clock.Move(time.Second)
	must("ana", "calm again")
}
