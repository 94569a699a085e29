package lambda

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	runtime "github.com/aws/aws-lambda-go/lambda"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
)

// function is a handler as the runtime calls it: JSON in, JSON out.
type function struct{ handler runtime.Handler }

func inProcess(handler any) function { return function{runtime.NewHandler(handler)} }

func (f function) Invoke(ctx context.Context, payload any) ([]byte, string, error) {
	event, err := json.Marshal(payload)
	if err != nil {
		return nil, "", err
	}
	response, err := f.handler.Invoke(ctx, event)
	if err != nil {
		return []byte(err.Error()), "Unhandled", nil
	}
	return bytes.Clone(response), "", nil
}

// event is a request without anything special.
func event(t testing.TB, method, target string, header http.Header, body string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	e, err := lambdatest.HTTPRequest(method, target, header, []byte(body), "")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func call(t testing.TB, h http.HandlerFunc, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	r, err := HTTP(h, HTTPOptions{})(t.Context(), e)
	if err != nil {
		t.Fatalf("an endpoint never fails, but: %v", err)
	}
	return r
}

// documented is an event as the documentation of payload format 2.0 has it.
const documented = `{
  "version": "2.0", "routeKey": "ANY /v1/{proxy+}", "rawPath": "/v1/decisions/ação 1",
  "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=a%20b",
  "cookies": ["cookie1=1", "cookie2=2"],
  "headers": {"header1": "value1", "header2": "value1,value2", "host": "id.execute-api.us-east-1.amazonaws.com", "content-type": "application/json", "content-length": "16", "transfer-encoding": "chunked"},
  "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "a b"},
  "requestContext": {
    "accountId": "123456789012", "apiId": "api-id",
    "authorizer": {"iam": {"accessKey": "AKIA", "accountId": "111122223333", "callerId": "AROA:x", "cognitoIdentity": null, "principalOrgId": "o", "userArn": "arn:aws:sts::111122223333:assumed-role/checkout/session-1", "userId": "AROA:x"}},
    "domainName": "id.execute-api.us-east-1.amazonaws.com", "domainPrefix": "id",
    "http": {"method": "POST", "path": "/v1/decisions/ação 1", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "agent"},
    "requestId": "id", "routeKey": "$default", "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390
  },
  "body": "SGVsbG8gZnJvbSBMYW1iZGE=", "pathParameters": {"proxy": "decisions"}, "isBase64Encoded": true
}`

func TestDocumentedEventIsARequest(t *testing.T) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal([]byte(documented), &e); err != nil {
		t.Fatal(err)
	}
	called := false
	r := call(t, func(w http.ResponseWriter, r *http.Request) {
		called = true
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		caller, _ := CallerFrom(r.Context())
		for _, c := range []struct{ what, got, want string }{
			{"method", r.Method, "POST"}, {"path", r.URL.Path, "/v1/decisions/ação 1"},
			{"request uri", r.RequestURI, "/v1/decisions/a%C3%A7%C3%A3o%201?parameter1=value1&parameter1=value2&parameter2=a%20b"},
			{"query", strings.Join(r.URL.Query()["parameter1"], "|"), "value1|value2"}, {"query", r.URL.Query().Get("parameter2"), "a b"},
			{"host", r.Host, "id.execute-api.us-east-1.amazonaws.com"}, {"host header", r.Header.Get("Host"), ""},
			{"header1", r.Header.Get("Header1"), "value1"}, {"header2", r.Header.Get("HEADER2"), "value1,value2"},
			{"cookies", r.Header.Get("Cookie"), "cookie1=1; cookie2=2"}, {"transfer-encoding", r.Header.Get("Transfer-Encoding"), ""},
			{"content-length", r.Header.Get("Content-Length"), "17"}, {"length", fmt.Sprint(r.ContentLength), "17"},
			{"body", string(body), "Hello from Lambda"}, {"remote", r.RemoteAddr, "192.0.2.1:0"}, {"proto", r.Proto, "HTTP/1.1"},
			{"caller", caller.ARN, "arn:aws:sts::111122223333:assumed-role/checkout/session-1"}, {"account", caller.AccountID, "111122223333"},
		} {
			if c.got != c.want {
				t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
			}
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		w.Header()["X-Many"] = []string{"1", "2"}
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("X-Late", "not sent")
		_, _ = io.WriteString(w, "<p>olá")
	}, e)
	if !called || r.StatusCode != 201 || r.Body != "<p>olá" || r.IsBase64Encoded || strings.Join(r.Cookies, "|") != "a=1|b=2" ||
		r.Headers["X-Many"] != "1, 2" || r.Headers["Content-Type"] != "text/html; charset=utf-8" || r.Headers["Set-Cookie"] != "" || r.Headers["X-Late"] != "" {
		t.Errorf("answered %+v", r)
	}
}

func TestMalformedEventsAreAnswered(t *testing.T) {
	good := func() events.APIGatewayV2HTTPRequest { return event(t, "POST", "/v1/labels", nil, "x") }
	for name, spoil := range map[string]func(e *events.APIGatewayV2HTTPRequest){
		"payload format 1.0":     func(e *events.APIGatewayV2HTTPRequest) { e.Version = "1.0" },
		"nothing":                func(e *events.APIGatewayV2HTTPRequest) { *e = events.APIGatewayV2HTTPRequest{} },
		"no method":              func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "" },
		"two words of a method":  func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET /" },
		"no path":                func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "" },
		"a relative path":        func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "v1/labels" },
		"a query with a break":   func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "a=1\r\nX: y" },
		"a header with a break":  func(e *events.APIGatewayV2HTTPRequest) { e.Headers["x"] = "1\r\nX-Api-Key: k" },
		"a header without name":  func(e *events.APIGatewayV2HTTPRequest) { e.Headers[""] = "1" },
		"a header with a colon":  func(e *events.APIGatewayV2HTTPRequest) { e.Headers["a: b"] = "1" },
		"a cookie with a break":  func(e *events.APIGatewayV2HTTPRequest) { e.Cookies = []string{"a=1\nb"} },
		"a body that no one can": func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "%%%", true },
	} {
		e := good()
		spoil(&e)
		r := call(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: the handler was called", name) }, e)
		if r.StatusCode != 400 || !strings.Contains(r.Body, `"type":"/problems/malformed"`) || r.Headers["Content-Type"] != "application/problem+json" {
			t.Errorf("%s: answered %d %s", name, r.StatusCode, r.Body)
		}
	}
	if r := call(t, func(w http.ResponseWriter, _ *http.Request) {}, good()); r.StatusCode != 200 {
		t.Errorf("the event that was spoiled is none itself: %d", r.StatusCode)
	}
}

