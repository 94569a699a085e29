package kinesisstream

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
)

// TestCallsOfOneKeyKeepTheirOrder lets many calls for one key in, one after the other, without waiting for any, while half
// of what is sent fails and requests overtake one another.
func TestCallsOfOneKeyKeepTheirOrder(t *testing.T) {
	server := kinesistest.New(time.Now, 1)
	client := kinesistest.Client(server.Start(t))
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("orders"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Options{
		Client: client, Name: "orders", Linger: 100 * time.Microsecond, Backoff: time.Millisecond, ReadEvery: time.Microsecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	sent := disturb(server)
	const calls = 120
	under := make([]*call, calls)
	for n := range under {
		under[n], err = newCall([]stream.Entry{
			{Key: []byte("k"), Data: fmt.Appendf(nil, "%d", n)}, {Key: fmt.Appendf(nil, "other-%d", n%9), Data: []byte("x")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.producer.admit(under[n]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Microsecond)
	}
	if err := l.Close(); err != nil { // which waits for them
		t.Fatal(err)
	}
	for n, c := range under {
		if !c.ended || c.err != nil {
			t.Fatalf("call %d: ended %t, %v", n, c.ended, c.err)
		}
	}
	server.Fail(kinesistest.Faults{})
	if got := ofKey(t, client, "k"); len(got) != calls {
		t.Errorf("%d records of %d", len(got), calls)
	} else {
		for n := range got {
			if got[n] != fmt.Sprint(n) {
				t.Fatalf("record %d is %s: %v", n, got[n], got)
			}
		}
	}
	if n := sent(); n > 10*calls {
		t.Errorf("%d records and requests for %d calls: entries that wait do not travel together", n, calls)
	}
}

// disturb lets half of all records fail and requests overtake one another. The result counts both.
func disturb(server *kinesistest.Server) (sent func() int) {
	var mu sync.Mutex
	random, n := rand.New(rand.NewPCG(3, 3)), 0
	toss := func() float64 {
		mu.Lock()
		defer mu.Unlock()
		n++
		return random.Float64()
	}
	server.Fail(kinesistest.Faults{
		Record: func(string) string {
			if toss() < 0.5 {
				return kinesistest.Throttled
			}
			return ""
		},
		Delay: func(string) time.Duration { return time.Duration(toss() * float64(2*time.Millisecond)) },
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// ofKey reads the data of a key's records in the first shard.
func ofKey(t *testing.T, client Client, key string) (data []string) {
	t.Helper()
	l, err := Open(t.Context(), Options{Client: client, Name: "orders", ReadEvery: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	for after := stream.Position(""); ; {
		records, err := l.Read(t.Context(), "shardId-000000000000", after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			break
		}
		for i := range records {
			if after = records[i].Position; string(records[i].Key) == key {
				data = append(data, string(records[i].Data))
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return data
}
