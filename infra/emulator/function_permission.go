package emulator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

func checkPermission(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("statementIdPrefix", "qualifier", "eventSourceToken", "functionUrlAuthType", "principalOrgId", "invokedViaFunctionUrl")
	i.add(checkName(in, "statementId", 100, dashName))
	if in.Known("action") && !strings.HasPrefix(in.Str("action"), "lambda:") {
		i.fault("action", "InvalidParameterValueException: give an action of Lambda, such as lambda:InvokeFunction")
	}
	return i.found()
}

// invented is a short name that the real provider would draw at random. Here it follows from what it stands for.
func invented(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return "pulumi-" + hex.EncodeToString(sum[:8])
}

func createPermission(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	id := orElse(in.Str("statementId"), invented(in.Str("function"), in.Str("principal"), in.Str("sourceArn")))
	_, err := c.Function.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: in.StrPtr("function"), StatementId: &id, Action: in.StrPtr("action"), Principal: in.StrPtr("principal"),
		SourceArn: in.StrPtr("sourceArn"), SourceAccount: in.StrPtr("sourceAccount"),
	})
	if err != nil {
		return "", nil, fmt.Errorf("permit %s to call function %s: %w", in.Str("principal"), in.Str("function"), err)
	}
	return id, in.With(Object{"statementId": id}), nil
}

func readPermission(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Function.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: state.StrPtr("function")})
	if isCode(err, functionGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read policy of function %s: %w", state.Str("function"), err)
	}
	var policy struct {
		Statement []struct{ Sid string }
	}
	if err := json.Unmarshal([]byte(aws.ToString(got.Policy)), &policy); err != nil {
		return nil, fmt.Errorf("read policy of function %s: %w", state.Str("function"), err)
	}
	if !slices.ContainsFunc(policy.Statement, func(s struct{ Sid string }) bool { return s.Sid == id }) {
		return nil, ErrGone
	}
	return state, nil
}

func deletePermission(ctx context.Context, c *Cloud, id string, state Object) error {
	_, err := c.Function.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: state.StrPtr("function"), StatementId: &id})
	return wrap(unless(err, functionGone), "remove permission %s of function %s", id, state.Str("function"))
}
