package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

func contract(t testing.TB) *openapi3.T {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(loader.Context, openapi3.DisableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	// The library has no decoder for NDJSON; each line is checked by checkLines.
	if openapi3filter.RegisteredBodyDecoder(mediaNDJSON) == nil {
		openapi3filter.RegisterBodyDecoder(mediaNDJSON, func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			data, err := io.ReadAll(body)
			return string(data), err
		})
	}
	return doc
}

// malformedRequest are the statuses of requests that break the contract themselves.
var malformedRequest = []int{400, 401, 403, 404, 406, 408, 413, 415, 422}

// TestContract drives every route and every status both ways.
func TestContract(t *testing.T) {
	doc := contract(t)
	a := &api{}
	covered := map[string]bool{}
	for _, e := range exchanges(a) {
		name := fmt.Sprintf("%s %d", e.route, e.status)
		r, body, w := e.run(t)
		if w.Code != e.status {
			t.Errorf("%s: got %d: %.300s", name, w.Code, w.Body)
			continue
		}
		covered[name] = true
		checkExchange(t, doc, e, r, body, w)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				if name := method + " " + path + " " + status; !covered[name] {
					t.Errorf("the contract has %s, which no exchange has shown", name)
				}
			}
		}
	}
}

func checkExchange(t *testing.T, doc *openapi3.T, e exchange, r *http.Request, body string, w *httptest.ResponseRecorder) {
	t.Helper()
	method, pattern, _ := strings.Cut(e.route, " ")
	item := doc.Paths.Find(pattern)
	if item == nil || item.GetOperation(method) == nil {
		t.Errorf("%s: not in the contract", e.route)
		return
	}
	op := item.GetOperation(method)
	r = r.Clone(context.Background())
	r.Body = io.NopCloser(strings.NewReader(body))
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: pathParams(pattern, r.URL.Path), QueryParams: r.URL.Query(),
		Route:   &routers.Route{Spec: doc, Path: pattern, PathItem: item, Method: method, Operation: op},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true},
	}
	err := openapi3filter.ValidateRequest(context.Background(), input)
	if good := !slices.Contains(malformedRequest, e.status); good && err != nil && !strings.HasPrefix(body, "[") {
		t.Errorf("%s: the request breaks the contract: %v", e.route, err)
	}
	answer := w.Body.Bytes()
	output := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: w.Code, Header: w.Header(), Options: input.Options}
	output.SetBodyBytes(answer)
	if err := openapi3filter.ValidateResponse(context.Background(), output); err != nil {
		t.Errorf("%s %d: the answer breaks the contract: %v\n%s", e.route, w.Code, err, answer)
	}
	if w.Header().Get("Content-Type") == mediaNDJSON {
		checkLines(t, doc, answer)
	}
	if w.Code >= 400 {
		checkProblem(t, w)
	}
}

// checkLines checks every line of a batch's answer against the schema that the contract names for lines.
func checkLines(t *testing.T, doc *openapi3.T, answer []byte) {
	t.Helper()
	schema := doc.Components.Schemas["BatchLine"].Value
	for line := range bytes.Lines(answer) {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Errorf("line is not JSON: %s", line)
			continue
		}
		if err := schema.VisitJSON(v, openapi3.MultiErrors()); err != nil {
			t.Errorf("line breaks the contract: %v\n%s", err, line)
		}
	}
}

// checkProblem checks what the schema cannot say.
func checkProblem(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Errorf("not a problem document: %v: %.200s", err, w.Body)
		return
	}
	kind := kinds[strings.TrimPrefix(p.Type, "/problems/")]
	if kind.Status != w.Code || p.Status != w.Code || p.Title != kind.Title || p.Instance != w.Header().Get("X-Request-Id") {
		t.Errorf("problem %+v does not fit its type and status %d", p, w.Code)
	}
	if w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("content type %q", w.Header().Get("Content-Type"))
	}
	if w.Code == 429 || w.Code == 503 {
		if n, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
	}
}

func pathParams(pattern, path string) map[string]string {
	params := map[string]string{}
	parts := strings.Split(path, "/")
	for i, p := range strings.Split(pattern, "/") {
		if strings.HasPrefix(p, "{") {
			params[strings.Trim(p, "{}")] = parts[i]
		}
	}
	return params
}

// TestRoutesAndContractHaveTheSameOperations fails when either side has one that the other lacks, or when scopes or media types differ.
func TestRoutesAndContractHaveTheSameOperations(t *testing.T) {
	doc := contract(t)
	documented := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented[method+" "+path] = op
		}
	}
	for _, r := range (&api{}).routes() {
		name := r.method + " " + r.path
		op := documented[name]
		delete(documented, name)
		if op == nil {
			t.Errorf("%s is not in the contract", name)
			continue
		}
		scope, _ := op.Extensions["x-scope"].(string)
		if scope != string(r.scope) {
			t.Errorf("%s: scope %q, in the contract %q", name, r.scope, scope)
		}
		if open := op.Security != nil && len(*op.Security) == 0; open != (r.scope == "") {
			t.Errorf("%s: open %v in the contract", name, open)
		}
		if (op.RequestBody != nil) != (r.takes != "") || r.takes != "" && op.RequestBody.Value.Content.Get(r.takes) == nil {
			t.Errorf("%s: takes %q, unlike the contract", name, r.takes)
		}
		if _, ok := usual[name]; !ok {
			t.Errorf("%s has no plain request in this test", name)
		}
	}
	for name := range documented {
		t.Errorf("%s is in the contract only", name)
	}
}

func TestContractListsEveryProblem(t *testing.T) {
	var listed []string
	for _, v := range contract(t).Components.Schemas["ProblemUri"].Value.Enum {
		listed = append(listed, strings.TrimPrefix(v.(string), "/problems/"))
	}
	slices.Sort(listed)
	if got := ProblemCodes(); !slices.Equal(got, listed) {
		t.Errorf("problems %v, in the contract %v", got, listed)
	}
}

func TestEveryPathRefusesOtherMethods(t *testing.T) {
	h := newHarness(t, ScopeRead)
	for name, u := range usual {
		for _, method := range []string{"PUT", "PATCH", "OPTIONS", "TRACE"} {
			w := h.do(method, u.path, "")
			if w.Code != 405 || w.Header().Get("Allow") == "" {
				t.Errorf("%s %s: %d, Allow %q", method, name, w.Code, w.Header().Get("Allow"))
			}
			checkProblem(t, w)
		}
	}
	for _, path := range []string{"/", "/v1", "/v1/decisions/", "/v1/decisions/a/b", "/v2/x", "//v1/decisions", "/v1/./labels", "/v1/../v1/labels"} {
		if w := h.do("GET", path, ""); w.Code != 404 && w.Code != 405 {
			t.Errorf("%s: %d", path, w.Code)
		} else {
			checkProblem(t, w)
		}
	}
}
