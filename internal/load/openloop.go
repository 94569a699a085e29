package load

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies is a histogram of how long something took, from 1 µs to a minute with three significant digits. It is safe
// for concurrent use.
type Latencies struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

// NewLatencies makes an empty histogram.
func NewLatencies() *Latencies {
	return &Latencies{h: hdrhistogram.New(1, time.Minute.Microseconds(), 3)}
}

// Add counts one duration; what lies beyond the ends counts as the end.
func (l *Latencies) Add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.h.RecordValue(min(max(d.Microseconds(), 1), time.Minute.Microseconds()))
}

// Percentiles are in milliseconds.
type Percentiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	N    int64   `json:"n"`
}

// Percentiles reads the histogram.
func (l *Latencies) Percentiles() Percentiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := func(q float64) float64 { return float64(l.h.ValueAtQuantile(q)) / 1000 }
	return Percentiles{P50: at(50), P99: at(99), P999: at(99.9), Max: float64(l.h.Max()) / 1000, N: l.h.TotalCount()}
}

// OpenLoop calls f(i, due) for i from 0 to n-1 at a fixed rate a second, each in its own goroutine and at its own time,
// whether or not earlier calls are done, and returns when all are. The caller bounds what f may use. It stops starting
// calls when ctx ends.
func OpenLoop(ctx context.Context, rate float64, n int, f func(i int, due time.Time)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	start := time.Now()
	for i := range n {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
		if ctx.Err() != nil {
			return
		}
		wg.Go(func() { f(i, due) })
	}
}
