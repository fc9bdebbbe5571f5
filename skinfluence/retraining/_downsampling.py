"""Influence by downsampling: models of random subsets with and without each row."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from skinfluence._counts import counted
from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._memory import check_memory
from skinfluence._sklearn import Interval, StrOptions, n_rows, take_rows
from skinfluence.removal import UnsupportedEstimator
from skinfluence.retraining._balanced_subsets import BalancedSubsets
from skinfluence.retraining._control_variate import PartialWeightInfluence
from skinfluence.retraining._mean_difference import (
    Pool,
    mean_difference,
    standard_error,
)
from skinfluence.retraining._sampled_influence import SampledInfluence
from skinfluence.retraining.engine import (
    Evaluations,
    announce_training,
    check_models,
    describe_retraining,
    losses_of,
)


class DownsamplingInfluence(SampledInfluence):
    r"""Mean loss of models trained without a row minus that of models with it.

    .. math:: I(i, t) = \mathrm{E}[\ell_t(\hat\theta_S) \mid i \notin S]
        - \mathrm{E}[\ell_t(\hat\theta_S) \mid i \in S]

    over random subsets S of ``subset_fraction`` of the training rows. Positive: the
    row made the prediction better. Unit: the loss of one test row. This is the
    expected effect of the row on models of that size, over the other rows and over
    the randomness of training; leave-one-out is its effect on one model of all rows.
    `self_influence` is the memorization score of Feldman & Zhang.

    The expectation is estimated from ``n_retrainings`` models; one set of them answers
    for all rows. ``return_std=True`` gives the Monte-Carlo standard error of every
    entry. For models whose objective is known (linear, generalised linear; behind
    preprocessing as well) the first-order influence at the model with every row at
    weight ``subset_fraction`` serves as control variate: the estimate stays unbiased
    and needs a small part of the retrainings.

    **Cost.** ``n_retrainings`` fits on part of the rows; O(n_retrainings) per entry.
    All models are kept; with ``X_val`` and ``y_val`` in `fit` only their losses on
    these rows are kept, and no other test rows can be queried.

    **When it fails.** The plain estimate's error falls with the square root of
    ``n_retrainings`` and does not depend on how small the influence is: compare
    values with their standard errors. Influence in models of half of the rows is
    larger than in models of all rows. Duplicates of a row share its effect.

    Parameters
    ----------
    estimator : estimator
        Classifier or regressor, or a Pipeline ending in one.
    loss : str or callable, default="auto"
        Evaluation loss, as for `LeaveOneOutInfluence`.
    n_retrainings : int, default=200
        Number of subsets, drawn in balanced blocks: no row is always in or always out.
    subset_fraction : float, default=0.5
        Share of the rows in each subset, between 0 and 1; 0.7 in the authors' code.
    stratify : bool, default=False
        Whether each subset holds that share of every class.
    control_variate : {"auto"} or bool, default="auto"
        Whether to use the control variate; "auto" uses it where the model's objective
        is known. False is the plain difference of means.
    n_jobs : int, default=None
        Workers for retraining; None obeys ``joblib.parallel_config``.
    memory : str, path or joblib.Memory, default=None
        Keeps finished retrainings on disk, so that a killed run resumes and a larger
        ``n_retrainings`` begins with the smaller one; without ``random_state`` seeds
        are then the same in every run. The entries are pickles: name no folder that
        others can write to.
    error_score : "raise" or float, default="raise"
        Result of a retraining that fails: its error, or this loss on every row; nan
        leaves it out.
    random_state : int, RandomState or None, default=None
        Draws the subsets and seeds estimators whose own ``random_state`` is None.
    verbose : int, default=0
        Above 0, the progress of retraining is printed, with the time left.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows.
    n_samples_fit_ : int
        Number of training rows.
    masks_ : ndarray of bool, shape (n_retrainings, n_samples_fit_)
        Which rows each model was trained on.
    estimators_ : list of estimators
        The models; absent if ``X_val`` was passed.
    control_variate_ : bool
        Whether a control variate is used.

    See Also
    --------
    LeaveOneOutInfluence : The effect on the model of all rows.
    datamodels : Linear models of the loss, from the same retrainings.

    References
    ----------
    .. [1] V. Feldman, C. Zhang, "What Neural Networks Memorize and Why: Discovering
       the Long Tail via Influence Estimation", NeurIPS 2020.
    .. [2] J. T. Wang, R. Jia, "Data Banzhaf: A Robust Data Valuation Framework for
       Machine Learning", AISTATS 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skinfluence import DownsamplingInfluence
    >>> X, y = load_iris(return_X_y=True)
    >>> y[60] = 0  # it was 1
    >>> downsampling = DownsamplingInfluence(
    ...     DecisionTreeClassifier(), loss="zero_one", random_state=0
    ... ).fit(X, y)
    >>> int(downsampling.self_influence().argmax())  # its label can only be memorized
    60
    """

    _discards_models = True
    _parameter_constraints: dict = {
        **SampledInfluence._parameter_constraints,
        "n_retrainings": [Interval(Integral, 2, None, closed="left")],
        "subset_fraction": [Interval(Real, 0, 1, closed="neither")],
        "stratify": ["boolean"],
        "control_variate": ["boolean", StrOptions({"auto"})],
    }

    def __init__(
        self,
        estimator,
        *,
        loss="auto",
        n_retrainings=200,
        subset_fraction=0.5,
        stratify=False,
        control_variate="auto",
        n_jobs=None,
        memory=None,
        error_score="raise",
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.loss = loss
        self.n_retrainings = n_retrainings
        self.subset_fraction = subset_fraction
        self.stratify = stratify
        self.control_variate = control_variate
        self.n_jobs = n_jobs
        self.memory = memory
        self.error_score = error_score
        self.random_state = random_state
        self.verbose = verbose

    def out_of_sample_loss(self):
        """Mean loss of every training row in models trained without it.

        Returns
        -------
        losses : ndarray of shape (n_samples_fit_,)
            High = models of the other rows predict this row badly: its label is
            wrong, or the row is rare. Unlike `self_influence` this does not compare
            with models that were trained on the row.
        """
        check_is_fitted(self)
        pool = self._own_pool()
        return np.where(pool.masks, 0.0, pool.losses).sum(axis=0) / (~pool.masks).sum(
            axis=0
        )

    def subset_losses(self, X=None, y=None):
        """Evaluate test rows under the models trained on subsets.

        These losses are the ground truth of the linear datamodeling score, and the
        data that `datamodels` are fitted to.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Test rows. None: those given to `fit` as ``X_val``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values.

        Returns
        -------
        result : Bunch
            ``masks``, shape (n_retrainings, n_samples_fit_): True for the rows a
            model was trained on; ``losses``, shape (n_retrainings, n_samples).
        """
        pool = self._pool(*self._check_test(X, y))
        return ShownBunch(masks=pool.masks, losses=pool.losses)

    _estimand = "mean loss of models without the row minus that of models with it"

    def _path(self):
        control = ", with a control variate" if self.control_variate_ else ""
        return (
            f"{self.n_retrainings} retrainings, each on {self.subset_fraction:.0%} of "
            f"the rows{control}"
        )

    def _fit_influence(self, X, y, fit_params):
        subsets = self._subsets()
        check_memory(
            self.n_retrainings * self.n_samples_fit_,
            f"Masks of {self.n_retrainings} subsets of {self.n_samples_fit_} rows",
            "Use fewer retrainings.",
        )
        self.masks_ = subsets.masks(self.n_retrainings)
        self._strata = subsets.strata
        self._subset_blocks = subsets.blocks(self.n_retrainings)
        self._partial_weight = self._control_variate(X, y, fit_params)
        self.control_variate_ = self._partial_weight is not None
        announce_training(
            self.n_retrainings,
            self._fit_seconds,
            f"Each is trained on a share {self.subset_fraction} of the rows; a smaller "
            "n_retrainings takes less, and estimates less exactly.",
            n_jobs=self.n_jobs,
            again=lambda: self._time_fit(X, y, fit_params),
            stacklevel=6,
        )
        coalitions = self._coalitions(X, y, fit_params)
        rows = [np.flatnonzero(mask) for mask in self.masks_]
        numbers = range(1, len(rows) + 1)  # 0 is the model of all rows
        self.__dict__.pop("estimators_", None)
        if self._validation is None:
            check_models(
                self.estimator_,
                len(rows),
                "Pass X_val and y_val to fit, so that models are evaluated at once and "
                "discarded, or use a smaller n_retrainings.",
            )
            self.estimators_ = coalitions.models(rows, numbers)
            return
        X_val, y_val = self._validation
        self._val_y = self._encode(y_val)
        n_val = n_rows(X_val)
        self._check_losses(n_val + self.n_samples_fit_)
        losses = coalitions.losses(
            rows,
            numbers,
            Evaluations(
                self._evaluation(X_val, self._val_y, self._loss),
                self._evaluation(X, self._fit_y, self._loss),
            ),
        )
        self._val_losses, self._own_losses = losses[:, :n_val], losses[:, n_val:]

    def _subsets(self):
        """Return the sampler of subsets, after checks of its parameters."""
        n = self.n_samples_fit_
        strata = np.zeros(n, dtype=int)
        if self.stratify:
            if not is_classifier(self.estimator_):
                raise ValueError(
                    "The 'stratify' parameter applies to classifiers only. Got "
                    f"stratify=True for the regressor {self.estimator!r:.60}: set it "
                    "to False."
                )
            strata = self._fit_y
        subsets = BalancedSubsets(strata, self.subset_fraction, self._seed)
        subsets.check(self.n_retrainings, self.classes_ if self.stratify else None)
        return subsets

    def _control_variate(self, X, y, fit_params):
        if self.control_variate is False:
            return None
        if self.control_variate is True:
            self._loss.need_slope()
        elif not self._loss.has_slope:
            return None
        try:
            return PartialWeightInfluence(
                self.estimator, X, y, fit_params, self.subset_fraction, self._seed
            )
        except UnsupportedEstimator:
            if self.control_variate is True:
                raise
            return None

    def _check_losses(self, n):
        check_memory(
            8 * self.n_retrainings * n,
            f"The losses of {self.n_retrainings} models on {counted(n, 'row')}",
            "Use fewer retrainings or fewer test rows.",
        )

    def _model_losses(self, X, y, loss):
        self._check_losses(n_rows(X))
        return losses_of(
            self.estimators_,
            self._evaluation(X, y, loss),
            self._describe,
            self.error_score,
            self.n_jobs,
        )

    def _describe(self, i):
        """Describe the rows that model i was trained on."""
        rows = np.flatnonzero(self.masks_[i])
        return describe_retraining(
            self.estimators_[i], rows, self.n_samples_fit_, self._seed, i + 1
        )

    def _pool(self, X, y, loss):
        """Return the losses of test rows; X holds positions where X_val was given."""
        if self._validation is None:
            losses = self._model_losses(X, y, loss)
        else:
            losses = self._val_losses[:, X]
        return self._pool_of(losses)

    def _own_pool(self):
        """Return the losses of the training rows."""
        if self._validation is not None:
            return self._pool_of(self._own_losses)
        return self._pool_of(self._model_losses(self._fit_X, self._fit_y, self._loss))

    def _pool_of(self, losses):
        pool = Pool(self.masks_, losses, self._subset_blocks, self._strata).finite()
        n_in, n_left = pool.masks.sum(axis=0), len(pool.masks)
        stuck = np.flatnonzero((n_in == 0) | (n_in == n_left))
        if len(stuck):
            raise ValueError(
                f"Only {n_left} of {self.n_retrainings} retrainings succeeded. "
                f"Their subsets have {counted(len(stuck), 'training row')}, for "
                f"instance row {stuck[0]}, always or never. Set error_score='raise' to "
                "see why fits fail, or raise n_retrainings."
            )
        return pool

    def _guess(self, X, y, loss):
        """Return the control variate of test rows, or None."""
        if self._partial_weight is None:
            return None
        return self._partial_weight(self._test_rows(X), y, loss)

    def _test_rows(self, X):
        return X if self._validation is None else take_rows(self._validation[0], X)

    def _influence(self, X, y, loss):
        return mean_difference(self._pool(X, y, loss), self._guess(X, y, loss))

    def _influence_and_error(self, X, y, loss):
        pool, guess = self._pool(X, y, loss), self._guess(X, y, loss)
        return mean_difference(pool, guess), standard_error(pool, guess)

    def _of_mean(self, X, y, loss, weight):
        """Return pool and control variate of the weighted mean of test rows."""
        pool, guess = self._pool(X, y, loss), None
        pool = replace(pool, losses=(pool.losses @ weight)[:, None])
        if self._partial_weight is not None:
            guess = self._partial_weight.mean(self._test_rows(X), y, loss, weight)[None]
        return pool, guess

    def _sample_values(self, X, y, loss, weight):
        return mean_difference(*self._of_mean(X, y, loss, weight))[0]

    def _sample_values_and_error(self, X, y, loss, weight):
        mean = self._of_mean(X, y, loss, weight)
        return mean_difference(*mean)[0], standard_error(*mean)[0]

    def _self_influence(self, X, y, loss):
        return self._own(mean_difference)

    def _self_influence_and_error(self, X, y, loss):
        return self._own(mean_difference), self._own(standard_error)

    def _own(self, estimate):
        """Return the diagonal of an estimate for the training rows, shape (n,)."""
        pool, out = self._own_pool(), np.empty(self.n_samples_fit_)
        for rows in self._blocks(self.n_samples_fit_):
            guess = None
            if self._partial_weight is not None:
                guess = self._partial_weight(
                    take_rows(self._fit_X, rows), self._fit_y[rows], self._loss
                )
            block = estimate(pool.columns(rows), guess)
            out[rows] = block[np.arange(len(rows)), rows]
        return out
