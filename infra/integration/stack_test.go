package integration

import (
	"archive/zip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/infra/deployment"
	"github.com/fastshop/pipeline/infra/deployment/deploymenttest"
	"github.com/fastshop/pipeline/infra/emulator"
	"github.com/fastshop/pipeline/infra/emulator/moto/mototest"
	"github.com/fastshop/pipeline/infra/tapstack"
)

// ground is an emulator with nothing in it, and the tools to deploy to it.
type ground struct {
	cloud   *emulator.Cloud
	cli     string
	archive string
	before  []emulator.Item
}

// newGround starts an emulator of the test's own. What is missing fails the test in CI, and elsewhere skips it loudly.
func newGround(t *testing.T) *ground {
	t.Helper()
	cli, server := deploymenttest.CLI(t), mototest.Start(t)
	cloud, err := emulator.NewCloud(t.Context(), server.Endpoint())
	ok(t, err)
	g := &ground{cloud: cloud, cli: cli, archive: codeArchive(t)}
	g.before = g.inventory(t)
	return g
}

// codeArchive is a small program in the form that Lambda wants.
func codeArchive(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fastshop-lambda.zip")
	file, err := os.Create(path)
	ok(t, err)
	z := zip.NewWriter(file)
	w, err := z.Create("bootstrap")
	ok(t, err)
	_, err = w.Write([]byte("#!/bin/sh\n"))
	ok(t, errors.Join(err, z.Close(), file.Close()))
	return path
}

// inventory is all that the emulator has.
func (g *ground) inventory(t *testing.T) []emulator.Item {
	t.Helper()
	items, err := emulator.Inventory(t.Context(), g.cloud)
	ok(t, err)
	return items
}

// left is what is there now and was not at the start, apart from keys that wait for their deletion.
func (g *ground) left(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, item := range emulator.Diff(g.before, g.inventory(t)) {
		if !item.Pending() {
			list = append(list, item.String())
		}
	}
	return list
}

// open makes a deployment of the stack with a configuration.
func (g *ground) open(t *testing.T, suffix string, config map[string]string, fail func(emulator.Op, string, string) error) *deployment.Deployment {
	t.Helper()
	settings := map[string]string{"codeArchive": g.archive}
	for k, v := range config {
		settings[k] = v
	}
	var progress strings.Builder
	d, err := deployment.Open(t.Context(), deployment.Options{
		Dir: t.TempDir(), Endpoint: g.cloud.Endpoint, Pulumi: g.cli, Suffix: suffix, Config: settings, Program: tapstack.Program, Fail: fail, Progress: &progress,
	})
	ok(t, err)
	t.Cleanup(d.Close)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(progress.String())
		}
	})
	return d
}

func up(t *testing.T, d *deployment.Deployment) deployment.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	result, err := d.Up(ctx)
	ok(t, err)
	return result
}

