package dynamokeys_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/dynamokeys"
)

func unlucky() float64 { return 0 }

func actionOf(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
}

// calls is every call of a store about a record.
func calls(s *dynamokeys.Store, r vault.Record) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"find":       func(ctx context.Context) error { _, err := s.Find(ctx, []vault.Handle{r.Handle}); return err },
		"create":     func(ctx context.Context) error { _, err := s.Create(ctx, []vault.Record{r}); return err },
		"token":      func(ctx context.Context) error { _, err := s.ByToken(ctx, r.Token); return err },
		"shred":      func(ctx context.Context) error { _, err := s.Shred(ctx, r.Handle, time.Now()); return err },
		"tombstones": func(ctx context.Context) error { _, err := s.Tombstones(ctx, 0, 1); return err },
		"secret": func(ctx context.Context) error {
			_, err := s.Secret(ctx, vault.SecretID{Purpose: "p", Epoch: "e"})
			return err
		},
		"keep": func(ctx context.Context) error {
			_, err := s.Keep(ctx, vault.SecretID{Purpose: "p", Epoch: "e"}, []byte("w"))
			return err
		},
		"bury": func(ctx context.Context) error {
			return s.Bury(ctx, []vault.Tombstone{{Seq: 1, Handle: r.Handle, Generation: 1, Token: r.Token, At: time.UnixMilli(1).UTC()}})
		},
	}
}

// TestErrors: what DynamoDB answers, and what the caller learns of it, which is nothing about anybody.
func TestErrors(t *testing.T) {
	r := record(1)
	type answer struct {
		code   string
		status int
	}
	var now atomic.Value
	var asked atomic.Int64
	url := testenv.Intercept(t, "http://127.0.0.1:1", func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
		asked.Add(1)
		a := now.Load().(answer)
		w.Header().Set("X-Amzn-Errortype", a.code)
		w.WriteHeader(a.status)
		json.NewEncoder(w).Encode(map[string]string{"__type": a.code, "message": "you sent " + string(body)})
		return true
	})
	s := dynamokeys.New(load(t, url, func(o *cloud.Options) { o.Reconnect = true }), "t", unlucky)
	for _, c := range []struct {
		answer answer
		want   []error
		not    []error
	}{
		{answer{"ProvisionedThroughputExceededException", 400}, []error{vault.ErrUnavailable}, []error{dynamokeys.ErrDenied}},
		{answer{"ThrottlingException", 400}, []error{vault.ErrUnavailable}, []error{dynamokeys.ErrDenied}},
		{answer{"RequestLimitExceeded", 400}, []error{vault.ErrUnavailable}, []error{dynamokeys.ErrMissing}},
		{answer{"InternalServerError", 500}, []error{vault.ErrUnavailable}, []error{dynamokeys.ErrMissing}},
		{answer{"TransactionInProgressException", 400}, []error{vault.ErrUnavailable}, []error{dynamokeys.ErrMissing}},
		{answer{"ResourceNotFoundException", 400}, []error{vault.ErrUnavailable, dynamokeys.ErrMissing}, []error{dynamokeys.ErrDenied}},
		{answer{"UnrecognizedClientException", 400}, []error{vault.ErrUnavailable, dynamokeys.ErrDenied}, []error{dynamokeys.ErrMissing}},
		{answer{"ValidationException", 400}, nil, []error{vault.ErrUnavailable, vault.ErrUnknown}},
	} {
		now.Store(c.answer)
		for name, call := range calls(s, r) {
			asked.Store(0)
			err := call(t.Context())
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("%s, DynamoDB answers %s: %v, want %v", name, c.answer.code, err, want)
				}
			}
			for _, not := range c.not {
				if err == nil || errors.Is(err, not) {
					t.Errorf("%s, DynamoDB answers %s: %v, want no %v", name, c.answer.code, err, not)
				}
			}
			if text := fmt.Sprint(err); !strings.Contains(text, c.answer.code) || c.answer.code != "UnrecognizedClientException" && mentions(text, r) {
				t.Errorf("%s: error %q", name, text)
			}
			if asked.Load() != 1 {
				t.Errorf("%s, DynamoDB answers %s: asked %d times, want once: nothing is retried", name, c.answer.code, asked.Load())
			}
		}
	}
}

