package emulator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/fastshop/pipeline/infra/emulator/moto/mototest"
)

// ownCloud is an emulator with nothing in it but what this test puts there.
func ownCloud(t *testing.T) *Cloud {
	t.Helper()
	c, err := NewCloud(t.Context(), mototest.Start(t).Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func inventory(t *testing.T, c *Cloud) []Item {
	t.Helper()
	items, err := Inventory(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// furnish makes one of everything that the inventory must see, and answers how to make it all gone but a key.
func furnish(t *testing.T, c *Cloud) (remove func()) {
	t.Helper()
	e := engineOn(t, c, Options{})
	db, key := e.database("counted", nil)
	f := e.function("counted", nil)
	stream := e.create(streamToken, "stream", Object{"name": "counted", "shardCount": 1, "enforceConsumerDeletion": true})
	queue := e.create(queueToken, "queue", Object{"name": "counted"})
	topic := e.create(topicToken, "topic", Object{"name": "counted"})
	api := e.create(apiToken, "api", Object{"name": "counted", "protocolType": "HTTP"})
	integration := e.create(integrationToken, "integration", Object{"apiId": api.id, "integrationType": "AWS_PROXY", "integrationUri": "arn:f"})
	rule := e.create(eventRuleToken, "rule", Object{"name": "counted", "scheduleExpression": "rate(1 day)"})
	gone := []*made{
		e.create(consumerToken, "consumer", Object{"name": "counted", "streamArn": stream.id}),
		e.create(mappingToken, "mapping", Object{"functionName": f.id, "eventSourceArn": stream.id, "startingPosition": "LATEST"}),
		e.create(topicSubscriptionToken, "mail", Object{"topic": topic.id, "protocol": "email", "endpoint": "a@b.example"}),
		e.create(apiRouteToken, "route", Object{"apiId": api.id, "routeKey": "$default"}),
		e.create(stageToken, "stage", Object{"apiId": api.id, "name": "$default"}),
		e.create(eventTargetToken, "target", Object{"rule": rule.id, "arn": f.out["arn"], "targetId": "counted"}),
		e.create(aliasToken, "alias", Object{"name": "alias/counted", "targetKeyId": key.id}),
		e.create(alarmToken, "alarm", simpleAlarm("counted")),
		e.create(dashboardToken, "dashboard", Object{"dashboardName": "counted", "dashboardBody": `{"widgets":[]}`}),
		e.create(dynamoToken, "table", Object{"name": "counted", "hashKey": "pk", "attributes": []any{attribute("pk", "S")}, "billingMode": "PAY_PER_REQUEST"}),
		e.create(subscriptionToken, "events", Object{"name": "counted", "snsTopic": topic.id}),
		e.create(cacheToken, "cache", clustered1x1("counted")),
		e.create(cacheUserToken, "user", cacheUser("counted", "counted", "on", "iam")),
		integration, db, f, stream, queue, topic, api, rule, key,
	}
	undo := furnishByHand(t, e)
	return func() {
		for _, m := range gone {
			m.delete()
		}
		undo()
	}
}

// furnishByHand makes what no kind of this file makes, straight in the emulator.
func furnishByHand(t *testing.T, e *engine) (undo func()) {
	t.Helper()
	c, ctx := e.cloud, context.WithoutCancel(t.Context())
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("counted")}))
	must(c.Secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("counted"), SecretString: aws.String("s")}))
	must(c.Identity.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("counted"), PolicyName: aws.String("p"), PolicyDocument: aws.String(strings.Replace(rootPolicy, `"Principal":{"AWS":"arn:aws:iam::123456789012:root"},`, "", 1))}))
	policy, err := c.Identity.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("counted"), PolicyDocument: aws.String(strings.Replace(rootPolicy, `"Principal":{"AWS":"arn:aws:iam::123456789012:root"},`, "", 1))})
	must(policy, err)
	must(c.Database.CreateDBSnapshot(ctx, &rds.CreateDBSnapshotInput{DBInstanceIdentifier: aws.String("counted"), DBSnapshotIdentifier: aws.String("counted")}))
	must(c.Cache.CreateSnapshot(ctx, &elasticache.CreateSnapshotInput{ReplicationGroupId: aws.String("counted"), SnapshotName: aws.String("counted")}))
	backup, err := c.Table.CreateBackup(ctx, &dynamodb.CreateBackupInput{TableName: aws.String("counted"), BackupName: aws.String("counted")})
	must(backup, err)
	address, err := c.Network.AllocateAddress(ctx, &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc})
	must(address, err)
	furnishNetwork(t, c, address.AllocationId)
	return func() {
		must(c.Logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("counted")}))
		must(c.Secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String("counted"), ForceDeleteWithoutRecovery: aws.Bool(true)}))
		must(c.Identity.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("counted"), PolicyName: aws.String("p")}))
		must(c.Identity.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("counted")}))
		must(c.Identity.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: policy.Policy.Arn}))
		must(c.Database.DeleteDBSnapshot(ctx, &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: aws.String("counted")}))
		must(c.Cache.DeleteSnapshot(ctx, &elasticache.DeleteSnapshotInput{SnapshotName: aws.String("counted")}))
		must(c.Table.DeleteBackup(ctx, &dynamodb.DeleteBackupInput{BackupArn: backup.BackupDetails.BackupArn}))
		must(c.Network.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: address.AllocationId}))
		must(c.Database.DeleteDBSubnetGroup(ctx, &rds.DeleteDBSubnetGroupInput{DBSubnetGroupName: aws.String("counted")}))
		must(c.Database.DeleteDBParameterGroup(ctx, &rds.DeleteDBParameterGroupInput{DBParameterGroupName: aws.String("counted-parameters")}))
	}
}

