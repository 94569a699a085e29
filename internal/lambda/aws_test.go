package lambda

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/testenv"
)

// emulated is an AWS for this test.
func emulated(t *testing.T) aws.Config {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	c, err := cloud.Load(t.Context(), cloud.Options{Region: "us-east-1", Endpoint: testenv.SharedMoto(t).URL()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sqsQueue makes a queue whose received messages are hidden for so many seconds.
func sqsQueue(t *testing.T, c aws.Config, name, hidden string) (*sqs.Client, string) {
	t.Helper()
	client := sqs.NewFromConfig(c)
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": hidden}})
	if err != nil {
		t.Fatal(err)
	}
	return client, *made.QueueUrl
}

func post(t *testing.T, client *sqs.Client, url string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQueueOfAWS(t *testing.T) {
	client, url := sqsQueue(t, emulated(t), "dead-letters-queue", "60")
	q := NewSQS(client, url)
	receive := func() (Message, bool) {
		m, ok, err := q.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return m, ok
	}
	post(t, client, url, `{"a":"ç"}`)
	first, ok := receive()
	if !ok || string(first.Body) != `{"a":"ç"}` || first.ID == "" || first.Handle == "" {
		t.Fatalf("received %t %+v", ok, first)
	}
	if _, ok := receive(); ok {
		t.Error("the message is not hidden")
	}
	if err := q.Release(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second, ok := receive()
	if !ok || second.ID != first.ID {
		t.Fatalf("after the release: %t %+v", ok, second)
	}
	for range 2 { // the second time it is gone already
		if err := q.Delete(t.Context(), second); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := receive(); ok {
		t.Error("a deleted message came again")
	}
	missing := NewSQS(client, url+"-missing")
	for name, do := range map[string]func() error{
		"receive": func() error { _, _, err := missing.Receive(t.Context()); return err },
		"delete":  func() error { return missing.Delete(t.Context(), second) },
		"release": func() error { return missing.Release(t.Context(), second) },
	} {
		if err := do(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s of a queue that is not there: %v", name, err)
		}
	}
}

// active reports whether a stream is ready, with so many open shards.
func active(t *testing.T, client *kinesis.Client, name string, shards int32) bool {
	t.Helper()
	out, err := client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	s := out.StreamDescriptionSummary
	return s.StreamStatus == types.StreamStatusActive && *s.OpenShardCount == shards
}

// put puts records of one key into a stream of one shard and returns their sequence numbers.
func put(t *testing.T, client *kinesis.Client, name string, data ...string) (shard string, numbers []string) {
	t.Helper()
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return active(t, client, name, 1) })
	for _, d := range data {
		out, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String("a2V5"), Data: []byte(d)})
		if err != nil {
			t.Fatal(err)
		}
		shard, numbers = *out.ShardId, append(numbers, *out.SequenceNumber)
	}
	return shard, numbers
}

func dataOf(records []stream.Record) string {
	var all []string
	for i := range records {
		all = append(all, string(records[i].Data))
	}
	return strings.Join(all, " ")
}

func TestRangesOfKinesis(t *testing.T) {
	client := kinesis.NewFromConfig(emulated(t))
	shard, numbers := put(t, client, "ranges", "a", "b", "c", "d")
	read := KinesisRange(client, "ranges", lambdatest.Records)
	for _, c := range []struct {
		from, to int
		want     string
	}{{0, 3, "a b c d"}, {1, 2, "b c"}, {3, 3, "d"}} {
		r, err := read(t.Context(), stream.Partition(shard), numbers[c.from], numbers[c.to])
		if err != nil || r.Found != len(r.Records) || dataOf(r.Records) != c.want {
			t.Errorf("%d to %d: %v %q", c.from, c.to, err, dataOf(r.Records))
		}
		for i := range r.Records {
			if string(r.Records[i].Position) != numbers[c.from+i] || string(r.Records[i].Key) != "key" || r.Records[i].Partition != stream.Partition(shard) || time.Since(r.Records[i].AppendedAt).Abs() > time.Hour {
				t.Errorf("record %+v", r.Records[i])
			}
		}
	}
	beyond := numbers[3][:len(numbers[3])-1] + "99" // longer, so greater
	if r, err := read(t.Context(), stream.Partition(shard), numbers[2], beyond); err != nil || dataOf(r.Records) != "c d" {
		t.Errorf("beyond the end: %v %q", err, dataOf(r.Records))
	}
	if _, err := read(t.Context(), "shardId-000000000009", numbers[0], numbers[1]); !errors.Is(err, stream.ErrTrimmed) {
		t.Errorf("a shard that is gone: %v", err)
	}
	if _, err := KinesisRange(client, "missing", lambdatest.Records)(t.Context(), stream.Partition(shard), numbers[0], numbers[1]); err == nil || errors.Is(err, stream.ErrTrimmed) {
		t.Errorf("a stream that is not there: %v", err)
	}
	bad := func(events.KinesisEventRecord) ([]stream.Record, error) { return nil, errDown }
	if _, err := KinesisRange(client, "ranges", bad)(t.Context(), stream.Partition(shard), numbers[0], numbers[1]); !errors.Is(err, errDown) {
		t.Errorf("records that cannot be converted: %v", err)
	}
}

// Kinesis begins at its oldest record in silence when the one that is asked for is gone. No emulator forgets, so the
// answers are taken one by one.
func TestTrimmedRangeIsNoticed(t *testing.T) {
	record := func(number string) types.Record {
		return types.Record{SequenceNumber: &number, PartitionKey: aws.String(""), Data: []byte(number), ApproximateArrivalTimestamp: &noon}
	}
	for _, c := range []struct {
		numbers string
		found   string
		gapped  bool
		through bool
	}{
		{"10 11 12 13", "10 11 12", false, true}, {"11 12", "11 12", true, true}, {"13 14", "", false, true}, {"10 11", "10 11", false, false}, {"", "", false, false}, {"10 100", "10", false, true},
	} {
		r := &rangeReader{shard: "s", from: "10", to: "12", convert: lambdatest.Records}
		for number := range strings.FieldsSeq(c.numbers) { // in as many reads as it takes
			if !r.throughTo {
				if err := r.take([]types.Record{record(number)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if dataOf(r.found.Records) != c.found || r.gapped != c.gapped || r.throughTo != c.through {
			t.Errorf("%s: found %q, gapped %t, through %t", c.numbers, dataOf(r.found.Records), r.gapped, r.throughTo)
		}
	}
}

// A batch is given up by the event source, lies in SQS, and is carried from Kinesis in the end.
func TestRedriveFromQueueAndStreamOfAWS(t *testing.T) {
	c := emulated(t)
	streams := kinesis.NewFromConfig(c)
	shard, numbers := put(t, streams, "test", "a", "b", "c")
	client, url := sqsQueue(t, c, "dead-letters-redrive", "60")
	records := func(from, to int) []stream.Record {
		var all []stream.Record
		for _, n := range numbers[from : to+1] {
			all = append(all, stream.Record{Position: stream.Position(n), AppendedAt: noon})
		}
		return all
	}
	post(t, client, url, string(lambdatest.FailedMessage(stream.Partition(shard), records(0, 1), 201)), `{"command":["doctor"]}`,
		string(lambdatest.FailedMessage(stream.Partition(shard), records(2, 2), 201)), string(lambdatest.FailedMessage("shardId-000000000007", records(0, 2), 201)))
	to := &carried{fail: map[string]error{"b": errDown}}
	read := KinesisRange(streams, "test", lambdatest.Records)
	done, err := Redrive(t.Context(), NewSQS(client, url), read, to.carry, RedriveOptions{Stream: "test"})
	if !errors.Is(err, errDown) || done.Batches != 1 || done.Records != 2 || done.Stay != 3 || done.Other != 1 || len(done.Gaps) != 1 || done.Gaps[0].Missing != 3 {
		t.Errorf("first: %v %+v", err, done)
	}
	to.fail = nil
	done, err = Redrive(t.Context(), NewSQS(client, url), read, to.carry, RedriveOptions{Stream: "test"})
	if err != nil || done.Batches != 1 || done.Records != 2 || done.Stay != 2 {
		t.Errorf("second: %v %+v", err, done)
	}
	slices.Sort(to.data)
	if got := strings.Join(to.data, " "); got != "a a b c" {
		t.Errorf("carried %s", got)
	}
	left, err := client.GetQueueAttributes(context.WithoutCancel(t.Context()), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil || left.Attributes["ApproximateNumberOfMessages"] != "2" || left.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("%v: the queue has %v", err, fmt.Sprint(left.Attributes))
	}
}

func TestSourceReadsKinesisParentsFirst(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	c, err := cloud.Load(t.Context(), cloud.Options{Region: "us-east-1", Endpoint: testenv.StartKinesalite(t).URL()})
	if err != nil {
		t.Fatal(err)
	}
	client := kinesis.NewFromConfig(c)
	name := "reshard"
	shard, _ := put(t, client, name, "a", "b", "c")
	half := new(big.Int).Lsh(big.NewInt(1), 127).String()
	if _, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &name, ShardToSplit: &shard, NewStartingHashKey: &half}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return active(t, client, name, 2) })
	if _, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String("a2V5"), Data: []byte("d")}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var data, shards []string
	f := invoker(func(payload any) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range eventOf(payload).Records {
			id, _, _ := strings.Cut(r.EventID, ":")
			data, shards = append(data, string(r.Kinesis.Data)), append(shards, id)
			if r.Kinesis.PartitionKey != "a2V5" {
				t.Errorf("partition key %q", r.Kinesis.PartitionKey)
			}
		}
	})
	log := lambdatest.NewKinesis(client, name)
	if first, err := log.Partitions(t.Context()); err != nil || !slices.Equal(first, []stream.Partition{stream.Partition(shard)}) {
		t.Errorf("%v: at first %v", err, first)
	}
	s := lambdatest.Poll(t, log, f, 1, lambdatest.SourceOptions{Batch: 2, Event: lambdatest.RawEvent})
	drain(t, s)
	s.Stop()
	if strings.Join(data, "") != "abcd" || shards[2] != shard || shards[3] == shard {
		t.Errorf("%v from %v", data, shards)
	}
}