// mentions tells whether a text has part of a record in it.
func mentions(text string, r vault.Record) bool {
	return strings.Contains(text, hex.EncodeToString(r.Handle[:])) || strings.Contains(text, hex.EncodeToString(r.Token[:])) ||
		strings.Contains(text, "customer/") || strings.Contains(text, "token/")
}

// halves leaves half of the keys out of every batch.
func halves(t *testing.T, r *rig, asked *atomic.Int64) func(w http.ResponseWriter, req *http.Request, body []byte) bool {
	return func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		type keys struct {
			Keys           []json.RawMessage
			ConsistentRead bool
		}
		var in struct{ RequestItems map[string]keys }
		if err := json.Unmarshal(body, &in); err != nil || actionOf(req) != "BatchGetItem" {
			t.Errorf("%s: %v", actionOf(req), err)
		}
		if !in.RequestItems[r.table].ConsistentRead {
			t.Error("a read that is not consistent")
		}
		asked.Add(1)
		all := in.RequestItems[r.table].Keys
		half := (len(all) + 1) / 2
		first, err := json.Marshal(map[string]any{"RequestItems": map[string]keys{r.table: {all[:half], true}}})
		if err != nil {
			t.Error(err)
		}
		var out map[string]any
		if err := json.Unmarshal(r.pass(t, req, first).Body.Bytes(), &out); err != nil {
			t.Error(err)
		}
		if half < len(all) {
			out["UnprocessedKeys"] = map[string]keys{r.table: {all[half:], true}}
		}
		json.NewEncoder(w).Encode(out)
		return true
	}
}

// TestLeftOut: what DynamoDB leaves out of a batch is asked for again, and given up at some time.
func TestLeftOut(t *testing.T) {
	r := newRig(t)
	var offers []vault.Record
	var handles []vault.Handle
	for n := range 20 {
		offers = append(offers, record(n))
		handles = append(handles, offers[n].Handle)
	}
	if _, err := r.Create(t.Context(), offers); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	r.on(halves(t, r, &asked))
	found, err := r.Find(t.Context(), handles)
	if err != nil || asked.Load() != 5 { // 20, 10, 5, 2, 1
		t.Errorf("find: %v, asked %d times", err, asked.Load())
	}
	for n := range found {
		if found[n].Token != offers[n].Token {
			t.Errorf("customer %d came back as somebody else", n)
		}
	}

	r.on(func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
		var in map[string]any
		if err := json.Unmarshal(body, &in); err != nil {
			t.Error(err)
		}
		json.NewEncoder(w).Encode(map[string]any{"Responses": map[string]any{}, "UnprocessedKeys": in["RequestItems"]})
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Find(ctx, handles); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("find of a caller who gives up: %v", err)
	}
	if _, err := r.Find(t.Context(), handles); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("find with everything left out: %v, want ErrUnavailable", err)
	}
}

// canceled answers that a transaction was canceled for the reasons.
func canceled(w http.ResponseWriter, reasons ...string) {
	var list []map[string]string
	for _, r := range reasons {
		list = append(list, map[string]string{"Code": r})
	}
	w.WriteHeader(http.StatusBadRequest)
	json.NewEncoder(w).Encode(map[string]any{"__type": "TransactionCanceledException", "CancellationReasons": list})
}

// TestConflicts: who loses against another transaction tries again, a few times.
func TestConflicts(t *testing.T) {
	r := newRig(t)
	a := record(1)
	lost := func(times int64) {
		var n atomic.Int64
		r.on(func(w http.ResponseWriter, req *http.Request, _ []byte) bool {
			switch action := actionOf(req); {
			case action != "PutItem" && action != "TransactWriteItems" || n.Add(1) > times:
				return false
			case action == "PutItem":
				cloudtest.Refuse(w, http.StatusBadRequest, "TransactionConflictException")
			default:
				canceled(w, "None", "TransactionConflict")
			}
			return true
		})
	}
	lost(3)
	if kept, err := r.Create(t.Context(), []vault.Record{a}); err != nil || kept[0].Token != a.Token {
		t.Errorf("create after three conflicts: %v", err)
	}
	lost(3)
	if stone, err := r.Shred(t.Context(), a.Handle, time.Now()); err != nil || stone.Seq != 1 {
		t.Errorf("shred after three conflicts: %v, %v", stone, err)
	}
	lost(1 << 30)
	b := record(2)
	if _, err := r.Create(t.Context(), []vault.Record{b}); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("create with nothing but conflicts: %v, want ErrUnavailable", err)
	}
	for reason, unavailable := range map[string]bool{"ThrottlingError": true, "ProvisionedThroughputExceeded": true, "ValidationError": false} {
		lost(0)
		c := record(3)
		if _, err := r.Create(t.Context(), []vault.Record{c}); err != nil {
			t.Fatal(err)
		}
		r.on(func(w http.ResponseWriter, req *http.Request, _ []byte) bool {
			if actionOf(req) != "TransactWriteItems" {
				return false
			}
			canceled(w, reason)
			return true
		})
		if _, err := r.Shred(t.Context(), c.Handle, time.Now()); err == nil || errors.Is(err, vault.ErrUnavailable) != unavailable {
			t.Errorf("shred, DynamoDB cancels for %s: %v, unavailable %v", reason, err, unavailable)
		}
	}
}

