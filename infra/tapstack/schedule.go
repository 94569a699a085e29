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

// tasks are all of them. Each comes again by itself, so one that failed is kept nowhere: the alarm admin-errors tells.
func tasks() []task {
	return []task{
		{"doctor", []string{"doctor"}, "rate(15 minutes)", "Checks every connection, permission and version"},
		{"windows-heal", []string{"windows", "heal"}, "rate(5 minutes)", "Restores windows that the cache lost, from the store"},
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
