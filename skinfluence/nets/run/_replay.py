"""A recorded run as a function of row weights: replays, many of them at once."""

from contextlib import contextmanager
from functools import cached_property

import torch

from skinfluence.nets._device import random_state
from skinfluence.nets.run._device_record import DeviceRecord
from skinfluence.nets.run._optimisers import clip

RUNS = 100  # replays at a time


class Replay:
    """Replays a recorded run with other weights of its rows.

    Step k minimises ``sum_i w_i loss_i / divisor_k`` over its batch, with the divisor
    of the recorded run: a row of weight zero leaves the batch, the others keep their
    weight and the order stays.

    Parameters
    ----------
    functions : NetFunctions
        The net.
    trajectory : Trajectory
        Its run.
    X, y : tensors
        The training rows, on the CPU.
    """

    def __init__(self, functions, trajectory, X, y):
        self.functions, self.trajectory = functions, trajectory
        self.X, self.y = X, y
        self.n_rows = len(y)
        self._is_checked, self._cost = False, None

    @property
    def n_steps(self):
        """Number of optimiser steps of the run."""
        return len(self.trajectory.steps)

    @cached_property
    def record(self):
        """The run on the net's device, a `DeviceRecord`."""
        return DeviceRecord(self.functions, self.trajectory, self.X, self.y)

    def __getstate__(self):  # to be unpickled where the device is missing
        return {k: v for k, v in vars(self).items() if k != "record"}

    def random_state(self, k):
        """Context in which step ``k`` draws the random numbers of the run."""
        step = self.trajectory.steps[k]
        return random_state(step.random_state, self.functions.device)

    def objective(self, theta, batch, weight=None):
        """Objective of a step and the losses of its rows."""
        X, y, divisor = batch
        losses = self.functions.losses(theta, X, y)
        if weight is None:
            return (losses / divisor).sum(), losses
        return (losses * (weight / divisor)).sum(), losses

    def gradient(self, theta, k, batch=None, weight=None):
        """Gradient of step ``k`` before clipping, with its dropout masks."""
        batch = self.record.batch(k) if batch is None else batch
        parameters = self.functions.place(theta)
        with self.random_state(k), torch.enable_grad():
            objective = self.placed_objective(batch, weight)
            return self.functions.flat(
                torch.autograd.grad(objective, parameters, materialize_grads=True)
            )

    def placed_objective(self, batch, weight=None):
        """Objective of a step at the parameters of the last `NetFunctions.place`."""
        X, y, divisor = batch
        losses = self.functions.placed_losses(X, y)
        if weight is None:
            return (losses / divisor).sum()
        return (losses * (weight / divisor)).sum()

    def advance(self, state, k, weights=None):
        """State after step ``k``, with weights of all rows (None: ones)."""
        weight = None if weights is None else weights[self.record.rows(k)]
        return self._move(state, self.gradient(state[0], k, weight=weight), k)

    def _move(self, state, gradient, k):
        trajectory = self.trajectory
        if trajectory.max_norm is not None:
            gradient, _ = clip(gradient, trajectory.max_norm)
        return trajectory.optimiser.step(state, gradient, self.record.settings(k), k)

    def start(self):
        """State before the first step."""
        return self.record.state(0)

    def run(self, weights=None):
        """Parameters at the end of the run with these weights: a flat vector."""
        state = self.start()
        for k in range(self.n_steps):
            state = self.advance(state, k, weights)
        return state[0]

    def run_many(self, weights):
        """Parameters at the ends of many runs, one per row of ``weights``, by vmap."""
        if not self.batches:
            return torch.stack([self.run(weight) for weight in weights])
        state = tuple(part.expand(len(weights), -1) for part in self.start())
        for k in range(self.n_steps):
            weight = weights[:, self.record.rows(k)]
            state = self._move(state, self._gradients(state[0], k, weight), k)
        return state[0]

    def _gradients(self, theta, k, weight):
        """`gradient` of many runs at once, each with its parameters and weights."""
        batch = self.record.batch(k)

        def gradient(theta, weight):
            return torch.func.grad(lambda t: self.objective(t, batch, weight)[0])(theta)

        with self.random_state(k):
            return torch.func.vmap(gradient, randomness="same")(theta, weight)

    @property
    def batches(self):
        """Whether vmap can batch the net and draws the random numbers of the run.

        Some kernels, such as dropout on CUDA, draw other numbers when batched.
        """
        if self.functions.batches and not self._is_checked:
            self._is_checked = True
            drawn = [
                k
                for k, step in enumerate(self.trajectory.steps)
                if step.random_state is not None
            ]
            k = drawn[0] if drawn else 0
            theta = self.functions.parameters
            ones = theta.new_ones((1, len(self.trajectory.steps[k].rows)))
            try:
                batched = self._gradients(theta[None], k, ones)[0]
            except RuntimeError as error:
                self.functions.refuse_vmap(error)
            else:
                alone = self.gradient(theta, k)
                scale = torch.finfo(theta.dtype).eps ** 0.5 * alone.abs().max()
                if not (batched - alone).abs().max() <= scale:
                    self.functions.refuse_vmap(
                        "it draws other random numbers when batched"
                    )
        return self.functions.batches

    def leave_out(self, groups):
        """Parameters at the end of the run without each group of rows.

        Parameters
        ----------
        groups : sequence of int or of sequences of int
            Rows to leave out, together within a group.

        Returns
        -------
        parameters : tensor of shape (n_groups, n_parameters)
        """
        theta = self.functions.parameters
        out = []
        for first in range(0, len(groups), RUNS):
            part = groups[first : first + RUNS]
            weights = torch.ones((len(part), self.n_rows), dtype=theta.dtype)
            for weight, rows in zip(weights, part, strict=True):
                weight[torch.as_tensor(rows)] = 0
            out.append(self.run_many(weights.to(theta.device)))
        return torch.cat(out)

    def segment_states(self, index):
        """States before each step of a segment, recomputed from its first."""
        trajectory = self.trajectory
        first = index * trajectory.segment
        last = min(first + trajectory.segment, self.n_steps)
        states = [self.record.state(index)]
        for k in range(first, last - 1):
            states.append(self.advance(states[-1], k))
        return list(zip(range(first, last), states, strict=True))

    def forward(self):
        """Yield (k, state before step k)."""
        return self._watched(range(self.trajectory.n_segments), iter)

    def backward(self):
        """Yield (k, state before step k), the last step first."""
        return self._watched(reversed(range(self.trajectory.n_segments)), reversed)

    def _watched(self, segments, order):
        steps = (
            pair for index in segments for pair in order(self.segment_states(index))
        )
        return steps if self._cost is None else self._cost.watch(steps, self.n_steps)

    @contextmanager
    def announcing(self, cost):
        """Let a `PassCost` watch the passes within the context."""
        self._cost = cost
        try:
            yield
        finally:
            self._cost = None

    def drift(self):
        """Compare the replay with the record, segment by segment.

        Returns
        -------
        drift : float
            Largest distance of a segment's replayed end from the recorded one, divided
            by the distance that the parameters moved in the segment.
        step : int
            First step of the segment with the largest distance.
        """
        trajectory = self.trajectory
        ratios = []
        for index in range(trajectory.n_segments):
            first = index * trajectory.segment
            state = self.record.state(index)
            before = state[0]
            for k in range(first, min(first + trajectory.segment, self.n_steps)):
                state = self.advance(state, k)
            recorded = self.record.state(index + 1)[0]
            moved = torch.linalg.vector_norm(recorded - before)
            floor = torch.finfo(before.dtype).eps * torch.linalg.vector_norm(before)
            distance = torch.linalg.vector_norm(state[0] - recorded)
            # A move below the rounding of the parameters is compared with their size.
            ratios.append(distance / (moved + 1e3 * floor))
        worst, index = torch.stack(ratios).max(dim=0)  # NaN is the largest
        return float(worst), int(index) * trajectory.segment
