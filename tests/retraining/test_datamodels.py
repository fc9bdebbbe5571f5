"""Datamodels: sparse linear models of losses in the rows of subsets."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge

from skinfluence import DownsamplingInfluence, LeaveOneOutInfluence, datamodels


def test_datamodels_of_an_additive_world(diabetes):
    X, y, X_test, y_test = diabetes
    downsampling = DownsamplingInfluence(LinearRegression(), n_retrainings=60)
    downsampling.fit(X, y)
    weights = np.zeros((2, 9))
    weights[0, 3], weights[1, [2, 7]] = 1.5, (-0.5, 2.0)
    losses = 4.0 - downsampling.masks_ @ weights.T
    downsampling.subset_losses = lambda X, y: SimpleNamespace(
        masks=downsampling.masks_, losses=losses
    )
    result = datamodels(downsampling)
    assert_allclose(result.weights, weights, atol=0.02)
    assert_allclose(result.intercepts, 4.0, atol=0.02)
    tight = datamodels(downsampling, alpha=1e-6)
    assert_allclose(tight.weights, weights, atol=1e-4)
    sparse = datamodels(downsampling, alpha=10.0)
    assert_array_equal(sparse.weights, 0.0)


def test_datamodels_predict_losses(diabetes):
    X, y, X_test, y_test = diabetes
    downsampling = DownsamplingInfluence(Ridge(), n_retrainings=100, random_state=0)
    downsampling.fit(X, y)
    result = datamodels(downsampling, X_test, y_test)
    pool = downsampling.subset_losses(X_test, y_test)
    predicted = result.intercepts - pool.masks @ result.weights.T
    unexplained = ((predicted - pool.losses) ** 2).sum(axis=0)
    total = ((pool.losses - pool.losses.mean(axis=0)) ** 2).sum(axis=0)
    assert (unexplained < total).all()
    assert unexplained.sum() < 0.6 * total.sum()


def test_datamodels_need_a_fitted_pool_of_retrainings(diabetes):
    X, y, X_test, y_test = diabetes
    others = LeaveOneOutInfluence(Ridge()).fit(X, y), Ridge(), np.ones((5, 9)), None
    for other in others:
        with pytest.raises(
            TypeError, match="'influence'.*fitted DownsamplingInfluence"
        ):
            datamodels(other, X_test, y_test)
    with pytest.raises(NotFittedError, match="DownsamplingInfluence"):
        datamodels(DownsamplingInfluence(Ridge()), X_test, y_test)
