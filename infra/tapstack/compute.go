package tapstack

import (
	"crypto/sha256"
	"encoding/base64"
	"os"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// compute are the three functions. All run the same archive; the handler tells the program which one it is.
type compute struct {
	ingest, process, admin *lambda.Function
	codeHash               string     // SHA-256 of the archive, base64, as Lambda states it
	settings               pulumi.Map // the environments, by the functions' names
}

// The longest runs, in seconds. An HTTP API waits 30 at most; a batch of the stream must be done well before Lambda
// asks again; admin has all that Lambda gives.
const (
	ingestSeconds  = 29
	processSeconds = 120
	adminSeconds   = 900
)

// sourceRetries is how often a batch is tried; halving it does not count. Lambda comes back after a second or so, which
// with a store that refuses at once bridges a quarter of an hour, and with one that does not answer (five seconds to
// connect, ten for a statement) one to three hours: a failover takes two minutes. A record that crashes the function at
// once is out of the way as soon. What is given up goes to the queue, and can be read from the stream again while that
// keeps it.
const sourceRetries = 1000

// function is what differs between the functions.
type function struct {
	name        string
	description string
	role        *role
	group       *ec2.SecurityGroup
	memory      int // MiB
	timeout     int // seconds
	concurrency int // executions at once; NoReserve for none
	// deadLetters says whether events that nobody waits for go to the queue when they fail for good.
	deadLetters bool
}

func (s *TapStack) buildCompute() {
	code, err := os.ReadFile(s.args.CodeArchive)
	s.must("read the code archive", err)
	sum := sha256.Sum256(code)
	s.compute.settings = pulumi.Map{}
	s.compute.codeHash = base64.StdEncoding.EncodeToString(sum[:])

	s.compute.ingest = s.function(function{"ingest", "Takes payments in, seals them, and decides what must be decided at once", s.roles.ingest, s.groups.ingest,
		s.args.IngestMemoryMiB, ingestSeconds, s.args.IngestConcurrency, true})
	s.compute.process = s.function(function{"process", "Judges what is on the stream and stores it", s.roles.process, s.groups.process,
		s.args.ProcessMemoryMiB, processSeconds, s.args.ProcessConcurrency, true})
	// One at a time, so that a migration never meets another.
	admin := 1
	if s.args.IngestConcurrency == NoReserve {
		admin = NoReserve
	}
	// What it does by the clock comes again, and people wait for an answer: a failed event in the queue would only hide
	// the batches that must be carried.
	s.compute.admin = s.function(function{"admin", "Migrations, checks, healing of windows, what failed", s.roles.admin, s.groups.admin,
		s.args.AdminMemoryMiB, adminSeconds, admin, false})
	s.buildSource()
}

// function makes one Lambda function in the private subnets.
func (s *TapStack) function(f function) *lambda.Function {
	name := f.name + "-function"
	settings := s.settings(f.name)
	s.compute.settings[f.name] = settings
	args := &lambda.FunctionArgs{
		Name: pulumi.String(s.name(name)), Description: pulumi.String(f.description), Role: f.role.Arn,
		Code: pulumi.NewFileArchive(s.args.CodeArchive), SourceCodeHash: pulumi.String(s.compute.codeHash),
		Runtime: pulumi.String("provided.al2023"), Architectures: pulumi.ToStringArray([]string{"arm64"}), Handler: pulumi.String(f.name),
		MemorySize: pulumi.Int(f.memory), Timeout: pulumi.Int(f.timeout), ReservedConcurrentExecutions: pulumi.Int(f.concurrency),
		Environment: &lambda.FunctionEnvironmentArgs{Variables: settings}, KmsKeyArn: s.keys[ClassOperations].Arn,
		VpcConfig:     &lambda.FunctionVpcConfigArgs{SubnetIds: s.privateSubnets(), SecurityGroupIds: pulumi.StringArray{f.group.ID()}},
		TracingConfig: &lambda.FunctionTracingConfigArgs{Mode: pulumi.String("Active")},
		LoggingConfig: &lambda.FunctionLoggingConfigArgs{LogFormat: pulumi.String("JSON"), ApplicationLogLevel: pulumi.String("INFO"),
			SystemLogLevel: pulumi.String("INFO"), LogGroup: pulumi.String(s.named("/aws/lambda/", name, "", 0))},
		// Lambda keeps its network interfaces for up to 45 minutes after the function is gone. The default group, which is
		// empty, takes them over, so that ours can leave.
		ReplaceSecurityGroupsOnDestroy: pulumi.Bool(true),
		ReplacementSecurityGroupIds:    pulumi.StringArray{s.network.vpc.DefaultSecurityGroupId},
	}
	if f.deadLetters {
		args.DeadLetterConfig = &lambda.FunctionDeadLetterConfigArgs{TargetArn: s.queue.deadLetters.Arn}
	}
	return add(s, lambda.NewFunction, s.name(name), args, s.afterLogs(name), f.role.inForce())
}

// buildSource lets Lambda read the stream for process. What cannot be processed is halved until the poison record is
// alone, and that one goes to the queue: a shard never stands still for it.
func (s *TapStack) buildSource() {
	retention := s.args.StreamRetentionHours * 3600
	add(s, lambda.NewEventSourceMapping, s.name("process-source"), &lambda.EventSourceMappingArgs{
		EventSourceArn: s.source(), FunctionName: s.compute.process.Arn,
		StartingPosition: pulumi.String("TRIM_HORIZON"), BatchSize: pulumi.Int(s.args.BatchSize), MaximumBatchingWindowInSeconds: pulumi.Int(0),
		// More would keep each customer's order, too, but multiply the connections to the database; shards are the way to grow.
		ParallelizationFactor: pulumi.Int(1),
		FunctionResponseTypes: pulumi.ToStringArray([]string{"ReportBatchItemFailures"}), BisectBatchOnFunctionError: pulumi.Bool(true),
		MaximumRetryAttempts: pulumi.Int(sourceRetries), MaximumRecordAgeInSeconds: pulumi.Int(min(retention, 604800)),
		DestinationConfig: &lambda.EventSourceMappingDestinationConfigArgs{
			OnFailure: &lambda.EventSourceMappingDestinationConfigOnFailureArgs{DestinationArn: s.queue.deadLetters.Arn},
		},
	})
}

// permit lets a service start a function, for one source alone. The source's ARN has the account in it; API Gateway does not
// state it again.
func (s *TapStack) permit(prefix string, f *lambda.Function, service string, source pulumi.StringInput) {
	add(s, lambda.NewPermission, s.name(prefix), &lambda.PermissionArgs{
		StatementId: pulumi.String(s.name(prefix)), Action: pulumi.String("lambda:InvokeFunction"), Function: f.Name,
		Principal: pulumi.String(service), SourceArn: source,
	})
}
