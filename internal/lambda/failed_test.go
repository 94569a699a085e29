package lambda

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
)

// givenUp is a message as the documentation has it.
const givenUp = `{
    "requestContext": {
        "requestId": "c9b8fa9f-5a7f-4b8e-af9c-0c604cde93a5",
        "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:myfunction",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 1
    },
    "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    "version": "1.0",
    "timestamp": "2019-11-14T00:38:06.021Z",
    "KinesisBatchInfo": {
        "shardId": "shardId-000000000001",
        "startSequenceNumber": "49601189658422359378836298521827638475320189012309704722",
        "endSequenceNumber": "49601189658422359378836298522902373528957594348623495186",
        "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
        "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
        "batchSize": 500,
        "streamArn": "arn:aws:kinesis:us-east-2:123456789012:stream/mystream"
    }
}`

func TestMessageOfTheDocumentation(t *testing.T) {
	want := Failed{
		Partition: "shardId-000000000001", From: "49601189658422359378836298521827638475320189012309704722", To: "49601189658422359378836298522902373528957594348623495186",
		Records: 500, Stream: "mystream", Tries: 1, At: time.Date(2019, 11, 14, 0, 38, 6, 21_000_000, time.UTC),
	}
	if f, err := ParseFailed([]byte(givenUp)); err != nil || f != want {
		t.Errorf("%v: %+v", err, f)
	}
	f, err := ParseFailed(lambdatest.FailedMessage("s", batch("s", 3), 4))
	if err != nil || f.From != "49601" || f.To != "49603" || f.Records != 3 || f.Tries != 4 || f.Stream != "test" || !f.At.Equal(noon.Add(time.Minute)) {
		t.Errorf("%v: %+v", err, f)
	}
}

func TestVariantsOfMessages(t *testing.T) {
	change := func(from, to string) string {
		if !strings.Contains(givenUp, from) {
			t.Fatalf("%s is not in the message", from)
		}
		return strings.Replace(givenUp, from, to, 1)
	}
	const first, last = `"49601189658422359378836298521827638475320189012309704722"`, `"49601189658422359378836298522902373528957594348623495186"`
	for _, c := range []struct {
		name, body string
		want       error
	}{
		{"a member that AWS added", change(`"version"`, `"more": {"a": [1]}, "version"`), nil},
		{"without a response", change(`{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}`, "null"), nil},
		{"one record", change(last, first), nil},
		{"of a consumer", change("stream/mystream", "stream/mystream/consumer/process:1571338426"), nil},
		{"nothing", "", ErrNotBatch}, {"null", "null", ErrNotBatch}, {"no JSON", "{", ErrNotBatch}, {"a command that failed", `{"command":["doctor"]}`, ErrNotBatch},
		{"of DynamoDB", change("KinesisBatchInfo", "DDBStreamBatchInfo"), ErrNotBatch}, {"of DynamoDB, told so", `{"KinesisBatchInfo":null,"DDBStreamBatchInfo":{}}`, ErrNotBatch},
		{"twice the same member", change(`"version"`, `"KinesisBatchInfo": {}, "version"`), ErrNotBatch}, {"too long", givenUp + strings.Repeat(" ", maxMessage), ErrNotBatch},
		{"an empty batch", `{"version":"1.0","KinesisBatchInfo":{}}`, ErrBatch}, {"a batch that is a text", `{"KinesisBatchInfo":"x"}`, ErrBatch},
		{"another version", change(`"1.0"`, `"2.0"`), ErrBatch}, {"no time", change("2019-11-14T00:38:06.021Z", "yesterday"), ErrBatch},
		{"a shard with a path", change("shardId-000000000001", "../x"), ErrBatch}, {"no shard", change("shardId-000000000001", ""), ErrBatch},
		{"a number in hexadecimal", change(first, `"0x49"`), ErrBatch}, {"a number below 0", change(first, `"-1"`), ErrBatch}, {"a number that is one", change(first, "49601"), ErrBatch},
		{"an end before the start", change(last, `"4"`), ErrBatch}, {"a number with zeros before", change(first, `"04"`), ErrBatch},
		{"no records", change("500", "0"), ErrBatch}, {"too many records", change("500", "10001"), ErrBatch}, {"half a record", change("500", "1.5"), ErrBatch},
		{"another service", change("arn:aws:kinesis:", "arn:aws:sqs:"), ErrBatch}, {"no stream", change("stream/mystream", "stream/"), ErrBatch},
	} {
		f, err := ParseFailed([]byte(c.body))
		if !errors.Is(err, c.want) || c.want == nil && (f.Stream != "mystream" || f.Records != 500) || c.want != nil && f != (Failed{}) {
			t.Errorf("%s: %v %+v", c.name, err, f)
		}
	}
}

func FuzzFailed(f *testing.F) {
	for _, s := range []string{givenUp, string(lambdatest.FailedMessage("s", batch("s", 2), 1)), `{"command":["doctor"]}`, `{"KinesisBatchInfo":null}`, `{"KinesisBatchInfo":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := ParseFailed(body)
		if err != nil {
			if !errors.Is(err, ErrBatch) && !errors.Is(err, ErrNotBatch) || m != (Failed{}) {
				t.Fatalf("%v: %+v", err, m)
			}
			return
		}
		if !sequenceNumber(m.From) || !sequenceNumber(m.To) || compareSequence(m.From, m.To) > 0 || m.Records < 1 || m.Stream == "" || strings.ContainsAny(string(m.Partition)+m.Stream, "/:\n ") || m.At.Location() != time.UTC {
			t.Fatalf("%+v", m)
		}
	})
}
