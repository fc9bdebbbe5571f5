"""HyDRA against finite differences, forward mode, and rows left out of the run."""

import pickle

import numpy as np
import pytest
import torch
from hydra_runs import fitted, forwards_influence
from nets_for_replay import (
    OPTIMISERS,
    Perceptron,
    make_net,
    make_rows,
    masks_of,
    optimised_net,
)
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import GradientNormClipping, LRScheduler
from torch.optim.lr_scheduler import StepLR

from skinfluence import HyDRA
from skinfluence.nets.run._adjoint import sensitivity


def finite_differences(hydra, X, y, eps=1e-5):
    """Replay with every weight at 1 + eps and 1 - eps, and measure log loss."""
    replay, n = hydra._run.replay, hydra.n_samples_fit_
    weights = torch.ones(2 * n, n, dtype=torch.float64)
    weights[:n] += eps * torch.eye(n)
    weights[n:] -= eps * torch.eye(n)
    net = hydra.estimator_.net_
    module = net.module_
    names = [name for name, _ in module.named_parameters()]
    losses = []
    for end in replay.run_many(weights):
        parts = end.split(replay.functions.sizes)
        values = {
            name: part.reshape(shape)
            for name, part, shape in zip(
                names, parts, replay.functions.shapes, strict=True
            )
        }
        with torch.no_grad():
            logits = torch.func.functional_call(
                module.eval(), values, torch.as_tensor(X)
            )
        log_proba = torch.log_softmax(logits, dim=1).numpy()
        losses.append(-log_proba[np.arange(len(y)), y])
    losses = np.array(losses)
    return -(losses[:n] - losses[n:]).T / (2 * eps)


@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_exact_is_the_derivative_of_the_run(name, clip):
    callbacks = [LRScheduler(StepLR, step_size=1, gamma=0.7)]
    if clip is not None:
        callbacks.append(GradientNormClipping(clip))
    net = optimised_net(name, module__dropout=0.2, callbacks=callbacks)
    hydra, X, y = fitted(net)
    actual = hydra.influence(X, y)
    expected = finite_differences(hydra, X, y)
    assert np.abs(expected).max() > 1e-3
    assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    forwards = forwards_influence(hydra, X, y)
    assert_allclose(actual, forwards, rtol=1e-10, atol=1e-13)
    one_pass = hydra.sample_values(X, y, sample_weight=[1, 2, 3, 4])
    assert_allclose(one_pass, np.average(actual, axis=0, weights=[1, 2, 3, 4]))


