package controls

import (
	"regexp"
	"slices"
	"strings"
)

// policyControls are our own rules for every policy document of the stack.
func policyControls() []Control {
	return []Control{
		{"POLICY.1", nil, FastShop, "Every policy is valid, of version 2012-10-17, and names each statement differently", wellFormed},
		{"POLICY.2", nil, FastShop, "No statement allows everybody, or everything but a list", positive},
		{"POLICY.3", nil, FastShop, "Key, queue and topic policies allow named actions; only a key's administration uses families of verbs", namedActions},
		{"POLICY.4", nil, FastShop, "Roles use keys by exact ARN: whatever opens or makes data keys names the stack's own keys", exactKeys},
		{"POLICY.5", nil, FastShop, "Whoever administers a key can neither use it nor grant its use", administrationApart},
		{"POLICY.6", nil, FastShop, "The account as such has no use of a key: a service, a role, and for grants AWS itself must stand between", rootNarrowed},
		{"POLICY.7", nil, FastShop, "Conditions have fixed values", fixedConditions},
		{"POLICY.8", nil, FastShop, "AWS services act for our account alone", servicesBound},
		{"POLICY.9", nil, FastShop, "The cache's key admits ElastiCache under both of its names", bothCacheNames},
		{"POLICY.10", nil, FastShop, "The function that judges transactions has no right on the personal-data key, by either lock", processApart},
	}
}

// dataVerbs are those by which data are read or written under a key, or by which somebody else is let to.
func dataVerbs() []string {
	return append(openingVerbs(), "kms:Encrypt", "kms:ReEncryptTo", "kms:Sign", "kms:GenerateMac", "kms:CreateGrant")
}

// openingVerbs give plain text or plain data keys.
func openingVerbs() []string {
	return []string{
		"kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair",
		"kms:GenerateDataKeyPairWithoutPlaintext", "kms:DeriveSharedSecret",
	}
}

// managingVerbs change a key or its policy.
func managingVerbs() []string {
	return []string{
		"kms:PutKeyPolicy", "kms:UpdateKeyDescription", "kms:UpdateAlias", "kms:EnableKey", "kms:EnableKeyRotation", "kms:DisableKey", "kms:DisableKeyRotation",
		"kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:TagResource", "kms:UntagResource", "kms:RotateKeyOnDemand",
	}
}

func wellFormed(in *inspection) {
	for _, d := range in.documents() {
		if d.fault != nil {
			in.want(false, d.owner, d.field, d.fault.Error())
		}
		seen := map[string]bool{}
		for _, s := range d.Statement {
			in.want(s.Sid != "", d.owner, d.field, "give every statement a Sid")
			in.want(s.Sid == "" || !seen[s.Sid], d.owner, d.field, s.name()+": the Sid is taken")
			seen[s.Sid] = true
		}
	}
}

func positive(in *inspection) {
	for _, d := range in.documents() {
		for _, s := range d.Statement {
			in.want(len(s.negated) == 0, d.owner, d.field, s.name()+": name what is meant instead of "+strings.Join(s.negated, ", "))
		}
		// Gateway endpoints take no principal but the star; NET.3 wants the account as a condition there.
		if d.purpose == endpointPolicy {
			continue
		}
		for _, s := range d.allows() {
			in.want(!slices.ContainsFunc(s.principals(), wild), d.owner, d.field, s.name()+": name the principals instead of *")
		}
	}
}

func namedActions(in *inspection) {
	for _, d := range in.documents(kmsKey, queue, queuePolicy, topic, topicPolicy) {
		for _, s := range d.allows() {
			administration := d.purpose == keyPolicy && len(s.covers(managingVerbs())) > 0
			for _, a := range s.Action {
				use := statement{Action: []string{a}}.covers(dataVerbs())
				family := a == "kms:ReEncrypt*" || a == "kms:GenerateDataKey*" || administration && len(use) == 0
				in.want(!wild(a) || d.purpose == keyPolicy && family, d.owner, d.field, s.name()+": list the actions instead of "+a)
			}
		}
	}
}

func exactKeys(in *inspection) {
	for _, d := range in.documents(iamRole, iamRolePolicy) {
		for _, s := range d.allows() {
			if len(s.covers(dataVerbs())) == 0 {
				continue
			}
			for _, resource := range s.Resource {
				in.want(in.key(resource) != nil, d.owner, d.field, s.name()+": name a key of the stack by its ARN instead of "+resource)
			}
		}
	}
}

func administrationApart(in *inspection) {
	for _, d := range in.documents(kmsKey) {
		managed := false
		for _, s := range d.allows() {
			if len(s.covers(managingVerbs())) == 0 {
				continue
			}
			managed = true
			use := s.covers(dataVerbs())
			in.want(len(use) == 0, d.owner, d.field, s.name()+": take "+strings.Join(use, ", ")+" out of the administration")
		}
		in.want(managed, d.owner, d.field, "add an administration statement: without one nobody can change or delete the key")
	}
}

