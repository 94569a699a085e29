package emulator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	// packageName is the Pulumi package that the provider answers as.
	packageName = "aws"
	// Version is the version of the real provider whose resources are modeled: the one of the SDK in go.mod.
	Version = "7.40.0"
)

// provider answers the engine: it looks up the kind of a resource and translates between the engine's properties and
// the kind's objects.
type provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	cloud   *Cloud
	kinds   map[string]Kind
	invokes map[string]invoke
	fail    func(op Op, token, name string) error
	workDir string
	journal *journal
}

// target is the resource that a request is about.
type target struct {
	Kind
	urn resource.URN
}

// target finds the kind of the resource that urn names.
func (p *provider) target(urn string) (target, error) {
	parsed, err := resource.ParseURN(urn)
	if err != nil {
		return target{}, rpcerror.Newf(codes.InvalidArgument, "read URN %q: %v", urn, err)
	}
	kind, ok := p.kinds[string(parsed.Type())]
	if !ok {
		return target{}, rpcerror.Newf(codes.InvalidArgument,
			"resource type %q is unknown to the emulator: model it in infra/emulator, or do without it", parsed.Type())
	}
	return target{Kind: kind, urn: parsed}, nil
}

// bag is one set of properties in a request.
type bag struct {
	label string
	props *structpb.Struct
}

// open finds the kind of the resource that a request is about, and reads the request's properties in the order given.
func (p *provider) open(urn string, bags ...bag) (target, []resource.PropertyMap, error) {
	t, err := p.target(urn)
	if err != nil {
		return target{}, nil, err
	}
	opened := make([]resource.PropertyMap, len(bags))
	for i, b := range bags {
		if opened[i], err = p.unmarshal(b.label, b.props); err != nil {
			return target{}, nil, err
		}
	}
	return t, opened, nil
}

// enter notes what is about to be done to a resource, and fails where a test wants it to.
func (p *provider) enter(op Op, t target) error {
	p.journal.add(Call{Op: op, Token: t.Token, Name: t.urn.Name(), URN: string(t.urn)})
	if p.fail == nil {
		return nil
	}
	return p.fail(op, t.Token, t.urn.Name())
}

// fault words an error for the engine, which prints it under the resource.
func fault(op Op, t target, err error) error {
	return rpcerror.Newf(codes.Unknown, "%s %s %q: %v", op, t.Token, t.urn.Name(), err)
}

// Check refuses inputs that the real provider or AWS would refuse, all faults at once.
func (p *provider) Check(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	t, sets, err := p.open(request.GetUrn(), bag{"news", request.GetNews()})
	if err != nil {
		return nil, err
	}
	news := sets[0]
	return &pulumirpc.CheckResponse{Inputs: request.GetNews(), Failures: failures(t.check(toObject(news)))}, nil
}

func failures(faults []Fault) []*pulumirpc.CheckFailure {
	var out []*pulumirpc.CheckFailure
	for _, f := range faults {
		out = append(out, &pulumirpc.CheckFailure{Property: f.Property, Reason: f.Reason})
	}
	return out
}

// Diff tells what an update would change, and whether it replaces the resource.
func (p *provider) Diff(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	t, sets, err := p.open(request.GetUrn(), bag{"old inputs", request.GetOldInputs()}, bag{"news", request.GetNews()})
	if err != nil {
		return nil, err
	}
	olds, news := sets[0], sets[1]
	return t.diff(olds, news, request.GetIgnoreChanges()), nil
}

// Create makes the resource. In a preview it answers the inputs only: whatever else comes out is unknown.
func (p *provider) Create(ctx context.Context, request *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	t, sets, err := p.open(request.GetUrn(), bag{"inputs", request.GetProperties()})
	if err != nil {
		return nil, err
	}
	props := sets[0]
	if request.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: request.GetProperties()}, nil
	}
	if err := p.enter(OpCreate, t); err != nil {
		return nil, fault(OpCreate, t, err)
	}
	in := toObject(props)
	if t.Create == nil {
		outputs, err := marshal("outputs", outputs(t.Kind, in, props))
		return &pulumirpc.CreateResponse{Id: t.urn.Name(), Properties: outputs}, err
	}
	id, out, err := t.Create(ctx, p.cloud, in)
	if err != nil && id == "" {
		return nil, fault(OpCreate, t, err)
	}
	if out == nil { // it exists, and reading it back failed: the inputs are what is known of it
		out = in
	}
	properties, marshalErr := marshal("outputs", outputs(t.Kind, out, props))
	if marshalErr != nil {
		return nil, marshalErr
	}
	if err != nil {
		return nil, partial(fault(OpCreate, t, err), id, properties, request.GetProperties())
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: properties}, nil
}

