package tapstack

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// chart is one picture of the dashboard: lines of one unit.
type chart struct {
	title string
	stat  string
	lines []line
}

// line is one metric; dimension and of say whose.
type line struct{ namespace, metric, dimension, of, label string }

// buildDashboard makes the one page that tells whether the pipeline is well: a payment's way from left to right, top to
// bottom.
func (s *TapStack) buildDashboard() {
	var widgets pulumi.Array
	for i, c := range s.charts() {
		var metrics pulumi.Array
		for _, l := range c.lines {
			metrics = append(metrics, pulumi.Array{pulumi.String(l.namespace), pulumi.String(l.metric), pulumi.String(l.dimension), pulumi.String(l.of),
				pulumi.Map{"label": pulumi.String(l.label)}})
		}
		widgets = append(widgets, pulumi.Map{
			"type": pulumi.String("metric"), "x": pulumi.Int(8 * (i % 3)), "y": pulumi.Int(6 * (i / 3)), "width": pulumi.Int(8), "height": pulumi.Int(6),
			"properties": pulumi.Map{
				"title": pulumi.String(c.title), "stat": pulumi.String(c.stat), "period": pulumi.Int(60), "region": pulumi.String(Region),
				"view": pulumi.String("timeSeries"), "metrics": metrics,
			},
		})
	}
	add(s, cloudwatch.NewDashboard, s.name("dashboard"), &cloudwatch.DashboardArgs{
		DashboardName: pulumi.String(s.name("dashboard")), DashboardBody: pulumi.JSONMarshal(pulumi.Map{"widgets": widgets}),
	})
}

func (s *TapStack) charts() []chart {
	functions := func(metric, what string) []line {
		var lines []line
		for _, f := range []string{"ingest", "process", "admin"} {
			lines = append(lines, line{"AWS/Lambda", metric, "FunctionName", s.name(f + "-function"), f + what})
		}
		return lines
	}
	stream := func(metric, label string) line {
		return line{"AWS/Kinesis", metric, "StreamName", s.name("kinesis-stream"), label}
	}
	database := func(metric, label string) line {
		return line{"AWS/RDS", metric, "DBInstanceIdentifier", s.name("rds"), label}
	}
	nodes := func(metric string) []line {
		var lines []line
		for _, node := range s.cacheNodes() {
			lines = append(lines, line{"AWS/ElastiCache", metric, "CacheClusterId", node, node})
		}
		return lines
	}
	return []chart{
		{"Calls a minute", "Sum", functions("Invocations", "")},
		{"Time of a call (p99, ms)", "p99", functions("Duration", "")},
		{"Errors and turned away", "Sum", append(functions("Errors", ": failed"), functions("Throttles", ": turned away")...)},
		{"Records on the stream a minute", "Sum", []line{stream("IncomingRecords", "in"), stream("GetRecords.Records", "out")}},
		{"Decisions lag behind (ms)", "Maximum", []line{{"AWS/Lambda", "IteratorAge", "FunctionName", s.name("process-function"), "age"}}},
		{"Stream: turned away", "Sum", []line{stream("WriteProvisionedThroughputExceeded", "writes"), stream("ReadProvisionedThroughputExceeded", "reads")}},
		{"Dead letters", "Maximum", []line{{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", s.name("dead-letter-queue"), "waiting"}}},
		{"Database: CPU (%)", "Average", []line{database("CPUUtilization", "CPU")}},
		{"Database: connections", "Maximum", []line{database("DatabaseConnections", "open")}},
		{"Database: time of a read and a write (s)", "Average", []line{database("ReadLatency", "read"), database("WriteLatency", "write")}},
		{"Cache: CPU (%)", "Average", nodes("EngineCPUUtilization")},
		{"Cache: memory (%)", "Average", nodes("DatabaseMemoryUsagePercentage")},
	}
}

// dashboardURL is where a person looks.
func (s *TapStack) dashboardURL() string {
	return fmt.Sprintf("https://%s.console.aws.amazon.com/cloudwatch/home?region=%s#dashboards:name=%s", Region, Region, s.name("dashboard"))
}
