"""skorch nets inside estimators: seeds, fresh modules, diverged training."""

import sys
from contextlib import contextmanager

import numpy as np
from joblib.parallel import get_active_backend


def is_net(estimator):
    """Tell whether an estimator is a skorch net, without importing skorch."""
    skorch = sys.modules.get("skorch")  # not imported: there is no net
    return skorch is not None and isinstance(estimator, skorch.NeuralNet)


def nets_in(estimator):
    """Return the nets that an estimator holds at any depth, for instance in bagging."""
    if "skorch" not in sys.modules:
        return []
    held = [estimator, *estimator.get_params(deep=True).values()]
    return [part for part in held if is_net(part)]


@contextmanager
def seeded_training(estimator, seed, index):
    """Seed torch's generators within the context, and restore them afterwards.

    The seed depends on ``(seed, index)`` alone. Nothing is done for estimators without
    a net, which are seeded through their ``random_state``.
    """
    if not nets_in(estimator):
        yield
        return
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(
            int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
        )
        yield


def jobs_of_training(estimator, n_jobs):
    """Number of jobs that train an estimator: one for nets on a backend of threads.

    Threads share torch's generators: nets would not be trained from their seeds.
    """
    backend, _ = get_active_backend()
    if nets_in(estimator) and getattr(backend, "supports_sharedmem", False):
        return 1
    return n_jobs


def refuse_diverged(net):
    """Raise for a trained net whose parameters are not finite."""
    import torch

    wrong = [
        name
        for name, parameter in net.module_.named_parameters()
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
    """Raise for nets whose module is an instance: clones keep its trained weights."""
    for net in nets_in(estimator):
        import torch

        if not isinstance(net.module, torch.nn.Module):
            continue
        name = type(net.module).__name__
        raise ValueError(
            "The 'module' of a net must be a class or a function that makes one, so "
            "that every retraining starts from fresh weights. Got an instance of "
            f"{name}, which fit trains in place and clone copies with its trained "
            f"weights: pass a function that returns a new {name}, or the class and its "
            "arguments as module__<name>=..."
        )
