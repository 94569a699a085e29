package emulator

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const (
	functionGone = "ResourceNotFoundException"
	// environmentLimit is how long all variables of a function may be together, names included, in bytes.
	environmentLimit = 4096
)

var variableName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)

func functionKinds() []Kind {
	return []Kind{
		{
			Token:    "aws:lambda/function:Function",
			Required: []string{"role"},
			Replace:  []string{"name", "packageType", "tenancyConfig"},
			Check:    checkFunction, Create: createFunction, Read: readFunction, Update: updateFunction, Delete: deleteFunction,
		},
		{
			Token:    "aws:lambda/permission:Permission",
			Required: []string{"action", "function", "principal"},
			Check:    checkPermission, Create: createPermission, Read: readPermission, Delete: deletePermission,
		},
		{
			Token:    "aws:lambda/eventSourceMapping:EventSourceMapping",
			Required: []string{"functionName"},
			Replace:  []string{"eventSourceArn", "startingPosition", "startingPositionTimestamp", "queues", "topics", "selfManagedEventSource"},
			Check:    checkMapping, Create: createMapping, Read: readMapping, Update: updateMapping, Delete: deleteMapping,
		},
	}
}

func checkFunction(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("imageUri", "imageConfig", "s3Bucket", "s3Key", "layers", "fileSystemConfig", "snapStart",
		"codeSigningConfigArn", "capacityProviderConfig", "durableConfig")
	i.name("name", 64, dashName)
	i.given("code", "handler", "runtime")
	i.between("memorySize", 128, 10240)
	i.between("timeout", 1, 900)
	i.between("reservedConcurrentExecutions", -1, 100000)
	i.inside("ephemeralStorage").between("size", 512, 10240)
	i.inside("tracingConfig").oneOf("mode", "Active", "PassThrough")
	for _, a := range in.Strings("architectures") {
		if a != "arm64" && a != "x86_64" || len(in.List("architectures")) != 1 {
			i.fault("architectures", "InvalidParameterValueException: give one of arm64 and x86_64")
		}
	}
	logging := i.inside("loggingConfig")
	logging.oneOf("logFormat", "JSON", "Text")
	if logging.in.Str("logFormat") == "Text" && (logging.in.Has("applicationLogLevel") || logging.in.Has("systemLogLevel")) {
		logging.fault("logFormat", "InvalidParameterValueException: set JSON: levels need it")
	}
	if in.Known("deadLetterConfig") && !isQueueOrTopic(in.Object("deadLetterConfig").Str("targetArn")) {
		i.fault("deadLetterConfig", "InvalidParameterValueException: give the ARN of an SQS queue or an SNS topic")
	}
	network := in.Object("vpcConfig")
	if in.Known("vpcConfig") && (len(network.List("subnetIds")) == 0) != (len(network.List("securityGroupIds")) == 0) {
		i.fault("vpcConfig", "InvalidParameterValueException: give both subnets and security groups, or neither")
	}
	if in.Bool("replaceSecurityGroupsOnDestroy") && !in.Has("replacementSecurityGroupIds") {
		i.fault("replacementSecurityGroupIds", "set it: replaceSecurityGroupsOnDestroy is true")
	}
	checkEnvironment(i)
	return i.found()
}

func isQueueOrTopic(arn string) bool {
	return strings.HasPrefix(arn, "arn:aws:sqs:") || strings.HasPrefix(arn, "arn:aws:sns:")
}

// checkEnvironment refuses what a function cannot be told; the names that the runtime sets itself are a choice of those
// that a program may well try.
func checkEnvironment(i *inspection) {
	reserved := []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_FUNCTION_NAME"}
	size := 0
	environment := i.inside("environment")
	for name, value := range environment.in.StringMap("variables") {
		size += len(name) + len(value)
		switch {
		case slices.Contains(reserved, name):
			environment.fault("variables", "InvalidParameterValueException: leave %s to Lambda", name)
		case !variableName.MatchString(name):
			environment.fault("variables", "InvalidParameterValueException: rename %q: use letters, digits and underscores, a letter first", name)
		}
	}
	if size > environmentLimit {
		environment.fault("variables", "InvalidParameterValueException: shorten them: %d bytes, Lambda takes %d", size, environmentLimit)
	}
}

