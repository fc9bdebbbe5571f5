"""The plain out-of-fold loss, and how it is compared with the fixed scorer."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skinfluence.cli._out_of_fold import (
    exchanged_targets,
    out_of_fold_losses,
    separation,
)


def test_losses_of_labels():
    X, y = load_wine(return_X_y=True)
    labels = np.array(["red", "green", "blue"])[y]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, labels)
    losses = out_of_fold_losses(model, X, labels)
    assert losses.shape == (178,)
    expected = log_loss(labels, model.predict_proba(X))
    np.testing.assert_allclose(losses.mean(), expected)
    margin = make_pipeline(StandardScaler(), LinearSVC()).fit(X[:100], labels[:100])
    wrong = margin.predict(X) != labels
    np.testing.assert_array_equal(out_of_fold_losses(margin, X, labels), wrong)


def test_losses_of_numbers():
    X, y = load_diabetes(return_X_y=True)
    model = Ridge().fit(X, y)
    expected = (model.predict(X) - y) ** 2
    np.testing.assert_allclose(out_of_fold_losses(model, X, y), expected)


def test_labels_are_exchanged_for_others_as_frequent():
    y = np.repeat(["a", "b", "c"], [8000, 1500, 500])
    exchanged = exchanged_targets(y, True, seed=0)
    assert (exchanged != y).all()
    of_b = exchanged[y == "b"]
    assert abs((of_b == "a").mean() - 8000 / 8500) < 0.02
    np.testing.assert_array_equal(exchanged, exchanged_targets(y, True, seed=0))


def test_numbers_are_permuted():
    y = np.arange(50.0)
    exchanged = exchanged_targets(y, False, seed=0)
    assert sorted(exchanged) == sorted(y)
    assert (exchanged != y).mean() > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_separation_is_the_share_of_ordered_pairs(seed):
    rng = np.random.default_rng(seed)
    given, exchanged = rng.integers(0, 9, 30) * 1.0, rng.integers(3, 12, 40) * 1.0
    pairs = np.subtract.outer(exchanged, given)
    expected = (pairs > 0).mean() + 0.5 * (pairs == 0).mean()
    assert separation(given, exchanged) == pytest.approx(expected)
    with_holes = separation(np.append(given, np.nan), np.append(np.nan, exchanged))
    assert with_holes == pytest.approx(expected)
