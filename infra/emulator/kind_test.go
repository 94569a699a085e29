package emulator

import (
	"regexp"
	"testing"
)

func TestKindsAreComplete(t *testing.T) {
	for _, k := range Kinds() {
		if !regexp.MustCompile(`^aws:[a-z0-9]+/([a-z])([A-Za-z]+):[A-Z][A-Za-z]+$`).MatchString(k.Token) {
			t.Errorf("token %q is not of the form aws:service/thing:Thing", k.Token)
		}
		if k.Create == nil && k.StateOnly == "" {
			t.Errorf("%s: nothing is made, and no reason is given", k.Token)
		}
	}
}
