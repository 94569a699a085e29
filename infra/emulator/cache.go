package emulator

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
)

const (
	cacheUserGone  = "UserNotFound"
	cacheGone      = "ReplicationGroupNotFoundFault"
	cacheTaken     = "ReplicationGroupAlreadyExists"
	cacheDeleting  = "deleting"
	cacheNameLimit = 40
)

// cacheFamily is a family of parameters that the stack may choose.
var cacheFamily = regexp.MustCompile(`^(redis[67]|redis6\.x|valkey[789])$`)

func cacheKinds() []Kind {
	return []Kind{
		{
			Token:     "aws:elasticache/subnetGroup:SubnetGroup",
			Required:  []string{"subnetIds"},
			Replace:   []string{"name"},
			StateOnly: "moto_server makes a cache subnet group but can neither change nor delete it (500), so destroy would leave it behind",
			Check:     checkCacheSubnetGroup, Create: createCacheSubnetGroup, Update: updateCacheSubnetGroup, Delete: deleteCacheSubnetGroup,
		},
		{
			Token:     "aws:elasticache/parameterGroup:ParameterGroup",
			Required:  []string{"family"},
			Replace:   []string{"name", "family", "description"},
			StateOnly: "moto_server answers 500 to CreateCacheParameterGroup",
			Check:     checkCacheParameterGroup, Create: createCacheParameterGroup, Update: updateCacheParameterGroup,
			Delete: deleteCacheParameterGroup,
		},
		{
			Token:    "aws:elasticache/user:User",
			Required: []string{"accessString", "engine", "userId", "userName"},
			Replace:  []string{"userId", "userName"},
			Check:    checkCacheUser, Create: createCacheUser, Read: readCacheUser, Update: updateCacheUser, Delete: deleteCacheUser,
		},
		{
			Token:     "aws:elasticache/userGroup:UserGroup",
			Required:  []string{"engine", "userGroupId"},
			Replace:   []string{"userGroupId"},
			StateOnly: "moto_server answers 500 to CreateUserGroup",
			Check:     checkUserGroup, Create: createUserGroup, Update: updateUserGroup, Delete: deleteUserGroup,
		},
		{
			Token:    "aws:elasticache/replicationGroup:ReplicationGroup",
			Required: []string{"description"},
			Replace: []string{
				"atRestEncryptionEnabled", "dataTieringEnabled", "kmsKeyId", "networkType", "port", "replicationGroupId",
				"securityGroupNames", "snapshotArns", "snapshotName", "subnetGroupName",
			},
			Check: checkCache, Create: createCache, Read: readCache, Update: updateCache, Delete: deleteCache,
		},
	}
}

func cacheTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

func checkCacheSubnetGroup(in Object) []Fault {
	i := inspect(in)
	i.name("name", 255, lowerName)
	if in.Str("name") == "default" {
		i.fault("name", "InvalidParameterValue: choose another name: default is taken")
	}
	if in.Known("subnetIds") && len(in.Strings("subnetIds")) == 0 {
		i.fault("subnetIds", "InvalidParameterValue: give at least one subnet")
	}
	return i.found()
}

// createCacheSubnetGroup still asks the emulator for the subnets, so that a wrong one is found.
func createCacheSubnetGroup(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	out, err := updateCacheSubnetGroup(ctx, c, in.Str("name"), nil, in)
	if err != nil {
		return "", nil, err
	}
	return in.Str("name"), out, nil
}

func updateCacheSubnetGroup(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	subnets, err := c.subnets(ctx, in.Strings("subnetIds"))
	if err != nil {
		return nil, fmt.Errorf("keep cache subnet group %s: %w", id, err)
	}
	return in.With(Object{
		"arn": c.ARN("elasticache", "subnetgroup:"+id), "description": described(in), "vpcId": aws.ToString(subnets[0].VpcId),
	}), nil
}

// caches are the replication groups that live. The emulator keeps a deleted one for ever, as deleting.
func (c *Cloud) caches(ctx context.Context) ([]types.ReplicationGroup, error) {
	got, err := c.Cache.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{})
	if err != nil {
		return nil, fmt.Errorf("describe replication groups: %w", err)
	}
	return slices.DeleteFunc(got.ReplicationGroups, func(g types.ReplicationGroup) bool { return *g.Status == cacheDeleting }), nil
}

