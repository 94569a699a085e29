package telemetry

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MaxLabelValues is how many values a label may take; later ones count as "other".
const MaxLabelValues = 200

// Metrics counts what the program does, for Prometheus. A nil *Metrics counts
// nothing and may be used like any other; all methods may be called at once.
//
// Times are observed in seconds, as Prometheus wants them; sizes in their own unit.
type Metrics struct {
	registry *prometheus.Registry
	names    closedSet

	requests    *prometheus.CounterVec
	latency     *prometheus.HistogramVec
	inFlight    *prometheus.GaugeVec
	rateLimited prometheus.Counter
	overloaded  *prometheus.CounterVec
	refused     *prometheus.CounterVec
	panics      prometheus.Counter

	decisions   *prometheus.CounterVec
	deciding    *prometheus.HistogramVec
	ruleFailed  *prometheus.CounterVec
	deadLetters *prometheus.CounterVec
	labels      *prometheus.CounterVec

	lagRecords *prometheus.GaugeVec
	lagSeconds *prometheus.GaugeVec
	batchSize  prometheus.Histogram
	commit     prometheus.Histogram
	retries    *prometheus.CounterVec

	streamBytes *prometheus.GaugeVec

	drift *prometheus.GaugeVec

	windowBytes    prometheus.Gauge
	windowEntities prometheus.Gauge
	windowEvents   prometheus.Gauge
}

// Buckets of the histograms. Requests and commits share theirs, so that the two can be laid over each other.
var (
	requestSeconds = []float64{.0005, .001, .0025, .005, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	engineSeconds  = []float64{2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, .1}
	batchRecords   = []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000}
)

// NewMetrics returns metrics with a registry of their own, which also holds those of the Go runtime and the process.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), names: closedSet{seen: map[string]map[string]struct{}{}}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	m.requests = m.counters("http_requests_total", "HTTP requests answered.", "route", "method", "status")
	m.latency = m.histograms("http_request_seconds", "Time from the first byte read to the last written.", requestSeconds, "route")
	m.inFlight = m.gauges("http_in_flight", "HTTP requests being handled.", "class")
	m.rateLimited = m.counter("rate_limited_total", "Requests refused because their API key was over its rate.")
	m.overloaded = m.counters("overloaded_total", "Requests refused because the program was full.", "class")
	m.refused = m.counters("refusals_total", "Submissions refused by validation, and other problems, by code.", "code")
	m.panics = m.counter("panics_total", "Panics that were recovered while a request was handled.")

	m.decisions = m.counters("decisions_total", "Transactions decided.", "outcome", "path")
	m.deciding = m.histograms("decide_seconds", "Time of the engine for one transaction.", engineSeconds, "path")
	m.ruleFailed = m.counters("rule_failures_total", "Times that a rule failed at run time and was skipped.", "rule")
	m.deadLetters = m.counters("dead_letters_total", "Records put aside.", "reason")
	m.labels = m.counters("labels_total", "Labels stored.", "verdict", "source")

	m.drift = m.gauges("model_drift_psi", "Population stability index of what the learned model read in the last day against its training: below 0.1 nothing has changed, from 0.25 on it is another world.", "variable")
	m.lagRecords = m.gauges("stream_lag_records", "Records appended but not yet committed.", "partition")
	m.lagSeconds = m.gauges("stream_lag_seconds", "Age of the oldest record not yet committed; 0 if there is none.", "partition")
	m.batchSize = m.histogram("batch_records", "Records in a batch of the pipeline.", batchRecords)
	m.commit = m.histogram("commit_seconds", "Time that a batch or a verdict waited for its commit.", requestSeconds)
	m.retries = m.counters("retries_total", "Batches tried again, by what failed.", "class")
	m.streamBytes = m.gauges("stream_bytes", "Bytes that the stream holds, and may hold.", "of")

	m.windowBytes = m.gauge("windows_bytes", "Memory of the velocity windows.")
	m.windowEntities = m.gauge("windows_entities", "Entities with velocity windows.")
	m.windowEvents = m.gauge("windows_events", "Events in the velocity windows.")
	return m
}

// Handler serves the metrics in the Prometheus text format. It belongs on a listener that only operators reach.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

const namespace = "fastshop"

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// closedSet keeps label values to a bounded set of names.
type closedSet struct {
	mu   sync.RWMutex
	seen map[string]map[string]struct{} // by label
}

// Other stands for every label value that is not a name, or is one too many.
const Other = "other"

// name returns value if it may be a value of the label, else Other.
func (s *closedSet) name(label, value string) string {
	s.mu.RLock()
	_, known := s.seen[label][value]
	s.mu.RUnlock()
	if known {
		return value
	}
	if !labelValue(value) || redact(value) != value {
		return Other
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	values := s.seen[label]
	if values == nil {
		values = map[string]struct{}{}
		s.seen[label] = values
	}
	if _, known := values[value]; !known && len(values) >= MaxLabelValues {
		return Other
	}
	values[value] = struct{}{}
	return value
}

// labelValue accepts names and route patterns: short, of few characters, all upper
// or all lower case, with few digits. A token or a random id meets neither of the last two.
func labelValue(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	upper, lower, digits := false, false, 0
	for i := range len(s) {
		c := s[i]
		upper = upper || c >= 'A' && c <= 'Z'
		lower = lower || c >= 'a' && c <= 'z'
		if digit(c) {
			digits++
		}
		switch {
		case letter(c), digit(c), c == '_', c == '-', c == '.', c == '/', c == ':', c == '{', c == '}':
		default:
			return false
		}
	}
	return (!upper || !lower) && digits <= 6
}

// Requested counts an answered request. Route is the pattern ("/v1/decisions/{id}"), never the path.
func (m *Metrics) Requested(route, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	route = m.names.name("route", route)
	m.requests.WithLabelValues(route, m.names.name("method", method), strconv.Itoa(status)).Inc()
	m.latency.WithLabelValues(route).Observe(took.Seconds())
}
