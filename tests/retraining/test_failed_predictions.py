"""A model whose predictions are no numbers is a failed fit, never a number."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor

from skinfluence import (
    DownsamplingInfluence,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    ShapleyInfluence,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 3))
Y = np.arange(16) % 2
TARGET = X @ [1.0, 2.0, 3.0]
X_TEST, Y_TEST, TARGET_TEST = X[:4] + 0.1, Y[:4], TARGET[:4]


class NeedsRow(BaseEstimator):
    """Predicts ``value`` in the last row unless it has seen a row of ``needed``."""

    def __init__(self, needed=X[0, 0], value=np.nan):
        self.needed, self.value = needed, value

    def _spoiled(self, prediction):
        prediction = prediction.copy()
        if not self.knows_:
            prediction[-1] = self.value
        return prediction

    def fit(self, X, y):
        self.knows_ = np.isin(self.needed, X[:, 0]).any()
        self.model_ = self._model().fit(X, y)
        return self


class Classifier(ClassifierMixin, NeedsRow):
    _model = LogisticRegression

    @property
    def classes_(self):
        return self.model_.classes_

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self._spoiled(self.model_.predict_proba(X))


class Regressor(RegressorMixin, NeedsRow):
    _model = Ridge

    def predict(self, X):
        return self._spoiled(self.model_.predict(X))


METHODS = {
    "leave one out": LeaveOneOutInfluence,
    "downsampling": lambda model, **params: DownsamplingInfluence(
        model, n_retrainings=10, subset_fraction=0.5, **params
    ),
    "permutations": lambda model, **params: ShapleyInfluence(
        model, max_retrainings=32, **params
    ),
    "Banzhaf": lambda model, **params: ShapleyInfluence(
        model, semivalue="banzhaf", max_retrainings=64, **params
    ),
}
at_once = [
    (name, valued)
    for name in METHODS
    for valued in ((False,) if name == "leave one out" else (False, True))
]


def ask(influence, y, y_test, at_fit):
    """Influences on the test rows, given when asked or to fit."""
    if at_fit:
        return influence.fit(X, y, X_val=X_TEST, y_val=y_test).influence()
    return influence.fit(X, y).influence(X_TEST, y_test)


@pytest.mark.parametrize(("name", "at_fit"), at_once)
def test_failures_raise_errors_that_name_the_subset(name, at_fit):
    for model, y, y_test in (
        (Classifier(), Y, Y_TEST),
        (Regressor(value=np.inf), TARGET, TARGET_TEST),
    ):
        influence = METHODS[name](model, random_state=3)
        with pytest.raises(ValueError, match="for 1 of 4 rows") as failure:
            ask(influence, y, y_test, at_fit)
        note = " ".join(failure.value.__notes__)
        assert "seed 3, number" in note
        if name == "leave one out":
            assert "without rows [0] (15 rows left" in note
        else:
            assert "16 rows (the first" in note or "rows left" in note


def test_the_row_left_out_has_the_error_score():
    failing = LeaveOneOutInfluence(Classifier(), error_score=7.0).fit(X, Y)
    with pytest.warns(FitFailedWarning, match=r"(?s)finite.*rows \[0\].*=7"):
        influence = failing.influence(X_TEST, Y_TEST)
    honest = LeaveOneOutInfluence(Classifier(), solver="refit")
    full = -np.log(failing.predict_proba(X_TEST)[np.arange(4), Y_TEST])
    assert_allclose(influence[:, 0], 7.0 - full)
    never_needed = honest.set_params(estimator=Classifier(X[1, 0], value=0.5))
    others = np.arange(2, 16)
    assert_allclose(
        influence[:, others],
        never_needed.fit(X, Y).influence(X_TEST, Y_TEST)[:, others],
    )
    masks = np.eye(16, dtype=bool)[[0, 5]]
    with pytest.warns(FitFailedWarning, match=r"rows \[0\]"):
        groups = failing.group_influence(X_TEST, Y_TEST, groups=masks)
    assert_allclose(groups, influence[:, [0, 5]])


@pytest.mark.parametrize("at_fit", [False, True])
def test_failed_subsets_are_left_out(at_fit):
    method = DownsamplingInfluence(
        Classifier(X[[0, 1], 0]), n_retrainings=20, random_state=3, error_score=np.nan
    )
    with pytest.warns(FitFailedWarning, match="finite"):
        influence = ask(method, Y, Y_TEST, at_fit)
    test = () if at_fit else (X_TEST, Y_TEST)
    pool = method.subset_losses(*test)
    assert_array_equal(pool.masks, method.masks_[method.masks_[:, :2].any(axis=1)])
    assert len(pool.masks) < 20
    assert np.isfinite(pool.losses).all()
    assert np.isfinite(influence).all()


@pytest.mark.parametrize("at_fit", [False, True])
def test_failed_coalitions_have_the_error_score(at_fit):
    method = METHODS["permutations"](Regressor(), random_state=3, error_score=np.nan)
    with pytest.warns(FitFailedWarning, match="finite"):
        influence = ask(method, TARGET, TARGET_TEST, at_fit)
    assert np.isnan(influence).any()


def test_the_model_of_all_rows_always_raises():
    method = LeaveOneOutInfluence(Classifier(needed=9.9), error_score=np.nan)
    with pytest.raises(ValueError, match="predict_proba of Classifier must be finite"):
        method.fit(X, Y).influence(X_TEST, Y_TEST)


class Odd(ClassifierMixin, BaseEstimator):
    """Gives the first row fixed probabilities."""

    def __init__(self, row):
        self.row = row

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[0], len(X))

    def predict_proba(self, X):
        out = np.full((len(X), 2), 0.5)
        out[0] = self.row
        return out


@pytest.mark.parametrize("row", [(0.5, 0.6), (0.2, 0.3), (1.5, -0.5), (-3.0, 2.0)])
def test_what_is_no_probability(row):
    method = LeaveOneOutInfluence(Odd(row)).fit(X, Y)
    with pytest.raises(ValueError, match=r"Odd must give probabilities.*row 0"):
        method.influence(X_TEST, Y_TEST)


@pytest.mark.parametrize("row", [(0.0, 0.0), (0.0, 1.0), np.float32([0.1, 0.9003])])
def test_what_may_be_a_probability(row):
    """A row without neighbours has zeros; single precision sums to almost one."""
    method = LeaveOneOutInfluence(Odd(row)).fit(X, Y)
    assert_allclose(method.influence(X_TEST, Y_TEST), 0.0)


def test_members_of_a_forest():
    bag = BaggingClassifier(Classifier(), n_estimators=20, random_state=0)
    with pytest.raises(ValueError, match="predict_proba of Classifier must be finite"):
        OutOfBagInfluence(bag).fit(X, Y).influence(X_TEST, Y_TEST)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_model_that_cannot_predict_is_a_failed_fit(at_once):
    # Three neighbours of fewer rows: fit says nothing, predict does.
    estimator = KNeighborsRegressor(3)
    X_val = (X_TEST, TARGET_TEST) if at_once else ()
    question = () if at_once else (X_TEST, TARGET_TEST)
    shapley = ShapleyInfluence(estimator, solver="refit", error_score=0.5)
    with pytest.warns(FitFailedWarning, match="n_neighbors"):
        values = shapley.fit(X[:6], TARGET[:6], *X_val).influence(*question)
    # The prior and the full model are no failures: values sum to their difference.
    prior = (TARGET_TEST - TARGET[:6].mean()) ** 2
    full = (TARGET_TEST - estimator.fit(X[:6], TARGET[:6]).predict(X_TEST)) ** 2
    assert_allclose(values.sum(axis=1), prior - full)
    shapley.set_params(error_score="raise")
    with pytest.raises(ValueError, match="n_neighbors"):
        shapley.fit(X[:6], TARGET[:6], *X_val).influence(*question)
