"""Record every optimiser step of a skorch net's training run.

For every step the record holds the rows of its batch, the optimiser's settings and, if
the forward pass draws random numbers, the generator's state before it. For every
segment of steps it holds the optimiser's state at the start (parameters first), from
which the states within the segment are recomputed.
"""

import errno
import math
import os
import shutil
import tempfile
import warnings
from collections import deque
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback, GradientNormClipping

from skinfluence._memory import check_memory
from skinfluence.nets._device import generator_states, working_bytes
from skinfluence.nets.run._optimisers import replayable
from skinfluence.nets.run._recorder import Recorder
from skinfluence.nets.run._trajectory import Step, Trajectory, segment_length


class _RecordingSampler:
    """A batch sampler that records the rows of every batch."""

    def __init__(self, sampler, queue):
        self.sampler, self.queue = sampler, queue

    def __iter__(self):
        for rows in self.sampler:
            rows = [int(row) for row in rows]
            self.queue.append(rows)
            yield rows

    def __len__(self):
        return len(self.sampler)

    def __getattr__(self, name):
        if name in ("sampler", "queue"):  # absent while being unpickled
            raise AttributeError(name)
        return getattr(self.sampler, name)


def _recorded_iterator(dataset, *, base, recorder, **params):
    loader = base(dataset, **params)
    sampler = getattr(loader, "batch_sampler", None)
    if sampler is None:
        raise TypeError(
            "The net's 'iterator_train' must be a torch DataLoader with a "
            "batch_sampler: without one the rows of a batch are unknown. Got "
            f"{type(loader).__name__}: use DataLoader with a batch_size."
        )
    # The sampler runs in this process, also with worker processes. DataLoader forbids
    # setting the attribute because other settings depend on it, none of which change.
    vars(loader)["batch_sampler"] = _RecordingSampler(sampler, recorder.queue)
    recorder.steps_per_epoch = len(loader)
    return loader


