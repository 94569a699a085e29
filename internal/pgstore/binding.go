package pgstore

import (
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore/query"
)

// once writes a value that never changes, and returns the one that is stored then: nobody else's write can come between.
func (s *Store) once(ctx context.Context, put func(context.Context) error, get func(context.Context) ([]string, error)) (string, error) {
	return bounded(ctx, s, func(ctx context.Context) (string, error) {
		stored, err := get(ctx)
		if err == nil && len(stored) == 0 {
			if err = put(ctx); err == nil {
				stored, err = get(ctx)
			}
		}
		if err != nil {
			return "", err
		}
		return stored[0], nil
	})
}

// Bind ties the store to something by its value, such as the ring of token keys that its rows were tokenized with: the
// first call writes it, every later one compares. Another value is ledger.ErrForeign.
func (s *Store) Bind(ctx context.Context, name, value string) error {
	bound, err := s.once(ctx,
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
	stored, err := s.once(ctx,
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
