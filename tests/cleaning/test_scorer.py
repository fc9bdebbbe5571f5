"""The fixed scorer equals retraining without the row, and finds flipped labels."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler

from skinfluence.cleaning import _scorer
from skinfluence.cleaning._scorer import PENALTIES, score_rows


def flipped_labels(y, share, seed):
    rng = np.random.default_rng(seed)
    flipped = np.zeros(len(y), dtype=bool)
    flipped[rng.choice(len(y), int(share * len(y)), replace=False)] = True
    n_classes = y.max() + 1
    shift = rng.integers(1, n_classes, len(y))
    return np.where(flipped, (y + shift) % n_classes, y), flipped


def without_each_row(make, Z, y, predict):
    """Refit for every row; return what the models say of it."""
    rows = np.arange(len(y))
    return np.array(
        [predict(make().fit(Z[rows != i], y[rows != i]), Z[[i]])[0] for i in rows]
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_are_scored_by_refitting_without_the_row(n_classes):
    X, y = load_wine(return_X_y=True)
    rows = np.flatnonzero(y < n_classes)[:: n_classes + 1]
    X, y = X[rows], flipped_labels(y[rows], 0.2, 0)[0]
    Z = StandardScaler().fit_transform(X)
    best = None
    for C in PENALTIES:
        probability = without_each_row(
            lambda C=C: LogisticRegression(C=C, tol=1e-10, max_iter=10_000),
            Z,
            y,
            lambda model, row: model.predict_proba(row),
        )
        loss = -np.log(probability[np.arange(len(y)), y])
        if best is None or loss.sum() < best[0].sum():
            best = loss, probability
    scores = score_rows(X, y, classification=True)
    np.testing.assert_allclose(scores.values, -best[0], rtol=1e-3)
    np.testing.assert_allclose(scores.probability, np.exp(-best[0]), rtol=1e-3)
    agreement = (scores.expected == best[1].argmax(axis=1)).mean()
    assert agreement > 0.98  # odds among the other classes are to first order


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_numbers_are_scored_by_refitting_without_the_row(n_outputs):
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:60], np.column_stack([y, X[:, 2] * 1000 + y])[:60, :n_outputs]
    y = y.ravel() if n_outputs == 1 else y
    Z = StandardScaler().fit_transform(X)
    scaled = (y - y.mean(axis=0)) / y.std(axis=0)
    best = None
    for alpha in 1 / PENALTIES:
        prediction = without_each_row(
            lambda alpha=alpha: Ridge(alpha),
            Z,
            scaled,
            lambda model, row: model.predict(row),
        )
        loss = ((prediction - scaled) ** 2).reshape(60, -1).mean(axis=1)
        if best is None or loss.sum() < best[0].sum():
            best = loss, prediction
    scores = score_rows(X, y, classification=False)
    np.testing.assert_allclose(scores.values, -best[0], rtol=1e-6)
    expected = best[1] * y.std(axis=0) + y.mean(axis=0)
    np.testing.assert_allclose(scores.expected, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("load", "share", "bound"),
    [
        (load_breast_cancer, 0.1, 0.92),
        (load_breast_cancer, 0.2, 0.94),
        (load_wine, 0.1, 0.97),
        (load_wine, 0.2, 0.97),
    ],
)
def test_flipped_labels_come_first(load, share, bound):
    X, y = load(return_X_y=True)
    precision = []
    for seed in range(5):
        noisy, flipped = flipped_labels(y, share, seed)
        scores = score_rows(X, noisy, classification=True)
        precision.append(average_precision_score(flipped, -scores.values))
    assert np.mean(precision) > bound
    right = scores.expected[flipped] == y[flipped]
    assert right.mean() > 0.85


def test_wrong_numbers_come_first():
    X, y = load_diabetes(return_X_y=True)
    y[::40] += 400
    values = score_rows(X, y, classification=False).values
    assert set(values.argsort()[:12]) == set(range(0, 442, 40))


def test_too_many_coefficients_are_scored_out_of_fold(monkeypatch):
    X, y = load_wine(return_X_y=True)
    y, flipped = flipped_labels(y, 0.1, 0)
    exact = score_rows(X, y, classification=True)
    monkeypatch.setattr(_scorer, "MAX_PARAMETERS", 10)
    monkeypatch.setattr(_scorer, "LeaveOneOutInfluence", None)
    monkeypatch.setattr(_scorer, "InfluenceFunctions", None)
    folded = score_rows(X, y, classification=True)
    assert average_precision_score(flipped, -folded.values) > 0.95
    assert np.corrcoef(exact.values, folded.values)[0, 1] > 0.98
    assert (folded.values != exact.values).all()


def test_too_many_columns_are_projected(monkeypatch):
    X, y = load_breast_cancer(return_X_y=True)
    y, flipped = flipped_labels(y, 0.1, 0)
    monkeypatch.setattr(_scorer, "MAX_COLUMNS", 8)
    assert _scorer._matrix(X).shape == (569, 8)
    values = score_rows(X, y, classification=True).values
    assert average_precision_score(flipped, -values) > 0.85


def test_the_penalty_of_many_rows_is_chosen_on_rows_of_every_class(monkeypatch):
    monkeypatch.setattr(_scorer, "MAX_SELECTION", 60)
    X, y = load_wine(return_X_y=True)
    y[y == 1] = 0
    y[5] = 1
    counts = np.unique(y, return_counts=True)[1]
    rows = _scorer._selection(y, counts)
    assert set(y[rows]) == {0, 1, 2}
    assert 60 <= len(rows) <= 63
    assert np.isfinite(score_rows(X, y, classification=True).values).all()


@pytest.mark.parametrize(
    ("y", "classification"), [(["a"] * 6, True), ([1.0] * 6, False), ([2.0], False)]
)
def test_nothing_to_compare_is_zero(y, classification):
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    assert (score_rows(X, y, classification).values == 0).all()


def test_the_only_row_of_a_class_has_no_say_in_the_penalty():
    X, y = load_wine(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    chosen = _scorer._choose_penalty(Z, y, exact=True)
    y[5] = 3  # counted, it would prefer ten times the C
    assert _scorer._choose_penalty(Z, y, exact=True).C == chosen.C


def test_the_only_row_of_a_class_is_finite():
    X, y = load_wine(return_X_y=True)
    y[0] = 7
    scores = score_rows(X, y, classification=True)
    assert np.isfinite(scores.values).all()
    assert scores.values.argmin() == 0


def test_columns_of_labels_are_scored_one_by_one():
    X, y = load_wine(return_X_y=True)
    both = np.column_stack([y == 0, y == 1])
    scores = [score_rows(X, column, classification=True) for column in both.T]
    together = score_rows(X, both, classification=True)
    np.testing.assert_allclose(together.values, scores[0].values + scores[1].values)
    assert together.expected.shape == both.shape
