// Package layering has no code: its test checks who imports whom in this module.
package layering

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

const module = "github.com/fastshop/pipeline/"

// arrow says what a package may import of this module, and why.
type arrow struct {
	may    []string
	reason string
}

// arrows is the map of ARCHITECTURE.md. A package that is not in it fails the test.
var arrows = map[string]arrow{
	"cmd/fastshop": {[]string{"*"}, "wires everything: it alone knows settings, backends and exit codes"},

	"internal/httpapi":          {[]string{"ingest", "score", "decision", "explanation", "review", "payment", "telemetry"}, "speaks HTTP over ports that cmd fills"},
	"internal/console":          {[]string{"review", "decision", "audit", "vault", "payment", "telemetry"}, "shows people what was decided; the one place beside privacy that may open"},
	"internal/ingest":           {[]string{"vault", "pii", "payment", "stream", "telemetry"}, "the one place that seals"},
	"internal/simulate":         {[]string{"ingest", "pii", "payment"}, "makes submissions, as a shop does"},
	"internal/vault":            {[]string{"payment"}, "keys and tokens; knows nothing of who calls"},
	"internal/vault/sqlitekeys": {[]string{"vault", "payment", "sqlitefile"}, "serves the vault's port"},
	"internal/vault/localkey":   {[]string{"vault"}, "serves the vault's port"},
	"internal/vault/dynamokeys": {[]string{"vault", "payment", "cloud"}, "serves the vault's port"},
	"internal/vault/kmswrap":    {[]string{"vault", "cloud"}, "serves the vault's port"},
	"internal/lambda":           {[]string{"httpapi", "stream"}, "stands between AWS Lambda and the program"},

	"internal/pipeline":               {[]string{"stream", "score", "decision", "velocity", "review", "audit", "payment", "telemetry"}, "sealed side"},
	"internal/backtest":               {[]string{"score", "rule", "gbdt", "decision", "velocity", "payment"}, "sealed side"},
	"internal/model":                  {[]string{"gbdt", "backtest", "score", "decision"}, "sealed side"},
	"internal/report":                 {[]string{"backtest"}, "sealed side; it shows figures"},
	"internal/explanation":            {[]string{"score", "decision", "rule", "review", "payment"}, "sealed side; it is handed what is stored"},
	"internal/review":                 {[]string{"decision"}, "sealed side"},
	"internal/decision":               {[]string{"score", "rule", "payment"}, "sealed side"},
	"internal/score":                  {[]string{"rule", "velocity", "payment"}, "sealed side"},
	"internal/velocity":               {[]string{"payment"}, "sealed side"},
	"internal/audit":                  {[]string{"payment"}, "sealed side"},
	"internal/ledger":                 {[]string{"pipeline", "decision", "review", "audit", "payment", "stream"}, "what every store keeps, apart from how"},
	"internal/sqlitestore":            {[]string{"ledger", "group", "pipeline", "decision", "review", "audit", "payment", "stream", "sqlitefile"}, "serves the pipeline's port"},
	"internal/pgstore":                {[]string{"ledger", "group", "pgstore/query", "pipeline", "decision", "review", "audit", "payment", "stream"}, "serves the pipeline's port"},
	"internal/pgstore/query":          {nil, "generated: the queries"},
	"internal/stream/sqlitestream":    {[]string{"stream", "sqlitefile", "group"}, "serves the stream's ports"},
	"internal/stream/kinesisstream":   {[]string{"stream"}, "serves the stream's ports"},
	"internal/velocity/redisvelocity": {[]string{"velocity", "payment"}, "serves the engine's and the pipeline's ports"},

	"internal/load":       {nil, "leaf: a client that only speaks HTTP"},
	"internal/payment":    {nil, "leaf: the vocabulary"},
	"internal/stream":     {nil, "leaf: the vocabulary"},
	"internal/gbdt":       {nil, "leaf: trees over numbers"},
	"internal/rule":       {nil, "leaf: the caller gives the schema"},
	"internal/pii":        {nil, "leaf"},
	"internal/telemetry":  {nil, "leaf: anyone may import it"},
	"internal/sqlitefile": {nil, "leaf: how SQLite files are opened"},
	"internal/group":      {nil, "leaf: small changes gathered into one"},
	"internal/cloud":      {nil, "leaf: how AWS is entered"},

	"internal/gbdt/compare":    {[]string{"gbdt"}, "the Go side of scripts/xgboost"},
	"internal/testenv/servers": {[]string{"testenv"}, "the test servers, for a developer at work"},
}

// suites are imported by tests alone.
var suites = []string{"internal/vault/vaulttest", "internal/stream/streamtest", "internal/stream/kinesisstream/kinesistest", "internal/velocity/velocitytest", "internal/storetest", "internal/lambda/lambdatest", "internal/testenv", "internal/cloud/cloudtest"}