func preview(t *testing.T, d *deployment.Deployment) deployment.Changes {
	t.Helper()
	changes, err := d.Preview(t.Context())
	ok(t, err)
	return changes
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant:\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLifecycle is the life of one environment: planned, made, looked at, planned again, changed, destroyed.
func TestLifecycle(t *testing.T) {
	g := newGround(t)
	d := g.open(t, "life", map[string]string{"shardCount": "2", "alarmEmail": "alarms@example.com"}, nil)

	planned := preview(t, d)
	same(t, "a preview makes", g.left(t), nil)

	made := up(t, d)
	if made.Changes.Total(deployment.Create) != planned.Total(deployment.Create) || made.Changes.Total(deployment.Create) < 139 {
		t.Errorf("%d resources were planned, %d made", planned.Total(deployment.Create), made.Changes.Total(deployment.Create))
	}
	checkOutputs(t, g, made.Outputs)
	checkStream(t, g, "life", 2)
	checkDatabase(t, g, "life")
	checkCache(t, g, "life")
	checkNetwork(t, g, made.Outputs)
	checkKeys(t, g, made.Outputs)
	checkFunctions(t, g, "life")

	same(t, "a preview right after up wants to", preview(t, d).Lines(), nil)
	refreshed, err := d.Refresh(t.Context())
	ok(t, err)
	same(t, "a refresh finds", refreshed.Lines(), nil)

	ok(t, d.Set(t.Context(), map[string]string{"shardCount": "3"}))
	same(t, "one shard more is", up(t, d).Changes.Lines(), []string{
		"update aws:apigatewayv2/stage:Stage http-stage-life (defaultRouteSettings)",
		"update aws:kinesis/stream:Stream kinesis-stream-life (shardCount)",
	})
	checkStream(t, g, "life", 3)

	_, err = d.Destroy(t.Context())
	ok(t, err)
	same(t, "destroy leaves", g.left(t), nil)
}

// TestTwoEnvironments brings two up side by side, in different shapes, and takes one down under the other.
func TestTwoEnvironments(t *testing.T) {
	g := newGround(t)
	a := g.open(t, "one", nil, nil)
	b := g.open(t, "two", map[string]string{
		"egress": "endpoints", "availabilityZones": "3", "cacheShape": "replicated", "cacheEngine": "valkey", "cacheReplicas": "2",
		"streamMode": "on-demand", "enhancedFanOut": "true", "databaseSingleAZ": "true", "vpcCidr": "172.20.0.0/18",
	}, nil)
	up(t, a)
	second := up(t, b)
	if kind := second.Outputs["redis_endpoint_kind"].String(); kind != "primary" {
		t.Errorf("a replicated cache's endpoint is called %s", kind)
	}
	checkPrimary(t, g, "two", second.Outputs["redis_endpoint"].String())
	same(t, "the first, beside the second, wants to", preview(t, a).Lines(), nil)
	same(t, "the second wants to", preview(t, b).Lines(), nil)

	_, err := a.Destroy(t.Context())
	ok(t, err)
	checkDatabase(t, g, "two")
	for _, item := range g.left(t) {
		if strings.Contains(item, "-one") {
			t.Errorf("the first left %s", item)
		}
	}
	same(t, "the second, alone, wants to", preview(t, b).Lines(), nil)
	_, err = b.Destroy(t.Context())
	ok(t, err)
	same(t, "both leave", g.left(t), nil)
}

// TestChanges takes a running environment through the changes that README.md offers and that AWS does not make in place:
// what is in use is never deleted before its successor is there.
func TestChanges(t *testing.T) {
	g := newGround(t)
	d := g.open(t, "chg", map[string]string{"databaseVersion": "16"}, nil)
	up(t, d)
	for _, change := range []struct {
		what    string
		set     map[string]string
		want    []string // all steps on database and cache
		exactly bool     // and no others anywhere
	}{
		{"a new major version of PostgreSQL", map[string]string{"databaseVersion": "17"}, []string{
			"create aws:rds/parameterGroup:ParameterGroup postgres17-parameter-group-chg",
			"delete aws:rds/parameterGroup:ParameterGroup postgres16-parameter-group-chg",
			"update aws:rds/eventSubscription:EventSubscription rds-parameter-events-chg (sourceIds)",
			"update aws:rds/instance:Instance rds-chg (engineVersion, parameterGroupName)",
		}, true},
		{"another database class", map[string]string{"databaseClass": "db.m7g.large"}, []string{
			"update aws:rds/instance:Instance rds-chg (instanceClass)",
		}, true},
		{"Valkey instead of Redis", map[string]string{"cacheEngine": "valkey"}, []string{
			"create aws:elasticache/parameterGroup:ParameterGroup valkey-cluster-parameter-group-chg",
			"create aws:elasticache/user:User valkey-app-chg",
			"create aws:elasticache/userGroup:UserGroup valkey-users-chg",
			"create-replacement aws:elasticache/replicationGroup:ReplicationGroup redis-chg (engine, parameterGroupName, userGroupIds)",
			"delete aws:elasticache/parameterGroup:ParameterGroup redis-cluster-parameter-group-chg",
			"delete aws:elasticache/user:User redis-app-chg",
			"delete aws:elasticache/user:User redis-default-chg",
			"delete aws:elasticache/userGroup:UserGroup redis-users-chg",
			"delete-replaced aws:elasticache/replicationGroup:ReplicationGroup redis-chg",
			"replace aws:elasticache/replicationGroup:ReplicationGroup redis-chg (engine, parameterGroupName, userGroupIds)",
		}, false},
		{"a replicated cache instead of a cluster", map[string]string{"cacheShape": "replicated"}, []string{
			"create aws:elasticache/parameterGroup:ParameterGroup valkey-replicated-parameter-group-chg",
			"create-replacement aws:elasticache/replicationGroup:ReplicationGroup redis-chg (clusterMode, numCacheClusters, numNodeGroups, parameterGroupName, replicasPerNodeGroup)",
			"delete aws:elasticache/parameterGroup:ParameterGroup valkey-cluster-parameter-group-chg",
			"delete-replaced aws:elasticache/replicationGroup:ReplicationGroup redis-chg",
			"replace aws:elasticache/replicationGroup:ReplicationGroup redis-chg (clusterMode, numCacheClusters, numNodeGroups, parameterGroupName, replicasPerNodeGroup)",
		}, false},
		{"endpoints instead of NAT", map[string]string{"egress": "endpoints"}, nil, false},
	} {
		ok(t, d.Set(t.Context(), change.set))
		var got []string
		for _, line := range up(t, d).Changes.Lines() {
			if change.exactly || strings.Contains(line, "aws:rds/") || strings.Contains(line, "aws:elasticache/") {
				got = append(got, line)
			}
		}
		same(t, change.what+" is", got, change.want)
		same(t, "after "+change.what+" a preview wants to", preview(t, d).Lines(), nil)
	}
	_, err := d.Destroy(t.Context())
	ok(t, err)
	same(t, "destroy leaves", g.left(t), nil)
}

// TestBadArgument shows that all faults are told at once, and that nothing was made before.
func TestBadArgument(t *testing.T) {
	g := newGround(t)
	d := g.open(t, "bad", map[string]string{"environmentSuffix": "Not_Good", "shardCount": "2", "transactionsPerSecond": "10", "databaseBackupWindow": "05:30-06:30"}, nil)
	_, err := d.Up(t.Context())
	if err == nil {
		t.Fatal("up took bad arguments")
	}
	for _, fault := range []string{"environmentSuffix", "shardCount", "databaseMaintenanceWindow"} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("the error does not name %s: %v", fault, err)
		}
	}
	if calls := d.Calls(); len(calls) > 0 {
		t.Errorf("AWS was asked for %v", calls)
	}
	same(t, "bad arguments make", g.left(t), nil)
}

