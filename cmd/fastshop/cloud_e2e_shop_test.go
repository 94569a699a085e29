package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/simulate"
)

// apiShop is a simulated shop that sends through the API of the deployed stack, one call at a time: the emulator of
// Kinesis takes one writer. It repeats what was not acknowledged, and remembers what it was told.
type apiShop struct {
	t      *testing.T
	url    string
	client *load.Client
	world  *simulate.Shop
	random *rand.Rand

	acked    map[string]bool
	verdicts map[string]string // outcomes by the id
	repeats  int
}

func newAPIShop(t *testing.T, url string, transactions int) *apiShop {
	t.Helper()
	now := time.Now().UTC()
	world, err := simulate.New(simulate.Config{Seed: 11, Customers: 2000, Start: now.AddDate(0, 0, -20), End: now, Count: transactions})
	if err != nil {
		t.Fatal(err)
	}
	return &apiShop{
		t: t, url: url, client: load.NewClient(url, "", 4), world: world, random: rand.New(rand.NewPCG(3, 5)),
		acked: map[string]bool{}, verdicts: map[string]string{},
	}
}

func (s *apiShop) acknowledged() int { return len(s.acked) }

// send sends n transactions: batches of up to 500 lines, and between two of them some that ask for a verdict and some
// alone.
func (s *apiShop) send(n int) {
	s.t.Helper()
	for left := n; left > 0; {
		for range min(left, 6) {
			s.decide(s.next())
			left--
		}
		for range min(left, 3) {
			s.single(s.next())
			left--
		}
		size := min(left, 500)
		if s.random.IntN(4) == 0 {
			size = min(left, 1+s.random.IntN(500))
		}
		var batch []simulate.Item
		for range size {
			batch = append(batch, s.next())
		}
		s.batch(batch)
		left -= size
	}
}

// next is the next transaction; labels are for other tests.
func (s *apiShop) next() simulate.Item {
	s.t.Helper()
	for {
		item, ok := s.world.Next()
		if !ok {
			s.t.Fatal("the simulated shop ran out of transactions")
		}
		if item.Label == nil {
			return item
		}
	}
}

// insist repeats a call while its failure may pass: also one of API Gateway's own, which says that the function is gone.
func (s *apiShop) insist(call func(context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := call(ctx)
		var status *load.StatusError
		if err == nil {
			return
		}
		if errors.As(err, &status) && !status.Temporary() && status.Status != http.StatusInternalServerError || ctx.Err() != nil {
			s.t.Fatalf("the shop cannot send: %v", err)
		}
		s.repeats++
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *apiShop) decide(item simulate.Item) {
	s.t.Helper()
	s.insist(func(ctx context.Context) error {
		verdict, err := s.client.Decide(ctx, item.Submission)
		if err == nil {
			s.acked[item.ID], s.verdicts[item.ID] = true, verdict.Outcome
		}
		return err
	})
}

func (s *apiShop) single(item simulate.Item) {
	s.t.Helper()
	s.insist(func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/transactions", bytes.NewReader(item.Submission))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusAccepted && answer.StatusCode != http.StatusOK {
			return &load.StatusError{Status: answer.StatusCode}
		}
		s.acked[item.ID] = true
		return nil
	})
}

func (s *apiShop) batch(items []simulate.Item) {
	s.t.Helper()
	if len(items) == 0 {
		return
	}
	s.insist(func(ctx context.Context) error {
		var body bytes.Buffer
		for _, item := range items {
			if !s.acked[item.ID] {
				body.Write(item.Submission)
				body.WriteByte('\n')
			}
		}
		waiting := 0
		err := s.client.Batch(ctx, body.Bytes(), func(l load.Line) {
			if l.Acknowledged() {
				s.acked[l.TransactionID] = true
			} else {
				waiting++
			}
		})
		if err == nil && waiting > 0 {
			return fmt.Errorf("%d lines were not taken", waiting)
		}
		return err
	})
}

// readable reads a sample of decisions by the API.
func (s *apiShop) readable(client *load.Client, n int) {
	s.t.Helper()
	for id := range s.acked { // in no order
		if n--; n < 0 {
			return
		}
		verdict, err := client.Decision(s.t.Context(), id)
		if told := s.verdicts[id]; err != nil || verdict.TransactionID != id || verdict.Outcome == "" || told != "" && told != verdict.Outcome {
			s.t.Errorf("decision of %s: %+v, %v; the shop was told %q", id, verdict, err, told)
		}
	}
}
