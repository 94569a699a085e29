package emulator

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
)

// Object is a resource's inputs or outputs by their names in the engine: strings, float64, bool, []any, map[string]any
// and *archive.Archive. What is unknown in a preview is there, yet every reader answers its zero value; Known tells.
// Outputs may hold any Go value of these shapes: *string, []string, map[string]string or []Object do as well, and nil
// pointers are left out.
type Object map[string]any

// unknown stands for a value that a preview cannot know yet.
type unknown struct{}

// Has tells whether the value was given, be it unknown.
func (o Object) Has(key string) bool { return o[key] != nil }

// Known tells whether the value was given and nothing in it is unknown.
func (o Object) Known(key string) bool { return o.Has(key) && known(o[key]) }

func known(v any) bool {
	switch v := v.(type) {
	case unknown:
		return false
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !known(e) })
	case map[string]any:
		for _, e := range v {
			if !known(e) {
				return false
			}
		}
	}
	return true
}

// Str is the string, or "" without one.
func (o Object) Str(key string) string {
	s, _ := o[key].(string)
	return s
}

// StrPtr is the string, or nil without one; the clients of AWS take it so.
func (o Object) StrPtr(key string) *string {
	if s, ok := o[key].(string); ok {
		return &s
	}
	return nil
}

// Bool is the truth value, or false without one.
func (o Object) Bool(key string) bool {
	b, _ := o[key].(bool)
	return b
}

// BoolOr is the truth value, or fallback without one.
func (o Object) BoolOr(key string, fallback bool) bool {
	if b, ok := o[key].(bool); ok {
		return b
	}
	return fallback
}

// BoolPtr is the truth value, or nil without one.
func (o Object) BoolPtr(key string) *bool {
	if b, ok := o[key].(bool); ok {
		return &b
	}
	return nil
}

// Int is the number cut to its whole part, or 0 without one.
func (o Object) Int(key string) int {
	n, _ := o[key].(float64)
	return int(n)
}

// Int32 is Int for the clients of AWS.
func (o Object) Int32(key string) int32 { return int32(o.Int(key)) }

// Int32Ptr is the number, or nil without one.
func (o Object) Int32Ptr(key string) *int32 {
	if n, ok := o[key].(float64); ok {
		i := int32(n)
		return &i
	}
	return nil
}

// Float is the number, or 0 without one.
func (o Object) Float(key string) float64 {
	n, _ := o[key].(float64)
	return n
}

// List are the elements, or nil without any.
func (o Object) List(key string) []any {
	l, _ := o[key].([]any)
	return l
}

// Strings are the strings of a list; other elements are left out.
func (o Object) Strings(key string) []string {
	var out []string
	for _, e := range o.List(key) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Object is the nested object, or nil without one.
func (o Object) Object(key string) Object {
	m, _ := o[key].(map[string]any)
	return m
}

// Objects are the objects of a list; other elements are left out.
func (o Object) Objects(key string) []Object {
	var out []Object
	for _, e := range o.List(key) {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// StringMap are the strings of a nested object; other values are left out.
func (o Object) StringMap(key string) map[string]string {
	out := map[string]string{}
	for k, v := range o.Object(key) {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// Tags are the tags of the resource, never nil.
func (o Object) Tags() map[string]string { return o.StringMap("tags") }

// Archive is the content of an archive as the bytes of a zip, for the code of a function.
func (o Object) Archive(key string) ([]byte, error) {
	a, ok := o[key].(*archive.Archive)
	if !ok {
		return nil, fmt.Errorf("read archive %q: %T is not an archive", key, o[key])
	}
	packed, err := a.Bytes(archive.ZIPArchive)
	if err != nil {
		return nil, fmt.Errorf("read archive %q: %w", key, err)
	}
	return packed, nil
}

// With is a copy of o with the values of more laid over it. A nil value removes.
func (o Object) With(more Object) Object {
	out := maps.Clone(o)
	if out == nil {
		out = Object{}
	}
	for k, v := range more {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	return out
}

// Without is a copy of o that lacks the keys.
func (o Object) Without(keys ...string) Object {
	out := maps.Clone(o)
	for _, k := range keys {
		delete(out, k)
	}
	return out
}

// Only is a copy of o with just those of the keys that it has.
func (o Object) Only(keys ...string) Object {
	out := Object{}
	for _, k := range keys {
		if v, ok := o[k]; ok {
			out[k] = v
		}
	}
	return out
}

// toProperties is the way back, for outputs.
func toProperties(o Object) resource.PropertyMap {
	props := resource.PropertyMap{}
	for k, v := range o {
		if p := resource.NewPropertyValue(v); !p.IsNull() {
			props[resource.PropertyKey(k)] = p
		}
	}
	return props
}

// toObject unwraps secrets and marks unknowns.
func toObject(props resource.PropertyMap) Object {
	out := Object{}
	for k, v := range props {
		if plain := toValue(v); plain != nil {
			out[string(k)] = plain
		}
	}
	return out
}

func toValue(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return toValue(v.SecretValue().Element)
	case v.IsComputed():
		return unknown{}
	case v.IsOutput():
		if !v.OutputValue().Known {
			return unknown{}
		}
		return toValue(v.OutputValue().Element)
	case v.IsArray():
		list := make([]any, 0, len(v.ArrayValue()))
		for _, e := range v.ArrayValue() {
			list = append(list, toValue(e))
		}
		return list
	case v.IsObject():
		return map[string]any(toObject(v.ObjectValue()))
	default:
		return v.V
	}
}
