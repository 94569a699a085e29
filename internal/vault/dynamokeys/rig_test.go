package dynamokeys_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/vault/dynamokeys"
)

// rig is a store over the emulator, whose requests pass by watch.
type rig struct {
	*dynamokeys.Store
	table string
	api   *dynamodb.Client // past watch
	front string
	watch atomic.Pointer[func(w http.ResponseWriter, r *http.Request, body []byte) bool]
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{front: cloudtest.Front(t, testenv.SharedMoto(t).URL())}
	cfg := load(t, r.front)
	r.api, r.table = dynamodb.NewFromConfig(cfg), createTable(t, cfg)
	url := testenv.Intercept(t, r.front, func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		f := r.watch.Load()
		return f != nil && (*f)(w, req, body)
	})
	r.Store = dynamokeys.New(load(t, url), r.table, unlucky)
	return r
}

func (r *rig) on(f func(w http.ResponseWriter, req *http.Request, body []byte) bool) {
	r.watch.Store(&f)
}

// pass has the emulator answer, and returns what it answered.
func (r *rig) pass(t *testing.T, req *http.Request, body []byte) *httptest.ResponseRecorder {
	out, err := http.NewRequest(req.Method, r.front+req.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return httptest.NewRecorder()
	}
	out.Header = req.Header
	answer, err := http.DefaultClient.Do(out)
	if err != nil {
		t.Error(err)
		return httptest.NewRecorder()
	}
	defer answer.Body.Close()
	w := httptest.NewRecorder()
	w.Code = answer.StatusCode
	io.Copy(w, answer.Body)
	return w
}
