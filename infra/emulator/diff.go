package emulator

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// diff compares the inputs of two runs of the program, property by property. What is unknown now counts as changed. It
// never asks for deletion before replacement: two things of one name cannot exist, so a program that fixes names must
// ask for it, or its replacement fails here as it does in AWS.
func (k Kind) diff(olds, news resource.PropertyMap, ignore []string) *pulumirpc.DiffResponse {
	answer := &pulumirpc.DiffResponse{
		Changes:         pulumirpc.DiffResponse_DIFF_NONE,
		HasDetailedDiff: true,
		DetailedDiff:    map[string]*pulumirpc.PropertyDiff{},
	}
	for _, name := range changed(olds, news) {
		if slices.Contains(ignore, name) {
			continue
		}
		replace := k.Update == nil || slices.Contains(k.Replace, name)
		answer.Changes = pulumirpc.DiffResponse_DIFF_SOME
		answer.Diffs = append(answer.Diffs, name)
		if replace {
			answer.Replaces = append(answer.Replaces, name)
		}
		key := resource.PropertyKey(name)
		answer.DetailedDiff[name] = &pulumirpc.PropertyDiff{
			Kind:      diffKind(olds[key].HasValue(), news[key].HasValue(), replace),
			InputDiff: true,
		}
	}
	return answer
}

// diffKind says what happened to a property that is there before or after.
func diffKind(before, after, replace bool) pulumirpc.PropertyDiff_Kind {
	switch {
	case !before && replace:
		return pulumirpc.PropertyDiff_ADD_REPLACE
	case !before:
		return pulumirpc.PropertyDiff_ADD
	case !after && replace:
		return pulumirpc.PropertyDiff_DELETE_REPLACE
	case !after:
		return pulumirpc.PropertyDiff_DELETE
	case replace:
		return pulumirpc.PropertyDiff_UPDATE_REPLACE
	default:
		return pulumirpc.PropertyDiff_UPDATE
	}
}

// changed are the names of the properties that differ, sorted.
func changed(olds, news resource.PropertyMap) []string {
	names := map[string]bool{}
	for key := range olds {
		names[string(key)] = true
	}
	for key := range news {
		names[string(key)] = true
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(names)), func(name string) bool {
		key := resource.PropertyKey(name)
		return !news[key].ContainsUnknowns() && sameValue(olds[key], news[key])
	})
}

// sameValue compares what is inside of secrets: that a value has become one is the business of the engine.
func sameValue(a, b resource.PropertyValue) bool {
	return resource.NewPropertyValue(toValue(a)).DeepEquals(resource.NewPropertyValue(toValue(b)))
}

// drifted are the inputs as the emulator has them: those whose output has changed since the state was written take the
// new value, so that the next preview shows the change and the next update takes it back. A document that merely is
// spelled otherwise has not drifted.
func drifted(inputs, state, live resource.PropertyMap) resource.PropertyMap {
	out := maps.Clone(inputs)
	for key := range inputs {
		before, now := state[key], live[key]
		if sameValue(before, now) || sameDocument(before, now) {
			continue
		}
		if !now.HasValue() {
			delete(out, key)
			continue
		}
		out[key] = now
	}
	return out
}

// sameDocument tells whether both are JSON of the same content.
func sameDocument(a, b resource.PropertyValue) bool {
	before, ok := toValue(a).(string)
	now, okNow := toValue(b).(string)
	if !ok || !okNow {
		return false
	}
	var x, y any
	if json.Unmarshal([]byte(before), &x) != nil || json.Unmarshal([]byte(now), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}
