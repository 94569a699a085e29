package tapstacktest_test

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/elasticache"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

func text(s string) pulumi.StringInput { return pulumi.String(s) }

// endpoints are the three addresses and the shape of a cache, as a program reads them.
func endpoints(t *testing.T, args elasticache.ReplicationGroupArgs, opts ...tapstacktest.Option) (enabled bool, configuration, primary, reader string) {
	t.Helper()
	args.Description = pulumi.String("test")
	args.AutomaticFailoverEnabled = pulumi.Bool(true)
	args.ReplicationGroupId = pulumi.String("redis-dev")
	capture, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		g, err := elasticache.NewReplicationGroup(ctx, "redis", &args)
		if err != nil {
			return err
		}
		return tapstacktest.Export(ctx, pulumi.Map{"enabled": g.ClusterEnabled, "c": g.ConfigurationEndpointAddress, "p": g.PrimaryEndpointAddress, "r": g.ReaderEndpointAddress})
	}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string) string { s, _ := capture.Outputs[name].(string); return s }
	return capture.Outputs["enabled"] == true, get("c"), get("p"), get("r")
}

func TestCacheHasTheEndpointsOfItsShapeAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args    elasticache.ReplicationGroupArgs
		enabled bool
	}{
		"stated":                         {elasticache.ReplicationGroupArgs{ClusterMode: pulumi.String("enabled"), NumNodeGroups: pulumi.Int(1), ReplicasPerNodeGroup: pulumi.Int(1), ParameterGroupName: pulumi.String("default.redis7.cluster.on")}, true},
		"implied by node groups":         {elasticache.ReplicationGroupArgs{NumNodeGroups: pulumi.Int(2)}, true},
		"implied by the parameter group": {elasticache.ReplicationGroupArgs{ParameterGroupName: pulumi.String("default.valkey8.cluster.on")}, true},
		"the seed's shape":               {elasticache.ReplicationGroupArgs{NumCacheClusters: pulumi.Int(2)}, false},
		"stated disabled":                {elasticache.ReplicationGroupArgs{ClusterMode: pulumi.String("disabled"), NumCacheClusters: pulumi.Int(2)}, false},
	} {
		enabled, configuration, primary, reader := endpoints(t, c.args)
		if enabled != c.enabled {
			t.Errorf("%s: cluster enabled = %v, want %v", name, enabled, c.enabled)
		}
		if (configuration != "") != c.enabled || (primary != "") == c.enabled || (reader != "") == c.enabled {
			t.Errorf("%s: configuration %q, primary %q, reader %q", name, configuration, primary, reader)
		}
		for prefix, host := range map[string]string{"clustercfg.redis-dev.": configuration, "master.redis-dev.": primary, "replica.redis-dev.": reader} {
			if host != "" && (!strings.HasPrefix(host, prefix) || !strings.HasSuffix(host, ".use1.cache.amazonaws.com")) {
				t.Errorf("%s: host %q, want prefix %q", name, host, prefix)
			}
		}
	}
	if _, configuration, primary, reader := endpoints(t, elasticache.ReplicationGroupArgs{}, tapstacktest.EmptyEndpoints()); configuration+primary+reader != "" {
		t.Error("EmptyEndpoints answers an endpoint")
	}
}

