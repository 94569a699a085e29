package kinesisstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/stream"
)

// shards is the list of the stream's shards as it was not long ago.
type shards struct {
	options *Options

	mu      sync.Mutex // held while the list is asked for: those who wait get the same answer
	listed  time.Time
	names   []stream.Partition // parents before children
	parents map[stream.Partition][]stream.Partition
}

// Partitions names the shards that hold records or take them, parents before their children. The list may be
// Options.ShardsFor old; it is new once a Read has returned stream.ErrEnded.
func (l *Log) Partitions(ctx context.Context) ([]stream.Partition, error) {
	names, _, err := l.list(ctx)
	return names, err
}

// Parents tells for each of Partitions the shards that its keys were in before: one after a split, two after a merge,
// none for a first shard or when Kinesis has let go of them. To keep the order of a key, read a shard only when its
// parents have been read to their end.
func (l *Log) Parents(ctx context.Context) (map[stream.Partition][]stream.Partition, error) {
	_, parents, err := l.list(ctx)
	return parents, err
}

func (l *Log) list(ctx context.Context) ([]stream.Partition, map[stream.Partition][]stream.Partition, error) {
	ctx, done := l.within(ctx)
	defer done()
	names, parents, err := l.shards.list(ctx, false)
	if err != nil {
		return nil, nil, l.ended(ctx, err)
	}
	return names, parents, nil
}

// list returns copies.
func (s *shards) list(ctx context.Context, anew bool) ([]stream.Partition, map[stream.Partition][]stream.Partition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.options.Now(); anew || s.listed.IsZero() || now.Sub(s.listed) >= s.options.ShardsFor {
		all, err := s.ask(ctx)
		if err != nil {
			return nil, nil, err
		}
		s.listed = now
		s.names, s.parents = lineage(all)
	}
	parents := make(map[stream.Partition][]stream.Partition, len(s.parents))
	for p, of := range s.parents {
		parents[p] = slices.Clone(of)
	}
	return slices.Clone(s.names), parents, nil
}

// forget makes the next list a new one.
func (s *shards) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = time.Time{}
}

// knows reports whether the shard exists, asking again if the list at hand does not have it.
func (s *shards) knows(ctx context.Context, p stream.Partition) (bool, error) {
	for _, anew := range []bool{false, true} {
		names, _, err := s.list(ctx, anew)
		if err != nil {
			return false, err
		}
		if slices.Contains(names, p) {
			return true, nil
		}
	}
	return false, nil
}

// ask lists all shards, page by page.
func (s *shards) ask(ctx context.Context) ([]types.Shard, error) {
	var all []types.Shard
	in := &kinesis.ListShardsInput{StreamName: &s.options.Name}
	for {
		ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
		out, err := s.options.Client.ListShards(ctx, in)
		cancel()
		if err != nil {
			return nil, explain("list shards of stream "+s.options.Name, err)
		}
		all = append(all, out.Shards...)
		if out.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: stream %s lists no shards", stream.ErrUnavailable, s.options.Name)
	}
	return all, nil
}

// lineage orders the shards so that parents come before their children, and otherwise by name.
func lineage(all []types.Shard) (names []stream.Partition, parents map[stream.Partition][]stream.Partition) {
	slices.SortFunc(all, func(a, b types.Shard) int {
		return slices.Compare([]byte(aws.ToString(a.ShardId)), []byte(aws.ToString(b.ShardId)))
	})
	parents = make(map[stream.Partition][]stream.Partition, len(all))
	for i := range all {
		parents[stream.Partition(aws.ToString(all[i].ShardId))] = nil
	}
	for i := range all {
		p := stream.Partition(aws.ToString(all[i].ShardId))
		for _, id := range []*string{all[i].ParentShardId, all[i].AdjacentParentShardId} {
			if _, listed := parents[stream.Partition(aws.ToString(id))]; listed && id != nil {
				parents[p] = append(parents[p], stream.Partition(*id))
			}
		}
	}
	placed := make(map[stream.Partition]bool, len(all))
	var put func(p stream.Partition)
	put = func(p stream.Partition) {
		if placed[p] {
			return
		}
		placed[p] = true
		for _, parent := range parents[p] {
			put(parent)
		}
		names = append(names, p)
	}
	for i := range all {
		put(stream.Partition(aws.ToString(all[i].ShardId)))
	}
	return names, parents
}
