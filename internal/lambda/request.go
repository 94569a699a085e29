package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// errEvent is wrapped by whatever is wrong with an event. It never quotes the event.
var errEvent = errors.New("malformed event")

// request is the request that an event describes.
func request(ctx context.Context, e *events.APIGatewayV2HTTPRequest, limit int64) (*http.Request, error) {
	about := &e.RequestContext.HTTP
	switch {
	case e.Version != "2.0":
		return nil, fmt.Errorf("%w: the payload format is not 2.0", errEvent)
	case !token(about.Method):
		return nil, fmt.Errorf("%w: no method", errEvent)
	case !strings.HasPrefix(e.RawPath, "/"):
		return nil, fmt.Errorf("%w: no path", errEvent)
	case strings.ContainsFunc(e.RawQueryString, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return nil, fmt.Errorf("%w: a query with spaces or control characters", errEvent)
	}
	header, host, err := headers(e)
	if err != nil {
		return nil, err
	}
	body, length, err := body(e, limit)
	if err != nil {
		return nil, err
	}
	if length > 0 || header.Get("Content-Length") != "" {
		header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	// The path is decoded already: taken for encoded, "%2541" would become "A".
	target := &url.URL{Path: e.RawPath, RawQuery: e.RawQueryString}
	r := &http.Request{
		Method: about.Method, URL: target, RequestURI: target.RequestURI(), Host: host, Header: header,
		Proto: about.Protocol, Body: body, ContentLength: length, RemoteAddr: remote(about.SourceIP),
	}
	var ok bool
	if r.ProtoMajor, r.ProtoMinor, ok = http.ParseHTTPVersion(about.Protocol); !ok {
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	}
	if caller, ok := callerOf(e); ok {
		ctx = context.WithValue(ctx, callerKey{}, caller)
	}
	return r.WithContext(ctx), nil
}

// headers are those of the request and its host. The names are walked in order, so that two that differ in case alone
// give the same values each time.
func headers(e *events.APIGatewayV2HTTPRequest) (http.Header, string, error) {
	h := make(http.Header, len(e.Headers)+1)
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		value := e.Headers[name]
		if !token(name) || strings.ContainsFunc(value, control) {
			return nil, "", fmt.Errorf("%w: a header with characters that none may have", errEvent)
		}
		h.Add(name, strings.Trim(value, " \t"))
	}
	// API Gateway moves cookies out of the headers.
	if len(e.Cookies) > 0 {
		if slices.ContainsFunc(e.Cookies, func(c string) bool { return strings.ContainsFunc(c, control) }) {
			return nil, "", fmt.Errorf("%w: a cookie with characters that none may have", errEvent)
		}
		h.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	host := e.RequestContext.DomainName
	if named := h.Get("Host"); named != "" {
		host = named
	}
	// As net/http does: the host has a field of its own, and the body is whole.
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer"} {
		h.Del(name)
	}
	return h, host, nil
}

// body is the decoded body and its length in bytes. One over the limit is not decoded.
func body(e *events.APIGatewayV2HTTPRequest, limit int64) (io.ReadCloser, int64, error) {
	if !e.IsBase64Encoded {
		return bounded(strings.NewReader(e.Body), int64(len(e.Body)), limit)
	}
	if length := decodedLength(e.Body); length > limit {
		return bounded(nil, length, limit)
	}
	data, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: the body is not base64", errEvent)
	}
	return bounded(bytes.NewReader(data), int64(len(data)), limit)
}

func bounded(from io.Reader, length, limit int64) (io.ReadCloser, int64, error) {
	switch {
	case length == 0:
		return http.NoBody, 0, nil
	case length > limit:
		return io.NopCloser(&overlong{limit}), length, nil
	}
	return io.NopCloser(from), length, nil
}

// decodedLength is how many bytes a text in base64 stands for.
func decodedLength(text string) int64 {
	return int64(base64.StdEncoding.DecodedLen(len(text))) - int64(len(text)-len(strings.TrimRight(text, "=")))
}

// overlong is a body that is too large to be read.
type overlong struct{ limit int64 }

func (o *overlong) Read([]byte) (int, error) { return 0, &http.MaxBytesError{Limit: o.limit} }

// remote is the client's address as net/http writes it; API Gateway does not tell the port.
func remote(ip string) string {
	if _, err := netip.ParseAddr(ip); err != nil {
		return ""
	}
	return net.JoinHostPort(ip, "0")
}

// token reports whether s can be a method or the name of a header (RFC 9110, section 5.6.2).
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return false
		}
		return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// control reports whether no value of a header may have the character.
func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