@pytest.mark.parametrize(
    "params",
    [
        {
            "optimizer__momentum": 0.9,
            "optimizer__weight_decay": 0.1,
            "optimizer__param_groups": [("hidden.*", {"lr": 0.01, "momentum": 0.5})],
        },
        {"criterion__reduction": "sum", "lr": 0.005},
        {"criterion__weight": torch.tensor([0.5, 1.0, 2.0]).double()},
        {
            "iterator_train__shuffle": False,
            "iterator_train__sampler": torch.utils.data.RandomSampler(
                range(21), replacement=True
            ),
        },
    ],
    ids=lambda params: "-".join(params),
)
def test_exact_is_the_derivative_of_other_runs(params):
    hydra, X, y = fitted(make_net(**params))
    expected = finite_differences(hydra, X, y)
    atol = 1e-6 * np.abs(expected).max()
    assert_allclose(hydra.influence(X, y), expected, atol=atol)
    assert_allclose(hydra.sample_values(X, y), expected.mean(axis=0), atol=atol)
    forwards = forwards_influence(hydra, X, y)
    assert_allclose(hydra.influence(X, y), forwards, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("approximation", ["exact", "fast"])
def test_readings_agree(approximation):
    hydra, X, y = fitted(make_net(torch.optim.Adam), approximation=approximation)
    matrix = hydra.influence(X, y)
    X_fit, y_fit = make_rows()[:2]
    own = hydra.influence(X_fit, y_fit)
    assert_allclose(hydra.self_influence(), np.diag(own), rtol=1e-9, atol=1e-14)
    many = hydra.influence(np.tile(X, (6, 1)), np.tile(y, 6))  # 24 test, 21 fitted
    assert_allclose(many[:4], matrix, rtol=1e-9, atol=1e-14)
    groups = np.arange(21) % 3
    grouped = hydra.group_influence(X, y, groups=groups)
    expected = np.stack([matrix[:, groups == g].sum(axis=1) for g in range(3)], axis=1)
    assert_allclose(grouped, expected, rtol=1e-9, atol=1e-14)


def test_forward_mode_of_some_rows():
    hydra, _, _ = fitted(make_net(module__dropout=0.3))
    some = sensitivity(hydra._run.replay, np.array([5, 2]))
    assert_allclose(
        some, hydra._derivative.parameters_by_rows()[[5, 2]], rtol=1e-10, atol=1e-15
    )


def test_spot_check_agrees_on_a_smooth_run():
    X, y, X_test, y_test = make_rows(n=60, n_test=10)
    hydra = HyDRA(make_net(lr=0.02), random_state=0).fit(X, y)
    check = hydra.spot_check(12, X_test, y_test)
    assert check.predicted.shape == check.actual.shape == (10, 12)
    assert check.spearman > 0.97
    assert check.pearson > 0.99
    actual = hydra.replayed_influence(X_test, y_test, groups=masks_of(check.rows, 60))
    assert_allclose(check.actual, actual)
    ranks = [
        spearmanr(*pair).statistic
        for pair in zip(check.predicted, check.actual, strict=True)
    ]
    assert check.spearman == pytest.approx(np.mean(ranks))
    assert hydra.spot_check(4).actual.shape == (60, 4)


def test_spot_check_tells_a_bad_approximation():
    X, y, X_test, y_test = make_rows(n=60, n_test=10)
    net = make_net(lr=0.5, max_epochs=12, optimizer__momentum=0.9)
    checks = [
        HyDRA(net, approximation=how, random_state=0)
        .fit(X, y)
        .spot_check(12, X_test, y_test)
        for how in ("exact", "fast")
    ]
    assert_allclose(checks[0].actual, checks[1].actual)
    assert checks[1].pearson < 0.8


def test_pickle_clone_and_search():
    hydra, X, y = fitted(make_net(), approximation="fast")
    expected = hydra.influence(X, y)
    again = pickle.loads(pickle.dumps(hydra))
    assert_allclose(again.influence(X, y), expected)
    assert clone(hydra).approximation == "fast"
    X_fit, y_fit = make_rows(n=60)[:2]
    grid = {"estimator__lr": [1e-6, 0.1]}
    search = GridSearchCV(hydra, grid, cv=2, error_score="raise").fit(X_fit, y_fit)
    assert search.best_params_ == {"estimator__lr": 0.1}
    assert search.best_estimator_.n_steps_ == 24


def test_small_blocks_give_the_same():
    import sklearn

    for how in ("exact", "fast"):
        hydra, X, y = fitted(make_net(), approximation=how)
        whole = hydra.influence(X, y)
        with sklearn.config_context(working_memory=1e-6):
            assert_allclose(hydra.influence(X, y), whole, rtol=1e-9, atol=1e-15)
            mean = hydra.sample_values(X, y)
        assert_allclose(mean, whole.mean(axis=0), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: HyDRA(LogisticRegression()), TypeError, "must be a skorch net"),
        (lambda: HyDRA(make_net(module=Perceptron())), ValueError, "must be a class"),
        (lambda: HyDRA(make_net(), loss="zero_one"), TypeError, "no gradient"),
        (lambda: HyDRA(make_net(), approximation="slow"), ValueError, "approximation"),
    ],
    ids=["not a net", "module instance", "loss", "approximation"],
)
def test_refused(make, error, match):
    X, y, _, _ = make_rows()
    with pytest.raises(error, match=match):
        make().fit(X, y)


def test_groups_left_out_by_masks_or_labels():
    hydra, X, y = fitted(make_net())
    masks = masks_of([[2, 9], 4])
    expected = hydra.replayed_influence(X, y, groups=masks)
    labels = np.full(21, "kept")
    labels[[2, 9]], labels[4] = "a", "b"
    by_label = hydra.replayed_influence(X, y, groups=labels)
    assert_allclose(by_label[:, :2], expected)
    assert by_label.shape == (len(X), 3)
    assert np.abs(expected).min() > 0
    # To first order the sum over the rows.
    first = hydra.group_influence(X, y, groups=masks)
    assert np.corrcoef(first.ravel(), expected.ravel())[0, 1] > 0.98


def test_wrong_groups_and_counts_are_refused():
    hydra, X, y = fitted(make_net())
    with pytest.raises(ValueError, match="'groups' .* one label per training row"):
        hydra.replayed_influence(X, y, groups=[3, 20])  # positions
    with pytest.raises(ValueError, match="'n_rows' .* between 3 and"):
        hydra.spot_check(2)
