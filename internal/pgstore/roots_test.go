package pgstore

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"testing"
	"time"
)

// TestServersOfRDSAreTrusted pins the roots by their fingerprints, and checks who trusts them.
func TestServersOfRDSAreTrusted(t *testing.T) {
	want := []string{ // SHA-256 of the certificates, as AWS's bundle has them
		"1c753cf0334ff82a47e0d3205839c8549b7d9a8a3d9a685cccecc80f82fe97e6", // RSA4096 G1
		"82d99e9e409703044c3f886f87a0408c96cd74dee2c9ba920e6553a32e372539", // ECC384 G1
		"e4ce41d069f4bdcdb714259058961ee42ed18cf2bf627a3d647aff25437d4b68", // RSA2048 G1
	}
	var got []string
	for rest := rdsRoots; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckSignatureFrom(c); err != nil || !c.IsCA || c.NotAfter.Before(time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s is no root that lasts: %v", c.Subject.CommonName, err)
		}
		sum := sha256.Sum256(block.Bytes)
		got = append(got, hex.EncodeToString(sum[:]))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("roots %v", got)
	}
	for url, trusting := range map[string]bool{
		"postgres://u@h:6432/d?auth=iam&region=us-east-1": true,
		"postgres://h:6432/d?auth=secret&secret=arn":      true,
		"postgres://u@h:6432/d":                           false, // the system's roots, whatever they are
	} {
		c, err := ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		if (c.conn.TLSConfig.RootCAs != nil) != trusting || c.conn.TLSConfig.ServerName != "h" {
			t.Errorf("%s: roots of its own: %v, for the name %q", url, c.conn.TLSConfig.RootCAs != nil, c.conn.TLSConfig.ServerName)
		}
	}
}
