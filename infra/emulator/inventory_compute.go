package emulator

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	apigatewayv2types "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	cloudwatchlogstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func listQueues(ctx context.Context, c *Cloud) ([]Item, error) {
	urls, err := pages(ctx, sqs.NewListQueuesPaginator(c.Queue, &sqs.ListQueuesInput{}), func(o *sqs.ListQueuesOutput) []string { return o.QueueUrls })
	return collect("sqs", "queue", urls, func(url string) (string, string) { return url, url[strings.LastIndex(url, "/")+1:] }), err
}

func listFunctions(ctx context.Context, c *Cloud) ([]Item, error) {
	all, err := pages(ctx, lambda.NewListFunctionsPaginator(c.Function, &lambda.ListFunctionsInput{}),
		func(o *lambda.ListFunctionsOutput) []lambdatypes.FunctionConfiguration { return o.Functions })
	if err != nil {
		return nil, err
	}
	out := collect("lambda", "function", all, func(f lambdatypes.FunctionConfiguration) (string, string) {
		return aws.ToString(f.FunctionName), string(f.Runtime)
	})
	mappings, err := pages(ctx, lambda.NewListEventSourceMappingsPaginator(c.Function, &lambda.ListEventSourceMappingsInput{}),
		func(o *lambda.ListEventSourceMappingsOutput) []lambdatypes.EventSourceMappingConfiguration {
			return o.EventSourceMappings
		})
	return append(out, collect("lambda", "event source mapping", mappings, func(m lambdatypes.EventSourceMappingConfiguration) (string, string) {
		return aws.ToString(m.UUID), aws.ToString(m.EventSourceArn)
	})...), err
}

func listAPIs(ctx context.Context, c *Cloud) ([]Item, error) {
	all, err := c.Gateway.GetApis(ctx, &apigatewayv2.GetApisInput{})
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, api := range all.Items {
		id := aws.ToString(api.ApiId)
		out = append(out, Item{"apigatewayv2", "API", id, aws.ToString(api.Name)})
		integrations, err := c.Gateway.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: &id})
		if err != nil {
			return nil, err
		}
		out = append(out, collect("apigatewayv2", "integration", integrations.Items, func(i apigatewayv2types.Integration) (string, string) {
			return id + "/" + aws.ToString(i.IntegrationId), aws.ToString(i.IntegrationUri)
		})...)
		routes, err := c.Gateway.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: &id})
		if err != nil {
			return nil, err
		}
		out = append(out, collect("apigatewayv2", "route", routes.Items, func(r apigatewayv2types.Route) (string, string) {
			return id + "/" + aws.ToString(r.RouteId), aws.ToString(r.RouteKey)
		})...)
		stages, err := c.Gateway.GetStages(ctx, &apigatewayv2.GetStagesInput{ApiId: &id})
		if err != nil {
			return nil, err
		}
		out = append(out, collect("apigatewayv2", "stage", stages.Items, func(s apigatewayv2types.Stage) (string, string) {
			return id + "/" + aws.ToString(s.StageName), ""
		})...)
	}
	return out, nil
}

func listRules(ctx context.Context, c *Cloud) ([]Item, error) {
	rules, err := c.Events.ListRules(ctx, &eventbridge.ListRulesInput{})
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, r := range rules.Rules {
		name := aws.ToString(r.Name)
		out = append(out, Item{"events", "rule", name, string(r.State)})
		targets, err := c.Events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &name})
		if err != nil {
			return nil, err
		}
		for _, t := range targets.Targets {
			out = append(out, Item{"events", "target", name + "/" + aws.ToString(t.Id), aws.ToString(t.Arn)})
		}
	}
	return out, nil
}

func listWatches(ctx context.Context, c *Cloud) ([]Item, error) {
	alarms, err := pages(ctx, cloudwatch.NewDescribeAlarmsPaginator(c.Metrics, &cloudwatch.DescribeAlarmsInput{}),
		func(o *cloudwatch.DescribeAlarmsOutput) []cloudwatchtypes.MetricAlarm { return o.MetricAlarms })
	if err != nil {
		return nil, err
	}
	out := collect("cloudwatch", "alarm", alarms, func(a cloudwatchtypes.MetricAlarm) (string, string) {
		return aws.ToString(a.AlarmName), aws.ToString(a.MetricName)
	})
	dashboards, err := pages(ctx, cloudwatch.NewListDashboardsPaginator(c.Metrics, &cloudwatch.ListDashboardsInput{}),
		func(o *cloudwatch.ListDashboardsOutput) []cloudwatchtypes.DashboardEntry { return o.DashboardEntries })
	return append(out, collect("cloudwatch", "dashboard", dashboards, func(d cloudwatchtypes.DashboardEntry) (string, string) {
		return aws.ToString(d.DashboardName), ""
	})...), err
}

func listLogs(ctx context.Context, c *Cloud) ([]Item, error) {
	groups, err := pages(ctx, cloudwatchlogs.NewDescribeLogGroupsPaginator(c.Logs, &cloudwatchlogs.DescribeLogGroupsInput{}),
		func(o *cloudwatchlogs.DescribeLogGroupsOutput) []cloudwatchlogstypes.LogGroup { return o.LogGroups })
	return collect("logs", "group", groups, func(g cloudwatchlogstypes.LogGroup) (string, string) { return aws.ToString(g.LogGroupName), "" }), err
}

func listTopics(ctx context.Context, c *Cloud) ([]Item, error) {
	all, err := pages(ctx, sns.NewListTopicsPaginator(c.Topic, &sns.ListTopicsInput{}), func(o *sns.ListTopicsOutput) []snstypes.Topic { return o.Topics })
	if err != nil {
		return nil, err
	}
	out := collect("sns", "topic", all, func(t snstypes.Topic) (string, string) { return aws.ToString(t.TopicArn), "" })
	subscriptions, err := pages(ctx, sns.NewListSubscriptionsPaginator(c.Topic, &sns.ListSubscriptionsInput{}),
		func(o *sns.ListSubscriptionsOutput) []snstypes.Subscription { return o.Subscriptions })
	return append(out, collect("sns", "subscription", subscriptions, func(s snstypes.Subscription) (string, string) {
		return aws.ToString(s.SubscriptionArn), aws.ToString(s.Protocol)
	})...), err
}

func listRoles(ctx context.Context, c *Cloud) ([]Item, error) {
	roles, err := pages(ctx, iam.NewListRolesPaginator(c.Identity, &iam.ListRolesInput{}), func(o *iam.ListRolesOutput) []iamtypes.Role { return o.Roles })
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, r := range roles {
		name := aws.ToString(r.RoleName)
		out = append(out, Item{"iam", "role", name, ""})
		policies, err := pages(ctx, iam.NewListRolePoliciesPaginator(c.Identity, &iam.ListRolePoliciesInput{RoleName: &name}),
			func(o *iam.ListRolePoliciesOutput) []string { return o.PolicyNames })
		if err != nil {
			return nil, err
		}
		out = append(out, collect("iam", "role policy", policies, func(policy string) (string, string) { return name + "/" + policy, "" })...)
	}
	policies, err := pages(ctx, iam.NewListPoliciesPaginator(c.Identity, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal}),
		func(o *iam.ListPoliciesOutput) []iamtypes.Policy { return o.Policies })
	return append(out, collect("iam", "policy", policies, func(p iamtypes.Policy) (string, string) { return aws.ToString(p.Arn), "" })...), err
}
