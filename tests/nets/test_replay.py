"""The recorded run again: the same bits, and other runs when rows are left out."""

import errno
import os

import numpy as np
import pytest
import torch
from nets_for_replay import (
    OPTIMISERS,
    Perceptron,
    make_net,
    make_rows,
    masks_of,
    optimised_net,
)
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from skorch.dataset import ValidSplit
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from skinfluence import HyDRA
from skinfluence.nets.run._trajectory import segment_length


def fitted(net, n=21, **params):
    X, y, _, _ = make_rows(n)
    return HyDRA(net, random_state=0, **params).fit(X, y)


def end_of(hydra):
    return hydra.estimator_.net_.module_.state_dict()


def assert_replayed(hydra, exactly=True):
    replay = hydra._run.replay
    end, recorded = replay.run(), replay.functions.parameters
    if exactly:
        assert torch.equal(end, recorded)
    torch.testing.assert_close(end, recorded, rtol=1e-12, atol=1e-14)


SCHEDULE = [LRScheduler(StepLR, step_size=1, gamma=0.7)]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_replay_is_bitwise_the_run(name, dropout):
    net = optimised_net(name, module__dropout=dropout, callbacks=SCHEDULE)
    hydra = fitted(net)
    assert hydra.replay_drift_ == 0
    assert_replayed(hydra)


@pytest.mark.parametrize(
    "params",
    [
        {"iterator_train__num_workers": 2},
        {"iterator_train__drop_last": True},
        {"batch_size": -1},
        {"criterion__reduction": "sum", "lr": 0.005},
        {"criterion__weight": torch.tensor([0.5, 1.0, 2.0]).double()},
        {
            "iterator_train__shuffle": False,
            "iterator_train__sampler": torch.utils.data.RandomSampler(
                range(21), replacement=True
            ),
        },
        {
            "optimizer__momentum": 0.9,
            "callbacks": [
                LRScheduler(OneCycleLR, max_lr=0.1, total_steps=9, step_every="batch")
            ],
        },
        {
            "optimizer__momentum": 0.9,
            "optimizer__param_groups": [("hidden.*", {"lr": 0.01, "momentum": 0.5})],
        },
        {"callbacks": [GradientNormClipping(0.3)]},
        {"callbacks": "disable"},
    ],
    ids=lambda params: "-".join(params),
)
def test_replay_of_settings_that_change_a_run(params):
    hydra = fitted(make_net(**params))
    assert hydra.replay_drift_ < 1e-12
    assert_replayed(hydra, exactly=False)


def test_module_that_cannot_be_pickled():
    class Local(Perceptron):
        pass

    assert_replayed(fitted(make_net(module=Local)))


def test_recording_leaves_the_run_alone():
    X, y, _, _ = make_rows()
    net = make_net(module__dropout=0.3)
    torch.manual_seed(3)
    net.fit(X, y)
    torch.manual_seed(3)
    hydra = HyDRA(make_net(module__dropout=0.3)).fit(X, y)
    for name, value in net.module_.state_dict().items():
        assert torch.equal(value, end_of(hydra)[name])
    own = hydra.estimator_.net_
    assert own.iterator_train is net.iterator_train
    assert own.callbacks is None
    assert [name for name, _ in own.callbacks_] == [n for n, _ in net.callbacks_]


def test_seed_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second = fitted(make_net()), fitted(make_net())
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(end_of(first), end_of(second), rtol=0, atol=0)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_float32_to_rounding(name):
    X, y, _, _ = make_rows()
    net = optimised_net(name, module__dtype=torch.float32, module__dropout=0.2)
    hydra = HyDRA(net, random_state=0).fit(X.astype(np.float32), y)
    assert hydra.replay_drift_ < 1e-5
    replay = hydra._run.replay
    end, start = replay.run(), replay.start()[0]
    distance = torch.linalg.vector_norm(end - replay.functions.parameters)
    assert distance < 1e-5 * torch.linalg.vector_norm(end - start)
    assert end.dtype == torch.float32


def left_out_by_hand(hydra, X, y, rows):
    """Train by a plain loop on the recorded batches, without some of their rows."""
    replay = hydra._run.replay
    module = Perceptron()
    start = replay.start()[0].split(replay.functions.sizes)
    for parameter, value in zip(module.parameters(), start, strict=True):
        parameter.data = value.reshape(parameter.shape).clone()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for step in replay.trajectory.steps:
        batch = step.rows.numpy()
        kept = batch[~np.isin(batch, rows)]
        losses = nn.functional.cross_entropy(
            module(torch.as_tensor(X[kept])), torch.as_tensor(y[kept]), reduction="sum"
        )
        optimizer.zero_grad()
        (losses / len(batch)).backward()
        optimizer.step()
    return module


def test_left_out_rows_leave_their_batches():
    X, y, X_test, y_test = make_rows()
    hydra = HyDRA(make_net(optimizer__momentum=0.9), random_state=0).fit(X, y)
    groups = [3, [0, 7, 11], 20]
    actual = hydra.replayed_influence(X_test, y_test, groups=masks_of(groups))

    def losses(module):
        logits = module(torch.as_tensor(X_test))
        target = torch.as_tensor(y_test)
        losses = nn.functional.cross_entropy(logits, target, reduction="none")
        return losses.detach().numpy()

    full = losses(left_out_by_hand(hydra, X, y, []))
    for column, rows in enumerate(groups):
        without = losses(left_out_by_hand(hydra, X, y, np.atleast_1d(rows)))
        np.testing.assert_allclose(actual[:, column], without - full, atol=1e-13)
        assert np.abs(without - full).max() > 1e-4


