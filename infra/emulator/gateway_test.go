package emulator

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
)

const (
	apiToken         = "aws:apigatewayv2/api:Api"
	integrationToken = "aws:apigatewayv2/integration:Integration"
	apiRouteToken    = "aws:apigatewayv2/route:Route"
	stageToken       = "aws:apigatewayv2/stage:Stage"

	accessLog = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/apigateway/test"
)

// proxyOf is an integration of the API with a function.
func proxyOf(api *made) Object {
	return Object{
		"apiId": api.id, "integrationType": "AWS_PROXY", "integrationUri": "arn:f", "integrationMethod": "POST", "payloadFormatVersion": "2.0",
	}
}

func TestGateway(t *testing.T) {
	e := newEngine(t, Options{})
	api := e.create(apiToken, "api", Object{
		"name": "api-test", "protocolType": "HTTP", "description": "ingest", "tags": tags("a", "1"),
		"corsConfiguration": map[string]any{"allowOrigins": []any{"https://fastshop.example"}, "maxAge": 60.0},
	})
	endpoint := "https://" + api.id + ".execute-api.us-east-1.amazonaws.com"
	api.equal(Object{
		"arn": "arn:aws:apigateway:us-east-1::/apis/" + api.id, "executionArn": "arn:aws:execute-api:us-east-1:123456789012:" + api.id,
		"apiEndpoint": endpoint, "routeSelectionExpression": "$request.method $request.path",
	})
	integration := e.create(integrationToken, "integration", proxyOf(api))
	integration.equal(Object{"connectionType": "INTERNET", "timeoutMilliseconds": 30000})
	route := e.create(apiRouteToken, "route", Object{
		"apiId": api.id, "routeKey": "POST /v1/transactions", "authorizationType": "AWS_IAM", "target": "integrations/" + integration.id,
	})
	stage := e.create(stageToken, "stage", Object{
		"apiId": api.id, "name": "$default", "autoDeploy": true, "tags": tags("a", "1"),
		"accessLogSettings":    map[string]any{"destinationArn": accessLog, "format": "$context.requestId"},
		"defaultRouteSettings": map[string]any{"throttlingBurstLimit": 10.0, "throttlingRateLimit": 5.5, "detailedMetricsEnabled": true},
	})
	stage.equal(Object{
		"arn": "arn:aws:apigateway:us-east-1::/apis/" + api.id + "/stages/$default", "invokeUrl": endpoint + "/",
		"executionArn": "arn:aws:execute-api:us-east-1:123456789012:" + api.id + "/$default",
	})

	integration.update(Object{"timeoutMilliseconds": 20000})
	route.update(Object{"routeKey": "POST /v2/transactions"})
	stage.update(Object{"defaultRouteSettings": map[string]any{"throttlingBurstLimit": 20.0, "throttlingRateLimit": 6.5}})
	api.update(Object{"description": "ingest and ask", "corsConfiguration": nil, "tags": tags("b", "2")})
	gotRoute, err := e.cloud.Gateway.GetRoute(t.Context(), &apigatewayv2.GetRouteInput{ApiId: &api.id, RouteId: &route.id})
	if err != nil || *gotRoute.RouteKey != "POST /v2/transactions" || gotRoute.AuthorizationType != "AWS_IAM" || *gotRoute.Target != "integrations/"+integration.id {
		t.Errorf("route = %+v, %v, want version 2 behind IAM", gotRoute, err)
	}
	gotStage, err := e.cloud.Gateway.GetStage(t.Context(), &apigatewayv2.GetStageInput{ApiId: &api.id, StageName: &stage.id})
	if err != nil || *gotStage.DefaultRouteSettings.ThrottlingBurstLimit != 20 || *gotStage.DefaultRouteSettings.ThrottlingRateLimit != 6.5 || *gotStage.AccessLogSettings.DestinationArn != accessLog {
		t.Errorf("stage = %+v, %v, want the new throttle and the log", gotStage, err)
	}
	gotAPI, err := e.cloud.Gateway.GetApi(t.Context(), &apigatewayv2.GetApiInput{ApiId: &api.id})
	if err != nil || *gotAPI.Description != "ingest and ask" || gotAPI.CorsConfiguration != nil || gotAPI.Tags["b"] != "2" || len(gotAPI.Tags) != 1 {
		t.Errorf("API = %+v, %v, want the changes and no CORS", gotAPI, err)
	}
	gotIntegration, err := e.cloud.Gateway.GetIntegration(t.Context(), &apigatewayv2.GetIntegrationInput{ApiId: &api.id, IntegrationId: &integration.id})
	if err != nil || *gotIntegration.TimeoutInMillis != 20000 || *gotIntegration.PayloadFormatVersion != "2.0" {
		t.Errorf("integration = %+v, %v, want 20 s of format 2.0", gotIntegration, err)
	}
	refused(t, integration.tryDelete(), "ConflictException: delete integration "+integration.id+": route POST /v2/transactions leads to it")
	stage.delete()
	route.delete()
	integration.delete()
	named := e.create(stageToken, "named", Object{"apiId": api.id, "name": "v1"})
	named.equal(Object{"invokeUrl": endpoint + "/v1", "autoDeploy": false})
	api.delete()
	for _, gone := range []*made{named, integration, route} {
		gone.delete()
	}
}

