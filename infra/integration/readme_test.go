package integration

import (
	"os"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/emulator"
)

// TestReadmeNamesWhatIsOnlyInTheState shows that nobody takes for deployed what the emulator cannot make.
func TestReadmeNamesWhatIsOnlyInTheState(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	ok(t, err)
	_, rest, _ := strings.Cut(string(text), "live in the engine's state only:")
	list, _, _ := strings.Cut(rest, ".")
	kinds := emulator.StateOnlyKinds()
	for _, kind := range kinds {
		if !strings.Contains(list, "`"+kind.Token+"`") {
			t.Errorf("README.md does not say that %s is only in the state: %s", kind.Token, kind.StateOnly)
		}
	}
	if named := strings.Count(list, "aws:"); named != len(kinds) {
		t.Errorf("README.md names %d types, there are %d", named, len(kinds))
	}
}