// TestWrongRegion shows that another region is refused.
func TestWrongRegion(t *testing.T) {
	g := newGround(t)
	d := g.open(t, "far", map[string]string{"aws:region": "sa-east-1"}, nil)
	_, err := d.Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "us-east-1") {
		t.Fatalf("region sa-east-1: %v", err)
	}
	same(t, "a wrong region makes", g.left(t), nil)
}

// TestBrokenHalfWay lets AWS fail at several points of an up and of a destroy. What was made stays in the state, and the
// next try goes on from there.
func TestBrokenHalfWay(t *testing.T) {
	g := newGround(t)
	outage := errors.New("ServiceUnavailable: try again")
	for _, point := range []string{"aws:ec2/natGateway:NatGateway", "aws:rds/instance:Instance", "aws:lambda/function:Function"} {
		t.Run(point, func(t *testing.T) {
			var broken atomic.Value // the operation that fails; the provider asks from goroutines of its own
			fails := func(op emulator.Op, token, _ string) error {
				if token == point && broken.Load() == op {
					return outage
				}
				return nil
			}
			broken.Store(emulator.OpCreate)
			d := g.open(t, "broken", nil, fails)
			if _, err := d.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "ServiceUnavailable") {
				t.Fatalf("up: %v", err)
			}
			if len(g.left(t)) == 0 {
				t.Error("nothing was made before the failure: it does not test what it says")
			}
			broken.Store(emulator.Op(""))
			up(t, d)
			same(t, "after the second try a preview wants to", preview(t, d).Lines(), nil)

			broken.Store(emulator.OpDelete)
			if _, err := d.Destroy(t.Context()); err == nil || !strings.Contains(err.Error(), "ServiceUnavailable") {
				t.Fatalf("destroy: %v", err)
			}
			if len(g.left(t)) == 0 {
				t.Error("nothing was left by the failed destroy: it does not test what it says")
			}
			broken.Store(emulator.Op(""))
			_, err := d.Destroy(t.Context())
			ok(t, err)
			same(t, "the second destroy leaves", g.left(t), nil)
		})
	}
}
