package tapstack_test

import "testing"

const rule, target = "aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"

// What admin does by the clock, and the command line that it is given. Migration is not among it: a person starts it.
func TestSchedule(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames(rule, "audit-heads-schedule-dev", "doctor-schedule-dev", "retention-schedule-dev", "subject-requests-schedule-dev")
	d.expectNames(target, "audit-heads-target-dev", "doctor-target-dev", "retention-target-dev", "subject-requests-target-dev")
	for task, c := range map[string]struct{ when, input, why string }{
		"doctor":           {"rate(15 minutes)", `{"command":["doctor"]}`, "Checks every connection, permission and version"},
		"subject-requests": {"rate(1 hour)", `{"command":["subject","due"]}`, "Warns before a data subject's request is due (LGPD art. 18 and 19)"},
		"retention":        {"cron(30 7 * * ? *)", `{"command":["retention","run"]}`, "Removes what may no longer be kept (LGPD art. 15 and 16), at 04:30 in São Paulo"},
		"audit-heads":      {"rate(15 minutes)", `{"command":["audit","heads"]}`, "Signs the heads of the audit chains and writes them where nobody deletes"},
	} {
		d.expect(rule, task+"-schedule-dev", inputs{
			"name": task + "-schedule-dev", "description": c.why, "scheduleExpression": c.when, "state": "ENABLED", "forceDestroy": true})
		d.expect(target, task+"-target-dev", inputs{
			"rule": task + "-schedule-dev", "targetId": task + "-target-dev", "arn": d.arn("admin-function-dev"), "input": c.input, "forceDestroy": true,
			"retryPolicy": inputs{"maximumEventAgeInSeconds": 600, "maximumRetryAttempts": 2}})
	}
}
