package lambda

import (
	"encoding/json"
	"net/http"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fastshop/pipeline/internal/httpapi"
)

// The problems that are answered without the API. They are the API's own in all they say.

func malformed(id string) events.APIGatewayV2HTTPResponse {
	return problem(id, "malformed", "Malformed request", http.StatusBadRequest, "")
}

func internal(id string) events.APIGatewayV2HTTPResponse {
	return problem(id, "internal", "Internal error", http.StatusInternalServerError, "The request id identifies this failure in the log.")
}

func tooLong(id string) events.APIGatewayV2HTTPResponse {
	return problem(id, "deadline-exceeded", "Took too long", http.StatusGatewayTimeout, "Its fate is unknown; send the same request again, which does no harm.")
}

func problem(id, code, title string, status int, detail string) events.APIGatewayV2HTTPResponse {
	body, err := json.Marshal(httpapi.Problem{Type: "/problems/" + code, Title: title, Status: status, Detail: detail, Instance: id})
	if err != nil {
		panic("encode problem: " + err.Error()) // texts and an int
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: status, Body: string(body) + "\n",
		Headers: map[string]string{
			"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer",
		},
	}
}
