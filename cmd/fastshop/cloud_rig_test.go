package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
	"github.com/fastshop/pipeline/internal/testenv"
)

// cloudRig is a deployment of the program whose places are all somewhere else: PostgreSQL, Redis, Kinesis, DynamoDB, KMS.
type cloudRig struct {
	t       *testing.T
	dir     string // of the first process: its API keys and its log
	store   string // URL of the database
	kinesis *kinesistest.Server
	keys    *kms.Client
	ownKey  string // id of the key that wraps personal-data keys
	places  []string
}

// cloudParts are what a test wants otherwise than shared by all and whole.
type cloudParts struct {
	postgres *testenv.Postgres            // nil: the shared one
	way      *testenv.TCPProxy            // how the program reaches it; nil: directly
	redis    string                       // URL; empty: the shared one
	stream   string                       // endpoint of Kinesis with a stream named cloudStream; empty: one in this process
	kms      func(endpoint string) string // makes the endpoint of KMS for the key that wraps personal-data keys; nil: the emulator's
	table    bool                         // customers' keys are in DynamoDB, whose emulator is slow, and not in a file
}

const (
	cloudStream = "transactions"
	cloudShards = 3
)

// cloudNames tells apart what rigs make in servers that they share.
var cloudNames atomic.Int64

// cloudAccount are the credentials of an account that exists in emulators alone.
var cloudAccount = []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1"}

// newCloudRig makes a database, windows, a stream, a key table and keys that nobody else uses.
func newCloudRig(t *testing.T, p cloudParts) *cloudRig {
	t.Helper()
	r := &cloudRig{t: t, dir: t.TempDir()}
	if p.postgres == nil {
		p.postgres = testenv.SharedPostgres(t)
	}
	r.store = p.postgres.Database(t)
	mustRun(t, "migrate", "--store", r.store)
	store := r.store
	if p.way != nil {
		store = strings.Replace(store, p.postgres.Addr(), p.way.Addr(), 1)
	}
	if p.redis == "" {
		p.redis = testenv.SharedRedis(t).URL()
	}
	prefix := fmt.Sprintf("rig%d-%d:", os.Getpid(), cloudNames.Add(1))
	if p.stream == "" {
		r.kinesis = kinesistest.New(time.Now, 1)
		p.stream = r.kinesis.Start(t)
		makeStream(t, kinesistest.Client(p.stream), cloudShards)
	}
	account := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	config := aws.Config{Region: "us-east-1", BaseEndpoint: &account, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	r.keys = kms.NewFromConfig(config)
	own, ring := r.makeKey(), r.makeKey()
	_, r.ownKey, _ = strings.Cut(own, "key/")
	wrapping, keys := account, "sqlite:"
	if p.kms != nil {
		wrapping = p.kms(account)
	}
	at := func(endpoint string) string { return "?region=us-east-1&endpoint=" + url.QueryEscape(endpoint) }
	if p.table {
		keys = "dynamodb://" + r.makeTable(dynamodb.NewFromConfig(config)) + at(account)
	}
	r.places = []string{
		"--store", store, "--velocity", withSetting(p.redis, "prefix", prefix), "--stream", "kinesis://" + cloudStream + at(p.stream),
		"--keys", keys, "--kek", "awskms:///" + own + at(wrapping), "--token-kek", "awskms:///" + ring + at(account),
	}
	return r
}

// withSetting adds a setting to a URL.
func withSetting(place, name, value string) string {
	mark := "?"
	if strings.Contains(place, "?") {
		mark = "&"
	}
	return place + mark + name + "=" + url.QueryEscape(value)
}

// makeStream makes the stream and waits until it can be used.
func makeStream(t *testing.T, c *kinesis.Client, shards int32) {
	t.Helper()
	if _, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(cloudStream), ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
	awaitStream(t, c)
}

// awaitStream waits until the stream is not being changed.
func awaitStream(t *testing.T, c *kinesis.Client) {
	t.Helper()
	eventually(t, "the stream becomes active", func() bool {
		out, err := c.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(cloudStream)})
		return err == nil && out.StreamDescriptionSummary.StreamStatus == "ACTIVE"
	})
}

func (r *cloudRig) makeKey() (arn string) {
	r.t.Helper()
	out, err := r.keys.CreateKey(r.t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		r.t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

func (r *cloudRig) makeTable(c *dynamodb.Client) (name string) {
	r.t.Helper()
	name = fmt.Sprintf("keys-%d-%d", os.Getpid(), cloudNames.Add(1))
	column := func(name string, kind dynamotypes.KeyType) (dynamotypes.KeySchemaElement, dynamotypes.AttributeDefinition) {
		return dynamotypes.KeySchemaElement{AttributeName: &name, KeyType: kind},
			dynamotypes.AttributeDefinition{AttributeName: &name, AttributeType: dynamotypes.ScalarAttributeTypeS}
	}
	pk, pkIs := column("pk", dynamotypes.KeyTypeHash)
	sk, skIs := column("sk", dynamotypes.KeyTypeRange)
	_, err := c.CreateTable(r.t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: dynamotypes.BillingModePayPerRequest,
		KeySchema: []dynamotypes.KeySchemaElement{pk, sk}, AttributeDefinitions: []dynamotypes.AttributeDefinition{pkIs, skIs},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return name
}

// start starts the program on the rig; crash names the point where it kills itself, or is empty.
func (r *cloudRig) start(crash string) *process {
	r.t.Helper()
	return r.startIn(r.dir, crash)
}

// startIn starts a program that has a folder of its own, as on another machine.
func (r *cloudRig) startIn(dir, crash string) *process {
	r.t.Helper()
	return startIn(r.t, dir, append([]string{"FASTSHOP_TESTONLY_CRASH=" + crash}, cloudAccount...), append([]string{"--log-level", "warn"}, r.places...)...)
}

// log is what the programs of a folder said.
func (r *cloudRig) log(dir string) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// open opens the store beside the program. The caller closes it.
func (r *cloudRig) open() *pgstore.Store {
	r.t.Helper()
	config, err := pgstore.ParseURL(r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := pgstore.Open(r.t.Context(), pgstore.Options{Config: config, MaxConns: 2})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// verify runs fastshop verify on the rig's places and fails the test if anything is wrong.
func (r *cloudRig) verify() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], append([]string{
		"verify", "--data-dir", filepath.Join(r.dir, "data"), "--keys-dir", filepath.Join(r.dir, "keys"),
	}, r.places...)...)
	c.Env = append(append(os.Environ(), asProgram+"=1"), cloudAccount...)
	if out, err := c.CombinedOutput(); err != nil {
		r.t.Errorf("verify: %v\n%s", err, out)
	}
}

// patient is how long a test waits for what must come, on a machine that is busy with other tests.
const patient = 90 * time.Second

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patient)
		}
	}
}
