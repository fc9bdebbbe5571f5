"""Inputs and outputs of the last Linear layer of a net, in float64 on the CPU."""

import numpy as np
import torch

from skinfluence._sklearn import n_rows, take_rows

_BATCH = 1024


def last_layer_features(target, X):
    """Return the inputs and the outputs of the last Linear layer.

    Parameters
    ----------
    target : NetTarget
        The net.
    X : array-like
        Rows as the net takes them.

    Returns
    -------
    features : ndarray of shape (n_samples, n_in), float64
    outputs : ndarray of shape (n_samples, n_out), float64
    """
    layer, seen = target.module.get_submodule(target.last_layer), []
    handle = layer.register_forward_hook(
        lambda module, args, output: seen.append((args[0], output))
    )
    parts = []
    try:
        with target.at(), torch.no_grad():
            for start in range(0, n_rows(X), _BATCH):
                rows = np.arange(start, min(start + _BATCH, n_rows(X)))
                inputs, _ = target.batch(take_rows(X, rows), np.zeros(1))
                target.output(inputs)
                if len(seen) != 1 or seen[0][0].ndim != 2:
                    raise ValueError(
                        f"The last Linear layer, {target.last_layer!r}, must be called "
                        "once, with one vector of features per row. Got "
                        f"{len(seen)} calls."
                    )
                parts.append([t.cpu().numpy().astype(np.float64) for t in seen.pop()])
    finally:
        handle.remove()
    features, outputs = zip(*parts, strict=True)
    return np.concatenate(features), np.concatenate(outputs)


def has_bias(target):
    """Tell whether the last Linear layer has a bias."""
    return target.module.get_submodule(target.last_layer).bias is not None
