"""Rows outside the sample are valued by models of the sample, which refits equal."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax
from sklearn.datasets import load_diabetes, load_wine, make_friedman1
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from skinfluence.cleaning._suspects import fixed_scorer_error, hurt_rows
from skinfluence.cleaning.surprise import _trees
from skinfluence.cleaning.surprise._sample import Predictor, sample_of
from skinfluence.cleaning.surprise._scorer import fit_pairs, score_rows
from skinfluence.cleaning.surprise._stacked_ridge import N_FEATURES, WIDTHS


def refitted(stack, Z, T, Z_new):
    """Predict other rows by scikit-learn's ridge regressions, stacked."""
    variance = Z.var(axis=0).sum()
    members = [lambda Z: Z / np.sqrt(variance)]
    for width in WIDTHS:
        n = min(N_FEATURES, len(Z))
        kernel = Nystroem(gamma=width / variance, n_components=n, random_state=0)
        members.append(kernel.fit(Z).transform)
    said = (1 - sum(stack.weights)) * T.mean(axis=0)
    for features, penalty, weight in zip(
        members, stack.penalties, stack.weights, strict=True
    ):
        model = Ridge(penalty).fit(features(Z), T)
        moves = model.predict(features(Z_new)).reshape(len(Z_new), -1)
        said = said + weight * moves
    return said


def without_far_values(X):
    return np.clip(StandardScaler().fit_transform(X), -2, 2)


def test_labels_are_predicted_by_refits_to_the_sample():
    X, y = load_wine(return_X_y=True)
    X = without_far_values(X)
    y[::15] = (y[::15] + np.resize([1, 2], len(y[::15]))) % 3
    scores = score_rows(X, y, True, most=90)
    rows = scores.sample
    others = np.setdiff1d(np.arange(len(y)), rows)
    alone = score_rows(X[rows], y[rows], True)
    np.testing.assert_array_equal(scores.values[rows], alone.values)
    scaler = StandardScaler().fit(X[rows])
    Z, Z_new = scaler.transform(X[rows]), scaler.transform(X[others])
    (scored,) = scores.columns
    T = np.eye(3)[y]
    said = refitted(scored.stack, Z, T[rows], Z_new)
    np.testing.assert_allclose(scored.predictions[others], said, atol=1e-8)
    expected = (T[others] * log_softmax(scored.temperature * said, axis=1)).sum(axis=1)
    np.testing.assert_allclose(scores.values[others], expected, atol=1e-7)
    np.testing.assert_array_equal(scores.expected[others], said.argmax(axis=1))


@pytest.mark.parametrize("logarithm", [False, True], ids=["plain", "logarithms"])
def test_numbers_are_judged_by_refits_to_the_sample(logarithm):
    X, y = load_diabetes(return_X_y=True)
    X = without_far_values(X)
    y = np.exp(5 * (y - y.mean()) / y.std()) if logarithm else y - 200
    scores = score_rows(X, y, False, most=120)
    rows = scores.sample
    others = np.setdiff1d(np.arange(len(y)), rows)
    (scored,) = scores.columns
    amounts = scored.amounts
    assert amounts.logarithm.tolist() == [logarithm]
    numbers = np.log(y) if logarithm else y
    T = (numbers - numbers[rows].mean()) / numbers[rows].std()
    scaler = StandardScaler().fit(X[rows])
    Z, Z_new = scaler.transform(X[rows]), scaler.transform(X[others])
    said = refitted(scored.stack, Z, amounts.pulled, Z_new)
    size = amounts.sizes[int(logarithm)]
    typical = np.exp(refitted(size, Z, size.T, Z_new))
    # In units in which the median residual of the sample is one.
    residual = np.abs(T[rows] - scored.predictions[rows, 0])
    typical *= np.median(residual / np.exp(size.predictions[:, 0]))
    u = (T[others] - said[:, 0]) / typical[:, 0]
    np.testing.assert_allclose(scores.values[others], -(u**2) / (36 + u**2), rtol=1e-6)


def test_trees_of_the_sample_are_in_the_stack(monkeypatch):
    monkeypatch.setattr(_trees, "N_RANDOMISED", 30)
    X, y = make_friedman1(1_500, n_features=6, random_state=0)
    y = np.digitize(np.sign(X[:, 0] - 0.5) * np.sign(X[:, 1] - 0.5), [0.0])
    scores = score_rows(X, y, True, most=1_100)
    rows = scores.sample
    others = np.setdiff1d(np.arange(len(y)), rows)
    (scored,) = scores.columns
    more = scored.more
    X_s, y_s = X[rows], y[rows]
    options = {"max_iter": 60, "max_leaf_nodes": 8, "learning_rate": 0.05}
    boosted = [
        HistGradientBoostingClassifier(**options, early_stopping=False, random_state=0)
        .fit(X_s[train], y_s[train])
        .predict_proba(X[others])
        for seed in range(3)
        for train, _ in more.trees._cut(seed)
    ]
    options = {"min_samples_leaf": 5, "max_features": 1.0, "bootstrap": True}
    forest = ExtraTreesClassifier(30, **options, random_state=0).fit(X_s, y_s)
    members = [
        scores.plain.columns[0].predictions[others],
        np.mean(boosted, axis=0),
        forest.predict_proba(X[others]),
    ]
    if more.relevant is not None:
        scaler = StandardScaler().fit(X_s)
        members.append(more.relevant.predict(scaler.transform(X[others])))
    mean = np.eye(2)[y_s].mean(axis=0)
    said = mean + sum(
        w * (m - mean) for w, m in zip(more.weights, members, strict=True)
    )
    np.testing.assert_allclose(scored.predictions[others], said, atol=1e-10)


