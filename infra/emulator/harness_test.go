package emulator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fastshop/pipeline/infra/emulator/moto"
	"github.com/fastshop/pipeline/infra/emulator/moto/mototest"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
)

type started struct {
	cloud *Cloud
	err   error
}

// emulated starts the one emulator of the test process, which ends with it.
var emulated = sync.OnceValue(func() started {
	m, err := moto.Start(context.Background())
	if err != nil {
		return started{err: err}
	}
	cloud, err := NewCloud(context.Background(), m.Endpoint())
	return started{cloud, err}
})

// cloud is the shared emulator.
func cloud(t *testing.T) *Cloud {
	t.Helper()
	s := emulated()
	mototest.Need(t, s.err)
	return s.cloud
}

// engine plays the part of the Pulumi engine towards a provider.
type engine struct {
	t      *testing.T
	cloud  *Cloud
	server *Server
	client pulumirpc.ResourceProviderClient
}

func newEngine(t *testing.T, options Options) *engine {
	t.Helper()
	return engineOn(t, cloud(t), options)
}

func engineOn(t *testing.T, c *Cloud, options Options) *engine {
	t.Helper()
	server, err := Serve(t.Context(), c, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", server.Port()), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &engine{t: t, cloud: c, server: server, client: pulumirpc.NewResourceProviderClient(conn)}
}

func urnOf(token, name string) string {
	return "urn:pulumi:dev::fastshop::tap:stack:TapStack$" + token + "::" + name
}

func (e *engine) pack(props resource.PropertyMap) *structpb.Struct {
	e.t.Helper()
	out, err := plugin.MarshalProperties(props, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, ComputeAssetHashes: true})
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

func (e *engine) unpack(props *structpb.Struct) resource.PropertyMap {
	e.t.Helper()
	out, err := plugin.UnmarshalProperties(props, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

// faults are what Check finds, as "property: reason".
func (e *engine) faults(token string, in Object) []string {
	e.t.Helper()
	answer, err := e.client.Check(e.t.Context(), &pulumirpc.CheckRequest{Urn: urnOf(token, "checked"), News: e.pack(toProperties(in))})
	if err != nil {
		e.t.Fatal(err)
	}
	var out []string
	for _, f := range answer.Failures {
		out = append(out, f.Property+": "+f.Reason)
	}
	return out
}

// made is a resource as the engine knows it.
type made struct {
	*engine
	token, name, id string
	in, out         Object
}

// try creates a resource without looking at it any further.
func (e *engine) try(token, name string, in Object) (*made, error) {
	e.t.Helper()
	answer, err := e.client.Create(e.t.Context(), &pulumirpc.CreateRequest{Urn: urnOf(token, name), Properties: e.pack(toProperties(in))})
	if err != nil {
		return nil, err
	}
	return &made{e, token, name, answer.Id, in, toObject(e.unpack(answer.Properties))}, nil
}

// create checks the inputs, previews and creates the resource, reads it back and finds that nothing has to change.
func (e *engine) create(token, name string, in Object) *made {
	e.t.Helper()
	if faults := e.faults(token, in); len(faults) > 0 {
		e.t.Fatalf("check %s: %q", token, faults)
	}
	preview, err := e.client.Create(e.t.Context(), &pulumirpc.CreateRequest{
		Urn: urnOf(token, name), Properties: e.pack(toProperties(in)), Preview: true,
	})
	if err != nil || preview.Id != "" {
		e.t.Fatalf("preview of %s = id %q, %v", token, preview.GetId(), err)
	}
	m, err := e.try(token, name, in)
	if err != nil {
		e.t.Fatalf("create %s: %v", token, err)
	}
	if m.id == "" {
		e.t.Fatalf("create %s: no id", token)
	}
	m.settled()
	return m
}

// settled fails unless a refresh finds the state as it was written, and equal inputs make no change.
func (m *made) settled() {
	m.t.Helper()
	inputs, outputs, found := m.refresh()
	if !found {
		m.t.Fatalf("read %s: it is gone", m.token)
	}
	for _, name := range changed(toProperties(m.out), toProperties(outputs)) {
		m.t.Errorf("read %s: %s = %v, want %v as created", m.token, name, outputs[name], m.out[name])
	}
	if diff := m.diff(inputs, m.in); diff.Changes != pulumirpc.DiffResponse_DIFF_NONE {
		m.t.Errorf("equal inputs of %s changed %q", m.token, diff.Diffs)
	}
}

// refresh reads the resource as the engine does for pulumi refresh.
func (m *made) refresh() (inputs, outputs Object, found bool) {
	m.t.Helper()
	answer, err := m.client.Read(m.t.Context(), &pulumirpc.ReadRequest{
		Id: m.id, Urn: urnOf(m.token, m.name), Properties: m.pack(toProperties(m.out)), Inputs: m.pack(toProperties(m.in)),
	})
	if err != nil {
		m.t.Fatalf("read %s: %v", m.token, err)
	}
	return toObject(m.unpack(answer.Inputs)), toObject(m.unpack(answer.Properties)), answer.Id == m.id
}

func (m *made) diff(olds, news Object) *pulumirpc.DiffResponse {
	m.t.Helper()
	answer, err := m.client.Diff(m.t.Context(), &pulumirpc.DiffRequest{
		Id: m.id, Urn: urnOf(m.token, m.name), Olds: m.pack(toProperties(m.out)),
		OldInputs: m.pack(toProperties(olds)), News: m.pack(toProperties(news)),
	})
	if err != nil {
		m.t.Fatalf("diff %s: %v", m.token, err)
	}
	return answer
}

// update lays changes over the inputs, and finds that they are made in place and stay.
func (m *made) update(changes Object) {
	m.t.Helper()
	news := m.in.With(changes)
	if faults := m.faults(m.token, news); len(faults) > 0 {
		m.t.Fatalf("check %s: %q", m.token, faults)
	}
	diff := m.diff(m.in, news)
	if len(diff.Diffs) != len(changes) || len(diff.Replaces) > 0 {
		m.t.Fatalf("diff of %s = %q replacing %q, want %d changes in place", m.token, diff.Diffs, diff.Replaces, len(changes))
	}
	if err := m.tryUpdate(news); err != nil {
		m.t.Fatalf("update %s: %v", m.token, err)
	}
	m.settled()
}

func (m *made) tryUpdate(news Object) error {
	m.t.Helper()
	answer, err := m.client.Update(m.t.Context(), &pulumirpc.UpdateRequest{
		Id: m.id, Urn: urnOf(m.token, m.name), Olds: m.pack(toProperties(m.out)),
		OldInputs: m.pack(toProperties(m.in)), News: m.pack(toProperties(news)),
	})
	if err != nil {
		return err
	}
	m.in, m.out = news, toObject(m.unpack(answer.Properties))
	return nil
}

// replaces fails unless the changes make a new resource, each of them.
func (m *made) replaces(changes Object) {
	m.t.Helper()
	for key, value := range changes {
		diff := m.diff(m.in, m.in.With(Object{key: value}))
		if !slices.Equal(diff.Replaces, []string{key}) {
			m.t.Errorf("new %s of %s replaces for %q, want for %q", key, m.token, diff.Replaces, key)
		}
	}
}

func (m *made) tryDelete() error {
	m.t.Helper()
	_, err := m.client.Delete(m.t.Context(), &pulumirpc.DeleteRequest{
		Id: m.id, Urn: urnOf(m.token, m.name), Properties: m.pack(toProperties(m.out)), OldInputs: m.pack(toProperties(m.in)),
	})
	return err
}

// delete removes the resource, finds it gone, and may do so again.
func (m *made) delete() {
	m.t.Helper()
	for range 2 {
		if err := m.tryDelete(); err != nil {
			m.t.Fatalf("delete %s: %v", m.token, err)
		}
		if _, _, found := m.refresh(); found {
			m.t.Fatalf("%s is still there after its deletion", m.token)
		}
	}
}

// refused fails unless err carries the text, such as an error code of AWS.
func refused(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error = %v, want one with %q", err, text)
	}
}

// equal fails unless the outputs have the values.
func (m *made) equal(want Object) {
	m.t.Helper()
	for key, value := range want {
		if a, b := toProperties(m.out)[resource.PropertyKey(key)], resource.NewPropertyValue(value); !sameValue(a, b) {
			m.t.Errorf("%s of %s = %v, want %v", key, m.token, m.out[key], value)
		}
	}
}
