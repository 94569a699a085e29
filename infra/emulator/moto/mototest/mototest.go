// Package mototest gives tests an emulator of AWS.
package mototest

import (
	"errors"
	"os"
	"testing"

	"github.com/fastshop/pipeline/infra/emulator/moto"
)

// Start runs an emulator until the test ends. What is missing ends the test, as in Need.
func Start(t testing.TB) *moto.Moto {
	t.Helper()
	m, err := moto.Start(t.Context())
	Need(t, err)
	t.Cleanup(m.Stop)
	return m
}

// Need ends the test when moto.Start failed with err. A program that is not installed is a failure where CI=true, and
// elsewhere a skip that says what is not tested, and how to get it.
func Need(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, moto.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip("NOT TESTED: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
