package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/tapstack"
)

// readme is README.md and, where it has them, the parts between two headings.
func readme(t *testing.T, from, to string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), from)
	part, _, ended := strings.Cut(rest, to)
	if !found || !ended {
		t.Fatalf("README.md has no part from %q to %q", from, to)
	}
	return part
}

// TestReadmeKnowsEverySetting shows that an operator finds every setting, and none that is not there.
func TestReadmeKnowsEverySetting(t *testing.T) {
	table := readme(t, "### Change", "### Alarms")
	for _, key := range tapstack.ConfigKeys() {
		if !strings.Contains(table, "`"+key+"`") {
			t.Errorf("README.md does not tell of setting %s", key)
		}
	}
	known := strings.Join(tapstack.ConfigKeys(), " ") + " "
	for _, row := range strings.Split(table, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 4 {
			continue
		}
		for _, key := range regexp.MustCompile("`([a-zA-Z]+)`").FindAllStringSubmatch(cells[1], -1) {
			if !strings.Contains(known, key[1]+" ") {
				t.Errorf("README.md tells of a setting %s, which there is not", key[1])
			}
		}
	}
}

// TestReadmeRequirements follows every row of the table of requirements to its files and its tests.
func TestReadmeRequirements(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| requirement | file | test |")
	if !found {
		t.Fatal("README.md has no table of requirements")
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for _, row := range strings.Split(table, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 5 || strings.Contains(row, "---") {
			continue
		}
		rows++
		files, tests := quoted.FindAllStringSubmatch(cells[2], -1), quoted.FindAllStringSubmatch(cells[3], -1)
		if len(files) == 0 || len(tests) == 0 {
			t.Errorf("a requirement without file or test: %s", row)
		}
		for _, file := range files {
			if _, err := os.Stat(file[1]); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(cells[1]), err)
			}
		}
		for _, test := range tests {
			folder, name, _ := strings.Cut(test[1], " ")
			if !hasTest(t, folder, name) {
				t.Errorf("%s: there is no test %s", strings.TrimSpace(cells[1]), test[1])
			}
		}
	}
	if rows < 25 {
		t.Errorf("the table has %d requirements, which is too few to be all", rows)
	}
}

// hasTest tells whether a folder's tests have a function of this name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}
