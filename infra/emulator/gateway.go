package emulator

import (
	"context"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

const gatewayGone = "NotFoundException"

var (
	routeKey   = regexp.MustCompile(`^(\$default|(ANY|GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /[^ ]*)$`)
	stageName  = regexp.MustCompile(`^(\$default|[a-zA-Z0-9_-]+)$`)
	anyName    = regexp.MustCompile(`^.+$`)
	targetName = regexp.MustCompile(`^integrations/[a-z0-9]+$`)
)

func gatewayKinds() []Kind {
	return []Kind{
		{
			Token:    "aws:apigatewayv2/api:Api",
			Required: []string{"protocolType"},
			Replace:  []string{"protocolType"},
			Check:    checkAPI, Create: createAPI, Read: readAPI, Update: updateAPI, Delete: deleteAPI,
		},
		{
			Token:    "aws:apigatewayv2/integration:Integration",
			Required: []string{"apiId", "integrationType"},
			Replace:  []string{"apiId", "integrationType", "integrationSubtype"},
			Check:    checkIntegration, Create: createIntegration, Read: readIntegration, Update: updateIntegration, Delete: deleteIntegration,
		},
		{
			Token:    "aws:apigatewayv2/route:Route",
			Required: []string{"apiId", "routeKey"},
			Replace:  []string{"apiId"},
			Check:    checkRoute, Create: createAPIRoute, Read: readAPIRoute, Update: updateAPIRoute, Delete: deleteAPIRoute,
		},
		{
			Token:    "aws:apigatewayv2/stage:Stage",
			Required: []string{"apiId"},
			Replace:  []string{"apiId", "name"},
			Check:    checkStage, Create: createStage, Read: readStage, Update: updateStage, Delete: deleteStage,
		},
	}
}

func checkAPI(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("body", "target", "routeKey", "credentialsArn")
	i.name("name", 128, anyName)
	i.oneOf("protocolType", "HTTP")
	if in.Has("apiKeySelectionExpression") {
		i.fault("apiKeySelectionExpression", "BadRequestException: leave it away: an HTTP API has no keys")
	}
	return i.found()
}

func corsOf(in Object) *types.Cors {
	cors := in.Object("corsConfiguration")
	if cors == nil {
		return nil
	}
	return &types.Cors{
		AllowCredentials: cors.BoolPtr("allowCredentials"), AllowHeaders: cors.Strings("allowHeaders"), AllowMethods: cors.Strings("allowMethods"),
		AllowOrigins: cors.Strings("allowOrigins"), ExposeHeaders: cors.Strings("exposeHeaders"), MaxAge: cors.Int32Ptr("maxAge"),
	}
}

func createAPI(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{
		Name: in.StrPtr("name"), ProtocolType: types.ProtocolType(in.Str("protocolType")), Description: in.StrPtr("description"),
		DisableExecuteApiEndpoint: in.BoolPtr("disableExecuteApiEndpoint"), CorsConfiguration: corsOf(in), Version: in.StrPtr("version"), Tags: in.Tags(),
	})
	if err != nil {
		return "", nil, fmt.Errorf("create API %s: %w", in.Str("name"), err)
	}
	id := aws.ToString(made.ApiId)
	out, err := readAPI(ctx, c, id, in)
	return id, out, err
}

func apiARN(id string) string { return "arn:aws:apigateway:" + Region + "::/apis/" + id }

func readAPI(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Gateway.GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: &id})
	if isCode(err, gatewayGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read API %s: %w", id, err)
	}
	return state.With(Object{
		"arn": apiARN(id), "executionArn": c.ARN("execute-api", id), "apiEndpoint": aws.ToString(got.ApiEndpoint),
		"name": aws.ToString(got.Name), "description": aws.ToString(got.Description), "disableExecuteApiEndpoint": aws.ToBool(got.DisableExecuteApiEndpoint),
		"routeSelectionExpression": aws.ToString(got.RouteSelectionExpression), "ipAddressType": "ipv4",
	}), nil
}

