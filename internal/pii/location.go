package pii

import (
	"net/netip"
	"strings"
)

// IP is an Internet address. Its normal form is that of RFC 5952, an IPv4 address inside IPv6 as plain IPv4.
type IP struct{ secret }

// ParseIP reads an IPv4 or IPv6 address. Zones are refused, and so is the unspecified address: neither names anyone.
func ParseIP(text string) (IP, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.Unmap().IsUnspecified() {
		return IP{}, invalid("an IP address is an IPv4 or IPv6 address without port, prefix and zone")
	}
	if !addr.Is4() { // an IPv4 address has one spelling only
		text = addr.Unmap().String()
	}
	return IP{conceal(text)}, nil
}

// CEP is a Brazilian postal code. Its normal form is eight digits.
type CEP struct{ secret }

// ParseCEP reads a postal code with or without its hyphen (01310-100, 01310100). 00000-000 is refused.
func ParseCEP(text string) (CEP, error) {
	if len(text) == 9 && text[5] == '-' {
		text = text[:5] + text[6:]
	}
	if len(text) != 8 || !allDigits(text) || strings.Count(text, "0") == len(text) {
		return CEP{}, invalid("a CEP has 8 digits")
	}
	return CEP{conceal(text)}, nil
}
