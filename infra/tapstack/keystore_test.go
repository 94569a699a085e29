package tapstack_test

import (
	"testing"

	"github.com/fastshop/pipeline/infra/tapstack"
)

// The table can be wound back as long as the operator says, seven days by default, and destroyed with the rest.
func TestKeystore(t *testing.T) {
	t.Parallel()
	for days, change := range map[int]argsChange{7: nil, 1: func(a *tapstack.TapStackArgs) { a.KeyRecoveryDays = 1 }} {
		d := up(t, change)
		d.expectNames("aws:dynamodb/table:Table", "customer-keys-dev")
		d.expect("aws:dynamodb/table:Table", "customer-keys-dev", inputs{
			"name": "customer-keys-dev", "billingMode": "PAY_PER_REQUEST", "hashKey": "pk", "rangeKey": "sk",
			"attributes":                []inputs{{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}},
			"serverSideEncryption":      inputs{"enabled": true, "kmsKeyArn": d.arn("keystore-key-dev")},
			"pointInTimeRecovery":       inputs{"enabled": true, "recoveryPeriodInDays": days},
			"deletionProtectionEnabled": false,
		})
	}
}
