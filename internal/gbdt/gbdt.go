// Package gbdt trains, reads, writes, runs and explains gradient-boosted decision trees for a yes-or-no question: is this
// payment a fraud? It needs nothing but the standard library.
//
// The method is that of Chen and Guestrin, XGBoost: A Scalable Tree Boosting System (KDD 2016): trees are added one after
// the other, each fitted to the first and second derivatives of the logistic loss, with shrinkage, regularization, samples
// of rows and columns, and a learned direction for missing values. Explanations are exact TreeSHAP, the path-dependent
// kind, of Lundberg, Erion and Lee, Consistent Individualized Feature Attribution for Tree Ensembles (2018) and Lundberg et
// al., From Local Explanations to Global Understanding with Explainable AI for Trees (Nature Machine Intelligence, 2020).
//
// # Numbers
//
// Features are float32, as in XGBoost, so that a model means the same on both sides: a value goes left if it is less than
// the split, right if it is not, and where the node says if it is missing (NaN). Leaves are log-odds; their sum with the
// base is the margin, and 1/(1+exp(−margin)) the probability. Sums are made in float64.
package gbdt

import (
	"errors"
	"fmt"
	"math"
)

var (
	// ErrModel is wrapped by the errors about a model that makes no sense.
	ErrModel = errors.New("invalid model")
	// ErrData is wrapped by the errors about data that cannot be learned from.
	ErrData = errors.New("invalid training data")
	// ErrSettings is wrapped by the errors about settings out of range.
	ErrSettings = errors.New("invalid settings")
)

// Bounds of a model. What is larger is refused: it is damaged, or no model of this field.
const (
	MaxTrees    = 10_000
	MaxNodes    = 1 << 16 // of one tree
	MaxFeatures = 4_096
	MaxDepth    = 32
)

// Leaf is the feature of a node that is a leaf.
const Leaf = -1

// Frame is a table of features, column by column: Columns[j][i] is feature j of row i. NaN is missing; infinity is refused.
type Frame struct {
	Names   []string
	Columns [][]float32
}

// Rows is the number of rows.
func (f *Frame) Rows() int {
	if len(f.Columns) == 0 {
		return 0
	}
	return len(f.Columns[0])
}

// Node is one node of a tree.
type Node struct {
	Feature int32   // Leaf, or the feature that is asked
	Left    int32   // the node for values less than Split; unused in a leaf
	Right   int32   // the node for the others; unused in a leaf
	Missing bool    // a missing value goes left
	Split   float32 // unused in a leaf
	Value   float32 // log-odds of a leaf; unused elsewhere
	Cover   float32 // sum of the second derivatives of the rows that came here in training
	Gain    float32 // by how much the split lowered the loss; 0 in a leaf
}

// Tree is nodes of which number 0 is the root, and every other one has one parent, which comes before it.
type Tree []Node

// Model is trees whose leaves add up. It is not changed once it is made, and may be used by many at once.
type Model struct {
	Names []string // of the features, in the order of the values
	Base  float64  // margin before the first tree
	Trees []Tree
}

// Validate reports what makes m no model; the error wraps ErrModel.
func (m *Model) Validate() error {
	switch {
	case len(m.Names) == 0 || len(m.Names) > MaxFeatures:
		return fmt.Errorf("%w: %d features, 1 to %d are possible", ErrModel, len(m.Names), MaxFeatures)
	case len(m.Trees) > MaxTrees:
		return fmt.Errorf("%w: %d trees, at most %d are possible", ErrModel, len(m.Trees), MaxTrees)
	case math.IsNaN(m.Base) || math.IsInf(m.Base, 0):
		return fmt.Errorf("%w: base is no number", ErrModel)
	}
	seen := make(map[string]bool, len(m.Names))
	for _, name := range m.Names {
		if name == "" || seen[name] {
			return fmt.Errorf("%w: feature names must be there and differ", ErrModel)
		}
		seen[name] = true
	}
	for i, t := range m.Trees {
		if err := t.validate(len(m.Names)); err != nil {
			return fmt.Errorf("%w: tree %d: %w", ErrModel, i, err)
		}
	}
	return nil
}

func (t Tree) validate(features int) error {
	if len(t) == 0 || len(t) > MaxNodes {
		return fmt.Errorf("%d nodes, 1 to %d are possible", len(t), MaxNodes)
	}
	depth := make([]int, len(t))
	reached := make([]bool, len(t))
	reached[0] = true
	for i, n := range t {
		if err := n.validate(i, features); err != nil {
			return err
		}
		if !reached[i] {
			return fmt.Errorf("node %d has no parent before it", i)
		}
		if n.Feature == Leaf {
			continue
		}
		for _, child := range [...]int32{n.Left, n.Right} {
			if int(child) <= i || int(child) >= len(t) || reached[child] {
				return fmt.Errorf("node %d has a child that is not its own", i)
			}
			reached[child] = true
			if depth[child] = depth[i] + 1; depth[child] > MaxDepth {
				return fmt.Errorf("deeper than %d", MaxDepth)
			}
		}
	}
	return nil
}

func (n *Node) validate(i, features int) error {
	for _, v := range [...]float32{n.Split, n.Value, n.Cover, n.Gain} {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("node %d holds what is no number", i)
		}
	}
	if n.Feature < Leaf || int(n.Feature) >= features {
		return fmt.Errorf("node %d asks feature %d of %d", i, n.Feature, features)
	}
	if n.Cover < 0 {
		return fmt.Errorf("node %d has a negative cover", i)
	}
	return nil
}
