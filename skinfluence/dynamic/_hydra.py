"""HyDRA: what the net would be, had a row counted a little less all along the run."""

import os
from contextlib import nullcontext
from numbers import Integral, Real

import numpy as np
import sklearn
from scipy.stats import spearmanr
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_is_fitted

from skinfluence._base import BaseInfluence
from skinfluence._losses import MinusPrediction
from skinfluence._memory import check_memory
from skinfluence._sklearn import (
    Interval,
    StrOptions,
    final_estimator,
    n_rows,
    preprocessing_steps,
    take_rows,
)
from skinfluence._skorch import is_net, seeded_training
from skinfluence.removal import refuse_samplers

# More rows at once do not make the matrix products faster, and take memory.
BLOCK = 500


class HyDRA(BaseInfluence):
    r"""Differentiate a net's whole training run by the weights of its rows.

    The run is recorded: with the order of rows, the random state and the optimiser
    fixed, the final parameters :math:`\theta_T` are a function of the rows' weights,
    where step k minimises :math:`\sum_{i \in B_k} w_i \ell_i / |B_k|`. Then

    .. math:: I(i, t) = -\left.
        \frac{d \ell_t(\theta_T)}{d w_i} \right|_{w = 1}

    to first order the loss of test row t without row i minus the loss with it.
    Positive: the row made the prediction better. Unit: the loss of one test row, for
    the removal of one whole row from every batch of *this* run, whose divisors and
    order stay. What the net minimises is its own ``net.get_loss``; the test loss is
    in evaluation mode.

    ``approximation="exact"`` goes through the run backwards with products of each
    step's Hessian, or forwards where there are fewer training rows than test rows.
    ``"fast"`` drops the Hessian.

    **Cost.** "exact": about a fifth of a training per test row, in blocks;
    `sample_values` two to three trainings in all. `fit` trains once and replays once.
    Modules that torch.func cannot batch go row by row, with a warning.
    Memory: the recorded run, ``n_steps * n_parameters * (1 + optimiser slots)``
    numbers, less where ``trajectory_memory`` allows less and states are recomputed;
    besides, per test row in a block a few times the number of parameters.

    **When it fails.** A derivative says what a row's removal does only where the run
    depends smoothly on the row: tanh and GELU at moderate learning rates. ReLU with
    a high rate does not; `spot_check` tells by leaving some rows out. "fast" is
    closer to `TracIn` than to the truth. A run with another seed differs by more
    than a row does.

    Refused, with the reason: batch normalisation, optimisers other than SGD, Adam,
    AdamW and RMSprop, a callback that puts an earlier state back.

    Parameters
    ----------
    estimator : estimator
        A skorch NeuralNetClassifier, NeuralNetBinaryClassifier or NeuralNetRegressor,
        or a Pipeline that ends in one, whose fitted steps are held fixed.
    approximation : {"exact", "fast"}, default="exact"
        Whether to keep the Hessian terms.
    loss : str or callable, default="auto"
        Evaluation loss, one that has a gradient: "log_loss" or "brier" for
        classifiers, "squared_error" or "absolute_error" for regressors.
    trajectory_memory : float, default=1024
        MiB that the recorded run may take, in memory, with what is recomputed of it
        at a time. Checked before the first step.
    memory : str or path-like, default=None
        Folder to keep the recorded run in, all of it, instead of memory; numbers are
        read from it and no pickled code.
    random_state : int, RandomState or None, default=None
        Seed of the run. None draws from torch's global generator, as the net alone
        does.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows, as without recording. The net is wrapped: it predicts the
        labels it was given; the net itself is its ``net_``.
    n_samples_fit_ : int
        Number of training rows.
    n_steps_ : int
        Number of optimiser steps of the run.
    replay_drift_ : float
        Distance of the replay from the recorded run, over the distance that the
        parameters moved: rounding, or a warning says what is not replayed.
    fixed_steps_ : list of str
        Names of the Pipeline's fitted steps.

    See Also
    --------
    LeaveOneOutInfluence : Trains again without each row.

    References
    ----------
    .. [1] Y. Chen, B. Li, H. Yu, P. Wu, C. Miao, "HyDRA: Hypergradient Data Relevance
       Analysis for Interpreting Deep Neural Networks", AAAI 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skinfluence import HyDRA
    >>> from skorch import NeuralNetClassifier
    >>> from torch import nn
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NeuralNetClassifier(
    ...     nn.Linear,
    ...     module__in_features=4,
    ...     module__out_features=3,
    ...     criterion=nn.CrossEntropyLoss,
    ...     train_split=None,
    ...     verbose=0,
    ... )
    >>> hydra = HyDRA(net, random_state=0).fit(X.astype("float32"), y)
    >>> hydra.influence(X[:5].astype("float32"), y[:5]).shape
    (5, 150)
    """

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        "approximation": [StrOptions({"exact", "fast"})],
        "trajectory_memory": [Interval(Real, 0, None, closed="neither")],
        "memory": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        approximation="exact",
        loss="auto",
        trajectory_memory=1024,
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.approximation = approximation
        self.loss = loss
        self.trajectory_memory = trajectory_memory
        self.memory = memory
        self.random_state = random_state

    def _fit_clone(self, X, y, fit_params, seed):
        refuse_samplers(self.estimator)
        net = final_estimator(self.estimator)
        if not is_net(net):
            raise TypeError(
                "The 'estimator' parameter of HyDRA must be a skorch net or a Pipeline "
                f"that ends in one. Got {type(net).__name__}: use InfluenceFunctions, "
                "the limit of a long run."
            )
        from skinfluence.nets._recorded_net import fit_recorded_net

        seeded = nullcontext()
        if self.random_state is not None:
            seeded = seeded_training(net, seed, 0)
        with seeded:
            model, self._trajectory = fit_recorded_net(
                self.estimator,
                X,
                y,
                fit_params,
                max_bytes=self.trajectory_memory * 2**20,
                folder=self.memory,
            )
        return model

    def _fit_influence(self, X, y, fit_params):
        from skinfluence.nets._recorded_net import replay_of

        self._replay, self.replay_drift_ = replay_of(
            self.estimator_, self._trajectory, X, y
        )
        self.n_steps_ = self._replay.n_steps
        self.fixed_steps_ = preprocessing_steps(self.estimator_)
        self._sensitivity = None
        self._replay.functions.measure(self._loss.name)  # raises without gradient

    # ------------------------------------------------------------------ readings

    def _influence(self, X, y, loss):
        if self._forward_is_shorter(n_rows(X)):
            derivative = self._derivative()
            gradients = self._gradients(X, y, loss)
            return _array(-gradients @ derivative.T)
        read = self._read_factored if self._takes_factors() else self._read
        return np.concatenate(
            [
                read(take_rows(X, rows), y[rows], loss)
                for rows in self._gradient_blocks(n_rows(X))
            ]
        )

    def _read(self, X, y, loss):
        return _array(self._pull(self._gradients(X, y, loss)))

    def _read_factored(self, X, y, loss):
        from skinfluence.nets._adjoint import fast_factored

        functions = self._replay.functions
        X, y, measure = self._tensors(X, y, loss)
        factors = functions.factors(functions.parameters, X, y, measure)
        return _array(fast_factored(self._replay, factors))

    def _sample_values(self, X, y, loss, weight):
        functions, mean = self._replay.functions, 0.0
        for start in range(0, len(y), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(y)))
            X_block, y_block, measure = self._tensors(take_rows(X, rows), y[rows], loss)
            mean = mean + functions.weighted_gradient(
                functions.parameters, X_block, y_block, weight[rows], measure
            )
        return _array(self._pull(mean[None]))[0]

    def _self_influence(self, X, y, loss):
        from skinfluence.nets._adjoint import sensitivity

        values = np.empty(self.n_samples_fit_)
        for rows in self._gradient_blocks(self.n_samples_fit_):
            gradients = self._gradients(take_rows(X, rows), y[rows], loss)
            if self.approximation == "fast":
                values[rows] = _array(self._pull(gradients))[np.arange(len(rows)), rows]
            else:
                derivative = sensitivity(self._replay, rows)
                values[rows] = _array(-(gradients * derivative).sum(dim=1))
        return values

    def replayed_influence(self, X, y=None, *, groups):
        """Influence of rows that are actually left out, by replaying the run.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values; None as in `influence`.
        groups : sequence of int or of sequences of int, or ndarray of bool
            Training rows to leave out: one at a time, or together in a sequence; or
            masks of shape (n_groups, n_samples_fit_), as for `group_influence`.

        Returns
        -------
        influence : ndarray of shape (n_samples, n_groups)
            Loss without the rows minus loss with them, order, seed and divisors of
            the run held: about a fifth of a training per group.
        """
        X, y, loss = self._check_test(X, y)
        n = self.n_samples_fit_
        if isinstance(groups, np.ndarray) and groups.dtype == bool:
            groups = [np.flatnonzero(mask) for mask in self._group_masks(groups)]
        groups = list(groups)
        rows = np.concatenate([np.atleast_1d(group) for group in groups])
        if rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n:
            raise ValueError(
                "The 'groups' parameter must hold positions of training rows, from 0 "
                f"to {n - 1}. Got {rows[:10].tolist()}."
            )
        with self._threads():
            return self._left_out(X, y, loss, groups)

    def _left_out(self, X, y, loss, groups):
        import torch

        replay = self._replay
        functions = replay.functions
        X, y, measure = self._tensors(X, y, loss)

        def losses(theta):
            return functions.losses(theta, X, y, measure)

        with torch.no_grad():
            before = losses(replay.run())
            ends = replay.leave_out(groups)
            if replay.batches:
                after = torch.func.vmap(losses)(ends)
            else:
                after = torch.stack([losses(end) for end in ends])
        return _array(after - before).T

    def spot_check(self, n_rows=10, X=None, y=None):
        """Leave a few rows out by replay, and compare with the influences.

        Parameters
        ----------
        n_rows : int, default=10
            How many training rows to leave out, drawn at random.
        X : array-like of shape (n_samples, n_features), default=None
            Test rows; up to 100 training rows drawn at random without.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values.

        Returns
        -------
        check : Bunch
            ``spearman`` (mean over test rows of the rank correlation between
            predicted and actual influences), ``pearson`` (of all of them), ``rows``,
            and ``predicted`` and ``actual`` of shape (n_samples, n_rows).
        """
        check_is_fitted(self)
        n = self.n_samples_fit_
        if not isinstance(n_rows, Integral) or not 3 <= n_rows <= n:
            raise ValueError(
                "The 'n_rows' parameter must be an integer between 3 and "
                f"n_samples_fit_={n}. Got {n_rows!r}."
            )
        rng = check_random_state(self._seed % 2**32)
        rows = rng.choice(n, n_rows, replace=False)
        if X is None:
            some = rng.choice(n, min(n, 100), replace=False)
            X, y, loss = take_rows(self._fit_X, some), self._fit_y[some], self._loss
        else:
            X, y, loss = self._check_test(X, y)
        with self._threads():
            actual = self._left_out(X, y, loss, list(rows))
            predicted = self._influence(X, y, loss)[:, rows]
        ranks = [
            spearmanr(p, a).statistic
            for p, a in zip(predicted, actual, strict=True)
            if np.ptp(p) > 0 and np.ptp(a) > 0
        ]
        return Bunch(
            spearman=float(np.mean(ranks)),
            pearson=float(np.corrcoef(predicted.ravel(), actual.ravel())[0, 1]),
            rows=rows,
            predicted=predicted,
            actual=actual,
        )

    # ------------------------------------------------------------------- helpers

    def _pull(self, gradients):
        from skinfluence.nets._adjoint import fast, reverse

        engine = reverse if self.approximation == "exact" else fast
        return engine(self._replay, gradients)

    def _takes_factors(self):
        from skinfluence.nets._adjoint import takes_factors

        return self.approximation == "fast" and takes_factors(self._replay)

    def _forward_is_shorter(self, n_test):
        if self.approximation == "fast":
            return False
        return self._sensitivity is not None or n_test > self.n_samples_fit_

    def _derivative(self):
        """Derivatives of the final parameters by all rows, kept once computed."""
        import torch

        from skinfluence.nets._adjoint import sensitivity

        if self._sensitivity is None:
            n = self.n_samples_fit_
            theta = self._replay.functions.parameters
            check_memory(
                n * theta.nbytes,
                f"The derivative of {len(theta)} parameters by {n} rows",
                "Ask for fewer test rows than training rows at a time.",
            )
            self._sensitivity = torch.cat(
                [sensitivity(self._replay, rows) for rows in self._gradient_blocks(n)]
            )
        return self._sensitivity

    def _gradient_blocks(self, n):
        """Cut rows so that their cotangents fit working_memory."""
        theta = self._replay.functions.parameters
        copies = 4 + len(self._trajectory.rule.slots)
        budget = sklearn.get_config()["working_memory"] * 2**20
        size = int(budget // (copies * theta.nbytes))
        size = max(1, min(BLOCK, size))
        for start in range(0, n, size):
            yield np.arange(start, min(start + size, n))

    def _tensors(self, X, y, loss):
        from skinfluence.nets._recorded_net import test_tensors
        from skinfluence.nets._row_losses import take

        if isinstance(loss, MinusPrediction):
            y = None
        X, y = test_tensors(self.estimator_, self._replay, X, y)
        device = self._replay.functions.device
        measure = self._replay.functions.measure(loss.name)
        return take(X, slice(None), device), take(y, slice(None), device), measure

    def _gradients(self, X, y, loss):
        functions = self._replay.functions
        X, y, measure = self._tensors(X, y, loss)
        return functions.row_gradients(functions.parameters, X, y, measure)


def _array(tensor):
    return tensor.detach().cpu().numpy().astype(np.float64)
