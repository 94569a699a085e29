package main

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/explanation"
	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

type explainCommand struct {
	ID string `arg:"" help:"Id of the transaction."`
	places
	judges
	Language string `help:"Language for people: pt or en." enum:"pt,en" default:"pt"`
	JSON     bool   `help:"Print JSON, with both languages."`
}

func (c *explainCommand) Help() string {
	return "What an analyst needs to answer a customer who asks why (LGPD, art. 20). It holds no personal data. It is computed anew from what was stored, by the rules that decided, which are kept, and by their model in --models-dir; --rules is for decisions older than the keeping of rules. While the server runs, GET /v1/decisions/{id}/explanation gives the same."
}

func (c *explainCommand) Run(ctx context.Context, out streams) error {
	if !payment.ValidID(c.ID) { // an e-mail address, say, which a database's log need not learn
		return unknownDecision()
	}
	judging, err := c.judges.open(c.DataDir)
	if err != nil {
		return err
	}
	why := newExplainers(&judging, c.judges.registry(c.DataDir))
	var e explanation.Explanation
	err = withStore(ctx, &c.places, func(store books) (err error) {
		e, err = why.explain(ctx, store, c.ID)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return unknownDecision()
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, e)
	}
	return printExplanation(out.out, &e, c.Language)
}

// unknownDecision is the error for an id that no decision has.
func unknownDecision() error {
	return withHint(errors.New("no decision is stored under this id"), "ids are the shop's own; a record may wait in the stream, or be a dead letter: fastshop deadletters list")
}

// explainers explain decisions by the rules and the model that decided: those at hand, or those that are kept. They are
// safe for concurrent use.
type explainers struct {
	rules    *rule.Set
	live     *model.Model // nil for none
	registry *model.Registry

	mu   sync.Mutex
	made map[judgesOf]*explanation.Explainer
}

// judgesOf are the versions of those who decided.
type judgesOf struct{ rules, model string } // model is "" for none

// maxExplainers bounds the rules and models that are kept ready; those at hand always are.
const maxExplainers = 4

func newExplainers(j *judging, r *model.Registry) *explainers {
	return &explainers{rules: j.rules, live: j.live, registry: r, made: map[judgesOf]*explanation.Explainer{}}
}

// storedDecisions is what explaining asks of a store.
type storedDecisions interface {
	Decision(ctx context.Context, id string) (ledger.Stored, error)
	Plan(ctx context.Context, version string) ([]string, error)
	storedRules
}

// explain explains the decision of an id. Its error wraps ledger.ErrNotFound if there is none, and ledger.ErrCorrupt if the
// rules that are kept for it are not those that decided.
func (x *explainers) explain(ctx context.Context, store storedDecisions, id string) (explanation.Explanation, error) {
	stored, err := store.Decision(ctx, id)
	if err != nil {
		return explanation.Explanation{}, err
	}
	names, err := store.Plan(ctx, stored.Decision.Features.Plan)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) { // without names there is less to say, which the explanation says
		return explanation.Explanation{}, err
	}
	by, err := x.by(ctx, store, judgesOf{stored.Decision.RuleSet, stored.Decision.Model})
	if err != nil {
		return explanation.Explanation{}, err
	}
	return by.Of(explanation.Case{Transaction: &stored.Transaction, Decision: &stored.Decision, Names: names, Label: stored.Label}), nil
}

// by is the explainer with the rules and the model of some versions, or with those at hand in the place of what is gone.
func (x *explainers) by(ctx context.Context, store storedRules, want judgesOf) (*explanation.Explainer, error) {
	if made := x.ready(want); made != nil {
		return made, nil
	}
	rules, err := x.rulesOf(ctx, store, want.rules)
	if err != nil {
		return nil, err
	}
	want.rules = rules.Version() // rules that are not kept may be so later, from another process
	if made := x.ready(want); made != nil {
		return made, nil
	}
	m, err := x.find(want.model)
	if errors.Is(err, model.ErrUnknown) {
		m, err = x.live, nil
	}
	if err != nil {
		return nil, err
	}
	return x.make(want, rules, m)
}

// ready is nil if nothing is.
func (x *explainers) ready(of judgesOf) *explanation.Explainer {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.made[of]
}

// make makes an explainer and keeps it ready.
func (x *explainers) make(of judgesOf, rules *rule.Set, m *model.Model) (*explanation.Explainer, error) {
	made, err := newExplainer(rules, m)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.made) >= maxExplainers {
		maps.DeleteFunc(x.made, func(old judgesOf, _ *explanation.Explainer) bool { return old != x.atHand() })
	}
	x.made[of] = made
	return made, nil
}

// atHand are the rules and the model of this program's start.
func (x *explainers) atHand() judgesOf { return judgesOf{x.rules.Version(), versionOf(x.live)} }

// versionOf is "" for no model.
func versionOf(m *model.Model) string {
	if m == nil {
		return ""
	}
	return m.Version()
}

// rulesOf are the rules of a version: those at hand, or those that are kept. Where there are none, or none that this
// program can run any more, they are those at hand, and the explanation says that others decided.
func (x *explainers) rulesOf(ctx context.Context, store storedRules, version string) (*rule.Set, error) {
	if version == x.rules.Version() {
		return x.rules, nil
	}
	text, err := keptRules(ctx, store, version)
	if errors.Is(err, ledger.ErrNotFound) {
		return x.rules, nil
	}
	if err != nil {
		return nil, err
	}
	var faults rule.Faults
	set, err := rule.Compile(text, score.Schema())
	if errors.As(err, &faults) {
		return x.rules, nil
	}
	return set, err
}

// find looks for a model: the live one, those of the registry, the built-in one. Its error wraps model.ErrUnknown if it is
// none of them.
func (x *explainers) find(version string) (*model.Model, error) {
	switch version {
	case "":
		return nil, nil
	case versionOf(x.live):
		return x.live, nil
	}
	m, err := x.registry.Load(version)
	if !errors.Is(err, model.ErrUnknown) {
		return m, err
	}
	if builtIn, failed := loadModel(x.registry, builtInModel, model.Live); failed == nil && builtIn.Version() == version {
		return builtIn, nil
	}
	return nil, err
}

// newExplainer makes an explainer of rules and a model, which may be nil.
func newExplainer(rules *rule.Set, m *model.Model) (*explanation.Explainer, error) {
	zone, err := shopZone()
	if err != nil {
		return nil, err
	}
	c := score.Config{Rules: rules, Windows: noWindows{}, Zone: zone, Now: time.Now}
	var variables []string
	if m != nil { // or the engine would hold a model that is nil
		c.Model, variables = m, m.Variables()
	}
	if c.Plan, err = score.PlanFor(rules, variables...); err != nil {
		return nil, err
	}
	engine, err := score.New(c)
	if err != nil {
		return nil, err
	}
	return explanation.New(engine)
}

// noWindows are those of an engine that only judges stored values again, and so never asks them.
type noWindows struct{ score.Windows }

// words are the texts of reason codes: of the rules, and of the variables of models.
func (x *explainers) words() (func(code string) httpapi.Text, error) {
	live, err := x.make(x.atHand(), x.rules, x.live)
	if err != nil {
		return nil, err
	}
	return func(code string) httpapi.Text {
		text, _ := live.Words(code)
		return httpapi.Text(text)
	}, nil
}

// apiExplanations explains for the API.
type apiExplanations struct {
	*explainers
	store books
}

func (a apiExplanations) Explanation(ctx context.Context, id string) (explanation.Explanation, error) {
	e, err := a.explain(ctx, a.store, id)
	return e, apiError(err)
}
