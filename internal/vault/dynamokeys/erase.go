package dynamokeys

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fastshop/pipeline/internal/vault"
)

// Shred implements [vault.KeyStore].
func (s *Store) Shred(ctx context.Context, h vault.Handle, at time.Time) (vault.Tombstone, error) {
	select {
	case s.shredding <- struct{}{}:
	case <-ctx.Done():
		return vault.Tombstone{}, ctx.Err()
	}
	defer func() { <-s.shredding }()
	for round := 1; round <= maxRounds; round++ {
		t, done, err := s.shred(ctx, h, at.UTC().Truncate(time.Millisecond))
		if err != nil {
			return vault.Tombstone{}, fmt.Errorf("destroy customer key: %w", err)
		}
		if done {
			return t, nil
		}
		if err := s.pause(ctx, round); err != nil {
			return vault.Tombstone{}, err
		}
	}
	return vault.Tombstone{}, fmt.Errorf("destroy customer key: %w: others are faster all the time", vault.ErrUnavailable)
}

// shred tries once. It is not done when another erasure took the number, or the customer changed.
func (s *Store) shred(ctx context.Context, h vault.Handle, at time.Time) (t vault.Tombstone, done bool, err error) {
	i, err := s.one(ctx, customerKey(h))
	if err != nil {
		return t, false, err
	}
	r, seq, err := i.record()
	switch {
	case err != nil:
		return t, false, err
	case r.Generation == 0:
		return t, false, vault.ErrUnknown
	case !r.IsOpen():
		return vault.Tombstone{Seq: seq, Handle: h, Generation: r.Generation, Token: r.Token, At: r.Closed}, true, nil
	}
	last, err := s.last(ctx)
	if err != nil {
		return t, false, err
	}
	t = vault.Tombstone{Seq: last + 1, Handle: h, Generation: r.Generation, Token: r.Token, At: at}
	done, err = s.bury(ctx, &t, &r, true)
	return t, done, err
}

// last is the greatest number of a tombstone, 0 if there is none.
func (s *Store) last(ctx context.Context) (uint64, error) {
	out, err := s.api.Query(ctx, &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: item{":p": text(tombstones)}, ScanIndexForward: aws.Bool(false), Limit: aws.Int32(1),
	})
	if err != nil {
		return 0, failure(ctx, "Query", err)
	}
	if len(out.Items) == 0 {
		return 0, nil
	}
	t, err := item(out.Items[0]).tombstone()
	return t.Seq, err
}

// bury writes a tombstone and what goes with it in one transaction: the customer's item, which was r before, is replaced
// by one without a key, unless it is about a later generation; the token's item gets its end; the tombstone is added after
// the one before it, if it is new. It is not done when the table has changed since.
func (s *Store) bury(ctx context.Context, t *vault.Tombstone, r *vault.Record, isNew bool) (done bool, err error) {
	customer, token, stone := buried(t)
	items := []types.TransactWriteItem{{Put: &types.Put{TableName: s.table, Item: token}}}
	if r.Generation <= t.Generation {
		condition, values := unchanged(r)
		items = append(items, types.TransactWriteItem{Put: &types.Put{
			TableName: s.table, Item: customer, ConditionExpression: condition, ExpressionAttributeValues: values,
		}})
	}
	if isNew {
		items = append(items, types.TransactWriteItem{Put: &types.Put{
			TableName: s.table, Item: stone, ConditionExpression: aws.String("attribute_not_exists(pk)"),
		}})
	}
	if isNew && t.Seq > 1 {
		items = append(items, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: s.table, Key: tombstoneKey(t.Seq - 1), ConditionExpression: aws.String("attribute_exists(pk)"),
		}})
	}
	if _, err := s.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items}); err != nil {
		_, err = refusal(ctx, err)
		return false, err
	}
	return true, nil
}

// Tombstones implements [vault.KeyStore].
func (s *Store) Tombstones(ctx context.Context, after uint64, limit int) ([]vault.Tombstone, error) {
	if limit <= 0 {
		return nil, nil
	}
	for round := 1; round <= maxRounds; round++ {
		found, whole, err := s.tombstones(ctx, after, limit)
		if err != nil {
			return nil, fmt.Errorf("read tombstones: %w", err)
		}
		if whole {
			return found, nil
		}
		if err := s.pause(ctx, round); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("read tombstones: %w: a number is missing; bury all tombstones again", ErrTorn)
}

// tombstones looks once. It is not whole when a number is missing: a query may see the second of two transactions while
// the first is still being put in place.
func (s *Store) tombstones(ctx context.Context, after uint64, limit int) (found []vault.Tombstone, whole bool, err error) {
	in := &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :p AND sk > :s"),
		ExpressionAttributeValues: item{":p": text(tombstones), ":s": text(sequence(after))},
	}
	for {
		in.Limit = aws.Int32(int32(min(limit-len(found), 1000)))
		out, err := s.api.Query(ctx, in)
		if err != nil {
			return nil, false, failure(ctx, "Query", err)
		}
		for _, i := range out.Items {
			t, err := item(i).tombstone()
			if err != nil {
				return nil, false, err
			}
			if t.Seq != after+uint64(len(found))+1 {
				return nil, false, nil
			}
			found = append(found, t)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 || len(found) >= limit {
			return found, true, nil
		}
	}
}
