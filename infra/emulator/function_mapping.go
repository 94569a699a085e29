package emulator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// unbounded is how Lambda is told to retry, or to keep records, for as long as the stream does.
const unbounded = -1

func checkMapping(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("amazonManagedKafkaEventSourceConfig", "documentDbEventSourceConfig", "provisionedPollerConfig", "queues", "topics",
		"selfManagedEventSource", "selfManagedKafkaEventSourceConfig", "sourceAccessConfigurations", "startingPositionTimestamp", "scalingConfig")
	i.given("eventSourceArn")
	i.between("batchSize", 1, 10000)
	i.between("maximumBatchingWindowInSeconds", 0, 300)
	i.between("parallelizationFactor", 1, 10)
	i.between("maximumRetryAttempts", unbounded, 10000)
	i.between("tumblingWindowInSeconds", 0, 900)
	if age := in.Int("maximumRecordAgeInSeconds"); in.Known("maximumRecordAgeInSeconds") && age != unbounded {
		i.between("maximumRecordAgeInSeconds", 60, 604800)
	}
	if slices.ContainsFunc(in.Strings("functionResponseTypes"), func(s string) bool { return s != "ReportBatchItemFailures" }) {
		i.fault("functionResponseTypes", "InvalidParameterValueException: there is only ReportBatchItemFailures")
	}
	if !in.Known("eventSourceArn") {
		return i.found()
	}
	if strings.HasPrefix(in.Str("eventSourceArn"), "arn:aws:kinesis:") {
		i.given("startingPosition")
		i.oneOf("startingPosition", "TRIM_HORIZON", "LATEST")
		onFailure := in.Object("destinationConfig").Object("onFailure")
		if in.Known("destinationConfig") && onFailure.Has("destinationArn") && !isQueueOrTopic(onFailure.Str("destinationArn")) &&
			!strings.HasPrefix(onFailure.Str("destinationArn"), "arn:aws:s3:") {
			i.fault("destinationConfig", "InvalidParameterValueException: give the ARN of an SQS queue, an SNS topic or an S3 bucket")
		}
		return i.found()
	}
	for _, p := range []string{
		"startingPosition", "parallelizationFactor", "maximumRetryAttempts", "maximumRecordAgeInSeconds", "bisectBatchOnFunctionError",
		"destinationConfig", "tumblingWindowInSeconds",
	} {
		if in.Has(p) {
			i.fault(p, "InvalidParameterValueException: leave it away: the source is no stream")
		}
	}
	return i.found()
}

func destinationOf(in Object) *types.DestinationConfig {
	arn := in.Object("destinationConfig").Object("onFailure").Str("destinationArn")
	if arn == "" {
		return nil
	}
	return &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &arn}}
}

func filtersOf(in Object) *types.FilterCriteria {
	filters := in.Object("filterCriteria").Objects("filters")
	if len(filters) == 0 {
		return nil
	}
	out := &types.FilterCriteria{}
	for _, f := range filters {
		out.Filters = append(out.Filters, types.Filter{Pattern: f.StrPtr("pattern")})
	}
	return out
}

func responsesOf(in Object) []types.FunctionResponseType {
	var out []types.FunctionResponseType
	for _, r := range in.Strings("functionResponseTypes") {
		out = append(out, types.FunctionResponseType(r))
	}
	return out
}

// streamOf is the stream of a registered consumer. The emulator maps streams only; that the source is the consumer is
// left to the state.
func streamOf(source string) string {
	if strings.HasPrefix(source, "arn:aws:kinesis:") {
		source, _, _ = strings.Cut(source, "/consumer/")
	}
	return source
}

// createMapping leaves kmsKeyArn, metricsConfig and the tags to the state: the emulator does not keep them.
func createMapping(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Function.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{
		FunctionName: in.StrPtr("functionName"), EventSourceArn: aws.String(streamOf(in.Str("eventSourceArn"))), Enabled: aws.Bool(in.BoolOr("enabled", true)),
		BatchSize: in.Int32Ptr("batchSize"), BisectBatchOnFunctionError: in.BoolPtr("bisectBatchOnFunctionError"), DestinationConfig: destinationOf(in),
		FilterCriteria: filtersOf(in), FunctionResponseTypes: responsesOf(in), KMSKeyArn: in.StrPtr("kmsKeyArn"),
		MaximumBatchingWindowInSeconds: in.Int32Ptr("maximumBatchingWindowInSeconds"), MaximumRecordAgeInSeconds: in.Int32Ptr("maximumRecordAgeInSeconds"),
		MaximumRetryAttempts: in.Int32Ptr("maximumRetryAttempts"), ParallelizationFactor: in.Int32Ptr("parallelizationFactor"),
		StartingPosition: types.EventSourcePosition(in.Str("startingPosition")), TumblingWindowInSeconds: in.Int32Ptr("tumblingWindowInSeconds"), Tags: in.Tags(),
	})
	if err != nil {
		return "", nil, fmt.Errorf("map %s to function %s: %w", in.Str("eventSourceArn"), in.Str("functionName"), err)
	}
	id := aws.ToString(made.UUID)
	out, err := readMapping(ctx, c, id, in)
	return id, out, err
}

func readMapping(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	m, err := c.Function.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id})
	if isCode(err, functionGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read event source mapping %s: %w", id, err)
	}
	source := aws.ToString(m.EventSourceArn)
	if source == streamOf(state.Str("eventSourceArn")) {
		source = state.Str("eventSourceArn")
	}
	return state.With(Object{
		"arn": c.ARN("lambda", "event-source-mapping:"+id), "uuid": id, "functionArn": aws.ToString(m.FunctionArn),
		"eventSourceArn": source, "batchSize": int(aws.ToInt32(m.BatchSize)),
		"enabled": aws.ToString(m.State) != "Disabled", "state": aws.ToString(m.State),
		"stateTransitionReason": aws.ToString(m.StateTransitionReason), "lastProcessingResult": "No records processed",
	}), nil
}

func updateMapping(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	_, err := c.Function.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{
		UUID: &id, FunctionName: in.StrPtr("functionName"), Enabled: aws.Bool(in.BoolOr("enabled", true)), BatchSize: in.Int32Ptr("batchSize"),
		BisectBatchOnFunctionError: in.BoolPtr("bisectBatchOnFunctionError"), DestinationConfig: destinationOf(in), FilterCriteria: filtersOf(in),
		FunctionResponseTypes: responsesOf(in), KMSKeyArn: in.StrPtr("kmsKeyArn"), ParallelizationFactor: in.Int32Ptr("parallelizationFactor"),
		MaximumBatchingWindowInSeconds: in.Int32Ptr("maximumBatchingWindowInSeconds"), MaximumRecordAgeInSeconds: in.Int32Ptr("maximumRecordAgeInSeconds"),
		MaximumRetryAttempts: in.Int32Ptr("maximumRetryAttempts"), TumblingWindowInSeconds: in.Int32Ptr("tumblingWindowInSeconds"),
	})
	if err != nil {
		return nil, fmt.Errorf("change event source mapping %s: %w", id, err)
	}
	return readMapping(ctx, c, id, in)
}

func deleteMapping(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Function.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: &id})
	return wrap(unless(err, functionGone), "delete event source mapping %s", id)
}
