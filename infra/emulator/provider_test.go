package emulator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

const (
	thingToken = "aws:test/thing:Thing"
	stateToken = "aws:test/note:Note"
)

// things is a service of two kinds without an emulator: things it makes, and notes that only the state has.
type things struct {
	made     map[string]Object
	createIt func(in Object) error // fails Create after the thing was made
}

func (s *things) kinds() []Kind {
	return []Kind{
		{Token: stateToken, StateOnly: "nobody emulates notes"},
		{
			Token: thingToken, Required: []string{"name", "size"}, Replace: []string{"name"},
			Check: func(in Object) []Fault {
				i := inspect(in)
				i.between("size", 1, 9)
				return i.found()
			},
			Create: func(_ context.Context, _ *Cloud, in Object) (string, Object, error) {
				if in.Str("name") == "" {
					return "", nil, errors.New("nothing was made")
				}
				s.made[in.Str("name")] = in
				var err error
				if s.createIt != nil {
					err = s.createIt(in)
				}
				return in.Str("name"), in.With(Object{"arn": "arn:" + in.Str("name")}), err
			},
			Read: func(_ context.Context, _ *Cloud, id string, state Object) (Object, error) {
				live, ok := s.made[id]
				if !ok {
					return nil, ErrGone
				}
				if live.Str("name") == "broken" {
					return nil, errors.New("no answer")
				}
				return state.With(live).Without(missingFrom(keys(live), []string{"password"})...), nil
			},
			Update: func(_ context.Context, _ *Cloud, id string, state, in Object) (Object, error) {
				if in.Int("size") == 9 {
					return nil, errors.New("too large")
				}
				s.made[id] = in
				return state.With(in), nil
			},
			Delete: func(_ context.Context, _ *Cloud, id string, _ Object) error {
				if _, ok := s.made[id]; !ok {
					return ErrGone
				}
				if id == "locked" {
					return refuse("DependencyViolation", "%s is in use", id)
				}
				delete(s.made, id)
				return nil
			},
		},
	}
}

func keys(o Object) []string {
	var out []string
	for k := range o {
		out = append(out, k)
	}
	return out
}

func newThings(t *testing.T) (*things, *engine) {
	t.Helper()
	s := &things{made: map[string]Object{}}
	return s, engineOn(t, &Cloud{Account: "123456789012"}, Options{Kinds: s.kinds()})
}

func TestCheckReportsAllFaults(t *testing.T) {
	_, e := newThings(t)
	want := []string{
		`name: missing required argument: aws:test/thing:Thing needs "name"`,
		`size: missing required argument: aws:test/thing:Thing needs "size"`,
	}
	if got := e.faults(thingToken, Object{"color": "red"}); !slices.Equal(got, want) {
		t.Errorf("faults = %q, want %q", got, want)
	}
	want = []string{"size: InvalidParameterValue: set a whole number from 1 to 9, not 10"}
	if got := e.faults(thingToken, Object{"name": "a", "size": 10}); !slices.Equal(got, want) {
		t.Errorf("faults = %q, want %q", got, want)
	}
}

func TestCheckTakesUnknownsAsGiven(t *testing.T) {
	_, e := newThings(t)
	unknown := resource.MakeComputed(resource.NewProperty(""))
	if got := e.faults(thingToken, Object{"name": unknown, "size": unknown}); len(got) != 0 {
		t.Errorf("faults of unknown inputs = %q, want none", got)
	}
}

func TestUnknownTypesAreRefused(t *testing.T) {
	_, e := newThings(t)
	const want = `resource type "aws:s3/bucket:Bucket" is unknown to the emulator`
	urn, ctx := urnOf("aws:s3/bucket:Bucket", "b"), t.Context()
	empty := e.pack(resource.PropertyMap{})
	calls := map[string]func() error{
		"check": func() error { _, err := e.client.Check(ctx, &pulumirpc.CheckRequest{Urn: urn}); return err },
		"diff":  func() error { _, err := e.client.Diff(ctx, &pulumirpc.DiffRequest{Urn: urn}); return err },
		"create": func() error {
			_, err := e.client.Create(ctx, &pulumirpc.CreateRequest{Urn: urn, Properties: empty})
			return err
		},
		"read":   func() error { _, err := e.client.Read(ctx, &pulumirpc.ReadRequest{Urn: urn}); return err },
		"update": func() error { _, err := e.client.Update(ctx, &pulumirpc.UpdateRequest{Urn: urn}); return err },
		"delete": func() error { _, err := e.client.Delete(ctx, &pulumirpc.DeleteRequest{Urn: urn}); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) { refused(t, call(), want) })
	}
	_, err := e.client.Check(ctx, &pulumirpc.CheckRequest{Urn: "thing"})
	refused(t, err, `read URN "thing"`)
}

func TestPreviewMakesNothing(t *testing.T) {
	s, e := newThings(t)
	in := resource.PropertyMap{"name": resource.MakeComputed(resource.NewProperty("")), "size": resource.NewProperty(3.0)}
	answer, err := e.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urnOf(thingToken, "a"), Properties: e.pack(in), Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	got := e.unpack(answer.Properties)
	if answer.Id != "" || len(got) != 2 || !got["name"].IsComputed() || got["size"].NumberValue() != 3 {
		t.Errorf("preview = id %q, %v, want the inputs as they were", answer.Id, got)
	}
	if len(s.made) != 0 || len(e.server.Calls()) != 0 {
		t.Errorf("a preview made %v and noted %v", s.made, e.server.Calls())
	}
}

