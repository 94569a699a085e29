package emulator

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
)

const (
	functionToken   = "aws:lambda/function:Function"
	permissionToken = "aws:lambda/permission:Permission"
	mappingToken    = "aws:lambda/eventSourceMapping:EventSourceMapping"
)

// code is an archive on disk whose program is the text.
func code(t *testing.T, text string) *archive.Archive {
	t.Helper()
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	f, err := w.Create("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(f, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "function.zip")
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := archive.FromPath(path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// lambdaRole makes a role that Lambda may take on, and is its ARN.
func (e *engine) lambdaRole(name string) string {
	e.t.Helper()
	made, err := e.cloud.Identity.CreateRole(e.t.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return *made.Role.Arn
}

// function makes a function with as little as possible.
func (e *engine) function(name string, more Object) *made {
	e.t.Helper()
	in := Object{"name": name, "role": e.lambdaRole(name), "runtime": "provided.al2023", "handler": "bootstrap", "code": code(e.t, name)}
	return e.create(functionToken, name, in.With(more))
}

func TestFunction(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("functions")
	a, b := e.subnet(vpc, "10.20.1.0/24", "us-east-1a"), e.subnet(vpc, "10.20.2.0/24", "us-east-1b")
	own := e.create(groupToken, "own", Object{"vpcId": vpc.id, "name": "own", "description": "functions"})
	spare := e.create(groupToken, "spare", Object{"vpcId": vpc.id, "name": "spare", "description": "functions that go"})
	f := e.function("ingest-test", Object{
		"memorySize": 256, "timeout": 30, "architectures": []any{"arm64"}, "reservedConcurrentExecutions": 5, "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/a",
		"environment": map[string]any{"variables": map[string]any{"STREAM": "s"}}, "tracingConfig": map[string]any{"mode": "Active"},
		"vpcConfig":        map[string]any{"subnetIds": []any{a.id, b.id}, "securityGroupIds": []any{own.id}},
		"deadLetterConfig": map[string]any{"targetArn": "arn:aws:sqs:us-east-1:123456789012:dead"}, "ephemeralStorage": map[string]any{"size": 1024.0},
		"loggingConfig":                  map[string]any{"logFormat": "JSON", "logGroup": "/aws/lambda/ingest-test", "applicationLogLevel": "INFO"},
		"replaceSecurityGroupsOnDestroy": true, "replacementSecurityGroupIds": []any{spare.id}, "tags": tags("a", "1"),
	})
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:ingest-test"
	f.equal(Object{
		"arn": arn, "version": "$LATEST", "qualifiedArn": arn + ":$LATEST", "packageType": "Zip",
		"invokeArn": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + arn + "/invocations",
	})
	if got := f.out.Object("vpcConfig").Str("vpcId"); f.id != "ingest-test" || got != vpc.id {
		t.Errorf("function %s is in network %q, want ingest-test in %s", f.id, got, vpc.id)
	}
	get := func() *lambda.GetFunctionOutput {
		got, err := e.cloud.Function.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: &f.id})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := get()
	if c := got.Configuration; *c.MemorySize != 256 || c.Environment.Variables["STREAM"] != "s" || c.Architectures[0] != "arm64" || len(c.VpcConfig.SubnetIds) != 2 || *c.EphemeralStorage.Size != 1024 {
		t.Errorf("function = %+v, want what was asked for", c)
	}
	if n := *got.Concurrency.ReservedConcurrentExecutions; n != 5 {
		t.Errorf("reserved = %d, want 5", n)
	}
	before := f.out.Str("codeSha256")
	f.update(Object{"timeout": 60, "environment": map[string]any{"variables": map[string]any{"STREAM": "t"}}, "reservedConcurrentExecutions": nil, "tags": tags("b", "2")})
	if got = get(); *got.Configuration.Timeout != 60 || got.Configuration.Environment.Variables["STREAM"] != "t" || got.Concurrency != nil || !slices.Equal([]string{got.Tags["a"], got.Tags["b"]}, []string{"", "2"}) {
		t.Errorf("function = %+v, want the changes and no reservation", got)
	}
	if f.out.Str("codeSha256") != before {
		t.Error("the same code was uploaded again")
	}
	f.update(Object{"code": code(t, "another"), "architectures": []any{"x86_64"}})
	if f.out.Str("codeSha256") == before || *get().Configuration.CodeSha256 != f.out.Str("codeSha256") {
		t.Error("the new code was not uploaded")
	}
	f.replaces(Object{"name": "x", "packageType": "Image"})
	f.delete()
	f.out["skipDestroy"] = true
	if err := f.tryDelete(); err != nil {
		t.Errorf("delete function that stays: %v", err)
	}
	refused(t, lastOf(e.try(functionToken, "bare", f.in.Without("code"))), "is not an archive")
}

func lastOf(_ *made, err error) error { return err }

func TestPermission(t *testing.T) {
	e := newEngine(t, Options{})
	f := e.function("called-test", nil)
	in := Object{
		"action": "lambda:InvokeFunction", "function": f.id, "principal": "apigateway.amazonaws.com",
		"sourceArn": "arn:aws:execute-api:us-east-1:123456789012:x/*", "statementId": "gateway",
	}
	named := e.create(permissionToken, "named", in)
	policy, err := e.cloud.Function.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: &f.id})
	if err != nil || named.id != "gateway" || !strings.Contains(*policy.Policy, "execute-api:us-east-1:123456789012:x/*") {
		t.Errorf("permission %s in %v, %v, want it for one API", named.id, policy, err)
	}
	other := e.create(permissionToken, "other", in.With(Object{"principal": "events.amazonaws.com", "statementId": nil}))
	if !strings.HasPrefix(other.id, "pulumi-") || other.out["statementId"] != other.id {
		t.Errorf("invented statement = %q", other.id)
	}
	named.replaces(Object{"principal": "x", "sourceArn": "x", "action": "lambda:GetFunction"})
	named.delete()
	f.delete()
	if _, _, found := other.refresh(); found {
		t.Error("a permission outlives its function")
	}
	other.delete()
}

func TestMapping(t *testing.T) {
	e := newEngine(t, Options{})
	f := e.function("process-test", nil)
	stream := e.create(streamToken, "mapped", Object{"name": "mapped-test", "shardCount": 1})
	dead := e.create(queueToken, "failed", Object{"name": "failed-test"})
	m := e.create(mappingToken, "mapping", Object{
		"functionName": f.id, "eventSourceArn": stream.id, "startingPosition": "TRIM_HORIZON", "batchSize": 100, "bisectBatchOnFunctionError": true,
		"functionResponseTypes": []any{"ReportBatchItemFailures"}, "parallelizationFactor": 2, "maximumRetryAttempts": 5, "maximumRecordAgeInSeconds": 3600,
		"destinationConfig": map[string]any{"onFailure": map[string]any{"destinationArn": dead.out["arn"]}},
		"filterCriteria":    map[string]any{"filters": []any{map[string]any{"pattern": "{}"}}},
	})
	m.equal(Object{"arn": "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:" + m.id, "uuid": m.id, "functionArn": f.out["arn"], "state": "Enabled"})
	m.update(Object{"batchSize": 50, "parallelizationFactor": 3, "enabled": false})
	got, err := e.cloud.Function.GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: &m.id})
	if err != nil || *got.BatchSize != 50 || *got.ParallelizationFactor != 3 || *got.State != "Disabled" || !*got.BisectBatchOnFunctionError ||
		*got.DestinationConfig.OnFailure.Destination != dead.out["arn"] || *got.FilterCriteria.Filters[0].Pattern != "{}" || got.FunctionResponseTypes[0] != "ReportBatchItemFailures" {
		t.Errorf("mapping = %+v, %v, want the changes beside the rest", got, err)
	}
	m.replaces(Object{"eventSourceArn": "x", "startingPosition": "LATEST"})
	m.delete()
	f.delete()
	dead.delete()
	stream.delete()
}