func updateAPI(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	_, err := c.Gateway.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{
		ApiId: &id, Name: in.StrPtr("name"), Description: aws.String(in.Str("description")),
		DisableExecuteApiEndpoint: aws.Bool(in.Bool("disableExecuteApiEndpoint")), CorsConfiguration: corsOf(in), Version: in.StrPtr("version"),
	})
	if err != nil {
		return nil, fmt.Errorf("update API %s: %w", id, err)
	}
	if in.Object("corsConfiguration") == nil && state.Object("corsConfiguration") != nil {
		if _, err := c.Gateway.DeleteCorsConfiguration(ctx, &apigatewayv2.DeleteCorsConfigurationInput{ApiId: &id}); err != nil {
			return nil, fmt.Errorf("remove CORS of API %s: %w", id, err)
		}
	}
	err = changeTags("API "+id, state.Tags(), in.Tags(),
		func(set map[string]string) error {
			_, err := c.Gateway.TagResource(ctx, &apigatewayv2.TagResourceInput{ResourceArn: aws.String(apiARN(id)), Tags: set})
			return err
		},
		func(remove []string) error {
			_, err := c.Gateway.UntagResource(ctx, &apigatewayv2.UntagResourceInput{ResourceArn: aws.String(apiARN(id)), TagKeys: remove})
			return err
		})
	if err != nil {
		return nil, err
	}
	return readAPI(ctx, c, id, in)
}

func deleteAPI(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Gateway.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: &id})
	return wrap(unless(err, gatewayGone), "delete API %s", id)
}

func checkStage(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("routeSettings", "clientCertificateId", "deploymentId")
	i.name("name", 128, stageName)
	logs := i.inside("accessLogSettings")
	if in.Known("accessLogSettings") && !logGroupARN.MatchString(logs.in.Str("destinationArn")) {
		logs.fault("destinationArn", "BadRequestException: give the ARN of a log group, without a star at its end")
	}
	settings := i.inside("defaultRouteSettings")
	settings.between("throttlingBurstLimit", 0, 5000)
	if settings.in.Has("loggingLevel") || settings.in.Has("dataTraceEnabled") {
		settings.fault("loggingLevel", "BadRequestException: leave it away: an HTTP API writes access logs only")
	}
	return i.found()
}

var logGroupARN = regexp.MustCompile(`^arn:aws:logs:[a-z0-9-]+:\d{12}:log-group:[^:*]+$`)

func createStage(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("name")
	input := &apigatewayv2.CreateStageInput{
		ApiId: in.StrPtr("apiId"), StageName: &name, AutoDeploy: in.BoolPtr("autoDeploy"), Description: in.StrPtr("description"),
		StageVariables: in.StringMap("stageVariables"), Tags: in.Tags(),
	}
	if logs := in.Object("accessLogSettings"); logs != nil {
		input.AccessLogSettings = &types.AccessLogSettings{DestinationArn: logs.StrPtr("destinationArn"), Format: logs.StrPtr("format")}
	}
	if settings := in.Object("defaultRouteSettings"); settings != nil {
		input.DefaultRouteSettings = &types.RouteSettings{
			DetailedMetricsEnabled: settings.BoolPtr("detailedMetricsEnabled"), ThrottlingBurstLimit: settings.Int32Ptr("throttlingBurstLimit"),
		}
		if settings.Has("throttlingRateLimit") {
			input.DefaultRouteSettings.ThrottlingRateLimit = aws.Float64(settings.Float("throttlingRateLimit"))
		}
	}
	if _, err := c.Gateway.CreateStage(ctx, input); err != nil {
		return "", nil, fmt.Errorf("create stage %s of API %s: %w", name, in.Str("apiId"), err)
	}
	out, err := readStage(ctx, c, name, in)
	return name, out, err
}

func readStage(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	api := state.Str("apiId")
	got, err := c.Gateway.GetStage(ctx, &apigatewayv2.GetStageInput{ApiId: &api, StageName: &id})
	if isCode(err, gatewayGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read stage %s of API %s: %w", id, api, err)
	}
	url := "https://" + api + ".execute-api." + Region + ".amazonaws.com/"
	if id != "$default" {
		url += id
	}
	return state.With(Object{
		"arn": apiARN(api) + "/stages/" + id, "executionArn": c.ARN("execute-api", api+"/"+id), "invokeUrl": url, "name": id,
		"autoDeploy": aws.ToBool(got.AutoDeploy),
	}), nil
}

// updateStage makes it anew: the emulator answers 500 to UpdateStage. AWS changes it in place.
func updateStage(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := deleteStage(ctx, c, id, state); err != nil {
		return nil, err
	}
	_, out, err := createStage(ctx, c, in)
	return out, err
}

func deleteStage(ctx context.Context, c *Cloud, id string, state Object) error {
	_, err := c.Gateway.DeleteStage(ctx, &apigatewayv2.DeleteStageInput{ApiId: state.StrPtr("apiId"), StageName: &id})
	return wrap(unless(err, gatewayGone), "delete stage %s of API %s", id, state.Str("apiId"))
}
