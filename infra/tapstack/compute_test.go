package tapstack_test

import (
	"testing"

	"github.com/fastshop/pipeline/infra/tapstack"
)

const function, permission, eventSource = "aws:lambda/function:Function", "aws:lambda/permission:Permission", "aws:lambda/eventSourceMapping:EventSourceMapping"

// shape is what differs between the functions, and what an operator may set.
type shape struct {
	description                  string
	memory, timeout, concurrency int
}

func (d deployed) expectFunction(name string, s shape) {
	d.t.Helper()
	full := name + "-function-dev"
	log := "/aws/lambda/" + full
	group, _ := d.get("vpc-dev").Output("defaultSecurityGroupId").(string)
	want := inputs{
		"name": full, "description": s.description, "role": d.arn(name + "-role-dev"), "handler": name,
		"code": d.get(full).Text("code"), "sourceCodeHash": codeHash, "runtime": "provided.al2023", "architectures": list("arm64"),
		"memorySize": s.memory, "timeout": s.timeout, "reservedConcurrentExecutions": s.concurrency,
		"environment": d.get(full).Input("environment"), "kmsKeyArn": d.arn("operations-key-dev"), // settings_test.go
		"vpcConfig":     inputs{"subnetIds": d.ids("subnet-private-1-dev", "subnet-private-2-dev"), "securityGroupIds": d.ids(name + "-sg-dev")},
		"tracingConfig": inputs{"mode": "Active"},
		"loggingConfig": inputs{"logFormat": "JSON", "applicationLogLevel": "INFO", "systemLogLevel": "INFO", "logGroup": log},
		// The VPC's own, empty group takes over what Lambda leaves behind.
		"replaceSecurityGroupsOnDestroy": true, "replacementSecurityGroupIds": list(group),
	}
	if name != "admin" { // what it does by the clock comes again
		want["deadLetterConfig"] = inputs{"targetArn": d.arn("dead-letter-queue-dev")}
	}
	d.expect(function, full, want)
	// Or Lambda would make the group, again after a destroy, without key and retention.
	if !d.get(full).DependsOn(log) {
		d.t.Errorf("%s does not wait for its log group", full)
	}
}

const (
	ingestDoes  = "Takes payments in, seals them, and decides what must be decided at once"
	processDoes = "Judges what is on the stream and stores it"
	adminDoes   = "Migrations, checks, healing of windows, what failed"
)

func TestFunctions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change                 argsChange
		ingest, process, admin shape
	}{
		"by default": {nil, shape{ingestDoes, 512, 29, 50}, shape{processDoes, 1024, 120, 10}, shape{adminDoes, 512, 900, 1}},
		"as the operator says": {
			func(a *tapstack.TapStackArgs) {
				a.IngestMemoryMiB, a.ProcessMemoryMiB, a.AdminMemoryMiB, a.IngestConcurrency, a.ProcessConcurrency = 256, 2048, 1024, 60, 30
			},
			shape{ingestDoes, 256, 29, 60}, shape{processDoes, 2048, 120, 30}, shape{adminDoes, 1024, 900, 1}},
		"process follows the shards": {
			func(a *tapstack.TapStackArgs) { a.ShardCount, a.DatabaseClass = 22, "db.m7g.large" },
			shape{ingestDoes, 512, 29, 50}, shape{processDoes, 1024, 120, 44}, shape{adminDoes, 512, 900, 1}},
		"process follows many shards so far": {
			func(a *tapstack.TapStackArgs) { a.ShardCount, a.DatabaseClass = 600, "db.r7g.4xlarge" },
			shape{ingestDoes, 512, 29, 50}, shape{processDoes, 1024, 120, 1000}, shape{adminDoes, 512, 900, 1}},
		"an on-demand stream": {
			func(a *tapstack.TapStackArgs) { a.StreamMode = tapstack.StreamOnDemand },
			shape{ingestDoes, 512, 29, 50}, shape{processDoes, 1024, 120, 40}, shape{adminDoes, 512, 900, 1}},
		// A small account refuses any reserve, so admin goes without, too.
		"no reserve": {
			func(a *tapstack.TapStackArgs) {
				a.IngestConcurrency, a.ProcessConcurrency = tapstack.NoReserve, tapstack.NoReserve
			},
			shape{ingestDoes, 512, 29, -1}, shape{processDoes, 1024, 120, -1}, shape{adminDoes, 512, 900, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := up(t, c.change)
			d.expectNames(function, "admin-function-dev", "ingest-function-dev", "process-function-dev")
			d.expectFunction("ingest", c.ingest)
			d.expectFunction("process", c.process)
			d.expectFunction("admin", c.admin)
		})
	}
}

// All functions run the archive that the operator names, and the outputs tell its hash as Lambda states it.
func TestCode(t *testing.T) {
	t.Parallel()
	args := argsOf(t, nil)
	capture, err := try(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range capture.OfType(function) {
		if r.Text("code") != args.CodeArchive {
			t.Errorf("%s runs %s, want %s", r.Name, r.Text("code"), args.CodeArchive)
		}
	}
	if got := capture.Outputs["code_sha256"]; got != codeHash {
		t.Errorf("code_sha256 is %v, want %s", got, codeHash)
	}
}

// Poison is halved until it is alone, and goes to the queue: a shard never stands still for it. A record is tried no
// longer than the stream keeps it, a week at most.
func TestEventSource(t *testing.T) {
	t.Parallel()
	for age, c := range map[int]struct {
		change argsChange
		batch  int
	}{
		604_800: {nil, 500},
		86_400:  {func(a *tapstack.TapStackArgs) { a.StreamRetentionHours, a.BatchSize = 24, 100 }, 100},
	} {
		d := up(t, c.change)
		d.expectNames(eventSource, "process-source-dev")
		d.expect(eventSource, "process-source-dev", inputs{
			"eventSourceArn": d.arn("kinesis-stream-dev"), "functionName": d.arn("process-function-dev"), "startingPosition": "TRIM_HORIZON",
			"batchSize": c.batch, "maximumBatchingWindowInSeconds": 0, "parallelizationFactor": 1,
			"functionResponseTypes": list("ReportBatchItemFailures"), "bisectBatchOnFunctionError": true,
			"maximumRetryAttempts": 1000, "maximumRecordAgeInSeconds": age,
			"destinationConfig": inputs{"onFailure": inputs{"destinationArn": d.arn("dead-letter-queue-dev")}},
		})
	}
	d := up(t, func(a *tapstack.TapStackArgs) { a.StreamRetentionHours = 8760 })
	if got := d.get("process-source-dev").Input("maximumRecordAgeInSeconds"); got != 604_800.0 {
		t.Errorf("with a year of retention a record is tried for %v s, and Lambda takes 604800 at most", got)
	}
}

// Each function can be started by one service, for one source of this account, which the source's ARN names.
func TestPermissions(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	want := map[string]inputs{"ingest-permission-dev": {"function": "ingest-function-dev", "principal": "apigateway.amazonaws.com",
		"sourceArn": arn("execute-api", d.id("http-api-dev")+"/*/*/v1/*")}}
	for _, task := range []string{"doctor", "windows-heal"} {
		want[task+"-permission-dev"] = inputs{"function": "admin-function-dev", "principal": "events.amazonaws.com", "sourceArn": arn("events", "rule/"+task+"-schedule-dev")}
	}
	if got := len(d.OfType(permission)); got != len(want) {
		t.Errorf("%d permissions, want %d", got, len(want))
	}
	for name, w := range want {
		w["statementId"], w["action"] = name, "lambda:InvokeFunction"
		d.expect(permission, name, w)
	}
}
