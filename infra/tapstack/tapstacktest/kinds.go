package tapstacktest

import "maps"

// kinds is every resource type that the mocks know, by token.
func kinds() map[string]kind {
	all := map[string]kind{
		"pulumi:providers:aws": {answer: func(m *making) (string, map[string]any) { return m.uuid("id"), nil }},
	}
	for _, group := range []map[string]kind{networkKinds(), identityKinds(), dataKinds(), cacheKinds(), messageKinds(), computeKinds(), edgeKinds()} {
		maps.Copy(all, group)
	}
	return all
}

// numbered answers an id of prefix and 17 hexadecimal digits, as EC2's are, and the ARN of an EC2 resource of this type.
func numbered(prefix, resource string, computed func(m *making) map[string]any) func(*making) (string, map[string]any) {
	return func(m *making) (string, map[string]any) {
		id := prefix + "-" + m.hash("id", 17)
		values := map[string]any{"ownerId": Account}
		if resource != "" {
			values["arn"] = arn("ec2", resource+"/"+id)
		}
		if computed != nil {
			maps.Copy(values, computed(m))
		}
		return id, values
	}
}

// named answers the physical name as the id, and the ARN made of the service, a prefix and that name.
func named(service, prefix string, computed func(m *making) map[string]any) func(*making) (string, map[string]any) {
	return func(m *making) (string, map[string]any) {
		values := map[string]any{"arn": arn(service, prefix+m.physical)}
		if computed != nil {
			maps.Copy(values, computed(m))
		}
		return m.physical, values
	}
}
