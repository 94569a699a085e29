package gbdt

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// document is a model file that is changed before it is read.
type document map[string]any

func (d document) at(keys ...string) map[string]any {
	at := map[string]any(d)
	for _, key := range keys {
		at = at[key].(map[string]any)
	}
	return at
}

func (d document) learner() map[string]any { return d.at("learner") }

func (d document) model() map[string]any { return d.at("learner", "gradient_booster", "model") }

func (d document) param() map[string]any { return d.at("learner", "learner_model_param") }

func (d document) trees() []map[string]any {
	var out []map[string]any
	for _, tree := range d.model()["trees"].([]any) {
		out = append(out, tree.(map[string]any))
	}
	return out
}

func (d document) encode(tb testing.TB) []byte {
	tb.Helper()
	data, err := json.Marshal(d)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// changed is a golden file after a change.
func changed(tb testing.TB, name string, change func(d document)) []byte {
	tb.Helper()
	d := document(decoded(tb, goldenFile(tb, name+".model.json")).(map[string]any))
	change(d)
	return d.encode(tb)
}

// asNewer changes what 2.x and 3.x write in another way than 1.7.
func asNewer(d document) {
	d["version"] = []int{3, 1, 0}
	d.param()["base_score"] = "[" + d.param()["base_score"].(string) + "]"
	d.model()["iteration_indptr"] = []int{0, 1, 2}
	d.model()["cats"] = map[string]any{"enc": []any{}, "feature_segments": []int{}, "sorted_idx": []int{}}
	d.learner()["feature_types"] = []string{"float", "i", "i", "float", "int", "q"}
	for _, t := range d.trees() {
		t["tree_param"].(map[string]any)["size_leaf_vector"] = "1"
	}
}

// asOlder changes what versions before 1.7 write in another way.
func asOlder(d document) {
	delete(d.param(), "num_target")
	delete(d.learner(), "attributes")
	for _, t := range d.trees() {
		delete(t, "split_type")
		for i, v := range t["default_left"].([]any) {
			t["default_left"].([]any)[i] = v.(float64) != 0
		}
	}
}

// backwards puts the nodes of all trees into the opposite order, but for the root, and the trees as well.
func backwards(d document) {
	trees := d.model()["trees"].([]any)
	for i := range len(trees) / 2 {
		trees[i], trees[len(trees)-1-i] = trees[len(trees)-1-i], trees[i]
	}
	for _, t := range d.trees() {
		for key, value := range t {
			list, ok := value.([]any)
			if !ok || len(list) < 2 {
				continue
			}
			turned := []any{list[0]}
			for i := len(list) - 1; i > 0; i-- {
				turned = append(turned, list[i])
			}
			if strings.HasSuffix(key, "_children") {
				for i, v := range turned {
					if child := v.(float64); child > 0 {
						turned[i] = float64(len(list)) - child
					}
				}
			}
			t[key] = turned
		}
	}
}

func TestOtherVersionsMeanTheSame(t *testing.T) {
	for _, name := range []string{"exact", "pruned"} {
		want := mustRead(t, goldenFile(t, name+".model.json"))
		for form, change := range map[string]func(document){"newer": asNewer, "older": asOlder} {
			if diff := cmp.Diff(want, mustRead(t, changed(t, name, change))); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, form, diff)
			}
		}
	}
}

func TestNodesMayComeInAnyOrder(t *testing.T) {
	for _, name := range []string{"exact", "pruned", "leafwise"} {
		m, turned := mustRead(t, goldenFile(t, name+".model.json")), mustRead(t, changed(t, name, backwards))
		a, b := mustForest(t, m), mustForest(t, turned)
		var rows golden
		if err := json.Unmarshal(goldenFile(t, name+".expect.json"), &rows); err != nil {
			t.Fatal(err)
		}
		for i := range rows.Rows {
			if x, y := a.Margin(rows.row(i)), b.Margin(rows.row(i)); !sameBits(x, y) {
				t.Errorf("%s: row %d: %v, turned around %v", name, i, x, y)
			}
		}
	}
}

