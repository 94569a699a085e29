package tapstacktest

import "strings"

func edgeKinds() map[string]kind {
	return map[string]kind{
		// Two APIs may have the same name.
		"aws:apigatewayv2/api:Api": {answer: func(m *making) (string, map[string]any) {
			id := m.hash("id", 10)
			return id, map[string]any{
				"arn": "arn:aws:apigateway:" + Region + "::/apis/" + id, "executionArn": arn("execute-api", id),
				"apiEndpoint": "https://" + id + ".execute-api." + Region + ".amazonaws.com",
			}
		}},
		"aws:apigatewayv2/integration:Integration": {answer: func(m *making) (string, map[string]any) { return m.hash("id", 7), nil }},
		"aws:apigatewayv2/route:Route":             {answer: func(m *making) (string, map[string]any) { return m.hash("id", 7), nil }},
		// A stage's id is its name; the default stage has no path of its own.
		"aws:apigatewayv2/stage:Stage": {answer: func(m *making) (string, map[string]any) {
			api, stage := m.Text("apiId"), m.Text("name")
			return stage, map[string]any{
				"arn": "arn:aws:apigateway:" + Region + "::/apis/" + api + "/stages/" + stage, "executionArn": arn("execute-api", api+"/"+stage),
				"invokeUrl": "https://" + api + ".execute-api." + Region + ".amazonaws.com/" + strings.TrimPrefix(stage, "$default"),
			}
		}},
	}
}
