package gbdt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// golden is what XGBoost says of rows, as testdata/golden.py wrote it down.
type golden struct {
	Rows          [][]*float64 `json:"rows"`
	Margin        []float64    `json:"margin"`
	Probability   []float64    `json:"probability"`
	Contributions [][]float64  `json:"contributions"` // of the features, then the expectation
}

func (g *golden) row(i int) []float64 {
	row := make([]float64, len(g.Rows[i]))
	for j, v := range g.Rows[i] {
		if row[j] = math.NaN(); v != nil {
			row[j] = *v
		}
	}
	return row
}

// goldenNames are the models that must be there.
func goldenNames() []string {
	return []string{"exact", "hist", "leafwise", "none", "pruned", "sampled", "small"}
}

func goldenFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func mustRead(tb testing.TB, data []byte) *Model {
	tb.Helper()
	m, err := Read(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestPredictionsAndContributionsAreThoseOfXGBoost(t *testing.T) {
	for _, name := range goldenNames() {
		m := mustRead(t, goldenFile(t, name+".model.json"))
		var want golden
		if err := json.Unmarshal(goldenFile(t, name+".expect.json"), &want); err != nil || len(want.Rows) != 40 {
			t.Fatalf("%s: %d rows, %v", name, len(want.Rows), err)
		}
		f := mustForest(t, m)
		out := make([]float64, len(m.Names))
		for i := range want.Rows {
			row := want.row(i)
			margin := f.Margin(row)
			if math.Abs(margin-want.Margin[i]) > 1e-6*max(1, math.Abs(margin)) {
				t.Errorf("%s: row %d: margin %v, want %v", name, i, margin, want.Margin[i])
			}
			if p := f.Probability(row); math.Abs(p-want.Probability[i]) > 1e-6 {
				t.Errorf("%s: row %d: probability %v, want %v", name, i, p, want.Probability[i])
			}
			base := f.Explain(row, out)
			for j, c := range append(out[:len(out):len(out)], base) {
				if math.Abs(c-want.Contributions[i][j]) > 1e-5 {
					t.Errorf("%s: row %d: contribution %d is %v, want %v", name, i, j, c, want.Contributions[i][j])
				}
			}
		}
	}
}

func TestNamesOfAFile(t *testing.T) {
	for file, want := range map[string][]string{
		"exact": {"tx.amount", "tx.night", "tx.method=pix", "customer.amount_z", "card.count_1h", "terminal.fraud_share_7d_delayed"},
		"hist":  {"f0", "f1", "f2", "f3", "f4", "f5"},
	} {
		if diff := cmp.Diff(want, mustRead(t, goldenFile(t, file+".model.json")).Names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestPruningLeavesNoOrphans(t *testing.T) {
	if data := goldenFile(t, "pruned.model.json"); !bytes.Contains(data, []byte("2147483647,2147483647")) {
		t.Fatal("the model has no deleted nodes, so it proves nothing")
	}
	nodes, leaves := 0, 0
	for _, tree := range mustRead(t, goldenFile(t, "pruned.model.json")).Trees {
		for i := range tree {
			nodes++
			if tree[i].Feature == Leaf {
				leaves++
			}
		}
		nodes-- // the root
	}
	if inner := nodes + 8 - leaves; nodes != 2*inner {
		t.Errorf("%d nodes below the roots for %d questions", nodes, inner)
	}
}

func TestReadUndoesWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t, 5, 5, 4)
		m.Base = rapid.OneOf(rapid.Float64Range(-80, 15), rapid.Just(math.Copysign(0, -1))).Draw(t, "any base")
		m.Names[2] = rapid.StringMatching(`[a-zé<"\\.=]{5,9}`).Draw(t, "name")
		if m.Trees == nil {
			m.Trees = []Tree{}
		}
		var b, again bytes.Buffer
		if err := m.Write(&b); err != nil {
			t.Fatal(err)
		}
		got, err := Read(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		want := &Model{Names: m.Names, Base: m.Base, Trees: make([]Tree, len(m.Trees))}
		for i, tree := range m.Trees {
			want.Trees[i] = levels(tree)
		}
		if diff := cmp.Diff(want, got); diff != "" || !sameBits(m.Base, got.Base) {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if row := drawRow(t, 4); !sameBits(plainMargin(m, row), plainMargin(got, row)) {
			t.Fatalf("%v is predicted to be %v, and %v once written", row, plainMargin(m, row), plainMargin(got, row))
		}
		if err := got.Write(&again); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Fatalf("the second file differs: %v", err)
		}
	})
}

// levels is a tree of drawTree, whose nodes stand level by level, without turned children.
func levels(t Tree) Tree {
	var out Tree
	for level := []int32{0}; len(level) > 0; {
		var next []int32
		for _, i := range level {
			n := t[i]
			if n.Feature != Leaf {
				next = append(next, n.Left, n.Right)
			}
			out = append(out, n)
		}
		level = next
	}
	child := int32(1)
	for i := range out {
		if out[i].Feature != Leaf {
			out[i].Left, out[i].Right = child, child+1
			child += 2
		}
	}
	return out
}

// TestARightChildIsWrittenBehindItsSibling reads trees whose nodes stand as other software may put them: a right child
// before its sibling, or far away from it.
func TestARightChildIsWrittenBehindItsSibling(t *testing.T) {
	apart := Tree{
		{Feature: 0, Left: 4, Right: 1, Split: 1, Cover: 6}, {Feature: 1, Left: 2, Right: 5, Split: 2, Cover: 4, Missing: true},
		{Feature: 2, Left: 3, Right: 6, Split: 3, Cover: 2}, {Feature: Leaf, Value: 0.1, Cover: 1}, {Feature: Leaf, Value: 0.2, Cover: 2},
		{Feature: Leaf, Value: 0.4, Cover: 2}, {Feature: Leaf, Value: 0.8, Cover: 1},
	}
	paired := Tree{ // depth first, and in pairs all the same: it stays
		{Feature: 0, Left: 1, Right: 2, Split: 1, Cover: 6}, {Feature: 1, Left: 3, Right: 4, Split: 2, Cover: 4}, {Feature: 2, Left: 5, Right: 6, Split: 3, Cover: 2},
		{Feature: 0, Left: 7, Right: 8, Split: -1, Cover: 2}, {Feature: Leaf, Cover: 2}, {Feature: Leaf, Value: 1, Cover: 1}, {Feature: Leaf, Value: 2, Cover: 1},
		{Feature: Leaf, Value: 3, Cover: 1}, {Feature: Leaf, Value: 4, Cover: 1},
	}
	m := &Model{Names: []string{"a", "b", "c"}, Trees: []Tree{apart, paired, {{Feature: Leaf, Value: 9}}}}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{`"left_children":[1,-1,3,5,-1,-1,-1]`, `"right_children":[2,-1,4,6,-1,-1,-1]`, `"parents":[2147483647,0,0,2,2,3,3]`, `"split_indices":[0,0,1,2,0,0,0]`} {
		if !strings.Contains(b.String(), list) {
			t.Errorf("lacks %s: %s", list, b.String())
		}
	}
	got := mustRead(t, b.Bytes())
	if diff := cmp.Diff(m.Trees[1:], got.Trees[1:]); diff != "" {
		t.Errorf("trees that were in order (-want +got):\n%s", diff)
	}
	mine, theirs := mustForest(t, m), mustForest(t, got)
	ours, read := make([]float64, 3), make([]float64, 3)
	for i := range 64 {
		row := []float64{float64(i % 4), float64(i / 4 % 4), float64(i / 16)}
		if i%7 == 0 {
			row[i%3] = math.NaN()
		}
		base, again := mine.Explain(row, ours), theirs.Explain(row, read)
		if !sameBits(mine.Margin(row), theirs.Margin(row)) || math.Abs(base-again) > 1e-12 {
			t.Errorf("%v: margin %v, base %v; once written %v, %v", row, mine.Margin(row), base, theirs.Margin(row), again)
		}
		for j := range ours {
			if math.Abs(ours[j]-read[j]) > 1e-12 {
				t.Errorf("%v: contributions %v, once written %v", row, ours, read)
			}
		}
	}
}

func TestWriteKeepsWhatXGBoostWrote(t *testing.T) {
	for _, name := range goldenNames() {
		m := mustRead(t, goldenFile(t, name+".model.json"))
		var b bytes.Buffer
		if err := m.Write(&b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, mustRead(t, b.Bytes())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		theirs, ours := decoded(t, goldenFile(t, name+".model.json")), decoded(t, b.Bytes())
		for path, kind := range shapeOf("", theirs) {
			if !strings.Contains(path, "attributes.best_") && shapeOf("", ours)[path] != kind { // not part of the model
				t.Errorf("%s: %s is %s in XGBoost's file, and %q in ours", name, path, kind, shapeOf("", ours)[path])
			}
		}
	}
}

func decoded(tb testing.TB, data []byte) any {
	tb.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// shapeOf lists the keys of a document and the kinds of their values. Elements of a list count as the first.
func shapeOf(path string, v any) map[string]string {
	out := map[string]string{}
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			for p, kind := range shapeOf(path+"."+key, value) {
				out[p] = kind
			}
		}
	case []any:
		out[path] = "list"
		if len(v) > 0 {
			for p, kind := range shapeOf(path+"[]", v[0]) {
				out[p] = kind
			}
		}
	case string:
		out[path] = "text"
	default:
		out[path] = "number"
	}
	return out
}

func TestTheExactBaseIsIgnoredOnceItIsNotThatOfTheFile(t *testing.T) {
	var b bytes.Buffer
	if err := (&Model{Names: []string{"a"}, Base: -4.6}).Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, score := range []string{"2.5E-1", "[2.5E-1]"} {
		changed := strings.Replace(b.String(), `"base_score":"9.951802E-03"`, `"base_score":"`+score+`"`, 1)
		if changed == b.String() {
			t.Fatalf("no such base_score in %s", b.String())
		}
		if m := mustRead(t, []byte(changed)); math.Abs(m.Base-math.Log(1./3)) > 1e-15 {
			t.Errorf("base %v, want that of 0.25", m.Base)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, m := range map[string]*Model{
		"invalid":    {},
		"sure":       {Names: []string{"a"}, Base: 18},
		"impossible": {Names: []string{"a"}, Base: -88},
		"no UTF-8":   {Names: []string{"\xff"}},
	} {
		if err := m.Write(io.Discard); !errors.Is(err, ErrModel) {
			t.Errorf("%s: %v, want ErrModel", name, err)
		}
	}
	if err := (&Model{Names: []string{"a"}}).Write(brimful{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a full disk: %v", err)
	}
}

// brimful is a disk that takes no more.
type brimful struct{}

func (brimful) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestReadReportsAReadErrorAsSuch(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Read(iotest.ErrReader(broken)); !errors.Is(err, broken) || errors.Is(err, ErrModel) {
		t.Errorf("Read() = %v", err)
	}
}

func TestReadIsBounded(t *testing.T) {
	data := goldenFile(t, "exact.model.json")
	if _, err := read(bytes.NewReader(data), int64(len(data))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := read(bytes.NewReader(data), int64(len(data))-1); !errors.Is(err, ErrModel) {
		t.Errorf("beyond the limit: %v, want ErrModel", err)
	}
}
