"""HyDRA: derivative of a net's whole training run with respect to row weights."""

import os
import warnings
from numbers import Integral, Real

import numpy as np
from scipy.stats import spearmanr
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skinfluence._base import BaseInfluence
from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._losses import refuse_without_slope
from skinfluence._other_methods import OTHER_METHODS
from skinfluence._sklearn import (
    Interval,
    StrOptions,
    final_estimator,
    preprocessing_steps,
    take_rows,
)
from skinfluence._skorch import is_net
from skinfluence.removal import refuse_samplers

# Smallest agreement of half and whole removals without a warning, and the number of
# training and test rows from which its cost is small beside that of the derivative.
_SMOOTH, _MANY = 0.75, 200


class HyDRA(BaseInfluence):
    r"""Derivative of a net's whole training run with respect to its row weights.

    The run is recorded: with the order of rows, the random state and the optimiser
    fixed, the final parameters :math:`\theta_T` are a function of the rows' weights,
    where step k minimises :math:`\sum_{i \in B_k} w_i \ell_i / |B_k|`. Then

    .. math:: I(i, t) = -\left.
        \frac{d \ell_t(\theta_T)}{d w_i} \right|_{w = 1}

    to first order the loss of test row t without row i minus the loss with it.
    Positive: the row made the prediction better. Unit: the loss of one test row, for
    the removal of one whole row from every batch of *this* run, with the same divisors
    and order. The training loss is ``net.get_loss`` in training mode; the test loss is
    computed in evaluation mode.

    ``approximation="exact"`` differentiates the run in backward mode with products of
    each step's Hessian, or in forward mode if there are fewer training rows than test
    rows. ``"fast"`` drops the Hessian.

    **Cost.** "exact": about a fifth of a training per test row, in blocks;
    `sample_values` two to three trainings in all. `fit` trains once and replays once.
    Modules that torch.func cannot batch are computed row by row, with a warning.
    Memory: the recorded run has ``n_steps * n_parameters * (1 + optimiser slots)``
    numbers; if ``trajectory_memory`` allows less, a part of the states is recomputed.
    In addition, each test row of a block needs a few vectors of parameters.

    **When it fails.** The derivative predicts the effect of removing a row only if the
    run depends smoothly on the row, as with tanh and GELU at moderate learning rates,
    but not with ReLU at high ones. `metasmoothness` tells beforehand, from replays
    alone; "exact" computes it at the first call of `influence` with at least 200
    training and 200 test rows, where it adds about an eighth to the time, and warns
    below 0.75. `spot_check` compares with runs that leave some rows out. "fast" is
    closer to `TracIn` than to the effect of a removal. Runs with other seeds differ by
    more than the effect of a row.

    Not supported, with an error that gives the reason: batch normalisation, optimisers
    other than SGD, Adam, AdamW and RMSprop, callbacks that restore an earlier state.

    Parameters
    ----------
    estimator : estimator
        A skorch NeuralNetClassifier, NeuralNetBinaryClassifier or NeuralNetRegressor,
        or a Pipeline that ends in one, whose fitted steps are held fixed.
    approximation : {"exact", "fast"}, default="exact"
        Whether to keep the Hessian terms.
    loss : str, default="auto"
        Evaluation loss, one that has a gradient: "log_loss" or "brier" for
        classifiers, "squared_error" or "absolute_error" for regressors.
    trajectory_memory : float, default=1024
        Largest size in MiB of the recorded run in memory, including the states that
        are recomputed at a time. Checked before the first step.
    memory : str or path-like, default=None
        Folder that keeps the whole recorded run, from which numbers are read
        and no pickled code. None: in memory.
    random_state : int, RandomState or None, default=None
        Seed of the training. None: a net draws from torch's global generator.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows, with the same result as without recording. The net is
        wrapped, so that it predicts the user's labels; its attribute ``net_`` is the
        net itself.
    n_samples_fit_ : int
        Number of training rows.
    n_steps_ : int
        Number of optimiser steps of the run.
    replay_drift_ : float
        Distance of the replay from the recorded run, divided by the distance that the
        parameters moved. A warning names the cause if it exceeds rounding error.
    fixed_steps_ : list of str
        Names of the Pipeline's fitted steps.

    See Also
    --------
    LeaveOneOutInfluence : Retrains without each row.

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
        refuse_without_slope(self.loss)
        net = final_estimator(self.estimator)
        if not is_net(net):
            raise TypeError(
                "The 'estimator' parameter of HyDRA must be a skorch net or a Pipeline "
                f"that ends in one. Got {type(net).__name__}: use InfluenceFunctions, "
                f"which is the limit of a long run. {OTHER_METHODS}"
            )
        from skinfluence.nets.run._step_run import StepRun

        max_bytes = self.trajectory_memory * 2**20
        self._run = StepRun(self.estimator, self.memory, max_bytes)
        return self._run.fit(
            X, y, fit_params, seed=seed, random_state=self.random_state
        )

    _estimand = "to first order, loss without the row minus loss with it in this run"

    def _path(self):
        return f"derivative of {self.n_steps_} training steps ({self.approximation})"

    def _fit_influence(self, X, y, fit_params):
        from skinfluence.nets.run._derivative import RunDerivative

        self._loss.need_slope()
        self.replay_drift_ = self._run.drift
        self.n_steps_ = self._run.replay.n_steps
        self.fixed_steps_ = preprocessing_steps(self.estimator_)
        self._derivative = RunDerivative(self._run, self.approximation == "exact")
        self._is_checked = self.approximation == "fast"

    def _influence(self, X, y, loss):
        if not self._is_checked and min(len(y), self.n_samples_fit_) >= _MANY:
            self._is_checked = True
            some = np.arange(100)
            self._warn_if_rough(take_rows(X, some), y[some], loss)
        return self._derivative.influence((X, y), loss)

    def _warn_if_rough(self, X, y, loss):
        rng = check_random_state(self._seed % 2**32)
        rows = rng.choice(self.n_samples_fit_, 10, replace=False)
        found = self._metasmoothness(rows, X, y, loss).losses
        if found < _SMOOTH:
            warnings.warn(
                "The run is not smooth in the weights of its rows: the removal of half "
                "of a row and of all of it agree on test rows with a rank correlation "
                f"of {found:.2f} only (1: linear), so that the derivative tells little "
                "about the removal of a row. Lower the learning rate, take tanh or "
                "GELU for ReLU, or use replayed_influence.",
                UserWarning,
                stacklevel=4,
            )

    def _sample_values(self, X, y, loss, weight):
        return self._derivative.values((X, y), loss, weight)

    def _self_influence(self, X, y, loss):
        return self._derivative.self_influence((X, y), loss)

    def replayed_influence(self, X, y=None, *, groups):
        """Influence of rows that are actually left out, by replaying the run.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values; None as in `influence`.
        groups : array-like of shape (n_samples_fit_,) or (n_groups, n_samples_fit_)
            Rows to leave out together, as for `group_influence`: one label per
            training row, or boolean masks. ``np.eye(n_samples_fit_, dtype=bool)[rows]``
            leaves rows out one at a time.

        Returns
        -------
        influence : ndarray of shape (n_samples, n_groups)
            Loss without the rows minus loss with them, with the order, seed and
            divisors of the recorded run. Takes about a fifth of a training per group.
        """
        X, y, loss = self._check_test(X, y)
        masks = self._group_masks(groups)
        with self._threads():
            return self._derivative.left_out(
                (X, y), loss, [np.flatnonzero(mask) for mask in masks]
            )

    def metasmoothness(self, n_rows=10, X=None, y=None):
        r"""Tell from replays alone whether the run is smooth in the rows' weights.

        A few rows are removed from the run one at a time, first half of their weight,
        then all of it. No derivative is computed. The cost is ``2 * n_rows + 1``
        replays, many at once.

        Parameters
        ----------
        n_rows : int, default=10
            Number of training rows, drawn at random.
        X : array-like of shape (n_samples, n_features), default=None
            Test rows. None: up to 100 training rows, drawn at random.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values.

        Returns
        -------
        smoothness : Bunch
            Two numbers that are 1 if the run is linear in the weights. ``losses``: mean
            over test rows of the rank correlation, over the rows removed, between the
            changes of the loss by half of a removal and by all of it. It is close to
            the rank correlation between influences and actual removals.
            ``parameters``: the empirical metasmoothness of [1]_, with half the weight
            of a row as step: the share of the parameters, weighted by their moves,
            that move in the same direction in both halves, minus the share that turn
            back; the mean over rows. ``rows``: the training rows.

        References
        ----------
        .. [1] L. Engstrom, A. Ilyas, B. Chen, A. Feldmann, W. Moses, A. Madry,
           "Optimizing ML Training with Metagradient Descent", 2025.
        """
        rows, X, y, loss = self._rows_to_check(n_rows, X, y)
        with self._threads():
            return self._metasmoothness(rows, X, y, loss)

    def _metasmoothness(self, rows, X, y, loss):
        from skinfluence.nets.run._smoothness import removal_halves

        half, whole, signs = removal_halves(self._run, rows, (X, y), loss)
        return ShownBunch(
            losses=_rank_correlation(half, whole),
            parameters=float(np.mean(signs)),
            rows=rows,
        )

    def spot_check(self, n_rows=10, X=None, y=None):
        """Leave a few rows out by replay, and compare with the influences.

        Parameters
        ----------
        n_rows : int, default=10
            Number of training rows to leave out, drawn at random.
        X : array-like of shape (n_samples, n_features), default=None
            Test rows. None: up to 100 training rows, drawn at random.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values.

        Returns
        -------
        check : Bunch
            ``spearman`` (mean over test rows of the rank correlation between
            predicted and actual influences), ``pearson`` (of all of them), ``rows``,
            and ``predicted`` and ``actual`` of shape (n_samples, n_rows).
        """
        rows, X, y, loss = self._rows_to_check(n_rows, X, y)
        with self._threads():
            actual = self._derivative.left_out((X, y), loss, list(rows))
            predicted = self._derivative.influence_of(rows, (X, y), loss)
        return ShownBunch(
            spearman=_rank_correlation(predicted, actual),
            pearson=float(np.corrcoef(predicted.ravel(), actual.ravel())[0, 1]),
            rows=rows,
            predicted=predicted,
            actual=actual,
        )

    def _rows_to_check(self, n_rows, X, y):
        """Return training rows, drawn at random, and validated test rows."""
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
        return rows, X, y, loss


def _rank_correlation(estimate, truth):
    """Mean over test rows of the rank correlation over training rows."""
    ranks = [
        spearmanr(e, t).statistic
        for e, t in zip(estimate, truth, strict=True)
        if np.ptp(e) > 0 and np.ptp(t) > 0
    ]
    return float(np.mean(ranks)) if ranks else np.nan
