package emulator

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func flowKinds() []Kind {
	return []Kind{{
		Token:    "aws:ec2/flowLog:FlowLog",
		Required: []string{"logDestination", "iamRoleArn", "trafficType"},
		Replace: []string{
			"vpcId", "subnetId", "logDestination", "logDestinationType", "iamRoleArn", "trafficType", "maxAggregationInterval", "logFormat",
		},
		Check:  checkFlowLog,
		Create: createFlowLog, Read: readFlowLog, Update: updateFlowLog, Delete: deleteFlowLog,
	}}
}

func checkFlowLog(in Object) []Fault {
	i := inspect(in)
	i.add(checkExactlyOne(in, "vpcId", "subnetId"))
	i.oneOf("trafficType", "ALL", "ACCEPT", "REJECT")
	i.oneOf("logDestinationType", "cloud-watch-logs")
	if interval := in.Int("maxAggregationInterval"); in.Known("maxAggregationInterval") && interval != 60 && interval != 600 {
		i.fault("maxAggregationInterval", "InvalidParameter: %d is neither 60 nor 600 seconds", interval)
	}
	i.unmodeled("eniId", "transitGatewayId", "transitGatewayAttachmentId", "destinationOptions", "deliverCrossAccountRole")
	return i.found()
}

func createFlowLog(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	about, id := types.FlowLogsResourceTypeVpc, in.Str("vpcId")
	if id == "" {
		about, id = types.FlowLogsResourceTypeSubnet, in.Str("subnetId")
	}
	// The emulator knows log groups by name only, and calls those of an ARN unreachable.
	group, err := groupName(in.Str("logDestination"))
	if err != nil {
		return "", nil, err
	}
	made, err := c.Network.CreateFlowLogs(ctx, &ec2.CreateFlowLogsInput{
		ResourceIds: []string{id}, ResourceType: about, TrafficType: types.TrafficType(in.Str("trafficType")),
		LogDestinationType: types.LogDestinationTypeCloudWatchLogs, LogGroupName: &group,
		DeliverLogsPermissionArn: in.StrPtr("iamRoleArn"), LogFormat: in.StrPtr("logFormat"),
		MaxAggregationInterval: in.Int32Ptr("maxAggregationInterval"), TagSpecifications: tagged(types.ResourceTypeVpcFlowLog, in),
	})
	if err != nil {
		return "", nil, err
	}
	for _, failed := range made.Unsuccessful {
		return "", nil, fmt.Errorf("log flows of %s: %s", id, aws.ToString(failed.Error.Message))
	}
	out, err := readFlowLog(ctx, c, made.FlowLogIds[0], in)
	return made.FlowLogIds[0], out, err
}

// groupName is the name in the ARN of a log group, such as arn:aws:logs:us-east-1:123456789012:log-group:/vpc/flow.
func groupName(arn string) (string, error) {
	_, name, found := strings.Cut(arn, ":log-group:")
	if !found {
		return "", refuse("InvalidParameterValue", "LogDestination %q is not the ARN of a log group", arn)
	}
	return strings.TrimSuffix(name, ":*"), nil
}

func readFlowLog(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	found, err := c.Network.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{Filter: []types.Filter{filter("flow-log-id", id)}})
	if err != nil {
		return nil, err
	}
	if len(found.FlowLogs) == 0 {
		return nil, ErrGone
	}
	log := found.FlowLogs[0]
	return withTags(state, log.Tags).With(Object{
		"arn": c.ARN("ec2", "vpc-flow-log/"+id), "trafficType": string(log.TrafficType), "iamRoleArn": log.DeliverLogsPermissionArn,
		"logDestinationType": string(log.LogDestinationType), "logFormat": log.LogFormat, "maxAggregationInterval": log.MaxAggregationInterval,
	}), nil
}

func updateFlowLog(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readFlowLog(ctx, c, id, in)
}

func deleteFlowLog(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Network.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}})
	return unless(err, "InvalidFlowLogId.NotFound")
}
