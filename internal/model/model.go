// Package model is a learned fraud model as it is kept, versioned and used: trees of package gbdt, the names of what they
// read, a calibration that turns their margin into a probability, a scale that turns the probability into points, and a
// card that says what it was made of and how good it is.
//
// # From trees to points
//
// The margin of the trees is calibrated by two numbers (Platt, Probabilistic Outputs for Support Vector Machines, 1999),
// fitted on payments that are newer than those the trees have seen. The probability becomes points on the score's scale,
// 0 to 1000, piecewise linearly, so that the points at which a policy challenges, reviews and declines are reached where a
// stated cost says that it should; see [Costs].
//
// # Files
//
// A model is one JSON file with a checksum over all else in it: one that was changed is refused. Within, the trees are in
// XGBoost's own JSON format.
package model

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/gbdt"
	"github.com/fastshop/pipeline/internal/score"
)

var (
	// ErrFile is wrapped by the error for a file that is no model, or was changed.
	ErrFile = errors.New("invalid model file")
	// ErrInputs is returned for inputs that no model can judge.
	ErrInputs = errors.New("inputs of another length, or infinite")
)

// format is the version of the file's format.
const format = 1

// MaxFile bounds the size of a model file, in bytes.
const MaxFile = 64 << 20

// Model is a model that is ready for use. It implements score.Model, and is safe for concurrent use.
type Model struct {
	body    body
	trees   *gbdt.Model
	forest  *gbdt.Forest
	version string
}

// file is what a file holds.
type file struct {
	Checksum string          `json:"checksum"` // "sha256:" and the hash of Model as it stands
	Model    json.RawMessage `json:"model"`
}

// body is all of a model but its checksum.
type body struct {
	Format      int             `json:"format"`
	Name        string          `json:"name"`
	Made        time.Time       `json:"made"`
	Calibration Calibration     `json:"calibration"`
	Scale       Scale           `json:"scale"`
	Card        Card            `json:"card"`
	Trees       json.RawMessage `json:"xgboost"`
}

// Parts are what a model is made of.
type Parts struct {
	Name        string // lower-case letters, digits and hyphens
	Made        time.Time
	Trees       *gbdt.Model
	Calibration Calibration
	Scale       Scale
	Card        Card
}

// New makes a model. Its error wraps ErrFile, or gbdt.ErrModel.
func New(p Parts) (*Model, error) {
	var trees strings.Builder
	if err := p.Trees.Write(&trees); err != nil {
		return nil, fmt.Errorf("make model: %w", err)
	}
	raw, err := json.Marshal(body{format, p.Name, p.Made.UTC().Truncate(time.Second), p.Calibration, p.Scale, p.Card, json.RawMessage(trees.String())})
	if err != nil {
		return nil, fmt.Errorf("make model: %w", err)
	}
	return open(raw)
}

// Read reads a model file. Its error wraps ErrFile, or is the reader's own.
func Read(r io.Reader) (*Model, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%w: larger than %d MiB", ErrFile, MaxFile>>20)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if f.Checksum != checksum(f.Model) {
		return nil, fmt.Errorf("%w: its checksum is not that of its contents", ErrFile)
	}
	return open(f.Model)
}

func checksum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func open(raw []byte) (*Model, error) {
	m := &Model{}
	if err := json.Unmarshal(raw, &m.body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if m.body.Format != format {
		return nil, fmt.Errorf("%w: format %d, this program reads %d", ErrFile, m.body.Format, format)
	}
	if !validName.MatchString(m.body.Name) {
		return nil, fmt.Errorf("%w: a name is lower-case letters, digits and hyphens, at most 40", ErrFile)
	}
	if err := errors.Join(m.body.Calibration.validate(), m.body.Scale.validate()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	var err error
	if m.trees, err = gbdt.Read(strings.NewReader(string(m.body.Trees))); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if m.forest, err = m.trees.Forest(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	sum := strings.TrimPrefix(checksum(raw), "sha256:")
	m.version = m.body.Name + "/" + sum[:12]
	return m, nil
}

// Write writes the file that Read reads. The same model gives the same bytes.
func (m *Model) Write(w io.Writer) error {
	raw, err := json.Marshal(m.body)
	if err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	data, err := json.Marshal(file{checksum(raw), raw})
	if err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	if _, err := w.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	return nil
}

// Version is the model's name with the beginning of its checksum.
func (m *Model) Version() string { return m.version }

// Variables are what the model reads, in order; see score.Inputs.
func (m *Model) Variables() []string { return m.trees.Names }

// Trees are the model's trees, to be handed to other software.
func (m *Model) Trees() *gbdt.Model { return m.trees }

// Card says what the model was made of.
func (m *Model) Card() *Card { return &m.body.Card }

// Scale is what probabilities mean in points.
func (m *Model) Scale() Scale { return m.body.Scale }

// Made is when the model was made.
func (m *Model) Made() time.Time { return m.body.Made }

// Probability is the calibrated probability of fraud. Its error is ErrInputs.
func (m *Model) Probability(inputs []float64) (float64, error) {
	if len(inputs) != len(m.trees.Names) {
		return 0, ErrInputs
	}
	for _, v := range inputs {
		if math.IsInf(v, 0) {
			return 0, ErrInputs
		}
	}
	return m.body.Calibration.Probability(m.forest.Margin(inputs)), nil
}

// Points implements score.Model.
func (m *Model) Points(inputs []float64) (int, error) {
	p, err := m.Probability(inputs)
	if err != nil {
		return 0, err
	}
	return m.body.Scale.Points(p), nil
}

// Explain implements score.Model: contributions to the calibrated log-odds.
func (m *Model) Explain(inputs, out []float64) (base float64) {
	c := m.body.Calibration
	base = m.forest.Explain(inputs, out)*c.Slope + c.Intercept
	for i := range out {
		out[i] *= c.Slope
	}
	return base
}

var _ score.Model = (*Model)(nil)
