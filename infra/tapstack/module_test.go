package tapstack_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	program = "github.com/fastshop/pipeline"
	infra   = program + "/infra"
)

// The program and its infrastructure are two modules: Pulumi's dependencies never reach the program, and nothing here
// knows the program's types. What both must agree on is text: settings.golden.
func TestInfraKnowsNothingOfTheProgram(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if ofProgram(imported) {
				t.Errorf("%s imports %s", path, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("only %d files were read", files)
	}
}

func TestGoModDoesNotRequireTheProgram(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != "module "+infra {
		t.Errorf("go.mod begins with %q", lines[0])
	}
	for _, line := range lines[1:] {
		for _, word := range strings.Fields(line) {
			if ofProgram(word) {
				t.Errorf("go.mod says %q", line)
			}
		}
	}
}

// ofProgram tells the program's packages from ours.
func ofProgram(path string) bool {
	within := func(path, module string) bool { return path == module || strings.HasPrefix(path, module+"/") }
	return within(path, program) && !within(path, infra)
}
