package emulator

import (
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

func TestDiffKinds(t *testing.T) {
	_, e := newThings(t)
	m := e.create(thingToken, "a", Object{"name": "a", "size": 3, "color": "red"})
	unknown := resource.MakeComputed(resource.NewProperty(""))
	cases := map[string]struct {
		news Object
		want map[string]pulumirpc.PropertyDiff_Kind
	}{
		"equal":            {m.in, nil},
		"changed":          {m.in.With(Object{"size": 4}), map[string]pulumirpc.PropertyDiff_Kind{"size": pulumirpc.PropertyDiff_UPDATE}},
		"unknown":          {m.in.With(Object{"size": unknown}), map[string]pulumirpc.PropertyDiff_Kind{"size": pulumirpc.PropertyDiff_UPDATE}},
		"added":            {m.in.With(Object{"shape": "round"}), map[string]pulumirpc.PropertyDiff_Kind{"shape": pulumirpc.PropertyDiff_ADD}},
		"removed":          {m.in.Without("color"), map[string]pulumirpc.PropertyDiff_Kind{"color": pulumirpc.PropertyDiff_DELETE}},
		"replaced":         {m.in.With(Object{"name": "b"}), map[string]pulumirpc.PropertyDiff_Kind{"name": pulumirpc.PropertyDiff_UPDATE_REPLACE}},
		"replaced unknown": {m.in.With(Object{"name": unknown}), map[string]pulumirpc.PropertyDiff_Kind{"name": pulumirpc.PropertyDiff_UPDATE_REPLACE}},
		"name removed":     {m.in.Without("name"), map[string]pulumirpc.PropertyDiff_Kind{"name": pulumirpc.PropertyDiff_DELETE_REPLACE}},
		"now a secret":     {m.in.With(Object{"color": resource.MakeSecret(resource.NewProperty("red"))}), nil},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			diff := m.diff(m.in, test.news)
			if len(diff.DetailedDiff) != len(test.want) || diff.DeleteBeforeReplace {
				t.Errorf("diff = %v, want %v and no deletion before replacement", diff, test.want)
			}
			for property, kind := range test.want {
				if got := diff.DetailedDiff[property]; got.GetKind() != kind || !got.GetInputDiff() {
					t.Errorf("diff of %s = %v, want %v of an input", property, got, kind)
				}
			}
		})
	}
	if diff := m.diff(m.in.Without("name"), m.in); diff.DetailedDiff["name"].Kind != pulumirpc.PropertyDiff_ADD_REPLACE {
		t.Errorf("a name that was not there before = %v, want a replacement", diff)
	}
	ignored, err := e.client.Diff(t.Context(), &pulumirpc.DiffRequest{
		Urn: urnOf(thingToken, "a"), OldInputs: e.pack(toProperties(m.in)), News: e.pack(toProperties(m.in.With(Object{"size": 4}))),
		IgnoreChanges: []string{"size"},
	})
	if err != nil || ignored.Changes != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("diff of an ignored change = %v, %v, want none", ignored, err)
	}
}

func TestDriftComesBackAsInput(t *testing.T) {
	s, e := newThings(t)
	m := e.create(thingToken, "a", Object{"name": "a", "size": 3, "color": "red", "policy": `{"a": 1, "b": 2}`, "password": "x"})
	s.made["a"] = Object{"name": "a", "size": 5, "color": "red", "policy": `{"b":2,"a":1}`}
	inputs, outputs, found := m.refresh()
	if !found || outputs.Int("size") != 5 {
		t.Fatalf("refresh = %v, %v, want size 5", outputs, found)
	}
	if got := m.diff(inputs, m.in).Diffs; !slices.Equal(got, []string{"password", "size"}) {
		t.Errorf("preview after the refresh changes %q, want size back and the lost password, not the policy that is only spelled otherwise", got)
	}
}
