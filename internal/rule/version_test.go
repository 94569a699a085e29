package rule

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestAFileTellsItsVersionWithoutItsVariables(t *testing.T) {
	s := mustCompile(t, threeRules, small())
	if v, err := Version([]byte(threeRules)); err != nil || v != s.Version() {
		t.Errorf("version %q, %v; that of the set is %q", v, err, s.Version())
	}
	commented := threeRules + "\n# a comment\n"
	if v, err := Version([]byte(commented)); err != nil || v != s.Version() {
		t.Errorf("with a comment it is %q, %v", v, err)
	}
	foreign := strings.Replace(string(oneRule("tx.night", "5")), "tx.night", "tx.nowhere", 1)
	if v, err := Version([]byte(foreign)); err != nil || v == "" {
		t.Errorf("a file over unknown variables: %q, %v", v, err)
	}
	var faults Faults
	for _, broken := range []string{"", "name: [", threeRules[:len(threeRules)/2]} {
		if v, err := Version([]byte(broken)); !errors.As(err, &faults) || v != "" {
			t.Errorf("a broken file: %q, %v", v, err)
		}
	}
}

func TestTheTextIsKeptAsItWas(t *testing.T) {
	file := []byte(threeRules + "\n# a comment\n")
	s := mustCompile(t, string(file), small())
	text := s.Text()
	if !bytes.Equal(text, file) {
		t.Errorf("the text is %q", text)
	}
	clear(text)
	if !bytes.Equal(s.Text(), file) {
		t.Error("the caller's copy is the set's own")
	}
}
