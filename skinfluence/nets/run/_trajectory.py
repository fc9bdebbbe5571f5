"""A recorded run of optimiser steps: the data that a replay needs."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch


@dataclass
class Step:
    """One optimiser step: its rows, settings and random state."""

    rows: torch.Tensor
    settings: dict
    random_state: tuple | None = None


@dataclass
class Trajectory:
    """A recorded run: states at the start of segments, and all steps.

    ``kept`` has shape (n_segments, n_slots + 1, n_parameters), an array in memory or
    mapped from a file; ``end`` is the state after the last step; ``groups`` holds the
    optimiser's group of every number in the flat parameters. Everything is on the CPU.
    """

    optimiser: object
    segment: int
    max_norm: float | None
    names: list
    groups: torch.Tensor
    steps: list = field(default_factory=list)
    kept: np.ndarray | None = None
    end: np.ndarray | None = None
    causes: list = field(default_factory=list)

    def settings(self, k):
        """Optimiser settings of step ``k``: numbers, or one per group that differ."""
        return {
            name: values[0]
            if len(set(values)) == 1
            else torch.tensor(values, dtype=torch.float64)
            for name, values in self.steps[k].settings.items()
        }

    @property
    def n_segments(self):
        """Number of segments, the last of which may be shorter."""
        return math.ceil(len(self.steps) / self.segment)


def segment_length(n_steps, state_bytes, max_bytes):
    """Shortest segment for which the kept states and those of one segment fit.

    Shorter segments need fewer recomputed steps; with length 1 there are none.
    """
    if (n_steps + 1) * state_bytes <= max_bytes:
        return 1
    for segment in range(2, math.isqrt(n_steps) + 2):
        if (math.ceil(n_steps / segment) + segment + 1) * state_bytes <= max_bytes:
            return segment
    segment = math.isqrt(n_steps) + 1
    needed = (math.ceil(n_steps / segment) + segment + 1) * state_bytes
    raise MemoryError(
        f"The run of {n_steps} steps needs {needed / 2**20:.3g} MiB at least to be "
        f"replayed, 'trajectory_memory' allows {max_bytes / 2**20:.3g}. Raise it, or "
        "pass memory= to keep the run on disk."
    )
