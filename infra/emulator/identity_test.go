package emulator

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

const (
	roleToken       = "aws:iam/role:Role"
	rolePolicyToken = "aws:iam/rolePolicy:RolePolicy"

	lambdaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	rdsTrust    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"monitoring.rds.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	putRecords  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kinesis:PutRecords","Resource":"arn:aws:kinesis:us-east-1:123456789012:stream/a"}]}`
)

func TestRole(t *testing.T) {
	e := newEngine(t, Options{})
	role := e.create(roleToken, "role", Object{"name": "ingest-role-test", "assumeRolePolicy": lambdaTrust, "tags": tags("a", "1", "b", "2")})
	if role.id != "ingest-role-test" || !strings.HasPrefix(role.out.Str("uniqueId"), "AROA") {
		t.Errorf("role = id %q, uniqueId %q, want its name and AROA…", role.id, role.out.Str("uniqueId"))
	}
	role.equal(Object{
		"arn": "arn:aws:iam::123456789012:role/ingest-role-test", "name": "ingest-role-test", "path": "/",
		"maxSessionDuration": 3600, "assumeRolePolicy": lambdaTrust, "region": nil,
	})
	_, err := e.try(roleToken, "twin", role.in)
	refused(t, err, "EntityAlreadyExists")
	role.update(Object{"assumeRolePolicy": rdsTrust, "description": "monitoring", "maxSessionDuration": 7200, "tags": tags("b", "3")})
	found, err := e.cloud.Identity.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("ingest-role-test")})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Role.Tags) != 1 || *found.Role.Tags[0].Value != "3" || *found.Role.Description != "monitoring" || *found.Role.MaxSessionDuration != 7200 {
		t.Errorf("role = %+v, want the new tag, description and duration", found.Role)
	}
	role.replaces(Object{"name": "other", "path": "/other/"})
	role.delete()
}

func TestRolePolicy(t *testing.T) {
	e := newEngine(t, Options{})
	role := e.create(roleToken, "role", Object{"name": "policy-role-test", "assumeRolePolicy": lambdaTrust})
	policy := e.create(rolePolicyToken, "write", Object{"name": "write", "role": role.id, "policy": putRecords})
	if policy.id != "policy-role-test:write" {
		t.Errorf("id = %q, want role:name", policy.id)
	}
	refused(t, role.tryDelete(), "DeleteConflict")
	changed := strings.ReplaceAll(putRecords, "stream/a", "stream/b")
	policy.update(Object{"policy": changed})
	if got, err := rolePolicy(t.Context(), e.cloud, role.id, "write"); err != nil || got != changed {
		t.Errorf("policy = %s, %v, want %s", got, err, changed)
	}
	policy.replaces(Object{"name": "other", "role": "other"})
	policy.delete()
	role.delete()
}

func TestRolePoliciesHaveALimit(t *testing.T) {
	e := newEngine(t, Options{})
	role := e.create(roleToken, "role", Object{"name": "limit-role-test", "assumeRolePolicy": lambdaTrust, "forceDetachPolicies": true})
	long := strings.ReplaceAll(putRecords, "stream/a", "stream/"+strings.Repeat("a", 5000))
	e.create(rolePolicyToken, "one", Object{"name": "one", "role": role.id, "policy": long + strings.Repeat(" ", 9000)})
	_, err := e.try(rolePolicyToken, "two", Object{"name": "two", "role": role.id, "policy": strings.ReplaceAll(long, "aaa", "aaaaaaa")})
	refused(t, err, "LimitExceeded: Maximum policy size of 10240 bytes")
	_, err = e.try(rolePolicyToken, "lost", Object{"name": "lost", "role": "no-such-role", "policy": putRecords})
	refused(t, err, "NoSuchEntity")
	role.delete() // with its policy, as it asked for
}