// deleteCacheSubnetGroup cannot tell whether a cache uses the group: the emulator does not say which it uses.
func deleteCacheSubnetGroup(context.Context, *Cloud, string, Object) error { return nil }

func checkCacheParameterGroup(in Object) []Fault {
	i := inspect(in)
	i.name("name", 255, lowerName)
	if in.Known("family") && !cacheFamily.MatchString(in.Str("family")) {
		i.fault("family", "InvalidParameterValue: %q is no family such as redis7 or valkey8", in.Str("family"))
	}
	seen := map[string]bool{}
	for _, p := range i.each("parameters") {
		p.given("name", "value")
		if name := p.in.Str("name"); seen[name] {
			p.fault("name", "InvalidParameterValue: remove one of the two values of %s", name)
		}
		seen[p.in.Str("name")] = true
	}
	return i.found()
}

func createCacheParameterGroup(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	id := in.Str("name")
	out, err := updateCacheParameterGroup(ctx, c, id, nil, in)
	return id, out, err
}

func updateCacheParameterGroup(_ context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	return in.With(Object{"arn": c.ARN("elasticache", "parametergroup:"+id), "description": described(in)}), nil
}

// deleteCacheParameterGroup cannot tell whether a cache uses the group, for the same reason.
func deleteCacheParameterGroup(context.Context, *Cloud, string, Object) error { return nil }

func checkCacheUser(in Object) []Fault {
	i := inspect(in)
	i.add(checkName(in, "userId", cacheNameLimit, lowerName))
	i.oneOf("engine", "redis", "valkey")
	mode := i.inside("authenticationMode")
	mode.oneOf("type", "password", "no-password-required", "iam")
	if in.Known("authenticationMode") && mode.in.Str("type") == "iam" && in.Str("userId") != in.Str("userName") && in.Known("userId") && in.Known("userName") {
		i.fault("userName", "InvalidParameterValue: name it like userId: IAM wants both to be the same")
	}
	if mode.in.Str("type") == "no-password-required" {
		// AWS answers no-password, which the provider takes for a change at every preview.
		i.fault("authenticationMode", "say noPasswordRequired instead: the type is read back as no-password, and would be changed for ever")
	}
	ways := 0
	for _, p := range []string{"authenticationMode", "noPasswordRequired", "passwords", "passwordsWo"} {
		if in.Has(p) {
			ways++
		}
	}
	if ways != 1 {
		i.fault("authenticationMode", "InvalidParameterCombination: say in exactly one way how the user logs in, not in %d", ways)
	}
	passwords := slices.Concat(in.Strings("passwords"), mode.in.Strings("passwords"))
	if slices.ContainsFunc(passwords, func(p string) bool { return len(p) < 16 || len(p) > 128 }) || len(passwords) > 2 {
		i.fault("passwords", "InvalidParameterValue: give one or two passwords of 16 to 128 characters")
	}
	return i.found()
}

func createCacheUser(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	id := in.Str("userId")
	input := &elasticache.CreateUserInput{
		UserId: &id, UserName: in.StrPtr("userName"), Engine: in.StrPtr("engine"), AccessString: in.StrPtr("accessString"),
		NoPasswordRequired: in.BoolPtr("noPasswordRequired"), Passwords: in.Strings("passwords"), Tags: tagList(in.Tags(), cacheTag),
	}
	if mode := in.Object("authenticationMode"); mode != nil {
		input.AuthenticationMode = &types.AuthenticationMode{
			Type: types.InputAuthenticationType(mode.Str("type")), Passwords: mode.Strings("passwords"),
		}
	}
	if _, err := c.Cache.CreateUser(ctx, input); err != nil {
		return "", nil, fmt.Errorf("create cache user %s: %w", id, err)
	}
	out, err := readCacheUser(ctx, c, id, in)
	return id, out, err
}

