"""Fit a skorch net, alone or at the end of a Pipeline, and get its run to replay."""

import warnings

import numpy as np
import torch

from skinfluence._sklearn import final_estimator, preprocess
from skinfluence.nets._model import fitted_net, net_model, net_rows
from skinfluence.nets._net import count_rows
from skinfluence.nets._replay import Replay
from skinfluence.nets._row_losses import NetFunctions, collect
from skinfluence.nets._trajectory import fit_recorded


def fit_recorded_net(estimator, X, y, fit_params, *, max_bytes, folder):
    """Fit a copy of ``estimator``, as `net_model` makes it, recording its net's run.

    Returns
    -------
    model : estimator
        Fitted.
    trajectory : Trajectory
    """
    model = net_model(estimator)
    trajectory = fit_recorded(
        final_estimator(model).net,
        lambda: model.fit(X, y, **fit_params),
        max_bytes,
        folder,
    )
    return model, trajectory


def replay_of(model, trajectory, X, y):
    """`Replay` of a fitted model's run, compared with the record.

    Returns
    -------
    replay : Replay
    drift : float
        See `Replay.drift`. A warning names the cause where it is beyond rounding.
    """
    net = fitted_net(model)
    functions = NetFunctions(net, trajectory.names)
    X, y = collect(net, preprocess(model, X), final_estimator(model).encode(y))
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
    return replay, drift


def test_tensors(model, replay, X, y):
    """Test rows as tensors like the training rows.

    ``y``: encoded as by `BaseInfluence`: class indices, or floats (n, n_outputs).
    None stands for targets that do not matter.
    """
    X, _ = collect(fitted_net(model), net_rows(model, X), None)
    shape = replay.y.shape[1:]
    if y is None:
        return X, replay.y.new_zeros((count_rows(X), *shape))
    y = torch.as_tensor(np.asarray(y)).to(replay.y.dtype)
    return X, y.reshape((len(y), *shape))
