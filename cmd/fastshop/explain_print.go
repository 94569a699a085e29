package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/fastshop/pipeline/internal/explanation"
)

// explanationWords are the words around an explanation for people.
type explanationWords struct {
	outcomes                                                       map[string]string
	agrees                                                         map[bool]string
	verdict, moments, thresholds, missing, label                   string
	recomputed, differs, rules, none, shadow, failed, model        string
	unknownModel, contributions, shadowModel, inputs, how, contest string
}

func explanationIn(language string) explanationWords {
	if language == "en" {
		return explanationWords{
			outcomes: map[string]string{"approve": "approve", "challenge": "challenge", "review": "review", "decline": "decline"},
			agrees:   map[bool]string{true: "yes", false: "no"},
			verdict:  "%s  %s, score %d (%s, %s)\n", moments: "occurred %s, decided %s on the %s path in %.1f µs\n",
			thresholds: "challenge from %d, review from %d, decline from %d\n", missing: "degraded: %s: %s\n", label: "known since %s to be %s (%s)\n",
			recomputed: "computed anew from what was stored: score %d, agrees: %s\n", differs: "differs: %s\n",
			rules: "\nrules that held:\n", none: "  none\n", shadow: "(shadow)", failed: "  could not be evaluated: %s\n",
			model: "\nmodel %s: %d points; log-odds %s, of which %s without any variable\n", unknownModel: "\nmodel %s: points and contributions are not known\n",
			contributions: "what speaks for fraud (+) and against it:\n", shadowModel: "\nshadow model%s: %d points, without effect\n",
			inputs: "\nwhat was read (%s; - is nothing to say):\n", how: "\nHow it is decided\n", contest: "\nHow to contest\n",
		}
	}
	return explanationWords{
		outcomes: map[string]string{"approve": "aprovada", "challenge": "outra prova (challenge)", "review": "em análise (review)", "decline": "recusada"},
		agrees:   map[bool]string{true: "sim", false: "não"},
		verdict:  "%s  %s, pontuação %d (%s, %s)\n", moments: "feita em %s, decidida em %s (%s) em %.1f µs\n",
		thresholds: "challenge a partir de %d, review a partir de %d, decline a partir de %d\n", missing: "faltou: %s: %s\n", label: "desde %s se sabe que é %s (%s)\n",
		recomputed: "recalculada do que foi guardado: pontuação %d, confere: %s\n", differs: "diverge: %s\n",
		rules: "\nregras que valeram:\n", none: "  nenhuma\n", shadow: "(em observação)", failed: "  não pôde ser avaliada: %s\n",
		model: "\nmodelo %s: %d pontos; log-odds %s, das quais %s sem variável alguma\n", unknownModel: "\nmodelo %s: pontos e contribuições não são conhecidos\n",
		contributions: "o que fala a favor de fraude (+) e contra:\n", shadowModel: "\nmodelo em observação%s: %d pontos, sem efeito\n",
		inputs: "\no que foi lido (%s; - é nada a dizer):\n", how: "\nComo se decide\n", contest: "\nComo contestar\n",
	}
}

// explanationPage writes an explanation for people. The first error of writing is kept.
type explanationPage struct {
	w        io.Writer
	language string
	explanationWords
	err error
}

func printExplanation(w io.Writer, e *explanation.Explanation, language string) error {
	p := &explanationPage{w: w, language: language, explanationWords: explanationIn(language)}
	p.head(e)
	p.held(e)
	p.learned(e)
	p.table(fmt.Sprintf(p.inputs, e.Plan), func(t io.Writer) {
		for _, in := range e.Inputs {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", in.Name, in.Value, p.text(in.Text))
		}
	})
	p.line("%s", p.how)
	p.line("  %s\n", p.text(&e.Criteria))
	p.line("%s", p.contest)
	p.line("  %s\n", p.text(&e.Contest))
	return p.err
}

func (p *explanationPage) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// table writes a heading and rows whose columns line up.
func (p *explanationPage) table(heading string, rows func(io.Writer)) {
	p.line("%s", heading)
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	rows(t)
	if err := t.Flush(); p.err == nil {
		p.err = err
	}
}

func (p *explanationPage) text(t *explanation.Text) string {
	switch {
	case t == nil:
		return ""
	case p.language == "en":
		return t.EN
	}
	return t.PT
}

func (p *explanationPage) head(e *explanation.Explanation) {
	p.line(p.verdict, e.TransactionID, p.outcomes[e.Outcome], e.Score, e.RuleSet, e.Policy.Version)
	p.line(p.moments, e.OccurredAt.Format(time.RFC3339), e.DecidedAt.Format(time.RFC3339), e.Path, float64(e.Took))
	if t := e.Policy; t.Challenge != nil {
		p.line(p.thresholds, *t.Challenge, *t.Review, *t.Decline)
	}
	for _, m := range e.Degraded {
		p.line(p.missing, m.Code, p.text(&m.Text))
	}
	if l := e.Label; l != nil {
		p.line(p.label, l.KnownAt.Format(time.RFC3339), l.Verdict, l.Source)
	}
	if e.Recomputed {
		p.line(p.recomputed, *e.RecomputedScore, p.agrees[*e.Agrees])
	}
	for _, what := range e.Differs {
		p.line(p.differs, what)
	}
	if e.Note != nil {
		p.line("%s\n", p.text(e.Note))
	}
}

// held are the rules.
func (p *explanationPage) held(e *explanation.Explanation) {
	p.table(p.rules, func(t io.Writer) {
		for _, r := range e.Rules {
			mode := ""
			if r.Shadow {
				mode = p.shadow
			}
			fmt.Fprintf(t, "  %4d\t%s\t%s\t%s\t%s\n", r.Points, r.Rule, r.Code, mode, p.text(r.Text))
		}
	})
	if len(e.Rules) == 0 {
		p.line("%s", p.none)
	}
	for _, id := range e.FailedRules {
		p.line(p.failed, id)
	}
}

// learned are the models.
func (p *explanationPage) learned(e *explanation.Explanation) {
	switch m := e.Model; {
	case m == nil:
	case m.Points == nil:
		p.table(fmt.Sprintf(p.unknownModel, m.Version), func(t io.Writer) {
			for _, g := range m.Grounds {
				fmt.Fprintf(t, "  %4d\t%s\t%s\n", g.Points, g.Code, p.text(g.Text))
			}
		})
	default:
		p.line(p.model, m.Version, *m.Points, m.LogOdds, m.Base)
		p.table(p.contributions, func(t io.Writer) {
			for _, c := range m.Contributions {
				fmt.Fprintf(t, "  %+8.4f\t%s\t%s\t%s\n", float64(c.LogOdds), c.Variable, c.Value, p.text(c.Text))
			}
		})
	}
	if s := e.ShadowModel; s != nil {
		version := s.Version
		if version != "" {
			version = " " + version
		}
		p.line(p.shadowModel, version, s.Points)
	}
}
