package kinesisstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/smithy-go"

	"github.com/fastshop/pipeline/internal/stream"
)

// Codes of errors that the log acts on.
const (
	expiredIterator = "ExpiredIteratorException"
	invalidArgument = "InvalidArgumentException"
	notFound        = "ResourceNotFoundException"
	noAnswer        = "NoAnswer" // of our own: the call did not end with an answer of Kinesis
)

// failure is a call that Kinesis refused or did not answer. Its text has the code and not the message of Kinesis, which
// may quote what was sent.
type failure struct {
	doing string
	code  string
	err   error // what it wraps: a sentinel, or for a call without an answer the cause; nil for a lasting refusal
}

func (f *failure) Error() string {
	if f.code == noAnswer {
		return fmt.Sprintf("%s: %v", f.doing, f.err)
	}
	if f.err != nil {
		return fmt.Sprintf("%s: Kinesis answers %s: %v", f.doing, f.code, f.err)
	}
	return fmt.Sprintf("%s: Kinesis answers %s", f.doing, f.code)
}

func (f *failure) Unwrap() error { return f.err }

// explain makes a failure of the error of a call.
func explain(doing string, err error) *failure {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return &failure{doing, noAnswer, fmt.Errorf("%w: %w", stream.ErrUnavailable, err)}
	}
	return refusal(doing, api.ErrorCode())
}

// refusal is the failure with a code of Kinesis. Codes that are not known to last may pass: a pause and a repeat do no
// harm, and what stops for good needs a person.
func refusal(doing, code string) *failure {
	switch code {
	case notFound:
		return &failure{doing + " (is there such a stream in this region and account?)", code, nil}
	case invalidArgument, "ValidationException", "AccessDeniedException", "UnrecognizedClientException",
		"InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken", "SerializationException", "UnknownOperationException":
		return &failure{doing, code, nil}
	}
	return &failure{doing, code, stream.ErrUnavailable}
}

// throttled tells that there was too much for the stream's shards or key, which ends when less comes.
func (f *failure) throttled() bool {
	switch f.code {
	case "ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException", "ThrottlingException", "Throttling":
		return true
	}
	return false
}

// lasting tells that a repeat would fail as well.
func (f *failure) lasting() bool { return f.err == nil }

// TrimmedError tells of records that may have been lost before they were read: the record that a position names is no
// longer in the stream. It is stream.ErrTrimmed.
type TrimmedError struct {
	Partition stream.Partition
	After     time.Time // when the last record that was handled had arrived, UTC
	Until     time.Time // when the oldest record that is left arrived, UTC; zero if none is left
}

// Error tells the gap.
func (e *TrimmedError) Error() string {
	until := "all later ones"
	if !e.Until.IsZero() {
		until = "those until " + e.Until.Format(time.RFC3339)
	}
	return fmt.Sprintf("partition %s: %v: of the records since %s may be lost: %s", e.Partition, stream.ErrTrimmed, e.After.Format(time.RFC3339), until)
}

// Unwrap is stream.ErrTrimmed.
func (e *TrimmedError) Unwrap() error { return stream.ErrTrimmed }

// pause waits for as long as the try deserves: the first backoff, doubled with each try up to 32 times, and of that a
// random part between a half and all.
func (o *Options) pause(try int) time.Duration {
	full := o.Backoff << min(max(try-1, 0), 5)
	return full/2 + time.Duration(o.Jitter()*float64(full/2))
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
