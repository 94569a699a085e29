package tapstack

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/cloudwatch"
	awsconfig "github.com/pulumi/pulumi-aws/sdk/v7/go/aws/config"
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/sizing"
)

// TapStack is the whole infrastructure of one environment. Its outputs are in Outputs.
type TapStack struct {
	pulumi.ResourceState

	args    TapStackArgs
	rules   []NameRule
	account string // twelve digits
	zones   []string
	load    sizing.Stream // of a provisioned stream

	// How every resource is registered: see add.
	ctx      *pulumi.Context
	opts     []pulumi.ResourceOption
	provider *aws.Provider

	network  network
	groups   groups
	keys     keys
	logs     map[string]*cloudwatch.LogGroup
	topic    *sns.Topic
	stream   stream
	queue    queue
	database database
	cache    cache
	keystore keystore
	roles    roles
	compute  compute
	edge     edge

	outputs pulumi.Map
}

// failure carries a resource's fault from add to NewTapStack, and nowhere else.
type failure struct{ error }

// NewTapStack registers the component and everything in it. Arguments are checked first, all faults reported at once
// (ErrArgs), before anything is registered. The name is the component's own; the physical names follow from the suffix.
func NewTapStack(ctx *pulumi.Context, name string, args *TapStackArgs, opts ...pulumi.ResourceOption) (s *TapStack, err error) {
	if args == nil {
		args = &TapStackArgs{}
	}
	if err := args.check(ctx); err != nil {
		return nil, err
	}
	s = &TapStack{args: args.withDefaults(), rules: NameRules(), ctx: ctx}
	if err := ctx.RegisterComponentResource("tap:stack:TapStack", name, s, opts...); err != nil {
		return nil, fmt.Errorf("register the component: %w", err)
	}
	defer func() {
		if r := recover(); r != nil {
			f, ours := r.(failure)
			if !ours {
				panic(r)
			}
			s, err = nil, f.error
		}
	}()
	s.build()
	s.must("register the outputs", ctx.RegisterResourceOutputs(s, s.outputs))
	return s, nil
}

// build makes everything, in the order in which it is needed.
func (s *TapStack) build() {
	s.size()
	s.locate()
	s.buildNetwork()
	s.buildGroups()
	s.buildEgress()
	s.buildKeys()
	s.buildLogs()
	s.buildTopic()
	s.buildFlowLogs()
	s.buildStream()
	s.buildQueue()
	s.buildKeystore()
	s.buildDatabase()
	s.buildCache()
	s.buildRoles()
	s.buildCompute()
	s.buildEdge()
	s.buildSchedule()
	s.buildAlarms()
	s.buildDashboard()
	s.buildOutputs()
}

// check is Validate and a look at the region. None configured is fine: the provider has its own.
func (a TapStackArgs) check(ctx *pulumi.Context) error {
	var region error
	if configured := awsconfig.GetRegion(ctx); configured != "" && configured != Region {
		region = fmt.Errorf("%w: aws:region: %q is refused, the stack lives in %s alone: pulumi config set aws:region %s, or AWS_REGION in the environment", ErrArgs, configured, Region, Region)
	}
	return errors.Join(region, a.Validate())
}

// load sizes a provisioned stream by the arguments. An on-demand stream sizes itself, and one with shardCount is given.
func (a TapStackArgs) load() (sizing.Stream, error) {
	if a.StreamMode == StreamOnDemand || a.ShardCount != 0 {
		return sizing.Stream{Shards: a.ShardCount}, nil
	}
	consumers := 1
	if a.EnhancedFanOut {
		consumers = 0
	}
	return sizing.ForLoad(sizing.Load{TransactionsPerSecond: a.TransactionsPerSecond, RecordBytes: a.RecordBytes, SharedConsumers: consumers})
}

// size settles what follows from the load.
func (s *TapStack) size() {
	load, err := s.args.load()
	s.must("size the stream", err)
	s.load = load
	or(&s.args.ProcessConcurrency, s.args.readers(load.Shards))
}

// readers is how many functions read a stream of so many shards unless the operator says otherwise: Lambda runs one for
// each, and twice as many leave room for a change of the shards. On-demand streams open with four and grow; so many fit
// the default database.
func (a TapStackArgs) readers(shards int) int {
	if a.StreamMode == StreamOnDemand {
		return 40
	}
	return max(10, min(2*shards, 1000))
}

