package lambda

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/explanation"
	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/review"
)

const session = "arn:aws:sts::123456789012:assumed-role/checkout/maria@example.com"

func TestPrincipalOfACaller(t *testing.T) {
	for arn, want := range map[string]string{
		session: "arn:aws:iam::123456789012:role/checkout",
		"arn:aws-cn:sts::123456789012:assumed-role/checkout/i-0123/extra": "arn:aws-cn:iam::123456789012:role/checkout",
		"arn:aws:iam::123456789012:user/shop/checkout":                    "arn:aws:iam::123456789012:user/shop/checkout",
		"arn:aws:iam::123456789012:root":                                  "arn:aws:iam::123456789012:root",
		"arn:aws:sts::123456789012:federated-user/x":                      "arn:aws:sts::123456789012:federated-user/x",
		"arn:aws:iam::123456789012:assumed-role/x/y":                      "arn:aws:iam::123456789012:assumed-role/x/y",
		"no arn": "no arn",
	} {
		if got := (Caller{ARN: arn}).Principal(); got != want {
			t.Errorf("%s is %s, want %s", arn, got, want)
		}
	}
}

func TestCallerCannotBeClaimed(t *testing.T) {
	claims := http.Header{}
	for _, name := range []string{"X-Amz-Caller", "X-Amzn-Iam-User-Arn", "X-Amzn-Request-Context", "X-User-Arn", "Authorization", "Userarn", "Authorizer"} {
		claims.Set(name, session)
	}
	e := event(t, "GET", "/v1/decisions/1?userArn="+session, claims, "")
	for name, spoil := range map[string]func(){
		"no authorizer": func() {},
		"another authorizer": func() {
			e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{Lambda: map[string]any{"iam": map[string]any{"userArn": session}}}
		},
		"an empty ARN": func() { e = withARN(e, "") }, "no ARN": func() { e = withARN(e, "AIDA:maria") },
		"no account": func() { e = withARN(e, "arn:aws:iam::*:role/x") }, "an ARN with a break": func() { e = withARN(e, "arn:aws:iam::123456789012:role/x\ny") },
		"another service": func() { e = withARN(e, "arn:aws:s3::123456789012:role/x") },
	} {
		spoil()
		call(t, func(_ http.ResponseWriter, r *http.Request) {
			if c, ok := CallerFrom(r.Context()); ok {
				t.Errorf("%s: %+v", name, c)
			}
		}, e)
	}
	call(t, func(_ http.ResponseWriter, r *http.Request) {
		if c, ok := CallerFrom(r.Context()); !ok || c != (Caller{session, "123456789012"}) {
			t.Errorf("the caller is %+v", c)
		}
	}, withARN(e, session))
}

func withARN(e events.APIGatewayV2HTTPRequest, arn string) events.APIGatewayV2HTTPRequest {
	e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
		IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: arn, AccountID: lambdatest.Account},
	}
	return e
}

// ports are enough of a shop to tell a refused request from one that came through.
type ports struct {
	httpapi.Intake
	httpapi.Decider
	httpapi.ListVault
}

func (*ports) Decision(context.Context, string) (httpapi.Record, error) {
	return httpapi.Record{}, httpapi.ErrNotFound
}

func (*ports) Explanation(context.Context, string) (explanation.Explanation, error) {
	return explanation.Explanation{}, httpapi.ErrNotFound
}

func (*ports) Label(_ context.Context, labels []review.Label) ([]bool, error) {
	return make([]bool, len(labels)), nil
}

