package deployment

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

func TestOutputsPrintMasked(t *testing.T) {
	outputs := outputsOf(auto.OutputMap{
		"port":   {Value: 6379.0},
		"host":   {Value: "db.internal"},
		"zones":  {Value: []any{"a", "b"}},
		"secret": {Value: "hunter2", Secret: true},
	})
	for name, want := range map[string]struct{ text, json string }{
		"port":   {"6379", "6379"},
		"host":   {"db.internal", `"db.internal"`},
		"zones":  {`["a","b"]`, `["a","b"]`},
		"secret": {Masked, `"[secret]"`},
	} {
		if got := fmt.Sprint(outputs[name]); got != want.text {
			t.Errorf("%s prints as %s, want %s", name, got, want.text)
		}
		if got, err := json.Marshal(outputs[name]); err != nil || string(got) != want.json {
			t.Errorf("%s is %s (%v) as JSON, want %s", name, got, err, want.json)
		}
	}
	if want := []string{"host", "port", "secret", "zones"}; !slices.Equal(outputs.Names(), want) {
		t.Errorf("names %v, want %v", outputs.Names(), want)
	}
	revealed := outputs.Reveal()
	if got := slices.Sorted(maps.Keys(revealed)); !slices.Equal(got, outputs.Names()) || revealed["secret"] != "hunter2" {
		t.Errorf("revealed %v, want all four with the secret", revealed)
	}
}

func TestFailureTellsTheFaultsOnce(t *testing.T) {
	printed := fmt.Errorf("exit status 255, stdout, stderr")
	vpc := Fault{Type: "aws:ec2/vpc:Vpc", Name: "vpc", Message: "limit exceeded"}
	for _, c := range []struct {
		faults []Fault
		want   string
	}{
		{nil, "up: exit status 255, stdout, stderr"},
		{[]Fault{vpc, vpc}, "up: vpc (aws:ec2/vpc:Vpc): limit exceeded"},
		{[]Fault{vpc, {Message: "update failed"}}, "up: vpc (aws:ec2/vpc:Vpc): limit exceeded\nupdate failed"},
	} {
		if got := (&Failure{Operation: "up", Faults: c.faults, Err: printed}).Error(); got != c.want {
			t.Errorf("%v: %q, want %q", c.faults, got, c.want)
		}
	}
}
