package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/dynamodb"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// keystore is the table of wrapped customer keys, tokens' keys and tombstones. It is not in the database, because a
// restored database would bring back the keys of people who were erased.
type keystore struct{ table *dynamodb.Table }

// tombstones is the partition that says who was erased; the program calls it so, too.
const tombstones = "tombstones"

func (s *TapStack) tableArn() string { return s.arn("dynamodb", "table/"+s.name("customer-keys")) }

func (s *TapStack) buildKeystore() {
	s.keystore.table = add(s, dynamodb.NewTable, s.name("customer-keys"), &dynamodb.TableArgs{
		Name:        pulumi.String(s.name("customer-keys")),
		BillingMode: pulumi.String("PAY_PER_REQUEST"),
		// One partition for each customer, each token and each purpose of a secret, and one for all tombstones.
		HashKey: pulumi.String("pk"), RangeKey: pulumi.String("sk"),
		Attributes: dynamodb.TableAttributeArray{
			&dynamodb.TableAttributeArgs{Name: pulumi.String("pk"), Type: pulumi.String("S")},
			&dynamodb.TableAttributeArgs{Name: pulumi.String("sk"), Type: pulumi.String("S")},
		},
		ServerSideEncryption: &dynamodb.TableServerSideEncryptionArgs{Enabled: pulumi.Bool(true), KmsKeyArn: s.keys[ClassKeystore].Arn},
		PointInTimeRecovery: &dynamodb.TablePointInTimeRecoveryArgs{
			Enabled: pulumi.Bool(true), RecoveryPeriodInDays: pulumi.Int(s.args.KeyRecoveryDays),
		},
		DeletionProtectionEnabled: pulumi.Bool(false),
	})
}