// readCacheUser lists: asked for one user that is being deleted, the emulator deletes it.
func readCacheUser(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Cache.DescribeUsers(ctx, &elasticache.DescribeUsersInput{})
	if err != nil {
		return nil, fmt.Errorf("describe cache users: %w", err)
	}
	for _, u := range got.Users {
		if *u.UserId != id || *u.Status == cacheDeleting {
			continue
		}
		out := state.With(Object{
			"arn": *u.ARN, "userId": id, "userName": *u.UserName, "accessString": *u.AccessString, "engine": *u.Engine,
		})
		if mode := state.Object("authenticationMode"); mode != nil {
			out["authenticationMode"] = map[string]any(mode.With(Object{"passwordCount": len(mode.Strings("passwords"))}))
		}
		return out, nil
	}
	return nil, ErrGone
}

// updateCacheUser makes it anew: the emulator answers 500 to ModifyUser. AWS changes it in place.
func updateCacheUser(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := deleteCacheUser(ctx, c, id, state); err != nil {
		return nil, err
	}
	_, out, err := createCacheUser(ctx, c, in)
	return out, err
}

func deleteCacheUser(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Cache.DeleteUser(ctx, &elasticache.DeleteUserInput{UserId: &id})
	if err != nil {
		return wrap(unless(err, cacheUserGone), "delete cache user %s", id)
	}
	// The emulator lets go of it only when it is asked for it.
	_, err = c.Cache.DescribeUsers(ctx, &elasticache.DescribeUsersInput{UserId: &id})
	return wrap(unless(err, cacheUserGone), "wait until cache user %s is gone", id)
}

func checkUserGroup(in Object) []Fault {
	i := inspect(in)
	i.add(checkName(in, "userGroupId", cacheNameLimit, lowerName))
	i.oneOf("engine", "redis", "valkey")
	if in.Str("engine") == "redis" && !in.Has("userIds") {
		i.fault("userIds", "DefaultUserRequired: add a user of the name default")
	}
	return i.found()
}

func createUserGroup(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	id := in.Str("userGroupId")
	out, err := updateUserGroup(ctx, c, id, nil, in)
	if err != nil {
		return "", nil, err
	}
	return id, out, nil
}

// updateUserGroup finds the users in the emulator, because AWS wants each to be there and of a name of its own, a group
// for redis to have one that is named default, and one for valkey to have none without a password or IAM.
func updateUserGroup(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	got, err := c.Cache.DescribeUsers(ctx, &elasticache.DescribeUsersInput{})
	if err != nil {
		return nil, fmt.Errorf("describe cache users: %w", err)
	}
	names, open := map[string]string{}, map[string]bool{}
	for _, u := range got.Users {
		if *u.Status != cacheDeleting {
			names[*u.UserId] = *u.UserName
			open[*u.UserId] = u.Authentication != nil && u.Authentication.Type == types.AuthenticationTypeNoPassword
		}
	}
	holders := map[string]string{}
	for _, user := range in.Strings("userIds") {
		name, ok := names[user]
		if !ok {
			return nil, refuse(cacheUserGone, "keep user group %s: there is no user %s", id, user)
		}
		if other, twice := holders[name]; twice {
			return nil, refuse("DuplicateUserName", "keep user group %s: users %s and %s are both named %s", id, other, user, name)
		}
		holders[name] = user
		if open[user] && in.Str("engine") == "valkey" {
			return nil, refuse("InvalidParameterCombination", "keep user group %s: user %s needs a password or IAM, as all of valkey do", id, user)
		}
	}
	if _, ok := holders["default"]; !ok && in.Str("engine") == "redis" {
		return nil, refuse("DefaultUserRequired", "keep user group %s: add a user of the name default", id)
	}
	return in.With(Object{"arn": c.ARN("elasticache", "usergroup:"+id)}), nil
}

func deleteUserGroup(ctx context.Context, c *Cloud, id string, _ Object) error {
	live, err := c.caches(ctx)
	if err != nil {
		return err
	}
	for _, g := range live {
		if slices.Contains(g.UserGroupIds, id) {
			return refuse("InvalidUserGroupState", "delete user group %s: cache %s uses it", id, strings.ToLower(*g.ReplicationGroupId))
		}
	}
	return nil
}
