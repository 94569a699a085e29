package emulator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
)

// invoke is a function of the package that reads something of the account.
type invoke func(ctx context.Context, c *Cloud, args Object) (Object, error)

func invokes() map[string]invoke {
	return map[string]invoke{
		"aws:index/getCallerIdentity:getCallerIdentity":       callerIdentity,
		"aws:index/getAvailabilityZones:getAvailabilityZones": availabilityZones,
		"aws:ec2/getPrefixList:getPrefixList":                 prefixList,
	}
}

// Invoke runs a function, in previews too, since all of them only read.
func (p *provider) Invoke(ctx context.Context, request *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	run, ok := p.invokes[request.GetTok()]
	if !ok {
		return nil, rpcerror.Newf(codes.InvalidArgument, "function %q is unknown to the emulator", request.GetTok())
	}
	args, err := p.unmarshal("arguments", request.GetArgs())
	if err != nil {
		return nil, err
	}
	out, err := run(ctx, p.cloud, toObject(args))
	if err != nil {
		return nil, rpcerror.Newf(codes.Unknown, "%s %s: %v", OpInvoke, request.GetTok(), err)
	}
	answer, err := marshal("answer", toProperties(out))
	return &pulumirpc.InvokeResponse{Return: answer}, err
}

func callerIdentity(ctx context.Context, c *Cloud, _ Object) (Object, error) {
	who, err := c.Caller.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, err
	}
	return Object{"accountId": who.Account, "arn": who.Arn, "userId": who.UserId, "id": who.Account}, nil
}

// availabilityZones lists the zones that match the state and the filters, in the order of their names.
func availabilityZones(ctx context.Context, c *Cloud, args Object) (Object, error) {
	found, err := c.Network.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		return nil, err
	}
	zones := slices.DeleteFunc(found.AvailabilityZones, func(z types.AvailabilityZone) bool {
		return !matches(z, args)
	})
	slices.SortFunc(zones, func(a, b types.AvailabilityZone) int {
		return slices.Compare([]string{*a.ZoneName}, []string{*b.ZoneName})
	})
	names, ids := []string{}, []string{}
	for _, z := range zones {
		names, ids = append(names, *z.ZoneName), append(ids, *z.ZoneId)
	}
	out := args.Only("state", "filters", "excludeNames", "excludeZoneIds", "allAvailabilityZones")
	return out.With(Object{"id": Region, "region": Region, "names": names, "zoneIds": ids, "groupNames": []string{Region}}), nil
}

// matches applies the arguments itself, because the emulator knows few filters.
func matches(z types.AvailabilityZone, args Object) bool {
	if state := args.Str("state"); state != "" && string(z.State) != state {
		return false
	}
	if slices.Contains(args.Strings("excludeNames"), aws.ToString(z.ZoneName)) ||
		slices.Contains(args.Strings("excludeZoneIds"), aws.ToString(z.ZoneId)) {
		return false
	}
	has := map[string]string{
		"zone-name": aws.ToString(z.ZoneName), "zone-id": aws.ToString(z.ZoneId),
		// The emulator leaves both out; the zones of a region are always such.
		"opt-in-status": "opt-in-not-required", "zone-type": "availability-zone",
		"state": string(z.State), "region-name": Region, "group-name": Region,
	}
	for _, filter := range args.Objects("filters") {
		if !slices.Contains(filter.Strings("values"), has[filter.Str("name")]) {
			return false
		}
	}
	return true
}

// prefixList finds one of AWS's own lists by its name, such as com.amazonaws.us-east-1.dynamodb.
func prefixList(ctx context.Context, c *Cloud, args Object) (Object, error) {
	name := args.Str("name")
	if name == "" {
		return nil, errors.New("give the name of the prefix list, such as com.amazonaws.us-east-1.dynamodb")
	}
	found, err := c.Network.DescribePrefixLists(ctx, &ec2.DescribePrefixListsInput{
		Filters: []types.Filter{{Name: aws.String("prefix-list-name"), Values: []string{name}}},
	})
	if err != nil {
		return nil, err
	}
	if len(found.PrefixLists) != 1 {
		return nil, fmt.Errorf("found %d prefix lists named %q, not one", len(found.PrefixLists), name)
	}
	list := found.PrefixLists[0]
	return Object{
		"id": list.PrefixListId, "prefixListId": list.PrefixListId, "name": list.PrefixListName, "cidrBlocks": list.Cidrs, "region": Region,
	}, nil
}
