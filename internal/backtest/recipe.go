package backtest

import (
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/gbdt"
)

// Recipe is what a model is made of: which variables of score.Schema it reads, and how it is trained.
type Recipe struct {
	Features []string
	Settings gbdt.Settings
}

// HandbookRecipe is the recipe that the handbook's history is judged with. It reads what any shop has that sells at
// terminals: the amount against the customer's own past, odd amounts of customer and terminal lately, and the frauds of
// the terminal as far as they are known. docs/methodology.md says how features and settings were chosen.
func HandbookRecipe() Recipe {
	s := gbdt.DefaultSettings()
	s.MinChild, s.ColumnShare = 5, 0.7
	return Recipe{Settings: s, Features: []string{
		"tx.amount", "customer.amount_ratio", "customer.amount_z", "customer.amount_median", "customer.max_ratio_7d",
		"customer.count_7d", "customer.anomalies_24h", "customer.anomalies_7d",
		"terminal.fraud_run", "terminal.frauds_7d_delayed", "terminal.frauds_30d_delayed", "terminal.fraud_share_30d_delayed",
		"terminal.anomalies_7d", "terminal.anomalies_7d_delayed", "terminal.anomalies_30d_delayed",
		"terminal.max_24h_delayed",
	}}
}

// Learn trains a model on a set whose columns are the recipe's features, for [Protocol.Run]; what it predicts is the
// margin. Its errors are those of gbdt.Train.
func (r Recipe) Learn(ctx context.Context, train gbdt.Set, progress func(done, of int)) (Predict, error) {
	m, err := gbdt.Train(ctx, train, nil, r.Settings, progress)
	if err != nil {
		return nil, err
	}
	forest, err := m.Forest()
	if err != nil {
		return nil, fmt.Errorf("use model: %w", err)
	}
	return forest.Margin, nil
}
