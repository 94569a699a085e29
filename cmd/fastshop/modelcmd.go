package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/score"
)

type modelCommand struct {
	Train    modelTrain    `cmd:"" help:"Learn a model from the store or from files."`
	Evaluate modelEvaluate `cmd:"" help:"Judge a history with a model and compare with what became known."`
	Explain  modelExplain  `cmd:"" help:"Say why a model judges a stored payment as it does."`
	Show     modelShow     `cmd:"" help:"Print a model's card."`
	List     modelList     `cmd:"" help:"List the models of the registry and what they are used as."`
	Promote  modelPromote  `cmd:"" help:"Make a model live, or the shadow, from the next start of the server on."`
	Rollback modelRollback `cmd:"" help:"Make live what was live before."`
}

// registryFlags say where the models are.
type registryFlags struct {
	DataDir   string `help:"Data folder." default:"fastshop-data" type:"path"`
	ModelsDir string `help:"Folder of models; models in the data folder if empty." type:"path" placeholder:"DIR"`
}

func (c *registryFlags) registry() *model.Registry { return registryIn(c.ModelsDir, c.DataDir) }

// modelFlag names one model.
type modelFlag struct {
	Model     string `arg:"" help:"Version in the registry, built-in, live, or a file."`
	ModelsDir string `help:"Folder of models; models in the data folder if empty." type:"path" placeholder:"DIR"`
}

// load reads the model; there has to be one.
func (c *modelFlag) load(dataDir string) (*model.Model, error) {
	m, err := loadModel(registryIn(c.ModelsDir, dataDir), c.Model, model.Live)
	if err == nil && m == nil {
		err = withHint(errors.New("no model is live"), "fastshop model list shows what there is")
	}
	return m, err
}

// modelSummary is a model in a list.
type modelSummary struct {
	Version  string        `json:"version"`
	Role     string        `json:"role,omitempty"`
	Made     time.Time     `json:"made"`
	Training model.Span    `json:"training"`
	Figures  model.Figures `json:"figures"`
}

func summarize(m *model.Model, role string) modelSummary {
	return modelSummary{m.Version(), role, m.Made(), m.Card().Training, m.Card().Figures}
}

type modelList struct {
	registryFlags
	JSON bool `help:"Print JSON."`
}

func (c *modelList) Run(out streams) error {
	r := c.registry()
	versions, err := r.Versions()
	if err != nil {
		return err
	}
	all := []modelSummary{}
	for _, v := range versions {
		m, err := r.Load(v)
		if err != nil {
			return err
		}
		role := ""
		for _, candidate := range []model.Role{model.Live, model.Shadow} {
			if in, err := r.InRole(candidate); err != nil {
				return err
			} else if in == v {
				role = string(candidate)
			}
		}
		all = append(all, summarize(m, role))
	}
	if c.JSON {
		return printJSON(out.out, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(out.out, "no models yet; fastshop model train makes one, and --model built-in is one for demonstrations")
		return nil
	}
	fmt.Fprintf(out.out, "%-36s %-7s %-17s %10s %8s %8s %6s\n", "version", "role", "made", "payments", "frauds", "avg prec", "AUC")
	for _, s := range all {
		fmt.Fprintf(out.out, "%-36s %-7s %-17s %10s %8s %8.3f %6.3f\n", s.Version, s.Role, s.Made.Format("2006-01-02 15:04"),
			count(s.Training.Rows), count(s.Training.Frauds), s.Figures.AveragePrecision, s.Figures.AUC)
	}
	return nil
}

type modelShow struct {
	modelFlag
	DataDir string `help:"Data folder." default:"fastshop-data" type:"path"`
	JSON    bool   `help:"Print the card as JSON."`
	XGBoost bool   `help:"Print the trees as XGBoost's own JSON, for other software." name:"xgboost"`
}

func (c *modelShow) Run(out streams) error {
	m, err := c.load(c.DataDir)
	switch {
	case err != nil:
		return err
	case c.XGBoost:
		return m.Trees().Write(out.out)
	case c.JSON:
		return printJSON(out.out, m.Card())
	}
	_, err = io.WriteString(out.out, m.Describe())
	return err
}

type modelPromote struct {
	Version string `arg:"" help:"Version of the registry, or none."`
	Shadow  bool   `help:"Let it judge beside the live one, without effect."`
	registryFlags
}

func (c *modelPromote) Run(out streams) error {
	role, version := model.Live, c.Version
	if c.Shadow {
		role = model.Shadow
	}
	if version == noModel {
		version = ""
	}
	err := c.registry().Assign(role, version, time.Now())
	if errors.Is(err, model.ErrUnknown) {
		err = withHint(err, "fastshop model list shows the versions")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out.out, "%s is %s from the next start of the server on\n", c.Version, role)
	return nil
}

type modelRollback struct {
	registryFlags
}

func (c *modelRollback) Run(out streams) error {
	version, err := c.registry().Rollback(time.Now())
	if err != nil {
		return err
	}
	if version == "" {
		version = "no model"
	}
	fmt.Fprintf(out.out, "%s is live from the next start of the server on\n", version)
	return nil
}

type modelEvaluate struct {
	modelFlag
	sourceFlags
	JSON bool `help:"Print JSON."`
}

// evaluation is how a model did on a history.
type evaluation struct {
	Version          string  `json:"version"`
	Rows             int     `json:"rows"`
	Frauds           int     `json:"frauds"`
	AUC              float64 `json:"auc"`
	AveragePrecision float64 `json:"average_precision"`
}

func (c *modelEvaluate) Run(ctx context.Context, out streams) error {
	m, err := c.load(c.DataDir)
	if err != nil {
		return err
	}
	p := newProgress(out.err)
	defer p.done()
	h, err := c.history(ctx, p)
	if err != nil {
		return err
	}
	zone, err := shopZone()
	if err != nil {
		return err
	}
	e, err := h.examples(ctx, m.Variables(), zone, p)
	if err != nil {
		return err
	}
	p.done()
	result, err := evaluate(m, &e)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, result)
	}
	fmt.Fprintf(out.out, "%s on %s payments (%s frauds): average precision %.3f, AUC %.3f\n",
		result.Version, count(result.Rows), count(result.Frauds), result.AveragePrecision, result.AUC)
	return nil
}

