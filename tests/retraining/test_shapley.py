"""ShapleyInfluence against its definition: every subset trained on by hand."""

import math
import warnings
from functools import lru_cache
from itertools import combinations

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import beta as beta_function
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import get_scorer
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsRegressor, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skinfluence import ShapleyInfluence
from skinfluence._losses import resolve_loss
from skinfluence._predictions import model_prediction

TIGHT = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)
TREE = DecisionTreeClassifier(max_depth=2, random_state=0)


def table(n, classifier, n_test=4, seed=0):
    """A few rows, of which the first two are of different classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + n_test, 2))
    y = X @ [1.0, -0.5] + 0.5 * rng.normal(size=n + n_test)
    if classifier:
        y = np.array(["no", "yes"])[(y > 0).astype(int)]
        y[:2] = ["no", "yes"]
    return np.abs(X) + 0.1 if classifier else X, y, slice(0, n), slice(n, None)


def fit_subset(estimator, X, y, kept):
    """Fit by hand: nobody predicts the prior, one class itself."""
    if not len(kept):
        dummy = DummyClassifier() if is_classifier(estimator) else DummyRegressor()
        return dummy.fit(X, y)
    if is_classifier(estimator) and len(np.unique(y[kept])) == 1:
        return DummyClassifier().fit(X[kept], y[kept])
    return clone(estimator).fit(X[kept], y[kept])


def coalition_losses(estimator, X, y, X_test, y_test, loss="auto", players=None):
    """Losses of all subsets of players, as a dict from tuples."""
    full = clone(estimator).fit(X, y)
    loss = resolve_loss(loss, full)
    classes = full.classes_ if is_classifier(full) else None
    target = (
        np.searchsorted(classes, y_test) if classes is not None else y_test[:, None]
    )
    players = np.arange(len(y)) if players is None else players
    n = players.max() + 1
    out = {}
    for size in range(n + 1):
        for subset in combinations(range(n), size):
            kept = np.flatnonzero(np.isin(players, subset))
            model = fit_subset(estimator, X, y, kept)
            if loss.response == "decision_function" and hasattr(model, "strategy"):
                prior = np.zeros(2)
                prior[np.searchsorted(classes, model.classes_)] = model.class_prior_
                prediction = np.full((len(X_test), 1), 2 * prior[1] - 1)
            else:
                prediction = model_prediction(model, X_test, loss.response, classes)
            out[subset] = loss.value(target, prediction)
    return out


def weight_of(semivalue, n, size, a=16.0, b=1.0):
    """Weight of one subset of a size, by each paper's formula."""
    if semivalue == "shapley":
        return 1 / (n * math.comb(n - 1, size))
    if semivalue == "banzhaf":
        return 1 / 2 ** (n - 1)
    return beta_function(size + b, n - 1 - size + a) / beta_function(a, b)


