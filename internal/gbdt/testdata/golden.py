#!/usr/bin/python3
"""Writes the golden files beside it: small models of XGBoost 1.7 on made-up data, and what XGBoost says of some rows.

    apt-get install -y python3-xgboost && /usr/bin/python3 golden.py

NAME.model.json is what save_model writes; NAME.expect.json has rows (null is missing), and of each row the margin, the
probability and the contributions (pred_contribs: one per feature, then the expectation).
"""
import json
import pathlib

import numpy
import xgboost

FOLDER = pathlib.Path(__file__).parent / "golden"
NAMES = ["tx.amount", "tx.night", "tx.method=pix", "customer.amount_z", "card.count_1h", "terminal.fraud_share_7d_delayed"]


def data(random, rows):
    """Rows like those of a shop: an amount, two flags, a z-score, a count and a share, a sixth of them missing."""
    x = numpy.column_stack([
        numpy.exp(random.normal(9, 1.5, rows)).round(),
        random.integers(0, 2, rows),
        random.integers(0, 2, rows),
        random.normal(0, 2, rows),
        random.poisson(2, rows),
        random.beta(0.3, 5, rows),
    ]).astype(numpy.float32)
    risk = -3 + 0.8 * x[:, 3] + 0.4 * x[:, 4] + 8 * x[:, 5] + x[:, 1] * (x[:, 0] > 9000)
    y = (random.random(rows) < 1 / (1 + numpy.exp(-risk))).astype(numpy.float32)
    x[random.random(x.shape) < 1 / 6] = numpy.nan
    return x, y


def write(name, rounds, named=True, **settings):
    random = numpy.random.default_rng(20180401)
    x, y = data(random, 1500)
    names = NAMES if named else None
    settings = {"objective": "binary:logistic", "seed": 1, "nthread": 1, **settings}
    model = xgboost.train(settings, xgboost.DMatrix(x, y, feature_names=names), rounds)
    model.save_model(FOLDER / f"{name}.model.json")
    rows = xgboost.DMatrix(x[:40], feature_names=names)
    expect = {
        "rows": [[None if numpy.isnan(v) else float(v) for v in row] for row in x[:40]],
        "margin": model.predict(rows, output_margin=True).tolist(),
        "probability": model.predict(rows).tolist(),
        "contributions": model.predict(rows, pred_contribs=True).tolist(),
    }
    (FOLDER / f"{name}.expect.json").write_text(json.dumps(expect))


FOLDER.mkdir(exist_ok=True)
write("exact", 12, max_depth=4, eta=0.2, tree_method="exact")
write("hist", 12, max_depth=3, eta=0.3, tree_method="hist", max_bin=64, base_score=0.02, named=False)
write("pruned", 8, max_depth=5, gamma=4, eta=0.5, tree_method="exact", scale_pos_weight=3)
write("leafwise", 6, max_depth=0, max_leaves=12, grow_policy="lossguide", tree_method="hist")
write("sampled", 5, max_depth=3, subsample=0.5, colsample_bytree=0.5, num_parallel_tree=2, base_score=0.9)
write("small", 2, max_depth=2)
write("none", 0, base_score=0.25)
