"""Estimators that may overwrite the rows they are given (``copy=False``)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import DownsamplingInfluence, InfluenceFunctions, LeaveOneOutInfluence

RNG = np.random.default_rng(0)
X = 3 * RNG.normal(size=(40, 2)) + 5
TEST = 3 * RNG.normal(size=(6, 2)) + 5
Y, LABELS = X[:, 0] + RNG.normal(size=40), (X[:, 1] > 5).astype(int)
MODELS = {
    "ridge": (Ridge(), Ridge(copy_X=False), Y),
    "least squares": (LinearRegression(), LinearRegression(copy_X=False), Y),
    "scaled ridge": (
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(copy=False), Ridge(copy_X=False)),
        Y,
    ),
    "scaled logistic": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(copy=False), LogisticRegression()),
        LABELS,
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "method",
    [
        LeaveOneOutInfluence(Ridge()),
        LeaveOneOutInfluence(Ridge(), solver="refit"),
        InfluenceFunctions(Ridge()),
        DownsamplingInfluence(Ridge(), n_retrainings=4, random_state=0),
    ],
    ids=lambda method: f"{type(method).__name__}-{getattr(method, 'solver', '')}",
)
def test_rows_are_read_again_after_the_fit(method, name):
    careful, careless, y = MODELS[name]
    given, asked = X.copy(), TEST.copy()
    target = y[:6]
    expected = method.set_params(estimator=careful).fit(X, y).influence(TEST, target)
    found = method.set_params(estimator=careless).fit(given, y)
    found = found.influence(asked, target)
    assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())
    assert_array_equal(given, X)
    assert_array_equal(asked, TEST)


def test_blocks_of_dask_are_read_again():
    da = pytest.importorskip("dask.array")
    asked, values = TEST.copy(), []
    for copy in (True, False):
        model = make_pipeline(StandardScaler(copy=copy), Ridge())
        blocks = da.from_array(X.copy(), chunks=(20, 2)), da.from_array(Y, chunks=20)
        loo = LeaveOneOutInfluence(model).fit(*blocks)
        values.append(loo.influence(asked, Y[:6]).compute())
    assert_allclose(*values, atol=1e-12)
    assert_array_equal(asked, TEST)
