package emulator

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
)

func sample() Object {
	unknown := resource.MakeComputed(resource.NewProperty(""))
	return toObject(resource.PropertyMap{
		"s": resource.NewProperty("text"), "n": resource.NewProperty(2.9), "b": resource.NewProperty(true),
		"null": resource.NewNullProperty(), "secret": resource.MakeSecret(resource.NewProperty("x")), "unknown": unknown,
		"output":  resource.NewProperty(resource.Output{Element: resource.NewProperty("known"), Known: true}),
		"pending": resource.NewProperty(resource.Output{Known: false}),
		"list":    resource.NewProperty([]resource.PropertyValue{resource.NewProperty("a"), unknown, resource.NewProperty(1.0)}),
		"object":  resource.NewProperty(resource.PropertyMap{"k": resource.NewProperty("v"), "n": resource.NewProperty(1.0), "u": unknown}),
		"objects": resource.NewProperty([]resource.PropertyValue{
			resource.NewProperty(resource.PropertyMap{"name": resource.NewProperty("first")}), resource.NewProperty("text"),
		}),
		"tags": resource.NewProperty(resource.PropertyMap{"Name": resource.NewProperty("n")}),
	})
}

func TestObjectReaders(t *testing.T) {
	o := sample()
	for name, pair := range map[string][2]any{
		"string":             {o.Str("s"), "text"},
		"string of none":     {o.Str("none"), ""},
		"string of a number": {o.Str("n"), ""},
		"secret":             {o.Str("secret"), "x"},
		"output":             {o.Str("output"), "known"},
		"string pointer":     {*o.StrPtr("s"), "text"},
		"no string pointer":  {o.StrPtr("none") == nil, true},
		"bool":               {o.Bool("b"), true},
		"no bool":            {o.Bool("s"), false},
		"bool or":            {o.BoolOr("b", false), true},
		"fallback":           {o.BoolOr("none", true), true},
		"bool pointer":       {*o.BoolPtr("b"), true},
		"no bool pointer":    {o.BoolPtr("none") == nil, true},
		"int":                {o.Int("n"), 2},
		"int32":              {o.Int32("n"), int32(2)},
		"int32 pointer":      {*o.Int32Ptr("n"), int32(2)},
		"no int32 pointer":   {o.Int32Ptr("s") == nil, true},
		"float":              {o.Float("n"), 2.9},
		"strings":            {o.Strings("list"), []string{"a"}},
		"object":             {o.Object("object").Str("k"), "v"},
		"no object":          {o.Object("s").Str("k"), ""},
		"objects":            {len(o.Objects("objects")), 1},
		"object in a list":   {o.Objects("objects")[0].Str("name"), "first"},
		"string map":         {o.StringMap("object"), map[string]string{"k": "v"}},
		"tags":               {o.Tags(), map[string]string{"Name": "n"}},
		"no tags":            {Object(nil).Tags(), map[string]string{}},
	} {
		if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestObjectKnowsWhatIsGivenAndKnown(t *testing.T) {
	o := sample()
	for key, want := range map[string][2]bool{
		"s": {true, true}, "secret": {true, true}, "output": {true, true}, "objects": {true, true}, "tags": {true, true},
		"unknown": {true, false}, "pending": {true, false}, "list": {true, false}, "object": {true, false},
		"null": {false, false}, "none": {false, false},
	} {
		if got := [2]bool{o.Has(key), o.Known(key)}; got != want {
			t.Errorf("%s: given and known = %v, want %v", key, got, want)
		}
	}
}

func TestObjectCopies(t *testing.T) {
	o := Object{"a": 1, "b": 2}
	if diff := cmp.Diff(Object{"a": 1, "c": 3}, o.With(Object{"b": nil, "c": 3})); diff != "" {
		t.Errorf("With (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Object{"c": 3}, Object(nil).With(Object{"c": 3})); diff != "" {
		t.Errorf("With of nothing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Object{"b": 2}, o.Without("a", "z")); diff != "" {
		t.Errorf("Without (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Object{"a": 1}, o.Only("a", "z")); diff != "" {
		t.Errorf("Only (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Object{"a": 1, "b": 2}, o); diff != "" {
		t.Errorf("a copy changed its original (-want +got):\n%s", diff)
	}
}

func TestOutputsOfAnyShape(t *testing.T) {
	text, none := "text", (*string)(nil)
	got := toObject(toProperties(Object{
		"pointer": &text, "none": none, "strings": []string{"a"}, "map": map[string]string{"k": "v"}, "objects": []Object{{"n": int32(1)}},
	}))
	want := Object{
		"pointer": "text", "strings": []any{"a"}, "map": map[string]any{"k": "v"}, "objects": []any{map[string]any{"n": 1.0}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestArchiveIsZipped(t *testing.T) {
	code, err := archive.FromAssets(map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	packed, err := Object{"code": code}.Archive("code")
	if err != nil || !strings.HasPrefix(string(packed), "PK") {
		t.Errorf("Archive = %q, %v, want a zip", packed, err)
	}
	_, err = Object{"code": "text"}.Archive("code")
	refused(t, err, `read archive "code": string is not an archive`)
	_, err = Object{"code": &archive.Archive{Path: filepath.Join(t.TempDir(), "none.zip"), Sig: archive.ArchiveSig}}.Archive("code")
	refused(t, err, `read archive "code"`)
}