// TestUnknownFate: a write that was done, but whose answer was lost, is repeated without harm.
func TestUnknownFate(t *testing.T) {
	r := newRig(t)
	var left atomic.Int64
	r.on(func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		if action := actionOf(req); action != "PutItem" && action != "TransactWriteItems" || left.Add(-1) != 0 {
			return false
		}
		if done := r.pass(t, req, body); done.Code != http.StatusOK {
			t.Errorf("%s: %d", actionOf(req), done.Code)
		}
		cloudtest.Refuse(w, http.StatusInternalServerError, "InternalServerError")
		return true
	})
	a := record(1)
	for write := int64(1); write <= 2; write++ { // the token's, then the customer's
		left.Store(write)
		if _, err := r.Create(t.Context(), []vault.Record{a}); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("create with answer %d lost: %v, want ErrUnavailable", write, err)
		}
		_, err := r.ByToken(t.Context(), a.Token)
		if write == 1 && !errors.Is(err, vault.ErrUnknown) || write == 2 && err != nil {
			t.Errorf("by token after write %d: %v", write, err)
		}
	}
	if kept, err := r.Create(t.Context(), []vault.Record{a}); err != nil || !slices.Equal(kept[0].Wrapped, a.Wrapped) {
		t.Errorf("create again: %v, %v", kept, err)
	}
	left.Store(1)
	if _, err := r.Shred(t.Context(), a.Handle, time.Now()); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("shred with its answer lost: %v, want ErrUnavailable", err)
	}
	stone, err := r.Shred(t.Context(), a.Handle, time.Now().Add(time.Hour))
	all, errAll := r.Tombstones(t.Context(), 0, 10)
	if err != nil || errAll != nil || len(all) != 1 || all[0] != stone {
		t.Errorf("shred again: %v, %v; tombstones %v, %v", stone, err, all, errAll)
	}
}

// TestNetwork: silence, refusal and connections that died.
func TestNetwork(t *testing.T) {
	front := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	table := createTable(t, load(t, front))
	proxy := testenv.Proxy(t, strings.TrimPrefix(front, "http://"))
	cfg := load(t, "http://"+proxy.Addr(), func(o *cloud.Options) { o.Timeout, o.Reconnect = 1500*time.Millisecond, true })
	s := dynamokeys.New(cfg, table, unlucky)
	r := record(1)
	if _, err := s.Create(t.Context(), []vault.Record{r}); err != nil {
		t.Fatal(err)
	}
	find := func() error { _, err := s.Find(t.Context(), []vault.Handle{r.Handle}); return err }
	proxy.Cut() // as after a function was frozen
	if err := find(); err != nil {
		t.Errorf("find over connections that died: %v", err)
	}
	proxy.Blackhole(true)
	if err := find(); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("find in silence: %v, want ErrUnavailable", err)
	}
	proxy.Blackhole(false)
	proxy.Refuse(true)
	proxy.Cut()
	for name, call := range calls(s, r) {
		if err := call(t.Context()); !errors.Is(err, vault.ErrUnavailable) || errors.Is(err, dynamokeys.ErrDenied) || mentions(err.Error(), r) {
			t.Errorf("%s with nobody there: %v, want ErrUnavailable", name, err)
		}
	}
	proxy.Refuse(false)
	if err := find(); err != nil {
		t.Errorf("find afterward: %v", err)
	}
}
