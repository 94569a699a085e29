package emulator

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

const logToken = "aws:cloudwatch/logGroup:LogGroup"

// keyFor makes a key whose policy lets a service use it.
func keyFor(t *testing.T, e *engine, service string) string {
	t.Helper()
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":%q},"Action":"kms:Encrypt","Resource":"*"}]}`, service)
	made, err := e.cloud.Keys.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: aws.String(policy)})
	if err != nil {
		t.Fatal(err)
	}
	return *made.KeyMetadata.Arn
}

func TestLogGroup(t *testing.T) {
	e := newEngine(t, Options{})
	key := keyFor(t, e, "logs.us-east-1.amazonaws.com")
	group := e.create(logToken, "log", Object{
		"name": "/aws/lambda/ingest-test", "retentionInDays": 30, "kmsKeyId": key, "tags": tags("a", "1", "b", "2"),
	})
	if group.id != "/aws/lambda/ingest-test" {
		t.Errorf("id = %q, want the name", group.id)
	}
	group.equal(Object{"arn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/ingest-test", "logGroupClass": "STANDARD"})
	_, err := e.try(logToken, "twin", group.in)
	refused(t, err, "ResourceAlreadyExistsException")

	group.update(Object{"retentionInDays": 90, "tags": tags("b", "3")})
	found, err := e.cloud.Logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &group.id})
	if err != nil {
		t.Fatal(err)
	}
	if got := found.LogGroups[0]; *got.RetentionInDays != 90 || *got.KmsKeyId != key {
		t.Errorf("group = %+v, want 90 days under %s", got, key)
	}
	group.update(Object{"retentionInDays": 0})
	group.replaces(Object{"name": "/other", "logGroupClass": "INFREQUENT_ACCESS", "kmsKeyId": "arn:other"})
	group.delete()
}

func TestLogGroupNeedsAKeyItMayUse(t *testing.T) {
	e := newEngine(t, Options{})
	for name, key := range map[string]string{
		"unknown": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
		"foreign": keyFor(t, e, "sns.amazonaws.com"),
	} {
		_, err := e.try(logToken, name, Object{"name": "/" + name, "kmsKeyId": key})
		refused(t, err, "AccessDeniedException: The specified KMS key does not exist or is not allowed to be used")
	}
}

func TestLogGroupMayBeLeft(t *testing.T) {
	e := newEngine(t, Options{})
	group := e.create(logToken, "kept", Object{"name": "/kept", "skipDestroy": true})
	if err := group.tryDelete(); err != nil {
		t.Fatal(err)
	}
	if _, _, found := group.refresh(); !found {
		t.Error("a group with skipDestroy is gone")
	}
}
