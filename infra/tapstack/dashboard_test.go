package tapstack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
)

// widget is a chart of the dashboard as its JSON says it.
type widget struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title, Stat, Region, View string
		Period                    int
		Metrics                   [][]any
	}
}

func (d deployed) widgets() []widget {
	d.t.Helper()
	var body struct{ Widgets []widget }
	reader := json.NewDecoder(strings.NewReader(d.get("dashboard-dev").Text("dashboardBody")))
	reader.DisallowUnknownFields()
	if err := reader.Decode(&body); err != nil {
		d.t.Fatal(err)
	}
	return body.Widgets
}

// lines are a chart's metrics, one text each: namespace metric dimension value "label".
func (w widget) lines() []string {
	var lines []string
	for _, m := range w.Properties.Metrics {
		if options, ok := m[len(m)-1].(map[string]any); ok && len(m) == 5 && len(options) == 1 {
			lines = append(lines, fmt.Sprintf("%v %v %v %v %q", m[0], m[1], m[2], m[3], options["label"]))
		} else {
			lines = append(lines, fmt.Sprint("unexpected: ", m))
		}
	}
	return lines
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames("aws:cloudwatch/dashboard:Dashboard", "dashboard-dev")
	d.expect("aws:cloudwatch/dashboard:Dashboard", "dashboard-dev", inputs{
		"dashboardName": "dashboard-dev", "dashboardBody": d.get("dashboard-dev").Text("dashboardBody")})
	of := func(metric, what string) []string {
		return list(`AWS/Lambda `+metric+` FunctionName ingest-function-dev "ingest`+what+`"`, `AWS/Lambda `+metric+` FunctionName process-function-dev "process`+what+`"`,
			`AWS/Lambda `+metric+` FunctionName admin-function-dev "admin`+what+`"`)
	}
	nodes := func(metric string) []string {
		return list(`AWS/ElastiCache `+metric+` CacheClusterId redis-dev-0001-001 "redis-dev-0001-001"`, `AWS/ElastiCache `+metric+` CacheClusterId redis-dev-0001-002 "redis-dev-0001-002"`)
	}
	const stream, database = "StreamName kinesis-stream-dev", "DBInstanceIdentifier rds-dev"
	for i, want := range []struct {
		title, stat string
		lines       []string
	}{
		{"Calls a minute", "Sum", of("Invocations", "")},
		{"Time of a call (p99, ms)", "p99", of("Duration", "")},
		{"Errors and turned away", "Sum", append(of("Errors", ": failed"), of("Throttles", ": turned away")...)},
		{"Records on the stream a minute", "Sum", list(`AWS/Kinesis IncomingRecords `+stream+` "in"`, `AWS/Kinesis GetRecords.Records `+stream+` "out"`)},
		{"Decisions lag behind (ms)", "Maximum", list(`AWS/Lambda IteratorAge FunctionName process-function-dev "age"`)},
		{"Stream: turned away", "Sum", list(`AWS/Kinesis WriteProvisionedThroughputExceeded `+stream+` "writes"`, `AWS/Kinesis ReadProvisionedThroughputExceeded `+stream+` "reads"`)},
		{"Dead letters", "Maximum", list(`AWS/SQS ApproximateNumberOfMessagesVisible QueueName dead-letter-queue-dev "waiting"`)},
		{"Database: CPU (%)", "Average", list(`AWS/RDS CPUUtilization ` + database + ` "CPU"`)},
		{"Database: connections", "Maximum", list(`AWS/RDS DatabaseConnections ` + database + ` "open"`)},
		{"Database: time of a read and a write (s)", "Average", list(`AWS/RDS ReadLatency `+database+` "read"`, `AWS/RDS WriteLatency `+database+` "write"`)},
		{"Cache: CPU (%)", "Average", nodes("EngineCPUUtilization")},
		{"Cache: memory (%)", "Average", nodes("DatabaseMemoryUsagePercentage")},
	} {
		widgets := d.widgets()
		if len(widgets) != 12 {
			t.Fatalf("%d charts, want 12", len(widgets))
		}
		w := widgets[i]
		if p := w.Properties; p.Title != want.title || p.Stat != want.stat || p.Region != "us-east-1" || p.View != "timeSeries" || p.Period != 60 || w.Type != "metric" {
			t.Errorf("chart %d: %+v, want %q with %s", i, w, want.title, want.stat)
		}
		if diff := cmp.Diff(want.lines, w.lines()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.title, diff)
		}
	}
}

// Three charts a row fill the 24 columns, and none lies on another.
func TestDashboardGrid(t *testing.T) {
	t.Parallel()
	taken := map[[2]int]string{}
	for _, w := range up(t, nil).widgets() {
		for x := w.X; x < w.X+w.Width; x++ {
			for y := w.Y; y < w.Y+w.Height; y++ {
				if x > 23 || taken[[2]int{x, y}] != "" {
					t.Fatalf("%s lies on %q or beyond the edge at %d, %d", w.Properties.Title, taken[[2]int{x, y}], x, y)
				}
				taken[[2]int{x, y}] = w.Properties.Title
			}
		}
	}
	if len(taken) != 24*24 {
		t.Errorf("%d cells are filled, want all of 24 by 24", len(taken))
	}
}

func TestDashboardShowsEveryNode(t *testing.T) {
	t.Parallel()
	widgets := up(t, func(a *tapstack.TapStackArgs) { a.CacheShape, a.CacheReplicas = tapstack.CacheReplicated, 2 }).widgets()
	want := list(`AWS/ElastiCache EngineCPUUtilization CacheClusterId redis-dev-001 "redis-dev-001"`,
		`AWS/ElastiCache EngineCPUUtilization CacheClusterId redis-dev-002 "redis-dev-002"`, `AWS/ElastiCache EngineCPUUtilization CacheClusterId redis-dev-003 "redis-dev-003"`)
	if diff := cmp.Diff(want, widgets[10].lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
