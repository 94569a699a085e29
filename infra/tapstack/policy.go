package tapstack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// conditions are operator → key → values, all of them fixed: no wildcard, no policy variable (KMS.5, Lambda.1).
type conditions map[string]map[string][]string

// statement is one statement of an IAM, KMS, queue, topic or endpoint policy. Exactly one of aws and services names the
// principals of a resource's policy; an identity's policy has neither.
type statement struct {
	sid        string
	deny       bool
	aws        []string // ARNs, or * in a denial
	services   []string
	actions    []string
	resources  pulumi.StringArray
	conditions conditions
}

// document is the policy as JSON, with sorted keys, so that equal policies are equal texts and give no difference.
func (s *TapStack) document(statements ...statement) pulumi.StringOutput {
	var list pulumi.Array
	for _, st := range statements {
		list = append(list, st.value())
	}
	return pulumi.JSONMarshal(pulumi.Map{"Version": pulumi.String("2012-10-17"), "Statement": list})
}

func (st statement) value() pulumi.Map {
	effect := "Allow"
	if st.deny {
		effect = "Deny"
	}
	m := pulumi.Map{"Sid": pulumi.String(st.sid), "Effect": pulumi.String(effect), "Action": pulumi.ToStringArray(st.actions)}
	if len(st.resources) > 0 { // a trust policy has none
		m["Resource"] = st.resources
	}
	switch {
	case len(st.aws) == 1 && st.aws[0] == "*":
		m["Principal"] = pulumi.String("*")
	case len(st.aws) > 0:
		m["Principal"] = pulumi.Map{"AWS": pulumi.ToStringArray(st.aws)}
	case len(st.services) > 0:
		m["Principal"] = pulumi.Map{"Service": pulumi.ToStringArray(st.services)}
	}
	if len(st.conditions) > 0 {
		operators := pulumi.Map{}
		for operator, keys := range st.conditions {
			values := pulumi.Map{}
			for key, v := range keys {
				values[key] = pulumi.ToStringArray(v)
			}
			operators[operator] = values
		}
		m["Condition"] = operators
	}
	return m
}

// everything is the resource of a key's or an endpoint's policy, where it means the key or what the endpoint reaches,
// and of the few actions that AWS does not let be narrowed.
func everything() pulumi.StringArray { return pulumi.StringArray{pulumi.String("*")} }

// exactly are the resources with these ARNs.
func exactly(arns ...string) pulumi.StringArray { return pulumi.ToStringArray(arns) }

// root is the account as a principal. It admits nobody by itself: conditions or the identities' own policies must, too.
func (s *TapStack) root() string { return "arn:aws:iam::" + s.account + ":root" }

// invoke are the options of a question to AWS.
func (s *TapStack) invoke() []pulumi.InvokeOption {
	return []pulumi.InvokeOption{pulumi.Parent(s), pulumi.Provider(s.provider)}
}

// tlsOnly denies whatever comes to a queue or topic in the clear (SQS4, SNS3).
func tlsOnly(action, arn string) statement {
	return statement{
		sid: "DenyPlainText", deny: true, aws: []string{"*"}, actions: []string{action}, resources: exactly(arn),
		conditions: conditions{"Bool": {"aws:SecureTransport": {"false"}}},
	}
}
