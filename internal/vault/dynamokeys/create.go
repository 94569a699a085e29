package dynamokeys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

// closedBy reads when an item's generation was closed.
func closedBy(i item) (time.Time, error) {
	at, err := i.number("c")
	return time.UnixMilli(at).UTC(), err
}

// claim are the offers of one call for one handle.
type claim struct {
	places []int        // of the offers
	before vault.Record // what the table has, or is thought to have at first
	after  vault.Record
}

// Create implements [vault.KeyStore]. It assumes at first that each customer is new, or back after an erasure, as its
// offer says, and learns from the refusal what is there if not.
func (s *Store) Create(ctx context.Context, records []vault.Record) ([]vault.Record, error) {
	claims, err := claimsOf(records)
	if err != nil {
		return nil, fmt.Errorf("create customers: %w", err)
	}
	if len(records) == 0 {
		return nil, nil
	}
	kept := make([]vault.Record, len(records))
	err = inChunks(len(claims), 1, func(from, _ int) error { return s.settle(ctx, claims[from], records, kept) })
	if err != nil {
		return nil, fmt.Errorf("create customers: %w", err)
	}
	return kept, nil
}

// claimsOf checks the offers and groups them by handle.
func claimsOf(offers []vault.Record) ([]*claim, error) {
	claims := make([]*claim, 0, len(offers))
	index := make(map[vault.Handle]*claim, len(offers))
	owners := make(map[payment.Token]vault.Handle, len(offers))
	for i := range offers {
		r := &offers[i]
		if !r.Valid() {
			return nil, vault.ErrInput
		}
		if owner, taken := owners[r.Token]; taken && owner != r.Handle {
			return nil, ErrTaken
		}
		owners[r.Token] = r.Handle
		c := index[r.Handle]
		if c == nil {
			c = &claim{}
			if r.Generation > 1 {
				c.before = vault.Record{Handle: r.Handle, Generation: r.Generation - 1, Closed: time.Unix(1, 0)}
			}
			index[r.Handle] = c
			claims = append(claims, c)
		}
		c.places = append(c.places, i)
	}
	return claims, nil
}

// fold puts into kept what each of the claim's offers comes to, and reports whether the table has to change for it.
func (c *claim) fold(offers, kept []vault.Record) bool {
	c.after = c.before
	any := false
	for _, i := range c.places {
		var changed bool
		c.after, changed = c.after.Take(offers[i])
		kept[i] = c.after
		any = any || changed
	}
	return any
}

// settle writes a claim until it is what the table has.
func (s *Store) settle(ctx context.Context, c *claim, offers, kept []vault.Record) error {
	for round := 1; round <= maxRounds; round++ {
		if !c.fold(offers, kept) {
			return nil
		}
		done, err := s.write(ctx, c)
		if err != nil || done {
			return err
		}
		if round > 2 { // the first is an assumption, the second may have lost a race
			if err := s.pause(ctx, round); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%w: others write the same customer all the time", vault.ErrUnavailable)
}

// write tries to bring a claim into the table. If it is not done, the claim knows what the table has, or a transaction was
// in the way.
//
// The token's item comes first: without its customer's it means nothing, and the customer's never is without it.
func (s *Store) write(ctx context.Context, c *claim) (done bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if !c.before.IsOpen() {
		if done, err := s.putToken(ctx, &c.after); err != nil || !done {
			return false, err
		}
	}
	in := &dynamodb.PutItemInput{
		TableName: s.table, Item: customerItem(&c.after, 0),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	in.ConditionExpression, in.ExpressionAttributeValues = unchanged(&c.before)
	done, there, err := s.put(ctx, in)
	if err != nil || done || there == nil {
		return done, err
	}
	c.before, _, err = there.record()
	return false, err
}

// putToken writes the token's item unless it is there. It is not done when a transaction was in the way.
func (s *Store) putToken(ctx context.Context, r *vault.Record) (done bool, err error) {
	done, there, err := s.put(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: tokenItem(r), ConditionExpression: aws.String("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil || done || there == nil {
		return done, err
	}
	gen, _, err := there.generation()
	if err != nil {
		return false, err
	}
	if string(there.bytes("h")) != string(r.Handle[:]) || gen != r.Generation {
		return false, ErrTaken
	}
	return true, nil
}

// put writes an item if its condition holds. If it does not, there is what the table has, empty for nothing; if it is nil
// as well, a transaction was in the way.
func (s *Store) put(ctx context.Context, in *dynamodb.PutItemInput) (done bool, there item, err error) {
	_, err = s.api.PutItem(ctx, in)
	var refused *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return true, nil, nil
	case ctx.Err() == nil && errors.As(err, &refused):
		there = refused.Item
		if there == nil {
			there = item{}
		}
		return false, there, nil
	case ctx.Err() == nil && cloud.Code(err) == "TransactionConflictException":
		return false, nil, nil
	}
	return false, nil, failure(ctx, "PutItem", err)
}

// unchanged is the condition that a customer's item is still the one that was read.
func unchanged(r *vault.Record) (*string, map[string]types.AttributeValue) {
	switch {
	case r.Generation == 0:
		return aws.String("attribute_not_exists(pk)"), nil
	case !r.IsOpen():
		return aws.String("g = :g AND attribute_exists(c)"), item{":g": number(r.Generation)}
	case len(r.Wrapped) == 0:
		return aws.String("g = :g AND t = :t AND attribute_not_exists(c) AND attribute_not_exists(w)"),
			item{":g": number(r.Generation), ":t": bytesOf(r.Token[:])}
	}
	return aws.String("g = :g AND t = :t AND attribute_not_exists(c)"), item{":g": number(r.Generation), ":t": bytesOf(r.Token[:])}
}
