package testenv_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/fastshop/pipeline/internal/testenv"
)

func config(url string) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

func TestMoto(t *testing.T) {
	m := testenv.SharedMoto(t)
	keys, tables := kms.NewFromConfig(config(m.URL())), dynamodb.NewFromConfig(config(m.URL()))

	key, err := keys.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keys.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyMetadata.KeyId, Plaintext: []byte("a secret")})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := keys.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil || string(opened.Plaintext) != "a secret" {
		t.Errorf("decrypted %v, %v", opened, err)
	}

	name := aws.String("testenv")
	_, err = tables.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: name, BillingMode: ddb.BillingModePayPerRequest,
		AttributeDefinitions: []ddb.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: ddb.ScalarAttributeTypeS}},
		KeySchema:            []ddb.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: ddb.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	item := map[string]ddb.AttributeValue{"pk": &ddb.AttributeValueMemberS{Value: "one"}, "v": &ddb.AttributeValueMemberN{Value: "7"}}
	if _, err := tables.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: name, Item: item}); err != nil {
		t.Fatal(err)
	}
	got, err := tables.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: name, Key: map[string]ddb.AttributeValue{"pk": item["pk"]}})
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := got.Item["v"].(*ddb.AttributeValueMemberN); !ok || v.Value != "7" {
		t.Errorf("stored %v", got.Item)
	}

	m.Reset(t)
	if list, err := tables.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil || len(list.TableNames) > 0 {
		t.Errorf("tables after Reset: %v, %v", list, err)
	}
}

func TestMotoOfOnesOwn(t *testing.T) {
	m := testenv.StartMoto(t)
	if m.URL() == testenv.SharedMoto(t).URL() {
		t.Error("the test's own emulator is the shared one")
	}
	if _, err := kms.NewFromConfig(config(m.URL())).CreateKey(t.Context(), &kms.CreateKeyInput{}); err != nil {
		t.Error(err)
	}
}

// active waits until the stream may be used.
func active(t *testing.T, client *kinesis.Client, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		summary, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
		if err != nil {
			t.Fatal(err)
		}
		if summary.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func shards(t *testing.T, client *kinesis.Client, name string) []types.Shard {
	t.Helper()
	list, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return list.Shards
}

// read returns what a shard holds and whether it has ended.
func read(t *testing.T, client *kinesis.Client, name, shard string) (data []string, ended bool) {
	t.Helper()
	iterator, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: &name, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	next := iterator.ShardIterator
	for range 5 { // the end is told some reads after the last record
		got, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got.Records {
			data = append(data, string(r.Data))
		}
		if next = got.NextShardIterator; next == nil {
			return data, true
		}
	}
	return data, false
}

func TestKinesalite(t *testing.T) {
	client := kinesis.NewFromConfig(config(testenv.StartKinesalite(t).URL()))
	const name = "split"
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(name), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	active(t, client, name)
	put := func(data string) string {
		t.Helper()
		out, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String(name), PartitionKey: aws.String("k"), Data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		return *out.ShardId
	}
	parent := put("before")
	if data, ended := read(t, client, name, parent); !slices.Equal(data, []string{"before"}) || ended {
		t.Errorf("the parent holds %v, ended %t", data, ended)
	}
	_, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(name), ShardToSplit: &parent, NewStartingHashKey: aws.String("170141183460469231731687303715884105728"),
	})
	if err != nil {
		t.Fatal(err)
	}
	active(t, client, name)
	all := shards(t, client, name)
	if len(all) != 3 || aws.ToString(all[1].ParentShardId) != parent || aws.ToString(all[2].ParentShardId) != parent {
		t.Fatalf("shards %+v, want a parent and its two children", all)
	}
	child := put("after")
	if child == parent {
		t.Error("the parent takes records after the split")
	}
	if data, ended := read(t, client, name, parent); !slices.Equal(data, []string{"before"}) || !ended {
		t.Errorf("the parent holds %v, ended %t", data, ended)
	}
	if data, ended := read(t, client, name, child); !slices.Equal(data, []string{"after"}) || ended {
		t.Errorf("the child holds %v, ended %t", data, ended)
	}
}
