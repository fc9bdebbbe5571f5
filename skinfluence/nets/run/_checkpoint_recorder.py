"""Checkpoints of a training run: parameters and summed learning rates."""

import io
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from skinfluence.nets.net._target import NetTarget
from skinfluence.nets.run._recorder import Recorder
from skinfluence.nets.run._training_run import checkpoint_epochs


@dataclass
class Checkpoint:
    """Parameters and buffers after an epoch.

    Attributes
    ----------
    epoch : int
        From 1, over the whole history of the net.
    spent : dict of str to float
        For each parameter the learning rate spent on a row since the previous
        checkpoint: the sum over steps of learning rate x rows in the batch / divisor of
        the batch loss (rows in the batch for a mean, 1 for a sum), divided by the
        number of training rows.
    rows : ndarray of shape (n_rows,)
        Training rows of these epochs; others were held out by ``train_split``.
    """

    epoch: int
    spent: dict
    rows: np.ndarray
    _state: dict | None = field(repr=False)
    _path: str | None = None

    @property
    def state(self):
        """Parameters and buffers, on the CPU."""
        if self._state is not None:
            return self._state
        return torch.load(self._path, map_location="cpu", weights_only=True)


class CheckpointRecorder(Recorder):
    """Records the parameters after some epochs and the learning rate spent before.

    Parameters
    ----------
    checkpoints : int or list of int
        Their number, at evenly spaced epochs of each call of ``fit`` or
        ``partial_fit``, or a list of epochs counted over the net's history. The last
        epoch is always added.
    directory : str or None, default=None
        Folder that keeps them; None: in memory.

    Attributes
    ----------
    checkpoints_ : list of Checkpoint
        In the order of training.
    start_ : Checkpoint
        The parameters before the first step, of epoch 0.
    """

    def __init__(self, checkpoints, directory=None):
        self.checkpoints = checkpoints
        self.directory = directory

    def initialize(self):
        """Discard the checkpoints of an earlier run."""
        self.checkpoints_, self.start_, self._spent = [], None, {}
        self._full = False
        if self.directory is not None:
            Path(self.directory).mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.mkdtemp(prefix="checkpoints-", dir=self.directory)
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Keep the parameters before the first step, and choose the epochs."""
        if self.start_ is None:
            self.start_ = Checkpoint(0, {}, np.arange(0), *self._write(net))
        self._epochs = checkpoint_epochs(
            self.checkpoints, len(net.history), net.max_epochs
        )

    def on_grad_computed(self, net, named_parameters, training=True, **kwargs):
        """Note the learning rate just before the step."""
        names = {id(p): k for k, p in NetTarget(net).params.items()}
        # In a sum over the batch each row has the full rate, in a mean a share of it.
        mean = getattr(net.criterion_, "reduction", "mean") != "sum"
        for group in net.optimizer_.param_groups:
            step = float(group["lr"]) * (1.0 if mean else self._batch)
            for parameter in group["params"]:
                if id(parameter) in names:
                    name = names[id(parameter)]
                    self._spent[name] = self._spent.get(name, 0.0) + step

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        """Note the size of the batch."""
        if training:
            self._batch = len(batch[1])

    def on_epoch_end(self, net, **kwargs):
        """Keep a checkpoint after a chosen epoch."""
        if len(net.history) in self._epochs:
            self._keep(net)

    def on_train_end(self, net, **kwargs):
        """Keep the last epoch, also if training stopped early."""
        if self._spent:
            self._keep(net)

    def _keep(self, net):
        n = max(1, len(self.rows))
        spent = {name: total / n for name, total in self._spent.items()}
        self.checkpoints_.append(
            Checkpoint(len(net.history), spent, self.rows, *self._write(net))
        )
        self._spent = {}

    def _write(self, net):
        """Return the state and None, or None and the path of its file."""
        state = NetTarget(net).state()
        if self.directory is None:
            return state, None
        path = str(Path(self._folder) / f"epoch-{len(net.history):06d}.pt")
        content = io.BytesIO()
        torch.save(state, content)
        try:
            Path(path).write_bytes(content.getbuffer())
        except OSError as error:
            self._warn_full(error)
            return state, None
        return None, path

    def _warn_full(self, error):
        if not self._full:
            warnings.warn(
                f"memory={str(self.directory)!r}: a checkpoint could not be written "
                f"({error.strerror}). Training continues, and checkpoints that do not "
                "fit there are kept in memory.",
                stacklevel=2,
            )
        self._full = True
