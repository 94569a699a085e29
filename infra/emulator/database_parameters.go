package emulator

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// parameterBatch is how many parameters AWS changes in one call.
const parameterBatch = 20

var databaseFamily = regexp.MustCompile(`^postgres\d+$`)

// staticParameters need a restart; AWS refuses to apply them immediately, which is the default of the real provider.
func staticParameters() []string {
	return []string{
		"huge_pages", "max_connections", "rds.force_ssl", "rds.logical_replication", "shared_buffers",
		"shared_preload_libraries", "track_activity_query_size", "wal_buffers",
	}
}

func checkParameterGroup(in Object) []Fault {
	i := inspect(in)
	i.name("name", 255, lowerName)
	if in.Known("family") && !databaseFamily.MatchString(in.Str("family")) {
		i.fault("family", "InvalidParameterValue: %q is no family such as postgres16", in.Str("family"))
	}
	seen := map[string]bool{}
	for _, p := range i.each("parameters") {
		p.given("name", "value")
		p.oneOf("applyMethod", "immediate", "pending-reboot")
		name := p.in.Str("name")
		if slices.Contains(staticParameters(), name) && p.in.Str("applyMethod") != "pending-reboot" {
			p.fault("applyMethod", "InvalidParameterCombination: set pending-reboot: %s is a static parameter", name)
		}
		if seen[name] {
			p.fault("name", "InvalidParameterValue: remove one of the two values of %s", name)
		}
		seen[name] = true
	}
	return i.found()
}

func createParameterGroup(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("name")
	_, err := c.Database.CreateDBParameterGroup(ctx, &rds.CreateDBParameterGroupInput{
		DBParameterGroupName: &name, DBParameterGroupFamily: in.StrPtr("family"), Description: aws.String(described(in)),
		Tags: tagList(in.Tags(), databaseTag),
	})
	if err != nil {
		return "", nil, fmt.Errorf("create parameter group %s: %w", name, err)
	}
	if err := c.setParameters(ctx, name, in); err != nil {
		return name, in, err
	}
	out, err := readParameterGroup(ctx, c, name, in)
	return name, out, err
}

func (c *Cloud) setParameters(ctx context.Context, group string, in Object) error {
	var parameters []types.Parameter
	for _, p := range in.Objects("parameters") {
		parameters = append(parameters, types.Parameter{
			ParameterName: p.StrPtr("name"), ParameterValue: p.StrPtr("value"),
			ApplyMethod: types.ApplyMethod(orElse(p.Str("applyMethod"), "immediate")),
		})
	}
	for batch := range slices.Chunk(parameters, parameterBatch) {
		_, err := c.Database.ModifyDBParameterGroup(ctx, &rds.ModifyDBParameterGroupInput{DBParameterGroupName: &group, Parameters: batch})
		if err != nil {
			return fmt.Errorf("set parameters of group %s: %w", group, err)
		}
	}
	return nil
}

func readParameterGroup(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Database.DescribeDBParameterGroups(ctx, &rds.DescribeDBParameterGroupsInput{DBParameterGroupName: &id})
	if isCode(err, parameterGroupGone) || err == nil && len(got.DBParameterGroups) == 0 {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe parameter group %s: %w", id, err)
	}
	values, err := c.parameterValues(ctx, id)
	if err != nil {
		return nil, err
	}
	g := got.DBParameterGroups[0]
	out := state.With(Object{
		"arn": aws.ToString(g.DBParameterGroupArn), "name": id, "family": aws.ToString(g.DBParameterGroupFamily),
		"description": aws.ToString(g.Description),
	})
	var parameters []any
	for _, p := range state.Objects("parameters") {
		if value, ok := values[p.Str("name")]; ok {
			parameters = append(parameters, map[string]any(p.With(Object{"value": value})))
		}
	}
	if len(parameters) > 0 {
		out["parameters"] = parameters
	}
	return out, nil
}

// parameterValues are the parameters of a group that were set.
func (c *Cloud) parameterValues(ctx context.Context, group string) (map[string]string, error) {
	got, err := c.Database.DescribeDBParameters(ctx, &rds.DescribeDBParametersInput{DBParameterGroupName: &group})
	if err != nil {
		return nil, fmt.Errorf("describe parameters of group %s: %w", group, err)
	}
	out := map[string]string{}
	for _, p := range got.Parameters {
		out[aws.ToString(p.ParameterName)] = aws.ToString(p.ParameterValue)
	}
	return out, nil
}

// updateParameterGroup makes the group anew when a parameter is dropped: the emulator answers 500 to
// ResetDBParameterGroup. Databases refer to the group by its name and notice nothing.
func updateParameterGroup(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	wanted := map[string]bool{}
	for _, p := range in.Objects("parameters") {
		wanted[p.Str("name")] = true
	}
	dropped := slices.ContainsFunc(state.Objects("parameters"), func(p Object) bool { return !wanted[p.Str("name")] })
	if dropped {
		_, err := c.Database.DeleteDBParameterGroup(ctx, &rds.DeleteDBParameterGroupInput{DBParameterGroupName: &id})
		if err != nil {
			return nil, fmt.Errorf("reset parameters of group %s: %w", id, err)
		}
		_, out, err := createParameterGroup(ctx, c, in)
		return out, err
	}
	if err := c.setParameters(ctx, id, in); err != nil {
		return nil, err
	}
	if err := c.tagDatabase(ctx, state.Str("arn"), state.Tags(), in.Tags()); err != nil {
		return nil, err
	}
	return readParameterGroup(ctx, c, id, in)
}

func deleteParameterGroup(ctx context.Context, c *Cloud, id string, state Object) error {
	if state.Bool("skipDestroy") {
		return nil
	}
	err := c.usedBy(ctx, "InvalidDBParameterGroupState", "parameter group "+id, func(d types.DBInstance) bool {
		return slices.ContainsFunc(d.DBParameterGroups, func(g types.DBParameterGroupStatus) bool {
			return aws.ToString(g.DBParameterGroupName) == id
		})
	})
	if err != nil {
		return err
	}
	_, err = c.Database.DeleteDBParameterGroup(ctx, &rds.DeleteDBParameterGroupInput{DBParameterGroupName: &id})
	return wrap(unless(err, parameterGroupGone), "delete parameter group %s", id)
}
