package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

// kind is a type of problem. The code is its name in the URL, in metrics and in openapi.yaml.
type kind struct {
	Status     int    `json:"status"`
	Title      string `json:"title"`
	Advice     string `json:"advice"` // what the client should do
	retryAfter time.Duration
}

// kinds are all types of problems that the API can answer, by code.
var kinds = map[string]kind{
	"malformed": {Status: http.StatusBadRequest, Title: "Malformed request",
		Advice: "The body, a parameter or the compression cannot be read. Correct it; sending the same again fails again."},
	"unauthorized": {Status: http.StatusUnauthorized, Title: "No valid API key",
		Advice: "Send a valid key in the X-Api-Key header. A key can be unknown, revoked or expired."},
	"forbidden": {Status: http.StatusForbidden, Title: "API key lacks the scope",
		Advice: "Ask the operator for a key with the scope that the route needs."},
	"not-found": {Status: http.StatusNotFound, Title: "Not found",
		Advice: "Check the path or the id. A transaction taken a moment ago may not have been decided yet; ask again in a second."},
	"method-not-allowed": {Status: http.StatusMethodNotAllowed, Title: "Method not allowed",
		Advice: "The Allow header lists the methods of this path."},
	"not-acceptable": {Status: http.StatusNotAcceptable, Title: "No acceptable media type",
		Advice: "Let the Accept header include the route's media type, or leave it out."},
	"body-timeout": {Status: http.StatusRequestTimeout, Title: "Request body came too slowly",
		Advice: "Send the request again over a connection that is fast enough, or a smaller one."},
	"id-conflict": {Status: http.StatusConflict, Title: "Id belongs to another transaction",
		Advice: "Use a new id for a new transaction. A retry must repeat the body it was first sent with."},
	"erased": {Status: http.StatusGone, Title: "Customer was erased",
		Advice: "The customer's data were erased at their request (LGPD, art. 18). Do not send this transaction again."},
	"body-too-large": {Status: http.StatusRequestEntityTooLarge, Title: "Request too large",
		Advice: "Send fewer lines or bytes; docs/api.md states the limits. Nothing of the request was taken."},
	"unsupported-media-type": {Status: http.StatusUnsupportedMediaType, Title: "Unsupported media type",
		Advice: "Send the media type of the route; only a batch may be compressed, and only by gzip."},
	"invalid-fields": {Status: http.StatusUnprocessableEntity, Title: "Invalid fields",
		Advice: "Correct the fields named in errors. Sending the same again fails again."},
	"rate-limited": {Status: http.StatusTooManyRequests, Title: "Over the rate of this API key",
		Advice: "Wait for the time in Retry-After, then send the same request again.", retryAfter: time.Second},
	"internal": {Status: http.StatusInternalServerError, Title: "Internal error",
		Advice: "Report the request id in instance to the operator. Sending the same request again does no harm."},
	"overloaded": {Status: http.StatusServiceUnavailable, Title: "Overloaded",
		Advice: "Wait for the time in Retry-After, then send the same request again.", retryAfter: time.Second},
	"unavailable": {Status: http.StatusServiceUnavailable, Title: "Temporarily unavailable",
		Advice: "Wait for the time in Retry-After, then send the same request again.", retryAfter: 2 * time.Second},
	"not-ready": {Status: http.StatusServiceUnavailable, Title: "Not ready",
		Advice: "The parts listed in checks do not work yet. Send traffic elsewhere until they do.", retryAfter: 2 * time.Second},
	"deadline-exceeded": {Status: http.StatusGatewayTimeout, Title: "Took too long",
		Advice: "The fate of the request is unknown. Send the same request again, which does no harm."},
}

// ProblemCodes returns the codes of all problems, sorted.
func ProblemCodes() []string { return slices.Sorted(maps.Keys(kinds)) }

// problemPages returns what GET /problems/{code} answers, by code.
func problemPages() map[string][]byte {
	pages := make(map[string][]byte, len(kinds))
	for code, k := range kinds {
		page, err := json.Marshal(struct {
			Type string `json:"type"`
			kind
		}{"/problems/" + code, k})
		if err != nil {
			panic("encode problem page: " + err.Error()) // strings and an int
		}
		pages[code] = append(page, '\n')
	}
	return pages
}
