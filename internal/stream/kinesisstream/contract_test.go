package kinesisstream_test

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
	"github.com/fastshop/pipeline/internal/stream/streamtest"
	"github.com/fastshop/pipeline/internal/testenv"
)

// TestContract runs the suite of all logs on the service of our own and on another's.
func TestContract(t *testing.T) {
	t.Run("own", func(t *testing.T) {
		now := newClock()
		streamtest.Run(t, subject(kinesistest.Client(kinesistest.New(now.now, 1).Start(t)), now))
	})
	t.Run("kinesalite", func(t *testing.T) {
		streamtest.Run(t, subject(kinesalite(t), nil))
	})
}

// kinesalite is a client of another's service. That program ends when a caller leaves in the middle of a call, so no call
// is left: a canceled one comes back with its answer, which takes milliseconds.
func kinesalite(t *testing.T) *kinesis.Client {
	t.Helper()
	client := kinesistest.Client(testenv.StartKinesalite(t).URL())
	return kinesis.New(client.Options(), func(o *kinesis.Options) { o.HTTPClient = staying{o.HTTPClient} })
}

type staying struct{ next kinesis.HTTPClient }

func (s staying) Do(r *http.Request) (*http.Response, error) {
	return s.next.Do(r.WithContext(context.WithoutCancel(r.Context())))
}

// subject makes a stream of two shards for each folder.
func subject(client *kinesis.Client, now *clock) streamtest.Subject {
	var mu sync.Mutex
	streams := make(map[string]*cloud)
	return streamtest.Subject{
		Managed: true,
		Open: func(t *testing.T, s streamtest.Setting) streamtest.Log {
			mu.Lock()
			defer mu.Unlock()
			c, ok := streams[s.Dir]
			if !ok {
				c = &cloud{client: client, clock: now, name: fmt.Sprintf("contract-%d", len(streams))}
				c.create(t, 2)
				streams[s.Dir] = c
			}
			return c.open(t, c.options())
		},
	}
}

func integer(s *string) *big.Int {
	n, _ := new(big.Int).SetString(*s, 10)
	return n
}

// middle is the first hash of a range's upper half.
func middle(r *types.HashKeyRange) string {
	sum := new(big.Int).Add(integer(r.StartingHashKey), integer(r.EndingHashKey))
	return sum.Add(sum, big.NewInt(1)).Rsh(sum, 1).String()
}