func evaluate(m *model.Model, e *model.Examples) (evaluation, error) {
	r := evaluation{Version: m.Version(), Rows: e.Frame.Rows()}
	scores := make([]float64, r.Rows)
	inputs := make([]float64, len(e.Frame.Columns))
	for i := range scores {
		for j, column := range e.Frame.Columns {
			inputs[j] = float64(column[i])
		}
		var err error
		if scores[i], err = m.Probability(inputs); err != nil {
			return r, err
		}
		if e.Frauds[i] {
			r.Frauds++
		}
	}
	r.AUC, r.AveragePrecision = backtest.AUC(scores, e.Frauds), backtest.AveragePrecision(scores, e.Frauds)
	return r, nil
}

type modelExplain struct {
	modelFlag
	ID string `arg:"" help:"Id of the transaction."`
	places
	JSON bool `help:"Print JSON."`
}

// modelContribution is what one variable did.
type modelContribution struct {
	Variable string   `json:"variable"`
	Value    *float64 `json:"value"` // null: missing
	LogOdds  float64  `json:"log_odds"`
	PT       string   `json:"pt"`
	EN       string   `json:"en"`
}

func (c *modelExplain) Run(ctx context.Context, out streams) error {
	if !payment.ValidID(c.ID) {
		return unknownDecision()
	}
	m, err := c.load(c.DataDir)
	if err != nil {
		return err
	}
	var stored ledger.Stored
	var names []string
	err = withStore(ctx, &c.places, func(s books) (err error) {
		if stored, err = s.Decision(ctx, c.ID); errors.Is(err, ledger.ErrNotFound) {
			return unknownDecision()
		}
		if err == nil {
			names, err = s.Plan(ctx, stored.Decision.Features.Plan)
		}
		return err
	})
	if err != nil {
		return err
	}
	base, all, err := contributions(m, &stored, names)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, map[string]any{"version": m.Version(), "base_log_odds": base, "contributions": all})
	}
	fmt.Fprintf(out.out, "%s without any variable: log-odds %.4f\n", m.Version(), base)
	for _, k := range all {
		value := "-"
		if k.Value != nil {
			value = fmt.Sprintf("%.6g", *k.Value)
		}
		fmt.Fprintf(out.out, "  %+8.4f  %-34s %12s  %s\n", k.LogOdds, k.Variable, value, k.PT)
	}
	return nil
}

// contributions are those of a model to a stored decision, made of what was stored.
func contributions(m *model.Model, s *ledger.Stored, names []string) (base float64, all []modelContribution, err error) {
	plan, err := score.ParsePlan(names)
	if err != nil {
		return 0, nil, err
	}
	zone, err := shopZone()
	if err != nil {
		return 0, nil, err
	}
	in, err := score.NewInputs(m.Variables(), plan, zone)
	if err != nil {
		return 0, nil, withHint(fmt.Errorf("the decision was made without what this model reads: %w", err), "explain it by the model that judged it")
	}
	inputs, added := make([]float64, len(in.Names())), make([]float64, len(in.Names()))
	in.Fill(&s.Transaction, s.Decision.Features.Values, inputs)
	base = m.Explain(inputs, added)
	for i, name := range in.Names() {
		words, _ := score.WordsFor(name)
		all = append(all, modelContribution{Variable: name, Value: finite(inputs[i]), LogOdds: added[i], PT: words.PT, EN: words.EN})
	}
	return base, all, nil
}

// finite is v, or nil if it is missing.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
