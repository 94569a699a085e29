package controls

// observabilityControls are about alarms and logs.
func observabilityControls() []Control {
	return []Control{
		{"CloudWatch.15", nil, SecurityHub, "Every alarm tells a topic of ours", every(metricAlarm, rule{"alarmActions", func(in *inspection, v any) bool {
			for _, action := range texts(v) {
				if in.byID(topic, action) != nil {
					return true
				}
			}
			return false
		}, "list the stack's topic"})},
		{"CloudWatch.17", nil, SecurityHub, "No alarm is muted",
			every(metricAlarm, isNot("actionsEnabled", false))},
		{"CloudWatch.16", []string{"CKV_AWS_338", "CKV_AWS_66"}, SecurityHub, "Logs are kept for a year: they hold tokens and numbers, no personal data",
			every(logGroup, atLeast("retentionInDays", 365))},
		{"CKV_AWS_158", nil, Checkov, "Logs are encrypted with a key of ours",
			every(logGroup, ownKey("kmsKeyId"))},
	}
}