func TestCacheMembers(t *testing.T) {
	t.Parallel()
	for want, inputs := range map[string]pulumi.Map{
		"r-0001-001 r-0001-002 r-0002-001 r-0002-002": {"numNodeGroups": pulumi.Int(2), "replicasPerNodeGroup": pulumi.Int(1), "automaticFailoverEnabled": pulumi.Bool(true)},
		"r-001 r-002": {"numCacheClusters": pulumi.Int(2)},
	} {
		inputs["replicationGroupId"] = text("r")
		r := only(t, "aws:elasticache/replicationGroup:ReplicationGroup", inputs)
		var names []string
		for _, m := range r.Outputs["memberClusters"].([]any) {
			names = append(names, m.(string))
		}
		if got := strings.Join(names, " "); got != want || r.Output("port") != 6379.0 {
			t.Errorf("members %q, port %v; want %q, 6379", got, r.Output("port"), want)
		}
	}
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	inputs := pulumi.Map{
		"identifier": text("rds-dev"), "port": pulumi.Int(6432), "skipFinalSnapshot": pulumi.Bool(true), "manageMasterUserPassword": pulumi.Bool(true),
		"masterUserSecretKmsKeyId": text("KEY"), "engineVersion": text("17"),
	}
	r := only(t, "aws:rds/instance:Instance", inputs)
	address, _ := r.Output("address").(string)
	if !strings.HasPrefix(address, "rds-dev.") || !strings.HasSuffix(address, ".us-east-1.rds.amazonaws.com") || r.Output("endpoint") != address+":6432" {
		t.Errorf("address %q, endpoint %v", address, r.Output("endpoint"))
	}
	if !regexp.MustCompile(`^db-[0-9A-F]{26}$`).MatchString(r.ID) || r.Output("resourceId") != r.ID || r.Output("arn") != "arn:aws:rds:us-east-1:123456789012:db:rds-dev" {
		t.Errorf("id %q, resource id %v, arn %v", r.ID, r.Output("resourceId"), r.Output("arn"))
	}
	if secret, _ := r.Output("masterUserSecrets.0.secretArn").(string); !strings.HasPrefix(secret, "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-") || r.Output("masterUserSecrets.0.kmsKeyId") != "KEY" {
		t.Errorf("master secret %q", secret)
	}
	if r := only(t, "aws:rds/instance:Instance", inputs, tapstacktest.NoMasterSecret()); len(r.Outputs["masterUserSecrets"].([]any)) != 0 {
		t.Error("NoMasterSecret answers a secret")
	}
	delete(inputs, "port")
	if r := only(t, "aws:rds/instance:Instance", inputs); r.Output("port") != 5432.0 {
		t.Errorf("default port %v", r.Output("port"))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	yes := pulumi.Bool(true)
	for _, c := range []struct {
		token  string
		inputs pulumi.Map
		want   string
	}{
		{"aws:ec2/networkAcl:NetworkAcl", pulumi.Map{}, "the mocks do not know"},
		{"aws:ec2/securityGroup:SecurityGroup", pulumi.Map{"name": text("sg-redis-dev")}, "cannot begin with sg-"},
		{"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", pulumi.Map{}, "exactly one of"},
		{"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", pulumi.Map{"cidrIpv4": text("10.0.0.0/8"), "prefixListId": text("pl-1")}, "exactly one of"},
		{"aws:ec2/route:Route", pulumi.Map{}, "exactly one target"},
		{"aws:kms/alias:Alias", pulumi.Map{"name": text("pii-key")}, "must begin with alias/"},
		{"aws:kms/alias:Alias", pulumi.Map{"name": text("alias/aws/x")}, "must begin with alias/"},
		{"aws:kms/key:Key", pulumi.Map{"policy": text("{")}, "MalformedPolicyDocument"},
		{"aws:rds/instance:Instance", pulumi.Map{}, "finalSnapshotIdentifier is required"},
		{"aws:rds/instance:Instance", pulumi.Map{"skipFinalSnapshot": yes, "manageMasterUserPassword": yes, "password": text("p")}, "password conflicts"},
		{"aws:rds/instance:Instance", pulumi.Map{"skipFinalSnapshot": yes, "allocatedStorage": pulumi.Int(50), "maxAllocatedStorage": pulumi.Int(50)}, "must exceed"},
		{"aws:elasticache/userGroup:UserGroup", pulumi.Map{"engine": text("redis"), "userIds": pulumi.ToStringArray([]string{"app"})}, "DefaultUserRequired"},
		{"aws:elasticache/replicationGroup:ReplicationGroup", pulumi.Map{"numNodeGroups": pulumi.Int(1), "numCacheClusters": pulumi.Int(2)}, "numNodeGroups conflicts"},
		{"aws:elasticache/replicationGroup:ReplicationGroup", pulumi.Map{"authToken": text("t"), "userGroupIds": pulumi.ToStringArray([]string{"g"})}, "authToken conflicts"},
		{"aws:elasticache/replicationGroup:ReplicationGroup", pulumi.Map{"multiAzEnabled": yes}, "multiAzEnabled needs"},
		{"aws:elasticache/replicationGroup:ReplicationGroup", pulumi.Map{"clusterMode": text("enabled")}, "needs automaticFailoverEnabled"},
		{"aws:elasticache/replicationGroup:ReplicationGroup", pulumi.Map{"clusterMode": text("enabled"), "automaticFailoverEnabled": yes, "parameterGroupName": text("default.redis7")}, "cluster-enabled"},
	} {
		_, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
			_, err := register(ctx, c.token, "logical", c.inputs)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), tapstacktest.ErrRefused.Error()) {
			t.Errorf("%s %v: %v, want %q", c.token, c.inputs, err, c.want)
		}
	}
}

