package lambdatest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fastshop/pipeline/internal/stream"
)

// Account is the account that everything in an event belongs to.
const Account = "123456789012"

// HTTPRequest is the event of a request to an HTTP API. target is a path, escaped, with a query if there is one; arn is
// who IAM found to have signed it, nobody if empty.
func HTTPRequest(method, target string, header http.Header, body []byte, arn string) (events.APIGatewayV2HTTPRequest, error) {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return events.APIGatewayV2HTTPRequest{}, fmt.Errorf("make event: %w", err)
	}
	// API Gateway decodes the path, and cuts it at what then looks like a query.
	path, _, _ := strings.Cut(u.Path, "?")
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "ANY /v1/{proxy+}", RawPath: path, RawQueryString: u.RawQuery, Headers: map[string]string{},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			AccountID: Account, Stage: "$default", RouteKey: "ANY /v1/{proxy+}", RequestID: "JKJaXmPLvHcESHA=", APIID: "api",
			DomainName: "api.execute-api.us-east-1.amazonaws.com", DomainPrefix: "api",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path, Protocol: "HTTP/1.1", SourceIP: "203.0.113.7", UserAgent: header.Get("User-Agent")},
		},
	}
	for name, values := range header {
		if name == "Cookie" {
			e.Cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	setDefault(e.Headers, "host", e.RequestContext.DomainName)
	if len(body) > 0 {
		e.Headers["content-length"] = strconv.Itoa(len(body))
	}
	e.Headers["x-forwarded-for"], e.Headers["x-forwarded-port"], e.Headers["x-forwarded-proto"] = "203.0.113.7", "443", "https"
	e.Headers["x-amzn-trace-id"] = "Root=1-00000000-000000000000000000000000"
	if arn != "" {
		e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{AccountID: Account, UserARN: arn},
		}
	}
	e.Body = string(body)
	if len(body) > 0 && !isText(header.Get("Content-Type"), header.Get("Content-Encoding")) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e, nil
}

func setDefault(m map[string]string, name, value string) {
	if m[name] == "" {
		m[name] = value
	}
}

// isText reports whether API Gateway takes a body for text. All that is not text by its media type is base64 in events,
// also without a media type.
func isText(contentType, encoding string) bool {
	if encoding != "" {
		return false
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return false
	case strings.HasPrefix(media, "text/"):
		return true
	}
	return media == "application/json" || media == "application/xml" || media == "application/javascript"
}

// clientIP is the address that API Gateway would see.
func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// KinesisEvent is the event of records of one shard. Their positions are the sequence numbers, their keys the partition
// keys in base64.
func KinesisEvent(shard stream.Partition, records []stream.Record) events.KinesisEvent {
	e := events.KinesisEvent{Records: make([]events.KinesisEventRecord, len(records))}
	for i := range records {
		r := &records[i]
		e.Records[i] = events.KinesisEventRecord{
			EventID: string(shard) + ":" + string(r.Position), EventName: "aws:kinesis:record", EventSource: "aws:kinesis", EventVersion: "1.0",
			AwsRegion: "us-east-1", EventSourceArn: StreamARN, InvokeIdentityArn: "arn:aws:iam::" + Account + ":role/process",
			Kinesis: events.KinesisRecord{
				KinesisSchemaVersion: "1.0", PartitionKey: base64.StdEncoding.EncodeToString(r.Key), SequenceNumber: string(r.Position), Data: r.Data,
				ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: r.AppendedAt}, EncryptionType: "KMS",
			},
		}
	}
	return e
}

// StreamARN is the stream of all events.
const StreamARN = "arn:aws:kinesis:us-east-1:" + Account + ":stream/test"

// Records are the records of an event of KinesisEvent: what a program's own conversion does for events of Kinesis.
func Records(r events.KinesisEventRecord) ([]stream.Record, error) {
	shard, _, ok := strings.Cut(r.EventID, ":")
	if !ok {
		return nil, errors.New("event without a shard")
	}
	key, err := base64.StdEncoding.DecodeString(r.Kinesis.PartitionKey)
	if err != nil {
		return nil, fmt.Errorf("read partition key: %w", err)
	}
	return []stream.Record{{
		Partition: stream.Partition(shard), Position: stream.Position(r.Kinesis.SequenceNumber), Key: key, Data: r.Kinesis.Data,
		AppendedAt: r.Kinesis.ApproximateArrivalTimestamp.UTC().Truncate(time.Millisecond),
	}}, nil
}
