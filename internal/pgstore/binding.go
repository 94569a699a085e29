package pgstore

import (
	"bytes"
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore/query"
)

// once writes a value that never changes, and returns the one that is stored then: nobody else's write can come between.
func once[T string | []byte](ctx context.Context, s *Store, put func(context.Context) error, get func(context.Context) ([]T, error)) (T, error) {
	return bounded(ctx, s, func(ctx context.Context) (none T, err error) {
		stored, err := get(ctx)
		if err == nil && len(stored) == 0 {
			if err = put(ctx); err == nil {
				stored, err = get(ctx)
			}
		}
		if err != nil {
			return none, err
		}
		return stored[0], nil
	})
}

// Bind ties the store to something by its value, such as the ring of token keys that its rows were tokenized with: the
// first call writes it, every later one compares. Another value is ledger.ErrForeign.
func (s *Store) Bind(ctx context.Context, name, value string) error {
	bound, err := once(ctx, s,
		func(ctx context.Context) error { return s.query.Bind(ctx, query.BindParams{Name: name, Value: value}) },
		func(ctx context.Context) ([]string, error) { return s.query.Binding(ctx, name) })
	if err == nil && bound != value {
		err = fmt.Errorf("%w %s", ledger.ErrForeign, name)
	}
	if err != nil {
		return fmt.Errorf("bind store: %w", err)
	}
	return nil
}

// Bound returns what the store was tied to by Bind under a name, or "" if by nothing.
func (s *Store) Bound(ctx context.Context, name string) (string, error) {
	found, err := bounded(ctx, s, func(ctx context.Context) ([]string, error) { return s.query.Binding(ctx, name) })
	if err != nil {
		return "", fmt.Errorf("read binding: %w", err)
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0], nil
}

// PutPlan stores the names of a version of feature values. The same again changes nothing; other names under a version
// that is taken are ledger.ErrPlan.
func (s *Store) PutPlan(ctx context.Context, version string, names []string) error {
	text, err := ledger.JoinNames(names)
	if err != nil {
		return fmt.Errorf("put plan: %w", err)
	}
	stored, err := once(ctx, s,
		func(ctx context.Context) error {
			return s.query.PutPlan(ctx, query.PutPlanParams{Version: version, Names: text})
		},
		func(ctx context.Context) ([]string, error) { return s.query.Plan(ctx, version) })
	if err == nil && stored != text {
		err = fmt.Errorf("%q: %w", version, ledger.ErrPlan)
	}
	if err != nil {
		return fmt.Errorf("put plan: %w", err)
	}
	return nil
}

// Plan returns the names of a version of feature values, in their order. An unknown version is ledger.ErrNotFound.
func (s *Store) Plan(ctx context.Context, version string) ([]string, error) {
	found, err := bounded(ctx, s, func(ctx context.Context) ([]string, error) { return s.query.Plan(ctx, version) })
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("plan %q: %w", version, ledger.ErrNotFound)
	}
	return ledger.SplitNames(found[0]), nil
}

// PutRuleSet stores the text of a version of the rules. The same again changes nothing; another text under a version that
// is taken is ledger.ErrRuleSet.
func (s *Store) PutRuleSet(ctx context.Context, version string, text []byte) error {
	if err := ledger.CheckRuleSet(version, text); err != nil {
		return fmt.Errorf("put rule set: %w", err)
	}
	stored, err := once(ctx, s,
		func(ctx context.Context) error {
			return s.query.PutRuleSet(ctx, query.PutRuleSetParams{Version: version, Text: text})
		},
		func(ctx context.Context) ([][]byte, error) { return s.query.RuleSet(ctx, version) })
	if err == nil && !bytes.Equal(stored, text) {
		err = fmt.Errorf("%q: %w", version, ledger.ErrRuleSet)
	}
	if err != nil {
		return fmt.Errorf("put rule set: %w", err)
	}
	return nil
}

// RuleSet returns the text of a version of the rules as it was stored. An unknown version is ledger.ErrNotFound.
func (s *Store) RuleSet(ctx context.Context, version string) ([]byte, error) {
	found, err := bounded(ctx, s, func(ctx context.Context) ([][]byte, error) { return s.query.RuleSet(ctx, version) })
	if err != nil {
		return nil, fmt.Errorf("read rule set: %w", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("rule set %q: %w", version, ledger.ErrNotFound)
	}
	return found[0], nil
}

// RuleSets returns the versions of all rule sets that are stored, in the order of their names.
func (s *Store) RuleSets(ctx context.Context) ([]string, error) {
	versions, err := bounded(ctx, s, func(ctx context.Context) ([]string, error) { return s.query.RuleSets(ctx) })
	if err != nil {
		return nil, fmt.Errorf("list rule sets: %w", err)
	}
	return versions, nil
}
