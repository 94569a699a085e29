package controls

import (
	"fmt"
	"slices"
)

// rule is what must hold of one input.
type rule struct {
	field  string
	holds  func(in *inspection, value any) bool
	advice string
}

// every makes a check of rules that hold for each resource of a type.
func every(token string, rules ...rule) func(*inspection) {
	return func(in *inspection) {
		in.each(token, func(r *Resource) {
			for _, rule := range rules {
				in.want(rule.holds(in, r.Input(rule.field)), r, rule.field, rule.advice)
			}
		})
	}
}

// both runs two checks as one.
func both(first, second func(*inspection)) func(*inspection) {
	return func(in *inspection) {
		first(in)
		second(in)
	}
}

// is wants the value itself.
func is(field string, want any) rule {
	return rule{field, func(_ *inspection, v any) bool { return v == want }, fmt.Sprintf("set it to %v", want)}
}

// oneOf wants one of some values.
func oneOf(field string, want ...any) rule {
	return rule{field, func(_ *inspection, v any) bool { return slices.Contains(want, v) }, fmt.Sprintf("set it to one of %v", want)}
}

// isNot refuses a value; an absent input is fine, for where AWS's default is.
func isNot(field string, refused any) rule {
	return rule{field, func(_ *inspection, v any) bool { return v != refused }, fmt.Sprintf("must not be %v", refused)}
}

// atLeast wants a number.
func atLeast(field string, least float64) rule {
	return rule{field, func(_ *inspection, v any) bool { n, ok := v.(float64); return ok && n >= least }, fmt.Sprintf("set it to %v at least", least)}
}

// between wants a number in a range, ends included.
func between(field string, least, most float64) rule {
	return rule{field, func(_ *inspection, v any) bool { n, ok := v.(float64); return ok && n >= least && n <= most }, fmt.Sprintf("set it to %v up to %v", least, most)}
}

// given wants anything that is not empty.
func given(field string) rule {
	return rule{field, func(_ *inspection, v any) bool { return !empty(v) }, "state it"}
}

// absent wants the input unset or empty.
func absent(field string) rule {
	return rule{field, func(_ *inspection, v any) bool { return empty(v) }, "leave it unset"}
}

// lists wants a list that holds all the values.
func lists(field string, want ...string) rule {
	return rule{field, func(_ *inspection, v any) bool {
		list := texts(v)
		return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(list, w) })
	}, fmt.Sprintf("must list %v", want)}
}

// ownKey wants a key that the stack makes: a customer-managed one, so that access to it is ours to say.
func ownKey(field string) rule {
	return rule{field, func(in *inspection, v any) bool { return in.key(v) != nil }, "name one of the stack's own KMS keys"}
}

// key is the stack's key of this id or ARN; nil if it has none.
func (in *inspection) key(ref any) *Resource {
	for _, k := range in.ofType(kmsKey) {
		if ref != nil && ref != "" && (ref == k.ID || ref == k.Output("arn")) {
			return k
		}
	}
	return nil
}

// byID is the resource of the type that a reference (id, ARN or name) means; nil if there is none.
func (in *inspection) byID(token string, ref any) *Resource {
	for _, r := range in.ofType(token) {
		if ref != nil && ref != "" && (ref == r.ID || ref == r.Output("arn") || ref == r.Output("name")) {
			return r
		}
	}
	return nil
}

// empty holds for what is unset, and for empty texts, lists and objects.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// texts is a list's strings, or one string as a list.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// parameter is the value in a database's or cache's parameter group, and how it is applied; empty if it is not set.
func parameter(group *Resource, name string) (value, method string) {
	for _, p := range group.List("parameters") {
		object, _ := p.(map[string]any)
		if object["name"] == name {
			value, _ = object["value"].(string)
			method, _ = object["applyMethod"].(string)
		}
	}
	return value, method
}
