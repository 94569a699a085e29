package tapstack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const account = "123456789012"

// conditions are operator, key, values.
type conditions = map[string]map[string][]string

// statement is a statement of a policy as its JSON says it. Fields that a statement has not are empty.
type statement struct {
	Sid       string
	Effect    string
	Principal any `json:",omitempty"`
	Action    []string
	Resource  []string   `json:",omitempty"`
	Condition conditions `json:",omitempty"`
}

// expectPolicy compares the policy document at an input with its statements, in order. A field that JSON has and
// statement has not is a fault: NotAction would be one.
func (d deployed) expectPolicy(name, input string, want ...statement) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.policy(name, input)); diff != "" {
		d.t.Errorf("%s of %s (-want +got):\n%s", input, name, diff)
	}
}

// policy reads the policy document at an input.
func (d deployed) policy(name, input string) []statement {
	d.t.Helper()
	var document struct {
		Version   string
		Statement []statement
	}
	reader := json.NewDecoder(strings.NewReader(d.get(name).Text(input)))
	reader.DisallowUnknownFields()
	if err := reader.Decode(&document); err != nil {
		d.t.Fatalf("%s of %s: %v", input, name, err)
	}
	if document.Version != "2012-10-17" {
		d.t.Errorf("%s of %s is of version %q", input, name, document.Version)
	}
	return document.Statement
}

// sids are the names of the statements, in order.
func sids(policy []statement) []string {
	var names []string
	for _, s := range policy {
		names = append(names, s.Sid)
	}
	return names
}

func list(values ...string) []string { return values }

// root is the account as a principal.
func root() any { return map[string]any{"AWS": []any{"arn:aws:iam::" + account + ":root"}} }

// service are services as principals.
func service(names ...string) any {
	var all []any
	for _, n := range names {
		all = append(all, n)
	}
	return map[string]any{"Service": all}
}

// arn is the ARN of a thing of the stack in the region and account of the tests.
func arn(service, resource string) string {
	return "arn:aws:" + service + ":us-east-1:" + account + ":" + resource
}

// roleArn is the ARN of a function's role.
func roleArn(function string) string {
	return "arn:aws:iam::" + account + ":role/" + function + "-role-dev"
}

// tlsOnly denies what comes in the clear.
func tlsOnly(action, arn string) statement {
	return statement{Sid: "DenyPlainText", Effect: "Deny", Principal: "*", Action: list(action), Resource: list(arn),
		Condition: conditions{"Bool": {"aws:SecureTransport": list("false")}}}
}

// Sids are unique within a policy: AWS refuses others.
func TestStatementsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	documents := 0
	for variant, d := range variants(t) {
		for _, r := range d.All() {
			for _, input := range []string{"policy", "assumeRolePolicy"} {
				if r.Text(input) == "" {
					continue
				}
				documents++
				seen := map[string]bool{}
				for _, sid := range sids(d.policy(r.Name, input)) {
					if sid == "" || seen[sid] {
						t.Errorf("%s: %s of %s has the sid %q twice, or none", variant, input, r.Name, sid)
					}
					seen[sid] = true
				}
			}
		}
	}
	if documents < 60 {
		t.Errorf("only %d documents were read", documents)
	}
}
