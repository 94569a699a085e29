package lambdatest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
)

// Invoker is a function of Lambda; *Function is one. Its contract is that of [Function.Invoke].
type Invoker interface {
	Invoke(ctx context.Context, payload any) (response []byte, functionError string, err error)
}

// Gateway is an HTTP API before a function, without its limits of size and rate: it makes an event of each request and
// an answer of each response. arn is the caller that IAM would have found, nobody if empty. What fails in between is
// answered as API Gateway does, 500 or 503 with a message that says nothing.
func Gateway(f Invoker, arn string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		header := r.Header.Clone()
		header.Set("Host", r.Host)
		e, err := HTTPRequest(r.Method, r.RequestURI, header, body, arn)
		if err != nil {
			unanswered(w, http.StatusBadRequest)
			return
		}
		e.RequestContext.HTTP.SourceIP = clientIP(r)
		e.RequestContext.HTTP.Protocol = r.Proto
		data, functionError, err := f.Invoke(r.Context(), e)
		if err != nil || functionError != "" {
			unanswered(w, http.StatusInternalServerError)
			return
		}
		if err := answerHTTP(w, r.Method, data); err != nil {
			unanswered(w, http.StatusInternalServerError)
		}
	})
}

func unanswered(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"message":"`+http.StatusText(status)+`"}`)
}

func answerHTTP(w http.ResponseWriter, method string, data []byte) error {
	var r events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return fmt.Errorf("read response: %w", err)
		}
	}
	if r.StatusCode < 200 || r.StatusCode > 599 {
		return fmt.Errorf("read response: status %d", r.StatusCode)
	}
	h := w.Header()
	if len(body) > 0 {
		h.Set("Content-Type", "text/plain;charset=UTF-8") // what API Gateway says if nobody else does
	}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	for _, c := range r.Cookies {
		h.Add("Set-Cookie", c)
	}
	if method != http.MethodHead && r.StatusCode != http.StatusNoContent && r.StatusCode != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(r.StatusCode)
	_, _ = w.Write(body)
	return nil
}
