"""A net's run with a record of every optimiser step, to be replayed."""

import warnings

import numpy as np
import torch

from skinfluence._sklearn import final_estimator, n_rows, preprocess, take_rows
from skinfluence.nets._device import working_bytes
from skinfluence.nets.net._functions import NetFunctions, collect, take
from skinfluence.nets.net._model import fitted_net, net_model, net_rows
from skinfluence.nets.run._adjoint import draws_nothing
from skinfluence.nets.run._every_step import (
    every_step,
    every_step_linear,
    every_step_scaled,
)
from skinfluence.nets.run._pass_cost import PassCost
from skinfluence.nets.run._replay import Replay
from skinfluence.nets.run._training_run import TrainingRun
from skinfluence.nets.run._trajectory_recorder import TrajectoryRecorder

MAX_BYTES = 2**30  # memory of the recorded run; beyond it states are recomputed
BLOCK = 500  # rows at a time; more take memory without being faster


class StepRun(TrainingRun):
    """A net's run in which the effect of every step is attributed to its rows.

    Parameters
    ----------
    estimator : estimator
        The user's estimator, not fitted.
    directory : str or None
        Folder that keeps the run; None: in memory.
    max_bytes : float
        Largest size of the run in memory.

    Attributes
    ----------
    replay : Replay
        The run as a function of row weights.
    drift : float
        See `Replay.drift`.
    """

    def __init__(self, estimator, directory, max_bytes=MAX_BYTES):
        super().__init__(net_model(estimator))
        self.directory, self.max_bytes = directory, max_bytes

    def _train(self, X, y, fit_params):
        recorder = TrajectoryRecorder(self.max_bytes, self.directory)
        net = final_estimator(self.model).net
        with recorder.attached(net):
            self.model.fit(X, y, **fit_params)
        self._prepare_replay(recorder.recorded(net), X, y)

    def _prepare_replay(self, trajectory, X, y):
        """Replay the run once, and warn if that differs from the record."""
        net = fitted_net(self.model)
        functions = NetFunctions(net, trajectory.names)
        X = preprocess(self.model, X)
        X, y = collect(net, X, final_estimator(self.model).encode(y))
        self.replay = Replay(functions, trajectory, X, y)
        self.drift, step = self.replay.drift()
        single = functions.parameters.dtype != torch.float64
        if not self.drift < (1e-3 if single else 1e-8):
            causes = trajectory.causes or [
                "random numbers that are not torch's (augmentation in the data set), a "
                "loss that is not the mean of its rows', or an edited optimiser"
            ]
            warnings.warn(
                "The replay of the net's run differs from the recorded one by "
                f"{self.drift:.1e} of the distance moved, from step {step} on: "
                "influences are those of the replay. Cause: "
                f"{'; '.join(dict.fromkeys(causes))}.",
                stacklevel=6,
            )

    def partial_fit(self, X, y):
        """Raise, since the record is of a single call of ``fit``."""
        raise ValueError(
            "A run recorded step by step cannot be continued: raise max_epochs and "
            "fit again, or pass a number of checkpoints."
        )

    @property
    def checkpoints(self):
        """The recorded steps: ``rows`` and ``settings`` of each."""
        return self.replay.trajectory.steps

    def tensors(self, test, loss):
        """Return test rows, targets and measure for `NetFunctions.losses`."""
        functions = self.replay.functions
        return (*self._on_device(test), functions.measure(loss))

    def _on_device(self, rows):
        """Rows and encoded targets as tensors like those of the training rows."""
        X, _ = collect(fitted_net(self.model), net_rows(self.model, rows[0]), None)
        y = torch.as_tensor(np.asarray(rows[1])).to(self.replay.y.dtype)
        y = y.reshape((len(y), *self.replay.y.shape[1:]))
        every, device = slice(None), self.replay.functions.device
        return take(X, every, device), take(y, every, device)

    def blocks(self, n):
        """Yield blocks of rows whose vectors of parameters fit into working_memory.

        There are four such vectors per row, and two more for the slots of Adam.
        """
        theta = self.replay.functions.parameters
        budget = working_bytes(theta.device)
        size = max(1, min(BLOCK, int(budget // (6 * theta.nbytes))))
        for start in range(0, n, size):
            yield np.arange(start, min(start + size, n))

    def influence(self, train, test, loss, cosine):
        """Influence by all steps, shape (n_test, n_train); ``cosine`` is ignored."""
        out = np.empty((len(test[1]), self.replay.n_rows))
        for rows, block in self._blocks_of_influence(test, loss):
            out[rows] = block
        return out

    def _blocks_of_influence(self, test, loss):
        """Yield (test rows, their influences); a long computation is announced."""
        n = len(test[1])
        blocks = list(self.blocks(n))
        cost = PassCost(
            f"The influence of every step on {n} rows",
            len(blocks),
            "sample_values takes one pass with a single gradient; a number of "
            "checkpoints instead of 'all' takes less time.",
        )
        with self.replay.announcing(cost):
            for rows in blocks:
                mine = self.tensors((take_rows(test[0], rows), test[1][rows]), loss)
                yield rows, as_array(self._every_step(mine))

    def _every_step(self, test):
        if draws_nothing(self.replay):
            linear = self.replay.trajectory.optimiser.linear
            engine = every_step_linear if linear else every_step_scaled
            return engine(self.replay, test)
        functions = self.replay.functions
        return every_step(
            self.replay, lambda theta: functions.row_gradients(theta, *test)
        )

    def self_influence(self, train, loss, cosine):
        """Influence of every row on the fall of its own loss."""
        out = np.empty(n_rows(train[0]))
        for rows, block in self._blocks_of_influence(train, loss):
            out[rows] = block[np.arange(len(rows)), rows]
        return out

    def values(self, train, test, loss, weight):
        """Influence on the fall of the weighted mean of test losses."""
        X, y, measure = self.tensors(test, loss)
        functions = self.replay.functions

        def mean_gradient(theta):
            return functions.weighted_gradient(theta, X, y, weight, measure)[None]

        return as_array(every_step(self.replay, mean_gradient))[0]

    def loss_drop(self, test, loss):
        """Fall of each test row's loss over the run, shape (n_test,)."""
        X, y, measure = self.tensors(test, loss)
        functions = self.replay.functions
        end = self.replay.record.state(self.replay.trajectory.n_segments)[0]
        with torch.no_grad():
            first, last = (
                functions.losses(theta, X, y, measure)
                for theta in (self.replay.start()[0], end)
            )
        return as_array(first - last)

    def mean_loss(self, train):
        """Mean over the steps of each row's training loss, shape (n_train,)."""
        X, y = self._on_device(train)
        functions = self.replay.functions
        measure = functions.training_loss
        total = 0.0
        for _, state in self.replay.forward():
            with torch.no_grad():
                total = total + functions.losses(state[0], X, y, measure)
        return as_array(total / self.replay.n_steps)


def as_array(tensor):
    """Return a tensor's values in float64, on the CPU."""
    return tensor.detach().cpu().numpy().astype(np.float64)
