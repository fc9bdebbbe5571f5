"""Derivatives of test losses at the end of a run by the weights of its rows."""

import numpy as np
import torch

from skinfluence._memory import check_memory
from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets.run._adjoint import (
    fast,
    fast_factored,
    reverse,
    sensitivity,
    takes_factors,
)
from skinfluence.nets.run._pass_cost import PassCost
from skinfluence.nets.run._step_run import BLOCK, as_array


class RunDerivative:
    """Derivatives and replayed removals of a `StepRun`, for HyDRA.

    Rows are pairs ``(X, y)`` as for `TrainingRun`.

    Parameters
    ----------
    run : StepRun
        Fitted.
    hessian : bool
        Whether to keep the Hessian of every step.
    """

    def __init__(self, run, hessian):
        self.run, self.hessian = run, hessian
        self._by_rows = None

    @property
    def replay(self):
        """The run as a function of row weights."""
        return self.run.replay

    def influence(self, test, loss):
        """Influence matrix, shape (n_test, n_train)."""
        if self._forward_is_shorter(n_rows(test[0])):
            derivative = self.parameters_by_rows()
            return as_array(-self.gradients(test, loss) @ derivative.T)
        factored = not self.hessian and takes_factors(self.replay)
        read = self._read_factored if factored else self._read
        blocks = list(self.run.blocks(n_rows(test[0])))
        with self._announcing(n_rows(test[0]), len(blocks)):
            return np.concatenate(
                [
                    read((take_rows(test[0], rows), test[1][rows]), loss)
                    for rows in blocks
                ]
            )

    def influence_of(self, rows, test, loss):
        """Columns of `influence`, in forward mode if they are fewer than test rows."""
        if not self.hessian or len(rows) >= n_rows(test[0]):
            return self.influence(test, loss)[:, rows]
        derivative = torch.cat(
            [
                sensitivity(self.replay, rows[block])
                for block in self.run.blocks(len(rows))
            ]
        )
        return as_array(-self.gradients(test, loss) @ derivative.T)

    def _announcing(self, n, n_passes):
        """Context in which a long computation for n rows is announced."""
        instead = "sample_values differentiates the mean over test rows only."
        if self.hessian:
            instead += " approximation='fast' needs no Hessian."
        cost = PassCost(f"The derivative of the run for {n} rows", n_passes, instead)
        return self.replay.announcing(cost)

    def _read(self, test, loss):
        return as_array(self._pull(self.gradients(test, loss)))

    def _read_factored(self, test, loss):
        functions = self.replay.functions
        tensors = self.run.tensors(test, loss)
        factors = functions.factors(functions.parameters, *tensors)
        return as_array(fast_factored(self.replay, factors))

    def _pull(self, gradients):
        engine = reverse if self.hessian else fast
        return engine(self.replay, gradients)

    def gradients(self, test, loss):
        """Gradients of test losses at the end of the run, (n_test, n_parameters)."""
        functions = self.replay.functions
        tensors = self.run.tensors(test, loss)
        return functions.row_gradients(functions.parameters, *tensors)

    def values(self, test, loss, weight):
        """Weighted sum of `influence` over test rows, in one pass over the run."""
        functions, mean = self.replay.functions, 0.0
        for start in range(0, len(weight), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(weight)))
            X, y, measure = self.run.tensors(
                (take_rows(test[0], rows), test[1][rows]), loss
            )
            mean = mean + functions.weighted_gradient(
                functions.parameters, X, y, weight[rows], measure
            )
        return as_array(self._pull(mean[None]))[0]

    def self_influence(self, train, loss):
        """Diagonal of `influence` of the training rows on themselves."""
        values = np.empty(self.replay.n_rows)
        blocks = list(self.run.blocks(len(values)))
        with self._announcing(len(values), len(blocks)):
            for rows in blocks:
                mine = take_rows(train[0], rows), train[1][rows]
                gradients = self.gradients(mine, loss)
                if self.hessian:
                    derivative = sensitivity(self.replay, rows)
                    values[rows] = as_array(-(gradients * derivative).sum(dim=1))
                else:
                    pulled = as_array(self._pull(gradients))
                    values[rows] = pulled[np.arange(len(rows)), rows]
        return values

    def left_out(self, test, loss, groups):
        """Loss without each group of rows minus loss with it, by replays."""
        functions = self.replay.functions
        X, y, measure = self.run.tensors(test, loss)

        def losses(theta):
            return functions.losses(theta, X, y, measure)

        with torch.no_grad():
            before = losses(self.replay.run())
            ends = self.replay.leave_out(groups)
            if self.replay.batches:
                after = torch.func.vmap(losses)(ends)
            else:
                after = torch.stack([losses(end) for end in ends])
        return as_array(after - before).T

    def _forward_is_shorter(self, n_test):
        if not self.hessian:
            return False
        return self._by_rows is not None or n_test > self.replay.n_rows

    def parameters_by_rows(self):
        """Derivative of the final parameters by all row weights, kept once computed."""
        if self._by_rows is None:
            n, theta = self.replay.n_rows, self.replay.functions.parameters
            check_memory(
                n * theta.nbytes,
                f"The derivative of {len(theta)} parameters by {n} rows",
                "Pass fewer test rows than training rows at a time.",
            )
            blocks = list(self.run.blocks(n))
            with self._announcing(n, len(blocks)):
                self._by_rows = torch.cat(
                    [sensitivity(self.replay, rows) for rows in blocks]
                )
        return self._by_rows
