package controls

import "slices"

// area is a part of the catalog, a section of the page.
type area struct {
	title    string
	controls []Control
}

// areas are all parts, in the order in which a reader meets them.
func areas() []area {
	return []area{
		{"Keys", keyControls()}, {"Stream", kinesisControls()}, {"Database and key table", databaseControls()}, {"Cache", cacheControls()},
		{"Network", networkControls()}, {"Roles", identityControls()}, {"Policy documents", policyControls()}, {"Queues and topics", messagingControls()},
		{"Logs and alarms", observabilityControls()}, {"Functions", computeControls()}, {"HTTP API", edgeControls()},
		{"Destroyability", destroyControls()}, {"Names and tags", namingControls()},
	}
}

// Catalog is every control that applies to the stack.
func Catalog() []Control {
	var all []Control
	for _, a := range areas() {
		all = append(all, a.controls...)
	}
	return all
}

// NotApplicable are controls about what the stack does not have.
type NotApplicable struct {
	IDs    []string
	Reason string
	// Unless are type tokens, or beginnings of them: a resource of such a type contradicts the entry.
	Unless []string
}

func (n NotApplicable) contradicted(resources []*Resource) bool {
	return slices.ContainsFunc(resources, func(r *Resource) bool {
		return slices.ContainsFunc(n.Unless, func(token string) bool {
			return r.Type == token || token[len(token)-1] == '/' && len(r.Type) > len(token) && r.Type[:len(token)] == token
		})
	})
}

// Inapplicable is the list of those controls, with what would make each apply.
func Inapplicable() []NotApplicable {
	return []NotApplicable{
		{[]string{"KMS.1"}, "roles have inline policies alone; KMS.2 judges those", []string{"aws:iam/policy:Policy", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"}},
		{[]string{"RDS.1"}, "the stack takes no manual snapshot, and automatic ones cannot be shared", []string{"aws:rds/snapshot:Snapshot"}},
		{[]string{"RDS.19"}, "one instance, no cluster; RDS.20 asks the same of instances", []string{"aws:rds/cluster:Cluster"}},
		{[]string{"ElastiCache.6"}, "AUTH is for engines before 6.0; AEC6 asks for users instead", nil},
		{[]string{"EC2.16", "EC2.21"}, "no network ACL of its own: the VPC's default one serves every subnet and is not judged", []string{"aws:ec2/networkAcl:NetworkAcl", "aws:ec2/networkAclRule:NetworkAclRule"}},
		{[]string{"EC2.180"}, "network interfaces are made by AWS services alone", []string{"aws:ec2/networkInterface:NetworkInterface", "aws:ec2/instance:Instance"}},
		{[]string{"APIGateway.1", "APIGateway.2", "APIGateway.3", "APIGateway.4", "APIGateway.5"}, "about REST and WebSocket APIs; this is an HTTP API", []string{"aws:apigateway/"}},
		{[]string{"APIGateway.10"}, "the integration is a Lambda function, not a private one", []string{"aws:apigatewayv2/vpcLink:VpcLink"}},
		{[]string{"APIGateway.11"}, "no domain of its own: AWS's, which takes TLS 1.2 and later", []string{"aws:apigatewayv2/domainName:DomainName"}},
		{[]string{"APIG2"}, "HTTP APIs have no request validators: the program checks every field and refuses unknown ones", nil},
		{[]string{"APIG3", "WAF.10", "WAF.12"}, "a web ACL cannot be attached to an HTTP API: signatures by IAM and throttling (APIGateway.8, EDGE.1) stand in", []string{"aws:wafv2/"}},
		{[]string{"ECS.2", "ECS.3", "ECS.4", "ECS.5", "ECS.8", "ECS.9", "ECS.10", "ECS.12", "ECS.16", "ECS.18", "ECS.19", "ECS.20", "ECS.21"}, "no containers: the program runs as Lambda functions", []string{"aws:ecs/"}},
		{[]string{"ECR.1", "ECR.2", "ECR.3"}, "no container images: the functions are an archive", []string{"aws:ecr/"}},
		{[]string{"ELB.1", "ELB.4", "ELB.5", "ELB.6", "ELB.12", "ELB.13", "ELB.17", "ELB.18", "CKV_AWS_91", "CKV_AWS_103", "CKV_AWS_131", "CKV_AWS_150",
			"CKV_AWS_328", "CKV_AWS_378", "CKV2_AWS_20", "CKV2_AWS_28", "CKV2_AWS_74"}, "no load balancer: the HTTP API is the way in", []string{"aws:lb/", "aws:alb/", "aws:elb/"}},
	}
}

// AccountDuty is what a component must not own, because it would switch it off for the whole account on destroy, or what
// only shows in operation. People check it.
type AccountDuty struct {
	IDs  []string
	Duty string
}

// AccountDuties is the checklist.
func AccountDuties() []AccountDuty {
	return []AccountDuty{
		{[]string{"Account.1"}, "A security contact is registered for the account"},
		{[]string{"CloudTrail.*"}, "A trail over all regions, encrypted and validated; with data events for the key table if its readers are to be seen"},
		{[]string{"Config.1"}, "AWS Config records, or no finding of Security Hub is ever made"},
		{[]string{"GuardDuty.*", "Inspector.*", "Macie.*"}, "Threat detection, scanning of functions, discovery of sensitive data are on"},
		{[]string{"SSM.*"}, "Systems Manager's documents are not public"},
		{[]string{"IAM.2", "IAM.3", "IAM.4", "IAM.5", "IAM.6", "IAM.7", "IAM.8"}, "People sign in through a directory with a second factor; the root user has no key; nobody has unused or old keys"},
		{[]string{"EC2.7", "EC2.182"}, "EBS encrypts by default, and snapshots cannot be made public"},
		{[]string{"EC2.172"}, "VPC Block Public Access is on in the mode block-ingress, with which NAT gateways go on working"},
		{[]string{"SecretsManager.2", "SecretsManager.3"}, "The master secret's rotation succeeds. It is read by migrations alone, so a finding that it is unused for 90 days is expected between releases"},
	}
}

// Residue is what stays after a destroy, on purpose or by AWS's doing.
func Residue() []string {
	return []string{
		"The KMS keys, pending deletion for seven days. Until then `aws kms cancel-key-deletion` brings one back; after that whatever was encrypted under it is gone for good, which is how the customers' data are erased.",
		"The backup `customer-keys-{suffix}$DeletedTableBackup`, which DynamoDB makes of a deleted table with point-in-time recovery and keeps for 35 days, free of charge. It holds the customers' keys in their wrapped form, and nobody can read it once `keystore-key-{suffix}` and `pii-key-{suffix}` are gone, seven days after the destroy. Until then, whoever brings both keys back can restore it.",
		"The log group `RDSOSMetrics`, which RDS shares among all databases of the account with enhanced monitoring.",
		"In the account's CloudWatch Logs resource policy `AWSLogDeliveryWrite20150319`: entries for the log groups of the API and the cache, by which AWS's log delivery writes there (recalled, not seen). They name groups that are gone.",
		"The account's service-linked roles, such as those of RDS and ElastiCache: other stacks use them, too.",
		"Traces in X-Ray for 30 days, and metrics in CloudWatch for 15 months.",
		"What CloudTrail recorded.",
		"An e-mail subscription that nobody has confirmed, for three days.",
	}
}
