package emulator

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
)

// check is everything that is wrong with the inputs of a resource, in the order of Required and then of Check.
func (k Kind) check(in Object) []Fault {
	var faults []Fault
	for _, name := range k.Required {
		if !in.Has(name) {
			faults = append(faults, Fault{Property: name, Reason: fmt.Sprintf("missing required argument: %s needs %q", k.Token, name)})
		}
	}
	// A kind that refuses its inputs for what is missing would say so a second time.
	if len(faults) == 0 && k.Check != nil {
		faults = k.Check(in)
	}
	return faults
}

// checkName refuses a name that is too long or holds characters that AWS refuses.
func checkName(in Object, key string, limit int, alphabet *regexp.Regexp) []Fault {
	if !in.Known(key) {
		return nil
	}
	name := in.Str(key)
	switch {
	case name == "":
		return []Fault{{key, "ValidationError: the name is empty"}}
	case len(name) > limit:
		return []Fault{{key, fmt.Sprintf("ValidationError: %q has %d characters; at most %d are allowed", name, len(name), limit)}}
	case !alphabet.MatchString(name):
		return []Fault{{key, fmt.Sprintf("ValidationError: %q does not match %s", name, alphabet)}}
	}
	return nil
}

// checkJSON refuses a document that is not a JSON object; the policies of AWS are such.
func checkJSON(in Object, key string) []Fault {
	if !in.Known(key) {
		return nil
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(in.Str(key)), &document); err != nil {
		return []Fault{{key, fmt.Sprintf("MalformedPolicyDocument: not a JSON object: %v", err)}}
	}
	return nil
}

// checkCIDR refuses an IPv4 block with host bits, which AWS corrects in silence or refuses, and one whose size is out
// of range, in bits of the prefix.
func checkCIDR(in Object, key string, shortest, longest int) []Fault {
	if !in.Known(key) {
		return nil
	}
	block, err := netip.ParsePrefix(in.Str(key))
	switch {
	case err != nil || !block.Addr().Is4():
		return []Fault{{key, fmt.Sprintf("InvalidParameterValue: %q is not an IPv4 CIDR block such as 10.0.0.0/16", in.Str(key))}}
	case block.Masked() != block:
		return []Fault{{key, fmt.Sprintf("InvalidParameterValue: %s has host bits set; write %s", block, block.Masked())}}
	case block.Bits() < shortest || block.Bits() > longest:
		return []Fault{{key, fmt.Sprintf("InvalidParameterValue: %s is not between /%d and /%d", block, shortest, longest)}}
	}
	return nil
}

// checkOneOf refuses a value that is not among the allowed ones.
func checkOneOf(in Object, key string, allowed ...string) []Fault {
	if !in.Known(key) || slices.Contains(allowed, in.Str(key)) {
		return nil
	}
	return []Fault{{key, fmt.Sprintf("InvalidParameterValue: %q is none of %q", in.Str(key), allowed)}}
}

// checkExactlyOne refuses inputs that give none or several of the keys. An unknown value counts as given.
func checkExactlyOne(in Object, keys ...string) []Fault {
	var given []string
	for _, k := range keys {
		if in.Has(k) {
			given = append(given, k)
		}
	}
	switch len(given) {
	case 1:
		return nil
	case 0:
		return []Fault{{keys[0], fmt.Sprintf("MissingParameter: give exactly one of %q", keys)}}
	default:
		return []Fault{{given[1], fmt.Sprintf("InvalidParameterCombination: %q exclude each other; give exactly one of %q", given, keys)}}
	}
}
