"""What retraining needs to know of skorch nets: their seed, and a fresh module."""

import sys
from contextlib import contextmanager

import numpy as np


def is_net(estimator):
    """Tell whether an estimator is a skorch net, without importing skorch."""
    skorch = sys.modules.get("skorch")  # else nobody can have made one
    return skorch is not None and isinstance(estimator, skorch.NeuralNet)


@contextmanager
def seeded_training(estimator, seed, index):
    """Train a net from a seed of its own; leave torch's generators as they were.

    The seed depends on ``(seed, index)`` alone. Nothing happens for other
    estimators, whose ``random_state`` is a parameter.
    """
    if not is_net(estimator):
        yield
        return
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(
            int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
        )
        yield


def refuse_trained_module(estimator):
    """Refuse a net whose module is an instance: its clones would not be fresh."""
    if not is_net(estimator):
        return
    import torch

    if isinstance(estimator.module, torch.nn.Module):
        name = type(estimator.module).__name__
        raise ValueError(
            "The 'module' of a net must be a class, so that every retraining starts "
            f"from fresh weights. Got an instance of {name}, which fit trains in "
            f"place and clone copies with its trained weights: pass {name} and its "
            "arguments as module__<name>=..."
        )
