"""Influence in tree ensembles: fixed structures, averaged over retrained ones."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length

from skinfluence._base import BaseInfluence
from skinfluence._losses import Brier, refuse_without_slope
from skinfluence._sklearn import (
    Interval,
    final_estimator,
    final_sample_weight,
    n_rows,
    preprocess,
    take_rows,
)
from skinfluence.removal import refuse_samplers
from skinfluence.retraining._balanced_subsets import BalancedSubsets
from skinfluence.retraining._sampled_influence import SampledInfluence
from skinfluence.retraining._structures import Structure, Structures
from skinfluence.retraining.engine import (
    RETRAINING_CONSTRAINTS,
    describe_retraining,
    losses_of,
)
from skinfluence.trees import (
    AdjointRemovals,
    AveragedRemovals,
    averaged_trees,
    tree_structure,
)
from skinfluence.trees._averaged_trees import KINDS
from skinfluence.trees._replay import replay


class TreeInfluence(SampledInfluence):
    r"""Influence of rows on boosted trees and forests, with the splits held.

    .. math:: I(i, t) = \frac{1}{|R_i|} \sum_{r \in R_i}
        \frac{\partial \ell_t}{\partial F_r(x_t)}\, \Delta_i F_r(x_t)

    :math:`R_i` are the models, each trained on a random share of the rows, that hold
    row i, and :math:`\Delta_i F_r` is the change of the raw prediction when the leaf
    values of model r are computed again without row i, through all iterations, its
    splits held. Positive: the row made the prediction better. Unit: the loss of one
    test row.

    Retraining a booster without one row moves some split, and later trees amplify the
    change: the difference of the two models is 8 to 62 times as large as the effect of
    the row at the splits of either model, and mostly noise. The mean over structures
    averages this noise out and estimates the expected effect of the row.

    Forests need no retraining: each of their trees is a structure of its own. The
    change of a prediction is exact for the rows that a tree drew (leaf means without
    the row); for a row that it did not draw, the change of the leaf when the row is
    added is used.

    **Cost.** ``n_structures`` fits, then O(n T) per test row and structure, T trees;
    ``sample_values`` one pass of O(n T) per structure. Memory O(n T) per structure.

    **When it fails.** The ranking of rows is estimated better than their magnitudes,
    which are those at fixed structures: the effect on retrained models is 1 to 3 times
    as large. For a few hundred rows `DownsamplingInfluence` predicts retraining as well
    or better.
    Boosters that draw rows for each tree (``subsample``), stop early on rows held out
    or penalise leaves by their absolute value cannot be read and are refused.

    Parameters
    ----------
    estimator : estimator
        A GradientBoosting or HistGradientBoosting model or a forest or tree of
        scikit-learn, a classifier or regressor of LightGBM, XGBoost or CatBoost, or a
        Pipeline that ends in one.
    loss : str, default="auto"
        Evaluation loss. For boosters it needs a derivative: "auto", "log_loss",
        "brier", "squared_error" or "absolute_error". "auto" of a forest that
        classifies is "brier", for its shares of zero have an infinite log loss.
    n_structures : int, default=20
        Number of models that are trained on random shares of the rows. 1 uses only the
        model of all rows. Ignored for forests.
    subset_fraction : float, default=0.7
        The share of the rows, of each class for classifiers.
    n_jobs : int, default=None
        Workers for retraining; None obeys ``joblib.parallel_config``.
    memory : str, path or joblib.Memory, default=None
        Keeps finished retrainings on disk, so that a killed run resumes; without
        ``random_state`` seeds are then the same in every run. The entries are
        pickles: name no folder that others can write to.
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
    n_structures_ : int
        Number of structures that are averaged.
    reproduction_error_ : float
        Largest difference, over the structures, between raw predictions replayed from
        leaves and targets and those of the fitted model, as a share of their range.
    oob_values_ : ndarray of shape (n_samples_fit_,)
        Minus the loss of each row under the models not trained on it. Low = models of
        the other rows predict this row badly: its target is wrong, or the row is rare.
        NaN where all models were trained on the row.

    See Also
    --------
    LeaveOneOutInfluence : With ``solver="exact"`` the removal of single rows from the
        model of all rows, splits held.
    OutOfBagInfluence : Members of a forest without the row against those with it.

    References
    ----------
    .. [1] B. Sharchilev et al., "Finding Influential Training Samples for Gradient
       Boosted Decision Trees", ICML 2018.
    .. [2] J. Brophy, Z. Hammoudeh, D. Lowd, "Adapting and Evaluating
       Influence-Estimation Methods for Gradient-Boosted Decision Trees", JMLR 24, 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from skinfluence import TreeInfluence
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> y[:10] = 1  # they were 0
    >>> booster = HistGradientBoostingClassifier(max_iter=20)
    >>> trees = TreeInfluence(booster, n_structures=8, random_state=0).fit(X, y)
    >>> trees.influence(X[:3], y[:3]).shape
    (3, 569)
    >>> found = (trees.oob_values_.argsort()[:20] < 10).sum()  # of ten wrong labels
    >>> bool(found >= 5)
    True
    """

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        "n_structures": [Interval(Integral, 1, None, closed="left")],
        "subset_fraction": [Interval(Real, 0, 1, closed="neither")],
        **{name: RETRAINING_CONSTRAINTS[name] for name in ("n_jobs", "memory")},
        **{name: RETRAINING_CONSTRAINTS[name] for name in ("random_state", "verbose")},
    }

    def __init__(
        self,
        estimator,
        *,
        loss="auto",
        n_structures=20,
        subset_fraction=0.7,
        n_jobs=None,
        memory=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.loss = loss
        self.n_structures = n_structures
        self.subset_fraction = subset_fraction
        self.n_jobs = n_jobs
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    _negative_weights = False

    def _fit_clone(self, X, y, fit_params, seed):
        refuse_samplers(self.estimator)
        if not isinstance(final_estimator(self.estimator), KINDS):
            refuse_without_slope(self.loss)
        check_consistent_length(X, y)  # XGBoost's own error is not a ValueError
        return super()._fit_clone(X, y, fit_params, seed)

    _estimand = "mean loss without the row minus loss with it, splits held"

    def _path(self):
        return f"leaf values without each row in {self.n_structures_} structures"

    def _fit_influence(self, X, y, fit_params):
        weight, others = final_sample_weight(self.estimator_, fit_params)
        if others:
            raise ValueError(
                f"TreeInfluence does not know how the fit parameters {others} change "
                "leaf values. Leave them out."
            )
        final = final_estimator(self.estimator_)
        if is_classifier(final) and len(self.classes_) < 2:
            raise ValueError(
                "y must hold two classes or more: rows do not change the predictions "
                f"of one class. Got one class, {self.classes_[0]!r}."
            )
        if isinstance(final, KINDS):
            if self.loss == "auto" and is_classifier(final):
                self._loss = Brier()
            trees = averaged_trees(final, preprocess(self.estimator_, X), y, weight)
            removals = AveragedRemovals(trees, trees.changes_without_rows(True))
            everyone = np.arange(self.n_samples_fit_)
            whole = Structure(self.estimator_, everyone, removals)
            self._structures = Structures([whole], self.n_samples_fit_)
            self.n_structures_ = len(trees.members)
            self.reproduction_error_ = trees.reproduction_error
            self.oob_values_ = -trees.out_of_bag_losses(self._fit_y, self._loss)
            return
        self._loss.need_slope()
        # Read first: a booster that cannot be read must not cost further fits.
        whole = self._read(
            self.estimator_, np.arange(self.n_samples_fit_), X, y, weight
        )
        if self.n_structures == 1:
            self._structures = Structures([whole], self.n_samples_fit_)
            self.oob_values_ = np.full(self.n_samples_fit_, np.nan)
        else:
            self._structures = Structures(
                self._retrained(X, y, fit_params, weight), self.n_samples_fit_
            )
        self.n_structures_ = len(self._structures)
        self.reproduction_error_ = max(
            s.removals.trees.reproduction_error for s in self._structures
        )

    def _retrained(self, X, y, fit_params, weight):
        n = self.n_samples_fit_
        strata = self._fit_y if is_classifier(self.estimator_) else np.zeros(n, int)
        subsets = BalancedSubsets(strata, self.subset_fraction, self._seed)
        if min(subsets.sizes) < 1 or self.n_structures < subsets.block_size:
            raise ValueError(
                "The 'n_structures' and 'subset_fraction' parameters must put every "
                "row into some subset and every class into all of them. Got "
                f"{self.n_structures} subsets of {self.subset_fraction} of the rows: "
                f"use n_structures >= {subsets.block_size} and a subset_fraction of at "
                f"least {0.5 / min(map(len, subsets.members)):.2g}."
            )
        masks = subsets.masks(self.n_structures)
        rows = [np.flatnonzero(mask) for mask in masks]
        coalitions = self._coalitions(X, y, fit_params)
        models = coalitions.models(rows, range(1, len(rows) + 1))
        losses = losses_of(
            models,
            self._evaluation(X, self._fit_y, self._loss),
            lambda r: describe_retraining(
                self.estimator_, rows[r], n, self._seed, r + 1
            ),
            n_jobs=self.n_jobs,
        )
        unseen = (~masks).sum(axis=0)
        total = np.where(masks, 0.0, losses).sum(axis=0)
        self.oob_values_ = np.where(unseen > 0, -total / np.maximum(unseen, 1), np.nan)
        return [
            self._read(model, part, X, y, weight)
            for model, part in zip(models, rows, strict=True)
        ]

    def _read(self, model, rows, X, y, weight):
        trees = tree_structure(
            final_estimator(model),
            preprocess(model, take_rows(X, rows)),
            take_rows(y, rows),
            None if weight is None else take_rows(weight, rows),
        )
        removals = AdjointRemovals(trees, replay(trees), own="removal")
        return Structure(model, rows, removals)

    def _check_has_errors(self):
        if len(self._structures) == 1:
            raise ValueError(
                "return_std=True needs several structures to compare. Got one: set "
                "n_structures to 10 or more (forests have no standard errors)."
            )

    def _influence(self, X, y, loss):
        return self._influence_and_error(X, y, loss)[0]

    def _influence_and_error(self, X, y, loss):
        return self._structures.mean(lambda s: s.influence(X, y, loss), len(y))

    def _sample_values(self, X, y, loss, weight):
        values = np.zeros(self.n_samples_fit_)
        for rows in self._blocks(n_rows(X)):
            block = take_rows(X, rows), y[rows], loss, weight[rows]
            values += self._sample_values_and_error(*block)[0]
        return values

    def _sample_values_and_error(self, X, y, loss, weight):
        values, std = self._structures.mean(
            lambda s: s.mean_influence(X, y, loss, weight)
        )
        return values[0], std[0]

    def _self_influence(self, X, y, loss):
        return self._self_influence_and_error(X, y, loss)[0]

    def _self_influence_and_error(self, X, y, loss):
        values, std = self._structures.mean(lambda s: s.own_influence(y, loss))
        return values[0], std[0]

    def _numbers_per_row(self):
        # Arrays of a block: adjoints (one entry per leaf), influences (one per row).
        widest = max(s.width for s in self._structures)
        return 2 * self.n_samples_fit_ + 2 * widest
