package kmswrap

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/vault"
)

// failure is the error of a call: the context's if it ended, else one of the port's.
func failure(ctx context.Context, action string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	told := cloud.Tidy(err)
	switch cloud.Code(err) {
	case "DisabledException", "KMSInvalidStateException":
		return fmt.Errorf("%w: %w", vault.ErrKeyDisabled, told)
	case "InvalidCiphertextException", "IncorrectKeyException":
		return fmt.Errorf("%w: wrapped under another KMS key or context, or damaged: %w", vault.ErrKey, told)
	case "NotFoundException", "InvalidArnException":
		return fmt.Errorf("%w: %w: %w", vault.ErrUnavailable, ErrMissing, told)
	case "InvalidKeyUsageException":
		return fmt.Errorf("%w: %w: it is no symmetric key for encryption: %w", vault.ErrUnavailable, ErrMissing, told)
	}
	if cloud.FaultOf(err) == cloud.FaultDenied {
		return fmt.Errorf("%w: %w: kms:%s: %w", vault.ErrUnavailable, ErrDenied, action, told)
	}
	return fmt.Errorf("%w: ask KMS (%s): %w", vault.ErrUnavailable, action, told)
}

// Check asks KMS about the key and then wraps and unwraps a probe under the context, whose epoch should be one that is
// never used, such as "check". nil means that all is well; otherwise the error says in words what is wrong and wraps what
// Wrap or Unwrap would return. A role that may only unwrap gets [ErrDenied] for GenerateDataKey.
func (k *Key) Check(ctx context.Context, c vault.WrapContext) error {
	if err := k.describe(ctx); err != nil {
		return fmt.Errorf("check %v: %w", k, err)
	}
	blob, err := k.Wrap(ctx, c, []byte("probe"))
	if err != nil {
		return fmt.Errorf("check %v: wrap for app %q, env %q, purpose %q: %w", k, c.App, c.Env, c.Purpose, err)
	}
	if _, err = k.Unwrap(ctx, c, blob); err != nil {
		return fmt.Errorf("check %v: unwrap for app %q, env %q, purpose %q: %w", k, c.App, c.Env, c.Purpose, err)
	}
	return nil
}

// describe finds what KMS says about the key itself. A role without kms:DescribeKey leaves the rest to the probe.
func (k *Key) describe(ctx context.Context) error {
	out, err := k.api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.arn})
	if cloud.FaultOf(err) == cloud.FaultDenied {
		return nil
	}
	if err != nil {
		return failure(ctx, "DescribeKey", err)
	}
	switch m := out.KeyMetadata; {
	case m.KeySpec != types.KeySpecSymmetricDefault: // which is for encryption and nothing else
		return fmt.Errorf("%w: %w: it is %s for %s, not a symmetric key for encryption", vault.ErrUnavailable, ErrMissing, m.KeySpec, m.KeyUsage)
	case m.KeyState == types.KeyStateDisabled:
		return fmt.Errorf("%w: the emergency stop is on; enabling the key ends it", vault.ErrKeyDisabled)
	case m.KeyState == types.KeyStatePendingDeletion:
		return fmt.Errorf("%w: it is about to be deleted for good; cancel the deletion and enable the key", vault.ErrKeyDisabled)
	case m.KeyState != types.KeyStateEnabled:
		return fmt.Errorf("%w: KMS says that the key is %s", vault.ErrUnavailable, m.KeyState)
	}
	return nil
}