func TestRefusesWhatExistsAlready(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(ctx *pulumi.Context) error{
		`the name is taken by "a"`: func(ctx *pulumi.Context) error { // the same logical name
			_, err := register(ctx, "aws:sqs/queue:Queue", "a", pulumi.Map{"name": text("other")})
			return err
		},
		`"b": the name is taken by "a"`: func(ctx *pulumi.Context) error { // the same physical name
			_, err := register(ctx, "aws:sqs/queue:Queue", "b", pulumi.Map{"name": text("queue")})
			return err
		},
		"is read": func(ctx *pulumi.Context) error {
			var r pulumi.CustomResourceState
			return ctx.ReadResource("aws:sqs/queue:Queue", "read", pulumi.ID("queue"), nil, &r)
		},
	} {
		_, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
			first, err := register(ctx, "aws:sqs/queue:Queue", "a", pulumi.Map{"name": text("queue")})
			if err != nil {
				return err
			}
			// The second waits for the first, so that which of them fails is certain.
			done := make(chan struct{})
			first.ID().ApplyT(func(pulumi.ID) int { close(done); return 0 })
			<-done
			return second(ctx)
		})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

func TestOwnParameterGroupDecides(t *testing.T) {
	t.Parallel()
	for value, refused := range map[string]bool{"yes": false, "no": true} {
		program := func(ctx *pulumi.Context) error {
			group, err := register(ctx, "aws:elasticache/parameterGroup:ParameterGroup", "group", pulumi.Map{
				"name": text("group-dev"), "parameters": pulumi.Array{pulumi.Map{"name": text("cluster-enabled"), "value": text(value)}}})
			if err != nil {
				return err
			}
			// The name is known in a preview, unlike the id; it arrives after the group either way.
			name := group.URN().ApplyT(func(pulumi.URN) string { return "group-dev" }).(pulumi.StringOutput)
			_, err = register(ctx, "aws:elasticache/replicationGroup:ReplicationGroup", "redis", pulumi.Map{
				"clusterMode": text("enabled"), "automaticFailoverEnabled": pulumi.Bool(true), "parameterGroupName": name})
			return err
		}
		_, err := tapstacktest.Run(program)
		if (err != nil) != refused {
			t.Errorf("cluster-enabled=%s: %v", value, err)
		}
		if _, err := tapstacktest.Run(program, tapstacktest.Preview()); (err != nil) != refused {
			t.Errorf("cluster-enabled=%s in a preview: %v", value, err)
		}
	}
}

// Redis wants a user called default, with whatever authentication; Valkey wants authentication of every user.
func TestUsersThatAGroupTakes(t *testing.T) {
	t.Parallel()
	const required = "DefaultUserRequired: a redis user group must contain a user named default"
	const refused = "InvalidParameterCombination: a valkey user group takes only users with a password or IAM authentication: user-dev"
	mode := func(kind string) pulumi.Map { return pulumi.Map{"authenticationMode": pulumi.Map{"type": text(kind)}} }
	nobody := pulumi.Map{"noPasswordRequired": pulumi.Bool(true)}
	for _, c := range []struct {
		engine, name string
		user         pulumi.Map
		want         string
	}{
		{"redis", "default", pulumi.Map{}, ""},
		{"redis", "default", nobody, ""},
		{"redis", "default", mode("no-password-required"), ""},
		{"redis", "app", mode("iam"), required},
		{"valkey", "app", mode("iam"), ""},
		{"valkey", "app", mode("password"), ""},
		{"valkey", "app", pulumi.Map{"passwords": pulumi.ToStringArray([]string{"sixteen-letters!"})}, ""},
		{"valkey", "default", mode("iam"), ""},
		{"valkey", "default", nobody, refused},
		{"valkey", "app", mode("no-password-required"), refused},
		{"valkey", "app", pulumi.Map{}, refused},
	} {
		program := func(ctx *pulumi.Context) error {
			inputs := pulumi.Map{"userId": text("user-dev"), "userName": text(c.name), "engine": text(c.engine)}
			maps.Copy(inputs, c.user)
			user, err := register(ctx, "aws:elasticache/user:User", "user", inputs)
			if err != nil {
				return err
			}
			_, err = register(ctx, "aws:elasticache/userGroup:UserGroup", "users", pulumi.Map{"engine": text(c.engine), "userIds": pulumi.Array{user.ID()}})
			return err
		}
		_, err := tapstacktest.Run(program)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), `refused: aws:elasticache/userGroup:UserGroup "users": `+c.want) {
			t.Errorf("%s group with user %s %v: %v, want %q", c.engine, c.name, c.user, err, c.want)
		}
		if _, err := tapstacktest.Run(program, tapstacktest.Preview()); err != nil {
			t.Errorf("%s group with user %s %v in a preview: %v", c.engine, c.name, c.user, err)
		}
	}
}

func TestBadTimeoutIsTold(t *testing.T) {
	t.Parallel()
	_, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		_, err := register(ctx, "aws:ec2/eip:Eip", "eip", pulumi.Map{}, pulumi.Timeouts(&pulumi.CustomTimeouts{Delete: "soon"}))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), `read the options of aws:ec2/eip:Eip "eip"`) {
		t.Errorf("err = %v", err)
	}
}
