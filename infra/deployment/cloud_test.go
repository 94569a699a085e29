package deployment

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// thing is the only resource type of cloud.
const thing = "aws:test/thing:Thing"

// cloud is a provider with one type of resource, which has a name (a new one is a new resource) and a size (which changes
// in place). Things of a name in refused cannot be made.
type cloud struct {
	pulumirpc.UnimplementedResourceProviderServer

	mu      sync.Mutex
	things  map[string]*structpb.Struct // by id, which is the name
	refused map[string]bool
}

// startCloud serves a cloud until the test ends and returns it with its port.
func startCloud(t *testing.T) (*cloud, int) {
	t.Helper()
	c := &cloud{things: map[string]*structpb.Struct{}, refused: map[string]bool{}}
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterResourceProviderServer(s, c)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(cancel)
		if err := <-handle.Done; err != nil {
			t.Error(err)
		}
	})
	return c, handle.Port
}

// names are the things that there are now, sorted.
func (c *cloud) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.things))
}

func (c *cloud) refuse(name string, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[name] = yes
}

// resize changes a thing behind the engine's back.
func (c *cloud) resize(name string, size float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.things[name].Fields["size"] = structpb.NewNumberValue(size)
}

func (c *cloud) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (c *cloud) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "7.0.0"}, nil
}

func (c *cloud) CheckConfig(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.GetNews()}, nil
}

func (c *cloud) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

func (c *cloud) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}

func (c *cloud) Check(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.GetNews()}, nil
}

func (c *cloud) Diff(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	answer := &pulumirpc.DiffResponse{
		Changes:         pulumirpc.DiffResponse_DIFF_NONE,
		HasDetailedDiff: true,
		DetailedDiff:    map[string]*pulumirpc.PropertyDiff{},
	}
	differ := func(key string) bool {
		return r.GetOlds().GetFields()[key].String() != r.GetNews().GetFields()[key].String()
	}
	if differ("size") {
		answer.Changes = pulumirpc.DiffResponse_DIFF_SOME
		answer.Diffs = append(answer.Diffs, "size")
		answer.DetailedDiff["size"] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_UPDATE}
	}
	if differ("name") {
		answer.Changes = pulumirpc.DiffResponse_DIFF_SOME
		answer.Diffs = append(answer.Diffs, "name")
		answer.Replaces = append(answer.Replaces, "name")
		answer.DetailedDiff["name"] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_UPDATE_REPLACE}
	}
	return answer, nil
}

func (c *cloud) Create(_ context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := r.GetProperties().GetFields()["name"].GetStringValue()
	if c.refused[name] {
		return nil, errors.New("limit exceeded: ask for more things")
	}
	if !r.GetPreview() {
		c.things[name] = r.GetProperties()
	}
	return &pulumirpc.CreateResponse{Id: name, Properties: r.GetProperties()}, nil
}

func (c *cloud) Read(_ context.Context, r *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	properties, ok := c.things[r.GetId()]
	if !ok {
		return &pulumirpc.ReadResponse{}, nil
	}
	return &pulumirpc.ReadResponse{Id: r.GetId(), Properties: properties, Inputs: properties}, nil
}

func (c *cloud) Update(_ context.Context, r *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !r.GetPreview() {
		c.things[r.GetId()] = r.GetNews()
	}
	return &pulumirpc.UpdateResponse{Properties: r.GetNews()}, nil
}

func (c *cloud) Delete(_ context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.things, r.GetId())
	return &emptypb.Empty{}, nil
}

// thingState is a thing in a program.
type thingState struct {
	pulumi.CustomResourceState
	Size pulumi.Float64Output `pulumi:"size"`
}

// makeThing registers a thing.
func makeThing(ctx *pulumi.Context, resource, name string, size float64, after ...pulumi.Resource) (*thingState, error) {
	made := &thingState{}
	err := ctx.RegisterResource(thing, resource, pulumi.Map{
		"name": pulumi.String(name),
		"size": pulumi.Float64(size),
	}, made, pulumi.DependsOn(after))
	return made, err
}
