package controls_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/controls"
)

// oneStream is a stack of one stream, encrypted or not.
func oneStream(suffix, encryption string) controls.Stack {
	return controls.Stack{Variant: "small", Suffix: suffix, Resources: []*controls.Resource{
		{Type: stream, Name: "kinesis-stream-" + suffix, Inputs: map[string]any{"encryptionType": encryption}},
	}}
}

// control is the one of the id.
func control(t *testing.T, id string) controls.Control {
	t.Helper()
	all := controls.Catalog()
	i := slices.IndexFunc(all, func(c controls.Control) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("no control %s", id)
	}
	return all[i]
}

func TestEvaluateTellsTheFourOutcomesApart(t *testing.T) {
	t.Parallel()
	kinesis, cached := control(t, "Kinesis.1"), control(t, "ElastiCache.1")
	excuse := controls.Exception{Control: "Kinesis.1", Resource: "kinesis-stream-*", NotIn: []string{"prod", "prod-*"}}
	for _, c := range []struct {
		name       string
		stack      controls.Stack
		control    controls.Control
		exceptions []controls.Exception
		want       controls.Status
		fault      string
	}{
		{"passed", oneStream("dev", "KMS"), kinesis, nil, controls.Passed, ""},
		{"failed", oneStream("dev", "NONE"), kinesis, nil, controls.Failed, "Kinesis.1: " + stream + " kinesis-stream-dev: encryptionType: set it to KMS"},
		{"excepted", oneStream("dev", "NONE"), kinesis, []controls.Exception{excuse}, controls.Excepted, ""},
		{"excepted elsewhere", oneStream("prod", "NONE"), kinesis, []controls.Exception{excuse}, controls.Failed, "Kinesis.1: "},
		{"excepted elsewhere by pattern", oneStream("prod-eu", "NONE"), kinesis, []controls.Exception{excuse}, controls.Failed, "Kinesis.1: "},
		{"another resource's exception", oneStream("dev", "NONE"), kinesis, []controls.Exception{{Control: "Kinesis.1", Resource: "rds-*"}}, controls.Failed, "Kinesis.1: "},
		{"another control's exception", oneStream("dev", "NONE"), kinesis, []controls.Exception{{Control: "Kinesis.2", Resource: "*"}}, controls.Failed, "Kinesis.1: "},
		{"malformed exception", oneStream("dev", "NONE"), kinesis, []controls.Exception{{Control: "Kinesis.1", Resource: "["}}, controls.Failed, "Kinesis.1: "},
		{"vacuous", oneStream("dev", "KMS"), cached, nil, controls.Vacuous, "ElastiCache.1: no resource to judge"},
	} {
		report := controls.Evaluate(c.stack, []controls.Control{c.control}, c.exceptions, nil)
		if got := report.Results[0].Status; got != c.want {
			t.Errorf("%s: status %s, want %s", c.name, got, c.want)
		}
		faults := strings.Join(report.Faults(), "\n")
		if (faults == "") != (c.fault == "") || !strings.HasPrefix(faults, c.fault) {
			t.Errorf("%s: faults %q, want %q", c.name, faults, c.fault)
		}
	}
}

func TestStaleExceptionsAreThoseThatNoVariantNeeds(t *testing.T) {
	t.Parallel()
	register := []controls.Exception{{Control: "Kinesis.1", Resource: "kinesis-stream-*"}, {Control: "Kinesis.1", Resource: "rds-*"}}
	catalog := []controls.Control{control(t, "Kinesis.1")}
	met := controls.Evaluate(oneStream("dev", "KMS"), catalog, register, nil)
	unmet := controls.Evaluate(oneStream("dev", "NONE"), catalog, register, nil)
	if got := controls.Stale(met); len(got) != 2 {
		t.Errorf("where the stack meets the control %d are stale, want both", len(got))
	}
	if got := controls.Stale(met, unmet); len(got) != 1 || got[0].Resource != "rds-*" {
		t.Errorf("with a variant that needs the first, stale = %v", got)
	}
	if controls.Stale() != nil {
		t.Error("without reports nothing can be stale")
	}
}

func TestInapplicableEntriesAreContradictedByResources(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		"aws:lb/loadBalancer:LoadBalancer": "ELB.1", "aws:ec2/networkAcl:NetworkAcl": "EC2.16", "aws:ecs/service:Service": "ECS.2",
		"aws:wafv2/webAcl:WebAcl": "WAF.10", stream: "",
	} {
		stack := controls.Stack{Suffix: "dev", Resources: []*controls.Resource{{Type: token, Name: "x"}}}
		report := controls.Evaluate(stack, nil, nil, controls.Inapplicable())
		var ids []string
		for _, n := range report.Contradicted {
			ids = append(ids, n.IDs...)
		}
		if got := slices.Contains(ids, want); got != (want != "") || want == "" && len(ids) > 0 {
			t.Errorf("%s contradicts %v, want %q among them", token, ids, want)
		}
		if faults := report.Faults(); len(faults) != len(report.Contradicted) || want != "" && !strings.Contains(faults[0], token[:len("aws:lb")]) {
			t.Errorf("%s: faults %v", token, faults)
		}
	}
}

