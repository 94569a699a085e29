package tapstack_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
)

const key, alias = "aws:kms/key:Key", "aws:kms/alias:Alias"

func TestClasses(t *testing.T) {
	t.Parallel()
	want := []tapstack.Class{"stream", "database", "cache", "keystore", "operations", "pii", "token"}
	if diff := cmp.Diff(want, tapstack.Classes()); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
}

// One key a class, which turns every year and is gone a week after a destroy, the soonest that AWS grants.
func TestKeys(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames(key, "cache-key-dev", "database-key-dev", "keystore-key-dev", "operations-key-dev", "pii-key-dev", "stream-key-dev", "token-key-dev")
	d.expectNames(alias, "cache-key-alias-dev", "database-key-alias-dev", "keystore-key-alias-dev", "operations-key-alias-dev", "pii-key-alias-dev",
		"stream-key-alias-dev", "token-key-alias-dev")
	for _, class := range tapstack.Classes() {
		name := string(class) + "-key-dev"
		d.expect(key, name, inputs{
			"description": "FastShop dev: data of class " + string(class), "keyUsage": "ENCRYPT_DECRYPT", "isEnabled": true,
			"enableKeyRotation": true, "rotationPeriodInDays": 365, "deletionWindowInDays": 7, "bypassPolicyLockoutSafetyCheck": false,
			"policy": d.get(name).Text("policy"), // keypolicy_test.go
		})
		d.expect(alias, string(class)+"-key-alias-dev", inputs{"name": "alias/" + name, "targetKeyId": d.id(name)})
	}
}

// Whatever is at rest is under the key of its class.
func TestWhatIsUnderWhichKey(t *testing.T) {
	t.Parallel()
	d := up(t, func(a *tapstack.TapStackArgs) { a.AlarmEmail = "alarms@example.com" })
	want := map[string]string{
		"kinesis-stream-dev kmsKeyId":                   "stream",
		"dead-letter-queue-dev kmsMasterKeyId":          "stream",
		"rds-dev kmsKeyId":                              "database",
		"rds-dev masterUserSecretKmsKeyId":              "database",
		"rds-dev performanceInsightsKmsKeyId":           "database",
		"redis-dev kmsKeyId":                            "cache",
		"customer-keys-dev serverSideEncryption":        "keystore",
		"alarm-topic-dev kmsMasterKeyId":                "operations",
		"ingest-function-dev kmsKeyArn":                 "operations",
		"process-function-dev kmsKeyArn":                "operations",
		"admin-function-dev kmsKeyArn":                  "operations",
		"/aws/apigateway/http-api-dev kmsKeyId":         "operations",
		"/aws/elasticache/redis-dev/engine kmsKeyId":    "operations",
		"/aws/elasticache/redis-dev/slow kmsKeyId":      "operations",
		"/aws/lambda/admin-function-dev kmsKeyId":       "operations",
		"/aws/lambda/ingest-function-dev kmsKeyId":      "operations",
		"/aws/lambda/process-function-dev kmsKeyId":     "operations",
		"/aws/rds/instance/rds-dev/postgresql kmsKeyId": "operations",
		"/aws/rds/instance/rds-dev/upgrade kmsKeyId":    "operations",
		"/aws/vpc/flow-log-dev kmsKeyId":                "operations",
	}
	classes := map[any]string{}
	for _, class := range tapstack.Classes() {
		classes[d.arn(string(class)+"-key-dev")] = string(class)
	}
	got := map[string]string{}
	for _, r := range d.All() {
		for _, input := range []string{"kmsKeyId", "kmsKeyArn", "kmsMasterKeyId", "masterUserSecretKmsKeyId", "performanceInsightsKmsKeyId"} {
			if r.Input(input) != nil {
				got[r.Name+" "+input] = classes[r.Input(input)]
			}
		}
		if r.Input("serverSideEncryption") != nil {
			got[r.Name+" serverSideEncryption"] = classes[r.Input("serverSideEncryption.kmsKeyArn")]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
