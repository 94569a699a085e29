package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
)

// instant are ports that cost nothing, so that the benchmarks show this package alone.
type instant struct{ *shop }

func (instant) Accept(_ context.Context, subs []*ingest.Submission) ([]ingest.Acceptance, error) {
	out := make([]ingest.Acceptance, len(subs))
	for i := range out {
		out[i] = ingest.Accepted
	}
	return out, nil
}

func (instant) Seal(_ context.Context, subs []*ingest.Submission) ([]payment.Transaction, error) {
	return []payment.Transaction{{ID: subs[0].ID}}, nil
}

func (instant) Decide(_ context.Context, t payment.Transaction) (decision.Decision, error) {
	return decision.Decision{TransactionID: t.ID, Outcome: decision.Approve, RuleSet: "default-1f0c2a9b", Policy: "default-77aa01c4", DecidedAt: noon}, nil
}

func benchHarness(b *testing.B) *harness {
	return newHarness(b, ScopeRead, func(c *Config) {
		c.Limits.Rate, c.Limits.Burst = 1e9, 1e9
		c.Intake, c.Decider = instant{}, instant{}
	})
}

// discardWriter is a client that costs nothing.
type discardWriter struct{ header http.Header }

func (w discardWriter) Header() http.Header         { return w.header }
func (w discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w discardWriter) WriteHeader(int)             {}

func batchBody(lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, `{"id":"t-%d","occurred_at":"2026-03-01T12:29:58-03:00","amount":{"centavos":15990},"method":"card","channel":"web","customer":{"id":"c-%d","document":"111.444.777-35","email":"a%d@example.com"},"card":{"token":"tok_%d","bin":"411111","last4":"1111"},"device":{"id":"d-%d","ip":"203.0.113.9"},"merchant":{"id":"m-1","mcc":"5411"}}`+"\n", i, i%100, i, i%100, i%100)
	}
	return b.String()
}

// BenchmarkBatch is the batch endpoint; lines/s counts all of it. BenchmarkDecode is the part of it that ingest.Decode takes.
func BenchmarkBatch(b *testing.B) {
	const lines = 1000
	body := batchBody(lines)
	h := benchHarness(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := h.request("POST", "/v1/transactions:batch", strings.NewReader(body))
		h.ServeHTTP(discardWriter{http.Header{}}, r)
	}
	b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkDecode decodes the same lines without the endpoint.
func BenchmarkDecode(b *testing.B) {
	const lines = 1000
	items := strings.SplitAfter(batchBody(lines), "\n")[:lines]
	b.ReportAllocs()
	for b.Loop() {
		for _, line := range items {
			if _, err := ingest.Decode([]byte(line), noon); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkDecision is the synchronous endpoint.
func BenchmarkDecision(b *testing.B) {
	h := benchHarness(b)
	body := transaction("t-1", "100")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(discardWriter{http.Header{}}, h.request("POST", "/v1/decisions", strings.NewReader(body)))
	}
}

// BenchmarkAuthenticate is what every request pays for its key.
func BenchmarkAuthenticate(b *testing.B) {
	h := newHarness(b, ScopeRead)
	h.keyring.now = time.Now
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.keyring.Authenticate(h.key); err != nil {
			b.Fatal(err)
		}
	}
}

func TestBenchmarksMeasureSuccess(t *testing.T) {
	h := newHarness(t, ScopeRead, func(c *Config) { c.Intake, c.Decider = instant{}, instant{} })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, h.request("POST", "/v1/transactions:batch", strings.NewReader(batchBody(10))))
	if n := strings.Count(w.Body.String(), `"accepted"`); n != 10 {
		t.Errorf("%d of 10 accepted: %s", n, w.Body)
	}
	if w := h.do("POST", "/v1/decisions", transaction("t-1", "100")); w.Code != 200 {
		t.Errorf("decision: %d %s", w.Code, w.Body)
	}
}