func TestNoControlIsMetByAnEmptyStack(t *testing.T) {
	t.Parallel()
	report := controls.Evaluate(controls.Stack{Suffix: "dev"}, controls.Catalog(), controls.Exceptions(), controls.Inapplicable())
	for _, r := range report.Results {
		if r.Status != controls.Vacuous {
			t.Errorf("%s is %s without any resource", r.Control.ID, r.Status)
		}
	}
}

// TestCatalogIsComplete holds the controls against the lists that we say we follow: each is a control here, does not apply
// for a stated reason, or is the account's.
func TestCatalogIsComplete(t *testing.T) {
	t.Parallel()
	covered := map[string]int{}
	for _, c := range controls.Catalog() {
		for _, id := range append([]string{c.ID}, c.Also...) {
			covered[id]++
		}
		if c.Requires == "" || c.From == "" {
			t.Errorf("%s says not what it requires or where it comes from", c.ID)
		}
	}
	for _, n := range controls.Inapplicable() {
		for _, id := range n.IDs {
			covered[id]++
		}
		if n.Reason == "" {
			t.Errorf("%v: no reason", n.IDs)
		}
	}
	for _, d := range controls.AccountDuties() {
		for _, id := range d.IDs {
			covered[id]++
		}
	}
	for _, id := range strings.Fields(followed) {
		if covered[id] == 0 {
			t.Errorf("%s is nowhere: write the control, or say why it does not apply", id)
		}
	}
	for id, times := range covered {
		if times > 1 {
			t.Errorf("%s is listed %d times", id, times)
		}
	}
}

// followed are the ids of the standards that concern the services of the stack or its alternatives.
const followed = `
	KMS.1 KMS.2 KMS.3 KMS.4 KMS.5 Kinesis.1 Kinesis.2 Kinesis.3
	RDS.1 RDS.2 RDS.3 RDS.4 RDS.5 RDS.6 RDS.8 RDS.9 RDS.10 RDS.11 RDS.13 RDS.17 RDS.19 RDS.20 RDS.21 RDS.22 RDS.23 RDS.25 RDS.36 RDS.38 RDS.46
	ElastiCache.1 ElastiCache.2 ElastiCache.3 ElastiCache.4 ElastiCache.5 ElastiCache.6 ElastiCache.7
	EC2.2 EC2.6 EC2.7 EC2.10 EC2.15 EC2.16 EC2.18 EC2.19 EC2.21 EC2.55 EC2.56 EC2.57 EC2.58 EC2.60 EC2.172 EC2.180 EC2.182
	SecretsManager.1 SecretsManager.2 SecretsManager.3 SecretsManager.4 IAM.1 IAM.2 IAM.3 IAM.4 IAM.5 IAM.6 IAM.7 IAM.8 IAM.21
	SQS.1 SQS.3 SNS.1 SNS.4 CloudWatch.15 CloudWatch.16 CloudWatch.17 DynamoDB.1 DynamoDB.2 DynamoDB.6
	Lambda.1 Lambda.2 Lambda.3 Lambda.5 Lambda.7
	APIGateway.1 APIGateway.2 APIGateway.3 APIGateway.4 APIGateway.5 APIGateway.8 APIGateway.9 APIGateway.10 APIGateway.11
	ECS.2 ECS.3 ECS.4 ECS.5 ECS.8 ECS.9 ECS.10 ECS.12 ECS.16 ECS.18 ECS.19 ECS.20 ECS.21 ECR.1 ECR.2 ECR.3
	ELB.1 ELB.4 ELB.5 ELB.6 ELB.12 ELB.13 ELB.17 ELB.18 WAF.10 WAF.12
	Account.1 CloudTrail.* Config.1 GuardDuty.* Inspector.* Macie.* SSM.*
	KDS3 AEC4 AEC5 AEC6 RDS10 RDS11 RDS13 KMS5 SMG4 SQS3 SQS4 SNS3 IAM4 IAM5 L1 APIG1 APIG2 APIG3 APIG4 APIG6 EC23 EC27 VPC7
	CKV_AWS_7 CKV_AWS_33 CKV_AWS_227 CKV2_AWS_64 CKV_AWS_43 CKV_AWS_185 CKV_AWS_158 CKV_AWS_338 CKV_AWS_66
	CKV_AWS_16 CKV_AWS_17 CKV_AWS_118 CKV_AWS_129 CKV_AWS_133 CKV_AWS_157 CKV_AWS_161 CKV_AWS_211 CKV_AWS_226 CKV_AWS_293 CKV_AWS_353 CKV_AWS_354
	CKV2_AWS_30 CKV2_AWS_60 CKV2_AWS_69 CKV_AWS_29 CKV_AWS_30 CKV_AWS_31 CKV_AWS_134 CKV_AWS_191 CKV_AWS_322 CKV_AWS_323 CKV2_AWS_50
	CKV_AWS_23 CKV_AWS_130 CKV2_AWS_5 CKV2_AWS_11 CKV2_AWS_12
	CKV_AWS_45 CKV_AWS_50 CKV_AWS_115 CKV_AWS_116 CKV_AWS_117 CKV_AWS_173 CKV_AWS_272 CKV_AWS_301 CKV_AWS_363 CKV_AWS_364
	CKV_AWS_27 CKV_AWS_168 CKV_AWS_72 CKV2_AWS_73 CKV_AWS_26 CKV_AWS_169 CKV_AWS_385 CKV_AWS_28 CKV_AWS_119 CKV2_AWS_16
	CKV_AWS_60 CKV_AWS_61 CKV_AWS_62 CKV_AWS_63 CKV_AWS_274 CKV2_AWS_40 CKV_AWS_76 CKV_AWS_309
	CKV_AWS_91 CKV_AWS_103 CKV_AWS_131 CKV_AWS_150 CKV_AWS_328 CKV_AWS_378 CKV2_AWS_20 CKV2_AWS_28 CKV2_AWS_74
`

