package sqlitestore

import (
	"bytes"
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	insertPlan = "INSERT INTO plans (version, names) VALUES (?, ?) ON CONFLICT DO NOTHING"
	selectPlan = "SELECT names FROM plans WHERE version = ?"

	insertRuleSet = "INSERT INTO rule_sets (version, text) VALUES (?, ?)"
	selectRuleSet = "SELECT text FROM rule_sets WHERE version = ?"
	listRuleSets  = "SELECT version FROM rule_sets ORDER BY version"
)

// PutPlan stores the names of a version of feature values. The same again changes nothing; other names under a version
// that is taken are ledger.ErrPlan.
func (s *Store) PutPlan(ctx context.Context, version string, names []string) error {
	text, err := ledger.JoinNames(names)
	if err != nil {
		return fmt.Errorf("put plan: %w", err)
	}
	err = s.update(ctx, 1, func(t *tx) error {
		stored, found, err := readPlan(t.conn, version)
		switch {
		case err != nil:
			return err
		case found && stored != text:
			return fmt.Errorf("%q: %w", version, ledger.ErrPlan)
		case found:
			return nil
		}
		_, err = t.exec(insertPlan, version, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("put plan: %w", err)
	}
	return nil
}

// Plan returns the names of a version of feature values, in their order. An unknown version is ledger.ErrNotFound.
func (s *Store) Plan(ctx context.Context, version string) ([]string, error) {
	var text string
	var found bool
	err := s.file.Read(ctx, func(c *sqlitefile.Conn) (err error) {
		text, found, err = readPlan(c, version)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", unavailable(err))
	}
	if !found {
		return nil, fmt.Errorf("plan %q: %w", version, ledger.ErrNotFound)
	}
	return ledger.SplitNames(text), nil
}

func readPlan(c *sqlitefile.Conn, version string) (text string, found bool, err error) {
	err = c.Query(selectPlan, func(r sqlitefile.Row) error {
		text, found = r.Text(0), true
		return nil
	}, version)
	return text, found, err
}

// PutRuleSet stores the text of a version of the rules. The same again changes nothing; another text under a version that
// is taken is ledger.ErrRuleSet.
func (s *Store) PutRuleSet(ctx context.Context, version string, text []byte) error {
	err := ledger.CheckRuleSet(version, text)
	if err == nil {
		err = s.update(ctx, 1, func(t *tx) error {
			stored, err := readRuleSet(t.conn, version)
			switch {
			case err != nil:
				return err
			case stored != nil && !bytes.Equal(stored, text):
				return fmt.Errorf("%q: %w", version, ledger.ErrRuleSet)
			case stored != nil:
				return nil
			}
			_, err = t.exec(insertRuleSet, version, text)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("put rule set: %w", err)
	}
	return nil
}

// RuleSet returns the text of a version of the rules as it was stored. An unknown version is ledger.ErrNotFound.
func (s *Store) RuleSet(ctx context.Context, version string) (text []byte, err error) {
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) (err error) {
		text, err = readRuleSet(c, version)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rule set: %w", unavailable(err))
	}
	if text == nil {
		return nil, fmt.Errorf("rule set %q: %w", version, ledger.ErrNotFound)
	}
	return text, nil
}

// readRuleSet is nil for a version that is not stored.
func readRuleSet(c *sqlitefile.Conn, version string) (text []byte, err error) {
	err = c.Query(selectRuleSet, func(r sqlitefile.Row) error {
		text = append([]byte{}, r.Blob(0)...)
		return nil
	}, version)
	return text, err
}

// RuleSets returns the versions of all rule sets that are stored, in the order of their names.
func (s *Store) RuleSets(ctx context.Context) (versions []string, err error) {
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		return c.Query(listRuleSets, func(r sqlitefile.Row) error {
			versions = append(versions, r.Text(0))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list rule sets: %w", unavailable(err))
	}
	return versions, nil
}
