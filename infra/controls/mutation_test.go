package controls_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/controls"
)

// change breaks (or mends) a copy of the stack.
type change func(s *controls.Stack)

// copied is the stack with resources of its own, so that a change touches nothing else.
func copied(s controls.Stack) *controls.Stack {
	s.Resources = slices.Clone(s.Resources)
	for i, r := range s.Resources {
		c := *r
		c.Inputs, _ = clone(r.Inputs).(map[string]any)
		c.Outputs, _ = clone(r.Outputs).(map[string]any)
		c.Dependencies = slices.Clone(r.Dependencies)
		s.Resources[i] = &c
	}
	return &s
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for key, e := range v {
			c[key] = clone(e)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = clone(e)
		}
		return c
	}
	return v
}

// matching calls back for each resource of the type whose name begins so.
func matching(s *controls.Stack, token, prefix string, f func(r *controls.Resource)) {
	for _, r := range s.Resources {
		if r.Type == token && strings.HasPrefix(r.Name, prefix) {
			f(r)
		}
	}
}

// set puts a value at a path of every resource of the type; nil removes what is there.
func set(token, path string, value any) change {
	return func(s *controls.Stack) {
		matching(s, token, "", func(r *controls.Resource) { put(r.Inputs, path, value) })
	}
}

func put(at any, path string, value any) {
	step, rest, deeper := strings.Cut(path, ".")
	switch at := at.(type) {
	case map[string]any:
		switch {
		case deeper:
			put(at[step], rest, value)
		case value == nil:
			delete(at, step)
		default:
			at[step] = value
		}
	case []any:
		if i, err := strconv.Atoi(step); err == nil && deeper {
			put(at[i], rest, value)
		} else if err == nil {
			at[i] = value
		}
	}
}

// drop removes every resource of the type whose name begins so.
func drop(token, prefix string) change {
	return func(s *controls.Stack) {
		s.Resources = slices.DeleteFunc(s.Resources, func(r *controls.Resource) bool { return r.Type == token && strings.HasPrefix(r.Name, prefix) })
	}
}

// add puts one more resource into the stack.
func add(r controls.Resource) change {
	return func(s *controls.Stack) {
		if r.Inputs == nil {
			r.Inputs = map[string]any{}
		}
		s.Resources = append(s.Resources, &r)
	}
}

// option changes the resource options of every resource of the type.
func option(token string, f func(r *controls.Resource)) change {
	return func(s *controls.Stack) { matching(s, token, "", f) }
}

// lessDependent makes resources of the type forget whom they depend on.
func lessDependent(token string) change {
	return option(token, func(r *controls.Resource) { r.Dependencies = nil })
}

// setParameter changes one parameter of the groups of a type: its value or how it is applied.
func setParameter(token, name, key, value string) change {
	return option(token, func(r *controls.Resource) {
		for _, p := range r.List("parameters") {
			if object := p.(map[string]any); object["name"] == name {
				object[key] = value
			}
		}
	})
}

// addParameter sets one more parameter in the groups of a type.
func addParameter(token, name, value string) change {
	return option(token, func(r *controls.Resource) {
		r.Inputs["parameters"] = append(r.List("parameters"), map[string]any{"name": name, "value": value, "applyMethod": "immediate"})
	})
}

// edit changes a policy text by a replacement that must find something.
func edit(t *testing.T, token, prefix, field, from, to string) change {
	return func(s *controls.Stack) {
		t.Helper()
		found := false
		matching(s, token, prefix, func(r *controls.Resource) {
			if text := r.Text(field); strings.Contains(text, from) {
				r.Inputs[field] = strings.Replace(text, from, to, 1)
				found = true
			}
		})
		if !found {
			t.Errorf("no %s %s* has %s in %s: the mutation changes nothing", token, prefix, from, field)
		}
	}
}

// grant appends a statement to the policies of a type whose owners' names begin so.
func grant(t *testing.T, token, prefix, field, statement string) change {
	return func(s *controls.Stack) {
		t.Helper()
		found := false
		matching(s, token, prefix, func(r *controls.Resource) {
			var policy struct{ Statement []json.RawMessage }
			if err := json.Unmarshal([]byte(r.Text(field)), &policy); err != nil {
				t.Errorf("%s: %v", r.Name, err)
				return
			}
			policy.Statement = append(policy.Statement, json.RawMessage(statement))
			text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": policy.Statement})
			if err != nil {
				t.Errorf("%s: %v", r.Name, err)
			}
			r.Inputs[field] = string(text)
			found = true
		})
		if !found {
			t.Errorf("no %s %s*: the mutation changes nothing", token, prefix)
		}
	}
}

// found runs one control over a stack.
func found(s controls.Stack, c controls.Control) []string {
	var list []string
	for _, f := range controls.Evaluate(s, []controls.Control{c}, nil, nil).Results[0].Findings {
		list = append(list, f.String())
	}
	return list
}

// TestEveryControlFindsWhatBreaksIt takes the real stack, which the control accepts, breaks it in each of the listed ways,
// and wants a finding that was not there before. For controls that the stack meets only by exception it is the other way
// round: the listed changes mend the stack, and the findings must go.
func TestEveryControlFindsWhatBreaksIt(t *testing.T) {
	t.Parallel()
	base := register(t, "default", variants()[0].args)
	breaking, mending := breakingChanges(t), mendingChanges()
	for _, c := range controls.Catalog() {
		before := found(base, c)
		if len(breaking[c.ID])+len(mending[c.ID]) == 0 {
			t.Errorf("%s: no mutation shows that the control finds anything", c.ID)
		}
		for i, change := range breaking[c.ID] {
			broken := copied(base)
			change(broken)
			after := found(*broken, c)
			news := slices.ContainsFunc(after, func(f string) bool { return !slices.Contains(before, f) })
			if !news {
				t.Errorf("%s: mutation %d is not found", c.ID, i)
			}
		}
		for i, change := range mending[c.ID] {
			mended := copied(base)
			change(mended)
			if after := found(*mended, c); len(before) == 0 || len(after) != 0 {
				t.Errorf("%s: mutation %d mends the stack, findings before %d and after %v", c.ID, i, len(before), after)
			}
		}
		delete(breaking, c.ID)
		delete(mending, c.ID)
	}
	for id := range breaking {
		t.Errorf("mutations for %s, which is no control", id)
	}
	for id := range mending {
		t.Errorf("mutations for %s, which is no control", id)
	}
}
