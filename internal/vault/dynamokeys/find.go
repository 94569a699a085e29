package dynamokeys

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

// Find implements [vault.KeyStore].
func (s *Store) Find(ctx context.Context, handles []vault.Handle) ([]vault.Record, error) {
	first := make(map[vault.Handle]int, len(handles)) // a batch may name a key only once
	keys := make([]item, 0, len(handles))
	for i, h := range handles {
		if _, twice := first[h]; !twice {
			first[h] = i
			keys = append(keys, customerKey(h))
		}
	}
	records := make([]vault.Record, len(handles))
	err := inChunks(len(keys), getChunk, func(from, to int) error {
		return s.get(ctx, keys[from:to], func(i item) error {
			r, _, err := i.record()
			if at, asked := first[r.Handle]; err == nil && asked {
				records[at] = r
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("find customers: %w", err)
	}
	for i, h := range handles {
		records[i] = records[first[h]]
	}
	return records, nil
}

// get reads up to getChunk items, each key once, and calls found for those that are there. What DynamoDB leaves out it is
// asked for again.
func (s *Store) get(ctx context.Context, keys []item, found func(item) error) error {
	if err := ctx.Err(); err != nil || len(keys) == 0 {
		return err
	}
	ask := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), Keys: make([]map[string]types.AttributeValue, len(keys))}
	for i, k := range keys {
		ask.Keys[i] = k
	}
	for round := 1; round <= maxRounds; round++ {
		out, err := s.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{*s.table: ask}})
		if err != nil {
			return failure(ctx, "BatchGetItem", err)
		}
		for _, answers := range out.Responses {
			for _, i := range answers {
				if err := found(i); err != nil {
					return err
				}
			}
		}
		var rest []map[string]types.AttributeValue
		for _, left := range out.UnprocessedKeys {
			rest = append(rest, left.Keys...)
		}
		if len(rest) == 0 {
			return nil
		}
		ask.Keys = rest
		if err := s.pause(ctx, round); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: DynamoDB left items out again and again", vault.ErrUnavailable)
}

// one reads one item; nil if there is none.
func (s *Store) one(ctx context.Context, key item) (item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := s.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: s.table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, failure(ctx, "GetItem", err)
	}
	return out.Item, nil
}

// ByToken implements [vault.KeyStore].
func (s *Store) ByToken(ctx context.Context, token payment.Token) (vault.Record, error) {
	for round := 1; round <= maxRounds; round++ {
		r, settled, err := s.byToken(ctx, token)
		if err != nil {
			return vault.Record{}, fmt.Errorf("find customer by token: %w", err)
		}
		if settled {
			return r, nil
		}
		if err := s.pause(ctx, round); err != nil { // an erasure is just under way
			return vault.Record{}, err
		}
	}
	return vault.Record{}, fmt.Errorf("find customer by token: %w: a token without an end", ErrTorn)
}

// byToken looks once. It is not settled when the customer's item is ahead of the token's.
func (s *Store) byToken(ctx context.Context, token payment.Token) (r vault.Record, settled bool, err error) {
	i, err := s.one(ctx, tokenKey(token))
	if err != nil {
		return r, false, err
	}
	if i == nil {
		return r, false, vault.ErrUnknown
	}
	gen, _, err := i.generation()
	var h vault.Handle
	if err != nil || copy(h[:], i.bytes("h")) != len(h) {
		return r, false, fmt.Errorf("%w: a token without a customer", ErrTorn)
	}
	if i.has("c") {
		t, err := closedBy(i)
		return vault.Record{Handle: h, Generation: gen, Token: token, Closed: t}, true, err
	}
	if i, err = s.one(ctx, customerKey(h)); err != nil {
		return r, false, err
	}
	if r, _, err = i.record(); err != nil {
		return vault.Record{}, false, err
	}
	switch {
	case r.Generation < gen:
		return vault.Record{}, false, vault.ErrUnknown // it is just being opened
	case r.Generation == gen && r.Token == token:
		return r, true, nil
	}
	return vault.Record{}, false, nil
}
