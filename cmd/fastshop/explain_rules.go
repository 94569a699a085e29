package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/rule"
)

// storedRules is what is asked of a store for the rules that decided.
type storedRules interface {
	RuleSet(ctx context.Context, version string) ([]byte, error)
}

// keepRules stores the rules that are about to decide, so that their decisions can be explained when others do. A file that
// was stored in other words (a comment, the order of keys) is kept as it was: the version is that of what it says.
func keepRules(ctx context.Context, s dictionary, set *rule.Set) error {
	err := s.PutRuleSet(ctx, set.Version(), set.Text())
	if !errors.Is(err, ledger.ErrRuleSet) {
		return err
	}
	if _, damaged := keptRules(ctx, s, set.Version()); damaged != nil {
		return errors.Join(err, damaged)
	}
	return nil
}

// keptRules is the text of a version of the rules. Its error wraps ledger.ErrNotFound if none is kept, and ledger.ErrCorrupt
// if the text is not that of its version.
func keptRules(ctx context.Context, s storedRules, version string) ([]byte, error) {
	text, err := s.RuleSet(ctx, version)
	if err != nil {
		return nil, err
	}
	if says, err := rule.Version(text); err != nil || says != version {
		return nil, withHint(fmt.Errorf("the rules that are kept as %s are not these: %w", version, ledger.ErrCorrupt),
			"restore the store from a backup; meanwhile fastshop explain ID --rules FILE takes the file of that time, if it was kept elsewhere")
	}
	return text, nil
}
