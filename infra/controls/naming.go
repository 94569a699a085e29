package controls

import (
	"fmt"
	"regexp"
	"strings"
)

// namingControls are about physical names and tags.
func namingControls() []Control {
	return []Control{
		{"NAME.1", nil, FastShop, "Every physical name carries the environment's suffix, so that environments live side by side", suffixed},
		{"NAME.2", nil, FastShop, "Every physical name is within AWS's length and alphabet", withinLimits},
		{"NAME.3", nil, FastShop, "No security group is named sg-…, which AWS keeps for ids",
			every(securityGroup, rule{"name", func(_ *inspection, v any) bool { s, _ := v.(string); return s != "" && !strings.HasPrefix(s, "sg-") }, "name it otherwise"})},
		{"NAME.4", nil, FastShop, "Everything that takes tags is tagged, with the operator's tags among them", tagged},
	}
}

// limit is what AWS takes as a name of a type.
type limit struct {
	field    string
	most     int
	alphabet *regexp.Regexp
}

// Alphabets of names, from the API references.
var (
	lowerHyphen = regexp.MustCompile(`^[a-z](-?[a-z0-9])*$`)
	wordHyphen  = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	wordDot     = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)
	roleName    = regexp.MustCompile(`^[\w+=,.@-]+$`)
	logName     = regexp.MustCompile(`^[a-zA-Z0-9_\-/.#]+$`)
	aliasName   = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`)
	groupName   = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+$`)
	printable   = regexp.MustCompile(`^[\x20-\x7e]+$`)
)

// limits are the types that have a physical name.
func limits() map[string]limit {
	return map[string]limit{
		stream: {"name", 128, wordDot}, "aws:kinesis/streamConsumer:StreamConsumer": {"name", 128, wordDot},
		table: {"name", 255, wordDot}, queue: {"name", 80, wordHyphen}, topic: {"name", 256, wordHyphen},
		dbInstance: {"identifier", 63, lowerHyphen}, dbSubnets: {"name", 255, lowerHyphen}, dbParameters: {"name", 255, lowerHyphen}, dbEvents: {"name", 255, lowerHyphen},
		cacheGroup: {"replicationGroupId", 40, lowerHyphen}, cacheSubnets: {"name", 255, lowerHyphen},
		"aws:elasticache/parameterGroup:ParameterGroup": {"name", 255, lowerHyphen}, "aws:elasticache/user:User": {"userId", 40, lowerHyphen},
		"aws:elasticache/userGroup:UserGroup": {"userGroupId", 40, lowerHyphen},
		function:                              {"name", 64, wordHyphen}, httpAPI: {"name", 128, printable},
		iamRole: {"name", 64, roleName}, iamRolePolicy: {"name", 128, roleName}, kmsAlias: {"name", 256, aliasName},
		logGroup: {"name", 512, logName}, metricAlarm: {"name", 255, printable}, "aws:cloudwatch/dashboard:Dashboard": {"dashboardName", 255, wordHyphen},
		"aws:cloudwatch/eventRule:EventRule": {"name", 64, wordDot}, securityGroup: {"name", 255, groupName},
	}
}

// physicalName is a name in AWS, and the input that holds it.
type physicalName struct{ text, field string }

// nameOf is the resource's name in AWS; false for types that have none.
func nameOf(r *Resource) (physicalName, bool) {
	l, named := limits()[r.Type]
	return physicalName{r.Text(l.field), l.field}, named
}

func suffixed(in *inspection) {
	// The suffix stands at the end, or before what AWS fixes, such as /postgresql.
	whole := regexp.MustCompile(`-` + regexp.QuoteMeta(in.Suffix) + `(/[a-z]+)?$`)
	for _, r := range in.Resources {
		if n, named := nameOf(r); named {
			in.look(r)
			in.want(whole.MatchString(n.text), r, n.field, fmt.Sprintf("end the name %q with -%s", n.text, in.Suffix))
		}
	}
}

func withinLimits(in *inspection) {
	for _, r := range in.Resources {
		l, named := limits()[r.Type]
		if !named {
			continue
		}
		in.look(r)
		name := r.Text(l.field)
		in.want(len(name) <= l.most, r, l.field, fmt.Sprintf("%d characters, AWS takes %d", len(name), l.most))
		in.want(l.alphabet.MatchString(name), r, l.field, fmt.Sprintf("%q does not match %s", name, l.alphabet))
	}
}

// taggable are the types that take tags.
func taggable() []string {
	return []string{
		vpc, defaultGroup, internetGateway, subnet, "aws:ec2/routeTable:RouteTable", "aws:ec2/eip:Eip", natGateway, vpcEndpoint, flowLog, securityGroup,
		ingressRule, egressRule, kmsKey, iamRole, stream, "aws:kinesis/streamConsumer:StreamConsumer", queue, table, dbSubnets, dbParameters, dbInstance, dbEvents,
		cacheSubnets, "aws:elasticache/parameterGroup:ParameterGroup", "aws:elasticache/user:User", "aws:elasticache/userGroup:UserGroup", cacheGroup,
		function, sourceMapping, httpAPI, httpStage, "aws:cloudwatch/eventRule:EventRule", logGroup, metricAlarm, topic,
	}
}

func tagged(in *inspection) {
	for _, token := range taggable() {
		in.each(token, func(r *Resource) {
			tags, _ := r.Input("tags").(map[string]any)
			in.want(len(tags) > 0, r, "tags", "tag it")
			for key, value := range in.Tags {
				in.want(tags[key] == value, r, "tags."+key, "pass the operator's tags on")
			}
		})
	}
}
