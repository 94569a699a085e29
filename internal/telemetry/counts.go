package telemetry

import (
	"strconv"
	"time"
)

// InFlight moves the number of requests of a class ("sync", "async") that are being handled by delta.
func (m *Metrics) InFlight(class string, delta int) {
	if m != nil {
		m.inFlight.WithLabelValues(m.names.name("class", class)).Add(float64(delta))
	}
}

// RateLimited counts a request that was refused because its key was over its rate (429).
func (m *Metrics) RateLimited() {
	if m != nil {
		m.rateLimited.Inc()
	}
}

// Overloaded counts a request that was refused because its class was full (503).
func (m *Metrics) Overloaded(class string) {
	if m != nil {
		m.overloaded.WithLabelValues(m.names.name("class", class)).Inc()
	}
}

// Refused counts a refusal by the code of its problem or fault, such as "invalid_document".
func (m *Metrics) Refused(code string) {
	if m != nil {
		m.refused.WithLabelValues(m.names.name("code", code)).Inc()
	}
}

// Panicked counts a recovered panic.
func (m *Metrics) Panicked() {
	if m != nil {
		m.panics.Inc()
	}
}

// Decided counts a decision by outcome and path ("sync", "async"); took is the engine's time.
func (m *Metrics) Decided(outcome, path string, took time.Duration) {
	if m == nil {
		return
	}
	path = m.names.name("path", path)
	m.decisions.WithLabelValues(m.names.name("outcome", outcome), path).Inc()
	m.deciding.WithLabelValues(path).Observe(took.Seconds())
}

// RuleFailed counts a rule that failed at run time and was skipped.
func (m *Metrics) RuleFailed(rule string) {
	if m != nil {
		m.ruleFailed.WithLabelValues(m.names.name("rule", rule)).Inc()
	}
}

// DeadLettered counts a record that was put aside.
func (m *Metrics) DeadLettered(reason string) {
	if m != nil {
		m.deadLetters.WithLabelValues(m.names.name("reason", reason)).Inc()
	}
}

// Labeled counts a stored label.
func (m *Metrics) Labeled(verdict, source string) {
	if m != nil {
		m.labels.WithLabelValues(m.names.name("verdict", verdict), m.names.name("source", source)).Inc()
	}
}

// Lag sets how far the pipeline is behind in a partition: records not yet committed, and the age of the oldest of them.
func (m *Metrics) Lag(partition int, records int64, age time.Duration) {
	if m == nil {
		return
	}
	p := m.names.name("partition", strconv.Itoa(partition))
	m.lagRecords.WithLabelValues(p).Set(float64(records))
	m.lagSeconds.WithLabelValues(p).Set(age.Seconds())
}

// Committed counts a commit of the pipeline: the size of its batch and the time of the store.
func (m *Metrics) Committed(records int, took time.Duration) {
	if m == nil {
		return
	}
	m.batchSize.Observe(float64(records))
	m.commit.Observe(took.Seconds())
}

// Retried counts a batch that is tried again, by what failed ("read", "store").
func (m *Metrics) Retried(class string) {
	if m != nil {
		m.retries.WithLabelValues(m.names.name("class", class)).Inc()
	}
}

// Windows sets the size of the velocity windows: memory in bytes, entities, and events in all of them.
func (m *Metrics) Windows(bytes, entities, events int64) {
	if m == nil {
		return
	}
	m.windowBytes.Set(float64(bytes))
	m.windowEntities.Set(float64(entities))
	m.windowEvents.Set(float64(events))
}

// Drift sets the population stability index of variables of the learned model; see package model.
func (m *Metrics) Drift(psi map[string]float64) {
	if m == nil {
		return
	}
	for variable, v := range psi {
		m.drift.WithLabelValues(m.names.name("variable", variable)).Set(v)
	}
}

// Stream sets how many bytes the stream holds and how many it may hold.
func (m *Metrics) Stream(held, room int64) {
	if m == nil {
		return
	}
	m.streamBytes.WithLabelValues("held").Set(float64(held))
	m.streamBytes.WithLabelValues("room").Set(float64(room))
}