def test_replays_with_dropout_draw_the_masks_of_the_run():
    hydra = fitted(make_net(module__dropout=0.4))
    replay = hydra._run.replay
    ones = torch.ones(2, 21, dtype=torch.float64)
    for end in replay.run_many(ones):
        torch.testing.assert_close(end, replay.functions.parameters)


# ------------------------------------------------------- what is not replayed


class NoisyGradients(Callback):
    """Edits gradients."""

    def on_grad_computed(self, net, named_parameters, **kwargs):
        for _, parameter in named_parameters:
            parameter.grad.mul_(1.5)


def test_drift_is_reported_with_its_cause():
    with pytest.warns(UserWarning, match="differs .* callback NoisyGradients"):
        hydra = fitted(make_net(callbacks=[NoisyGradients()]))
    assert hydra.replay_drift_ > 0.1


class NumpyNoise(Perceptron):
    """Draws random numbers that are not torch's."""

    def forward(self, X):
        """Logits."""
        noise = 1 + self.training * np.random.standard_normal()  # noqa: NPY002
        return super().forward(X * noise)


def test_unseeded_noise_is_reported():
    with pytest.warns(UserWarning, match="random numbers that are not torch's"):
        fitted(make_net(module=NumpyNoise))


class Normalised(Perceptron):
    """With batch normalisation."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4).double()

    def forward(self, X):
        """Logits."""
        return super().forward(self.norm(X))


class PenaltyCriterion(nn.CrossEntropyLoss):
    """Has a parameter."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


@pytest.mark.parametrize(
    ("net", "error", "match"),
    [
        (make_net(module=Normalised), TypeError, "'norm' is a BatchNorm1d"),
        (make_net(torch.optim.Rprop), TypeError, "Got Rprop"),
        (
            make_net(
                callbacks=[EarlyStopping(load_best=True)], train_split=ValidSplit(3)
            ),
            ValueError,
            "load_best=False",
        ),
        (
            make_net(callbacks=[GradientNormClipping(1.0, gradient_clip_norm_type=1)]),
            ValueError,
            "gradient_clip_norm_type=2",
        ),
        (make_net(criterion=PenaltyCriterion), TypeError, "no parameters of its own"),
        (make_net(max_epochs=0), ValueError, "max_epochs=0"),
    ],
    ids=["batchnorm", "optimiser", "load_best", "clip", "criterion", "epochs"],
)
@pytest.mark.filterwarnings("ignore:The net trains with train_split")
def test_refused_with_the_reason(net, error, match):
    with pytest.raises(error, match=match):
        fitted(net)


# --------------------------------------------------------------------- memory


@pytest.mark.parametrize("n_steps", [1, 5, 40, 1000])
def test_segments_fit_the_bound(n_steps):
    size = 1000
    least = 2 * n_steps**0.5 + 3
    for states in np.linspace(least, n_steps + 1, 7):
        segment = segment_length(n_steps, size, states * size)
        kept = -(-n_steps // segment)
        assert kept + (segment + 1 if segment > 1 else 1) <= states + 1e-9
    assert segment_length(n_steps, size, (n_steps + 1) * size) == 1


def test_too_small_a_bound_is_refused_before_training():
    steps = []

    class Counter(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            steps.append(1)

    with pytest.raises(MemoryError, match="'trajectory_memory' allows"):
        fitted(make_net(callbacks=[Counter()]), trajectory_memory=1e-4)
    assert not steps


@pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"),
    reason="room on disk is reserved by posix_fallocate",
)
def test_a_run_that_finds_no_room_on_disk_is_kept_in_memory(tmp_path, monkeypatch):
    net = optimised_net("momentum", module__dropout=0.2, max_epochs=2)
    _, _, X_test, y_test = make_rows()
    expected = fitted(net).influence(X_test, y_test)

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.warns(match="memory=.*No space left.*kept in memory") as caught:
        hydra = fitted(net, memory=str(tmp_path))
    assert len([w for w in caught if "memory=" in str(w.message)]) == 1
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(hydra.influence(X_test, y_test), expected)


@pytest.mark.parametrize("name", ["momentum", "Adam"])
def test_recomputed_segments_give_the_same_influence(name, tmp_path):
    net = optimised_net(name, module__dropout=0.2, max_epochs=5)
    _, _, X_test, y_test = make_rows()
    full = fitted(net)
    state_bytes = full._run.replay.trajectory.kept[0].nbytes
    bound = fitted(net, trajectory_memory=10 * state_bytes / 2**20)
    assert bound._run.replay.trajectory.segment > 1
    assert len(bound._run.replay.trajectory.kept) < 15
    on_disk = fitted(net, memory=str(tmp_path), trajectory_memory=1e-9)
    assert isinstance(on_disk._run.replay.trajectory.kept, np.memmap)
    assert list(tmp_path.iterdir())
    expected = full.influence(X_test, y_test)
    for other in (bound, on_disk):
        np.testing.assert_array_equal(other.influence(X_test, y_test), expected)
