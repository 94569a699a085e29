package backtest

// Reference is a result of others under [HandbookProtocol], the mean of its four weeks.
type Reference struct {
	Name string
	Ranking
}

// References are what has been published for [HandbookProtocol] (Fraud Detection Handbook, chapters 5 to 7), and what can
// be had at all: a Bayes filter that knows how the data were simulated, as every learner does not.
func References() []Reference {
	return []Reference{
		{"logistic regression, published", Ranking{AUC: 0.868, AveragePrecision: 0.623, CardPrecision: 0.297}},
		{"random forest, published", Ranking{AUC: 0.870, AveragePrecision: 0.678, CardPrecision: 0.299}},
		{"XGBoost, published, tuned", Ranking{AUC: 0.871, AveragePrecision: 0.694, CardPrecision: 0.304}},
		{"best published of each figure", Ranking{AUC: 0.879, AveragePrecision: 0.694, CardPrecision: 0.305}},
		{"ceiling: knows the simulator", Ranking{AUC: 0.887, AveragePrecision: 0.767, CardPrecision: 0.311}},
	}
}
