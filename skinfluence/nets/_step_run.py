"""TracIn at every step of a net's recorded run; the interface of `_run.NetRun`."""

import numpy as np
import sklearn
import torch

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets._adjoint import every_step
from skinfluence.nets._recorded_net import (
    fit_recorded_net,
    replay_of,
    test_tensors,
)
from skinfluence.nets._row_losses import take

MAX_BYTES = 2**30  # of the recorded run in memory; past it states are recomputed


class StepRun:
    """A net's run whose every step is credited to the rows of its batch.

    Parameters
    ----------
    estimator : estimator
        The user's, not fitted.
    directory : str or None
        Where the run is kept.

    Attributes
    ----------
    model : estimator
        Fitted; labels are encoded, rows checked.
    checkpoints : list
        The recorded steps: ``rows`` and ``settings`` of each.
    """

    def __init__(self, estimator, directory):
        self.estimator, self.directory = estimator, directory

    def fit(self, X, y, **fit_params):
        """Train, recording."""
        self.model, trajectory = fit_recorded_net(
            self.estimator,
            X,
            y,
            fit_params,
            max_bytes=MAX_BYTES,
            folder=self.directory,
        )
        self.replay, self.drift = replay_of(self.model, trajectory, X, y)
        return self.model

    def partial_fit(self, X, y):
        """Refuse: the record is of one run."""
        raise ValueError(
            "A run recorded step by step cannot be continued: set max_epochs and fit, "
            "or take a number of checkpoints."
        )

    @property
    def checkpoints(self):
        """What was recorded."""
        return self.replay.trajectory.steps

    def _test(self, test, loss):
        X, y = test_tensors(self.model, self.replay, *test)
        functions = self.replay.functions
        every, device = slice(None), functions.device
        measure = functions.measure(loss)
        return take(X, every, device), take(y, every, device), measure

    def _blocks(self, n):
        theta = self.replay.functions.parameters
        budget = sklearn.get_config()["working_memory"] * 2**20
        size = max(1, int(budget // (6 * theta.nbytes)))
        for start in range(0, n, size):
            yield np.arange(start, min(start + size, n))

    def influence(self, train, test, loss, cosine):
        """Credits of all steps, shape (n_test, n_train)."""
        functions = self.replay.functions
        out = np.empty((len(test[1]), self.replay.n_rows))
        for rows in self._blocks(len(out)):
            mine = self._test((take_rows(test[0], rows), test[1][rows]), loss)
            out[rows] = _array(
                every_step(
                    self.replay,
                    lambda theta, mine=mine: functions.row_gradients(theta, *mine),
                )
            )
        return out

    def self_influence(self, train, loss, cosine):
        """Credits of every row for the fall of its own loss."""
        out = np.empty(n_rows(train[0]))
        for rows in self._blocks(len(out)):
            mine = take_rows(train[0], rows), train[1][rows]
            block = self.influence(train, mine, loss, cosine)
            out[rows] = block[np.arange(len(rows)), rows]
        return out

    def values(self, train, test, loss, weight):
        """Credits for the fall of the weighted mean of test losses."""
        X, y, measure = self._test(test, loss)
        functions = self.replay.functions
        weight = torch.as_tensor(weight).to(functions.parameters)

        def mean_gradient(theta):
            theta = theta.detach().requires_grad_()
            with torch.enable_grad():
                mean = weight @ functions.losses(theta, X, y, measure)
                return torch.autograd.grad(mean, theta)[0][None]

        return _array(every_step(self.replay, mean_gradient))[0]

    def loss_drop(self, test, loss):
        """Fall of each test row's loss over the run, shape (n_test,)."""
        X, y, measure = self._test(test, loss)
        functions = self.replay.functions
        end = self.replay.tensors(self.replay.trajectory.end)[0]
        with torch.no_grad():
            first, last = (
                functions.losses(theta, X, y, measure)
                for theta in (self.replay.start()[0], end)
            )
        return _array(first - last)

    def mean_loss(self, train):
        """Mean over the steps of each row's training loss, shape (n_train,)."""
        X, y, measure = self._test(train, "training")
        functions = self.replay.functions
        total = 0.0
        for _, state in self.replay.forward():
            with torch.no_grad():
                total = total + functions.losses(state[0], X, y, measure)
        return _array(total / self.replay.n_steps)


def _array(tensor):
    return tensor.detach().cpu().numpy().astype(np.float64)