// connections is how many connections to the database the functions can open at the most. Functions without a reserve
// are counted as by default.
func (a TapStackArgs) connections(shards int) int {
	ingest, process := a.IngestConcurrency, a.ProcessConcurrency
	or(&process, a.readers(shards))
	if ingest == NoReserve {
		ingest = TapStackArgs{}.withDefaults().IngestConcurrency
	}
	if process == NoReserve {
		process = a.readers(shards)
	}
	return sizing.Connections(ingest + process)
}

// locate asks AWS who we are and which zones there are, and makes the provider for everything below.
func (s *TapStack) locate() {
	var profile pulumi.StringPtrInput
	if p := awsconfig.GetProfile(s.ctx); p != "" {
		profile = pulumi.String(p)
	}
	s.provider = add(s, aws.NewProvider, s.name("aws"), &aws.ProviderArgs{Region: pulumi.String(Region), Profile: profile}, pulumi.Parent(s))
	s.opts = []pulumi.ResourceOption{pulumi.Parent(s), pulumi.Provider(s.provider), pulumi.DeleteBeforeReplace(true)}

	caller, err := aws.GetCallerIdentity(s.ctx, &aws.GetCallerIdentityArgs{}, s.invoke()...)
	s.must("ask AWS which account this is (are the credentials valid?)", err)
	s.account = caller.AccountId

	state := "available"
	zones, err := aws.GetAvailabilityZones(s.ctx, &aws.GetAvailabilityZonesArgs{
		State: &state,
		// Local zones and the like must be opted in to, and have none of our services.
		Filters: []aws.GetAvailabilityZonesFilter{{Name: "opt-in-status", Values: []string{"opt-in-not-required"}}},
		// The oldest zone of the region lacks current instance types and functions in a VPC.
		ExcludeZoneIds: []string{"use1-az3"},
	}, s.invoke()...)
	s.must("ask AWS for its availability zones", err)
	slices.Sort(zones.Names)
	if len(zones.Names) < s.args.AvailabilityZones {
		panic(failure{fmt.Errorf("%w: availabilityZones: %d are wanted, the account has %d: lower it", ErrArgs, s.args.AvailabilityZones, len(zones.Names))})
	}
	s.zones = zones.Names[:s.args.AvailabilityZones]
}

// must ends the build with an error in words.
func (s *TapStack) must(doing string, err error) {
	if err != nil {
		panic(failure{fmt.Errorf("%s: %w", doing, err)})
	}
}

// add registers one resource with the stack's options (parent, provider, delete before replace) and tags, if it takes
// any and has none. So the files below read as lists of resources. A fault ends the build: it travels by panic to
// NewTapStack, because after it nothing that refers to the resource could be written.
func add[R pulumi.Resource, A any](s *TapStack, construct func(*pulumi.Context, string, *A, ...pulumi.ResourceOption) (R, error),
	name string, args *A, opts ...pulumi.ResourceOption) R {
	if field := reflect.ValueOf(args).Elem().FieldByName("Tags"); field.IsValid() && field.IsNil() {
		field.Set(reflect.ValueOf(s.tags(name)))
	}
	resource, err := construct(s.ctx, name, args, slices.Concat(s.opts, opts)...)
	s.must("register "+name, err)
	return resource
}

// ownTags are the keys that the stack sets itself.
func ownTags() []string { return []string{"Name", "project", "environment", "managed-by"} }

// tags are the operator's and the stack's own, for a resource of this name.
func (s *TapStack) tags(name string) pulumi.StringMap {
	tags := pulumi.StringMap{
		"Name": pulumi.String(name), "project": pulumi.String("fastshop"),
		"environment": pulumi.String(s.args.EnvironmentSuffix), "managed-by": pulumi.String("pulumi"),
	}
	maps.Copy(tags, pulumi.ToStringMap(s.args.Tags))
	return tags
}

// arn is the ARN of a thing of ours by its name, so that policies need not wait for it.
func (s *TapStack) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + Region + ":" + s.account + ":" + resource
}

// roleArn is the ARN of a role of the table.
func (s *TapStack) roleArn(prefix string) string {
	return "arn:aws:iam::" + s.account + ":role/" + s.name(prefix)
}
