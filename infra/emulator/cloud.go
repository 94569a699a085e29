package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Region is the one region of the stack.
const Region = "us-east-1"

// callTimeout bounds one call of the emulator, which answers in milliseconds: only a dead one takes this long.
const callTimeout = 30 * time.Second

// Cloud is the emulator through the clients of the AWS SDK, with fixed credentials that mean nothing.
type Cloud struct {
	Endpoint string // such as http://127.0.0.1:5000
	Account  string // of twelve digits

	Gateway  *apigatewayv2.Client
	Metrics  *cloudwatch.Client
	Logs     *cloudwatchlogs.Client
	Table    *dynamodb.Client
	Network  *ec2.Client
	Cache    *elasticache.Client
	Events   *eventbridge.Client
	Identity *iam.Client
	Stream   *kinesis.Client
	Keys     *kms.Client
	Function *lambda.Client
	Database *rds.Client
	Secrets  *secretsmanager.Client
	Topic    *sns.Client
	Queue    *sqs.Client
	Caller   *sts.Client
}

// NewCloud makes the clients for the emulator at endpoint, a URL, and asks it for its account, which proves that it
// answers. The clients never repeat a call: a failure is seen as it happened.
func NewCloud(ctx context.Context, endpoint string) (*Cloud, error) {
	return connect(ctx, endpoint, http.DefaultTransport)
}

// connect is NewCloud over a transport.
func connect(ctx context.Context, endpoint string, next http.RoundTripper) (*Cloud, error) {
	if endpoint == "" {
		return nil, errors.New("connect to the emulator: no endpoint given, such as http://127.0.0.1:5000")
	}
	cfg := aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("emulator", "emulator", ""),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient:   &http.Client{Timeout: callTimeout, Transport: readOnly{next}},
	}
	c := &Cloud{
		Endpoint: endpoint,
		Gateway:  apigatewayv2.NewFromConfig(cfg),
		Metrics:  cloudwatch.NewFromConfig(cfg),
		Logs:     cloudwatchlogs.NewFromConfig(cfg),
		Table:    dynamodb.NewFromConfig(cfg),
		Network:  ec2.NewFromConfig(cfg),
		Cache:    elasticache.NewFromConfig(cfg),
		Events:   eventbridge.NewFromConfig(cfg),
		Identity: iam.NewFromConfig(cfg),
		Stream:   kinesis.NewFromConfig(cfg),
		Keys:     kms.NewFromConfig(cfg),
		Function: lambda.NewFromConfig(cfg),
		Database: rds.NewFromConfig(cfg),
		Secrets:  secretsmanager.NewFromConfig(cfg),
		Topic:    sns.NewFromConfig(cfg),
		Queue:    sqs.NewFromConfig(cfg),
		Caller:   sts.NewFromConfig(cfg),
	}
	who, err := c.Caller.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("ask the emulator at %s for its account: %w", endpoint, err)
	}
	c.Account = aws.ToString(who.Account)
	return c, nil
}

// readOnly is a transport that hides from net/http that the SDK's request bodies can write themselves (io.WriterTo). The
// SDK closes a body as soon as an answer begins, while net/http may still be asking it whether there is more; asked through
// WriteTo, a closed body answers with an error instead of its end, and net/http closes the connection under the answer.
// Servers on the same machine are quick enough for that to happen now and then (smithy-go 1.28).
type readOnly struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return t.next.RoundTrip(r)
}

// ARN names a resource of the account, such as arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1.
func (c *Cloud) ARN(service, resource string) string {
	return "arn:aws:" + service + ":" + Region + ":" + c.Account + ":" + resource
}

// isCode tells whether err is an answer of the emulator with one of the given error codes, such as
// InvalidVpcID.NotFound.
func isCode(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}

// refuse is an error worded as AWS words it, for what AWS refuses and the emulator allows.
func refuse(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}
