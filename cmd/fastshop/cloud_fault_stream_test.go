package main

import (
	"math/big"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
	"github.com/fastshop/pipeline/internal/testenv"
)

// sometimes answers code with a probability.
func sometimes(share float64, code string) string {
	if rand.Float64() < share {
		return code
	}
	return ""
}

// TestCloudStreamFaults has Kinesis refuse and lose.
func TestCloudStreamFaults(t *testing.T) {
	t.Parallel()
	for i, f := range []cloudFault{
		{"records refused", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			r.kinesis.Fail(kinesistest.Faults{Record: func(string) string { return sometimes(0.3, kinesistest.Throttled) }})
			shop.more("acknowledgments", &shop.taken, 400)
		}},
		{"answers lost", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			r.kinesis.Fail(kinesistest.Faults{Lost: func(string) bool { return rand.Float64() < 0.2 }})
			shop.more("acknowledgments", &shop.taken, 400)
		}},
		{"calls throttled", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			r.kinesis.Fail(kinesistest.Faults{Call: func(string) string { return sometimes(0.4, kinesistest.Throttled) }})
			shop.more("acknowledgments", &shop.taken, 300)
		}},
		{"no writing", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			r.kinesis.Fail(kinesistest.Faults{Call: func(operation string) string {
				if operation == "PutRecords" {
					return kinesistest.InternalFailure
				}
				return ""
			}})
			shop.more("refusals", &shop.refused, 5)
		}},
		{"no reading", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			r.kinesis.Fail(kinesistest.Faults{Call: func(operation string) string {
				if operation == "GetRecords" {
					return kinesistest.InternalFailure
				}
				return ""
			}})
			r.kinesis.ExpireIterators()
			shop.more("acknowledgments", &shop.taken, 200)
		}},
	} {
		mended := f.with
		f.with = func(t *testing.T, r *cloudRig, shop *cloudShop) {
			mended(t, r, shop)
			r.kinesis.Fail(kinesistest.Faults{})
		}
		f.run(t, cloudParts{}, uint64(600+i))
	}
}

// TestCloudReshard splits and merges shards of a stream that is being written, while nobody reads it for the moment. What
// was in the parents must be decided before what is in their children.
func TestCloudReshard(t *testing.T) {
	t.Parallel()
	kinesalite := testenv.StartKinesalite(t)
	var behind atomic.Bool
	front := testenv.Intercept(t, kinesalite.URL(), func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if behind.Load() && strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetRecords") {
			cloudtest.Refuse(w, http.StatusBadRequest, kinesistest.Throttled)
			return true
		}
		return false
	})
	c := kinesistest.Client(kinesalite.URL())
	makeStream(t, c, cloudShards)
	cloudFault{"split and merge", func(t *testing.T, r *cloudRig, shop *cloudShop) {
		for range 2 {
			behind.Store(true)
			for range 2 {
				shop.more("acknowledgments", &shop.taken, 80)
				split(t, c, openShards(t, c)[0])
				shop.more("acknowledgments", &shop.taken, 80)
				open := openShards(t, c)
				merge(t, c, open[1], open[2])
			}
			shop.more("acknowledgments", &shop.taken, 80)
			behind.Store(false)
			shop.more("acknowledgments", &shop.taken, 80)
		}
		s := r.open()
		defer s.Close()
		for _, shard := range closedShards(t, c) {
			eventually(t, "shard "+*shard.ShardId+" is read to its end", func() bool {
				at, _, err := s.Checkpoint(t.Context(), stream.Partition(*shard.ShardId))
				return err == nil && at.Position == stream.Ended
			})
		}
	}}.run(t, cloudParts{stream: front}, 700)
}

func listShards(t *testing.T, c *kinesis.Client) []types.Shard {
	t.Helper()
	out, err := c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(cloudStream)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Shards
}

func isOpen(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber == nil }

// openShards are the shards that take records, by the keys that they take.
func openShards(t *testing.T, c *kinesis.Client) []types.Shard {
	t.Helper()
	open := slices.DeleteFunc(listShards(t, c), func(s types.Shard) bool { return !isOpen(s) })
	slices.SortFunc(open, func(a, b types.Shard) int {
		return hashKey(t, a.HashKeyRange.StartingHashKey).Cmp(hashKey(t, b.HashKeyRange.StartingHashKey))
	})
	return open
}

// closedShards are the shards that were split or merged.
func closedShards(t *testing.T, c *kinesis.Client) []types.Shard {
	t.Helper()
	return slices.DeleteFunc(listShards(t, c), isOpen)
}

// split divides a shard in the middle of its keys.
func split(t *testing.T, c *kinesis.Client, s types.Shard) {
	t.Helper()
	middle := new(big.Int).Add(hashKey(t, s.HashKeyRange.StartingHashKey), hashKey(t, s.HashKeyRange.EndingHashKey))
	middle.Rsh(middle, 1)
	_, err := c.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(cloudStream), ShardToSplit: s.ShardId, NewStartingHashKey: aws.String(middle.String()),
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitStream(t, c)
}

// merge makes one shard of two neighbors.
func merge(t *testing.T, c *kinesis.Client, a, b types.Shard) {
	t.Helper()
	_, err := c.MergeShards(t.Context(), &kinesis.MergeShardsInput{
		StreamName: aws.String(cloudStream), ShardToMerge: a.ShardId, AdjacentShardToMerge: b.ShardId,
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitStream(t, c)
}

func hashKey(t *testing.T, text *string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(*text, 10)
	if !ok {
		t.Fatalf("%q is no hash key", *text)
	}
	return n
}
