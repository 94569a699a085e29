package controls

import (
	"regexp"
	"slices"
	"strings"
)

// computeControls are about the Lambda functions.
func computeControls() []Control {
	return []Control{
		{"Lambda.1", []string{"CKV_AWS_301", "CKV_AWS_364"}, FSBP, "Functions can be started by AWS services, each for one source of our account, and by nobody else without IAM", privateFunctions},
		{"Lambda.2", []string{"L1", "CKV_AWS_363"}, FSBP, "Functions run on a supported runtime",
			every(function, oneOf("runtime", "provided.al2023"))},
		{"Lambda.3", []string{"CKV_AWS_117"}, SecurityHub, "Functions run inside the VPC",
			every(function, given("vpcConfig.subnetIds"), given("vpcConfig.securityGroupIds"))},
		{"Lambda.5", nil, FSBP, "Functions span two zones at least, in private subnets", spanZones},
		{"Lambda.7", []string{"CKV_AWS_50"}, SecurityHub, "Calls are traced",
			every(function, is("tracingConfig.mode", "Active"))},
		{"CKV_AWS_45", nil, Checkov, "No function's environment holds a secret", noSecrets},
		{"CKV_AWS_115", nil, Checkov, "Each function's concurrency is bounded, so that none starves another or the database",
			every(function, atLeast("reservedConcurrentExecutions", 1))},
		{"CKV_AWS_116", nil, Checkov, "What a function fails to process goes to a queue of ours",
			every(function, rule{"deadLetterConfig.targetArn", func(in *inspection, v any) bool { return in.byID(queue, v) != nil }, "name the stack's dead-letter queue"})},
		{"CKV_AWS_173", nil, Checkov, "The functions' environments are encrypted with a key of ours",
			every(function, ownKey("kmsKeyArn"))},
		{"CKV_AWS_272", nil, Checkov, "The functions' code is signed",
			every(function, given("codeSigningConfigArn"))},
		{"ESM.1", nil, FastShop, "A poison record stops no shard: batches are answered in part, halved, retried a bounded number of times, and end in a queue of ours", boundedRetries},
	}
}

func privateFunctions(in *inspection) {
	in.each(permission, func(p *Resource) {
		in.want(strings.HasSuffix(p.Text("principal"), ".amazonaws.com"), p, "principal", "name an AWS service")
		in.want(p.Text("action") == "lambda:InvokeFunction", p, "action", "permit lambda:InvokeFunction alone")
		in.want(ourSource(p, in.byID(function, p.Input("function"))), p, "sourceArn", "state a source, by an ARN that has the account in it")
		in.want(empty(p.Input("functionUrlAuthType")), p, "functionUrlAuthType", "leave it unset: the HTTP API is the only way in")
	})
}

// ourSource wants a source that is a fixed service's, of the function's account, and not just anything there. An ARN without
// account, as those of buckets are, needs sourceAccount beside it.
func ourSource(p, f *Resource) bool {
	source := strings.SplitN(p.Text("sourceArn"), ":", 6)
	if len(source) < 6 || f == nil {
		return false
	}
	arn, _ := f.Output("arn").(string)
	own := strings.SplitN(arn, ":", 6)
	account := source[4]
	if account == "" {
		account = p.Text("sourceAccount")
	}
	return source[0] == "arn" && fixed(source[2]) && len(own) == 6 && fixed(account) && account == own[4] && source[5] != "" && !wild(source[5][:1])
}

func spanZones(in *inspection) {
	in.each(function, func(f *Resource) {
		zones := map[string]bool{}
		for _, id := range texts(f.Input("vpcConfig.subnetIds")) {
			if s := in.byID(subnet, id); s != nil {
				zones[s.Text("availabilityZone")] = true
			}
			in.want(!in.public(id), f, "vpcConfig.subnetIds", "use private subnets alone: a function has no public address, so a public one leads nowhere")
		}
		in.want(len(zones) >= 2, f, "vpcConfig.subnetIds", "list subnets of two zones at least")
	})
}

var (
	secretName  = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key|access_?key|private_?key)$`)
	secretValue = regexp.MustCompile(`AKIA[0-9A-Z]{16}|-----BEGIN|://[^/@:]+:[^/@]+@|^[A-Za-z0-9/+]{40}$`)
)

// noSecrets refuses settings that are named like a secret or look like one: access keys, private keys, URLs with passwords.
func noSecrets(in *inspection) {
	in.each(function, func(f *Resource) {
		variables, _ := f.Input("environment.variables").(map[string]any)
		for name, value := range variables {
			text, _ := value.(string)
			field := "environment.variables." + name
			in.want(!secretName.MatchString(name), f, field, "keep secrets out of the environment: fetch them, or sign in through IAM")
			in.want(!secretValue.MatchString(text), f, field, "the value looks like a secret: fetch it, or sign in through IAM")
		}
	})
}

func boundedRetries(in *inspection) {
	in.each(sourceMapping, func(m *Resource) {
		in.want(slices.Contains(texts(m.Input("functionResponseTypes")), "ReportBatchItemFailures"), m, "functionResponseTypes", "list ReportBatchItemFailures")
		in.want(m.Input("bisectBatchOnFunctionError") == true, m, "bisectBatchOnFunctionError", "set it to true")
		tries, _ := m.Input("maximumRetryAttempts").(float64)
		in.want(tries >= 1 && tries <= 10000, m, "maximumRetryAttempts", "bound it: unset or -1 retries until the record expires")
		in.want(in.byID(queue, m.Input("destinationConfig.onFailure.destinationArn")) != nil, m, "destinationConfig.onFailure.destinationArn", "name a queue of the stack")
	})
}
