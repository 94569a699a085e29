package controls

import (
	"slices"
	"strings"
	"time"
)

// destroyControls are what makes `pulumi destroy` end, and leave nothing behind.
func destroyControls() []Control {
	return []Control{
		{"DESTROY.1", nil, FastShop, "The engine neither protects nor retains anything", unprotected},
		{"DESTROY.2", nil, FastShop, "Nothing has a deletion protection of its own, or is skipped on destroy", undefended},
		{"DESTROY.3", nil, FastShop, "The database leaves no snapshot and no backup",
			every(dbInstance, is("skipFinalSnapshot", true), absent("finalSnapshotIdentifier"), isNot("deleteAutomatedBackups", false))},
		{"DESTROY.4", nil, FastShop, "The cache leaves no snapshot",
			every(cacheGroup, absent("finalSnapshotIdentifier"))},
		{"DESTROY.5", nil, FastShop, "The stream goes although somebody is registered to read it",
			every(stream, is("enforceConsumerDeletion", true))},
		{"DESTROY.6", nil, FastShop, "Keys go after the shortest wait that AWS grants, seven days",
			every(kmsKey, is("deletionWindowInDays", 7.0))},
		{"DESTROY.7", nil, FastShop, "Log groups go after whatever writes to them, so that no service makes them anew", logsLast},
		{"DESTROY.8", nil, FastShop, "No role can make a log group, but for the one that RDS shares among all databases of the account", noNewGroups},
		{"DESTROY.9", nil, FastShop, "Functions let go of their security groups, and groups and subnets are waited for as long as Lambda may hold them", interfacesLeave},
		{"DESTROY.10", nil, FastShop, "Security groups that refer to each other can go in any order",
			every(securityGroup, is("revokeRulesOnDelete", true), absent("ingress"), absent("egress"))},
		{"DESTROY.11", nil, FastShop, "NAT gateways go before the internet gateway", natFirst},
		{"DESTROY.12", nil, FastShop, "Roles let go of their policies",
			every(iamRole, is("forceDetachPolicies", true))},
		{"DESTROY.13", nil, FastShop, "Static parameters wait for a restart: applied at once they would differ for ever",
			every(dbParameters, pendingReboot("rds.force_ssl"), pendingReboot("shared_preload_libraries"))},
		{"DESTROY.14", nil, FastShop, "What has a fixed name is deleted before it is replaced, or it would collide with itself", deletedFirst},
		{"DESTROY.15", nil, FastShop, "A role has its rights as long as something acts in it: from before it is made until after it is gone", rightsOutlive},
	}
}

func unprotected(in *inspection) {
	for _, r := range in.Resources {
		in.look(r)
		in.want(!r.Protect, r, "", "remove the option protect")
		in.want(!r.RetainOnDelete, r, "", "remove the option retainOnDelete")
	}
}

// guards are the inputs by which resources resist deletion.
func guards() []string {
	return []string{"deletionProtection", "deletionProtectionEnabled", "enableDeletionProtection", "skipDestroy"}
}

func undefended(in *inspection) {
	for _, r := range in.Resources {
		in.look(r)
		for _, guard := range guards() {
			in.want(r.Input(guard) != true, r, guard, "set it to false")
		}
	}
}

// logsOf are the log groups that a service makes by itself for a function or a database.
func logsOf(r *Resource) []string {
	if own := r.Text("loggingConfig.logGroup"); own != "" {
		return []string{own}
	}
	if r.Type == function {
		return []string{"/aws/lambda/" + r.Text("name")}
	}
	var groups []string
	for _, log := range texts(r.Input("enabledCloudwatchLogsExports")) {
		groups = append(groups, "/aws/rds/instance/"+r.Text("identifier")+"/"+log)
	}
	return groups
}

func logsLast(in *inspection) {
	for _, token := range []string{function, dbInstance} {
		in.each(token, func(r *Resource) {
			for _, name := range logsOf(r) {
				group := in.byID(logGroup, name)
				in.want(group != nil && r.DependsOn(group.Name), r, "", "make the log group "+name+" and depend on it")
			}
		})
	}
}

func noNewGroups(in *inspection) {
	for _, d := range in.documents(iamRole, iamRolePolicy) {
		for _, s := range d.allows() {
			if len(s.covers([]string{"logs:CreateLogGroup"})) == 0 {
				continue
			}
			other := slices.ContainsFunc(s.Resource, func(r string) bool { return !strings.Contains(r, ":log-group:RDSOSMetrics") })
			in.want(!other, d.owner, d.field, s.name()+": remove logs:CreateLogGroup, the stack makes the groups")
		}
	}
}

// interfacesLeave: Lambda keeps its interfaces for up to 45 minutes after the function is gone.
func interfacesLeave(in *inspection) {
	in.each(function, func(f *Resource) {
		in.want(f.Input("replaceSecurityGroupsOnDestroy") == true, f, "replaceSecurityGroupsOnDestroy", "set it to true")
		defaults := slices.ContainsFunc(in.ofType(defaultGroup), func(g *Resource) bool { return slices.Contains(texts(f.Input("replacementSecurityGroupIds")), g.ID) })
		in.want(defaults, f, "replacementSecurityGroupIds", "list the VPC's default security group")
		for _, id := range texts(f.Input("vpcConfig.securityGroupIds")) {
			in.patient(in.byID(securityGroup, id))
		}
		for _, id := range texts(f.Input("vpcConfig.subnetIds")) {
			in.patient(in.byID(subnet, id))
		}
	})
}

// patient wants an hour for deletion; a resource is told once.
func (in *inspection) patient(r *Resource) {
	if r == nil || slices.Contains(in.looked, r) {
		return
	}
	in.look(r)
	in.want(r.DeleteTimeout >= time.Hour, r, "", "wait an hour for its deletion (option customTimeouts)")
}

func natFirst(in *inspection) {
	gateways := in.ofType(internetGateway)
	for _, g := range gateways {
		in.look(g)
	}
	in.each(natGateway, func(n *Resource) {
		waits := slices.ContainsFunc(gateways, func(g *Resource) bool { return n.DependsOn(g.Name) })
		in.want(waits, n, "", "depend on the internet gateway")
	})
}

// pendingReboot wants a parameter that is set to be applied by a restart.
func pendingReboot(name string) rule {
	return rule{"parameters", func(_ *inspection, v any) bool {
		value, method := parameter(&Resource{Inputs: map[string]any{"parameters": v}}, name)
		return value == "" || method == "pending-reboot"
	}, "apply " + name + " by pending-reboot"}
}

func deletedFirst(in *inspection) {
	for _, r := range in.Resources {
		if n, has := nameOf(r); has && n.text != "" {
			in.look(r)
			in.want(r.DeleteBeforeReplace, r, n.field, "set the option deleteBeforeReplace")
		}
	}
}

// rightsOutlive: a function that is made before its role's policy is refused, and one that outlives it leaves its network
// interfaces behind, because nothing may delete them any more.
func rightsOutlive(in *inspection) {
	for token, field := range map[string]string{function: "role", flowLog: "iamRoleArn", dbInstance: "monitoringRoleArn"} {
		in.each(token, func(user *Resource) {
			role := in.byID(iamRole, user.Input(field))
			in.want(role != nil, user, field, "name a role of the stack")
			if role == nil {
				return
			}
			for _, p := range in.ofType(iamRolePolicy) {
				if p.Input("role") == role.ID {
					in.want(user.DependsOn(p.Name), user, field, "depend on the role's policy "+p.Name)
				}
			}
		})
	}
}
