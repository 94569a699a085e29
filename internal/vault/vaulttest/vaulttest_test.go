package vaulttest_test

import (
	"testing"

	"github.com/fastshop/pipeline/internal/vault/vaulttest"
)

func TestInMemory(t *testing.T) {
	vaulttest.Run(t, func(*testing.T) vaulttest.Backends { return vaulttest.InMemory() })
}
