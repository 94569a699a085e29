package lambdatest

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// runtimeAPI is what a process talks to: the Runtime API, and of the Extensions API what asks for SIGTERM.
type runtimeAPI struct {
	server *http.Server
	asked  chan struct{}    // closed when the process first asks for an event
	next   chan *invocation // from invoke to the process
	ending chan struct{}    // closed when the environment is closed

	mu       sync.Mutex
	once     bool
	current  *invocation
	initFail []byte
	term     bool
}

// invocation is an event on its way.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	done     chan answer
}

func newRuntimeAPI() *runtimeAPI {
	a := &runtimeAPI{asked: make(chan struct{}), next: make(chan *invocation), ending: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { a.serveDone(w, r, false) })
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { a.serveDone(w, r, true) })
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", a.serveInitError)
	mux.HandleFunc("POST /2020-01-01/extension/register", a.serveRegister)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", a.serveExtension)
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return a
}

func (a *runtimeAPI) serve(l net.Listener) { _ = a.server.Serve(l) } // until close

func (a *runtimeAPI) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.ending:
	default:
		close(a.ending)
	}
	_ = a.server.Close()
}

// serveNext blocks until there is an event.
func (a *runtimeAPI) serveNext(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	if !a.once {
		a.once = true
		close(a.asked)
	}
	a.mu.Unlock()
	var i *invocation
	select {
	case i = <-a.next:
	case <-a.ending:
		return
	case <-r.Context().Done():
		return
	}
	a.mu.Lock()
	a.current = i
	a.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:test")
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
	_, _ = w.Write(i.event) // a process that died is noticed by its end
}

// serveDone takes what the process makes of the event.
func (a *runtimeAPI) serveDone(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload+1))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	i := a.current
	if i == nil || i.id != r.PathValue("id") {
		a.mu.Unlock()
		http.Error(w, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
		return
	}
	a.current = nil
	a.mu.Unlock()
	if len(body) > MaxPayload {
		i.done <- problem("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291456 bytes).")
		http.Error(w, `{"errorType":"RequestEntityTooLarge"}`, http.StatusRequestEntityTooLarge)
		return
	}
	i.done <- answer{body: body, failed: failed}
	accept(w)
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func (a *runtimeAPI) serveInitError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.initFail = body
	a.mu.Unlock()
	accept(w)
}

func (a *runtimeAPI) initError() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.initFail
}

// serveRegister lets the process be an extension of itself, which is how it asks for SIGTERM.
func (a *runtimeAPI) serveRegister(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	a.term = true
	a.mu.Unlock()
	w.Header().Set("Lambda-Extension-Identifier", "00000000-0000-4000-8000-000000000000")
	_, _ = io.WriteString(w, `{"functionName":"test","functionVersion":"$LATEST"}`)
}

// serveExtension never has an event.
func (a *runtimeAPI) serveExtension(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-a.ending:
	case <-r.Context().Done():
	}
}

func (a *runtimeAPI) wantsTerm() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.term
}