func TestEveryExceptionAnswersForItself(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, c := range controls.Catalog() {
		ids[c.ID] = true
	}
	for _, e := range controls.Exceptions() {
		if err := e.Check(); err != nil {
			t.Error(err)
		}
		if !ids[e.Control] {
			t.Errorf("exception to %s, which is no control", e.Control)
		}
	}
}

// The ARN of a bucket has no account; stated beside it, the account is as good.
func TestSourceOfAPermissionHasItsAccount(t *testing.T) {
	t.Parallel()
	base := register(t, "default", variants()[0].args)
	for account, want := range map[string]bool{"123456789012": true, "999999999999": false} {
		stack := copied(base)
		fromBucket(account)(stack)
		if got := found(*stack, control(t, "Lambda.1")); (len(got) == 0) != want {
			t.Errorf("a bucket of account %s: findings %v, want none: %v", account, got, want)
		}
	}
}

func TestExceptionCheck(t *testing.T) {
	t.Parallel()
	good := controls.Exception{Control: "RDS.8", Resource: "rds-*", Reason: "r", Compensation: "c", Owner: "o", Review: "2027-06-30"}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(e *controls.Exception){
		"state the control": func(e *controls.Exception) { e.Control = "" }, "state the resource": func(e *controls.Exception) { e.Resource = "" },
		"state the reason": func(e *controls.Exception) { e.Reason = "" }, "state the compensation": func(e *controls.Exception) { e.Compensation = "" },
		"state the owner": func(e *controls.Exception) { e.Owner = "" }, "write the review date": func(e *controls.Exception) { e.Review = "soon" },
		"correct the resource pattern": func(e *controls.Exception) { e.Resource = "[" },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestDocumentTellsWhatFailed(t *testing.T) {
	t.Parallel()
	register := []controls.Exception{{Control: "Kinesis.1", Resource: "kinesis-stream-*", Reason: "one | two", Compensation: "c", Owner: "o", Review: "2027-06-30"}}
	catalog := []controls.Control{control(t, "Kinesis.1"), control(t, "Kinesis.3"), control(t, "AEC4"), control(t, "NET.2")}
	stack := oneStream("dev", "NONE")
	stack.Resources = append(stack.Resources, &controls.Resource{Type: provider, Name: "aws-dev", Inputs: map[string]any{"region": "us-east-1"}})
	report := controls.Evaluate(stack, catalog, register, nil)
	met := controls.Evaluate(oneStream("dev", "KMS"), catalog, register, nil)
	met.Stack.Variant = "encrypted"
	page := string(controls.Document(report, met))
	for _, want := range []string{
		"Judged in the shapes: small, encrypted.",
		"**4 controls: 1 passed, 1 with an exception, 2 FAILED**",
		"| Kinesis.1 | CKV_AWS_43 | AWS FSBP | The stream is encrypted at rest | kinesis.Stream `kinesis-stream-{suffix}` | exception |",
		"| kinesis.Stream `kinesis-stream-{suffix}` | FAILED |",
		"| cdk-nag | The nodes are spread over zones |  | VACUOUS |",
		"| Provider `aws-{suffix}` | passed |",
		"| Kinesis.1 | `kinesis-stream-*` | one \\| two | c | o | 2027-06-30 | small |",
		"| ECR.1, ECR.2, ECR.3 | no container images",
		"- [ ] A security contact is registered for the account (Account.1)",
		"* The backup `customer-keys-{suffix}$DeletedTableBackup`", "keeps for 35 days", "`AWSLogDeliveryWrite20150319`", "service-linked roles", "X-Ray for 30 days", "CloudWatch for 15 months",
		"`RDSOSMetrics`",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if alone := string(controls.Document(report)); !strings.Contains(alone, "| every shape |") {
		t.Error("an exception that every shape needs is not told as such")
	}
}
