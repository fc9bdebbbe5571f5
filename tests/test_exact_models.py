"""The table of exact models in the documentation claims nothing that is not so."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from exact_models import (
    PIPELINES,
    STEPS,
    TWO_CLASSES,
    claims,
    described,
    of_family,
    registered,
    sample,
)
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier
from sklearn.linear_model import RidgeCV
from sklearn.svm import SVC, SVR

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator
from skinfluence.removal.steps import step_changes

SCRIPT = Path(__file__).parents[1] / "doc" / "exact_models_page.py"
spec = importlib.util.spec_from_file_location("exact_models_page", SCRIPT)
page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(page)


def tight(estimator):
    """Let libsvm and saga stop where their tolerance does not show."""
    if isinstance(estimator, SVC | SVR):
        return clone(estimator).set_params(tol=1e-9)
    if getattr(estimator, "solver", None) == "saga":
        return clone(estimator).set_params(tol=1e-6, max_iter=10_000, random_state=0)
    return estimator


pytestmark = pytest.mark.filterwarnings("ignore")


def test_every_registered_model_is_described():
    missing = registered() - described()
    assert not missing, f"describe {missing} in FAMILIES of tests/exact_models.py"


def test_every_registered_step_is_described():
    assert set(STEPS) == set(step_changes.registry) - {object}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("estimator", claims("exact"), ids=str)
def test_claimed_models_lose_rows_as_refits_do(estimator, n_classes):
    if n_classes > 2 and not is_classifier(estimator):
        return
    X, y = sample(estimator, n_classes)
    exact = LeaveOneOutInfluence(tight(estimator), solver="exact")
    if n_classes > 2 and estimator in TWO_CLASSES:
        with pytest.raises(UnsupportedEstimator, match="two classes|one-vs-rest"):
            exact.fit(X, y)
        return
    exact.fit(X, y)
    assert exact.solver_ == "exact"
    if exact.fixed_steps_:
        return
    refit = LeaveOneOutInfluence(tight(estimator), solver="refit").fit(X, y)
    expected = refit.influence(X[:8], y[:8])
    # what is left is the tolerance of scikit-learn's solvers
    scale = np.abs(expected).max()
    assert_allclose(exact.influence(X[:8], y[:8]), expected, atol=0.01 * scale)


@pytest.mark.parametrize(
    "estimator",
    # others that choose a penalty take long to refit
    [*(e for e in claims("exact") if "CV(" not in str(e)), *PIPELINES] + [RidgeCV()],
    ids=str,
)
def test_page_describes_the_choices_of_auto(estimator):
    auto = page.ask(LeaveOneOutInfluence, estimator)
    assert page.cells(estimator)[1].startswith(auto.solver_)


@pytest.mark.parametrize("estimator", claims("refused"), ids=str)
def test_refused_settings_are_refitted(estimator):
    X, y = sample(estimator)
    with pytest.raises(UnsupportedEstimator):
        LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    assert LeaveOneOutInfluence(estimator).fit(X, y).solver_ == "refit"
    assert page.why_refused(estimator)


PROVEN = {
    "least squares": "both",
    "squared hinge": "both",
    "L1 squares": "no",
    "L1 logistic": "no",
    "Huber": "no",
    "kernels": "no",
    "support vectors": "no",
    "covariances": "no",
    "radius neighbours": "leave-one-out",
    "neighbours": "leave-one-out",
    "counts": "leave-one-out",
}


def test_page_says_where_bounds_are_proven():
    for name, answer in PROVEN.items():
        assert page.proven_bounds(of_family(name)[0]) == answer, name
    assert page.proven_bounds(PIPELINES[0]) == "both"


def test_page_has_a_row_for_every_claim(monkeypatch):
    # the answers are tested above
    monkeypatch.setattr(page, "cells", lambda one: [page.code(one), *[""] * 3])
    monkeypatch.setattr(page, "why_refused", lambda one: "")
    text = page.page()
    for estimator in [*claims("exact"), *claims("refused")]:
        assert f"- {page.code(estimator)}\n" in text
