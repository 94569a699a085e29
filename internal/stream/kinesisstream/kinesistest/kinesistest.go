// Package kinesistest is a small Amazon Kinesis in the test's own process.
//
// It speaks as much of the protocol (JSON 1.1) as the stream needs, keeps everything in memory, runs on a clock that the
// test may move, and fails when it is told to. As Kinesis may, it stores the records of one PutRecords call in any order.
// What it cannot show: the pace of the real service, its limits on throughput, encryption, permissions.
package kinesistest

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// Codes of errors that tests ask for.
const (
	Throttled       = "ProvisionedThroughputExceededException"
	InternalFailure = "InternalFailure"
)

// Faults say what goes wrong. Each is optional and is asked at the moment in question, from many places at once.
type Faults struct {
	// Record refuses a record of PutRecords with an error code; "" takes it.
	Record func(partitionKey string) string
	// Lost takes a record of PutRecords, but answers InternalFailure for it.
	Lost func(partitionKey string) bool
	// Call refuses a call of an operation, such as "GetRecords", with an error code; "" carries it out.
	Call func(operation string) string
	// Delay is how long a call waits before it is carried out.
	Delay func(operation string) time.Duration
	// Empty makes a GetRecords give nothing although there is something.
	Empty func() bool
}

// Server is the service. It is an http.Handler.
type Server struct {
	now func() time.Time

	mu      sync.Mutex
	random  *rand.Rand
	faults  Faults
	streams map[string]*logStream
	made    int // streams, ever
	epoch   int // iterators of an earlier one have expired
	page    int // shards in one answer of ListShards; 0 means all
	calls   map[string]int
	gets    map[string][]time.Time // of GetRecords, by shard; in real time
}

// New makes a service on a clock.
func New(now func() time.Time, seed uint64) *Server {
	return &Server{
		now: now, random: rand.New(rand.NewPCG(seed, seed)),
		streams: make(map[string]*logStream), calls: make(map[string]int), gets: make(map[string][]time.Time),
	}
}

// Start serves on a port until the test ends and returns the URL.
func (s *Server) Start(t testing.TB) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// Client is a client of a service that speaks Kinesis at a URL. It repeats nothing.
func Client(url string) *kinesis.Client {
	return kinesis.NewFromConfig(aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(url),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient: &http.Client{Transport: readOnly{&http.Transport{
			MaxIdleConnsPerHost: 64, DisableCompression: true,
			IdleConnTimeout: time.Second, // before servers close it, which could meet a call
		}}},
	})
}

// readOnly hides from net/http that the SDK's bodies can write themselves: it closes them as soon as an answer begins, and
// net/http, which may still be asking such a body for more, would then drop the connection.
type readOnly struct{ next http.RoundTripper }

func (t readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return t.next.RoundTrip(r)
}

// Fail sets what goes wrong from now on.
func (s *Server) Fail(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// ExpireIterators makes all iterators that were given out expire.
func (s *Server) ExpireIterators() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
}

// Page makes ListShards answer with at most n shards at once.
func (s *Server) Page(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = n
}

// Calls is how often an operation was called.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// Busiest is the largest number of GetRecords calls for one shard within a time.
func (s *Server) Busiest(within time.Duration) (most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.gets {
		for from, to := 0, 0; to < len(at); to++ {
			for at[to].Sub(at[from]) >= within {
				from++
			}
			most = max(most, to-from+1)
		}
	}
	return most
}

// refusal is an error of the service.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.code + ": " + r.message }

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := r.Header.Get("X-Amz-Target")
	operation = operation[strings.LastIndexByte(operation, '.')+1:]
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone
	}
	s.mu.Lock()
	s.calls[operation]++
	faults := s.faults
	s.mu.Unlock()
	if faults.Delay != nil {
		if err := sleep(r.Context(), faults.Delay(operation)); err != nil {
			return
		}
	}
	if faults.Call != nil {
		if code := faults.Call(operation); code != "" {
			answer(w, nil, &refusal{code, "as the test wants it"})
			return
		}
	}
	result, err := s.do(operation, body)
	answer(w, result, err)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer writes an answer with its length: the SDK does not take it in chunks.
func answer(w http.ResponseWriter, result any, err error) {
	status := http.StatusOK
	if err != nil {
		code, message, _ := strings.Cut(err.Error(), ": ")
		result, status = map[string]string{"__type": code, "message": message}, http.StatusBadRequest
		if code == InternalFailure {
			status = http.StatusInternalServerError
		}
	}
	body, err := json.Marshal(result)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return // the caller has gone
	}
}

// seconds is a time as the protocol writes it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
