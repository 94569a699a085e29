package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Fault is what kind of failure a call of AWS met.
type Fault uint8

// The faults.
const (
	// FaultOther will come again: the call itself is wrong, or what it is about is not so.
	FaultOther Fault = iota
	// FaultOutage may go away by itself: no connection, no answer in time, an answer of 5xx.
	FaultOutage
	// FaultThrottled goes away with less load.
	FaultThrottled
	// FaultDenied takes a person: no permission, or credentials that are none, expired or of another account.
	FaultDenied
)

// String is the fault in one word.
func (f Fault) String() string {
	if names := [...]string{"other", "outage", "throttled", "denied"}; int(f) < len(names) {
		return names[f]
	}
	return "other"
}

// FaultOf says what kind of failure err is: an error of an SDK client, however often wrapped. A context that was canceled
// is FaultOther.
func FaultOf(err error) Fault {
	if errors.Is(err, context.Canceled) {
		return FaultOther
	}
	if code := Code(err); code != "" {
		switch {
		case isThrottling(code):
			return FaultThrottled
		case isDenial(code):
			return FaultDenied
		}
		if status(err) >= http.StatusInternalServerError || strings.HasPrefix(code, "InternalServer") {
			return FaultOutage
		}
		return FaultOther
	}
	var operation *smithy.OperationError
	var response *awshttp.ResponseError
	var network net.Error
	switch {
	case errors.As(err, &operation) && strings.HasPrefix(operation.Unwrap().Error(), "get identity"):
		return FaultDenied // the SDK had no credentials to sign with; it has no type for it
	case errors.As(err, &response), errors.As(err, &network), isBroken(err), errors.Is(err, context.DeadlineExceeded):
		// An answer without a code is not the service's: it comes from what stands between, or was cut off.
		return FaultOutage
	}
	return FaultOther
}

// Code is AWS's name of the error, such as ThrottlingException; "" for an error that is not an answer of AWS.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" { // the SDK's word for an answer without a name
		return api.ErrorCode()
	}
	return ""
}

func isThrottling(code string) bool {
	switch code {
	case "Throttling", "ThrottlingException", "ThrottledException", "ThrottlingError", "RequestThrottled",
		"RequestThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException",
		"ProvisionedThroughputExceededException", "ProvisionedThroughputExceeded", "BandwidthLimitExceeded", "SlowDown",
		"KMSThrottlingException":
		return true
	}
	return false
}

func isDenial(code string) bool {
	switch code {
	case "AccessDeniedException", "AccessDenied", "KMSAccessDeniedException", "UnrecognizedClientException",
		"InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch", "ExpiredTokenException",
		"ExpiredToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature",
		"OptInRequired", "NotAuthorized":
		return true
	}
	return false
}

// status is the HTTP status of the answer, 0 if there was none.
func status(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// callError is an SDK error whose text has been looked through.
type callError struct {
	text string
	err  error
}

func (e *callError) Error() string { return e.text }
func (e *callError) Unwrap() error { return e.err }

// Tidy returns err with a text that is fit for a log: AWS's name of the error, the HTTP status, the request's id, and
// AWS's own words only when they are about a permission. Some services repeat in their words what they were sent, and
// what we send are keys of people. errors.Is and errors.As still find what err wraps. nil stays nil.
func Tidy(err error) error {
	if err == nil {
		return nil
	}
	code := Code(err)
	if code == "" {
		return &callError{text: reason(err), err: err}
	}
	text := code
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		text = fmt.Sprintf("%s (HTTP %d, request %s)", code, response.HTTPStatusCode(), response.ServiceRequestID())
	}
	var api smithy.APIError
	if isDenial(code) && errors.As(err, &api) {
		text += ": " + api.ErrorMessage()
	}
	return &callError{text: text, err: err}
}

// reason is the text of an error that is no answer of AWS: the innermost one, without the SDK's layers around it.
func reason(err error) string {
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() > 0 {
		return fmt.Sprintf("an answer that cannot be read (HTTP %d)", response.HTTPStatusCode())
	}
	var network *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case isBroken(err):
		return "the connection broke before an answer came"
	case errors.As(err, &network):
		return network.Error()
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		return operation.Unwrap().Error()
	}
	return err.Error()
}
