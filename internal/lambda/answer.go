package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// answer takes what a handler writes. It may still be written to when the event has been answered without it.
type answer struct {
	method string

	mu     sync.Mutex
	header http.Header // the handler's; nothing else reads it before the handler is done
	sent   http.Header // as it stood when the status was written
	status int         // 0 until it is written
	body   []byte
	over   bool // more was written than an answer can have
}

func newAnswer(method string) *answer { return &answer{method: method, header: http.Header{}} }

var (
	errTooLarge = errors.New("answer too large for Lambda")
	errLength   = errors.New("answer is not as long as its Content-Length")
)

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter]. Informational statuses do not pass Lambda and are dropped.
func (a *answer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("write status: %d is none", status)) // as net/http does
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(status)
}

func (a *answer) begin(status int) {
	if a.status == 0 && status >= 200 {
		a.status, a.sent = status, a.header.Clone()
	}
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(http.StatusOK)
	switch {
	case a.bodiless():
		return 0, http.ErrBodyNotAllowed
	case a.over || len(a.body)+len(p) > MaxAnswer:
		a.over = true
		return 0, errTooLarge
	}
	a.body = append(a.body, p...)
	return len(p), nil
}

// bodiless reports whether the status has no body (RFC 9110, section 6.4.1).
func (a *answer) bodiless() bool {
	return a.status == http.StatusNoContent || a.status == http.StatusNotModified
}

// response is the answer as API Gateway takes it. The handler is done.
func (a *answer) response() (events.APIGatewayV2HTTPResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(http.StatusOK)
	if a.over {
		return events.APIGatewayV2HTTPResponse{}, errTooLarge
	}
	if err := a.lengthen(); err != nil {
		return events.APIGatewayV2HTTPResponse{}, err
	}
	if len(a.body) > 0 && a.sent.Get("Content-Type") == "" && a.sent.Get("Content-Encoding") == "" {
		a.sent.Set("Content-Type", http.DetectContentType(a.body)) // or API Gateway would say one of its own
	}
	r := events.APIGatewayV2HTTPResponse{StatusCode: a.status, Headers: map[string]string{}}
	for name, values := range a.sent {
		switch {
		case !token(name) || len(values) == 0:
		case name == "Set-Cookie":
			for _, v := range values {
				r.Cookies = append(r.Cookies, oneLine(v))
			}
		default:
			r.Headers[name] = oneLine(strings.Join(values, ", "))
		}
	}
	if a.method != http.MethodHead {
		r.Body, r.IsBase64Encoded = a.encode()
	}
	return r, tooLarge(&r)
}

// lengthen sees to the length: API Gateway states it, but for HEAD, where only the handler can know.
func (a *answer) lengthen() error {
	stated := a.sent.Get("Content-Length")
	switch {
	case a.bodiless():
	case a.method == http.MethodHead:
		if stated == "" && len(a.body) > 0 {
			a.sent.Set("Content-Length", strconv.Itoa(len(a.body)))
		}
	default:
		a.sent.Del("Content-Length")
		if stated != "" && stated != strconv.Itoa(len(a.body)) {
			return errLength
		}
	}
	return nil
}

// encode is the body, in base64 if it is no text.
func (a *answer) encode() (string, bool) {
	if a.sent.Get("Content-Encoding") == "" && utf8.Valid(a.body) {
		return string(a.body), false
	}
	return base64.StdEncoding.EncodeToString(a.body), true
}

// tooLarge measures what JSON makes of an answer. A character takes up to six bytes there, so that small answers need no
// measuring.
func tooLarge(r *events.APIGatewayV2HTTPResponse) error {
	if len(r.Body) < MaxAnswer/8 {
		return nil
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if len(data) > MaxAnswer {
		return errTooLarge
	}
	return nil
}

// oneLine is a header's value as net/http writes it.
func oneLine(v string) string {
	return strings.Trim(strings.NewReplacer("\n", " ", "\r", " ").Replace(v), " \t")
}
