package gbdt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// The file format is that of XGBoost's save_model for a name that ends in .json (its documentation: Introduction to Model
// IO). The types below have what is read of it; the writer says all that XGBoost wants.

const (
	objectiveName = "binary:logistic"
	boosterName   = "gbtree"
	noParent      = math.MaxInt32
	noChild       = -1

	// maxFile is how many bytes a file may have.
	maxFile = 256 << 20
	// exactBase is an attribute that has the base as it is. XGBoost keeps attributes as they are, but rounds base_score,
	// a probability, to float32.
	exactBase = "exact_base_margin"
)

// baseScore is the probability of a base, as float32 has it.
func baseScore(base float64) float64 { return float64(float32(1 / (1 + math.Exp(-base)))) }

// sayable reports whether a base_score is one: a probability strictly between 0 and 1, and not so small that float32 would
// lose digits of it.
func sayable(score float64) bool { return score >= 0x1p-126 && score < 1 }

type file struct {
	Learner struct {
		Attributes   json.RawMessage `json:"attributes"`
		FeatureNames texts           `json:"feature_names"`
		FeatureTypes texts           `json:"feature_types"`
		Booster      struct {
			Name  string    `json:"name"`
			Model fileModel `json:"model"`
		} `json:"gradient_booster"`
		Param struct {
			BaseScore  string `json:"base_score"`
			NumClass   string `json:"num_class"`
			NumFeature string `json:"num_feature"`
			NumTarget  string `json:"num_target"`
		} `json:"learner_model_param"`
		Objective struct {
			Name string `json:"name"`
		} `json:"objective"`
	} `json:"learner"`
}

type fileModel struct {
	Param struct {
		NumTrees string `json:"num_trees"`
	} `json:"gbtree_model_param"`
	TreeInfo integers  `json:"tree_info"`
	Trees    fileTrees `json:"trees"`
}

type fileTree struct {
	ID              *int     `json:"id"`
	Left            integers `json:"left_children"`
	Right           integers `json:"right_children"`
	Features        integers `json:"split_indices"`
	Splits          numbers  `json:"split_conditions"` // and the values of leaves
	DefaultLeft     flags    `json:"default_left"`
	Covers          numbers  `json:"sum_hessian"`
	Gains           numbers  `json:"loss_changes"`
	SplitTypes      integers `json:"split_type"`
	CategoriesNodes integers `json:"categories_nodes"`
	Param           struct {
		NumNodes       string `json:"num_nodes"`
		SizeLeafVector string `json:"size_leaf_vector"`
	} `json:"tree_param"`
}

// These types read lists that have bounds, which are checked before anything is allocated for them.
type (
	texts     []string
	integers  []int32
	numbers   []float32
	flags     []bool // older versions write true and false, newer ones 1 and 0
	fileTrees []fileTree
)

func (t *texts) UnmarshalJSON(data []byte) error { return list(data, (*[]string)(t), MaxFeatures) }

func (n *integers) UnmarshalJSON(data []byte) error { return list(data, (*[]int32)(n), MaxNodes) }

func (n *numbers) UnmarshalJSON(data []byte) error { return list(data, (*[]float32)(n), MaxNodes) }

func (f *flags) UnmarshalJSON(data []byte) error {
	if err := list(data, (*[]bool)(f), MaxNodes); err == nil {
		return nil
	}
	var numbers []int32
	if err := list(data, &numbers, MaxNodes); err != nil {
		return err
	}
	*f = make(flags, len(numbers))
	for i, n := range numbers {
		(*f)[i] = n != 0
	}
	return nil
}

// list reads a list of at most limit scalars. A comma in a text counts too: names with that many of them are none.
func list[T any](data []byte, out *[]T, limit int) error {
	if bytes.Count(data, []byte(",")) >= limit {
		return fmt.Errorf("a list of more than %d", limit)
	}
	*out = nil
	return json.Unmarshal(data, out)
}

func (t *fileTrees) UnmarshalJSON(data []byte) error {
	*t = nil
	decoder := json.NewDecoder(bytes.NewReader(data))
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return errors.New("trees are no list")
	}
	for decoder.More() {
		if len(*t) == MaxTrees {
			return fmt.Errorf("more than %d trees", MaxTrees)
		}
		var tree fileTree
		if err := decoder.Decode(&tree); err != nil {
			return fmt.Errorf("tree %d: %w", len(*t), located(err))
		}
		*t = append(*t, tree)
	}
	return nil
}
