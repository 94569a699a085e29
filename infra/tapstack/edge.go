package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/apigatewayv2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// edge is the HTTP API before ingest. Only requests that are signed by a principal of IAM pass.
type edge struct {
	api   *apigatewayv2.Api
	stage *apigatewayv2.Stage
}

// accessLog is a line of the API's log: who (an ARN, never a customer), what, and how it went. The path is the route's
// template, so no id of a transaction is in it, and the address of the caller is left out.
const accessLog = `{"requestId":"$context.requestId","time":"$context.requestTime","caller":"$context.identity.userArn","route":"$context.routeKey",` +
	`"status":"$context.status","bytes":"$context.responseLength","latencyMs":"$context.responseLatency","integrationMs":"$context.integrationLatency","error":"$context.error.message"}`

func (s *TapStack) buildEdge() {
	api := add(s, apigatewayv2.NewApi, s.name("http-api"), &apigatewayv2.ApiArgs{
		Name: pulumi.String(s.name("http-api")), Description: pulumi.String("FastShop: payments in, decisions out"), ProtocolType: pulumi.String("HTTP"),
	})
	integration := add(s, apigatewayv2.NewIntegration, s.name("ingest-integration"), &apigatewayv2.IntegrationArgs{
		ApiId: api.ID(), IntegrationType: pulumi.String("AWS_PROXY"), IntegrationMethod: pulumi.String("POST"), IntegrationUri: s.compute.ingest.InvokeArn,
		PayloadFormatVersion: pulumi.String("2.0"), TimeoutMilliseconds: pulumi.Int(ingestSeconds * 1000),
	})
	route := add(s, apigatewayv2.NewRoute, s.name("ingest-route"), &apigatewayv2.RouteArgs{
		ApiId: api.ID(), RouteKey: pulumi.String("ANY /v1/{proxy+}"), AuthorizationType: pulumi.String("AWS_IAM"),
		Target: pulumi.Sprintf("integrations/%s", integration.ID()),
	})
	s.edge.api = api
	s.edge.stage = add(s, apigatewayv2.NewStage, s.name("http-stage"), &apigatewayv2.StageArgs{
		ApiId: api.ID(), Name: pulumi.String("$default"), AutoDeploy: pulumi.Bool(true),
		AccessLogSettings: &apigatewayv2.StageAccessLogSettingsArgs{DestinationArn: s.logs["http-api"].Arn, Format: pulumi.String(accessLog)},
		DefaultRouteSettings: &apigatewayv2.StageDefaultRouteSettingsArgs{
			DetailedMetricsEnabled: pulumi.Bool(true),
			ThrottlingRateLimit:    pulumi.Float64(float64(s.peak())), ThrottlingBurstLimit: pulumi.Int(min(2*s.peak(), 5000)),
		},
	}, pulumi.DependsOn([]pulumi.Resource{route, s.logs["http-api"]}))
	s.permit("ingest-permission", s.compute.ingest, "apigateway.amazonaws.com", pulumi.Sprintf("%s/*/*/v1/*", api.ExecutionArn))
}

// accountRate is what AWS lets through for a whole account before anybody asks for more, in requests a second.
const accountRate = 10_000

// peak is the most requests a second that the API lets through: the rate that the stream was sized for, what its shards
// take, or for an on-demand stream what the account may. Beyond, callers get 429 and try again, instead of filling the
// functions' concurrency.
func (s *TapStack) peak() int {
	switch {
	case s.args.TransactionsPerSecond > 0:
		return max(s.args.TransactionsPerSecond, 100)
	case s.args.ShardCount > 0:
		return s.args.ShardCount * 1000
	}
	return accountRate
}
