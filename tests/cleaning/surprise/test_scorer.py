"""The fixed scorer equals retraining without the row, and finds wrong rows."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler
from stack_by_refits import stack_by_refits

from skinfluence.cleaning.surprise import _scorer_matrix
from skinfluence.cleaning.surprise._far_values import Nearer
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._stacked_ridge import WIDTHS, feature_maps


def flipped_labels(y, share, seed):
    rng = np.random.default_rng(seed)
    flipped = np.zeros(len(y), dtype=bool)
    flipped[rng.choice(len(y), int(share * len(y)), replace=False)] = True
    n_classes = y.max() + 1
    shift = rng.integers(1, n_classes, len(y))
    return np.where(flipped, (y + shift) % n_classes, y), flipped


def test_features_are_those_of_gaussian_kernels():
    Z = np.random.default_rng(0).normal(size=(20, 3)) * [1, 2, 0.5]
    variance = Z.var(axis=0).sum()
    linear, *kernels = feature_maps(Z)
    np.testing.assert_allclose(linear @ linear.T, Z @ Z.T / variance)
    for width, F in zip(WIDTHS, kernels, strict=True):
        expected = rbf_kernel(Z, gamma=width / variance)  # 20 rows span it
        np.testing.assert_allclose(F @ F.T, expected, atol=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_are_scored_by_refitting_without_the_row(n_classes):
    X, y = load_wine(return_X_y=True)
    rows = np.flatnonzero(y < n_classes)[:: n_classes + 1]
    X, y = X[rows], flipped_labels(y[rows], 0.2, 0)[0]
    Z = StandardScaler().fit_transform(Nearer().fit_transform(X))
    said = stack_by_refits(Z, np.eye(n_classes)[y])
    own = np.arange(len(y)), y
    best = max(
        (np.log(softmax(t * said, axis=1)[own]) for t in np.geomspace(1, 32, 4000)),
        key=np.sum,
    )
    scores = score_rows(X, y, classification=True)
    np.testing.assert_allclose(scores.values, best, rtol=2e-3)
    np.testing.assert_allclose(scores.probability, np.exp(scores.values), rtol=1e-6)
    np.testing.assert_array_equal(scores.expected, said.argmax(axis=1))


@pytest.mark.parametrize(
    ("load", "share", "bound"),
    [
        (load_breast_cancer, 0.1, 0.94),
        (load_breast_cancer, 0.2, 0.96),
        (load_wine, 0.1, 0.98),
        (load_wine, 0.2, 0.98),
        (load_digits, 0.1, 0.985),
        (load_digits, 0.2, 0.99),
    ],
)
def test_flipped_labels_come_first(load, share, bound):
    X, y = load(return_X_y=True)
    precision = []
    for seed in range(3):
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


def test_too_many_columns_are_projected(monkeypatch):
    X, y = load_breast_cancer(return_X_y=True)
    y, flipped = flipped_labels(y, 0.1, 0)
    monkeypatch.setattr(_scorer_matrix, "MAX_COLUMNS", 8)
    assert _scorer_matrix.scorer_matrix(X).shape == (569, 8)
    values = score_rows(X, y, classification=True).values
    assert average_precision_score(flipped, -values) > 0.85


@pytest.mark.parametrize(
    ("y", "classification"), [(["a"] * 6, True), ([1.0] * 6, False), ([2.0], False)]
)
def test_values_are_zero_without_rows_to_compare(y, classification):
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    assert (score_rows(X, y, classification).values == 0).all()


@pytest.mark.parametrize("classification", [True, False])
def test_two_rows_and_constant_columns_are_finite(classification):
    X = np.array([[1.0, 0.0], [1.0, 1.0]])
    scores = score_rows(X, np.array([0, 1]), classification)
    assert np.isfinite(scores.values).all()
    constant = score_rows(np.ones((5, 2)), np.array([0, 1, 0, 1, 1]), classification)
    assert np.isfinite(constant.values).all()


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
