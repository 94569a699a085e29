package emulator

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

const (
	keyToken   = "aws:kms/key:Key"
	aliasToken = "aws:kms/alias:Alias"

	rootPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}]}`
)

func TestKey(t *testing.T) {
	e := newEngine(t, Options{})
	key := e.create(keyToken, "stream", Object{
		"description": "stream", "policy": rootPolicy, "enableKeyRotation": true, "rotationPeriodInDays": 365,
		"deletionWindowInDays": 7, "tags": tags("a", "1"),
	})
	key.equal(Object{
		"arn": "arn:aws:kms:us-east-1:123456789012:key/" + key.id, "keyId": key.id, "isEnabled": true, "multiRegion": false,
		"keyUsage": "ENCRYPT_DECRYPT", "customerMasterKeySpec": "SYMMETRIC_DEFAULT", "rotationPeriodInDays": 365,
	})
	rotation, err := e.cloud.Keys.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: &key.id})
	if err != nil || !rotation.KeyRotationEnabled {
		t.Errorf("rotation = %v, %v, want on", rotation, err)
	}
	other := strings.Replace(rootPolicy, "kms:*", "kms:Describe*", 1)
	key.update(Object{"policy": other, "description": "another", "tags": tags("b", "2")})
	policy, err := e.cloud.Keys.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: &key.id, PolicyName: ref("default")})
	if err != nil || *policy.Policy != other {
		t.Errorf("policy = %v, %v, want %s", policy, err, other)
	}
	found, err := e.cloud.Keys.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: &key.id})
	if err != nil || len(found.Tags) != 1 || *found.Tags[0].TagKey != "b" || *found.Tags[0].TagValue != "2" {
		t.Errorf("tags = %v, %v, want b=2 only", found, err)
	}
	key.update(Object{"isEnabled": false})
	key.update(Object{"isEnabled": true, "enableKeyRotation": false, "rotationPeriodInDays": nil})
	key.replaces(Object{"keyUsage": "SIGN_VERIFY", "multiRegion": true})

	key.delete()
	left, err := e.cloud.Keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key.id})
	if err != nil || left.KeyMetadata.KeyState != "PendingDeletion" {
		t.Fatalf("key = %v, %v, want one that waits for deletion", left, err)
	}
	// The emulator counts from its own clock, so the window shows as the difference to a key that waits longer.
	slow := e.create(keyToken, "slow", Object{"isEnabled": false})
	slow.delete()
	later, err := e.cloud.Keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &slow.id})
	if err != nil {
		t.Fatal(err)
	}
	if days := later.KeyMetadata.DeletionDate.Sub(*left.KeyMetadata.DeletionDate).Hours() / 24; days < 22.9 || days > 23.1 {
		t.Errorf("a window of 7 days ends %.2f days before the default of 30, want 23", days)
	}
}

func TestAlias(t *testing.T) {
	e := newEngine(t, Options{})
	first, second := e.create(keyToken, "first", Object{}), e.create(keyToken, "second", Object{})
	alias := e.create(aliasToken, "alias", Object{"name": "alias/stream-test", "targetKeyId": first.id})
	alias.equal(Object{
		"arn": "arn:aws:kms:us-east-1:123456789012:alias/stream-test", "targetKeyArn": first.out["arn"], "targetKeyId": first.id,
	})
	if alias.id != "alias/stream-test" {
		t.Errorf("id = %q, want the name", alias.id)
	}
	alias.update(Object{"targetKeyId": second.out["arn"]})
	alias.equal(Object{"targetKeyArn": second.out["arn"], "targetKeyId": second.out["arn"]})
	described, err := e.cloud.Keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &alias.id})
	if err != nil || *described.KeyMetadata.KeyId != second.id {
		t.Errorf("alias leads to %v, %v, want %s", described, err, second.id)
	}
	_, err = e.try(aliasToken, "twin", alias.in)
	refused(t, err, "AlreadyExistsException")
	alias.replaces(Object{"name": "alias/other"})
	alias.delete()
}

// refusal is inputs that are refused, and how.
type refusal struct {
	in   Object
	want string
}

// refusesAll finds that base is accepted and each refusal, laid over base, has exactly the fault it wants.
func refusesAll(t *testing.T, token string, base Object, refusals map[string]refusal) {
	t.Helper()
	e := engineOn(t, &Cloud{}, Options{})
	if faults := e.faults(token, base); len(faults) > 0 {
		t.Fatalf("base of %s is refused: %q", token, faults)
	}
	for name, r := range refusals {
		if faults := e.faults(token, base.With(r.in)); !slices.Equal(faults, []string{r.want}) {
			t.Errorf("%s: faults = %q, want %q", name, faults, r.want)
		}
	}
}

func TestKeyRefusals(t *testing.T) {
	refusesAll(t, keyToken, Object{"policy": rootPolicy, "enableKeyRotation": true}, map[string]refusal{
		"policy":   {Object{"policy": "{"}, "policy: MalformedPolicyDocument: not a JSON object: unexpected end of JSON input"},
		"soon":     {Object{"deletionWindowInDays": 6}, "deletionWindowInDays: InvalidParameterValue: set a whole number from 7 to 30, not 6"},
		"late":     {Object{"deletionWindowInDays": 31}, "deletionWindowInDays: InvalidParameterValue: set a whole number from 7 to 30, not 31"},
		"part":     {Object{"deletionWindowInDays": 7.5}, "deletionWindowInDays: InvalidParameterValue: set a whole number from 7 to 30, not 7.5"},
		"rotation": {Object{"rotationPeriodInDays": 89}, "rotationPeriodInDays: InvalidParameterValue: set a whole number from 90 to 2560, not 89"},
		"no rotation": {
			Object{"enableKeyRotation": false, "rotationPeriodInDays": 365},
			"rotationPeriodInDays: InvalidParameterCombination: set enableKeyRotation to true, or leave the period away",
		},
		"description": {Object{"description": strings.Repeat("x", 8193)}, "description: ValidationException: shorten it to 8192 characters"},
	})
	refusesAll(t, aliasToken, Object{"name": "alias/" + strings.Repeat("a", 250), "targetKeyId": "k"}, map[string]refusal{
		"AWS":     {Object{"name": "alias/aws/kinesis"}, "name: NotAuthorizedException: choose another name: alias/aws/ belongs to AWS"},
		"prefix":  {Object{"name": "stream"}, `name: ValidationError: "stream" does not match ^alias/[a-zA-Z0-9/_-]+$`},
		"no name": {Object{"name": nil}, "name: MissingParameter: name it; an invented name would not carry the environment's suffix"},
		"no key":  {Object{"targetKeyId": nil}, `targetKeyId: missing required argument: aws:kms/alias:Alias needs "targetKeyId"`},
	})
}