// createFunction leaves to the state what the emulator takes and never tells: the dead letter target, the key, the
// logging, and the configuration that only tells of a change.
func createFunction(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("name")
	code, err := in.Archive("code")
	if err != nil {
		return "", nil, fmt.Errorf("create function %s: %w", name, err)
	}
	input := &lambda.CreateFunctionInput{
		FunctionName: &name, Role: in.StrPtr("role"), Code: &types.FunctionCode{ZipFile: code}, Handler: in.StrPtr("handler"),
		Runtime: types.Runtime(in.Str("runtime")), Description: in.StrPtr("description"), MemorySize: in.Int32Ptr("memorySize"),
		Timeout: in.Int32Ptr("timeout"), Publish: in.Bool("publish"), KMSKeyArn: in.StrPtr("kmsKeyArn"), Tags: in.Tags(),
		Environment: environmentOf(in), VpcConfig: vpcOf(in), DeadLetterConfig: deadLetterOf(in), TracingConfig: tracingOf(in), LoggingConfig: loggingOf(in),
	}
	for _, a := range in.Strings("architectures") {
		input.Architectures = append(input.Architectures, types.Architecture(a))
	}
	if size := in.Object("ephemeralStorage").Int32Ptr("size"); size != nil {
		input.EphemeralStorage = &types.EphemeralStorage{Size: size}
	}
	if _, err := c.Function.CreateFunction(ctx, input); err != nil {
		return "", nil, fmt.Errorf("create function %s: %w", name, err)
	}
	if err := c.reserve(ctx, name, in); err != nil {
		return name, in, err
	}
	out, err := readFunction(ctx, c, name, in)
	return name, out, err
}

func environmentOf(in Object) *types.Environment {
	return &types.Environment{Variables: in.Object("environment").StringMap("variables")}
}

func vpcOf(in Object) *types.VpcConfig {
	network := in.Object("vpcConfig")
	return &types.VpcConfig{SubnetIds: network.Strings("subnetIds"), SecurityGroupIds: network.Strings("securityGroupIds")}
}

func deadLetterOf(in Object) *types.DeadLetterConfig {
	return &types.DeadLetterConfig{TargetArn: aws.String(in.Object("deadLetterConfig").Str("targetArn"))}
}

func tracingOf(in Object) *types.TracingConfig {
	return &types.TracingConfig{Mode: types.TracingMode(orElse(in.Object("tracingConfig").Str("mode"), "PassThrough"))}
}

func loggingOf(in Object) *types.LoggingConfig {
	logging := in.Object("loggingConfig")
	if logging == nil {
		return nil
	}
	return &types.LoggingConfig{
		LogFormat: types.LogFormat(logging.Str("logFormat")), LogGroup: logging.StrPtr("logGroup"),
		ApplicationLogLevel: types.ApplicationLogLevel(logging.Str("applicationLogLevel")),
		SystemLogLevel:      types.SystemLogLevel(logging.Str("systemLogLevel")),
	}
}

// reserve bounds how many copies of the function run at a time. None given, or -1, is no bound.
func (c *Cloud) reserve(ctx context.Context, name string, in Object) error {
	if bound := in.Int32Ptr("reservedConcurrentExecutions"); bound != nil && *bound >= 0 {
		_, err := c.Function.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: bound})
		return wrap(err, "reserve concurrency of function %s", name)
	}
	_, err := c.Function.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: &name})
	return wrap(err, "free concurrency of function %s", name)
}

func readFunction(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Function.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &id})
	if isCode(err, functionGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read function %s: %w", id, err)
	}
	f := got.Configuration
	arn := aws.ToString(f.FunctionArn)
	out := state.With(Object{
		"arn": arn, "name": id, "role": aws.ToString(f.Role), "handler": aws.ToString(f.Handler), "runtime": string(f.Runtime),
		"memorySize": int(aws.ToInt32(f.MemorySize)), "timeout": int(aws.ToInt32(f.Timeout)), "version": "$LATEST",
		"codeSha256": aws.ToString(f.CodeSha256), "sourceCodeSize": int(f.CodeSize), "lastModified": aws.ToString(f.LastModified),
		"invokeArn": invokeARN(arn, "2015-03-31", "invocations"), "responseStreamingInvokeArn": invokeARN(arn, "2021-11-15", "response-streaming-invocations"),
		"qualifiedArn": arn + ":$LATEST", "qualifiedInvokeArn": invokeARN(arn+":$LATEST", "2015-03-31", "invocations"),
		"packageType": "Zip", "reservedConcurrentExecutions": -1,
	})
	if got.Concurrency != nil && got.Concurrency.ReservedConcurrentExecutions != nil {
		out["reservedConcurrentExecutions"] = int(*got.Concurrency.ReservedConcurrentExecutions)
	}
	if f.Environment != nil && len(f.Environment.Variables) > 0 {
		variables := map[string]any{}
		for k, v := range f.Environment.Variables {
			variables[k] = v
		}
		out["environment"] = map[string]any{"variables": variables}
	}
	if network := state.Object("vpcConfig"); network != nil && len(network.List("subnetIds")) > 0 && network.Str("vpcId") == "" {
		// The emulator makes up the network of the function: it is that of its subnets.
		subnets, err := c.subnets(ctx, network.Strings("subnetIds"))
		if err != nil {
			return nil, fmt.Errorf("read function %s: %w", id, err)
		}
		out["vpcConfig"] = map[string]any(network.With(Object{"vpcId": aws.ToString(subnets[0].VpcId)}))
	}
	return out, nil
}

