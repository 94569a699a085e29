package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// class is how a request competes for room: each class has a bound of its own.
type class string

const (
	classSync  class = "sync"
	classAsync class = "async"
	classBatch class = "batch"
	classDesk  class = "desk"
	classOpen  class = "" // without a key: health and documentation; cheap and unbounded
)

// call is one request on its way through an endpoint.
type call struct {
	w   http.ResponseWriter
	r   *http.Request
	id  string // of the request
	key Key    // whose request it is; zero for an open route
}

// endpoint answers a call, or returns an error and has not written anything.
type endpoint func(c call) error

// route is an operation of the API.
type route struct {
	method   string
	path     string // pattern of net/http.ServeMux, and path in openapi.yaml
	scope    Scope  // that the key must have; "" for an open route
	class    class
	takes    string // media type of the request body, "" if there is none
	gives    string // media type of the answer
	endpoint endpoint
}

const (
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
	mediaYAML   = "application/yaml"
)

// routes is the whole API. A route that is not listed does not exist, and one without a scope is open to anyone.
func (a *api) routes() []route {
	return []route{
		{"POST", "/v1/transactions", ScopeIngest, classAsync, mediaJSON, mediaJSON, a.postTransaction},
		{"POST", "/v1/transactions:batch", ScopeIngest, classBatch, mediaNDJSON, mediaNDJSON, a.postBatch},
		{"POST", "/v1/decisions", ScopeDecide, classSync, mediaJSON, mediaJSON, a.postDecision},
		{"GET", "/v1/decisions/{id}", ScopeRead, classDesk, "", mediaJSON, a.getDecision},
		{"GET", "/v1/decisions/{id}/explanation", ScopeRead, classDesk, "", mediaJSON, a.getExplanation},
		{"POST", "/v1/labels", ScopeLabel, classDesk, mediaJSON, mediaJSON, a.postLabels},
		{"POST", "/v1/lists/{list}", ScopeLists, classDesk, mediaJSON, mediaJSON, a.postListEntry},
		{"GET", "/v1/lists/{list}", ScopeLists, classDesk, "", mediaJSON, a.getList},
		{"DELETE", "/v1/lists/{list}", ScopeLists, classDesk, mediaJSON, mediaJSON, a.deleteListEntry},
		{"GET", "/problems/{code}", "", classOpen, "", mediaJSON, a.getProblem},
		{"GET", "/openapi.yaml", "", classOpen, "", mediaYAML, a.getOpenAPI},
		{"GET", "/healthz", "", classOpen, "", mediaJSON, a.getHealth},
		{"GET", "/readyz", "", classOpen, "", mediaJSON, a.getReady},
	}
}

// resource is a path with its routes by method.
type resource struct {
	path    string
	methods map[string]route
	allow   string // for 405
}

// handler dispatches to the routes. Methods are dispatched here and not by ServeMux, whose own answers are no problem documents.
func (a *api) handler() http.Handler {
	resources := map[string]*resource{}
	for _, r := range a.routes() {
		res := resources[r.path]
		if res == nil {
			res = &resource{path: r.path, methods: map[string]route{}}
			resources[r.path] = res
		}
		res.methods[r.method] = r
		if r.method == http.MethodGet {
			res.methods[http.MethodHead] = r
		}
	}
	mux := http.NewServeMux()
	for path, res := range resources {
		allow := make([]string, 0, len(res.methods))
		for method := range res.methods {
			allow = append(allow, method)
		}
		slices.Sort(allow)
		res.allow = strings.Join(allow, ", ")
		mux.Handle(path, a.serve(res))
	}
	nowhere := a.serve(nil)
	mux.Handle("/", nowhere)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if untidy(r.URL.Path) || r.URL.Path == "*" || r.Method == http.MethodConnect {
			nowhere.ServeHTTP(w, r) // ServeMux would redirect, and repeat the path in its page
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// untidy reports whether ServeMux would redirect the path.
func untidy(path string) bool {
	return !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.Contains(path, "/.")
}
