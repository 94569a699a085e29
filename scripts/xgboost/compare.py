"""Holds the gradient-boosted trees of internal/gbdt against XGBoost: quality, time, and models that change hands.

usage: compare.py COMPARE [TABLE.csv]

COMPARE is the built command internal/gbdt/compare. TABLE.csv has a column label (0 or 1) and features, nan being missing. Rows
with 1 in its column test are tested, the others trained on; without such a column the first 70 % are trained on.
fastshop backtest --format handbook --features TABLE.csv writes one. Without a table only seeded synthetic data are used. Everything
runs on the same rows, in float32, with the same settings and the same number of processors, in turns. Times mean something
on an idle machine only: XGBoost's threads wait for one another busily. Ends with 1 if one of the bounds below is missed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import numpy
import xgboost

AP_MARGIN = 0.01  # of our exact splits below XGBoost's
TIME_RATIO = 1.5  # of ours to its hist, with the same bins
SAME = 1e-6  # between probabilities of the same model
ROWS, FEATURES, REPEATS = 67_240, 45, 3
TREES, RATE = 100, 0.1


def synthetic(rows, seed):
    """Rows as a shop has them: amounts in cents, counts, ratios with gaps, flags; about one fraud in a hundred."""
    random = numpy.random.default_rng(seed)
    x = random.standard_normal((rows, FEATURES))
    table = x.copy()
    kind = numpy.arange(FEATURES) % 4
    table[:, kind == 0] = numpy.round(100 * numpy.exp(1.5 * x[:, kind == 0] + 3)) / 100
    table[:, kind == 1] = numpy.floor(numpy.exp(x[:, kind == 1] + 1))
    gaps = random.random(x.shape) < 0.2
    table[gaps & (kind == 2)] = numpy.nan
    table[:, kind == 3] = x[:, kind == 3] > 1
    score = (x[:, :8] ** 2 * (numpy.arange(8) % 3 + 1)).sum(axis=1) / 6
    labels = random.random(rows) < 1 / (1 + numpy.exp(12 - 2 * score))
    return [f"f{j}" for j in range(FEATURES)], table.astype(numpy.float32), labels


def read(name):
    with open(name, encoding="utf-8") as file:
        header = file.readline().strip().split(",")
        table = numpy.loadtxt(file, delimiter=",", dtype=numpy.float32, ndmin=2)
    label = table[:, header.index("label")] == 1
    test = table[:, header.index("test")] == 1 if "test" in header else numpy.arange(len(table)) >= int(0.7 * len(table))
    features = [i for i, n in enumerate(header) if n not in ("label", "test")]
    return [header[i] for i in features], table[:, features], label, test


def average_precision(labels, scores):
    order = numpy.argsort(-scores, kind="stable")
    hits, scores = numpy.cumsum(labels[order]), scores[order]
    last = numpy.append(scores[1:] != scores[:-1], True)
    seen, hits = numpy.flatnonzero(last) + 1, hits[last]
    return float((numpy.diff(hits, prepend=0) * hits / seen).sum() / hits[-1])


class Table:
    """One half of a data set, in memory for XGBoost and in a file for ours."""

    def __init__(self, folder, name, names, table, labels):
        self.names, self.table, self.labels = names, table, labels
        self.file = os.path.join(folder, name + ".csv")
        numpy.savetxt(self.file, numpy.column_stack([labels, table]), "%.9g", ",", header=",".join(["label", *names]), comments="")

    def matrix(self):
        return xgboost.DMatrix(self.table, self.labels.astype(numpy.float32), feature_names=self.names)


def theirs(train, processors, **settings):
    """Returns a booster and the seconds it took; loading the matrix is not counted."""
    matrix = train.matrix()
    parameters = {"objective": "binary:logistic", "eta": RATE, "nthread": processors, "base_score": 0.5, **settings}
    start = time.perf_counter()
    booster = xgboost.train(parameters, matrix, TREES)
    return booster, time.perf_counter() - start


class Ours:
    def __init__(self, command, folder, processors):
        self.command, self.folder, self.processors = command, folder, processors

    def call(self, *arguments):
        return subprocess.run([self.command, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout

    def train(self, train, **settings):
        model = os.path.join(self.folder, "ours.json")
        flags = [f"-{name.replace('_', '-')}={value}" for name, value in settings.items()]
        out = self.call("-train", train.file, "-model", model, "-trees", TREES, "-rate", RATE, "-workers", self.processors, *flags)
        return model, json.loads(out)["seconds"]

    def predict(self, model, test):
        out = os.path.join(self.folder, "predictions.txt")
        self.call("-test", test.file, "-load", model, "-predictions", out)
        return numpy.loadtxt(out)


class Report:
    failed = False

    def line(self, ok, text):
        print(("ok    " if ok else "FAIL  ") + text, flush=True)
        self.failed = self.failed or not ok


def compare(report, name, ours, train, test, processors):
    print(f"{name}: {len(train.labels)} rows to train, {len(test.labels)} to test, {len(train.names)} features, "
          f"{train.labels.sum()} and {test.labels.sum()} frauds", flush=True)
    for depth in (3, 6):
        booster, exact = theirs(train, processors, max_depth=depth, tree_method="exact")
        model, seconds = ours.train(train, depth=depth, bins=0)
        a, b = booster.predict(test.matrix()), ours.predict(model, test)
        ap, want = average_precision(test.labels, b), average_precision(test.labels, a)
        report.line(ap >= want - AP_MARGIN, f"depth {depth}, exact: AP {ap:.4f}, XGBoost {want:.4f}; {seconds:.2f} s, XGBoost {exact:.2f} s")
        exchange(report, ours, booster, b, model, test)
        for bins in (256, 4096, 16384):
            both = [(ours.train(train, depth=depth, bins=bins), theirs(train, processors, max_depth=depth, tree_method="hist", max_bin=bins))
                    for _ in range(REPEATS)]
            seconds, hist = min(o[1] for o, _ in both), min(t[1] for _, t in both)
            (model, _), (booster, _) = both[-1]
            ap = average_precision(test.labels, ours.predict(model, test))
            want = average_precision(test.labels, booster.predict(test.matrix()))
            report.line(seconds <= TIME_RATIO * hist, f"depth {depth}, {bins} bins: {seconds:.2f} s, XGBoost {hist:.2f} s, ratio {seconds / hist:.2f}; "
                        f"AP {ap:.4f}, XGBoost {want:.4f}")


def exchange(report, ours, booster, predictions, model, test):
    """Both sides run both models."""
    loaded = xgboost.Booster(model_file=model)
    away = numpy.abs(loaded.predict(test.matrix()) - predictions).max()
    report.line(away <= SAME, f"our model in XGBoost: probabilities differ by at most {away:.1e}")
    file = os.path.join(ours.folder, "theirs.json")
    booster.save_model(file)
    away = numpy.abs(ours.predict(file, test) - booster.predict(test.matrix())).max()
    report.line(away <= SAME, f"XGBoost's model in ours: probabilities differ by at most {away:.1e}")


def main():
    command, files = sys.argv[1], sys.argv[2:]
    processors = len(os.sched_getaffinity(0))
    print(f"XGBoost {xgboost.__version__}, {processors} processors, {TREES} trees, rate {RATE}, load {os.getloadavg()[0]:.1f}")
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(command, folder, processors)
        names, table, labels = synthetic(2 * ROWS, 1)
        sets = [("synthetic", names, table, labels, numpy.arange(2 * ROWS) >= ROWS)]
        sets += [(file, *read(file)) for file in files]
        for name, names, table, labels, tested in sets:
            train = Table(folder, "train", names, table[~tested], labels[~tested])
            test = Table(folder, "test", names, table[tested], labels[tested])
            compare(report, name, ours, train, test, processors)
    sys.exit(report.failed)


if __name__ == "__main__":
    main()
