"""What must be known of skorch nets: seeds, fresh modules, training gone wrong."""

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


def refuse_diverged(estimator):
    """Raise for a trained net whose parameters are not finite."""
    if not is_net(estimator):
        return
    import torch

    wrong = [
        name
        for name, parameter in estimator.module_.named_parameters()
        if not torch.isfinite(parameter).all()
    ]
    if wrong:
        raise ValueError(
            "The net's training diverged: its parameters are not finite after fit. Got "
            f"NaN or infinity in {wrong[:5]}. Lower the learning rate ('lr'), scale "
            "the features, which must not hold NaN themselves, or clip the gradients "
            "(GradientNormClipping)."
        )


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