def mixed(n, seed):
    """A table of every kind of column; some categories of few rows."""
    rng = np.random.default_rng(seed)
    words = np.array("oak lamp table chair small large red blue".split(), dtype=object)
    table = pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "far": rng.normal(size=n) * np.where(rng.random(n) < 0.02, 1e4, 1),
            "town": rng.choice(["Ulm", "Bonn", None], n),
            "code": [f"{k:03d}" for k in rng.integers(0, 150, n)],
            "day": np.datetime64("2020-01-01") + rng.integers(0, 900, n),
            "note": [
                " ".join(words[rng.integers(0, 8, 3)]) + f" {k}" for k in range(n)
            ],
        }
    )
    y = (table["size"].fillna(0) + rng.normal(size=n) > 0).to_numpy()
    return table, y


@pytest.mark.parametrize("form", ["frame", "sparse"])
@pytest.mark.parametrize("classification", [True, False], ids=["labels", "numbers"])
def test_a_value_does_not_depend_on_rows_that_are_valued_with_it(form, classification):
    sp = pytest.importorskip("scipy.sparse")
    X, y = mixed(400, 0)
    if form == "sparse":
        rng = np.random.default_rng(1)
        X = sp.random(400, 300, 0.05, format="csr", random_state=rng)

    def take(rows):
        return X.iloc[rows] if form == "frame" else X[rows]

    y = y if classification else y + np.random.default_rng(2).normal(size=400)
    columns, pairs = fit_pairs(take(slice(0, 300)), y[:300], classification)
    predictor = Predictor(columns, pairs)
    together = predictor.of(take(slice(300, 312)))
    sent = pickle.dumps(predictor.without_rows())  # as to a worker
    assert len(sent) < len(pickle.dumps(predictor)) - 8 * 300
    light = pickle.loads(sent)
    one_by_one = np.vstack([light.of(take(slice(k, k + 1))) for k in range(300, 312)])
    np.testing.assert_allclose(one_by_one, together, atol=1e-10)


def test_targets_of_other_rows_are_in_no_prediction():
    X, y = mixed(400, 0)
    scores = score_rows(X, y, True, most=150)
    others = np.setdiff1d(np.arange(400), scores.sample)
    other = y.copy()
    other[others] = ~other[others]
    said = [score_rows(X, labels, True, most=150).columns[0] for labels in (y, other)]
    np.testing.assert_array_equal(said[0].predictions, said[1].predictions)
    assert said[0].temperature == said[1].temperature


def test_a_sample_of_all_rows_is_the_table():
    X, y = mixed(60, 0)
    assert sample_of(y, True, None) is None
    assert sample_of(y, True, 60) is None
    values = score_rows(X, y, True).values
    np.testing.assert_array_equal(score_rows(X, y, True, most=60).values, values)


def test_every_class_has_rows_in_the_sample():
    labels = np.repeat(np.arange(4), [2_000, 300, 25, 3])
    y = np.random.default_rng(0).permutation(labels)
    rows = sample_of(y, True, 100)
    counts = np.bincount(y[rows])
    assert counts[0] > 60
    assert counts[1:].tolist() == [20, 20, 3]
    assert (np.diff(rows) > 0).all()
    both = np.column_stack([y, y[::-1]])
    rows = sample_of(both, True, 100)
    assert np.bincount(both[rows, 1])[3] == np.bincount(both[rows, 0])[3] == 3
    assert len(sample_of(y.astype(float), False, 100)) == 100


def test_errors_and_hurt_rows_are_known_in_the_sample():
    X, y = load_wine(return_X_y=True)
    scores = score_rows(X, y, True, most=90)
    inside = np.isin(np.arange(len(y)), scores.sample)
    rows = np.array([scores.sample[3], np.flatnonzero(~inside)[0], scores.sample[40]])
    error = fixed_scorer_error(scores, rows)
    alone = score_rows(X[inside], y[inside], True)
    np.testing.assert_array_equal(
        error[[0, 2]], fixed_scorer_error(alone, np.array([3, 40]))
    )
    assert np.isnan(error[1])
    hurts = hurt_rows(scores, rows)
    assert len(hurts[1]) == 0
    expected = hurt_rows(alone, np.array([3, 40]))
    for found, position in zip(hurts[[0, 2]], expected, strict=True):
        np.testing.assert_array_equal(found, scores.sample[position])
