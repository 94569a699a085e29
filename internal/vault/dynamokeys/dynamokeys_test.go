package dynamokeys_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/dynamokeys"
	"github.com/fastshop/pipeline/internal/vault/kmswrap"
	"github.com/fastshop/pipeline/internal/vault/vaulttest"
)

// tables counts the tables of this process, for their names.
var tables atomic.Int64

// load returns a configuration for an endpoint, with credentials that mean nothing.
func load(t testing.TB, endpoint string, change ...func(*cloud.Options)) aws.Config {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	o := cloud.Options{Region: "us-east-1", Endpoint: endpoint}
	for _, f := range change {
		f(&o)
	}
	cfg, err := cloud.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// createTable makes a table as the stack does, and returns its name.
func createTable(t testing.TB, cfg aws.Config, change ...func(*dynamodb.CreateTableInput)) string {
	t.Helper()
	name := fmt.Sprintf("customer-keys-%d", tables.Add(1))
	in := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
	}
	for _, f := range change {
		f(in)
	}
	api := dynamodb.NewFromConfig(cfg)
	if _, err := api.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}) })
	return name
}

func createKey(t *testing.T, cfg aws.Config) string {
	t.Helper()
	out, err := kms.NewFromConfig(cfg).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

func openKey(t *testing.T, cfg aws.Config, arn string) *kmswrap.Key {
	t.Helper()
	k, err := kmswrap.Open(cfg, arn, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// items reads the whole table.
func items(t *testing.T, api *dynamodb.Client, table string) (all []map[string]types.AttributeValue) {
	t.Helper()
	pages := dynamodb.NewScanPaginator(api, &dynamodb.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Items...)
	}
	return all
}

// restore makes the table what it was.
func restore(t *testing.T, api *dynamodb.Client, table string, backup []map[string]types.AttributeValue) {
	t.Helper()
	for _, i := range items(t, api, table) {
		key := map[string]types.AttributeValue{"pk": i["pk"], "sk": i["sk"]}
		if _, err := api.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range backup {
		if _, err := api.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: i}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestContract runs the suite on the pair of a deployment on AWS: this key store and keys in KMS.
func TestContract(t *testing.T) {
	front := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	cfg := load(t, front)
	vaulttest.Run(t, func(t *testing.T) vaulttest.Backends {
		table, personal, tokens := createTable(t, cfg), createKey(t, cfg), createKey(t, cfg)
		_, id, _ := strings.Cut(personal, "key/") // moto does not know ARNs everywhere
		api, keys := dynamodb.NewFromConfig(cfg), kms.NewFromConfig(cfg)
		var open func(t *testing.T) vaulttest.Backends
		open = func(t *testing.T) vaulttest.Backends {
			store := dynamokeys.New(cfg, table, mathrand.Float64)
			return vaulttest.Backends{
				Keys: store, Secrets: store, Personal: openKey(t, cfg, personal), Tokens: openKey(t, cfg, tokens),
				Stop: func() error {
					_, err := keys.DisableKey(context.Background(), &kms.DisableKeyInput{KeyId: &id})
					return err
				},
				Resume: func() error {
					_, err := keys.EnableKey(context.Background(), &kms.EnableKeyInput{KeyId: &id})
					return err
				},
				Reopen: open,
				Snapshot: func(t *testing.T) func(*testing.T) vaulttest.Backends {
					backup := items(t, api, table)
					return func(t *testing.T) vaulttest.Backends {
						restore(t, api, table, backup)
						return open(t)
					}
				},
			}
		}
		return open(t)
	})
}

func record(n int) vault.Record {
	r := vault.Record{Generation: 1, Epoch: 86400, Wrapped: make([]byte, 61)}
	rand.Read(r.Handle[:])
	rand.Read(r.Token[:])
	rand.Read(r.Wrapped)
	r.Token[0] = 1
	binary.BigEndian.PutUint32(r.Handle[:], uint32(n)^0x5bd1e995)
	return r
}
