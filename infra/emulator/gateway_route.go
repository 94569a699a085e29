package emulator

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

func checkIntegration(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("integrationSubtype", "connectionId", "requestParameters", "responseParameters", "tlsConfig", "credentialsArn", "requestTemplates")
	i.oneOf("integrationType", "AWS_PROXY", "HTTP_PROXY")
	i.oneOf("payloadFormatVersion", "1.0", "2.0")
	i.oneOf("connectionType", "INTERNET")
	i.between("timeoutMilliseconds", 50, 30000)
	i.given("integrationUri")
	if in.Str("integrationType") == "AWS_PROXY" {
		i.oneOf("integrationMethod", "POST") // Lambda takes no other
	}
	return i.found()
}

func createIntegration(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Gateway.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{
		ApiId: in.StrPtr("apiId"), IntegrationType: types.IntegrationType(in.Str("integrationType")), IntegrationUri: in.StrPtr("integrationUri"),
		IntegrationMethod: in.StrPtr("integrationMethod"), PayloadFormatVersion: in.StrPtr("payloadFormatVersion"), Description: in.StrPtr("description"),
		TimeoutInMillis: in.Int32Ptr("timeoutMilliseconds"), ConnectionType: types.ConnectionType(orElse(in.Str("connectionType"), "INTERNET")),
	})
	if err != nil {
		return "", nil, fmt.Errorf("create integration of API %s: %w", in.Str("apiId"), err)
	}
	id := aws.ToString(made.IntegrationId)
	out, err := readIntegration(ctx, c, id, in)
	return id, out, err
}

func readIntegration(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Gateway.GetIntegration(ctx, &apigatewayv2.GetIntegrationInput{ApiId: state.StrPtr("apiId"), IntegrationId: &id})
	if isCode(err, gatewayGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read integration %s: %w", id, err)
	}
	out := state.With(Object{"integrationUri": aws.ToString(got.IntegrationUri), "connectionType": string(got.ConnectionType), "timeoutMilliseconds": 30000})
	if got.TimeoutInMillis != nil {
		out["timeoutMilliseconds"] = int(*got.TimeoutInMillis)
	}
	out["payloadFormatVersion"] = orElse(aws.ToString(got.PayloadFormatVersion), "1.0")
	return out, nil
}

func updateIntegration(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	_, err := c.Gateway.UpdateIntegration(ctx, &apigatewayv2.UpdateIntegrationInput{
		ApiId: in.StrPtr("apiId"), IntegrationId: &id, IntegrationUri: in.StrPtr("integrationUri"), IntegrationMethod: in.StrPtr("integrationMethod"),
		PayloadFormatVersion: in.StrPtr("payloadFormatVersion"), Description: in.StrPtr("description"), TimeoutInMillis: in.Int32Ptr("timeoutMilliseconds"),
	})
	if err != nil {
		return nil, fmt.Errorf("update integration %s: %w", id, err)
	}
	return readIntegration(ctx, c, id, in)
}

// deleteIntegration refuses, as AWS does and the emulator does not, while a route leads to it.
func deleteIntegration(ctx context.Context, c *Cloud, id string, state Object) error {
	routes, err := c.Gateway.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: state.StrPtr("apiId")})
	if isCode(err, gatewayGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list routes of API %s: %w", state.Str("apiId"), err)
	}
	for _, r := range routes.Items {
		if aws.ToString(r.Target) == "integrations/"+id {
			return refuse("ConflictException", "delete integration %s: route %s leads to it", id, aws.ToString(r.RouteKey))
		}
	}
	_, err = c.Gateway.DeleteIntegration(ctx, &apigatewayv2.DeleteIntegrationInput{ApiId: state.StrPtr("apiId"), IntegrationId: &id})
	return wrap(unless(err, gatewayGone), "delete integration %s", id)
}

func checkRoute(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("authorizerId", "authorizationScopes", "requestModels", "requestParameters", "modelSelectionExpression")
	i.oneOf("authorizationType", "NONE", "AWS_IAM")
	if in.Known("routeKey") && !routeKey.MatchString(in.Str("routeKey")) {
		i.fault("routeKey", "BadRequestException: write a method and a path, such as POST /v1/transactions, or $default; not %q", in.Str("routeKey"))
	}
	if in.Known("target") && !targetName.MatchString(in.Str("target")) {
		i.fault("target", "BadRequestException: write integrations/ and the id of the integration, not %q", in.Str("target"))
	}
	if in.Bool("apiKeyRequired") {
		i.fault("apiKeyRequired", "BadRequestException: leave it away: an HTTP API has no keys")
	}
	return i.found()
}

func createAPIRoute(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Gateway.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
		ApiId: in.StrPtr("apiId"), RouteKey: in.StrPtr("routeKey"), Target: in.StrPtr("target"), OperationName: in.StrPtr("operationName"),
		AuthorizationType: types.AuthorizationType(orElse(in.Str("authorizationType"), "NONE")),
	})
	if err != nil {
		return "", nil, fmt.Errorf("create route %s: %w", in.Str("routeKey"), err)
	}
	id := aws.ToString(made.RouteId)
	out, err := readAPIRoute(ctx, c, id, in)
	return id, out, err
}

func readAPIRoute(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Gateway.GetRoute(ctx, &apigatewayv2.GetRouteInput{ApiId: state.StrPtr("apiId"), RouteId: &id})
	if isCode(err, gatewayGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read route %s: %w", id, err)
	}
	out := state.With(Object{"routeKey": aws.ToString(got.RouteKey), "authorizationType": string(got.AuthorizationType)})
	if got.Target != nil {
		out["target"] = *got.Target
	}
	return out, nil
}

func updateAPIRoute(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	_, err := c.Gateway.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{
		ApiId: in.StrPtr("apiId"), RouteId: &id, RouteKey: in.StrPtr("routeKey"), Target: in.StrPtr("target"), OperationName: in.StrPtr("operationName"),
		AuthorizationType: types.AuthorizationType(orElse(in.Str("authorizationType"), "NONE")),
	})
	if err != nil {
		return nil, fmt.Errorf("update route %s: %w", id, err)
	}
	return readAPIRoute(ctx, c, id, in)
}

func deleteAPIRoute(ctx context.Context, c *Cloud, id string, state Object) error {
	_, err := c.Gateway.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: state.StrPtr("apiId"), RouteId: &id})
	return wrap(unless(err, gatewayGone), "delete route %s", id)
}
