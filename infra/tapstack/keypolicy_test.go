package tapstack_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// crypto are the verbs with which a service encrypts at rest for a caller.
func crypto() []string {
	return []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"}
}

// administration is the first statement of every key: the account's administrators manage the key, and can neither use
// it nor grant its use.
func administration() statement {
	return statement{Sid: "Administration", Effect: "Allow", Principal: root(), Resource: list("*"), Action: list(
		"kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Enable*", "kms:Disable*", "kms:CreateAlias", "kms:DeleteAlias",
		"kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:RotateKeyOnDemand")}
}

// through is a statement for principals of the account by way of services.
func through(sid string, actions []string, services ...string) statement {
	var hosts []string
	for _, s := range services {
		hosts = append(hosts, s+".us-east-1.amazonaws.com")
	}
	return statement{Sid: sid, Effect: "Allow", Principal: root(), Action: actions, Resource: list("*"),
		Condition: conditions{"StringEquals": {"kms:CallerAccount": list(account), "kms:ViaService": hosts}}}
}

// granting is through for grants, which must be for a service of AWS.
func granting(sid string, services ...string) statement {
	s := through(sid, list("kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"), services...)
	s.Condition["Bool"] = map[string][]string{"kms:GrantIsForAWSResource": list("true")}
	return s
}

// byRoles narrows a statement to functions' roles.
func byRoles(s statement, functions ...string) statement {
	var arns []string
	for _, f := range functions {
		arns = append(arns, roleArn(f))
	}
	s.Condition["ArnEquals"] = map[string][]string{"aws:PrincipalArn": arns}
	return s
}

func TestStreamKey(t *testing.T) {
	t.Parallel()
	ofStream := func(s statement) statement {
		s.Condition["StringEquals"]["kms:EncryptionContext:aws:kinesis:arn"] = list(arn("kinesis", "stream/kinesis-stream-dev"))
		return s
	}
	up(t, nil).expectPolicy("stream-key-dev", "policy", administration(),
		byRoles(ofStream(through("WriteRecords", list("kms:GenerateDataKey"), "kinesis")), "ingest"),
		byRoles(ofStream(through("ReadRecords", list("kms:Decrypt"), "kinesis")), "process", "admin"),
		byRoles(through("DeadLetters", list("kms:GenerateDataKey", "kms:Decrypt"), "sqs"), "ingest", "process"),
		byRoles(through("CarryDeadLetters", list("kms:Decrypt"), "sqs"), "admin"))
}

func TestKeysOfStores(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectPolicy("database-key-dev", "policy", administration(),
		through("UseThroughDatabase", crypto(), "rds"), granting("GrantToDatabase", "rds"),
		through("MasterSecret", list("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"), "secretsmanager"))
	// ElastiCache calls under either name.
	d.expectPolicy("cache-key-dev", "policy", administration(),
		through("UseThroughCache", crypto(), "elasticache", "dax"), granting("GrantToCache", "elasticache", "dax"))
	d.expectPolicy("keystore-key-dev", "policy", administration(),
		through("UseThroughTable", crypto(), "dynamodb"), granting("GrantToTable", "dynamodb"))
}

// CloudWatch Logs may use the key for our groups and no other; alarms and database events for our account's topic; Lambda
// for the functions' settings.
func TestOperationsKey(t *testing.T) {
	t.Parallel()
	var groups []string
	for _, name := range []string{"/aws/lambda/ingest-function-dev", "/aws/lambda/process-function-dev", "/aws/lambda/admin-function-dev",
		"/aws/rds/instance/rds-dev/postgresql", "/aws/rds/instance/rds-dev/upgrade", "/aws/elasticache/redis-dev/slow", "/aws/elasticache/redis-dev/engine",
		"/aws/apigateway/http-api-dev", "/aws/vpc/flow-log-dev"} {
		groups = append(groups, arn("logs", "log-group:"+name))
	}
	up(t, nil).expectPolicy("operations-key-dev", "policy", administration(),
		statement{Sid: "Logs", Effect: "Allow", Principal: service("logs.us-east-1.amazonaws.com"), Action: crypto(), Resource: list("*"),
			Condition: conditions{"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": groups}}},
		statement{Sid: "Alarms", Effect: "Allow", Principal: service("cloudwatch.amazonaws.com", "events.rds.amazonaws.com"),
			Action: list("kms:Decrypt", "kms:GenerateDataKey"), Resource: list("*"), Condition: conditions{"StringEquals": {"aws:SourceAccount": list(account)}}},
		through("FunctionSettings", crypto(), "lambda"), granting("GrantToFunctions", "lambda"))
}

// The program's own envelope: ingest and admin make and open data keys, and the context names nothing but program,
// environment, purpose and epoch.
func TestEnvelopeKeys(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	for name, purpose := range map[string]string{"pii-key-dev": "epoch", "token-key-dev": "token"} {
		use := func(sid, function string, actions ...string) statement {
			return byRoles(statement{Sid: sid, Effect: "Allow", Principal: root(), Action: actions, Resource: list("*"), Condition: conditions{
				"StringEquals": {"kms:CallerAccount": list(account), "kms:EncryptionContext:app": list("fastshop"),
					"kms:EncryptionContext:env": list("dev"), "kms:EncryptionContext:purpose": list(purpose)},
				"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": list("app", "env", "purpose", "epoch")}}}, function)
		}
		d.expectPolicy(name, "policy", administration(),
			use("IngestEnvelope", "ingest", "kms:GenerateDataKey", "kms:Decrypt"), use("AdminEnvelope", "admin", "kms:GenerateDataKey", "kms:Decrypt"))
	}
}

// Process judges sealed data. Neither of the two locks opens for it: no key policy of personal data or tokens speaks of
// its role, and its role's policy speaks of neither key.
func TestProcessHasNoRightOnPersonalData(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	for _, name := range []string{"pii-key-dev", "token-key-dev", "keystore-key-dev"} {
		if text := d.get(name).Text("policy"); strings.Contains(text, "process") {
			t.Errorf("the policy of %s speaks of process: %s", name, text)
		}
		if text := d.get("process-policy-dev").Text("policy"); strings.Contains(text, d.arn(name)) {
			t.Errorf("the role process speaks of %s: %s", name, text)
		}
	}
	if text := d.get("process-policy-dev").Text("policy"); strings.Contains(text, "dynamodb:") || strings.Contains(text, "secretsmanager:") {
		t.Errorf("the role process reaches keys or secrets: %s", text)
	}
}

// No key names a role as its principal, which might not exist yet, or somebody outside of the account.
func TestPrincipalsOfKeys(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	for _, r := range d.OfType(key) {
		for _, s := range d.policy(r.Name, "policy") {
			principal, err := json.Marshal(s.Principal)
			if err != nil {
				t.Fatal(err)
			}
			if byAWS := string(principal) == `{"AWS":["arn:aws:iam::123456789012:root"]}`; !byAWS && s.Sid != "Logs" && s.Sid != "Alarms" {
				t.Errorf("%s: %s is for %s", r.Name, s.Sid, principal)
			}
			if s.Sid == "Administration" {
				continue
			}
			if len(s.Condition) == 0 || slices.Contains(s.Action, "kms:*") {
				t.Errorf("%s: %s is not narrowed", r.Name, s.Sid)
			}
		}
	}
}
