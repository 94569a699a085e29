package emulator

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestNewCloudAsksForTheAccount(t *testing.T) {
	if c := cloud(t); c.Account != "123456789012" {
		t.Errorf("account = %q, want the one of the emulator", c.Account)
	}
	if got, want := cloud(t).ARN("ec2", "vpc/vpc-1"), "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1"; got != want {
		t.Errorf("ARN = %q, want %q", got, want)
	}
}

func TestNewCloudDoesNotRepeatACall(t *testing.T) {
	var calls atomic.Int32
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		http.Error(w, "broken", http.StatusInternalServerError)
	}))
	defer broken.Close()
	_, err := NewCloud(t.Context(), broken.URL)
	refused(t, err, "ask the emulator at "+broken.URL+" for its account")
	if calls.Load() != 1 {
		t.Errorf("%d calls, want one", calls.Load())
	}
	_, err = NewCloud(t.Context(), "")
	refused(t, err, "no endpoint given")
}

func TestRefusalsLookLikeThoseOfAWS(t *testing.T) {
	err := refuse("DependencyViolation", "resource %s has a dependent object", "sg-1")
	if !isCode(err, "Other", "DependencyViolation") || isCode(err, "Other") || isCode(errors.New("DependencyViolation"), "DependencyViolation") {
		t.Errorf("isCode does not tell %v from others", err)
	}
}

// A server that answers while net/http is still asking the request's body whether there is more, as one on the same machine
// now and then does: the answer must arrive all the same.
func TestAnswerThatOvertakesItsRequest(t *testing.T) {
	asked := make(chan struct{})
	hasty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		select {
		case <-asked:
		case <-r.Context().Done():
		}
		select {
		case <-r.Context().Done(): // the client has hung up
		case <-time.After(50 * time.Millisecond): // it never does, if all is well
		}
		_, _ = io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>210987654321</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	defer hasty.Close()
	c, err := connect(t.Context(), hasty.URL, lateAsker{asked})
	if err != nil {
		t.Fatal(err)
	}
	if c.Account != "210987654321" {
		t.Errorf("account = %q, want the whole answer", c.Account)
	}
}

// lateAsker is a transport in which net/http asks for the end of the request's body only when the SDK reads the answer, for
// which it has closed that body.
type lateAsker struct{ asked chan struct{} }

func (l lateAsker) RoundTrip(r *http.Request) (*http.Response, error) {
	reading := make(chan struct{})
	body := &lateBody{ReadCloser: r.Body, left: r.ContentLength, reading: reading, asked: l.asked}
	r = r.Clone(r.Context())
	r.Body = body
	if w, ok := body.ReadCloser.(io.WriterTo); ok {
		r.Body = lateWriterTo{body, w}
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		answer.Body = &announcingBody{answer.Body, sync.OnceFunc(func() { close(reading) })}
	}
	return answer, err
}

type lateBody struct {
	io.ReadCloser
	left    int64         // bytes until the end
	reading chan struct{} // closed when the answer is being read
	asked   chan struct{} // closed when the end was asked for
}

func (b *lateBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		<-b.reading
		defer close(b.asked)
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// lateWriterTo can also write itself, as the SDK's bodies can.
type lateWriterTo struct {
	*lateBody
	to io.WriterTo
}

func (b lateWriterTo) WriteTo(w io.Writer) (int64, error) {
	<-b.reading
	defer close(b.asked)
	return b.to.WriteTo(w)
}

// announcingBody tells when it is read.
type announcingBody struct {
	io.ReadCloser
	reading func()
}

func (b *announcingBody) Read(p []byte) (int, error) {
	b.reading()
	return b.ReadCloser.Read(p)
}
