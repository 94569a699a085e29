package gbdt

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Write writes the model as JSON that XGBoost reads from version 1.7 on (xgb.Booster().load_model). The same model gives the
// same bytes, and Read gives it back as it is, but for what its nodes do not use, and for the order of nodes whose children
// do not stand side by side: XGBoost looks for a right child behind the left one. XGBoost adds up in float32 and rounds the
// probability of the base to it: predictions there differ by that much, some parts in ten million of a probability. Its
// Python package takes no data whose feature names have one of [, ] and < in them, which Write does not mind. The
// error wraps ErrModel if the model is not valid or cannot be said in this format (a base whose probability is 0 or 1 in
// float32, a feature name that is not UTF-8).
func (m *Model) Write(w io.Writer) error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	score := baseScore(m.Base)
	if !sayable(score) {
		return fmt.Errorf("write model: %w: base is no probability between 0 and 1 in float32", ErrModel)
	}
	names, err := m.quotedNames()
	if err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	out := bufio.NewWriter(w) // keeps the first error for Flush
	fmt.Fprintf(out, `{"learner":{"attributes":{"%s":"%s"},"feature_names":%s,"feature_types":[],`,
		exactBase, strconv.FormatFloat(m.Base, 'g', -1, 64), names)
	fmt.Fprintf(out, `"gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"%d",`+
		`"size_leaf_vector":"0"},"tree_info":`, len(m.Trees))
	fill(out, len(m.Trees), func(b []byte, _ int) []byte { return append(b, '0') })
	out.WriteString(`,"trees":[`)
	for i, t := range m.Trees {
		if i > 0 {
			out.WriteByte(',')
		}
		t.paired().write(out, i, len(m.Names))
	}
	fmt.Fprintf(out, `]},"name":"%s"},"learner_model_param":{"base_score":"%s","boost_from_average":"1","num_class":"0",`+
		`"num_feature":"%d","num_target":"1"},`, boosterName, appendFloat(nil, float32(score)), len(m.Names))
	fmt.Fprintf(out, `"objective":{"name":"%s","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[1,7,4]}`, objectiveName)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	return nil
}

// quotedNames is the names as JSON, or an empty list if they are those that XGBoost gives on its own. XGBoost does not
// understand escapes of letters, so there are none that JSON does not demand.
func (m *Model) quotedNames() ([]byte, error) {
	if slices.Equal(m.Names, defaultNames(len(m.Names))) {
		return []byte("[]"), nil
	}
	for i, name := range m.Names {
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("%w: the name of feature %d is not UTF-8", ErrModel, i)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m.Names); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// paired is t with every right child just behind its left one: t itself, or its nodes level by level if it is not so.
func (t Tree) paired() Tree {
	if !slices.ContainsFunc(t, func(n Node) bool { return n.Feature != Leaf && n.Right != n.Left+1 }) {
		return t
	}
	out := append(make(Tree, 0, len(t)), t[0])
	for i := 0; i < len(out); i++ {
		n := out[i]
		if n.Feature == Leaf {
			continue
		}
		out[i].Left, out[i].Right = int32(len(out)), int32(len(out)+1)
		out = append(out, t[n.Left], t[n.Right])
	}
	return out
}

func (t Tree) write(out *bufio.Writer, id, features int) {
	weights, parents := t.weights()
	inner := func(value func(n *Node) int64) func([]byte, int) []byte {
		return func(b []byte, i int) []byte {
			if t[i].Feature == Leaf {
				return append(b, '0')
			}
			return strconv.AppendInt(b, value(&t[i]), 10)
		}
	}
	child := func(value func(n *Node) int32) func([]byte, int) []byte {
		return func(b []byte, i int) []byte {
			if t[i].Feature == Leaf {
				return strconv.AppendInt(b, noChild, 10)
			}
			return strconv.AppendInt(b, int64(value(&t[i])), 10)
		}
	}
	list := func(name string, value func([]byte, int) []byte) {
		fmt.Fprintf(out, `,"%s":`, name)
		fill(out, len(t), value)
	}
	fmt.Fprintf(out, `{"id":%d,"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[]`, id)
	list("base_weights", func(b []byte, i int) []byte { return appendFloat(b, weights[i]) })
	list("default_left", inner(func(n *Node) int64 {
		if n.Missing {
			return 1
		}
		return 0
	}))
	list("left_children", child(func(n *Node) int32 { return n.Left }))
	list("loss_changes", func(b []byte, i int) []byte {
		if t[i].Feature == Leaf {
			return appendFloat(b, 0)
		}
		return appendFloat(b, t[i].Gain)
	})
	list("parents", func(b []byte, i int) []byte { return strconv.AppendInt(b, int64(parents[i]), 10) })
	list("right_children", child(func(n *Node) int32 { return n.Right }))
	list("split_conditions", func(b []byte, i int) []byte {
		if t[i].Feature == Leaf {
			return appendFloat(b, t[i].Value)
		}
		return appendFloat(b, t[i].Split)
	})
	list("split_indices", inner(func(n *Node) int64 { return int64(n.Feature) }))
	list("split_type", func(b []byte, _ int) []byte { return append(b, '0') })
	list("sum_hessian", func(b []byte, i int) []byte { return appendFloat(b, t[i].Cover) })
	fmt.Fprintf(out, `,"tree_param":{"num_deleted":"0","num_feature":"%d","num_nodes":"%d","size_leaf_vector":"0"}}`, features, len(t))
}

// weights are the values of the leaves, and at other nodes what is expected below, as the covers say; parents are the nodes
// above.
func (t Tree) weights() (weights []float32, parents []int32) {
	weights, parents = make([]float32, len(t)), make([]int32, len(t))
	parents[0] = noParent
	for i := len(t) - 1; i >= 0; i-- { // children come after their parents
		n := &t[i]
		if n.Feature == Leaf {
			weights[i] = n.Value
			continue
		}
		parents[n.Left], parents[n.Right] = int32(i), int32(i)
		left, right := t.fractions(n)
		weights[i] = float32(float64(left*float64(weights[n.Left])) + float64(right*float64(weights[n.Right])))
	}
	return weights, parents
}

// fill writes a list.
func fill(out *bufio.Writer, length int, value func([]byte, int) []byte) {
	var buffer [32]byte
	out.WriteByte('[')
	for i := range length {
		b := buffer[:0]
		if i > 0 {
			b = append(b, ',')
		}
		out.Write(value(b, i))
	}
	out.WriteByte(']')
}

// appendFloat appends the shortest text that is read as v again, in XGBoost's form.
func appendFloat(b []byte, v float32) []byte {
	return strconv.AppendFloat(b, float64(v), 'E', -1, 32)
}
