package tapstacktest

func messageKinds() map[string]kind {
	return map[string]kind{
		// A queue's id is its URL.
		"aws:sqs/queue:Queue": {naming: "name", check: document("policy"), answer: func(m *making) (string, map[string]any) {
			url := "https://sqs." + Region + ".amazonaws.com/" + Account + "/" + m.physical
			return url, map[string]any{"url": url, "arn": arn("sqs", m.physical)}
		}},
		"aws:sqs/queuePolicy:QueuePolicy": {check: document("policy"), answer: func(m *making) (string, map[string]any) {
			return m.Text("queueUrl"), nil
		}},
		// A topic's id is its ARN.
		"aws:sns/topic:Topic": {naming: "name", check: document("policy"), answer: func(m *making) (string, map[string]any) {
			id := arn("sns", m.physical)
			return id, map[string]any{"arn": id, "owner": Account}
		}},
		"aws:sns/topicPolicy:TopicPolicy": {check: document("policy"), answer: func(m *making) (string, map[string]any) {
			return m.Text("arn"), map[string]any{"owner": Account}
		}},
		// E-mail addresses must confirm by hand.
		"aws:sns/topicSubscription:TopicSubscription": {answer: func(m *making) (string, map[string]any) {
			id := m.Text("topic") + ":" + m.uuid("id")
			return id, map[string]any{"arn": id, "ownerId": Account, "pendingConfirmation": m.Text("protocol") == "email"}
		}},
		"aws:cloudwatch/logGroup:LogGroup":       {naming: "name", answer: named("logs", "log-group:", nil)},
		"aws:cloudwatch/metricAlarm:MetricAlarm": {naming: "name", answer: named("cloudwatch", "alarm:", nil)},
		"aws:cloudwatch/dashboard:Dashboard": {naming: "dashboardName", check: document("dashboardBody"), answer: func(m *making) (string, map[string]any) {
			// Dashboards belong to no region.
			return m.physical, map[string]any{"dashboardArn": "arn:aws:cloudwatch::" + Account + ":dashboard/" + m.physical}
		}},
		"aws:cloudwatch/eventRule:EventRule": {naming: "name", answer: named("events", "rule/", nil)},
		"aws:cloudwatch/eventTarget:EventTarget": {answer: func(m *making) (string, map[string]any) {
			target := m.Text("targetId")
			if target == "" {
				target = m.uuid("target")
			}
			return m.Text("rule") + "-" + target, map[string]any{"targetId": target}
		}},
	}
}
