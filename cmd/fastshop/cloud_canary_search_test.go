package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
	"github.com/fastshop/pipeline/internal/vault/dynamokeys"
)

// collect plants a control in each server and then reads all that the servers hold.
func (c *cloudCanary) collect() {
	c.t.Helper()
	c.database()
	c.redis.Do(c.t, "SET", controlEntry, controlEntry)
	c.places["dump of Redis"] = c.redis.Dump(c.t)
	c.table()
	c.records()
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.places, c.asked)
}

// database reads every row as text, and then every file of the server and its log.
func (c *cloudCanary) database() {
	c.t.Helper()
	connection, err := pgx.Connect(c.t.Context(), c.rig.store)
	if err != nil {
		c.t.Fatal(err)
	}
	defer connection.Close(c.t.Context())
	if _, err := connection.Exec(c.t.Context(), "CREATE TABLE control AS SELECT '"+controlRow+"' AS control"); err != nil {
		c.t.Fatal(err)
	}
	rows, err := connection.Query(c.t.Context(), "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
	if err != nil {
		c.t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 8 {
		c.t.Fatalf("tables: %v, %v", tables, err)
	}
	for _, table := range tables {
		var text bytes.Buffer
		if _, err := connection.PgConn().CopyTo(c.t.Context(), &text, "COPY (SELECT * FROM "+table+") TO STDOUT"); err != nil {
			c.t.Fatal(err)
		}
		c.places["rows of "+table] = text.Bytes()
	}
	if _, err := connection.Exec(c.t.Context(), "CHECKPOINT"); err != nil {
		c.t.Fatal(err)
	}
	c.files("file of the database: ", c.postgres.Dir())
	log, err := os.ReadFile(filepath.Join(filepath.Dir(c.postgres.Dir()), "log"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.places["log of the database"] = log
}

// files reads every file below a folder of a server that is at work, and may remove some meanwhile.
func (c *cloudCanary) files(prefix, dir string) {
	c.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		c.places[prefix+strings.TrimPrefix(path, dir+"/")] = content
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// table reads every item of the key table.
func (c *cloudCanary) table() {
	c.t.Helper()
	var name string
	for i, flag := range c.rig.places {
		if flag == "--keys" {
			at, err := dynamokeys.ParseURL(c.rig.places[i+1])
			if err != nil {
				c.t.Fatal(err)
			}
			name = at.Table
		}
	}
	client := dynamodb.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &c.account, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	control := map[string]dynamotypes.AttributeValue{
		"pk": &dynamotypes.AttributeValueMemberS{Value: "control"}, "sk": &dynamotypes.AttributeValueMemberS{Value: "control"},
		"w": &dynamotypes.AttributeValueMemberB{Value: []byte(controlItem)},
	}
	if _, err := client.PutItem(c.t.Context(), &dynamodb.PutItemInput{TableName: &name, Item: control}); err != nil {
		c.t.Fatal(err)
	}
	var all bytes.Buffer
	for _, item := range tableItems(c.t, client, name) {
		for name, value := range item {
			fmt.Fprintf(&all, "%s %s\n", name, attribute(value))
		}
	}
	c.places["items of the table"] = all.Bytes()
}

// tableItems are all items of a table.
func tableItems(t *testing.T, client *dynamodb.Client, table string) (all []map[string]dynamotypes.AttributeValue) {
	t.Helper()
	pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Items...)
	}
	return all
}

// attribute is the text, the number or the bytes of an attribute; the program has no others.
func attribute(value dynamotypes.AttributeValue) string {
	switch v := value.(type) {
	case *dynamotypes.AttributeValueMemberS:
		return v.Value
	case *dynamotypes.AttributeValueMemberN:
		return v.Value
	case *dynamotypes.AttributeValueMemberB:
		return string(v.Value)
	}
	return ""
}

// records reads the whole stream.
func (c *cloudCanary) records() {
	c.t.Helper()
	client := kinesistest.Client(c.streamAt)
	_, err := client.PutRecord(c.t.Context(), &kinesis.PutRecordInput{StreamName: aws.String(cloudStream), PartitionKey: aws.String("control"), Data: []byte(controlRecord)})
	if err != nil {
		c.t.Fatal(err)
	}
	log := lambdatest.NewKinesis(client, cloudStream)
	shards, err := log.Partitions(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	var all []byte
	for _, shard := range shards {
		for after := stream.Position(""); ; {
			found, err := log.Read(c.t.Context(), shard, after, 1000)
			if err != nil {
				c.t.Fatal(err)
			}
			if len(found) == 0 {
				break
			}
			for i := range found {
				all = append(append(append(all, found[i].Key...), ' '), found[i].Data...)
				after = found[i].Position
			}
			time.Sleep(200 * time.Millisecond) // five reads a second
		}
	}
	c.places["records of the stream"] = all
}

// controlsFound checks that each place is searched, and in the form in which it keeps things.
func (c *cloudCanary) controlsFound() {
	c.t.Helper()
	for _, want := range []struct{ control, place string }{
		{controlRow, "rows of public.control"}, {controlShard, "rows of fastshop.dead_letters"}, {"canary-server-async", "rows of fastshop.transactions"},
		{controlRow, "file of the database: base/"}, {controlRow, "file of the database: pg_wal/"},
		{"canary-function-sync", "file of the database: base/"}, {"canary-server-sync", "file of the database: pg_wal/"},
		{controlRow, "log of the database"}, {"canary-function-async", "log of the database"},
		{controlEntry, "dump of Redis"},
		{controlItem, "items of the table"},
		{controlRecord, "records of the stream"}, {"canary-function-batch", "records of the stream"},
		{controlEnvironment, "AWS was asked: TrentService.GenerateDataKey"}, {"canary-server-batch", "AWS was asked: Kinesis_20131202.PutRecords"},
		{"customer/", "AWS was asked: DynamoDB_20120810.PutItem"},
		{controlRole, "log of ingest"}, {controlShard, "log of process"}, {`"explain"`, "log of admin"}, {c.keyID, "log of serve"},
		{"canary-function-sync", "function-answer"}, {"canary-server-sync", "server-answer"}, {"fastshop_decisions_total", "server-answer"},
	} {
		if !c.found(want.control, want.place) {
			c.t.Errorf("%q was planted in %s..., and is not found there", want.control, want.place)
		}
	}
}

// found reports whether a value is, in any form, in a place whose name begins so.
func (c *cloudCanary) found(value, prefix string) bool {
	for place, content := range c.places {
		for _, form := range forms(value) {
			if strings.HasPrefix(place, prefix) && bytes.Contains(content, form) {
				return true
			}
		}
	}
	return false
}

// shortestForm is how many bytes must be alike for a find not to be chance: the places here are a hundred times larger
// than those of the embedded program, and their bytes are mostly random.
const shortestForm = 7

func searchCloud(t *testing.T, places map[string][]byte) {
	t.Helper()
	wanted := map[string]string{"card number": cardNumber}
	maps.Copy(wanted, canaries)
	size := 0
	for place, content := range places {
		size += len(content)
		for name, value := range wanted {
			for form, text := range forms(value) {
				if len(text) >= shortestForm && bytes.Contains(content, text) {
					t.Errorf("the %s is in %s (%s)", name, place, form)
				}
			}
		}
	}
	t.Logf("searched %d places, %d KiB", len(places), size>>10)
	if len(places) < 500 || size < 40<<20 {
		t.Errorf("searched only %d places with %d bytes: the test looks at less than it should", len(places), size)
	}
}
