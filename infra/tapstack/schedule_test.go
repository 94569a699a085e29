package tapstack_test

import "testing"

const rule, target = "aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"

// What admin does by the clock, and the command line that it is given. Migration is not among it: a person starts it.
func TestSchedule(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames(rule, "doctor-schedule-dev", "windows-heal-schedule-dev")
	d.expectNames(target, "doctor-target-dev", "windows-heal-target-dev")
	for task, c := range map[string]struct{ when, input, why string }{
		"doctor":       {"rate(15 minutes)", `{"command":["doctor"]}`, "Checks every connection, permission and version"},
		"windows-heal": {"rate(5 minutes)", `{"command":["windows","heal"]}`, "Restores windows that the cache lost, from the store"},
	} {
		d.expect(rule, task+"-schedule-dev", inputs{
			"name": task + "-schedule-dev", "description": c.why, "scheduleExpression": c.when, "state": "ENABLED", "forceDestroy": true})
		d.expect(target, task+"-target-dev", inputs{
			"rule": task + "-schedule-dev", "targetId": task + "-target-dev", "arn": d.arn("admin-function-dev"), "input": c.input, "forceDestroy": true,
			"retryPolicy": inputs{"maximumEventAgeInSeconds": 600, "maximumRetryAttempts": 2}})
	}
}