func TestBodyUpToTheLimitPasses(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %d %v", r.ContentLength, len(data), err)
	}
	for _, c := range []struct {
		size    int
		encoded bool
		want    string
	}{
		{MaxBody, false, "4194304 4194304 <nil>"}, {MaxBody, true, "4194304 4194304 <nil>"},
		{MaxBody + 1, false, "4194305 0 http: request body too large"}, {MaxBody + 1, true, "4194305 0 http: request body too large"},
		{MaxBody + 2, true, "4194306 0 http: request body too large"}, {0, true, "0 0 <nil>"},
	} {
		e := event(t, "POST", "/v1/transactions:batch", nil, "")
		e.Body, e.IsBase64Encoded = strings.Repeat("x", c.size), c.encoded
		if c.encoded {
			e.Body = base64.StdEncoding.EncodeToString([]byte(e.Body))
		}
		if r := call(t, read, e); r.Body != c.want {
			t.Errorf("%d bytes, base64 %t: %s, want %s", c.size, c.encoded, r.Body, c.want)
		}
	}
}

func TestPanicIsAnsweredWithoutDetails(t *testing.T) {
	var log bytes.Buffer
	for name, value := range map[string]any{"text": "cpf 111.444.777-35", "abort": http.ErrAbortHandler, "no status": 42} {
		h := HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if status, ok := value.(int); ok {
				w.WriteHeader(status)
			}
			w.WriteHeader(201)
			panic(value)
		}), HTTPOptions{Options: Options{Log: slog.New(slog.NewJSONHandler(&log, nil))}})
		r, err := h(t.Context(), event(t, "POST", "/v1/decisions", nil, ""))
		if err != nil || r.StatusCode != 500 || !strings.Contains(r.Body, `"/problems/internal"`) || strings.Contains(r.Body+log.String(), "111.444") {
			t.Errorf("%s: %v, answered %d %s", name, err, r.StatusCode, r.Body)
		}
	}
	for _, want := range []string{"panic of type string", "http_test.go", "JKJaXmPLvHcESHA="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not have %q: %s", want, log.String())
		}
	}
}

func TestAnswerComesBeforeLambdaEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
		defer cancel()
		obedient := HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			time.Sleep(100 * time.Millisecond)
			w.WriteHeader(http.StatusGatewayTimeout)
			_, _ = io.WriteString(w, "mine")
		}), HTTPOptions{})
		r, err := obedient(ctx, event(t, "POST", "/v1/decisions", nil, ""))
		if took := time.Since(began); err != nil || r.Body != "mine" || took != 28*time.Second+600*time.Millisecond {
			t.Errorf("after %s: %v %+v", took, err, r)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
		defer cancel()
		late := make(chan error, 1)
		deaf := HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Minute)
			w.Header().Set("X-Late", "yes")
			_, err := io.WriteString(w, "too late")
			late <- err
		}), HTTPOptions{})
		r, err := deaf(ctx, event(t, "POST", "/v1/decisions", nil, ""))
		if took := time.Since(began); err != nil || r.StatusCode != 504 || !strings.Contains(r.Body, `"/problems/deadline-exceeded"`) || took != 28*time.Second+750*time.Millisecond {
			t.Errorf("after %s: %v %+v", took, err, r)
		}
		if err := <-late; err != nil { // it must not fall over what nobody reads any more
			t.Errorf("late write: %v", err)
		}
	})
}

