package dynamokeys

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fastshop/pipeline/internal/vault"
)

// Secret implements [vault.Secrets].
func (s *Store) Secret(ctx context.Context, id vault.SecretID) ([]byte, error) {
	i, err := s.one(ctx, secretKey(id))
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if i == nil {
		return nil, vault.ErrUnknown
	}
	return i.bytes("w"), nil
}

// Keep implements [vault.Secrets].
func (s *Store) Keep(ctx context.Context, id vault.SecretID, wrapped []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	i := secretKey(id)
	i["w"] = bytesOf(wrapped)
	done, there, err := s.put(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: i, ConditionExpression: aws.String("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("keep secret: %w", err)
	case done:
		return wrapped, nil
	case there == nil: // a transaction: none of ours has secrets in it
		return nil, fmt.Errorf("keep secret: %w: somebody else writes it", vault.ErrUnavailable)
	}
	return there.bytes("w"), nil
}
