package emulator

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Handshake tells the engine what the provider understands. An attached provider learns nothing from it.
func (p *provider) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true, AcceptResources: true}, nil
}

// Attach accepts the engine that has found the provider; the provider has no business with it.
func (p *provider) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// GetPluginInfo is the version of the real provider that is modeled.
func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

// GetSchema names the package; programs in Go carry the rest of it in their SDK.
func (p *provider) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	return &pulumirpc.GetSchemaResponse{Schema: fmt.Sprintf(`{"name":%q,"version":%q}`, packageName, Version)}, nil
}

// CheckConfig refuses a provider for any region but us-east-1.
func (p *provider) CheckConfig(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	news, err := p.unmarshal("configuration", request.GetNews())
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: request.GetNews(), Failures: failures(checkRegion(toObject(news)))}, nil
}

func checkRegion(config Object) []Fault {
	if config.Has("region") && !config.Known("region") || config.Str("region") == Region {
		return nil
	}
	return []Fault{{"region", fmt.Sprintf("region %q is not supported: make the provider with region %q", config.Str("region"), Region)}}
}

// DiffConfig finds two configurations that differ, which in one region never needs new resources.
func (p *provider) DiffConfig(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := p.unmarshal("old configuration", request.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := p.unmarshal("configuration", request.GetNews())
	if err != nil {
		return nil, err
	}
	answer := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, Diffs: changed(olds, news)}
	if len(answer.Diffs) > 0 {
		answer.Changes = pulumirpc.DiffResponse_DIFF_SOME
	}
	return answer, nil
}

// Configure refuses the region again, because a configuration from the state is not checked.
func (p *provider) Configure(_ context.Context, request *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := p.unmarshal("configuration", request.GetArgs())
	if err != nil {
		return nil, err
	}
	if faults := checkRegion(toObject(args)); len(faults) > 0 {
		return nil, rpcerror.New(codes.InvalidArgument, faults[0].Reason)
	}
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, AcceptResources: true, SupportsPreview: true}, nil
}

// Cancel accepts; what is under way takes milliseconds and is let finish.
func (p *provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
