package gbdt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Read reads a model that XGBoost (1.0 to 3.x) or Write wrote as JSON: the objective binary:logistic, trees (gbtree) with
// numeric splits. All trees count, whatever the best iteration was. Features without names are f0, f1 and so on, as XGBoost
// calls them. Nodes may come in any order; those that pruning left without a parent are dropped. It reads at most 256 MiB,
// to the end. The error wraps ErrModel and says where it is wrong, unless r itself failed.
//
// The base of a file by XGBoost is the logarithm of the odds that it states, computed here; that of a file by Write is the
// very same number again.
func Read(r io.Reader) (*Model, error) {
	m, err := read(r, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	return m, nil
}

func read(r io.Reader, limit int64) (*Model, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrModel, limit)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, located(err))
	}
	m, err := f.model()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// located says where JSON is wrong without saying what is there.
func located(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%s is not of its type", kind.Field)
	case errors.As(err, &kind):
		return fmt.Errorf("not of its type at byte %d", kind.Offset)
	default:
		return err
	}
}

func (f *file) model() (*Model, error) {
	if err := f.supported(); err != nil {
		return nil, err
	}
	l := &f.Learner
	features, err := strconv.Atoi(l.Param.NumFeature)
	if err != nil || features < 1 || features > MaxFeatures {
		return nil, fmt.Errorf("num_feature: 1 to %d are possible", MaxFeatures)
	}
	m := &Model{Names: l.FeatureNames}
	if len(m.Names) == 0 {
		m.Names = defaultNames(features)
	}
	if len(m.Names) != features {
		return nil, fmt.Errorf("feature_names: %d for %d features", len(m.Names), features)
	}
	if m.Base, err = f.base(); err != nil {
		return nil, err
	}
	trees := l.Booster.Model.Trees
	if l.Booster.Model.Param.NumTrees != strconv.Itoa(len(trees)) {
		return nil, fmt.Errorf("num_trees: it is not %d, the number of trees", len(trees))
	}
	m.Trees = make([]Tree, len(trees))
	for i := range trees {
		id := i
		if trees[i].ID != nil {
			id = *trees[i].ID
		}
		if id < 0 || id >= len(trees) || m.Trees[id] != nil {
			return nil, fmt.Errorf("tree %d: its id is not its own", i)
		}
		if m.Trees[id], err = trees[i].tree(); err != nil {
			return nil, fmt.Errorf("tree %d: %w", i, err)
		}
	}
	return m, nil
}

// supported refuses what is a model of XGBoost, but not of the kind that is meant here.
func (f *file) supported() error {
	l := &f.Learner
	if l.Booster.Name != boosterName {
		return fmt.Errorf("gradient_booster: %.40q is not supported, only %s is", l.Booster.Name, boosterName)
	}
	if l.Objective.Name != objectiveName {
		return fmt.Errorf("objective: %.40q is not supported, only %s is", l.Objective.Name, objectiveName)
	}
	if !atMostOne(l.Param.NumClass) || !atMostOne(l.Param.NumTarget) {
		return errors.New("learner_model_param: several classes or targets are not supported")
	}
	if slices.Contains(l.FeatureTypes, "c") {
		return errors.New("feature_types: categorical features are not supported")
	}
	for _, class := range l.Booster.Model.TreeInfo {
		if class != 0 {
			return errors.New("tree_info: several classes are not supported")
		}
	}
	return nil
}

// atMostOne says whether a count is 0, 1 or not there at all.
func atMostOne(count string) bool { return count == "" || count == "0" || count == "1" }

func defaultNames(features int) []string {
	names := make([]string, features)
	for i := range names {
		names[i] = "f" + strconv.Itoa(i)
	}
	return names
}

// base is the exact one if it is there and still that of base_score; versions from 3.1 on write that as a list of one.
func (f *file) base() (float64, error) {
	text := f.Learner.Param.BaseScore
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	p, err := strconv.ParseFloat(text, 32)
	if err != nil || !sayable(p) {
		return 0, errors.New("base_score: it is no probability between 0 and 1")
	}
	var attributes struct {
		Base string `json:"exact_base_margin"`
	}
	if json.Unmarshal(f.Learner.Attributes, &attributes) == nil {
		base, err := strconv.ParseFloat(attributes.Base, 64)
		if score := baseScore(base); err == nil && sayable(score) && math.Abs(score-p) <= p*0x1p-23 {
			return base, nil
		}
	}
	return math.Log(p / (1 - p)), nil
}

// tree makes a tree of the nodes that can be reached. They keep their order if every parent comes before its children, and
// are put level by level otherwise.
func (t *fileTree) tree() (Tree, error) {
	if err := t.complete(); err != nil {
		return nil, err
	}
	order, ascending, err := t.walk()
	if err != nil {
		return nil, err
	}
	if ascending {
		slices.Sort(order)
	}
	place := make([]int32, len(t.Left))
	for i, old := range order {
		place[old] = int32(i)
	}
	out := make(Tree, len(order))
	for i, old := range order {
		if t.Left[old] == noChild {
			out[i] = Node{Feature: Leaf, Value: t.Splits[old], Cover: t.Covers[old]}
			continue
		}
		out[i] = Node{
			Feature: t.Features[old], Left: place[t.Left[old]], Right: place[t.Right[old]], Missing: t.DefaultLeft[old],
			Split: t.Splits[old], Cover: t.Covers[old], Gain: t.Gains[old],
		}
		if out[i].Feature < 0 {
			return nil, fmt.Errorf("node %d: split_indices is negative", old)
		}
	}
	return out, nil
}

// complete reports whether all lists are there and have the same length, and whether they are for a tree as we know it.
func (t *fileTree) complete() error {
	n := len(t.Left)
	if n == 0 {
		return errors.New("left_children: there are none")
	}
	if text := t.Param.NumNodes; text != "" && text != strconv.Itoa(n) {
		return fmt.Errorf("num_nodes: it is not %d, the number of nodes", n)
	}
	if !atMostOne(t.Param.SizeLeafVector) {
		return errors.New("size_leaf_vector: leaves of several values are not supported")
	}
	for _, list := range []struct {
		name   string
		length int
	}{
		{"right_children", len(t.Right)},
		{"split_indices", len(t.Features)},
		{"split_conditions", len(t.Splits)},
		{"default_left", len(t.DefaultLeft)},
		{"sum_hessian", len(t.Covers)},
		{"loss_changes", len(t.Gains)},
	} {
		if list.length != n {
			return fmt.Errorf("%s: %d for %d nodes", list.name, list.length, n)
		}
	}
	for i, kind := range t.SplitTypes {
		if kind != 0 {
			return fmt.Errorf("node %d: split_type: categorical splits are not supported", i)
		}
	}
	if len(t.CategoriesNodes) > 0 {
		return errors.New("categories_nodes: categorical splits are not supported")
	}
	return nil
}

// walk lists the nodes level by level, and says whether every child comes after its parent in the file.
func (t *fileTree) walk() (order []int32, ascending bool, err error) {
	reached := make([]bool, len(t.Left))
	order, ascending = []int32{0}, true
	reached[0] = true
	for next := 0; next < len(order); next++ {
		node := order[next]
		left, right := t.Left[node], t.Right[node]
		if left == noChild && right == noChild {
			continue
		}
		for _, child := range [...]int32{left, right} {
			if child < 0 || int(child) >= len(reached) || reached[child] {
				return nil, false, fmt.Errorf("node %d: it has a child that is not its own", node)
			}
			reached[child] = true
			ascending = ascending && child > node
			order = append(order, child)
		}
	}
	return order, ascending, nil
}
