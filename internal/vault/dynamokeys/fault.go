package dynamokeys

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/vault"
)

// failure is the error of a call: the context's if it ended, else one of the port's.
func failure(ctx context.Context, action string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	told := cloud.Tidy(err)
	switch cloud.Code(err) {
	case "ResourceNotFoundException":
		return fmt.Errorf("%w: %w: %w", vault.ErrUnavailable, ErrMissing, told)
	case "TransactionInProgressException", "ReplicatedWriteConflictException", "ResourceInUseException":
		return fmt.Errorf("%w: %w", vault.ErrUnavailable, told)
	}
	switch cloud.FaultOf(err) {
	case cloud.FaultDenied:
		return fmt.Errorf("%w: %w: dynamodb:%s, or the key that encrypts the table: %w", vault.ErrUnavailable, ErrDenied, action, told)
	case cloud.FaultOutage, cloud.FaultThrottled:
		return fmt.Errorf("%w: ask DynamoDB (%s): %w", vault.ErrUnavailable, action, told)
	}
	return fmt.Errorf("ask DynamoDB (%s): %w", action, told)
}

// refusal returns the reasons for which DynamoDB canceled a transaction: conditions that did not hold, or others in the
// way. Everything else is an error.
func refusal(ctx context.Context, err error) ([]types.CancellationReason, error) {
	var canceled *types.TransactionCanceledException
	if ctx.Err() != nil || !errors.As(err, &canceled) {
		return nil, failure(ctx, "TransactWriteItems", err)
	}
	for _, r := range canceled.CancellationReasons {
		switch code := aws.ToString(r.Code); code {
		case "", "None", "ConditionalCheckFailed", "TransactionConflict":
		case "ThrottlingError", "ProvisionedThroughputExceeded":
			return nil, fmt.Errorf("%w: DynamoDB throttles (%s)", vault.ErrUnavailable, code)
		default:
			return nil, fmt.Errorf("DynamoDB refused a transaction: %s", code)
		}
	}
	return canceled.CancellationReasons, nil
}

// Check looks at the table and tries every kind of call that the store makes, without changing anything. nil means that
// all is well; otherwise the error says in words what is wrong, all of it, and wraps [ErrMissing], [ErrSchema], [ErrDenied]
// or [vault.ErrUnavailable].
func (s *Store) Check(ctx context.Context) error {
	out, err := s.api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: s.table})
	if err != nil && cloud.FaultOf(err) != cloud.FaultDenied {
		return fmt.Errorf("check %v: %w", s, failure(ctx, "DescribeTable", err))
	}
	if err == nil {
		if err := fits(out.Table); err != nil {
			return fmt.Errorf("check %v: %w", s, err)
		}
	}
	errs := []error{s.checkReads(ctx), s.checkPut(ctx), s.checkTransaction(ctx)}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("check %v: %w", s, err)
	}
	return nil
}

// fits checks what DynamoDB says about the table.
func fits(t *types.TableDescription) error {
	kinds := make(map[string]types.ScalarAttributeType)
	for _, a := range t.AttributeDefinitions {
		kinds[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	want := []types.KeySchemaElement{
		{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
	}
	good := len(t.KeySchema) == len(want)
	for i := 0; good && i < len(want); i++ {
		name := *want[i].AttributeName
		good = aws.ToString(t.KeySchema[i].AttributeName) == name && t.KeySchema[i].KeyType == want[i].KeyType && kinds[name] == types.ScalarAttributeTypeS
	}
	if !good {
		return fmt.Errorf("%w: its keys have to be pk (partition) and sk (sort), both strings", ErrSchema)
	}
	switch t.TableStatus {
	case types.TableStatusActive, types.TableStatusUpdating:
		return nil
	case types.TableStatusInaccessibleEncryptionCredentials:
		return fmt.Errorf("%w: %w: DynamoDB may not use the key that encrypts the table", vault.ErrUnavailable, ErrDenied)
	}
	return fmt.Errorf("%w: DynamoDB says that the table is %s", vault.ErrUnavailable, t.TableStatus)
}

// probe is a key that no item has.
func probe() item { return keyOf("check", "check") }

func (s *Store) checkReads(ctx context.Context) error {
	_, one := s.one(ctx, probe())
	_, query := s.last(ctx)
	return errors.Join(one, query, s.get(ctx, []item{probe()}, func(item) error { return nil }))
}

// checkPut offers an item under a condition that does not hold.
func (s *Store) checkPut(ctx context.Context) error {
	_, err := s.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: probe(), ConditionExpression: aws.String("attribute_exists(pk)"),
	})
	if err == nil || cloud.Code(err) == "ConditionalCheckFailedException" {
		return nil
	}
	return failure(ctx, "PutItem", err)
}

// checkTransaction checks a condition, and changes nothing whether it holds or not.
func (s *Store) checkTransaction(ctx context.Context) error {
	_, err := s.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{
		ConditionCheck: &types.ConditionCheck{TableName: s.table, Key: probe(), ConditionExpression: aws.String("attribute_not_exists(pk)")},
	}}})
	if err == nil {
		return nil
	}
	return failure(ctx, "ConditionCheckItem", err)
}
