"""ShapleyInfluence and what it may cost: budgets, time, precision, truncation."""

import warnings

import joblib
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from truth.games import BAYES, TREE, table

from skinfluence import ShapleyInfluence


def test_a_larger_budget_begins_with_the_smaller_one():
    X, y, train, test = table(18, False)
    few = ShapleyInfluence(Ridge(), max_retrainings=72, random_state=0)
    few.fit(X[train], y[train], X[test], y[test])
    assert few.n_draws_ == 2
    more = clone(few).set_params(max_retrainings=36 * 50, standard_error=1e-9)
    with pytest.warns(ConvergenceWarning, match="after 50 draws.*max_retrainings"):
        more.fit(X[train], y[train], X[test], y[test])
    assert more.n_draws_ == 50
    sums = more.influence() * 50
    for draw in range(2, 50):
        orders = more._sampling.scheme.orders(draw)
        assert (orders[0] == orders[1][::-1]).all()
    assert_array_equal(few._sampling.scheme.orders(1), more._sampling.scheme.orders(1))
    assert sums.shape == (4, 18)


def test_stops_at_the_standard_error():
    X, y, train, test = table(17, False)
    shapley = ShapleyInfluence(
        Ridge(), standard_error=0.05, max_retrainings=100_000, random_state=0
    )
    shapley.fit(X[train], y[train], X[test], y[test])
    _, std = shapley.sample_values(return_std=True)
    assert std.max() <= 0.05
    assert shapley.n_draws_ % 10 == 0
    assert 20 <= shapley.n_draws_ < 1000
    fewer = clone(shapley).set_params(
        standard_error=None, max_retrainings=34 * (shapley.n_draws_ - 10)
    )
    if shapley.n_draws_ > 20:
        fewer.fit(X[train], y[train], X[test], y[test])
        assert fewer.sample_values(return_std=True)[1].max() > 0.05


def test_stopping_does_not_depend_on_workers():
    X, y, train, test = table(10, True)
    results = []
    for n_jobs in (None, 2):
        shapley = ShapleyInfluence(
            TREE,
            standard_error=0.3,
            max_retrainings=1000,
            n_jobs=n_jobs,
            random_state=0,
            loss="brier",
        )
        with joblib.parallel_config("threading"):
            shapley.fit(X[train], y[train], X[test], y[test])
        assert shapley.n_draws_ == 20
        results.append(shapley.influence())
    assert_array_equal(*results)


def test_truncation_saves_training():
    X, y, train, test = table(20, True)
    exact = ShapleyInfluence(TREE, max_retrainings=80, random_state=0, loss="brier")
    exact.fit(X[train], y[train], X[test], y[test])
    cut = (
        clone(exact)
        .set_params(truncation=0.02)
        .fit(X[train], y[train], X[test], y[test])
    )
    assert exact.n_retrainings_ == 2 * 2 * 19
    assert 4 <= cut.n_retrainings_ < exact.n_retrainings_
    gap = exact.influence().sum(axis=1).mean() - cut.influence().sum(axis=1).mean()
    assert 0 < abs(gap) < 0.02
    one = ShapleyInfluence(BAYES, max_retrainings=80, random_state=0, truncation=0.2)
    values = []
    for solver in ("auto", "refit"):
        one.set_params(solver=solver).fit(X[train], y[train], X[test], y[test])
        values.append(one.influence())
    assert_allclose(*values, atol=1e-8)


def test_methods_that_need_test_rows_beforehand_raise():
    X, y, train, _ = table(20, False)
    for parameter in ("standard_error", "truncation"):
        shapley = ShapleyInfluence(Ridge()).set_params(**{parameter: 0.1})
        with pytest.raises(ValueError, match=f"'{parameter}'.*pass X_val and y_val"):
            shapley.fit(X[train], y[train])


def test_too_small_a_budget():
    X, y, train, _ = table(20, False)
    shapley = ShapleyInfluence(Ridge(), max_retrainings=39)
    with pytest.raises(ValueError, match="'max_retrainings'.*at least 40.*Got 39"):
        shapley.fit(X[train], y[train])
    shapley.set_params(antithetic=False).fit(X[train], y[train])
    assert shapley.n_draws_ == 1
    shapley.set_params(semivalue="banzhaf")
    with pytest.raises(ValueError, match="'max_retrainings'.*at least 64.*Got 39"):
        shapley.fit(X[train], y[train])


def test_the_default_budget_and_its_cost_are_announced(monkeypatch, capsys):
    X, y, train, test = table(17, False)
    shapley = ShapleyInfluence(Ridge(), random_state=0).fit(X[train], y[train])
    assert shapley.n_draws_ == 50  # pairs: 100 retrainings per player
    shapley = ShapleyInfluence(Ridge(), solver="refit", max_retrainings=68, verbose=1)
    shapley.fit(X[train], y[train])
    assert "64 models are to be trained on up to 17 rows" in capsys.readouterr().out
    monkeypatch.setattr("skinfluence.retraining.engine._announcement.LONG", 0.0)
    shapley.set_params(verbose=0)
    with pytest.warns(UserWarning, match="64 models.*as one took.*max_time"):
        shapley.fit(X[train], y[train], X[test], y[test])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shapley.set_params(max_time=60).fit(X[train], y[train])
