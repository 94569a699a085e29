package payment

import "slices"

// fiscalRegions lists the states whose taxpayers have a CPF with that ninth digit (Receita Federal).
var fiscalRegions = [10][]string{
	0: {"RS"},
	1: {"DF", "GO", "MS", "MT", "TO"},
	2: {"AC", "AM", "AP", "PA", "RO", "RR"},
	3: {"CE", "MA", "PI"},
	4: {"AL", "PB", "PE", "RN"},
	5: {"BA", "SE"},
	6: {"MG"},
	7: {"ES", "RJ"},
	8: {"SP"},
	9: {"PR", "SC"},
}

// UFs returns the abbreviations of Brazil's 26 states and the Federal District, in alphabetical order.
func UFs() []string {
	ufs := slices.Concat(fiscalRegions[:]...)
	slices.Sort(ufs)
	return ufs
}

// ValidUF reports whether uf is one of [UFs]: two capitals.
func ValidUF(uf string) bool {
	for region := range fiscalRegions {
		if slices.Contains(fiscalRegions[region], uf) {
			return true
		}
	}
	return false
}

// RegionCovers reports whether a CPF whose ninth digit is fiscalRegion was issued for a taxpayer of the state uf. It
// is false when either is unknown: [NoRegion], a number above 9, or a text that is no state. People move, so that a
// mismatch is a hint and never a proof.
func RegionCovers(fiscalRegion uint8, uf string) bool {
	return int(fiscalRegion) < len(fiscalRegions) && slices.Contains(fiscalRegions[fiscalRegion], uf)
}
