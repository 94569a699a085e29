package emulator

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

func (e *engine) invoke(token string, args Object) (Object, error) {
	e.t.Helper()
	answer, err := e.client.Invoke(e.t.Context(), &pulumirpc.InvokeRequest{Tok: token, Args: e.pack(toProperties(args))})
	if err != nil {
		return nil, err
	}
	return toObject(e.unpack(answer.Return)), nil
}

func TestCallerIdentity(t *testing.T) {
	e := newEngine(t, Options{})
	who, err := e.invoke("aws:index/getCallerIdentity:getCallerIdentity", nil)
	if err != nil {
		t.Fatal(err)
	}
	if who.Str("accountId") != "123456789012" || who.Str("id") != "123456789012" || who.Str("arn") == "" || who.Str("userId") == "" {
		t.Errorf("caller = %v, want the account and who asks", who)
	}
}

func TestAvailabilityZones(t *testing.T) {
	e := newEngine(t, Options{})
	filters := func(name string, values ...any) Object {
		return Object{"state": "available", "filters": []any{map[string]any{"name": name, "values": values}}}
	}
	all := []string{"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"}
	for name, test := range map[string]struct {
		args Object
		want []string
	}{
		"all":              {nil, all},
		"available":        {Object{"state": "available"}, all},
		"unavailable":      {Object{"state": "unavailable"}, nil},
		"without opting":   {filters("opt-in-status", "opt-in-not-required"), all},
		"opted in":         {filters("opt-in-status", "opted-in"), nil},
		"by name":          {filters("zone-name", "us-east-1b", "us-east-1a"), all[:2]},
		"unknown filter":   {filters("message", "x"), nil},
		"without one zone": {Object{"excludeNames": []any{"us-east-1a"}}, all[1:]},
		"without an id":    {Object{"excludeZoneIds": []any{"use1-az6"}}, all[1:]},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := e.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", test.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Strings("names")); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if len(got.Strings("zoneIds")) != len(test.want) || got.Str("id") != "us-east-1" {
				t.Errorf("zones = %v, want as many ids as names", got)
			}
		})
	}
}

func TestPrefixList(t *testing.T) {
	e := newEngine(t, Options{})
	const token = "aws:ec2/getPrefixList:getPrefixList"
	seen := map[string]bool{}
	for _, name := range []string{"com.amazonaws.us-east-1.dynamodb", "com.amazonaws.us-east-1.s3"} {
		got, err := e.invoke(token, Object{"name": name})
		if err != nil {
			t.Fatal(err)
		}
		if id := got.Str("id"); got.Str("name") != name || id == "" || seen[id] {
			t.Errorf("list = %v, want that of %s", got, name)
		}
		seen[got.Str("id")] = true
	}
	_, err := e.invoke(token, Object{"name": "com.amazonaws.us-east-1.sqs"})
	refused(t, err, "found 0 prefix lists")
	_, err = e.invoke(token, nil)
	refused(t, err, "give the name of the prefix list")
	_, err = e.invoke("aws:ec2/getVpc:getVpc", nil)
	refused(t, err, `function "aws:ec2/getVpc:getVpc" is unknown to the emulator`)
}
