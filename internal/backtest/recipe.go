package backtest

import (
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/gbdt"
)

// Recipe is what a model is made of: which variables it reads, and how it is trained. A model of several bags is the mean
// of as many trainings that differ in their samples of rows and columns only, as one model with the trees of all.
type Recipe struct {
	Features []string
	Settings gbdt.Settings
	Bags     int // at least 1
}

// Train trains a model on a set whose columns are the recipe's features. Its errors are those of gbdt.Train. Progress may
// be nil.
func (r Recipe) Train(ctx context.Context, train gbdt.Set, progress func(done, of int)) (*gbdt.Model, error) {
	var all *gbdt.Model
	for bag := range max(r.Bags, 1) {
		s := r.Settings
		s.Seed += uint64(bag)
		m, err := gbdt.Train(ctx, train, nil, s, func(done, of int) {
			if progress != nil {
				progress(bag*of+done, max(r.Bags, 1)*of)
			}
		})
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = m
			continue
		}
		all.Trees = append(all.Trees, m.Trees...)
	}
	for _, t := range all.Trees {
		for i := range t {
			t[i].Value /= float32(max(r.Bags, 1))
		}
	}
	return all, nil
}

// Learn is Train as the protocol asks for it; what it predicts is the margin.
func (r Recipe) Learn(ctx context.Context, train gbdt.Set, progress func(done, of int)) (Predict, error) {
	m, err := r.Train(ctx, train, progress)
	if err != nil {
		return nil, err
	}
	forest, err := m.Forest()
	if err != nil {
		return nil, fmt.Errorf("use model: %w", err)
	}
	return forest.Margin, nil
}

// HandbookRecipe is the recipe that the handbook's history is judged with. It reads what any shop has that sells at
// terminals: the amount against the customer's own past, odd amounts of customer and terminal lately, and the frauds of
// the terminal as far as they are known. docs/methodology.md says how features and settings were chosen.
func HandbookRecipe() Recipe {
	s := gbdt.DefaultSettings()
	s.MinChild = 5
	return Recipe{Settings: s, Bags: 1, Features: []string{
		"tx.amount", "customer.amount_ratio", "customer.amount_z", "customer.amount_median", "customer.count_7d",
		"customer.anomalies_24h", "customer.anomalies_7d", "customer.anomalies_30d",
		"terminal.fraud_run", "terminal.frauds_7d_delayed", "terminal.frauds_30d_delayed",
		"terminal.fraud_share_7d_delayed", "terminal.fraud_share_30d_delayed",
		"terminal.count_7d_delayed", "terminal.count_30d_delayed",
		"terminal.anomalies_7d", "terminal.anomalies_7d_delayed", "terminal.anomalies_30d_delayed",
	}}
}
