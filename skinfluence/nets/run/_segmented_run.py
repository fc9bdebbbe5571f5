"""A recorded run in segments, each of which is unrolled in closed form."""

import numpy as np
import torch
from sklearn.utils import gen_batches

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets.curvature._preconditioned import dense_batches
from skinfluence.nets.curvature._segment import Segment
from skinfluence.nets.gradients._gram import weighted_gradient
from skinfluence.nets.run._checkpoint_run import CheckpointRun
from skinfluence.nets.run._rate_recorder import RateRecorder

_NUMBERS = 2**23  # of the gradients of test rows that are held at a time


class SegmentedRun(CheckpointRun):
    """Checkpoints and mean steps of a training run, in segments.

    Parameters
    ----------
    estimator, directory
        As for `CheckpointRun`.
    checkpoints : int
        Their number, evenly spaced over the run.
    n_segments : int
        Number of segments among which the checkpoints are divided.
    """

    def __init__(self, estimator, checkpoints, directory, n_segments):
        super().__init__(estimator, checkpoints, directory, layers=None)
        self.recorder = RateRecorder(checkpoints, directory)
        self.n_segments = n_segments

    def prepare(self, X, y):
        """Compute the curvature of every segment from the training rows."""
        self._n = len(y)
        X, y = self.rows(X, y)
        self._kept = self.checkpoints[-1].rows
        self._trained_on = take_rows(X, self._kept), y[self._kept]
        n_segments = min(self.n_segments, len(self.checkpoints))
        self.segments = []
        for part in np.array_split(np.arange(len(self.checkpoints)), n_segments):
            rates, *more = (self.recorder.rates_[c] for c in part)
            for other in more:
                rates = {name: own + other[name] for name, own in rates.items()}
            points = [self.checkpoints[c] for c in part]
            self.segments.append(
                Segment(self.gradients(), self._trained_on, points, rates)
            )

    def unrolled_influence(self, test, loss):
        """Influence of the training rows on the final losses, (n_test, n_train)."""
        out = np.zeros((n_rows(test[0]), self._n))
        for rows, final in self._final_gradients(self.rows(*test), loss):
            for mine, solved, gradients in self._unrolled(final, self._trained_on):
                columns = self._kept[mine]
                out[np.ix_(rows, columns)] += (solved @ gradients.T).numpy()
        return out / len(self._kept)

    def unrolled_values(self, test, loss, weight):
        """Weighted sum of `unrolled_influence` over the test rows."""
        gradients, out = self.gradients(), np.zeros(self._n)
        with gradients.target.at(self.checkpoints[-1].state):
            mean = weighted_gradient(
                gradients, *self.rows(*test), weight, gradients.target.measure(loss)
            )
        flat = torch.cat([mean[name].reshape(-1) for name in gradients.target.params])
        final = flat[None].double().cpu()
        for mine, (solved,), own in self._unrolled(final, self._trained_on):
            out[self._kept[mine]] += (own @ solved).numpy()
        return out / len(self._kept)

    def unrolled_self_influence(self, loss):
        """Diagonal of `unrolled_influence` of the training rows, in O(n)."""
        out, (X, y) = np.zeros(self._n), self._trained_on
        for rows, final in self._final_gradients(self._trained_on, loss):
            few = take_rows(X, rows), y[rows]
            for mine, solved, gradients in self._unrolled(final, few):
                own = (solved[mine] * gradients).sum(dim=1)
                out[self._kept[rows[mine]]] += own.numpy()
        return out / len(self._kept)

    def _final_gradients(self, test, loss):
        """Yield (rows, gradients of their losses at the end of the run)."""
        X, y = test
        gradients = self.gradients()
        target = gradients.target
        size = _NUMBERS // sum(v.numel() for v in target.params.values())
        for block in gen_batches(len(y), max(1, size)):
            rows = np.arange(block.start, block.stop)
            few = take_rows(X, rows), y[rows]
            with target.at(self.checkpoints[-1].state):
                batches = dense_batches(gradients, *few, target.measure(loss))
                final = torch.cat([own for _, own in batches])
            yield rows, final

    def _unrolled(self, final, train):
        """Take final gradients back through the segments.

        Parameters
        ----------
        final : tensor of shape (m, p)
        train : tuple of (X, y)
            Training rows.

        Yields
        ------
        rows : ndarray of int
            Some of the training rows.
        solved : tensor of shape (m, p)
            Factors of their gradients at a checkpoint.
        gradients : tensor of shape (len(rows), p)
        """
        gradients = self.gradients()
        target = gradients.target
        for segment in reversed(self.segments):
            solved = segment.removed(target, final) / len(segment.checkpoints)
            for checkpoint in segment.checkpoints:
                with target.at(checkpoint.state):
                    for rows, own in dense_batches(gradients, *train):
                        yield rows, solved, own
            final = segment.kept(target, final)
