package tapstacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

func identityKinds() map[string]kind {
	return map[string]kind{
		"aws:kms/key:Key": {check: document("policy"), answer: func(m *making) (string, map[string]any) {
			id := m.uuid("id")
			return id, map[string]any{"keyId": id, "arn": arn("kms", "key/"+id)}
		}},
		"aws:kms/alias:Alias": {naming: "name", check: aliasName, answer: named("kms", "", func(m *making) map[string]any {
			key := m.Text("targetKeyId")
			return map[string]any{"targetKeyArn": arn("kms", "key/"+key[strings.LastIndex(key, "/")+1:])}
		})},
		"aws:iam/role:Role": {naming: "name", check: document("assumeRolePolicy"), answer: func(m *making) (string, map[string]any) {
			return m.physical, map[string]any{
				"arn":      "arn:aws:iam::" + Account + ":role/" + m.physical,
				"uniqueId": "AROA" + strings.ToUpper(m.hash("id", 17)),
			}
		}},
		"aws:iam/rolePolicy:RolePolicy": {check: document("policy"), answer: func(m *making) (string, map[string]any) {
			name := m.Text("name")
			if name == "" {
				name = m.Name
			}
			return m.Text("role") + ":" + name, map[string]any{"name": name}
		}},
	}
}

// aliasName refuses aliases that AWS would refuse.
func aliasName(m *making) error {
	if !strings.HasPrefix(m.physical, "alias/") || strings.HasPrefix(m.physical, "alias/aws/") {
		return errors.New("the name must begin with alias/ and not with alias/aws/")
	}
	return nil
}

// document refuses a policy that is no JSON object.
func document(input string) func(m *making) error {
	return func(m *making) error {
		text := m.Text(input)
		if text == "" {
			return nil
		}
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return fmt.Errorf("%s: MalformedPolicyDocument: %w", input, err)
		}
		return nil
	}
}
