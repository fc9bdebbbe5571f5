"""Record every optimiser step of a skorch net's training run.

Of every step: the rows of its batch, the optimiser's settings and, where the forward
pass draws random numbers, the generator's state before it. Of every segment of
steps: the optimiser's state (parameters first), from which the steps inside are
recomputed.
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
from skinfluence.nets.run._optimisers import replayable
from skinfluence.nets.run._recorder import Recorder
from skinfluence.nets.run._trajectory import Step, Trajectory, segment_length


class _NotingSampler:
    """A batch sampler that notes the rows of every batch it hands out."""

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
        if name in ("sampler", "queue"):  # not there yet while unpickled
            raise AttributeError(name)
        return getattr(self.sampler, name)


def _recorded_iterator(dataset, *, base, recorder, **params):
    loader = base(dataset, **params)
    sampler = getattr(loader, "batch_sampler", None)
    if sampler is None:
        raise TypeError(
            "The net's 'iterator_train' must be a torch DataLoader with a "
            "batch_sampler: without one the rows of a batch are not known. Got "
            f"{type(loader).__name__}: use DataLoader, with a batch_size."
        )
    # In the workers' order too: the sampler runs in this process. DataLoader forbids
    # setting the attribute, to protect settings derived from it; none of them change.
    vars(loader)["batch_sampler"] = _NotingSampler(sampler, recorder.queue)
    recorder.steps_per_epoch = len(loader)
    return loader


def _random_state():
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return torch.get_rng_state(), cuda


class TrajectoryRecorder(Recorder):
    """Fills a `Trajectory`.

    The run is the one that the net makes without the recorder, bit by bit.
    """

    def __init__(self, max_bytes, folder=None):
        self.max_bytes, self.folder = max_bytes, folder
        self.queue = deque()

    @contextmanager
    def attached(self, net):
        """Also note which rows the net's loader hands out."""
        iterator = net.iterator_train
        net.iterator_train = partial(_recorded_iterator, base=iterator, recorder=self)
        try:
            with super().attached(net):
                yield self
        finally:
            net.iterator_train = iterator

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Refuse what cannot be replayed before the first step."""
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
        first = self.parameters[0][1]
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
            dtype=first.dtype,
            device=first.device,
        )
        self.epochs = net.max_epochs
        self.buffers = [b.detach().clone() for b in net.module_.buffers()]
        for _, callback in net.callbacks_:
            edits = type(callback).on_grad_computed is not Callback.on_grad_computed
            if edits and not isinstance(callback, GradientNormClipping | Recorder):
                self.trajectory.causes.append(
                    f"the callback {type(callback).__name__} sees the gradients before "
                    "the step and may change them"
                )

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        """Note which rows are trained on, and make room before the first step."""
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
        """Map an array from a file in the folder; OSError where it has no room.

        Asked for beforehand: writing to a part of a map that finds no room on the disk
        kills the process.
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
        return torch.stack(flat).cpu().numpy()

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
            trajectory.kept[k // trajectory.segment] = self._state()
        self.before = _random_state()

    def on_grad_computed(self, net, named_parameters=None, **kwargs):
        """Note the step's rows and settings, after the forward pass, before it."""
        rows = self.rows[self.queue.popleft()]
        after = _random_state()
        drawn = not torch.equal(self.before[0], after[0]) or any(
            not torch.equal(a, b)
            for a, b in zip(self.before[1], after[1], strict=False)
        )
        self.trajectory.steps.append(
            Step(
                torch.as_tensor(rows),
                self._settings(),
                self.before if drawn else None,
            )
        )

    def on_epoch_end(self, net, **kwargs):
        """Keep the end of the run so far: callbacks may replace it later."""
        self.trajectory.end = self._state()
        self.trajectory.kept = self.trajectory.kept  # a memmap stays mapped
        if any(
            not torch.equal(a, b)
            for a, b in zip(self.buffers, net.module_.buffers(), strict=True)
        ):
            self.trajectory.causes.append("the module changes its own buffers")

    def recorded(self, net):
        """Return the `Trajectory` of the trained net, or refuse what is none."""
        trajectory = self.trajectory
        if trajectory.end is None:
            raise ValueError(
                "The net's training ended before its first epoch did: no run to "
                f"replay. Got max_epochs={net.max_epochs}."
            )
        trajectory.kept = trajectory.kept[: trajectory.n_segments]
        if not np.array_equal(self._state()[0], trajectory.end[0]):
            raise ValueError(
                "The net's parameters after fit are not those at the end of its last "
                "epoch: a callback has replaced them. Remove it."
            )
        return trajectory


def _reserve(path):
    """Have the whole of a file on disk, holes included."""
    size = os.path.getsize(path)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    elif shutil.disk_usage(path).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refuse_unrecordable(net):
    """Raise for nets whose run is no function of row weights."""
    for name, module in net.module_.named_modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            raise TypeError(
                f"The net's module {name!r} is a {type(module).__name__}: in training "
                "it mixes the rows of a batch and its running statistics, which torch "
                "does not differentiate, carry influence to the test loss. Use "
                "LayerNorm or GroupNorm."
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