// partial tells the engine that the resource exists though making it failed, so that it is kept in the state and a
// later run can repair or delete it.
func partial(err error, id string, properties, inputs *structpb.Struct) error {
	return rpcerror.WithDetails(err, &pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: properties, Inputs: inputs, Reasons: []string{rpcerror.Convert(err).Message()},
	})
}

// Read asks the emulator for the resource as it is now. An empty id says that it is gone.
func (p *provider) Read(ctx context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	t, sets, err := p.open(request.GetUrn(), bag{"state", request.GetProperties()}, bag{"inputs", request.GetInputs()})
	if err != nil {
		return nil, err
	}
	state, inputs := sets[0], sets[1]
	if t.Read == nil {
		return &pulumirpc.ReadResponse{Id: request.GetId(), Properties: request.GetProperties(), Inputs: request.GetInputs()}, nil
	}
	out, err := t.Read(ctx, p.cloud, request.GetId(), toObject(state))
	if errors.Is(err, ErrGone) {
		return &pulumirpc.ReadResponse{}, nil
	}
	if err != nil {
		return nil, fault(OpRead, t, err)
	}
	live := outputs(t.Kind, out, state)
	properties, err := marshal("outputs", live)
	if err != nil {
		return nil, err
	}
	found, err := marshal("inputs", drifted(inputs, state, live))
	if err != nil {
		return nil, err
	}
	return &pulumirpc.ReadResponse{Id: request.GetId(), Properties: properties, Inputs: found}, nil
}

// Update changes the resource in place. In a preview it answers the old outputs with the new inputs.
func (p *provider) Update(ctx context.Context, request *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	t, sets, err := p.open(request.GetUrn(), bag{"state", request.GetOlds()}, bag{"old inputs", request.GetOldInputs()}, bag{"news", request.GetNews()})
	if err != nil {
		return nil, err
	}
	state, olds, news := sets[0], sets[1], sets[2]
	if request.GetPreview() {
		properties, err := marshal("outputs", foreseen(state, olds, news))
		return &pulumirpc.UpdateResponse{Properties: properties}, err
	}
	if err := p.enter(OpUpdate, t); err != nil {
		return nil, fault(OpUpdate, t, err)
	}
	if t.Update == nil {
		return nil, fault(OpUpdate, t, errors.New("it cannot be changed in place"))
	}
	out, err := t.Update(ctx, p.cloud, request.GetId(), toObject(state), toObject(news))
	if err != nil {
		return nil, fault(OpUpdate, t, err)
	}
	properties, err := marshal("outputs", outputs(t.Kind, out, news))
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// foreseen is the state after an update that is only previewed.
func foreseen(state, olds, news resource.PropertyMap) resource.PropertyMap {
	out := state.Copy()
	for key := range olds {
		delete(out, key)
	}
	for key, value := range news {
		out[key] = value
	}
	return out
}

// Delete removes the resource; what is gone already is fine.
func (p *provider) Delete(ctx context.Context, request *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	t, sets, err := p.open(request.GetUrn(), bag{"state", request.GetProperties()})
	if err != nil {
		return nil, err
	}
	state := sets[0]
	if err := p.enter(OpDelete, t); err != nil {
		return nil, fault(OpDelete, t, err)
	}
	if t.Delete == nil {
		return &emptypb.Empty{}, nil
	}
	err = t.Delete(ctx, p.cloud, request.GetId(), toObject(state))
	if err != nil && !errors.Is(err, ErrGone) {
		return nil, fault(OpDelete, t, err)
	}
	return &emptypb.Empty{}, nil
}

// unmarshal reads properties as they came: unknowns and secrets are kept, references are the ids they point to.
func (p *provider) unmarshal(label string, props *structpb.Struct) (resource.PropertyMap, error) {
	out, err := plugin.UnmarshalProperties(props, plugin.MarshalOptions{
		Label: label, KeepUnknowns: true, KeepSecrets: true, SkipNulls: true, WorkingDirectory: p.workDir,
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", label, err)
	}
	return out, nil
}

func marshal(label string, props resource.PropertyMap) (*structpb.Struct, error) {
	out, err := plugin.MarshalProperties(props, plugin.MarshalOptions{Label: label, KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", label, err)
	}
	return out, nil
}

// outputs adds what the real provider adds to every resource, and makes a secret again of what was one in source.
func outputs(k Kind, out Object, source resource.PropertyMap) resource.PropertyMap {
	if out.Has("tags") {
		out = out.With(Object{"tagsAll": out["tags"]})
	} else {
		out = out.Without("tagsAll")
	}
	if !strings.HasPrefix(k.Token, "aws:iam/") { // the only global service of the stack
		out = out.With(Object{"region": Region})
	}
	props := toProperties(out)
	for key, value := range source {
		if now, ok := props[key]; ok && value.ContainsSecrets() && !now.IsSecret() {
			props[key] = resource.MakeSecret(now)
		}
	}
	return props
}