func TestPreviewOfAnUpdate(t *testing.T) {
	s, e := newThings(t)
	m := e.create(thingToken, "a", Object{"name": "a", "size": 3, "color": "red"})
	news := resource.PropertyMap{"name": resource.NewProperty("a"), "size": resource.MakeComputed(resource.NewProperty(0.0))}
	answer, err := e.client.Update(t.Context(), &pulumirpc.UpdateRequest{
		Id: m.id, Urn: urnOf(thingToken, "a"), Olds: e.pack(toProperties(m.out)), OldInputs: e.pack(toProperties(m.in)),
		News: e.pack(news), Preview: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := e.unpack(answer.Properties)
	if !got["size"].IsComputed() || got["arn"].StringValue() != "arn:a" || got.HasValue("color") {
		t.Errorf("preview of the update = %v, want an unknown size, the old arn, and no color", got)
	}
	if s.made["a"].Int("size") != 3 {
		t.Errorf("the preview changed the thing to %v", s.made["a"])
	}
}

func TestSecretsStaySecret(t *testing.T) {
	s, e := newThings(t)
	secret := resource.MakeSecret(resource.NewProperty("hunter2"))
	in := resource.PropertyMap{"name": resource.NewProperty("a"), "size": resource.NewProperty(1.0), "password": secret}
	answer, err := e.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urnOf(thingToken, "a"), Properties: e.pack(in)})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.made["a"].Str("password"); got != "hunter2" {
		t.Errorf("the kind saw password %q, want it unwrapped", got)
	}
	out := e.unpack(answer.Properties)
	if !out["password"].IsSecret() || out["password"].SecretValue().Element.StringValue() != "hunter2" || out["name"].IsSecret() {
		t.Errorf("outputs = %v, want the password, and only it, as a secret", out)
	}
	read, err := e.client.Read(t.Context(), &pulumirpc.ReadRequest{
		Id: "a", Urn: urnOf(thingToken, "a"), Properties: answer.Properties, Inputs: e.pack(in),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := e.unpack(read.Properties); !got["password"].IsSecret() {
		t.Errorf("outputs after refresh = %v, want the password as a secret", got)
	}
	if got := e.unpack(read.Inputs); !got["password"].IsSecret() {
		t.Errorf("inputs after refresh = %v, want the password as a secret", got)
	}
}

func TestReadOfWhatIsGone(t *testing.T) {
	s, e := newThings(t)
	m := e.create(thingToken, "a", Object{"name": "a", "size": 3})
	delete(s.made, "a")
	if _, _, found := m.refresh(); found {
		t.Error("a thing that is gone was found")
	}
	if err := m.tryDelete(); err != nil {
		t.Errorf("deleting what is gone = %v, want no error", err)
	}
	s.made["a"] = Object{"name": "broken"}
	_, err := e.client.Read(t.Context(), &pulumirpc.ReadRequest{Id: "a", Urn: urnOf(thingToken, "a"), Properties: e.pack(toProperties(m.out))})
	refused(t, err, `read aws:test/thing:Thing "a": no answer`)
}

func TestErrorsNameTheResource(t *testing.T) {
	s, e := newThings(t)
	_, err := e.try(thingToken, "nameless", Object{})
	refused(t, err, `create aws:test/thing:Thing "nameless": nothing was made`)
	m := e.create(thingToken, "b", Object{"name": "locked", "size": 3})
	refused(t, m.tryUpdate(m.in.With(Object{"size": 9})), `update aws:test/thing:Thing "b": too large`)
	refused(t, m.tryDelete(), `delete aws:test/thing:Thing "b": api error DependencyViolation: locked is in use`)
	if len(s.made) != 1 {
		t.Errorf("made = %v, want the locked thing only", s.made)
	}
}

func TestWhatWasMadeInPartIsKept(t *testing.T) {
	s, e := newThings(t)
	s.createIt = func(Object) error { return errors.New("tagging failed") }
	_, err := e.try(thingToken, "a", Object{"name": "a", "size": 3})
	refused(t, err, "tagging failed")
	for _, detail := range rpcerror.Convert(err).Details() {
		if kept, ok := detail.(*pulumirpc.ErrorResourceInitFailed); ok {
			out := toObject(e.unpack(kept.Properties))
			if kept.Id != "a" || out.Str("arn") != "arn:a" || !strings.Contains(kept.Reasons[0], "tagging failed") {
				t.Errorf("kept = %v, want the id, the outputs and the reason", kept)
			}
			return
		}
	}
	t.Error("the engine was not told to keep the thing that was made")
}

func TestKindsInTheStateOnly(t *testing.T) {
	_, e := newThings(t)
	note := e.create(stateToken, "note", Object{"text": "hello"})
	if note.id != "note" || note.out.Str("text") != "hello" {
		t.Errorf("note = %q %v, want its name as id and its inputs", note.id, note.out)
	}
	refused(t, note.tryUpdate(Object{"text": "bye"}), "cannot be changed in place")
	note.replaces(Object{"text": "bye"})
	if err := note.tryDelete(); err != nil {
		t.Error(err)
	}
}
