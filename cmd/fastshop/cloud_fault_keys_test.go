package main

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/testenv"
)

// refusingKMS answers for KMS with an error while it is told to.
type refusingKMS struct {
	code    atomic.Pointer[string] // nil: KMS answers itself
	refused atomic.Int64
}

func (k *refusingKMS) front(t *testing.T) func(endpoint string) string {
	return func(endpoint string) string {
		return testenv.Intercept(t, endpoint, func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			code := k.code.Load()
			if code == nil {
				return false
			}
			k.refused.Add(1)
			cloudtest.Refuse(w, http.StatusBadRequest, *code)
			return true
		})
	}
}

// TestCloudKeyFaults has KMS refuse the key that wraps personal-data keys. A lost permission and a throttled service are
// bridged with the keys that are cached, and nobody notices. A key that was disabled is the emergency stop: payments are
// taken in and judged without their personal fields until it is enabled again.
func TestCloudKeyFaults(t *testing.T) {
	t.Parallel()
	for i, code := range []string{"AccessDeniedException", "ThrottlingException"} {
		service := &refusingKMS{}
		cloudFault{code, func(t *testing.T, r *cloudRig, shop *cloudShop) {
			service.code.Store(&code)
			shop.more("refusals of KMS", &service.refused, 3)
			shop.more("verdicts", &shop.decided, 50)
			service.code.Store(nil)
			if n := shop.unsealed.Load(); n > 0 {
				t.Errorf("%d payments lost their personal fields to an outage", n)
			}
			if n := shop.refused.Load(); n > 0 {
				t.Errorf("%d refusals", n)
			}
		}}.run(t, cloudParts{kms: service.front(t)}, uint64(400+i))
	}
	t.Run("emergency stop", testEmergencyStop)
}

func testEmergencyStop(t *testing.T) {
	r := newCloudRig(t, cloudParts{}) // an emulated table is slow enough to refuse by itself
	shop := newCloudShop(t, 410)
	p := r.start("")
	shop.open(p)
	shop.more("verdicts", &shop.decided, 20)
	if _, err := r.keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &r.ownKey}); err != nil {
		t.Fatal(err)
	}
	shop.more("payments without personal fields", &shop.unsealed, 30)
	if _, err := r.keys.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &r.ownKey}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "personal fields are sealed again", func() bool {
		before, all := shop.unsealed.Load(), shop.decided.Load()
		shop.more("verdicts", &shop.decided, 10)
		return shop.unsealed.Load() == before && shop.decided.Load() > all
	})
	shop.close()
	if n := shop.refused.Load(); n > 0 {
		t.Errorf("%d refusals: scoring must not stop", n)
	}
	states := map[payment.Seal]int{}
	for id, row := range shop.reconcile(r, p) {
		state := row.Transaction.SealState
		states[state]++
		if (state == payment.Sealed) != (len(row.Transaction.Sealed) > 0) {
			t.Errorf("%s is %s and has %d sealed bytes", id, state, len(row.Transaction.Sealed))
		}
	}
	if states[payment.SealDropped] < 30 || states[payment.Sealed] < 30 {
		t.Errorf("the rows are %v", states)
	}
}
