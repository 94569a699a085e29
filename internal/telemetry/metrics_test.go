package telemetry

import (
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d", w.Code)
	}
	return w.Body.String()
}

// exercise calls every method once.
func exercise(m *Metrics) {
	m.Requested("/v1/decisions/{id}", "GET", 200, 3*time.Millisecond)
	m.InFlight("sync", 2)
	m.InFlight("sync", -1)
	m.RateLimited()
	m.Overloaded("async")
	m.Refused("invalid_document")
	m.Panicked()
	m.Decided("approve", "sync", 12*time.Microsecond)
	m.RuleFailed("card_testing")
	m.DeadLettered("id_conflict")
	m.Labeled("fraud", "chargeback")
	m.Lag(3, 120, 2*time.Second)
	m.Committed(500, 4*time.Millisecond)
	m.Retried("store")
	m.Windows(1<<20, 100, 2000)
	m.Drift(map[string]float64{"customer.amount_z": 0.125})
	m.Stream(3, 4)
}

func TestMetricsAreServed(t *testing.T) {
	m := NewMetrics()
	exercise(m)
	body := scrape(t, m)
	for _, want := range []string{
		`fastshop_http_requests_total{method="GET",route="/v1/decisions/{id}",status="200"} 1`,
		`fastshop_http_request_seconds_bucket{route="/v1/decisions/{id}",le="0.005"} 1`,
		`fastshop_http_in_flight{class="sync"} 1`,
		`fastshop_rate_limited_total 1`,
		`fastshop_overloaded_total{class="async"} 1`,
		`fastshop_refusals_total{code="invalid_document"} 1`,
		`fastshop_panics_total 1`,
		`fastshop_decisions_total{outcome="approve",path="sync"} 1`,
		`fastshop_decide_seconds_count{path="sync"} 1`,
		`fastshop_rule_failures_total{rule="card_testing"} 1`,
		`fastshop_dead_letters_total{reason="id_conflict"} 1`,
		`fastshop_labels_total{source="chargeback",verdict="fraud"} 1`,
		`fastshop_stream_lag_records{partition="3"} 120`,
		`fastshop_stream_lag_seconds{partition="3"} 2`,
		`fastshop_batch_records_sum 500`,
		`fastshop_commit_seconds_count 1`,
		`fastshop_retries_total{class="store"} 1`,
		`fastshop_windows_bytes 1.048576e+06`,
		`fastshop_model_drift_psi{variable="customer.amount_z"} 0.125`,
		`fastshop_windows_entities 100`,
		`fastshop_windows_events 2000`,
		`fastshop_stream_bytes{of="held"} 3`,
		`fastshop_stream_bytes{of="room"} 4`,
		"go_goroutines",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("want %s", want)
		}
	}
}

func TestNilMetricsCountNothing(t *testing.T) {
	exercise(nil)
	w := httptest.NewRecorder()
	(*Metrics)(nil).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 404 {
		t.Errorf("status %d", w.Code)
	}
}

// TestEveryMethodIsExercised keeps exercise, and with it the test of nil, complete.
func TestEveryMethodIsExercised(t *testing.T) {
	want := map[string]bool{
		"Handler": true, "Requested": true, "InFlight": true, "RateLimited": true, "Overloaded": true, "Refused": true,
		"Panicked": true, "Decided": true, "RuleFailed": true, "DeadLettered": true, "Labeled": true, "Lag": true,
		"Committed": true, "Retried": true, "Windows": true, "Stream": true, "Drift": true,
	}
	typ := reflect.TypeFor[*Metrics]()
	for i := range typ.NumMethod() {
		if !want[typ.Method(i).Name] {
			t.Errorf("method %s is not exercised", typ.Method(i).Name)
		}
	}
}

func TestInstancesAreApart(t *testing.T) {
	a, b := NewMetrics(), NewMetrics()
	a.RateLimited()
	if !strings.Contains(scrape(t, b), "fastshop_rate_limited_total 0") {
		t.Error("one instance counts in another")
	}
}

func TestLabelsHoldNamesOnly(t *testing.T) {
	m := NewMetrics()
	for _, canary := range append([]string{
		"AQIDBAUGBwgJCgsMDQ4PEBE", "550e8400-e29b-41d4-a716-446655440000", "Maria da Silva", "", strings.Repeat("x", 65), "a\nb",
	}, canaries...) {
		m.Refused(canary)
		m.RuleFailed(canary)
		m.Requested(canary, canary, 200, 0)
		if body := scrape(t, m); canary != "" && strings.Contains(body, canary) {
			t.Errorf("%q became a label", canary)
		}
	}
	if !strings.Contains(scrape(t, m), `fastshop_refusals_total{code="other"}`) {
		t.Error("refused values are not counted as other")
	}
}

func TestLabelValuesAreBounded(t *testing.T) {
	m := NewMetrics()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range MaxLabelValues {
				m.RuleFailed(fmt.Sprintf("rule_%d_%d", g, i))
				m.RuleFailed("rule_0_0")
			}
		})
	}
	wg.Wait()
	if n := strings.Count(scrape(t, m), "fastshop_rule_failures_total{"); n > MaxLabelValues+1 {
		t.Errorf("%d series", n)
	}
}

func BenchmarkDecided(b *testing.B) {
	m := NewMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.Decided("approve", "async", 9*time.Microsecond)
	}
}