func TestReadSaysWhatItDoesNotSupport(t *testing.T) {
	for want, change := range map[string]func(d document){
		`gradient_booster: "dart"`:      func(d document) { d.at("learner", "gradient_booster")["name"] = "dart" },
		`gradient_booster: "gblinear"`:  func(d document) { d.at("learner", "gradient_booster")["name"] = "gblinear" },
		`objective: "reg:squarederror"`: func(d document) { d.at("learner", "objective")["name"] = "reg:squarederror" },
		"several classes or targets":    func(d document) { d.param()["num_class"] = "3" },
		"several classes or targets ":   func(d document) { d.param()["num_target"] = "2" },
		"tree_info":                     func(d document) { d.model()["tree_info"] = []int{0, 1} },
		"feature_types: categorical":    func(d document) { d.learner()["feature_types"] = []string{"float", "c"} },
		"tree 0: node 2: split_type: categorical": func(d document) {
			d.trees()[0]["split_type"].([]any)[2] = 1
		},
		"tree 0: categories_nodes: categorical": func(d document) { d.trees()[0]["categories_nodes"] = []int{1} },
		"leaves of several values": func(d document) {
			d.trees()[0]["tree_param"].(map[string]any)["size_leaf_vector"] = "3"
		},
		"base_score":                  func(d document) { d.param()["base_score"] = "1E0" },
		"base_score ":                 func(d document) { d.param()["base_score"] = "[5E-1,5E-1]" },
		"num_feature":                 func(d document) { d.param()["num_feature"] = "4097" },
		"feature_names: 6 for 5":      func(d document) { d.param()["num_feature"] = "5" },
		"feature_names must be there": func(d document) { d.learner()["feature_names"].([]any)[0] = "tx.night" },
		"num_trees":                   func(d document) { d.model()["gbtree_model_param"].(map[string]any)["num_trees"] = "11" },
		"tree 1: its id":              func(d document) { d.trees()[1]["id"] = 0 },
		"tree 3: num_nodes":           func(d document) { d.trees()[3]["tree_param"].(map[string]any)["num_nodes"] = "3" },
		"tree 2: loss_changes":        func(d document) { delete(d.trees()[2], "loss_changes") },
		"tree 1: a list of more than 65536": func(d document) {
			d.trees()[1]["split_conditions"] = make([]float64, MaxNodes+1)
		},
		"a list of more than 4096": func(d document) { d.learner()["feature_names"] = make([]string, MaxFeatures+1) },
		"more than 10000 trees":    func(d document) { d.model()["trees"] = make([]struct{}, MaxTrees+1) },
		"tree 0: left_children":    func(d document) { d.model()["trees"].([]any)[0] = nil },
		"trees are no list":        func(d document) { d.model()["trees"] = "none" },
		"tree 4: split_conditions is not of its type": func(d document) {
			d.trees()[4]["split_conditions"].([]any)[0] = "secret"
		},
	} {
		_, err := Read(bytes.NewReader(changed(t, "exact", change)))
		if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), strings.TrimPrefix(strings.TrimSpace(want), "feature_")) {
			t.Errorf("%v, want one that says %s", err, want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v gives away what the file says", err)
		}
	}
}

// damagedFiles are made by hand: each has one thing wrong, but for sound.json.
func damagedFiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	paths, err := filepath.Glob("testdata/damaged/*.json")
	if err != nil || len(paths) < 16 {
		tb.Fatalf("%d damaged files, %v: some are missing", len(paths), err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		if out[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

func TestReadRefusesDamagedFiles(t *testing.T) {
	for name, data := range damagedFiles(t) {
		m, err := Read(bytes.NewReader(data))
		if name == "sound.json" {
			if err != nil || len(m.Trees) != 1 || len(m.Trees[0]) != 3 {
				t.Errorf("%s: %v, %+v", name, err, m)
			}
			continue
		}
		if !errors.Is(err, ErrModel) {
			t.Errorf("%s: %v, want ErrModel", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(goldenFile(f, "none.model.json"))
	for _, change := range []func(document){func(document) {}, asNewer, asOlder, backwards} {
		f.Add(changed(f, "small", change)) // large files would only slow the search down
	}
	for _, data := range damagedFiles(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read(bytes.NewReader(data))
		if err != nil {
			if m != nil || !errors.Is(err, ErrModel) {
				t.Fatalf("Read() = %v, %v", m, err)
			}
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		forest := mustForest(t, m)
		row, out := make([]float64, len(m.Names)), make([]float64, len(m.Names))
		if got, want := forest.Margin(row), plainMargin(m, row); !sameBits(got, want) {
			t.Fatalf("margin %v, want %v", got, want)
		}
		forest.Explain(row, out)
		var b bytes.Buffer
		if err := m.Write(&b); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if again := mustRead(t, b.Bytes()); !cmp.Equal(m, again) {
			t.Fatalf("written and read again it differs:\n%s", cmp.Diff(m, again))
		}
	})
}
