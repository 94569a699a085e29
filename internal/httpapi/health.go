package httpapi

import (
	"context"
	_ "embed" // the contract is part of the program
	"net/http"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/telemetry"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the contract of the API, as it is served at /openapi.yaml.
func OpenAPI() []byte { return append([]byte(nil), openAPI...) }

func (a *api) getOpenAPI(c call) error {
	writeBody(c.w, http.StatusOK, mediaYAML, openAPI)
	return nil
}

// getProblem describes a type of problem; the type member of a problem document leads here.
func (a *api) getProblem(c call) error {
	page, ok := a.problems[c.r.PathValue("code")]
	if !ok {
		return newProblem("not-found", "There is no such problem.")
	}
	writeBody(c.w, http.StatusOK, mediaJSON, page)
	return nil
}

// getHealth says that the process runs and answers; it asks nothing else, so that a store that is down does not get
// the process restarted.
func (a *api) getHealth(c call) error {
	writeBody(c.w, http.StatusOK, mediaJSON, []byte("{\"status\":\"alive\"}\n"))
	return nil
}

// CheckResult is the state of one part.
type CheckResult struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ready or failing
}

// checkTime is how long all checks together may take.
const checkTime = 2 * time.Second

// readiness is the last answer of the checks. It holds for a second, because anyone may ask and a check can be costly.
type readiness struct {
	mu      sync.Mutex
	at      time.Time
	results []CheckResult
	ready   bool
}

const readinessHolds = time.Second

// checked returns the results of all checks, which the caller must not change, and whether all passed.
func (a *api) checked(ctx context.Context) ([]CheckResult, bool) {
	r := &a.readiness
	r.mu.Lock()
	defer r.mu.Unlock()
	now := a.Now()
	if age := now.Sub(r.at); r.results != nil && age >= 0 && age < readinessHolds {
		return r.results, r.ready
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTime) // the answer is for others too
	defer cancel()
	results, ready := make([]CheckResult, len(a.Checks)), true
	for i, check := range a.Checks {
		results[i] = CheckResult{check.Name, "ready"}
		if err := check.Ready(ctx); err != nil {
			ready = false
			results[i].Status = "failing"
			a.Logger.WarnContext(ctx, "not ready", "check", check.Name, "error", err)
		}
	}
	r.at, r.results, r.ready = now, results, ready
	return results, ready
}

// getReady says whether every check passes, and which do not.
func (a *api) getReady(c call) error {
	results, ready := a.checked(c.r.Context())
	if !ready {
		p := newProblem("not-ready", "")
		p.Checks = results
		return p
	}
	writeJSON(c.w, http.StatusOK, mediaJSON, struct {
		Status string        `json:"status"`
		Checks []CheckResult `json:"checks"`
	}{"ready", results})
	return nil
}

// MetricsHandler serves /metrics, and /healthz for whoever watches. It asks for no key: it belongs on a listener of its own, on
// loopback or a network that only operators reach.
func MetricsHandler(m *telemetry.Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeBody(w, http.StatusOK, mediaJSON, []byte("{\"status\":\"alive\"}\n"))
	})
	return mux
}
