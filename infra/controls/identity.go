package controls

import (
	"regexp"
	"slices"
	"strings"
)

// identityControls are about roles and what they may do.
func identityControls() []Control {
	return []Control{
		{"IAM.1", []string{"CKV_AWS_62", "CKV_AWS_63"}, FSBP, "No role may do everything",
			eachAllow(func(s statement) (bool, string) { return !slices.Contains(s.Action, "*"), "list the actions" })},
		{"IAM.21", []string{"CKV2_AWS_40"}, FSBP, "No role has a service-wide or any other wildcard action",
			eachAllow(func(s statement) (bool, string) { return !slices.ContainsFunc(s.Action, wild), "list the actions" })},
		{"KMS.2", nil, FSBP, "No role may decrypt with every key", eachAllow(func(s statement) (bool, string) {
			decrypts := len(s.covers([]string{"kms:Decrypt", "kms:ReEncryptFrom"})) > 0
			return !decrypts || !slices.ContainsFunc(s.Resource, wild), "name the keys by their ARNs"
		})},
		{"IAM4", []string{"CKV_AWS_274"}, CDKNag, "No policy of AWS's own is attached to a role",
			every(iamRole, absent("managedPolicyArns"))},
		{"IAM5", nil, CDKNag, "Every wildcard among the resources has a written reason", reasoned},
		{"ROLE.1", nil, FastShop, "No role can delete a database, table, stream, queue or key, or change who may use a key", eachAllow(func(s statement) (bool, string) {
			return len(s.covers(destroyingVerbs())) == 0, "remove " + strings.Join(s.covers(destroyingVerbs()), ", ")
		})},
		{"CKV_AWS_60", nil, Checkov, "Only named services take on a role", namedServices},
		{"CKV_AWS_61", nil, Checkov, "No role is open to the whole account", accountShutOut},
	}
}

// eachAllow judges every statement that lets a role do something.
func eachAllow(fine func(s statement) (bool, string)) func(*inspection) {
	return func(in *inspection) {
		for _, d := range in.roleDocuments(identityPolicy) {
			for _, s := range d.allows() {
				holds, advice := fine(s)
				in.want(holds, d.owner, d.field, s.name()+": "+advice)
			}
		}
	}
}

// destroyingVerbs are those that end what the stack made; they are the deployer's alone.
func destroyingVerbs() []string {
	return append(managingVerbs(), "rds:DeleteDBInstance", "rds:ModifyDBInstance", "dynamodb:DeleteTable", "kinesis:DeleteStream", "kinesis:DecreaseStreamRetentionPeriod",
		"sqs:DeleteQueue", "sqs:PurgeQueue", "elasticache:DeleteReplicationGroup", "logs:DeleteLogGroup", "logs:DeleteLogStream", "kms:RevokeGrant")
}

// Reasons why an action stands with Resource *.
const (
	reasonLambda = "Lambda checks for it on every resource before it makes or takes away a function's network interface"
	reasonXRay   = "X-Ray has no resources to name: a trace belongs to the account"
)

// starActions are the actions that AWS does not let be narrowed, with the reason.
func starActions() map[string]string {
	return map[string]string{
		"ec2:CreateNetworkInterface": reasonLambda, "ec2:DescribeNetworkInterfaces": reasonLambda, "ec2:DescribeSubnets": reasonLambda,
		"ec2:DeleteNetworkInterface": reasonLambda, "ec2:AssignPrivateIpAddresses": reasonLambda, "ec2:UnassignPrivateIpAddresses": reasonLambda,
		"xray:PutTraceSegments": reasonXRay, "xray:PutTelemetryRecords": reasonXRay,
	}
}

// streamsOfGroup are the log streams of one named group: their names are made up at run time.
var streamsOfGroup = regexp.MustCompile(`^arn:aws:logs:us-east-1:\d{12}:log-group:[^*?:]+:(log-stream:)?\*$`)

func reasoned(in *inspection) {
	for _, d := range in.roleDocuments(identityPolicy) {
		for _, s := range d.allows() {
			for _, resource := range s.Resource {
				switch {
				case !wild(resource), streamsOfGroup.MatchString(resource):
				case resource != "*":
					in.want(false, d.owner, d.field, s.name()+": name the resource instead of "+resource)
				default:
					unlisted := slices.DeleteFunc(slices.Clone(s.Action), func(a string) bool { return starActions()[a] != "" })
					in.want(len(unlisted) == 0, d.owner, d.field, s.name()+": name the resources of "+strings.Join(unlisted, ", ")+", or write down why AWS does not let you")
				}
			}
		}
	}
}

func namedServices(in *inspection) {
	for _, d := range in.roleDocuments(trustPolicy) {
		for _, s := range d.allows() {
			in.want(slices.Equal(s.Action, []string{"sts:AssumeRole"}), d.owner, d.field, s.name()+": allow sts:AssumeRole alone")
			in.want(len(s.Principal["Service"]) > 0 && !slices.ContainsFunc(s.principals(), wild), d.owner, d.field, s.name()+": name the service")
		}
	}
}

func accountShutOut(in *inspection) {
	for _, d := range in.roleDocuments(trustPolicy) {
		for _, s := range d.allows() {
			in.want(!slices.ContainsFunc(s.Principal["AWS"], accountPrincipal.MatchString), d.owner, d.field, s.name()+": name roles or services instead of the account")
		}
	}
}
