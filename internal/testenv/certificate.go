package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA is the path of the PEM file with the certificate that a TLS server shows, which is its own authority.
func (p *Postgres) CA() string { return filepath.Join(p.dir, "server.crt") }

func (p *Postgres) keyFile() string { return filepath.Join(p.dir, "server.key") }

// secure makes key and certificate, and has the server refuse whoever comes over TCP without TLS.
func (p *Postgres) secure() error {
	certificate, key, err := selfSigned(time.Now())
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	files := []struct {
		path string
		text []byte
	}{
		{p.CA(), certificate},
		{p.keyFile(), key},
		{filepath.Join(p.Dir(), "pg_hba.conf"), []byte("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")},
	}
	for _, f := range files {
		if err := os.WriteFile(f.path, f.text, 0o600); err != nil {
			return fmt.Errorf("make a server secure: %w", err)
		}
		if err := give(f.path, p.owner); err != nil {
			return fmt.Errorf("make a server secure: %w", err)
		}
	}
	return nil
}

// selfSigned makes a key and its own certificate for the loopback interface, both PEM.
func selfSigned(now time.Time) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	content := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, content, content, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
	return certificate, key, nil
}
