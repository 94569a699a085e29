package tapstacktest

import "strings"

func computeKinds() map[string]kind {
	return map[string]kind{
		"aws:lambda/function:Function": {naming: "name", answer: named("lambda", "function:", func(m *making) map[string]any {
			function := arn("lambda", "function:"+m.physical)
			return map[string]any{
				"invokeArn":    "arn:aws:apigateway:" + Region + ":lambda:path/2015-03-31/functions/" + function + "/invocations",
				"qualifiedArn": function + ":$LATEST", "version": "$LATEST", "lastModified": "2026-01-01T00:00:00.000+0000",
				"codeSha256": m.hash("code", 43) + "=",
			}
		})},
		"aws:lambda/permission:Permission": {answer: func(m *making) (string, map[string]any) {
			statement := m.Text("statementId")
			if statement == "" {
				statement = "terraform-" + m.hash("id", 26)
			}
			return statement, map[string]any{"statementId": statement}
		}},
		"aws:lambda/eventSourceMapping:EventSourceMapping": {answer: func(m *making) (string, map[string]any) {
			id, function := m.uuid("id"), m.Text("functionName")
			if !strings.HasPrefix(function, "arn:") {
				function = arn("lambda", "function:"+function)
			}
			return id, map[string]any{"uuid": id, "arn": arn("lambda", "event-source-mapping:"+id), "state": "Enabled", "functionArn": function}
		}},
	}
}
