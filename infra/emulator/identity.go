package emulator

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const (
	roleNameLimit       = 64
	rolePolicyNameLimit = 128
	// inlineLimit is how long all inline policies of a role may be together, white space left out.
	inlineLimit = 10_240

	shortestSession = 3600 // seconds
	longestSession  = 43_200
)

// identityName is what IAM takes in names.
var identityName = regexp.MustCompile(`^[\w+=,.@-]+$`)

func identityKinds() []Kind {
	return []Kind{
		{
			Token:    "aws:iam/role:Role",
			Required: []string{"name", "assumeRolePolicy"},
			Replace:  []string{"name", "path"},
			Check:    checkRole,
			Create:   createRole, Read: readRole, Update: updateRole, Delete: deleteRole,
		},
		{
			Token:    "aws:iam/rolePolicy:RolePolicy",
			Required: []string{"name", "role", "policy"},
			Replace:  []string{"name", "role"},
			Check:    checkRolePolicy,
			Create:   createRolePolicy, Read: readRolePolicy, Update: updateRolePolicy, Delete: deleteRolePolicy,
		},
	}
}

func checkRole(in Object) []Fault {
	i := inspect(in)
	i.name("name", roleNameLimit, identityName)
	i.document("assumeRolePolicy")
	i.between("maxSessionDuration", shortestSession, longestSession)
	i.unmodeled("namePrefix", "inlinePolicies", "managedPolicyArns")
	return i.found()
}

func checkRolePolicy(in Object) []Fault {
	i := inspect(in)
	i.name("name", rolePolicyNameLimit, identityName)
	i.document("policy")
	i.unmodeled("namePrefix")
	return i.found()
}

func roleTags(tags map[string]string) []types.Tag {
	return tagList(tags, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })
}

func createRole(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	_, err := c.Identity.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: in.StrPtr("name"), AssumeRolePolicyDocument: in.StrPtr("assumeRolePolicy"), Description: in.StrPtr("description"),
		MaxSessionDuration: in.Int32Ptr("maxSessionDuration"), Path: in.StrPtr("path"), Tags: roleTags(in.Tags()),
		PermissionsBoundary: in.StrPtr("permissionsBoundary"),
	})
	if err != nil {
		return "", nil, err
	}
	id := in.Str("name")
	out, err := readRole(ctx, c, id, in)
	return id, out, err
}

func readRole(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	found, err := c.Identity.GetRole(ctx, &iam.GetRoleInput{RoleName: &id})
	if isCode(err, "NoSuchEntity") {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	role := found.Role
	trust, err := url.QueryUnescape(aws.ToString(role.AssumeRolePolicyDocument))
	if err != nil {
		return nil, fmt.Errorf("read trust policy of %s: %w", id, err)
	}
	tags := map[string]string{}
	for _, t := range role.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return withTagMap(state, tags).With(Object{
		"arn": role.Arn, "name": role.RoleName, "path": role.Path, "uniqueId": role.RoleId,
		"createDate": role.CreateDate.UTC().Format(time.RFC3339), "maxSessionDuration": role.MaxSessionDuration,
		"assumeRolePolicy": asWritten(state.Str("assumeRolePolicy"), trust),
	}), nil
}

func updateRole(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	_, err := c.Identity.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: &id, PolicyDocument: in.StrPtr("assumeRolePolicy"),
	})
	if err != nil {
		return nil, err
	}
	session := in.Int32Ptr("maxSessionDuration")
	if session == nil {
		session = aws.Int32(shortestSession)
	}
	_, err = c.Identity.UpdateRole(ctx, &iam.UpdateRoleInput{
		RoleName: &id, Description: aws.String(in.Str("description")), MaxSessionDuration: session,
	})
	if err != nil {
		return nil, err
	}
	write, remove := tagChange(state.Tags(), in.Tags())
	if len(write) > 0 {
		if _, err := c.Identity.TagRole(ctx, &iam.TagRoleInput{RoleName: &id, Tags: roleTags(write)}); err != nil {
			return nil, err
		}
	}
	if len(remove) > 0 {
		if _, err := c.Identity.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &id, TagKeys: remove}); err != nil {
			return nil, err
		}
	}
	return readRole(ctx, c, id, in)
}

// deleteRole is refused by the emulator while the role has policies, unless the program asks to take them away.
func deleteRole(ctx context.Context, c *Cloud, id string, state Object) error {
	if state.Bool("forceDetachPolicies") {
		inline, err := c.Identity.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &id})
		if isCode(err, "NoSuchEntity") {
			return ErrGone
		}
		if err != nil {
			return err
		}
		for _, name := range inline.PolicyNames {
			if _, err := c.Identity.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &id, PolicyName: &name}); err != nil {
				return err
			}
		}
	}
	_, err := c.Identity.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &id})
	return unless(err, "NoSuchEntity")
}

func createRolePolicy(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	if err := putRolePolicy(ctx, c, in); err != nil {
		return "", nil, err
	}
	return in.Str("role") + ":" + in.Str("name"), in, nil
}

// putRolePolicy refuses more policy than AWS keeps in a role, which the emulator takes.
func putRolePolicy(ctx context.Context, c *Cloud, in Object) error {
	role := in.StrPtr("role")
	inline, err := c.Identity.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: role})
	if err != nil {
		return err
	}
	size := policySize(in.Str("policy"))
	for _, name := range inline.PolicyNames {
		if name == in.Str("name") {
			continue
		}
		other, err := rolePolicy(ctx, c, in.Str("role"), name)
		if err != nil {
			return err
		}
		size += policySize(other)
	}
	if size > inlineLimit {
		return refuse("LimitExceeded", "Maximum policy size of %d bytes exceeded for role %s: %d", inlineLimit, in.Str("role"), size)
	}
	_, err = c.Identity.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: role, PolicyName: in.StrPtr("name"), PolicyDocument: in.StrPtr("policy"),
	})
	return err
}

// policySize counts as IAM does, without white space.
func policySize(document string) int {
	return len(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, document))
}

// rolePolicy is the text of an inline policy, or ErrGone.
func rolePolicy(ctx context.Context, c *Cloud, role, name string) (string, error) {
	found, err := c.Identity.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
	if isCode(err, "NoSuchEntity") {
		return "", ErrGone
	}
	if err != nil {
		return "", err
	}
	text, err := url.QueryUnescape(aws.ToString(found.PolicyDocument))
	if err != nil {
		return "", fmt.Errorf("read policy %s of %s: %w", name, role, err)
	}
	return text, nil
}

func readRolePolicy(ctx context.Context, c *Cloud, _ string, state Object) (Object, error) {
	live, err := rolePolicy(ctx, c, state.Str("role"), state.Str("name"))
	if err != nil {
		return nil, err
	}
	return state.With(Object{"policy": asWritten(state.Str("policy"), live)}), nil
}

func updateRolePolicy(ctx context.Context, c *Cloud, _ string, _, in Object) (Object, error) {
	return in, putRolePolicy(ctx, c, in)
}

func deleteRolePolicy(ctx context.Context, c *Cloud, _ string, state Object) error {
	_, err := c.Identity.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: state.StrPtr("role"), PolicyName: state.StrPtr("name")})
	return unless(err, "NoSuchEntity")
}
