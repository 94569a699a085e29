package controls

// edgeControls are about the HTTP API.
func edgeControls() []Control {
	return []Control{
		{"APIGateway.8", []string{"APIG4", "CKV_AWS_309"}, FSBP, "Every route asks for a signature by IAM",
			every(httpRoute, is("authorizationType", "AWS_IAM"))},
		{"APIGateway.9", []string{"APIG1", "APIG6", "CKV_AWS_76"}, FSBP, "Every stage logs who called",
			every(httpStage, rule{"accessLogSettings.destinationArn", func(in *inspection, v any) bool { return in.byID(logGroup, v) != nil }, "name a log group of the stack"},
				given("accessLogSettings.format"))},
		{"EDGE.1", nil, FastShop, "Every stage bounds the rate of calls",
			every(httpStage, atLeast("defaultRouteSettings.throttlingRateLimit", 1), atLeast("defaultRouteSettings.throttlingBurstLimit", 1))},
		{"EDGE.2", nil, FastShop, "The API answers no other site's scripts: no cross-origin rule",
			every(httpAPI, is("protocolType", "HTTP"), absent("corsConfiguration"))},
	}
}
