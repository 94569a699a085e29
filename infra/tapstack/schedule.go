package tapstack

import (
	"encoding/json"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// task is what admin does by the clock. Migration is not among them: a person starts it after a deployment.
type task struct {
	name    string
	command []string // what admin is given
	when    string   // EventBridge's expression, UTC
	why     string
}

// tasks are all of them.
func tasks() []task {
	return []task{
		{"doctor", []string{"doctor"}, "rate(15 minutes)", "Checks every connection, permission and version"},
		{"subject-requests", []string{"subject", "due"}, "rate(1 hour)", "Warns before a data subject's request is due (LGPD art. 18 and 19)"},
		{"retention", []string{"retention", "run"}, "cron(30 7 * * ? *)", "Removes what may no longer be kept (LGPD art. 15 and 16), at 04:30 in São Paulo"},
		{"audit-heads", []string{"audit", "heads"}, "rate(15 minutes)", "Signs the heads of the audit chains and writes them where nobody deletes"},
	}
}

func (s *TapStack) buildSchedule() {
	for _, t := range tasks() {
		// A command line and nothing else: strings marshal.
		input, err := json.Marshal(map[string][]string{"command": t.command})
		s.must("write the command of "+t.name, err)
		rule := add(s, cloudwatch.NewEventRule, s.name(t.name+"-schedule"), &cloudwatch.EventRuleArgs{
			Name: pulumi.String(s.name(t.name + "-schedule")), Description: pulumi.String(t.why), ScheduleExpression: pulumi.String(t.when),
			State: pulumi.String("ENABLED"), ForceDestroy: pulumi.Bool(true),
		})
		add(s, cloudwatch.NewEventTarget, s.name(t.name+"-target"), &cloudwatch.EventTargetArgs{
			Rule: rule.Name, TargetId: pulumi.String(s.name(t.name + "-target")), Arn: s.compute.admin.Arn, Input: pulumi.String(string(input)),
			ForceDestroy: pulumi.Bool(true),
			RetryPolicy:  &cloudwatch.EventTargetRetryPolicyArgs{MaximumEventAgeInSeconds: pulumi.Int(600), MaximumRetryAttempts: pulumi.Int(2)},
		})
		s.permit(t.name+"-permission", s.compute.admin, "events.amazonaws.com", rule.Arn)
	}
}
