package tapstack_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
)

const stage = "aws:apigatewayv2/stage:Stage"

// One way in: paths under /v1/ that a principal of IAM signed, to ingest.
func TestHTTPAPI(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	api, integration := d.id("http-api-dev"), d.id("ingest-integration-dev")
	d.expectNames("aws:apigatewayv2/api:Api", "http-api-dev")
	d.expect("aws:apigatewayv2/api:Api", "http-api-dev", inputs{"name": "http-api-dev", "description": "FastShop: payments in, decisions out", "protocolType": "HTTP"})
	d.expectNames("aws:apigatewayv2/integration:Integration", "ingest-integration-dev")
	d.expect("aws:apigatewayv2/integration:Integration", "ingest-integration-dev", inputs{
		"apiId": api, "integrationType": "AWS_PROXY", "integrationMethod": "POST", "payloadFormatVersion": "2.0", "timeoutMilliseconds": 29_000,
		"integrationUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + d.arn("ingest-function-dev") + "/invocations"})
	d.expectNames("aws:apigatewayv2/route:Route", "ingest-route-dev")
	d.expect("aws:apigatewayv2/route:Route", "ingest-route-dev", inputs{
		"apiId": api, "routeKey": "ANY /v1/{proxy+}", "authorizationType": "AWS_IAM", "target": "integrations/" + integration})
}

// What passes in a second is the rate that the stream was sized for, so that callers are told to wait instead of filling
// the functions; the burst is twice that, as far as AWS grants it.
func TestThrottle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change      argsChange
		rate, burst int
	}{
		{nil, 100, 200},
		{func(a *tapstack.TapStackArgs) { a.TransactionsPerSecond = 7 }, 100, 200}, // never less than 100
		{func(a *tapstack.TapStackArgs) { a.TransactionsPerSecond = 1500 }, 1500, 3000},
		{func(a *tapstack.TapStackArgs) { a.TransactionsPerSecond, a.DatabaseClass = 10_000, "db.m7g.large" }, 10_000, 5000},
		{func(a *tapstack.TapStackArgs) { a.ShardCount = 2 }, 2000, 4000},             // what two shards take
		{func(a *tapstack.TapStackArgs) { a.StreamMode = "on-demand" }, 10_000, 5000}, // what the account may
		{func(a *tapstack.TapStackArgs) { a.StreamMode, a.TransactionsPerSecond = "on-demand", 300 }, 300, 600},
	} {
		d := up(t, c.change)
		d.expectNames(stage, "http-stage-dev")
		d.expect(stage, "http-stage-dev", inputs{
			"apiId": d.id("http-api-dev"), "name": "$default", "autoDeploy": true,
			"accessLogSettings":    inputs{"destinationArn": d.arn("/aws/apigateway/http-api-dev"), "format": d.get("http-stage-dev").Text("accessLogSettings.format")},
			"defaultRouteSettings": inputs{"detailedMetricsEnabled": true, "throttlingRateLimit": c.rate, "throttlingBurstLimit": c.burst},
		})
		// A stage that deploys itself before its route is there would deploy nothing.
		if r := d.get("http-stage-dev"); !r.DependsOn("ingest-route-dev") || !r.DependsOn("/aws/apigateway/http-api-dev") {
			t.Errorf("the stage waits for %v", r.Dependencies)
		}
	}
}

// The whole of what the log says of a call: who is an ARN, the path a template, and no address, no query, no body.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	var got map[string]string
	if err := json.Unmarshal([]byte(up(t, nil).get("http-stage-dev").Text("accessLogSettings.format")), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"requestId": "$context.requestId", "time": "$context.requestTime", "caller": "$context.identity.userArn", "route": "$context.routeKey",
		"status": "$context.status", "bytes": "$context.responseLength", "latencyMs": "$context.responseLatency",
		"integrationMs": "$context.integrationLatency", "error": "$context.error.message",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
