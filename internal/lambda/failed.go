package lambda

import (
	"errors"
	"fmt"
	"strings"
	"time"

	stdjson "encoding/json"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fastshop/pipeline/internal/stream"
)

// Failed is a batch that an event source mapping has given up: not the records, but where they are.
type Failed struct {
	Partition stream.Partition
	From, To  string // sequence numbers of the first and the last record
	Records   int    // how many Kinesis records there were
	Stream    string // the name of the Kinesis stream
	Tries     int    // how often the function was invoked with the batch, about
	At        time.Time
}

var (
	// ErrNotBatch is returned for a message that is none of a batch: the queue takes failed events of all functions.
	ErrNotBatch = errors.New("message is not of a batch of Kinesis")
	// ErrBatch is wrapped by what is wrong with a message of a batch.
	ErrBatch = errors.New("malformed message of a batch")
)

// failedMessage is what is read of a message. AWS may add members; what there is must be of its kind.
type failedMessage struct {
	Version        string `json:"version"`
	Timestamp      string `json:"timestamp"`
	RequestContext struct {
		Tries int `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	Batch *struct {
		Shard   string `json:"shardId"`
		From    string `json:"startSequenceNumber"`
		To      string `json:"endSequenceNumber"`
		Records int    `json:"batchSize"`
		Stream  string `json:"streamArn"`
	} `json:"KinesisBatchInfo"`
}

// maxMessage is the largest message of SQS, in bytes.
const maxMessage = 1 << 20

// ParseFailed reads the body of a message that Lambda sent to a mapping's on-failure destination. No error quotes it.
func ParseFailed(body []byte) (Failed, error) {
	var m failedMessage
	var other map[string]stdjson.RawMessage
	if len(body) > maxMessage || json.Unmarshal(body, &other) != nil {
		return Failed{}, ErrNotBatch
	}
	if batch, ok := other["KinesisBatchInfo"]; !ok || jsontext.Value(batch).Kind() == 'n' {
		return Failed{}, ErrNotBatch
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return Failed{}, fmt.Errorf("%w: a member is not of its kind", ErrBatch)
	}
	at, err := time.Parse(time.RFC3339, m.Timestamp)
	name, named := streamName(m.Batch.Stream)
	switch {
	case m.Version != "1.0":
		return Failed{}, fmt.Errorf("%w: its version is not 1.0", ErrBatch)
	case err != nil:
		return Failed{}, fmt.Errorf("%w: no timestamp", ErrBatch)
	case !shardID(m.Batch.Shard):
		return Failed{}, fmt.Errorf("%w: no shard", ErrBatch)
	case !sequenceNumber(m.Batch.From), !sequenceNumber(m.Batch.To), compareSequence(m.Batch.From, m.Batch.To) > 0:
		return Failed{}, fmt.Errorf("%w: no range of sequence numbers", ErrBatch)
	case m.Batch.Records < 1, m.Batch.Records > 10_000, m.RequestContext.Tries < 0:
		return Failed{}, fmt.Errorf("%w: no count of records", ErrBatch)
	case !named:
		return Failed{}, fmt.Errorf("%w: no stream", ErrBatch)
	}
	return Failed{
		Partition: stream.Partition(m.Batch.Shard), From: m.Batch.From, To: m.Batch.To, Records: m.Batch.Records,
		Stream: name, Tries: m.RequestContext.Tries, At: at.UTC(),
	}, nil
}

// sequenceNumber reports whether s is one of Kinesis: a decimal number of up to 129 digits.
func sequenceNumber(s string) bool {
	return s != "" && len(s) <= 129 && strings.Trim(s, "0123456789") == "" && (s[0] != '0' || s == "0")
}

// compareSequence orders sequence numbers, which are too long for an integer.
func compareSequence(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// shardID reports whether s can be the id of a shard.
func shardID(s string) bool { return s != "" && len(s) <= 128 && nameCharacters(s) }

func nameCharacters(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r)
	})
}

// streamName is the name in the ARN of a stream, or of a consumer of one.
func streamName(text string) (string, bool) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "kinesis" {
		return "", false
	}
	name, ok := strings.CutPrefix(parts[5], "stream/")
	name, _, _ = strings.Cut(name, "/consumer/")
	return name, ok && name != "" && len(name) <= 128 && nameCharacters(name)
}