// accountPrincipal is the account itself, as an ARN or by its number.
var accountPrincipal = regexp.MustCompile(`^(arn:aws:iam::)?\d{12}(:root)?$`)

func rootNarrowed(in *inspection) {
	for _, d := range in.documents(kmsKey) {
		for _, s := range d.allows() {
			account := slices.ContainsFunc(s.Principal["AWS"], accountPrincipal.MatchString)
			if !account || len(s.covers(dataVerbs())) == 0 {
				continue
			}
			in.want(len(s.under("kms:CallerAccount")) > 0, d.owner, d.field, s.name()+": add the condition kms:CallerAccount")
			by := len(s.under("aws:PrincipalArn")) + len(s.under("kms:ViaService"))
			in.want(by > 0, d.owner, d.field, s.name()+": add the condition aws:PrincipalArn or kms:ViaService")
			granting := len(s.covers([]string{"kms:CreateGrant"})) > 0
			in.want(!granting || slices.Contains(s.under("kms:GrantIsForAWSResource"), "true"), d.owner, d.field,
				s.name()+": allow kms:CreateGrant under the condition kms:GrantIsForAWSResource alone")
		}
	}
}

func fixedConditions(in *inspection) {
	for _, d := range in.documents() {
		for _, s := range d.allows() {
			for _, c := range s.conditions() {
				in.want(fixed(c.value), d.owner, d.field, s.name()+": state a fixed value for "+c.key+" instead of "+c.value)
			}
		}
	}
}

// servicesBound wants the account or the source of whatever a service does. Lambda is the exception among trust policies:
// it states neither when it takes on a function's role.
func servicesBound(in *inspection) {
	for _, d := range in.documents() {
		for _, s := range d.allows() {
			for _, service := range s.Principal["Service"] {
				if d.purpose == trustPolicy && service == "lambda.amazonaws.com" {
					continue
				}
				bound := len(s.under("aws:SourceAccount")) + len(s.under("aws:SourceArn"))
				if d.purpose == keyPolicy && strings.HasPrefix(service, "logs.") {
					bound += len(s.under("kms:EncryptionContext:aws:logs:arn"))
				}
				in.want(bound > 0, d.owner, d.field, s.name()+": add the condition aws:SourceAccount for "+service)
			}
		}
	}
}

// bothCacheNames: ElastiCache calls KMS under its own name or under that of DAX, so a policy with one of them works until
// it does not.
func bothCacheNames(in *inspection) {
	in.each(cacheGroup, func(g *Resource) {
		key := in.key(g.Input("kmsKeyId"))
		in.want(key != nil, g, "kmsKeyId", "name a key of the stack")
		if key == nil {
			return
		}
		admitted := false
		for _, d := range documentsOf(key) {
			for _, s := range d.allows() {
				via := strings.Join(s.under("kms:ViaService"), " ")
				cache, dax := strings.Contains(via, "elasticache."), strings.Contains(via, "dax.")
				in.want(cache == dax, key, d.field, s.name()+": list both elasticache and dax under kms:ViaService")
				admitted = admitted || cache && len(s.covers([]string{"kms:Decrypt"})) > 0
			}
		}
		in.want(admitted, key, "policy", "let ElastiCache use the key: a statement with kms:ViaService elasticache and dax")
	})
}

// processApart follows the function's role to both locks: the key's policy and the role's own.
func processApart(in *inspection) {
	for _, alias := range in.ofType(kmsAlias) {
		key := in.key(alias.Input("targetKeyId"))
		if key == nil || !strings.HasPrefix(alias.Text("name"), "alias/pii-") {
			continue
		}
		for _, f := range in.ofType(function) {
			role := in.byID(iamRole, f.Input("role"))
			if role == nil || !strings.HasPrefix(f.Text("name"), "process-") {
				continue
			}
			in.look(key)
			in.look(role)
			in.closedTo(key, role)
			for _, p := range in.ofType(iamRolePolicy) {
				if p.Input("role") == role.ID {
					mentions := strings.Contains(p.Text("policy"), key.ID) || strings.Contains(p.Text("policy"), alias.Text("name"))
					in.want(!mentions, p, "policy", "remove the personal-data key")
				}
			}
		}
	}
}

// closedTo wants that the key's policy names roles, and not this one.
func (in *inspection) closedTo(key, role *Resource) {
	arn, _ := role.Output("arn").(string)
	for _, d := range documentsOf(key) {
		in.want(!strings.Contains(d.text, arn), key, d.field, "remove the role "+role.Name)
		for _, s := range d.allows() {
			if len(s.covers(dataVerbs())) > 0 {
				in.want(len(s.under("aws:PrincipalArn")) > 0, key, d.field, s.name()+": name the roles under aws:PrincipalArn, so that no other comes in by a policy of its own")
			}
		}
	}
}
