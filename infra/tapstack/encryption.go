package tapstack

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Class is a class of data, which has a key of its own: a principal that may open one class opens no other, and a class
// can be destroyed without the rest.
type Class string

// The classes. Pii and token are the program's own envelope; the others encrypt at rest through a service.
const (
	ClassStream     Class = "stream"     // records on the way, and the queue of those that failed
	ClassDatabase   Class = "database"   // rows, backups, Performance Insights, the master secret
	ClassCache      Class = "cache"      // windows
	ClassKeystore   Class = "keystore"   // the table of wrapped customer keys
	ClassOperations Class = "operations" // log groups, alarms, the functions' settings
	ClassPII        Class = "pii"        // wraps the epoch keys that wrap the customers' keys; process has no right on it
	ClassToken      Class = "token"      // wraps the keys that make tokens of identifiers
)

// Classes are all classes of data.
func Classes() []Class {
	return []Class{ClassStream, ClassDatabase, ClassCache, ClassKeystore, ClassOperations, ClassPII, ClassToken}
}

// keys are the customer-managed keys by class.
type keys map[Class]*kms.Key

// buildKeys makes a key and an alias for each class. A key that is destroyed waits seven days, the shortest that AWS
// grants, and can be brought back until then.
func (s *TapStack) buildKeys() {
	s.keys = keys{}
	for _, class := range Classes() {
		name := string(class) + "-key"
		key := add(s, kms.NewKey, s.name(name), &kms.KeyArgs{
			Description:       pulumi.String(fmt.Sprintf("FastShop %s: data of class %s", s.args.EnvironmentSuffix, class)),
			KeyUsage:          pulumi.String("ENCRYPT_DECRYPT"),
			Policy:            s.keyPolicy(class),
			EnableKeyRotation: pulumi.Bool(true), RotationPeriodInDays: pulumi.Int(365),
			DeletionWindowInDays:           pulumi.Int(7),
			IsEnabled:                      pulumi.Bool(true),
			BypassPolicyLockoutSafetyCheck: pulumi.Bool(false),
		})
		add(s, kms.NewAlias, s.name(name+"-alias"), &kms.AliasArgs{Name: pulumi.String(s.named("alias/", name, "", 0)), TargetKeyId: key.ID()})
		s.keys[class] = key
	}
}

// keyArns are the keys' ARNs as resources of a role's policy.
func (s *TapStack) keyArns(classes ...Class) pulumi.StringArray {
	var arns pulumi.StringArray
	for _, c := range classes {
		arns = append(arns, s.keys[c].Arn)
	}
	return arns
}