// furnishNetwork makes in the default network what the other kinds make in their own.
func furnishNetwork(t *testing.T, c *Cloud, address *string) {
	t.Helper()
	subnets, err := c.Network.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	if err != nil {
		t.Fatal(err)
	}
	subnet, vpc := subnets.Subnets[0].SubnetId, subnets.Subnets[0].VpcId
	_, gateway := c.Network.CreateInternetGateway(t.Context(), &ec2.CreateInternetGatewayInput{})
	_, nat := c.Network.CreateNatGateway(t.Context(), &ec2.CreateNatGatewayInput{SubnetId: subnet, AllocationId: address})
	_, endpoint := c.Network.CreateVpcEndpoint(t.Context(), &ec2.CreateVpcEndpointInput{VpcId: vpc, ServiceName: aws.String("com.amazonaws.us-east-1.s3")})
	_, flow := c.Network.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{
		ResourceIds: []string{*vpc}, ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: types.TrafficTypeAll,
		LogGroupName: aws.String("counted"), DeliverLogsPermissionArn: aws.String("arn:aws:iam::123456789012:role/counted"),
	})
	_, card := c.Network.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: subnet})
	if err := errors.Join(gateway, nat, endpoint, flow, card); err != nil {
		t.Fatal(err)
	}
}

// kindsOf are the services and types among the items, each once, sorted.
func kindsOf(items []Item) []string {
	var out []string
	for _, i := range items {
		out = append(out, i.Service+" "+i.Type)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestInventory(t *testing.T) {
	c := ownCloud(t)
	before := inventory(t, c)
	if len(before) == 0 || before[0].Service != "ec2" {
		t.Fatalf("inventory of a fresh emulator = %v, want the default network", before)
	}
	remove := furnish(t, c)
	want := []string{
		"apigatewayv2 API", "apigatewayv2 integration", "apigatewayv2 route", "apigatewayv2 stage", "cloudwatch alarm", "cloudwatch dashboard",
		"dynamodb backup", "dynamodb table", "ec2 NAT gateway", "ec2 address", "ec2 endpoint", "ec2 flow log", "ec2 internet gateway", "ec2 network ACL", "ec2 network interface", "ec2 route table", "ec2 security group", "ec2 subnet", "ec2 vpc",
		"elasticache replication group", "elasticache snapshot", "elasticache user", "events rule", "events target", "iam policy", "iam role", "iam role policy",
		"kinesis consumer", "kinesis stream", "kms alias", "kms key", "lambda event source mapping", "lambda function", "logs group",
		"rds automated backup", "rds database", "rds event subscription", "rds parameter group", "rds snapshot", "rds subnet group", "secretsmanager secret",
		"sns subscription", "sns topic", "sqs queue",
	}
	if got := kindsOf(Diff(before, inventory(t, c))); !slices.Equal(got, want) {
		t.Errorf("inventory = %q\nwant        %q\nmissing %q, too much %q", got, want, missingFrom(got, want), missingFrom(want, got))
	}
	remove()
	left := slices.DeleteFunc(Diff(before, inventory(t, c)), func(i Item) bool {
		return i.Service == "ec2" // the network is that of other kinds
	})
	if len(left) != 1 || !left[0].Pending() {
		t.Errorf("left = %v, want one key that waits for its deletion", left)
	}
}

func TestInventoryNamesTheServiceThatFails(t *testing.T) {
	c, err := NewCloud(t.Context(), cloud(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, l := range listings() {
		if items, err := l.list(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("list %s = %d items, %v, want it canceled", l.service, len(items), err)
		}
	}
	_, err = Inventory(ctx, c)
	refused(t, err, "list vpc: ")
}

func TestDiff(t *testing.T) {
	old := Item{"kms", "key", "1", "Enabled"}
	pending := Item{"kms", "key", "1", "PendingDeletion"}
	added := []Item{{"sqs", "queue", "b", ""}, {"sqs", "queue", "a", "x"}, {"ec2", "vpc", "1", ""}}
	got := Diff([]Item{old, {"iam", "role", "gone", ""}}, append([]Item{pending}, added...))
	want := []Item{{"ec2", "vpc", "1", ""}, {"sqs", "queue", "a", "x"}, {"sqs", "queue", "b", ""}}
	if !slices.Equal(got, want) {
		t.Errorf("diff = %v, want %v", got, want)
	}
	if old.Pending() || !pending.Pending() || (Item{"kms", "alias", "1", "PendingDeletion"}).Pending() {
		t.Error("only a key in PendingDeletion is pending")
	}
	if got := pending.String() + "; " + want[0].String(); got != "kms key 1 (PendingDeletion); ec2 vpc 1" {
		t.Errorf("items print as %q", got)
	}
}
