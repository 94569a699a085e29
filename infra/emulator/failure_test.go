package emulator

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// fuse is a way to the emulator that breaks at one call.
type fuse struct {
	left  atomic.Int32 // calls until it breaks; negative: never
	blown atomic.Bool
}

// arm makes the n-th call from now fail, or none when n is 0.
func (f *fuse) arm(n int) {
	f.left.Store(int32(n))
	f.blown.Store(false)
}

// newFused is an engine whose provider reaches the emulator through a fuse.
func newFused(t *testing.T) (*fuse, *engine) {
	t.Helper()
	there, err := url.Parse(cloud(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	f, through := &fuse{}, httputil.NewSingleHostReverseProxy(there)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.left.Add(-1) == 0 {
			f.blown.Store(true)
			http.Error(w, "blown", http.StatusInternalServerError)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := NewCloud(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return f, engineOn(t, c, Options{})
}

// each runs op again and again, breaking at its first call, its second, and so on, until it needs no more calls. Every
// break must come out as an error, after which undo must bring back what op needs.
func (f *fuse) each(t *testing.T, what string, op func() error, undo func(err error)) {
	t.Helper()
	for n := 1; ; n++ {
		f.arm(n)
		err := op()
		blown := f.blown.Load()
		f.arm(0)
		if !blown {
			if err != nil {
				t.Fatalf("%s, unbroken: %v", what, err)
			}
			return
		}
		if err == nil {
			t.Fatalf("%s: call %d failed, and nobody was told", what, n)
		}
		undo(err)
	}
}

// partly is what the engine keeps of a resource whose creation broke half-way, or nil.
func (e *engine) partly(err error, token string, in Object) *made {
	e.t.Helper()
	for _, detail := range rpcerror.Convert(err).Details() {
		if kept, ok := detail.(*pulumirpc.ErrorResourceInitFailed); ok {
			return &made{e, token, "specimen", kept.Id, in, toObject(e.unpack(kept.Properties))}
		}
	}
	return nil
}

// TestBrokenCalls breaks every single call of every operation. No error may be swallowed; what a broken creation left
// can be repaired by an update and deleted; and broken updates and deletions can be repeated.
func TestBrokenCalls(t *testing.T) {
	f, e := newFused(t)
	for token, specimen := range specimens(e) {
		t.Run(token, func(t *testing.T) {
			var m *made
			f.each(t, "create", func() (err error) {
				m, err = e.try(token, "specimen", specimen.in)
				return err
			}, func(err error) {
				kept := e.partly(err, token, specimen.in)
				if kept == nil {
					return
				}
				if kindOf(t, token).Update != nil {
					if err := kept.tryUpdate(specimen.in); err != nil {
						t.Fatalf("repair: %v", err)
					}
				}
				if err := kept.tryDelete(); err != nil {
					t.Fatalf("delete what was made in part: %v", err)
				}
			})
			f.each(t, "update", func() error { return m.tryUpdate(specimen.in.With(specimen.change)) }, func(error) {})
			f.each(t, "refresh", func() error {
				_, err := e.client.Read(t.Context(), &pulumirpc.ReadRequest{Id: m.id, Urn: urnOf(token, m.name), Properties: e.pack(toProperties(m.out))})
				return err
			}, func(error) {})
			m.settled()
			f.each(t, "delete", m.tryDelete, func(error) {})
			if _, _, found := m.refresh(); found && token != defaultGroupToken {
				t.Error("it is still there")
			}
		})
	}
}

// specimen is a resource and a change of it in place.
type specimen struct{ in, change Object }

// specimens are one of each kind of the network, of identity and of logs, with all that they need.
func specimens(e *engine) map[string]specimen {
	e.t.Helper()
	tagged := Object{"tags": tags("Name", "changed")}
	vpc, bare := e.vpc("vpc-fused"), e.vpc("vpc-fused-bare")
	gateway := e.create(gatewayToken, "igw", Object{"vpcId": vpc.id})
	a, b := e.subnet(vpc, "10.20.1.0/24", "us-east-1a"), e.subnet(vpc, "10.20.2.0/24", "us-east-1b")
	one, two := e.create(routeTableToken, "one", Object{"vpcId": vpc.id}), e.create(routeTableToken, "two", Object{"vpcId": vpc.id})
	nat, address := e.nat(a), e.create(addressToken, "free", Object{"domain": "vpc"})
	group := e.create(groupToken, "sg", Object{"name": "fused-sg", "vpcId": vpc.id})
	log := e.create(logToken, "log", Object{"name": "/fused"})
	role := e.create(roleToken, "role", Object{"name": "fused-role", "assumeRolePolicy": lambdaTrust})
	rule := Object{"securityGroupId": group.id, "ipProtocol": "tcp", "fromPort": 1, "toPort": 2, "cidrIpv4": "10.0.0.0/8", "tags": tags("old", "1")}
	return map[string]specimen{
		vpcToken:         {Object{"cidrBlock": "10.30.0.0/16", "tags": tags("old", "1")}, tagged},
		gatewayToken:     {Object{"vpcId": bare.id, "tags": tags("old", "1")}, tagged},
		subnetToken:      {Object{"vpcId": vpc.id, "cidrBlock": "10.20.9.0/24", "availabilityZone": "us-east-1c"}, tagged},
		routeTableToken:  {Object{"vpcId": vpc.id}, tagged},
		routeToken:       {Object{"routeTableId": one.id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway.id}, Object{"gatewayId": nil, "natGatewayId": nat.id}},
		associationToken: {Object{"routeTableId": one.id, "subnetId": b.id}, Object{"routeTableId": two.id}},
		addressToken:     {Object{"domain": "vpc"}, tagged},
		natToken:         {Object{"subnetId": b.id, "allocationId": address.id}, tagged},
		endpointToken: {
			Object{"vpcId": vpc.id, "serviceName": "com.amazonaws.us-east-1.sqs", "vpcEndpointType": "Interface", "privateDnsEnabled": true, "subnetIds": list(a.id)},
			Object{"subnetIds": list(b.id), "securityGroupIds": list(group.id), "tags": tags("Name", "changed")},
		},
		flowToken: {
			Object{"vpcId": vpc.id, "trafficType": "ALL", "logDestination": log.out["arn"], "iamRoleArn": role.out["arn"]}, tagged,
		},
		groupToken:        {Object{"name": "specimen-sg", "vpcId": vpc.id}, tagged},
		defaultGroupToken: {Object{"vpcId": bare.id}, tagged},
		ingressToken:      {rule, Object{"toPort": 3, "tags": tags("Name", "changed")}},
		egressToken:       {rule, Object{"toPort": 3, "tags": tags("Name", "changed")}},
		roleToken: {
			Object{"name": "specimen", "assumeRolePolicy": lambdaTrust, "forceDetachPolicies": true, "tags": tags("old", "1")},
			Object{"assumeRolePolicy": rdsTrust, "tags": tags("Name", "changed")},
		},
		rolePolicyToken: {Object{"name": "write", "role": role.id, "policy": putRecords}, Object{"policy": strings.ReplaceAll(putRecords, "stream/a", "stream/b")}},
		logToken: {
			Object{"name": "/specimen", "kmsKeyId": keyFor(e.t, e, "logs.us-east-1.amazonaws.com"), "retentionInDays": 7, "tags": tags("old", "1")},
			Object{"retentionInDays": 14, "tags": tags("Name", "changed")},
		},
	}
}