// clear are the packages that see personal data in the clear. sealed are those that never can.
var (
	clearSide  = []string{"internal/vault", "internal/pii", "internal/ingest", "internal/simulate", "internal/console", "internal/httpapi"}
	sealedSide = []string{"internal/pipeline", "internal/backtest", "internal/model", "internal/gbdt", "internal/report", "internal/explanation", "internal/review", "internal/decision", "internal/score", "internal/velocity", "internal/audit", "internal/sqlitestore", "internal/stream", "internal/stream/sqlitestream", "internal/sqlitefile", "internal/ledger", "internal/pgstore", "internal/stream/kinesisstream", "internal/velocity/redisvelocity", "internal/group", "internal/rule", "internal/payment", "internal/telemetry"}
)

// source is what one folder's files import of this module, and how often they have a package comment.
type source struct {
	imports     []string // by files that are built
	testImports []string
	comments    int
	files       int
}

// read parses every Go file of the module. It does not ask the go command: a test that runs go list gives a cached
// answer when files change that it never opened.
func read(t *testing.T) map[string]*source {
	t.Helper()
	packages := map[string]*source{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != "." && (name == "testdata" || strings.HasPrefix(name, ".") || hasModule(file)) {
				return fs.SkipDir
			}
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		if dir == "." || !strings.HasSuffix(file, ".go") {
			return nil
		}
		if packages[dir] == nil {
			packages[dir] = &source{}
		}
		return packages[dir].add(file)
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func hasModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func (s *source) add(file string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	isTest := strings.HasSuffix(file, "_test.go")
	if !isTest {
		if !ast.IsGenerated(parsed) {
			s.files++
		}
		if parsed.Doc != nil && !ast.IsGenerated(parsed) {
			s.comments++
		}
	}
	for _, i := range parsed.Imports {
		name, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module)
		switch {
		case !ok:
		case isTest:
			s.testImports = append(s.testImports, name)
		default:
			s.imports = append(s.imports, name)
		}
	}
	return nil
}

func TestArrows(t *testing.T) {
	for dir, s := range read(t) {
		if slices.Contains(suites, dir) {
			continue
		}
		a, ok := arrows[dir]
		if !ok {
			t.Errorf("%s is not on the map: add it to arrows with what it may import, and to ARCHITECTURE.md", dir)
			continue
		}
		if slices.Contains(a.may, "*") {
			continue
		}
		for _, i := range s.imports {
			short := strings.TrimPrefix(i, "internal/")
			if !slices.Contains(a.may, short) {
				t.Errorf("%s imports %s; it may import %v (%s)", dir, i, a.may, a.reason)
			}
		}
	}
}

func TestSealedSideCannotReachTheVault(t *testing.T) {
	packages := read(t)
	for _, from := range sealedSide {
		if packages[from] == nil {
			t.Errorf("%s does not exist", from)
			continue
		}
		if way := reach(packages, from, clearSide, nil); way != nil {
			t.Errorf("the sealed side reaches personal data: %s", strings.Join(way, " → "))
		}
	}
}

// reach returns a way from a package to one of the targets, or nil.
func reach(packages map[string]*source, from string, targets, seen []string) []string {
	for _, i := range packages[from].imports {
		if slices.ContainsFunc(targets, func(target string) bool { return i == target || strings.HasPrefix(i, target+"/") }) {
			return []string{from, i}
		}
		if packages[i] == nil || slices.Contains(seen, i) {
			continue
		}
		if way := reach(packages, i, targets, append(seen, i)); way != nil {
			return append([]string{from}, way...)
		}
	}
	return nil
}

func TestSuitesAreImportedByTestsAlone(t *testing.T) {
	packages := read(t)
	for _, suite := range suites {
		if packages[suite] == nil {
			t.Errorf("%s does not exist", suite)
			continue
		}
		used := false
		for dir, s := range packages {
			// A suite may stand on another, and the servers can be had without a test.
			if slices.Contains(s.imports, suite) && !slices.Contains(suites, dir) && dir != "internal/testenv/servers" {
				t.Errorf("%s imports %s outside of its tests", dir, suite)
			}
			used = used || slices.Contains(s.testImports, suite)
		}
		if !used {
			t.Errorf("no test runs the suite %s", suite)
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	for dir, s := range read(t) {
		if s.files > 0 && s.comments != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, s.comments)
		}
	}
}

func TestNamesAreNouns(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "models", "types", "service", "manager", "repository", "misc", "base"}
	var dirs []string
	for dir := range read(t) {
		dirs = append(dirs, dir)
	}
	sort.Strings(dirs)
	for _, dir := range dirs {
		if slices.Contains(banned, path.Base(dir)) {
			t.Errorf("%s: call it what an analyst or a payments engineer would", dir)
		}
	}
}
