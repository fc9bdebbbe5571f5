"""Influences averaged over the checkpoints of one run, and over runs of other seeds."""

import joblib
import numpy as np
import pytest
import torch
from dense_nets import NETS, TEST, TRAIN, X, ask, close, fit
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import Ridge

from skinfluence import TRAK, InfluenceFunctions

torch.set_num_threads(1)
NET, Y = NETS["softmax"]


def stopped(epochs, **params):
    """Influence of the final parameters of a run that ends after some epochs."""
    net = clone(NET).set_params(max_epochs=epochs)
    influence = InfluenceFunctions(net, checkpoints=1, random_state=0, **params)
    return influence.fit(X[TRAIN], Y[TRAIN])


@pytest.mark.parametrize("hessian", ["ekfac", "fisher", "gauss_newton"])
def test_the_mean_over_checkpoints(hessian):
    params = {"hessian": hessian, "damping": 0.05}
    several = fit("softmax", checkpoints=2, **params)  # after 3 and 5 of 5 epochs
    single = [stopped(epochs, **params) for epochs in (3, 5)]
    expected = np.mean([ask("softmax", one) for one in single], axis=0)
    close(ask("softmax", several), expected, 1e-12)
    assert several.damping_.tolist() == [0.05, 0.05]
    mask = np.zeros((1, len(Y[TRAIN])), dtype=bool)
    mask[0, [3, 5, 8]] = True
    group = several.group_influence(X[TEST], Y[TEST], groups=mask)
    close(group[:, 0], expected[:, [3, 5, 8]].sum(axis=1), 1e-12)


def test_the_default_is_five_checkpoints_of_ekfac():
    for hessian in ("auto", "fisher", "gauss_newton"):
        assert fit("softmax", hessian=hessian).damping_.shape == (5,)
    close(
        ask("softmax", fit("softmax")),
        ask("softmax", fit("softmax", hessian="ekfac", checkpoints=5)),
        1e-14,
    )
    for params in ({"hessian": "last_layer"}, {"group_order": 2}):
        assert np.ndim(fit("softmax", **params).damping_) == 0


@pytest.mark.parametrize("method", [InfluenceFunctions, TRAK])
def test_runs_differ_by_their_seeds_and_are_averaged(method):
    one = method(NET, checkpoints=2, damping=0.1, random_state=0)
    one.fit(X[TRAIN], Y[TRAIN])
    three = clone(one).set_params(n_runs=3).fit(X[TRAIN], Y[TRAIN])
    matrix = ask("softmax", three)
    parts = []
    for run in three._runs:
        alone = clone(one).fit(X[TRAIN], Y[TRAIN])
        alone._runs = [run]
        alone._fit_influence(X[TRAIN], Y[TRAIN], {})
        parts.append(ask("softmax", alone))
    close(parts[0], ask("softmax", one), 1e-14)
    assert np.abs(parts[1] - parts[2]).max() > 0.01 * np.abs(matrix).max()
    if method is InfluenceFunctions:  # TRAK averages two factors apart
        close(matrix, np.mean(parts, axis=0), 1e-12)
    again = clone(three)
    with joblib.parallel_config("loky", n_jobs=2):
        again.fit(X[TRAIN], Y[TRAIN])
    assert_allclose(ask("softmax", again), matrix, rtol=1e-12)
    names = list(one.estimator_.net_.module_.state_dict())
    first, second = (m.estimator_.net_.module_.state_dict() for m in (one, three))
    assert all(torch.equal(first[k], second[k]) for k in names)


def test_without_a_random_state_runs_draw_from_the_global_generator():
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        influence = InfluenceFunctions(NET, n_runs=2, damping=0.1)
        found.append(ask("softmax", influence.fit(X[TRAIN], Y[TRAIN])))
    assert_allclose(found[0], found[1], rtol=1e-12)
    assert np.abs(found[0] - found[2]).max() > 0.01 * np.abs(found[0]).max()


def test_linear_models_have_neither():
    signal = X[TRAIN, 0]
    InfluenceFunctions(Ridge(), checkpoints=1).fit(X[TRAIN], signal)
    for name in ("checkpoints", "n_runs"):
        influence = InfluenceFunctions(Ridge(), **{name: 2})
        with pytest.raises(ValueError, match=f"{name!r} parameter must be 1"):
            influence.fit(X[TRAIN], signal)
