package emulator

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const (
	kmsGone = "NotFoundException"
	// kmsWindow is the waiting period of a deletion, in days, when none is set.
	kmsWindow = 30
	// keyPolicy is the only name of a policy that KMS knows; the emulator wants to be told.
	keyPolicy = "default"
)

var aliasName = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`)

func keyKinds() []Kind {
	return []Kind{
		{
			Token:   "aws:kms/key:Key",
			Replace: []string{"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"},
			Check:   checkKey, Create: createKey, Read: readKey, Update: updateKey, Delete: deleteKey,
		},
		{
			Token:    "aws:kms/alias:Alias",
			Required: []string{"targetKeyId"},
			Replace:  []string{"name", "namePrefix"},
			Check:    checkAlias, Create: createAlias, Read: readAlias, Update: updateAlias, Delete: deleteAlias,
		},
	}
}

func checkKey(in Object) []Fault {
	i := inspect(in)
	i.document("policy")
	i.between("deletionWindowInDays", 7, 30)
	i.between("rotationPeriodInDays", 90, 2560)
	if in.Has("rotationPeriodInDays") && in.Known("enableKeyRotation") && !in.Bool("enableKeyRotation") {
		i.fault("rotationPeriodInDays", "InvalidParameterCombination: set enableKeyRotation to true, or leave the period away")
	}
	if in.Known("description") && len(in.Str("description")) > 8192 {
		i.fault("description", "ValidationException: shorten it to 8192 characters")
	}
	return i.found()
}

func createKey(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	input := &kms.CreateKeyInput{
		Description: in.StrPtr("description"), Policy: in.StrPtr("policy"),
		KeyUsage: types.KeyUsageType(in.Str("keyUsage")), KeySpec: types.KeySpec(in.Str("customerMasterKeySpec")),
		MultiRegion: in.BoolPtr("multiRegion"), BypassPolicyLockoutSafetyCheck: in.Bool("bypassPolicyLockoutSafetyCheck"),
		Tags: tagList(in.Tags(), kmsTag),
	}
	made, err := c.Keys.CreateKey(ctx, input)
	if err != nil {
		return "", nil, fmt.Errorf("create key: %w", err)
	}
	id := aws.ToString(made.KeyMetadata.KeyId)
	if err := c.setRotation(ctx, id, in); err != nil {
		return id, in, err
	}
	if !in.BoolOr("isEnabled", true) {
		if err := c.setEnabled(ctx, id, false); err != nil {
			return id, in, err
		}
	}
	out, err := readKey(ctx, c, id, in)
	return id, out, err
}

func kmsTag(key, value *string) types.Tag { return types.Tag{TagKey: key, TagValue: value} }

// setRotation switches the rotation as wanted. The emulator takes the period but does not tell it: the state keeps it.
func (c *Cloud) setRotation(ctx context.Context, id string, in Object) error {
	if !in.Bool("enableKeyRotation") {
		_, err := c.Keys.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &id})
		return wrap(err, "disable rotation of key %s", id)
	}
	_, err := c.Keys.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: in.Int32Ptr("rotationPeriodInDays")})
	return wrap(err, "enable rotation of key %s", id)
}

func (c *Cloud) setEnabled(ctx context.Context, id string, enabled bool) error {
	if enabled {
		_, err := c.Keys.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id})
		return wrap(err, "enable key %s", id)
	}
	_, err := c.Keys.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
	return wrap(err, "disable key %s", id)
}

// readKey answers ErrGone for a key that waits for its deletion, as the real provider does.
func readKey(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if isCode(err, kmsGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe key %s: %w", id, err)
	}
	m := got.KeyMetadata
	if m.KeyState == types.KeyStatePendingDeletion {
		return nil, ErrGone
	}
	policy, err := c.Keys.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id, PolicyName: aws.String(keyPolicy)})
	if err != nil {
		return nil, fmt.Errorf("read policy of key %s: %w", id, err)
	}
	rotation, err := c.Keys.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &id})
	if err != nil {
		return nil, fmt.Errorf("read rotation of key %s: %w", id, err)
	}
	out := state.With(Object{
		"arn": aws.ToString(m.Arn), "keyId": id, "description": aws.ToString(m.Description), "isEnabled": m.Enabled,
		"policy":            asWritten(state.Str("policy"), aws.ToString(policy.Policy)),
		"enableKeyRotation": rotation.KeyRotationEnabled, "multiRegion": aws.ToBool(m.MultiRegion),
		"keyUsage": orElse(string(m.KeyUsage), "ENCRYPT_DECRYPT"), "customerMasterKeySpec": string(m.KeySpec),
	})
	if rotation.KeyRotationEnabled && !out.Has("rotationPeriodInDays") {
		out = out.With(Object{"rotationPeriodInDays": 365}) // what AWS takes when nothing is said
	}
	return out, nil
}

func updateKey(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	// A disabled key cannot change its rotation: enable first, disable last.
	enabled := in.BoolOr("isEnabled", true)
	if enabled && !state.BoolOr("isEnabled", true) {
		if err := c.setEnabled(ctx, id, true); err != nil {
			return nil, err
		}
	}
	const on, period = "enableKeyRotation", "rotationPeriodInDays"
	if in.Bool(on) != state.Bool(on) || in.Has(period) && in.Int(period) != state.Int(period) {
		if err := c.setRotation(ctx, id, in); err != nil {
			return nil, err
		}
	}
	if in.Str("description") != state.Str("description") {
		_, err := c.Keys.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &id, Description: aws.String(in.Str("description"))})
		if err != nil {
			return nil, fmt.Errorf("describe key %s anew: %w", id, err)
		}
	}
	if in.Has("policy") {
		_, err := c.Keys.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &id, PolicyName: aws.String(keyPolicy), Policy: in.StrPtr("policy")})
		if err != nil {
			return nil, fmt.Errorf("put policy of key %s: %w", id, err)
		}
	}
	if err := c.tagKey(ctx, id, state.Tags(), in.Tags()); err != nil {
		return nil, err
	}
	if !enabled && state.BoolOr("isEnabled", true) {
		if err := c.setEnabled(ctx, id, false); err != nil {
			return nil, err
		}
	}
	return readKey(ctx, c, id, in)
}

func (c *Cloud) tagKey(ctx context.Context, id string, before, after map[string]string) error {
	return changeTags("key "+id, before, after,
		func(set map[string]string) error {
			_, err := c.Keys.TagResource(ctx, &kms.TagResourceInput{KeyId: &id, Tags: tagList(set, kmsTag)})
			return err
		},
		func(remove []string) error {
			_, err := c.Keys.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &id, TagKeys: remove})
			return err
		})
}

// deleteKey schedules the deletion with the waiting period of the state: a key is never gone at once.
func deleteKey(ctx context.Context, c *Cloud, id string, state Object) error {
	days := int32(kmsWindow)
	if state.Has("deletionWindowInDays") {
		days = state.Int32("deletionWindowInDays")
	}
	if _, err := readKey(ctx, c, id, state); errors.Is(err, ErrGone) {
		return nil
	}
	_, err := c.Keys.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: &days})
	return wrap(err, "schedule deletion of key %s", id)
}

func checkAlias(in Object) []Fault {
	i := inspect(in)
	i.name("name", 256, aliasName)
	if strings.HasPrefix(in.Str("name"), "alias/aws/") {
		i.fault("name", "NotAuthorizedException: choose another name: alias/aws/ belongs to AWS")
	}
	return i.found()
}

func createAlias(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("name")
	_, err := c.Keys.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: in.StrPtr("targetKeyId")})
	if err != nil {
		return "", nil, fmt.Errorf("create alias %s: %w", name, err)
	}
	out, err := readAlias(ctx, c, name, in)
	return name, out, err
}

func readAlias(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	pages := kms.NewListAliasesPaginator(c.Keys, &kms.ListAliasesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list aliases: %w", err)
		}
		for _, a := range page.Aliases {
			if aws.ToString(a.AliasName) != id {
				continue
			}
			target := aws.ToString(a.TargetKeyId)
			out := state.With(Object{"arn": aws.ToString(a.AliasArn), "targetKeyArn": c.ARN("kms", "key/"+target)})
			// The program may name the key by its id or by its ARN, and gets back what it wrote.
			if !strings.HasSuffix(state.Str("targetKeyId"), target) {
				out = out.With(Object{"targetKeyId": target})
			}
			return out, nil
		}
	}
	return nil, ErrGone
}

func updateAlias(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	_, err := c.Keys.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &id, TargetKeyId: in.StrPtr("targetKeyId")})
	if err != nil {
		return nil, fmt.Errorf("point alias %s elsewhere: %w", id, err)
	}
	return readAlias(ctx, c, id, in)
}

func deleteAlias(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Keys.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &id})
	return wrap(unless(err, kmsGone), "delete alias %s", id)
}