def by_definition(losses, n, semivalue, **parameters):
    """Values (n_rows, n_players), one marginal contribution after the other."""
    out = np.zeros((len(losses[()]), n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            for subset in combinations(others, size):
                gain = losses[subset] - losses[tuple(sorted((*subset, i)))]
                out[:, i] += weight_of(semivalue, n, size, **parameters) * gain
    return out


@pytest.mark.parametrize("semivalue", ["shapley", "beta", "banzhaf"])
@pytest.mark.parametrize("solver", ["auto", "refit"])
@pytest.mark.parametrize(
    ("estimator", "loss"),
    [
        (GaussianNB(var_smoothing=0.1), "auto"),
        (TIGHT, "brier"),
        (MultinomialNB(), "auto"),
        (Ridge(), "auto"),
        (Ridge(), "absolute_error"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_small_games_are_enumerated(estimator, loss, solver, semivalue):
    n = 5
    X, y, train, test = table(n, is_classifier(estimator))
    losses = coalition_losses(estimator, X[train], y[train], X[test], y[test], loss)
    shapley = ShapleyInfluence(estimator, semivalue=semivalue, loss=loss, solver=solver)
    shapley.fit(X[train], y[train])
    assert shapley.solver_ == ("incremental" if solver == "auto" else "refit")
    assert shapley.sampling_ == "enumeration"
    assert shapley.n_retrainings_ == (0 if solver == "auto" else 2**n - 2)
    truth = by_definition(losses, n, semivalue)
    values, std = shapley.influence(X[test], y[test], return_std=True)
    assert_allclose(values, truth, rtol=0, atol=1e-10)
    assert_array_equal(std, 0.0)
    means = shapley.sample_values(X[test], y[test])
    assert_allclose(means, truth.mean(axis=0), atol=1e-10)
    weight = [1, 0, 2, 3]
    means, std = shapley.sample_values(X[test], y[test], weight, return_std=True)
    assert_allclose(means, np.average(truth, axis=0, weights=weight), atol=1e-10)
    assert_array_equal(std, 0.0)
    at_once = clone(shapley).fit(X[train], y[train], X[test], y[test])
    assert_allclose(at_once.influence(), truth, atol=1e-10)
    assert_allclose(at_once.sample_values(), truth.mean(axis=0), atol=1e-10)


@pytest.mark.parametrize(
    "estimator",
    [TREE, DecisionTreeRegressor(random_state=0), RidgeClassifier()],
    ids=repr,
)
def test_estimators_that_are_retrained_are_enumerated(estimator):
    X, y, train, test = table(7, is_classifier(estimator))
    losses = coalition_losses(estimator, X[train], y[train], X[test], y[test])
    shapley = ShapleyInfluence(estimator).fit(X[train], y[train])
    assert shapley.solver_ == "refit"
    truth = by_definition(losses, 7, "shapley")
    assert_allclose(shapley.influence(X[test], y[test]), truth, atol=1e-10)


@pytest.mark.parametrize(
    "estimator", [Ridge(), pytest.param(TREE, marks=pytest.mark.slow)], ids=repr
)
def test_nine_rows(estimator):
    X, y, train, test = table(9, is_classifier(estimator))
    losses = coalition_losses(estimator, X[train], y[train], X[test], y[test])
    shapley = ShapleyInfluence(estimator, semivalue="beta", alpha=4, beta=1.5)
    values = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    truth = by_definition(losses, 9, "beta", a=4, b=1.5)
    assert_allclose(values, truth, atol=1e-10)


BAYES = GaussianNB(var_smoothing=0.1)


@lru_cache
def ten_rows(which):
    """Losses of all subsets of ten rows: too many for the budgets below."""
    X, y, train, test = table(10, True, seed=1)
    estimator = {"bayes": BAYES, "tree": TREE}[which]
    return coalition_losses(estimator, X[train], y[train], X[test], y[test], "brier")


@pytest.mark.parametrize(
    ("which", "semivalue", "antithetic", "at_once"),
    [
        ("bayes", "shapley", True, True),
        pytest.param("bayes", "shapley", False, False, marks=pytest.mark.slow),
        ("bayes", "beta", True, True),
        ("bayes", "banzhaf", True, False),
        ("tree", "shapley", True, True),
        pytest.param("tree", "beta", False, False, marks=pytest.mark.slow),
        pytest.param("tree", "banzhaf", True, True, marks=pytest.mark.slow),
    ],
)
def test_sampled_values(which, semivalue, antithetic, at_once):
    n, losses = 10, ten_rows(which)
    X, y, train, test = table(n, True, seed=1)
    shapley = ShapleyInfluence(
        {"bayes": BAYES, "tree": TREE}[which],
        semivalue=semivalue,
        alpha=4,
        loss="brier",
        max_retrainings=500 if "banzhaf" in semivalue or which == "tree" else 1000,
        antithetic=antithetic,
        random_state=0,
    )
    shapley.fit(X[train], y[train], *((X[test], y[test]) if at_once else ()))
    assert shapley.sampling_ != "enumeration"
    question = () if at_once else (X[test], y[test])
    values, std = shapley.influence(*question, return_std=True)
    truth = by_definition(losses, n, semivalue, a=4)
    assert (np.abs(values - truth) <= 4 * std + 1e-9).all()
    assert (std > 0).any()
    mean, mean_std = shapley.sample_values(*question, return_std=True)
    assert_allclose(mean, values.mean(axis=0), atol=1e-10)
    assert (np.abs(mean - truth.mean(axis=0)) <= 4 * mean_std + 1e-9).all()
    if semivalue == "shapley":
        total = losses[()] - losses[tuple(range(n))]
        assert_allclose(values.sum(axis=1), total, atol=1e-10)


@pytest.mark.parametrize("semivalue", ["shapley", "beta"])
@pytest.mark.parametrize(
    "estimator", [GaussianNB(), TIGHT, NearestCentroid()], ids=repr
)
def test_adding_rows_and_retraining_are_the_same_estimand(estimator, semivalue):
    X, y, train, test = table(18, True, n_test=5)
    if isinstance(estimator, NearestCentroid):
        estimator = estimator.set_params(priors="uniform")
        loss = "zero_one"  # which has an answer for one row per class
    else:
        loss = "auto"
    shapley = ShapleyInfluence(
        estimator, semivalue=semivalue, max_retrainings=80, random_state=3, loss=loss
    )
    one = shapley.fit(X[train], y[train]).influence(X[test], y[test], return_std=True)
    assert shapley.solver_ == "incremental"
    shapley = shapley.set_params(solver="refit").fit(X[train], y[train])
    assert shapley.solver_ == "refit"
    other = shapley.influence(X[test], y[test], return_std=True)
    assert_allclose(one, other, atol=1e-8)


def test_regressors_without_targets():
    X, y, train, test = table(5, False)
    shapley = ShapleyInfluence(Ridge()).fit(X[train], y[train])
    values = shapley.influence(X[test])
    total = shapley.predict(X[test]) - y[train].mean()
    assert_allclose(values.sum(axis=1), total, atol=1e-10)


@pytest.mark.parametrize(
    ("estimator", "loss", "n", "budget", "antithetic"),
    [
        (BAYES, "brier", 10, 1000, True),
        pytest.param(BAYES, "brier", 10, 1000, False, marks=pytest.mark.slow),
        pytest.param(Ridge(), "absolute_error", 11, 2000, True, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_standard_errors_are_calibrated(estimator, loss, n, budget, antithetic):
    X, y, train, test = table(n, is_classifier(estimator), n_test=3)
    exact = ShapleyInfluence(estimator, loss=loss).fit(X[train], y[train])
    truth = exact.influence(X[test], y[test])
    covered = []
    for seed in range(40):
        shapley = ShapleyInfluence(
            estimator,
            loss=loss,
            max_retrainings=budget,
            antithetic=antithetic,
            random_state=seed,
        )
        shapley.fit(X[train], y[train])
        values, std = shapley.influence(X[test], y[test], return_std=True)
        assert shapley.n_draws_ == budget // n // (2 if antithetic else 1)
        covered.append(np.abs(values - truth) < 1.96 * std)
    assert 0.90 <= np.mean(covered) <= 0.99


# --------------------------------------------------------------------- groups, scores


@pytest.mark.parametrize("estimator", [GaussianNB(var_smoothing=0.1), TREE, Ridge()])
@pytest.mark.parametrize("at_once", [True, False])
def test_groups_are_players(estimator, at_once):
    X, y, train, test = table(9, is_classifier(estimator))
    labels = np.array(["b", "a", "c", "a", "d", "c", "c", "e", "a"])
    _, players = np.unique(labels, return_inverse=True)
    question = (X[test], y[test])
    losses = coalition_losses(estimator, X[train], y[train], *question, "auto", players)
    truth = by_definition(losses, 5, "shapley")
    shapley = ShapleyInfluence(estimator)
    if at_once:
        shapley.fit(X[train], y[train], *question, groups=list(labels))
        question = ()
    else:
        shapley.fit(X[train], y[train], groups=list(labels))
    assert shapley.n_players_ == 5
    values = shapley.influence(*question)
    assert_allclose(values, truth[:, players], atol=1e-10)
    assert_allclose(
        shapley.sample_values(*question), truth.mean(axis=0)[players], atol=1e-10
    )
    by_group = shapley.group_influence(*question, groups=labels)
    assert_allclose(by_group, truth, atol=1e-10)
    pairs = np.stack([np.isin(labels, ["a", "c"]), labels == "d"])
    by_pair = shapley.group_influence(*question, groups=pairs)
    expected = np.column_stack([truth[:, 0] + truth[:, 2], truth[:, 3]])
    assert_allclose(by_pair, expected, atol=1e-10)
    for row in (1, 8):  # the first of its group, and another
        mask = np.arange(9)[None] == row
        with pytest.raises(ValueError, match="'groups' parameter must not cut"):
            shapley.group_influence(*question, groups=mask)


def test_many_groups_are_sampled():
    X, y, train, test = table(60, True)
    labels = np.arange(60) % 20
    values = []
    for solver in ("auto", "refit"):
        shapley = ShapleyInfluence(
            GaussianNB(var_smoothing=0.1),
            max_retrainings=80,
            solver=solver,
            random_state=1,
        )
        shapley.fit(X[train], y[train], groups=labels)
        assert shapley.n_players_ == 20
        assert shapley.n_draws_ == 2
        values.append(shapley.influence(X[test], y[test]))
    assert_allclose(*values, atol=1e-8)
    assert_array_equal(values[0][:, :20], values[0][:, 20:40])


def test_groups_of_the_wrong_length():
    X, y, train, _ = table(9, True)
    for groups in (np.zeros(8), np.zeros((9, 1)), np.zeros((2, 9), dtype=bool)):
        with pytest.raises(ValueError, match=r"'groups'.*\(9,\).*Got shape"):
            ShapleyInfluence(TREE).fit(X[train], y[train], groups=groups)


@pytest.mark.parametrize(
    ("estimator", "scoring"),
    [
        (TREE, "roc_auc"),
        (GaussianNB(), "accuracy"),
        (LinearSVC(random_state=0), "roc_auc"),
        (KNeighborsRegressor(1), "r2"),
        (Ridge(), "neg_mean_absolute_error"),
    ],
    ids=lambda value: str(value).split("(")[0],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_scores_of_the_whole_test_set(estimator, scoring, at_once):
    n, classifier = 5, is_classifier(estimator)
    X, y, train, test = table(n, classifier, n_test=8)
    scorer = get_scorer(scoring)
    full, losses = clone(estimator).fit(X[train], y[train]), {}
    for size in range(n + 1):
        for subset in combinations(range(n), size):
            model = fit_subset(estimator, X[train], y[train], list(subset))
            constant = not subset or (
                classifier and len(np.unique(y[list(subset)])) == 1
            )
            if constant and scoring == "roc_auc":
                losses[subset] = np.array([-0.5])  # a constant ranks nothing
            else:
                losses[subset] = np.array([-scorer(model, X[test], y[test])])
    truth = by_definition(losses, n, "shapley")[0]
    shapley = ShapleyInfluence(estimator, scoring=scoring)
    shapley.fit(X[train], y[train], *((X[test], y[test]) if at_once else ()))
    question = () if at_once else (X[test], y[test])
    values, std = shapley.sample_values(*question, return_std=True)
    assert_allclose(values, truth, atol=1e-10)
    assert_array_equal(std, 0.0)
    total = scorer(full, X[test], y[test]) + losses[()][0]
    assert_allclose(values.sum(), total, atol=1e-10)
    for ask in (
        lambda: shapley.influence(*question),
        lambda: shapley.influence(*question, return_std=True),
        lambda: shapley.influential_rows(*question),
        lambda: shapley.group_influence(*question, groups=np.arange(n)),
    ):
        with pytest.raises(
            ValueError, match=f"scoring='{scoring}'.*only sample_values"
        ):
            ask()


def test_weights_reach_the_scorer():
    X, y, train, test = table(5, True, n_test=8)
    shapley = ShapleyInfluence(TREE, scoring="accuracy").fit(X[train], y[train])
    one = np.eye(8)[3]
    zero_one = ShapleyInfluence(TREE, loss="zero_one").fit(X[train], y[train])
    expected = zero_one.influence(X[test], y[test])[3]
    assert_allclose(shapley.sample_values(X[test], y[test], one), expected, atol=1e-10)


# -------------------------------------------------------------------------- budgets


def test_a_larger_budget_begins_with_the_smaller_one():
    X, y, train, test = table(18, False)
    few = ShapleyInfluence(Ridge(), max_retrainings=72, random_state=0)
    few.fit(X[train], y[train], X[test], y[test])
    assert few.n_draws_ == 2
    more = clone(few).set_params(max_retrainings=36 * 50, standard_error=1e-9)
    more.fit(X[train], y[train], X[test], y[test])
    assert more.n_draws_ == 50
    sums = more.influence() * 50
    for draw in range(2, 50):
        orders = more._scheme.orders(draw)
        assert (orders[0] == orders[1][::-1]).all()
    assert_array_equal(few._scheme.orders(1), more._scheme.orders(1))
    assert sums.shape == (4, 18)


def test_stops_at_the_standard_error():
    X, y, train, test = table(17, False)
    shapley = ShapleyInfluence(
        Ridge(),
        standard_error=0.05,
        max_retrainings=100_000,
        random_state=0,
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


def test_max_time_ends_training():
    X, y, train, test = table(20, False)
    for validation in ((), (X[test], y[test])):
        shapley = ShapleyInfluence(
            Ridge(), solver="refit", max_time=0.0, random_state=0
        )
        shapley.fit(X[train], y[train], *validation)
        assert shapley.n_draws_ == 1
        assert shapley.n_retrainings_ == 2 * 19
        values = shapley.sample_values(*(() if validation else (X[test], y[test])))
        assert np.isfinite(values).all()
    _, std = shapley.influence(return_std=True)
    assert np.isinf(std).all()


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


def test_what_needs_the_test_rows_beforehand_says_so():
    X, y, train, _ = table(20, False)
    for parameter in ("standard_error", "truncation"):
        shapley = ShapleyInfluence(Ridge()).set_params(**{parameter: 0.1})
        with pytest.raises(ValueError, match=f"'{parameter}'.*give X_val and y_val"):
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
    monkeypatch.setattr("skinfluence.retraining._plan.LONG", 0.0)
    shapley.set_params(verbose=0)
    with pytest.warns(UserWarning, match="64 models.*one of them took.*max_time"):
        shapley.fit(X[train], y[train], X[test], y[test])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shapley.set_params(max_time=60).fit(X[train], y[train])


# ----------------------------------------------------------- the rest of the contract


def test_models_that_were_let_go_cannot_be_asked():
    X, y, train, test = table(8, True)
    shapley = ShapleyInfluence(TREE).fit(X[train], y[train], X[test], y[test])
    assert shapley.estimators_ == []
    with pytest.raises(ValueError, match="leave X and y out"):
        shapley.influence(X[test], y[test])
    with pytest.raises(ValueError, match="X_val.*let go"):
        shapley.self_influence()
    with pytest.raises(ValueError, match="'sample_weight'.*X_val"):
        shapley.sample_values(sample_weight=[1, 2, 3, 4], return_std=True)
    weighted = shapley.sample_values(sample_weight=[1, 2, 3, 4])
    assert_allclose(
        weighted, np.average(shapley.influence(), axis=0, weights=[1, 2, 3, 4])
    )
    values, rows = shapley.influential_rows(n_rows=2)
    assert values.shape == rows.shape == (4, 2)


def test_fit_parameters_and_pipelines_are_retrained():
    X, y, train, test = table(5, False)
    weighted = ShapleyInfluence(Ridge()).fit(
        X[train], y[train], sample_weight=np.ones(5)
    )
    plain = ShapleyInfluence(Ridge()).fit(X[train], y[train], sample_weight=None)
    assert plain.solver_ == "incremental"
    assert weighted.solver_ == "refit"
    expected = plain.influence(X[test], y[test])
    assert_allclose(weighted.influence(X[test], y[test]), expected, atol=1e-10)
    piped = ShapleyInfluence(make_pipeline(StandardScaler(), Ridge()))
    assert piped.fit(X[train], y[train]).solver_ == "refit"


@pytest.mark.slow
def test_workers_are_processes_too():
    X, y, train, test = table(18, True)
    results = []
    for n_jobs in (None, 2):
        for validation in ((), (X[test], y[test])):
            shapley = ShapleyInfluence(
                DecisionTreeClassifier(max_features=1),
                max_retrainings=72,
                n_jobs=n_jobs,
                random_state=0,
            )
            shapley.fit(X[train], y[train], *validation)
            question = () if validation else (X[test], y[test])
            results.append(shapley.influence(*question))
    for result in results[1:]:
        assert_array_equal(result, results[0])


def test_neighbours_are_as_many_as_there_are():
    X, y, train, test = table(5, False)
    shapley = ShapleyInfluence(KNeighborsRegressor(3)).fit(X[train], y[train])
    assert shapley.solver_ == "incremental"
    losses = {}
    for size in range(6):
        for subset in combinations(range(5), size):
            kept = list(subset)
            model = fit_subset(
                KNeighborsRegressor(min(3, size)), X[train], y[train], kept
            )
            losses[subset] = (y[test] - model.predict(X[test])) ** 2
    truth = by_definition(losses, 5, "shapley")
    assert_allclose(shapley.influence(X[test], y[test]), truth, atol=1e-10)


@pytest.mark.parametrize(("n", "budget"), [(6, None), (18, 72)])
def test_random_estimators_are_seeded_by_the_retraining(n, budget):
    X, y, train, test = table(n, True)
    shapley = ShapleyInfluence(
        DecisionTreeClassifier(max_features=1), max_retrainings=budget, random_state=0
    )
    one = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    seeds = [m.random_state for m in np.ravel(shapley.estimators_[0]) if is_tree(m)]
    assert len(set(seeds)) == len(seeds)
    again = shapley.fit(X[train], y[train], X[test], y[test]).influence()
    assert_allclose(one, again, atol=1e-12)
    shapley.set_params(random_state=1).fit(X[train], y[train])
    assert (shapley.influence(X[test], y[test]) != one).any()


def is_tree(model):
    """Tell a tree from a model of one class."""
    return isinstance(model, DecisionTreeClassifier)


def test_nets_are_seeded_too():
    torch, skorch = pytest.importorskip("torch"), pytest.importorskip("skorch")
    X, y, train, test = table(18, False)
    X, y = X.astype(np.float32), y.astype(np.float32)[:, None]
    net = skorch.NeuralNetRegressor(
        torch.nn.Linear,
        module__in_features=2,
        module__out_features=1,
        max_epochs=2,
        train_split=None,
        verbose=0,
    )
    shapley = ShapleyInfluence(net, max_retrainings=36, random_state=0)
    one = shapley.fit(X[train], y[train], X[test], y[test]).influence()
    other = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    assert_array_equal(one, other)


def test_a_single_row():
    X, y, _, _ = table(2, False)
    shapley = ShapleyInfluence(Ridge()).fit(X[:1], y[:1])
    assert_allclose(shapley.influence(X[1:3], y[1:3]), 0.0, atol=1e-12)


def test_memory_keeps_finished_retrainings(tmp_path):
    X, y, train, test = table(6, True)
    shapley = ShapleyInfluence(TREE, memory=tmp_path)
    one = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    files = set(tmp_path.rglob("output.pkl"))
    assert len(files) == 2**6 - 2
    again = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    assert_array_equal(one, again)
    assert set(tmp_path.rglob("output.pkl")) == files


def test_a_larger_budget_finds_the_smaller_one_on_disk(tmp_path):
    X, y, train, test = table(18, True)
    for budget, draws in ((36, 1), (108, 3)):
        shapley = ShapleyInfluence(TREE, max_retrainings=budget, memory=tmp_path)
        shapley.fit(X[train], y[train], X[test], y[test])
        files = list(tmp_path.rglob("output.pkl"))
        assert len(files) == shapley.n_retrainings_ == draws * 2 * 17


def test_models_that_do_not_fit_into_memory(monkeypatch):
    X, y, train, _ = table(6, True)

    def refuse(n_bytes, what, instead):
        if "models" in what:
            raise MemoryError(f"{what}. {instead}")

    monkeypatch.setattr("skinfluence.retraining._shapley.check_memory", refuse)
    with pytest.raises(MemoryError, match="Keeping 62 models.*Give X_val"):
        ShapleyInfluence(TREE).fit(X[train], y[train])