class TrajectoryRecorder(Recorder):
    """Fills a `Trajectory`.

    The run is bit for bit the same as without the recorder.
    """

    def __init__(self, max_bytes, folder=None):
        self.max_bytes, self.folder = max_bytes, folder
        self.queue = deque()

    @contextmanager
    def attached(self, net):
        """Also record the rows of the net's batches."""
        iterator = net.iterator_train
        net.iterator_train = partial(_recorded_iterator, base=iterator, recorder=self)
        try:
            with super().attached(net):
                yield self
        finally:
            net.iterator_train = iterator

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Raise before the first step for nets that cannot be replayed."""
        refuse_unrecordable(net)
        self.optimiser = net.optimizer_
        self.parameters = [
            (name, p)
            for name, p in net.module_.named_parameters()
            if any(p is q for g in self.optimiser.param_groups for q in g["params"])
            and p.requires_grad
        ]
        clips = [c for _, c in net.callbacks_ if isinstance(c, GradientNormClipping)]
        norms = [c.gradient_clip_value for c in clips if c.gradient_clip_value]
        group_of = {
            id(p): i
            for i, group in enumerate(self.optimiser.param_groups)
            for p in group["params"]
        }
        self.trajectory = Trajectory(
            optimiser=replayable(self.optimiser),
            segment=0,
            max_norm=norms[0] if norms else None,
            names=[name for name, _ in self.parameters],
            groups=torch.cat(
                [torch.full((p.numel(),), group_of[id(p)]) for _, p in self.parameters]
            ),
        )
        self.device = self.parameters[0][1].device
        self.epochs, self.waiting = net.max_epochs, []
        self.buffers = [b.detach().clone() for b in net.module_.buffers()]
        for _, callback in net.callbacks_:
            edits = type(callback).on_grad_computed is not Callback.on_grad_computed
            if edits and not isinstance(callback, GradientNormClipping | Recorder):
                self.trajectory.causes.append(
                    f"the callback {type(callback).__name__} sees the gradients before "
                    "the step and may change them"
                )

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        """Record the training rows; allocate memory before the first step."""
        super().on_epoch_begin(net, dataset_train, **kwargs)
        self.queue.clear()
        if self.trajectory.kept is None:
            self._allocate(self.steps_per_epoch * self.epochs)

    def _allocate(self, n_steps):
        first = self._state()
        trajectory = self.trajectory
        if self.folder is not None:
            try:
                trajectory.segment = 1
                trajectory.kept = self._map((n_steps, *first.shape), first.dtype)
                return
            except OSError as error:
                warnings.warn(
                    f"memory={os.fspath(self.folder)!r}: the recorded run could not be "
                    f"written ({error.strerror}). It is kept in memory, up to "
                    "trajectory_memory, and states in between are recomputed.",
                    stacklevel=2,
                )
        trajectory.segment = segment_length(n_steps, first.nbytes, self.max_bytes)
        n_kept = math.ceil(n_steps / trajectory.segment)
        check_memory(
            n_kept * first.nbytes,
            f"The recorded run of {n_steps} steps",
            "Lower trajectory_memory, or pass memory= to keep the run on disk.",
        )
        trajectory.kept = np.empty((n_kept, *first.shape), first.dtype)

    def _map(self, shape, dtype):
        """Map an array from a file in the folder; raise OSError if the disk is full.

        The space is reserved beforehand, since writing to a map without space on the
        disk kills the process.
        """
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            prefix="trajectory-", suffix=".npy", dir=self.folder, delete=False
        ) as file:
            path = file.name
        try:
            kept = np.lib.format.open_memmap(path, "w+", dtype, shape)
            _reserve(path)
        except OSError:
            Path(path).unlink()
            raise
        return kept

    def _state(self):
        """Flat parameters and optimiser slots, shape (n_slots + 1, n_parameters)."""
        return self._flat_state().cpu().numpy()

    def _flat_state(self):
        rows = [[p.detach() for _, p in self.parameters]]
        for slot in self.trajectory.optimiser.slots:
            states = [self.optimiser.state.get(p, {}) for _, p in self.parameters]
            rows.append(
                [
                    torch.zeros_like(p)
                    if state.get(slot) is None
                    else state[slot].detach()
                    for state, (_, p) in zip(states, self.parameters, strict=True)
                ]
            )
        flat = [torch.cat([t.reshape(-1) for t in row]) for row in rows]
        return torch.stack(flat)

    def _keep(self, index):
        """Keep the state at the start of a segment; move many to the CPU at once."""
        state = self._flat_state()
        self.waiting.append(state)
        room = working_bytes(self.device) // state.nbytes
        if self.device.type == "cpu" or len(self.waiting) >= room:
            self._move_waiting(index + 1)

    def _move_waiting(self, stop):
        if self.waiting:
            first = stop - len(self.waiting)
            states = torch.stack(self.waiting)
            self.trajectory.kept[first:stop] = states.cpu().numpy()
            self.waiting = []

    def _settings(self):
        """Optimiser settings of this step, a tuple with the value of every group."""
        groups = self.optimiser.param_groups
        return {
            name: tuple(
                tuple(map(float, g[name])) if name == "betas" else float(g[name])
                for g in groups
            )
            for name in self.trajectory.optimiser.numbers
        }

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        """Keep the state at the start of a segment."""
        if not training:
            return
        k, trajectory = len(self.trajectory.steps), self.trajectory
        if k % trajectory.segment == 0:
            self._keep(k // trajectory.segment)
        self.before = generator_states(self.device)

    def on_grad_computed(self, net, named_parameters=None, **kwargs):
        """Record the rows and settings of the step, just before it is taken."""
        rows = self.rows[self.queue.popleft()]
        drawn = any(
            before is not None and not torch.equal(before, after)
            for before, after in zip(
                self.before, generator_states(self.device), strict=True
            )
        )
        self.trajectory.steps.append(
            Step(
                torch.as_tensor(rows),
                self._settings(),
                self.before if drawn else None,
            )
        )

    def on_epoch_end(self, net, **kwargs):
        """Keep the state after the epoch, which callbacks may replace later."""
        trajectory = self.trajectory
        self._move_waiting(math.ceil(len(trajectory.steps) / trajectory.segment))
        trajectory.end = self._state()
        if any(
            not torch.equal(a, b)
            for a, b in zip(self.buffers, net.module_.buffers(), strict=True)
        ):
            self.trajectory.causes.append("the module changes its own buffers")

    def recorded(self, net):
        """Return the `Trajectory` of the trained net, or raise if there is none."""
        trajectory = self.trajectory
        if trajectory.end is None:
            raise ValueError(
                "The net's training ended before the end of its first epoch, so that "
                f"there is no run to replay. Got max_epochs={net.max_epochs}."
            )
        trajectory.kept = trajectory.kept[: trajectory.n_segments]
        if not np.array_equal(self._state()[0], trajectory.end[0]):
            raise ValueError(
                "The net's parameters after fit are not those at the end of its last "
                "epoch: a callback has replaced them. Remove it."
            )
        return trajectory


def _reserve(path):
    """Reserve space on the disk for the whole of a file."""
    size = os.path.getsize(path)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    elif shutil.disk_usage(path).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refuse_unrecordable(net):
    """Raise for nets whose run is not a function of row weights."""
    for name, module in net.module_.named_modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            raise TypeError(
                f"The net's module {name!r} is a {type(module).__name__}, which mixes "
                "the rows of a batch in training. Rows then also change the test loss "
                "through its running statistics, which torch does not differentiate. "
                "Use LayerNorm or GroupNorm."
            )
    if any(True for _ in net.criterion_.parameters()):
        raise TypeError(
            "The net's criterion must have no parameters of its own to be replayed. "
            f"Got {type(net.criterion_).__name__} with some: move them to the module."
        )
    if getattr(net.criterion_, "reduction", None) not in ("mean", "sum"):
        raise TypeError(
            "The net's criterion must have reduction='mean' or 'sum', so that losses "
            f"of single rows are known. Got {type(net.criterion_).__name__}."
        )
    for _, callback in net.callbacks_:
        if getattr(callback, "load_best", False):
            raise ValueError(
                f"{type(callback).__name__}(load_best=True) replaces the end of the "
                "run by an earlier state: set load_best=False."
            )
        clips = isinstance(callback, GradientNormClipping)
        if clips and callback.gradient_clip_norm_type != 2:
            raise ValueError(
                "GradientNormClipping can be replayed with gradient_clip_norm_type=2. "
                f"Got {callback.gradient_clip_norm_type!r}."
            )
    replayable(net.optimizer_)
