package controls

import "slices"

// keyControls are about KMS.
func keyControls() []Control {
	return []Control{
		{"KMS.3", nil, FSBP, "No key is scheduled for deletion, as destroying the stack does", keysKept},
		{"KMS.4", []string{"KMS5", "CKV_AWS_7"}, SecurityHub, "Keys rotate",
			every(kmsKey, is("enableKeyRotation", true), between("rotationPeriodInDays", 90, 2560))},
		{"KMS.5", []string{"CKV_AWS_33"}, FSBP, "No key is open to the public: no statement allows everybody, and conditions have fixed values", privateKeys},
		{"CKV_AWS_227", nil, Checkov, "Keys are enabled",
			every(kmsKey, isNot("isEnabled", false))},
		{"CKV2_AWS_64", nil, Checkov, "Every key has a policy of its own, and AWS's check that it locks nobody out stays on",
			every(kmsKey, given("policy"), isNot("bypassPolicyLockoutSafetyCheck", true))},
	}
}

// keysKept finds every key that is deleted with the stack. On a running stack no key is pending; AWS reports the control
// after `pulumi destroy`.
func keysKept(in *inspection) {
	in.each(kmsKey, func(k *Resource) {
		in.want(k.RetainOnDelete || k.Protect, k, "", "keep the key when the stack goes")
	})
}

func privateKeys(in *inspection) {
	for _, d := range in.documents(kmsKey) {
		for _, s := range d.allows() {
			in.want(!slices.ContainsFunc(s.principals(), wild), d.owner, d.field, s.name()+": name the principals instead of *")
			for _, c := range s.conditions() {
				in.want(fixed(c.value), d.owner, d.field, s.name()+": state a fixed value for "+c.key)
			}
		}
	}
}
