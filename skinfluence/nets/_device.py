"""The device of a net: its random number generators, and its free memory.

Any device of torch: ``torch.cuda``, ``torch.xpu`` and so on are modules with the same
functions.
"""

from contextlib import contextmanager

import sklearn
import torch


def _module(device):
    """Return torch's module of a device; None for the CPU."""
    return None if device.type == "cpu" else getattr(torch, device.type, None)


def generator_states(device):
    """States of the generators of the CPU and of ``device`` (None if it has none)."""
    module, own = _module(device), None
    if hasattr(module, "get_rng_state"):
        own = module.get_rng_state(*_index(device))
    return torch.get_rng_state(), own


def _set_generators(states, device):
    cpu, own = states
    torch.set_rng_state(cpu)
    if own is not None:
        _module(device).set_rng_state(own, *_index(device))


def _index(device):
    return () if device.type == "mps" else (device,)  # there is only one


@contextmanager
def random_state(states, device):
    """Draw random numbers from recorded states; restore the generators afterwards.

    ``states``: as returned by `generator_states`, or None to change nothing.
    """
    if states is None:
        yield
        return
    before = generator_states(device)
    _set_generators(states, device)
    try:
        yield
    finally:
        _set_generators(before, device)


def working_bytes(device):
    """Memory that temporary arrays on a device may take together.

    scikit-learn's ``working_memory``; on a device that knows it, a quarter of what is
    free.
    """
    module = _module(device)
    if not hasattr(module, "mem_get_info"):
        return sklearn.get_config()["working_memory"] * 2**20
    free, _ = module.mem_get_info(*_index(device))
    return free / 4
