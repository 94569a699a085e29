package emulator

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestConfiguration(t *testing.T) {
	_, e := newThings(t)
	ctx := t.Context()
	const refusal = `region "eu-west-1" is not supported: make the provider with region "us-east-1"`
	region := func(value any) *pulumirpc.CheckRequest {
		return &pulumirpc.CheckRequest{News: e.pack(toProperties(Object{"region": value}))}
	}
	for value, faults := range map[any]int{"us-east-1": 0, "eu-west-1": 1, resource.MakeComputed(resource.NewProperty("")): 0, "": 1} {
		answer, err := e.client.CheckConfig(ctx, region(value))
		if err != nil || len(answer.Failures) != faults {
			t.Errorf("CheckConfig of %v = %v, %v, want %d faults", value, answer.GetFailures(), err, faults)
		}
	}
	answer, err := e.client.CheckConfig(ctx, region("eu-west-1"))
	if err != nil || answer.Failures[0].Reason != refusal || answer.Failures[0].Property != "region" {
		t.Errorf("CheckConfig = %v, %v, want %q", answer, err, refusal)
	}
	_, err = e.client.Configure(ctx, &pulumirpc.ConfigureRequest{Args: region("eu-west-1").News})
	refused(t, err, refusal)
	_, err = e.client.Configure(ctx, &pulumirpc.ConfigureRequest{})
	refused(t, err, `region "" is not supported`)
	done, err := e.client.Configure(ctx, &pulumirpc.ConfigureRequest{Args: region("us-east-1").News})
	if err != nil || !done.AcceptSecrets || !done.SupportsPreview || !done.AcceptResources || done.AcceptOutputs {
		t.Errorf("Configure = %v, %v, want secrets, resources and previews", done, err)
	}
}

func TestDiffConfig(t *testing.T) {
	_, e := newThings(t)
	request := func(olds, news Object) *pulumirpc.DiffRequest {
		return &pulumirpc.DiffRequest{OldInputs: e.pack(toProperties(olds)), News: e.pack(toProperties(news))}
	}
	same, err := e.client.DiffConfig(t.Context(), request(Object{"region": Region}, Object{"region": Region}))
	if err != nil || same.Changes != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("DiffConfig of equal configurations = %v, %v, want none", same, err)
	}
	other, err := e.client.DiffConfig(t.Context(), request(Object{"region": Region}, Object{"region": Region, "profile": "x"}))
	if err != nil || !slices.Equal(other.Diffs, []string{"profile"}) || len(other.Replaces) != 0 {
		t.Errorf("DiffConfig = %v, %v, want the profile, and nothing replaced", other, err)
	}
}

func TestProtocol(t *testing.T) {
	_, e := newThings(t)
	ctx := t.Context()
	shake, err := e.client.Handshake(ctx, &pulumirpc.ProviderHandshakeRequest{EngineAddress: "127.0.0.1:1"})
	if err != nil || !shake.AcceptSecrets || shake.AcceptOutputs {
		t.Errorf("Handshake = %v, %v, want secrets but no outputs", shake, err)
	}
	if _, err := e.client.Attach(ctx, &pulumirpc.PluginAttach{Address: "127.0.0.1:1"}); err != nil {
		t.Error(err)
	}
	if _, err := e.client.Cancel(ctx, &emptypb.Empty{}); err != nil {
		t.Error(err)
	}
	info, err := e.client.GetPluginInfo(ctx, &emptypb.Empty{})
	if err != nil || info.Version != Version {
		t.Errorf("GetPluginInfo = %v, %v, want %s", info, err, Version)
	}
	schema, err := e.client.GetSchema(ctx, &pulumirpc.GetSchemaRequest{})
	if want := `{"name":"aws","version":"` + Version + `"}`; err != nil || schema.Schema != want {
		t.Errorf("GetSchema = %v, %v, want %s", schema, err, want)
	}
}

func TestVersionIsThatOfTheSDK(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`pulumi-aws/sdk/v7 v(\S+)`).FindSubmatch(text)
	if found == nil || string(found[1]) != Version {
		t.Errorf("go.mod has %q, the emulator models %s: bring both together", found, Version)
	}
}