func TestGatewayReplacements(t *testing.T) {
	e := newEngine(t, Options{})
	api := e.create(apiToken, "api", Object{"name": "replaced-test", "protocolType": "HTTP"})
	api.replaces(Object{"protocolType": "WEBSOCKET"})
	e.create(integrationToken, "integration", proxyOf(api)).replaces(Object{"apiId": "x", "integrationType": "HTTP_PROXY"})
	e.create(apiRouteToken, "route", Object{"apiId": api.id, "routeKey": "$default"}).replaces(Object{"apiId": "x"})
	e.create(stageToken, "stage", Object{"apiId": api.id, "name": "$default"}).replaces(Object{"apiId": "x", "name": "v1"})
	api.delete()
}

func TestGatewayRefusals(t *testing.T) {
	refusesAll(t, apiToken, Object{"name": "a", "protocolType": "HTTP"}, map[string]refusal{
		"sockets": {Object{"protocolType": "WEBSOCKET"}, `protocolType: InvalidParameterValue: "WEBSOCKET" is none of ["HTTP"]`},
		"long":    {Object{"name": strings.Repeat("a", 129)}, `name: ValidationError: "` + strings.Repeat("a", 129) + `" has 129 characters; at most 128 are allowed`},
		"keys":    {Object{"apiKeySelectionExpression": "x"}, "apiKeySelectionExpression: BadRequestException: leave it away: an HTTP API has no keys"},
		"quick":   {Object{"target": "x"}, "target: the emulator does not model this input: add it to infra/emulator, or do without it"},
	})
	refusesAll(t, integrationToken, Object{"apiId": "a", "integrationType": "AWS_PROXY", "integrationUri": "u"}, map[string]refusal{
		"type":    {Object{"integrationType": "MOCK"}, `integrationType: InvalidParameterValue: "MOCK" is none of ["AWS_PROXY" "HTTP_PROXY"]`},
		"format":  {Object{"payloadFormatVersion": "3.0"}, `payloadFormatVersion: InvalidParameterValue: "3.0" is none of ["1.0" "2.0"]`},
		"timeout": {Object{"timeoutMilliseconds": 30001}, "timeoutMilliseconds: InvalidParameterValue: set a whole number from 50 to 30000, not 30001"},
		"method":  {Object{"integrationMethod": "GET"}, `integrationMethod: InvalidParameterValue: "GET" is none of ["POST"]`},
		"uri":     {Object{"integrationUri": nil}, "integrationUri: MissingParameter: give it a value"},
	})
	refusesAll(t, apiRouteToken, Object{"apiId": "a", "routeKey": "$default"}, map[string]refusal{
		"key":    {Object{"routeKey": "/v1"}, `routeKey: BadRequestException: write a method and a path, such as POST /v1/transactions, or $default; not "/v1"`},
		"login":  {Object{"authorizationType": "JWT"}, `authorizationType: InvalidParameterValue: "JWT" is none of ["NONE" "AWS_IAM"]`},
		"target": {Object{"target": "abc"}, `target: BadRequestException: write integrations/ and the id of the integration, not "abc"`},
		"keyed":  {Object{"apiKeyRequired": true}, "apiKeyRequired: BadRequestException: leave it away: an HTTP API has no keys"},
	})
	refusesAll(t, stageToken, Object{"apiId": "a", "name": "$default"}, map[string]refusal{
		"name":  {Object{"name": "a b"}, `name: ValidationError: "a b" does not match ^(\$default|[a-zA-Z0-9_-]+)$`},
		"log":   {Object{"accessLogSettings": map[string]any{"destinationArn": accessLog + ":*"}}, "accessLogSettings.destinationArn: BadRequestException: give the ARN of a log group, without a star at its end"},
		"burst": {Object{"defaultRouteSettings": map[string]any{"throttlingBurstLimit": 5001.0}}, "defaultRouteSettings.throttlingBurstLimit: InvalidParameterValue: set a whole number from 0 to 5000, not 5001"},
		"level": {Object{"defaultRouteSettings": map[string]any{"loggingLevel": "INFO"}}, "defaultRouteSettings.loggingLevel: BadRequestException: leave it away: an HTTP API writes access logs only"},
	})
}
