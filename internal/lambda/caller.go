package lambda

import (
	"context"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Caller is who IAM found behind a request.
type Caller struct {
	ARN       string // of the principal that signed, such as an assumed role with its session
	AccountID string // 12 digits
}

type callerKey struct{}

// CallerFrom returns who is behind the request that ctx belongs to; false if it came without IAM.
func CallerFrom(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// callerOf reads the caller where API Gateway alone writes.
func callerOf(e *events.APIGatewayV2HTTPRequest) (Caller, bool) {
	if e.RequestContext.Authorizer == nil || e.RequestContext.Authorizer.IAM == nil {
		return Caller{}, false
	}
	iam := e.RequestContext.Authorizer.IAM
	if _, ok := splitARN(iam.UserARN); !ok {
		return Caller{}, false
	}
	return Caller{ARN: iam.UserARN, AccountID: iam.AccountID}, true
}

// Principal is the ARN of who stands behind the caller for good: of a session of a role, the role. A session's name is
// often a person's, and there is no end of them. The role's path is not known to a session, and so is left out.
func (c Caller) Principal() string { return principal(c.ARN) }

func principal(text string) string {
	a, ok := splitARN(text)
	if !ok {
		return text
	}
	session, ok := strings.CutPrefix(a.resource, "assumed-role/")
	if a.service != "sts" || !ok {
		return text
	}
	role, _, _ := strings.Cut(session, "/")
	return "arn:" + a.partition + ":iam::" + a.account + ":role/" + role
}

// arn is the parts of an ARN that say who.
type arn struct{ partition, service, account, resource string }

// splitARN takes the ARN of a principal apart.
func splitARN(text string) (arn, bool) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || !strings.HasPrefix(parts[1], "aws") || parts[2] != "iam" && parts[2] != "sts" || parts[3] != "" {
		return arn{}, false
	}
	a := arn{parts[1], parts[2], parts[4], parts[5]}
	if len(a.account) != 12 || strings.Trim(a.account, "0123456789") != "" || a.resource == "" || len(text) > 2048 || strings.ContainsFunc(text, control) {
		return arn{}, false
	}
	return a, true
}
