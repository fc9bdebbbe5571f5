"""Fit a skorch net, alone or at the end of a Pipeline, and get its run to replay."""

import warnings

import numpy as np
import torch
from skorch import NeuralNet

from skinfluence._sklearn import final_estimator
from skinfluence.nets._net import count_rows
from skinfluence.nets._replay import Replay
from skinfluence.nets._row_losses import NetFunctions, collect
from skinfluence.nets._trajectory import fit_recorded


def check_net(estimator, method):
    """Return the net in ``estimator``; raise unless it can be trained afresh."""
    net = final_estimator(estimator)
    if not isinstance(net, NeuralNet):
        raise TypeError(
            f"The 'estimator' parameter of {method} must be a skorch net or a Pipeline "
            f"that ends in one. Got {type(net).__name__}. LeaveOneOutInfluence and "
            "InfluenceFunctions take scikit-learn's models."
        )
    if isinstance(net.module, torch.nn.Module):
        raise ValueError(
            "The net's 'module' must be a class: an instance would be trained further "
            f"from where it is. Pass {type(net.module).__name__} itself, its arguments "
            "as module__<name>."
        )
    return net


def transformed(estimator, X):
    """Rows as the net inside ``estimator`` sees them."""
    while hasattr(estimator, "steps"):
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator.steps[-1][1]
    return X


def fit_net(estimator, X, y, fit_params, *, max_bytes, folder, seed):
    """Fit ``estimator`` (a fresh clone, in place), recording its net's run.

    ``seed``: for torch's generators, which are put back after; None leaves them to
    the caller.
    """

    def fit():
        estimator.fit(X, y, **fit_params)

    net = final_estimator(estimator)
    if seed is None:
        return fit_recorded(net, fit, max_bytes, folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return fit_recorded(net, fit, max_bytes, folder)


def replay_of(estimator, trajectory, X, y):
    """`Replay` of a fitted estimator's run, compared with the record.

    Returns
    -------
    replay : Replay
    drift : float
        See `Replay.drift`. A warning names the cause where it is beyond rounding.
    """
    net = final_estimator(estimator)
    functions = NetFunctions(net, trajectory.names)
    X, y = collect(net, transformed(estimator, X), y)
    replay = Replay(functions, trajectory, X, y)
    drift, step = replay.drift()
    single = functions.parameters.dtype != torch.float64
    if not drift < (1e-3 if single else 1e-8):
        causes = trajectory.causes or [
            "random numbers that are not torch's (augmentation in the data set), a "
            "loss that is not the mean of its rows', or an edited optimiser"
        ]
        warnings.warn(
            f"The replay of the net's run differs from the recorded one by {drift:.1e} "
            f"of the distance moved, from step {step} on: influences are those of the "
            f"replay. Cause: {'; '.join(dict.fromkeys(causes))}.",
            stacklevel=4,
        )
    untrained = replay.n_rows - len(
        np.unique(np.concatenate([step.rows for step in trajectory.steps]))
    )
    if untrained:
        warnings.warn(
            f"The net never saw {untrained} of {replay.n_rows} rows in training: their "
            "influence is zero. Set train_split=None to train on all rows.",
            stacklevel=4,
        )
    return replay, drift


def test_tensors(estimator, replay, X, y):
    """Test rows as tensors like the training rows.

    ``y``: labels or targets as in fit; None stands for targets that do not matter.
    """
    net = final_estimator(estimator)
    X = transformed(estimator, X)
    X, _ = collect(net, X, None)
    if y is None:
        return X, replay.y.new_zeros((count_rows(X), *replay.y.shape[1:]))
    y = torch.as_tensor(np.asarray(y)).to(replay.y.dtype)
    return X, y.reshape((len(y), *replay.y.shape[1:]))
