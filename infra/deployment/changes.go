package deployment

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
)

// The operations that a caller most often looks for, as the engine names them. There are more, such as
// create-replacement and delete-replaced, the two halves of a replacement.
const (
	Same    = string(apitype.OpSame)
	Create  = string(apitype.OpCreate)
	Update  = string(apitype.OpUpdate)
	Delete  = string(apitype.OpDelete)
	Replace = string(apitype.OpReplace)
)

// Changes is what the engine did, or in a preview would do, to the resources of a stack.
type Changes struct {
	// Count has the number of resources for each operation, Same included. A failed step counts nowhere.
	Count map[string]int
	// Steps are the operations other than Same in the order in which they ended.
	Steps []Step
}

// Step is one operation on one resource.
type Step struct {
	Op   string
	Type string // such as aws:kinesis/stream:Stream
	Name string // of the resource in the program
	// Changed are the paths of the properties that differ, sorted; empty where the whole resource comes or goes.
	Changed []string
}

// String is the step on one line, such as "update aws:kinesis/stream:Stream stream-demo (shardCount)".
func (s Step) String() string {
	line := s.Op + " " + s.Type + " " + s.Name
	if len(s.Changed) > 0 {
		line += " (" + strings.Join(s.Changed, ", ") + ")"
	}
	return line
}

// Empty tells whether nothing changed.
func (c Changes) Empty() bool { return len(c.Steps) == 0 }

// Lines are the steps, one a line, sorted: what a test compares to say "this and nothing else".
func (c Changes) Lines() []string {
	lines := make([]string, len(c.Steps))
	for i, s := range c.Steps {
		lines[i] = s.String()
	}
	slices.Sort(lines)
	return lines
}

// Total is the number of resources with one of the operations.
func (c Changes) Total(ops ...string) int {
	total := 0
	for _, op := range ops {
		total += c.Count[op]
	}
	return total
}

// listener gathers the changes and the errors of one operation from the engine's event stream.
type listener struct {
	events  chan events.EngineEvent
	ended   chan struct{}   // closed when the operation is over
	read    chan struct{}   // closed when nothing more will be read
	taken   map[string]bool // the steps, by operation and URN
	changes Changes
	faults  []Fault
}

func listen() *listener {
	l := &listener{
		events:  make(chan events.EngineEvent),
		ended:   make(chan struct{}),
		read:    make(chan struct{}),
		taken:   map[string]bool{},
		changes: Changes{Count: map[string]int{}},
	}
	go l.run()
	return l
}

// run reads until the stream is closed. A command line that dies before it opens the stream never closes it, which is
// why the end of the operation ends the reading too; by then every event has been handed over.
func (l *listener) run() {
	defer close(l.read)
	for {
		select {
		case event, open := <-l.events:
			if !open {
				return
			}
			l.take(event)
		case <-l.ended:
			return
		}
	}
}

// close ends the listening; after it the changes and faults may be read.
func (l *listener) close() {
	close(l.ended)
	<-l.read
}

func (l *listener) take(event events.EngineEvent) {
	switch {
	case event.ResOutputsEvent != nil:
		l.step(event.ResOutputsEvent.Metadata)
	case event.DiagnosticEvent != nil && event.DiagnosticEvent.Severity == "error":
		l.fault(*event.DiagnosticEvent)
	}
}

// step takes a step once: a preview tells the stack's own twice, the second time with its outputs.
func (l *listener) step(meta apitype.StepEventMetadata) {
	key := string(meta.Op) + " " + meta.URN
	if l.taken[key] {
		return
	}
	l.taken[key] = true
	l.changes.Count[string(meta.Op)]++
	if meta.Op == apitype.OpSame {
		return
	}
	changed := slices.Sorted(maps.Keys(meta.DetailedDiff))
	if len(changed) == 0 {
		changed = slices.Sorted(slices.Values(meta.Diffs))
	}
	l.changes.Steps = append(l.changes.Steps, Step{
		Op:      string(meta.Op),
		Type:    meta.Type,
		Name:    nameOf(meta.URN),
		Changed: changed,
	})
}

// fault notes an error, unless it only says that the operation failed, which its own error says.
func (l *listener) fault(d apitype.DiagnosticEvent) {
	fault := Fault{Message: strings.TrimSpace(colors.Never.Colorize(d.Message))}
	if slices.Contains([]string{"preview failed", "update failed"}, fault.Message) {
		return
	}
	if d.URN != "" {
		fault.Type, fault.Name = string(urn.URN(d.URN).Type()), nameOf(d.URN)
	}
	l.faults = append(l.faults, fault)
}

func nameOf(id string) string {
	return urn.URN(id).Name()
}

// Fault is one thing that the engine reported as an error.
type Fault struct {
	Type    string // of the resource; empty when the fault is nobody's
	Name    string // of the resource
	Message string
}

// String is the fault after the resource's name and type.
func (f Fault) String() string {
	return strings.TrimPrefix(fmt.Sprintf("%s (%s): %s", f.Name, f.Type, f.Message), " (): ")
}

// Failure is an operation that the engine could not finish, with what it reported. What it did until then is in the
// changes beside the error, and in the state: the same operation again goes on from there.
type Failure struct {
	Operation string // preview, up, refresh or destroy
	Faults    []Fault
	Err       error // of the command line, with all it printed
}

// Error names the faults; the whole print of the command line only where it reported none.
func (f *Failure) Error() string {
	if len(f.Faults) == 0 {
		return f.Operation + ": " + f.Err.Error()
	}
	lines := make([]string, len(f.Faults))
	for i, fault := range f.Faults {
		lines[i] = fault.String()
	}
	return f.Operation + ": " + strings.Join(slices.Compact(lines), "\n")
}

// Unwrap is the error of the command line.
func (f *Failure) Unwrap() error { return f.Err }