func TestAnswersAsLargeAsLambdaTakes(t *testing.T) {
	write := func(b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x")
			for len(b) > 0 {
				n := min(len(b), 1<<20)
				if _, err := w.Write(b[:n]); err != nil {
					return
				}
				b = b[n:]
			}
		}
	}
	for _, c := range []struct {
		name   string
		body   []byte
		status int
	}{
		{"nearly 6 MiB of text", bytes.Repeat([]byte("x"), MaxAnswer-200), 200},
		{"6 MiB of text, which leaves no room for the rest", bytes.Repeat([]byte("x"), MaxAnswer-20), 500},
		{"over 6 MiB", bytes.Repeat([]byte("x"), MaxAnswer+1), 500},
		{"4 MiB of quotes, which are two bytes each in JSON", bytes.Repeat([]byte(`"`), 4<<20), 500},
		{"4 MiB that are no text", bytes.Repeat([]byte{0xff}, 4<<20), 200},
		{"5 MiB that are no text", bytes.Repeat([]byte{0xff}, 5<<20), 500},
	} {
		r := call(t, write(c.body), event(t, "GET", "/v1/lists/block", nil, ""))
		encoded, err := json.Marshal(r)
		if r.StatusCode != c.status || err != nil || len(encoded) > lambdatest.MaxPayload {
			t.Errorf("%s: answered %d with %d bytes, %v", c.name, r.StatusCode, len(encoded), err)
		}
		if r.StatusCode == 500 && len(r.Body) > 300 {
			t.Errorf("%s: a problem of %d bytes", c.name, len(r.Body))
		}
	}
}

func TestBodiesThatAreNoTextAreEncoded(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte("text"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body, encoding string
		encoded        bool
	}{
		"text": {"olá", "", false}, "bytes": {"\xff\x00", "", true}, "gzip": {zipped.String(), "gzip", true}, "text that claims to be compressed": {"x", "br", true}, "nothing": {"", "", false},
	} {
		r := call(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.encoding != "" {
				w.Header().Set("Content-Encoding", c.encoding)
			}
			_, _ = io.WriteString(w, c.body)
		}, event(t, "GET", "/v1/x", nil, ""))
		body := []byte(r.Body)
		if r.IsBase64Encoded {
			var err error
			if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
				t.Error(err)
			}
		}
		if string(body) != c.body || r.IsBase64Encoded != c.encoded {
			t.Errorf("%s: %q, base64 %t", name, body, r.IsBase64Encoded)
		}
	}
}

func TestAnswersWithoutABody(t *testing.T) {
	write := func(status int, length string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "four")
		}
	}
	for _, c := range []struct {
		name, method   string
		status         int
		stated         string
		want           int
		body, wantSize string
	}{
		{"HEAD", "HEAD", 200, "", 200, "", "4"}, {"HEAD with a length of its own", "HEAD", 200, "4000", 200, "", "4000"},
		{"no content", "DELETE", 204, "", 204, "", ""}, {"not modified", "GET", 304, "", 304, "", ""},
		{"OPTIONS", "OPTIONS", 200, "4", 200, "four", ""}, {"a length that is not so", "GET", 200, "5", 500, "", ""},
	} {
		r := call(t, write(c.status, c.stated), event(t, c.method, "/v1/x", nil, ""))
		if r.StatusCode != c.want || r.StatusCode != 500 && r.Body != c.body || r.Headers["Content-Length"] != c.wantSize {
			t.Errorf("%s: %d %q, length %q", c.name, r.StatusCode, r.Body, r.Headers["Content-Length"])
		}
	}
}

func TestGatewayFailsAsAPIGatewayDoes(t *testing.T) {
	for name, handler := range map[string]any{
		"error": func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
			return events.APIGatewayV2HTTPResponse{}, io.EOF
		},
		"no status": func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
			return events.APIGatewayV2HTTPResponse{}, nil
		},
		"no response": func() error { return nil },
		"no base64": func() (events.APIGatewayV2HTTPResponse, error) {
			return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: "%", IsBase64Encoded: true}, nil
		},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/v1/x", nil)
		lambdatest.Gateway(inProcess(handler), "").ServeHTTP(w, r)
		if w.Code != 500 || w.Body.String() != `{"message":"Internal Server Error"}` {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