func TestFunctionRefusals(t *testing.T) {
	variables := func(name, value string) Object {
		return Object{"environment": map[string]any{"variables": map[string]any{name: value}}}
	}
	base := Object{"name": strings.Repeat("f", 64), "role": "r", "runtime": "provided.al2023", "handler": "bootstrap", "code": code(t, "x")}
	refusesAll(t, functionToken, base, map[string]refusal{
		"long":         {Object{"name": strings.Repeat("f", 65)}, `name: ValidationError: "` + strings.Repeat("f", 65) + `" has 65 characters; at most 64 are allowed`},
		"no code":      {Object{"code": nil}, "code: MissingParameter: give it a value"},
		"memory":       {Object{"memorySize": 127}, "memorySize: InvalidParameterValue: set a whole number from 128 to 10240, not 127"},
		"timeout":      {Object{"timeout": 901}, "timeout: InvalidParameterValue: set a whole number from 1 to 900, not 901"},
		"reserved":     {Object{"reservedConcurrentExecutions": -2}, "reservedConcurrentExecutions: InvalidParameterValue: set a whole number from -1 to 100000, not -2"},
		"disk":         {Object{"ephemeralStorage": map[string]any{"size": 511.0}}, "ephemeralStorage.size: InvalidParameterValue: set a whole number from 512 to 10240, not 511"},
		"architecture": {Object{"architectures": []any{"x8664"}}, "architectures: InvalidParameterValueException: give one of arm64 and x86_64"},
		"tracing":      {Object{"tracingConfig": map[string]any{"mode": "On"}}, `tracingConfig.mode: InvalidParameterValue: "On" is none of ["Active" "PassThrough"]`},
		"level":        {Object{"loggingConfig": map[string]any{"logFormat": "Text", "systemLogLevel": "INFO"}}, "loggingConfig.logFormat: InvalidParameterValueException: set JSON: levels need it"},
		"dead":         {Object{"deadLetterConfig": map[string]any{"targetArn": "arn:aws:s3:::b"}}, "deadLetterConfig: InvalidParameterValueException: give the ARN of an SQS queue or an SNS topic"},
		"network":      {Object{"vpcConfig": map[string]any{"subnetIds": []any{"s"}}}, "vpcConfig: InvalidParameterValueException: give both subnets and security groups, or neither"},
		"groups":       {Object{"replaceSecurityGroupsOnDestroy": true}, "replacementSecurityGroupIds: set it: replaceSecurityGroupsOnDestroy is true"},
		"reserved env": {variables("AWS_REGION", "x"), "environment.variables: InvalidParameterValueException: leave AWS_REGION to Lambda"},
		"env name":     {variables("1A", "x"), `environment.variables: InvalidParameterValueException: rename "1A": use letters, digits and underscores, a letter first`},
		"env size":     {variables("AB", strings.Repeat("x", 4095)), "environment.variables: InvalidParameterValueException: shorten them: 4097 bytes, Lambda takes 4096"},
		"image":        {Object{"imageUri": "x"}, "imageUri: the emulator does not model this input: add it to infra/emulator, or do without it"},
	})
	refusesAll(t, permissionToken, Object{"action": "lambda:InvokeFunction", "function": "f", "principal": "p"}, map[string]refusal{
		"action": {Object{"action": "sqs:Send"}, "action: InvalidParameterValueException: give an action of Lambda, such as lambda:InvokeFunction"},
		"none":   {Object{"principal": nil}, `principal: missing required argument: aws:lambda/permission:Permission needs "principal"`},
	})
	const stream, queue = "arn:aws:kinesis:us-east-1:123456789012:stream/s", "arn:aws:sqs:us-east-1:123456789012:q"
	refusesAll(t, mappingToken, Object{"functionName": "f", "eventSourceArn": stream, "startingPosition": "LATEST"}, map[string]refusal{
		"batch":    {Object{"batchSize": 10001}, "batchSize: InvalidParameterValue: set a whole number from 1 to 10000, not 10001"},
		"factor":   {Object{"parallelizationFactor": 11}, "parallelizationFactor: InvalidParameterValue: set a whole number from 1 to 10, not 11"},
		"window":   {Object{"maximumBatchingWindowInSeconds": 301}, "maximumBatchingWindowInSeconds: InvalidParameterValue: set a whole number from 0 to 300, not 301"},
		"age":      {Object{"maximumRecordAgeInSeconds": 59}, "maximumRecordAgeInSeconds: InvalidParameterValue: set a whole number from 60 to 604800, not 59"},
		"retries":  {Object{"maximumRetryAttempts": -2}, "maximumRetryAttempts: InvalidParameterValue: set a whole number from -1 to 10000, not -2"},
		"answers":  {Object{"functionResponseTypes": []any{"All"}}, "functionResponseTypes: InvalidParameterValueException: there is only ReportBatchItemFailures"},
		"position": {Object{"startingPosition": nil}, "startingPosition: MissingParameter: give it a value"},
		"target":   {Object{"destinationConfig": map[string]any{"onFailure": map[string]any{"destinationArn": "x"}}}, "destinationConfig: InvalidParameterValueException: give the ARN of an SQS queue, an SNS topic or an S3 bucket"},
		"queue":    {Object{"eventSourceArn": queue}, "startingPosition: InvalidParameterValueException: leave it away: the source is no stream"},
	})
}