// api is the real API over a real file of keys, behind an endpoint. The key has the scope lists alone.
func api(t *testing.T, setting string) (endpoint Endpoint, key string, ring *httpapi.Keyring) {
	t.Helper()
	ring, err := httpapi.LoadKeyring(filepath.Join(t.TempDir(), "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err = ring.Add(httpapi.Key{Name: "desk", Scopes: []httpapi.Scope{httpapi.ScopeLists}, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	callers, err := NewCallers(setting, ring, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &ports{}
	h, err := httpapi.New(httpapi.Config{Intake: p, Decider: p, Decisions: p, Explanations: p, Labels: p, Lists: noLists{}, ListVault: p, Keys: callers})
	if err != nil {
		t.Fatal(err)
	}
	return HTTP(callers.Handler(h), HTTPOptions{}), key, ring
}

type noLists struct{ httpapi.Lists }

const (
	readDecision = "GET /v1/decisions/order-1"
	sendBatch    = "POST /v1/transactions:batch"
	decide       = "POST /v1/decisions"
	sendLabels   = "POST /v1/labels"
	changeList   = "POST /v1/lists/block"
)

// ask sends a request that is refused for its body, or finds nothing, when the key lets it through.
func ask(t *testing.T, endpoint Endpoint, what, arn string, keys ...string) (int, string) {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	header := http.Header{"Content-Type": {"application/json"}}
	if what == sendBatch {
		header.Set("Content-Type", "application/x-ndjson")
	}
	if len(keys) > 0 {
		header["X-Api-Key"] = keys
	}
	e, err := lambdatest.HTTPRequest(method, path, header, []byte("{"), arn)
	if err != nil {
		t.Fatal(err)
	}
	r, err := endpoint(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Body
}

func TestScopesOfCallers(t *testing.T) {
	const user = "arn:aws:iam::123456789012:user/batch/night"
	setting := `
		arn:aws:iam::123456789012:role/check* = ingest + decide
		arn:aws:sts::123456789012:assumed-role/checkout/* = read, arn:aws:iam::123456789012:user/batch/* = lists`
	const passed, forbidden = 0, 403
	for _, c := range []struct {
		name, setting, what, arn string
		want                     int
	}{
		{"unset: reading", "", readDecision, session, passed}, {"unset: sending", "", sendBatch, session, passed}, {"unset: deciding", "", decide, user, passed},
		{"unset: labels", "", sendLabels, session, passed}, {"unset: lists", "", changeList, session, forbidden},
		{"blank: lists", " \n,", changeList, session, forbidden}, {"blank: labels", " \n,", sendLabels, session, passed},
		{"of one pattern", setting, decide, session, passed}, {"of another pattern", setting, readDecision, session, passed},
		{"of no pattern", setting, sendLabels, session, forbidden}, {"of another caller", setting, changeList, session, forbidden},
		{"a user", setting, changeList, user, passed}, {"a user", setting, decide, user, forbidden},
		{"nobody that is listed", setting, readDecision, "arn:aws:iam::123456789012:role/other", forbidden},
		{"another account", setting, decide, "arn:aws:iam::210987654321:role/checkout", forbidden},
	} {
		endpoint, _, _ := api(t, c.setting)
		status, body := ask(t, endpoint, c.what, c.arn)
		if refused := status == 401 || status == 403 || status >= 500; refused != (c.want == forbidden) || refused && status != 403 {
			t.Errorf("%s: %s answered %d %s", c.name, c.what, status, body)
		}
	}
}

func TestKeyWinsOverCaller(t *testing.T) {
	endpoint, key, ring := api(t, "")
	if status, _ := ask(t, endpoint, changeList, session, key); status != 400 {
		t.Errorf("a key with the scope: %d", status)
	}
	if status, _ := ask(t, endpoint, readDecision, session, key); status != 403 {
		t.Errorf("a key without the scope that the caller would have: %d", status)
	}
	for name, keys := range map[string][]string{"wrong": {"fsk_aaaaaaaa_" + strings.Repeat("a", 32)}, "empty": {""}, "two": {key, key}, "a made-up ticket": {"iam " + strings.Repeat("0", 64) + " " + session}} {
		if status, _ := ask(t, endpoint, readDecision, session, keys...); status != 401 {
			t.Errorf("a key that is %s: %d", name, status)
		}
	}
	if err := ring.Revoke(ring.Keys()[0].ID); err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(t, endpoint, readDecision, session, key); status != 401 {
		t.Errorf("a revoked key: %d", status)
	}
	if status, _ := ask(t, endpoint, readDecision, ""); status != 401 {
		t.Errorf("neither key nor caller: %d", status)
	}
}

func TestBodyOverTheLimitIsTheAPIsProblem(t *testing.T) {
	endpoint, _, _ := api(t, "")
	e, err := lambdatest.HTTPRequest("POST", "/v1/transactions:batch", http.Header{"Content-Type": {"application/x-ndjson"}}, bytes.Repeat([]byte("x"), MaxBody+1), session)
	if err != nil {
		t.Fatal(err)
	}
	r, err := endpoint(t.Context(), e)
	if err != nil || r.StatusCode != 413 || !strings.Contains(r.Body, `"type":"/problems/body-too-large"`) || !strings.Contains(r.Body, `"title":"Request too large"`) {
		t.Errorf("%v: answered %d %s", err, r.StatusCode, r.Body)
	}
}

// The problems of this package must read as the API's.
func TestProblemsAreTheAPIs(t *testing.T) {
	endpoint, _, _ := api(t, "")
	for code, own := range map[string]events.APIGatewayV2HTTPResponse{"malformed": malformed("id"), "internal": internal("id"), "deadline-exceeded": tooLong("id")} {
		_, page := ask(t, endpoint, "GET /problems/"+code, "")
		title := regexp.MustCompile(`"title":"[^"]+"`).FindString(page)
		if title == "" || !strings.Contains(own.Body, title) || !strings.Contains(own.Body, `"type":"/problems/`+code+`"`) || !strings.Contains(own.Body, `"instance":"id"`) {
			t.Errorf("%s: the API says %s, and this package %s", code, page, own.Body)
		}
		if status := regexp.MustCompile(`"status":(\d+)`).FindString(page); !strings.Contains(own.Body, status) {
			t.Errorf("%s: the API says %s, and this package %s", code, page, own.Body)
		}
	}
}

func TestTicketIsOfThisProcess(t *testing.T) {
	first, err := NewCallers("", nil, bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewCallers("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := first.Authenticate(first.ticket + "arn:aws:iam::123456789012:role/checkout")
	if err != nil || key.ID != "arn:aws:iam::123456789012:role/checkout" || key.Name != "checkout" || !slices.Equal(key.Scopes, DefaultScopes()) {
		t.Errorf("%v: %+v", err, key)
	}
	for _, text := range []string{first.ticket + "x", "", second.ticket[:len(second.ticket)-1], second.ticket, strings.ToUpper(second.ticket) + "x"} {
		if key, err := second.Authenticate(text); !errors.Is(err, httpapi.ErrKey) || key.ID != "" {
			t.Errorf("%q: %v %+v", text, err, key)
		}
	}
	if _, err := NewCallers("", nil, strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without randomness: %v", err)
	}
}

func TestRequestIsNotChanged(t *testing.T) {
	callers, err := NewCallers("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.WithValue(t.Context(), callerKey{}, Caller{session, lambdatest.Account}), "GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	inside := ""
	callers.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = r.Header.Get("X-Api-Key") })).ServeHTTP(nil, r)
	if r.Header.Get("X-Api-Key") != "" || !strings.HasSuffix(inside, " arn:aws:iam::123456789012:role/checkout") {
		t.Errorf("outside %q, inside %q", r.Header.Get("X-Api-Key"), inside)
	}
}

func TestMalformedCallersAreRefused(t *testing.T) {
	for _, setting := range []string{
		"arn:aws:iam::123456789012:role/x", "=read", "*=read", "arn:aws:iam::*:role/x=read", "arn:aws:iam::12345678901?:role/x=read", "arn:aws:iam::123456789012:=read",
		"arn:aws:iam::123456789012:role/x=", "arn:aws:iam::123456789012:role/x=write", "arn:aws:iam::123456789012:role/x=read+", "arn:aws:iam::123456789012:role/x=read+read",
		"arn:aws:iam::123456789012:role/x=read;label", "arn:aws:lambda::123456789012:x=read", "arn:aws:iam::123456789012:role/x=read,oops",
	} {
		if _, err := NewCallers(setting, nil, nil); !errors.Is(err, ErrCallers) {
			t.Errorf("%s: %v", setting, err)
		}
	}
	_, err := NewCallers("arn:aws:iam::123456789012:role/x=read\n\narn:aws:iam::123456789012:role/maria=x", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "entry 2") || strings.Contains(err.Error(), "maria") {
		t.Errorf("the error is %v", err)
	}
}

func TestMatchesIsAsAnExpression(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?/]{0,10}`).Draw(rt, "pattern")
		text := rapid.StringMatching(`[ab/]{0,12}`).Draw(rt, "text")
		expression := "^" + strings.NewReplacer("*", ".*", "?", ".").Replace(pattern) + "$"
		if want := regexp.MustCompile(expression).MatchString(text); matches(pattern, text) != want {
			rt.Fatalf("%q matches %q: %t", pattern, text, !want)
		}
	})
}

func FuzzCallers(f *testing.F) {
	for _, s := range []string{"", "arn:aws:iam::123456789012:role/x=read+label", session + "=ingest\narn:aws:iam::123456789012:user/a=b=decide", "a=b", "arn:aws:iam::123456789012:role/*=admin,"} {
		f.Add(s, session)
	}
	f.Fuzz(func(t *testing.T, setting, arn string) {
		c, err := NewCallers(setting, nil, bytes.NewReader(make([]byte, 32)))
		if err != nil {
			if !errors.Is(err, ErrCallers) {
				t.Fatal(err)
			}
			return
		}
		for _, scope := range c.scopes(principal(arn)) {
			if !slices.Contains(httpapi.Scopes(), scope) {
				t.Fatalf("scope %q", scope)
			}
		}
		for _, g := range c.grants {
			if a, ok := splitARN(g.pattern); !ok || len(g.scopes) == 0 || strings.ContainsAny(a.account, "*?") {
				t.Fatalf("grant %+v", g)
			}
		}
	})
}