// invokeARN is what an API gateway calls a function by.
func invokeARN(function, version, action string) string {
	return "arn:aws:apigateway:" + Region + ":lambda:path/" + version + "/functions/" + function + "/" + action
}

func updateFunction(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	input := &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &id, Role: in.StrPtr("role"), Handler: in.StrPtr("handler"), Runtime: types.Runtime(in.Str("runtime")),
		Description: aws.String(in.Str("description")), MemorySize: in.Int32Ptr("memorySize"), Timeout: in.Int32Ptr("timeout"),
		KMSKeyArn: in.StrPtr("kmsKeyArn"), Environment: environmentOf(in), VpcConfig: vpcOf(in), DeadLetterConfig: deadLetterOf(in),
		TracingConfig: tracingOf(in), LoggingConfig: loggingOf(in),
	}
	if _, err := c.Function.UpdateFunctionConfiguration(ctx, input); err != nil {
		return nil, fmt.Errorf("configure function %s: %w", id, err)
	}
	if err := c.upload(ctx, id, state, in); err != nil {
		return nil, err
	}
	if err := c.reserve(ctx, id, in); err != nil {
		return nil, err
	}
	err := changeTags("function "+id, state.Tags(), in.Tags(),
		func(set map[string]string) error {
			_, err := c.Function.TagResource(ctx, &lambda.TagResourceInput{Resource: state.StrPtr("arn"), Tags: set})
			return err
		},
		func(remove []string) error {
			_, err := c.Function.UntagResource(ctx, &lambda.UntagResourceInput{Resource: state.StrPtr("arn"), TagKeys: remove})
			return err
		})
	if err != nil {
		return nil, err
	}
	return readFunction(ctx, c, id, in)
}

// upload replaces the code when it is another than what runs, or is to run on another architecture.
func (c *Cloud) upload(ctx context.Context, name string, state, in Object) error {
	code, err := in.Archive("code")
	if err != nil {
		return fmt.Errorf("upload code of function %s: %w", name, err)
	}
	sum := sha256.Sum256(code)
	same := base64.StdEncoding.EncodeToString(sum[:]) == state.Str("codeSha256")
	if same && slices.Equal(in.Strings("architectures"), state.Strings("architectures")) {
		return nil
	}
	input := &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: code}
	for _, a := range in.Strings("architectures") {
		input.Architectures = append(input.Architectures, types.Architecture(a))
	}
	_, err = c.Function.UpdateFunctionCode(ctx, input)
	return wrap(err, "upload code of function %s", name)
}

// deleteFunction first moves the function to the replacement security groups where that is asked for, so that its own
// can go though its network interfaces stay for a while.
func deleteFunction(ctx context.Context, c *Cloud, id string, state Object) error {
	if state.Bool("skipDestroy") {
		return nil
	}
	if state.Bool("replaceSecurityGroupsOnDestroy") {
		_, err := c.Function.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
			FunctionName: &id, VpcConfig: &types.VpcConfig{
				SubnetIds:        state.Object("vpcConfig").Strings("subnetIds"),
				SecurityGroupIds: state.Strings("replacementSecurityGroupIds"),
			},
		})
		if err := unless(err, functionGone); err != nil {
			return fmt.Errorf("replace security groups of function %s: %w", id, err)
		}
	}
	_, err := c.Function.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &id})
	return wrap(unless(err, functionGone), "delete function %s", id)
}
