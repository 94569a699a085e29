package emulator

import "slices"

// StateOnlyKinds are the kinds of which nothing is made in the emulator, each with its reason in StateOnly: what a
// deployment against the emulator does not prove.
func StateOnlyKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return k.StateOnly == "" })
}
