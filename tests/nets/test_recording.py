"""Every method that records a net's run seeds it alike and leaves the net alone."""

import numpy as np
import pytest
import torch
from nets_for_replay import make_net, make_rows
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.random_projection import GaussianRandomProjection
from skorch.callbacks import Callback

from skinfluence import (
    SOURCE,
    TRAK,
    HyDRA,
    InfluenceFunctions,
    RepresenterPoints,
    TracIn,
)


class Counter(Callback):
    """The user's own."""


RECORDING = {
    "TracIn": lambda net, **params: TracIn(net, checkpoints=2, **params),
    "every step": lambda net, **params: TracIn(net, checkpoints="all", **params),
    "HyDRA": HyDRA,
    "SOURCE": SOURCE,
    "TRAK": lambda net, **params: TRAK(net, checkpoints=2, **params),
    "InfluenceFunctions": InfluenceFunctions,
}
METHODS = {**RECORDING, "RepresenterPoints": RepresenterPoints}


def piped(net):
    """Return a Pipeline whose first step draws random numbers, unseeded."""
    return make_pipeline(
        GaussianRandomProjection(n_components=4),
        FunctionTransformer(np.float64),
        net,
    )


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_one_seed_gives_one_answer_where_a_step_draws_too(method):
    X, y, X_test, y_test = make_rows()
    same = [method(piped(make_net()), random_state=3).fit(X, y) for _ in range(2)]
    assert_array_equal(*(one.influence(X_test, y_test) for one in same))
    other = method(piped(make_net()), random_state=4).fit(X, y)
    a, b = (one.estimator_[0].components_ for one in (same[0], other))
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("method", RECORDING.values(), ids=RECORDING)
@pytest.mark.parametrize("callbacks", [None, "disable", [("own", Counter())]])
def test_the_net_is_as_without_a_recorder(method, callbacks, capsys):
    X, y, _, _ = make_rows()
    alone = make_net(module__dropout=0.3, callbacks=callbacks)
    torch.manual_seed(3)
    alone.fit(X, y)
    before = torch.get_rng_state()
    torch.manual_seed(3)
    capsys.readouterr()
    fitted = method(make_net(module__dropout=0.3, callbacks=callbacks)).fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert capsys.readouterr().out == ""
    net = fitted.estimator_.net_
    for name, value in alone.module_.state_dict().items():
        assert torch.equal(value, net.module_.state_dict()[name])
    assert net.iterator_train is alone.iterator_train
    if callbacks in (None, "disable"):
        assert net.callbacks == callbacks
    assert not any("skinfluence" in name for name, _ in net.callbacks_)


def test_a_continued_run_is_recorded_and_left_alone_too():
    X, y, _, _ = make_rows()
    tracin = TracIn(make_net(max_epochs=3), checkpoints=1, random_state=0).fit(X, y)
    tracin.partial_fit(X, y)
    assert [checkpoint.epoch for checkpoint in tracin.checkpoints_] == [3, 6]
    net = tracin.estimator_.net_
    assert len(net.history) == 6
    assert not any("skinfluence" in name for name, _ in net.callbacks_)
    end = tracin.checkpoints_[-1].state
    for name, value in net.module_.state_dict().items():
        assert torch.equal(value, end[name])


class NeverTrained(Callback):
    """Fails as soon as training starts."""

    def on_train_begin(self, net, **kwargs):
        """Fail."""
        raise AssertionError("training has begun")


@pytest.mark.parametrize("loss", ["zero_one", lambda y, p: (y - p) ** 2])
@pytest.mark.parametrize("method", [TracIn, HyDRA, SOURCE])
def test_losses_without_a_gradient_are_refused_before_training(method, loss):
    X, y, _, _ = make_rows()
    with pytest.raises(TypeError, match="has no gradient"):
        method(make_net(callbacks=[NeverTrained()]), loss=loss).fit(X, y)


@pytest.mark.parametrize("name", RECORDING)
def test_a_net_that_is_not_trained_is_refused(name):
    X, y, _, _ = make_rows()
    with pytest.raises(ValueError, match="max_epochs=0|epoch|step"):
        RECORDING[name](make_net(max_epochs=0)).fit(X, y)
