"""Leave-one-out influence: the model trained again without each row."""

import warnings
from numbers import Real

import numpy as np

from skinfluence._base import BoundedInfluence
from skinfluence._counts import counted
from skinfluence._fit_weights import unusable_weights
from skinfluence._sklearn import (
    Interval,
    StrOptions,
    final_estimator,
    final_sample_weight,
    n_rows,
    take_rows,
)
from skinfluence._threads import worker_threads
from skinfluence.out_of_core import CollectionInfluence
from skinfluence.removal import NothingLeft, UnsupportedEstimator, removal_model
from skinfluence.removal.certificates import EXACT, Source, certificate
from skinfluence.retraining._followed_sums import FollowedSums
from skinfluence.retraining._refitted_rows import RefittedRows
from skinfluence.retraining._retraining_influence import RetrainingInfluence
from skinfluence.retraining._threaded_blocks import ThreadedBlocks
from skinfluence.trees import is_booster

BOOSTER_WARNING = (
    "A boosted ensemble will be retrained without each row. Removing any row moves "
    "some split, and later trees amplify the change: the resulting differences are 8 "
    "to 62 times as large as the effect of the row at fixed splits, and mostly noise. "
    "Use TreeInfluence for the effect of rows on models of this kind, or "
    "solver='exact' for this model with its splits held fixed; solver='refit' "
    "retrains without this warning."
)

# Balanced class weights together with sample weights need one model of all rows per
# distinct set of class weights. With solver="auto" rows are retrained instead if these
# models are more than this number and more than a tenth of the rows.
MOST_BASES = 100


class LeaveOneOutInfluence(
    FollowedSums,
    RefittedRows,
    ThreadedBlocks,
    CollectionInfluence,
    BoundedInfluence,
    RetrainingInfluence,
):
    r"""Influence of a row = test loss without it minus test loss with it.

    .. math:: I(i, t) = \ell_t(\hat\theta_{-i}) - \ell_t(\hat\theta)

    Positive: the row made the prediction better. Unit: the loss of one test row.
    This is the definition that most other estimators approximate.

    For models that scikit-learn trains by minimising a convex objective the model
    without a row is found exactly, without retraining: by a closed form for
    squared losses, else by Newton steps that share one factorisation, continued
    until a proven bound on the error of the linear predictor is below ``tol``.
    In a Pipeline the same holds for scalers, encoders and imputers, inside a
    ColumnTransformer as well: their statistics without the row are computed by algebra
    too. Only rows whose removal changes these steps in another way are left out by
    retraining. `influence_bounds` returns intervals that provably contain the effect
    of refitting. Every other estimator is retrained n times; a warning announces this
    if it will take more than about ten seconds.

    **Cost.** Exact: about one fit, O(n p^2) + O(n p^3) at most, memory O(n p).
    With more columns than rows min(n, p) takes the place of p; sparse rows that are
    too many and too wide for that take O(n^3) operations and ``16 n^2`` bytes.
    Refit: n fits, n models kept. Per query O(n p) per test row. `add_rows` of m rows:
    O(m p^2) for least squares and ridge, O(m p) for naive Bayes, others refuse.

    **When it fails.** A row with a duplicate has almost no influence, however
    important the pair is: see `group_influence`. For estimators whose training is
    random (forests, nets) two retrainings differ by more than the influence of most
    rows. The default solver tolerances of scikit-learn are larger than most
    influences: the exact solver first moves to the exact optimum, whereas "refit"
    uses the coefficients that scikit-learn's solver returns.

    Parameters
    ----------
    estimator : estimator
        Classifier or regressor, or a Pipeline ending in one.
    loss : str or callable, default="auto"
        Evaluation loss: "auto", "log_loss", "zero_one", "brier", "squared_error" or
        "absolute_error". "auto" is log loss for classifiers with ``predict_proba``,
        the training loss for margin classifiers, squared error for regressors,
        full deviance for Poisson, Gamma and Tweedie. A callable
        ``(y_true, y_pred) -> (n_samples,)``.
    solver : {"auto", "exact", "refit"}, default="auto"
        "exact" removes rows by algebra and holds fixed those preprocessing steps
        whose change it cannot compute (see ``fixed_steps_``); "refit" retrains;
        "auto" is exact where that equals retraining the whole pipeline.
    tol : float, default=1e-8
        Largest error of the linear predictor without a row (exact solver), for
        test rows whose leverage does not exceed that of the training rows. For
        closed forms: largest rounding error, relative to the move.
    n_jobs : int, default=None
        Workers for retraining; threads for exact removal; None obeys
        ``joblib.parallel_config``.
    memory : str, path or joblib.Memory, default=None
        Keeps finished retrainings on disk, so that a killed run resumes; without
        ``random_state`` seeds are then the same in every run. The entries are pickles:
        name no folder that others can write to. Of dask collections it keeps the
        answers of partitions.
    error_score : "raise" or float, default="raise"
        Result of a retraining that fails: its error, or this loss on every row.
    random_state : int, RandomState or None, default=None
        Seeds estimators whose own ``random_state`` is None, each retraining from
        its row.
    verbose : int, default=0
        Above 0, the progress of retraining is printed, with the time left.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows.
    n_samples_fit_ : int
        Number of training rows.
    solver_ : {"exact", "refit"}
        The solver that was used.
    fixed_steps_ : list of str
        Fitted preprocessing and chosen penalties that the exact solver held fixed.
    refitted_rows_ : ndarray of int
        Rows that were left out by retraining in ``fit``. A removal that has no exact
        answer for some test rows only (because neighbours are tied, or there are
        none) is retrained when these test rows are passed, and is not listed here.
    polished_rows_ : ndarray of int
        Of dask collections the rows without which one step, corrected by higher
        derivatives, ends further than ``tol`` from the minimum, so that passes over
        the table were needed for them. Else empty.
    optimum_distance_ : float
        Largest distance between the linear predictor that scikit-learn's solver
        returned and the one at the exact optimum, where influence is computed;
        0 for "refit".

    See Also
    --------
    InfluenceFunctions : The first-order estimate of the same quantity.

    References
    ----------
    .. [1] R. D. Cook, S. Weisberg, "Residuals and Influence in Regression", 1982.
    .. [2] K. Rahnama Rad, A. Maleki, "A scalable estimate of the out-of-sample
       prediction error via approximate leave-one-out cross-validation", JRSS B, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import LeaveOneOutInfluence
    >>> X, y = load_diabetes(return_X_y=True)
    >>> loo = LeaveOneOutInfluence(Ridge()).fit(X[:400], y[:400])
    >>> loo.influence(X[400:], y[400:]).shape
    (42, 400)
    >>> loo.sample_values(X[400:], y[400:]).argsort()[:3]  # they hurt most
    array([304,  77,  92])
    """

    _parameter_constraints: dict = {
        **RetrainingInfluence._parameter_constraints,
        "solver": [StrOptions({"auto", "exact", "refit"})],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        estimator,
        *,
        loss="auto",
        solver="auto",
        tol=1e-8,
        n_jobs=None,
        memory=None,
        error_score="raise",
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.loss = loss
        self.solver = solver
        self.tol = tol
        self.n_jobs = n_jobs
        self.memory = memory
        self.error_score = error_score
        self.random_state = random_state
        self.verbose = verbose

    def _path(self):
        if self.solver_ == "refit":
            return f"{self.n_samples_fit_} retrainings, one without each row"
        return "exact removal of each row, without retraining"

    def _fit_influence(self, X, y, fit_params):
        n = self.n_samples_fit_
        if n < 2:
            raise ValueError(
                "Leaving a row out needs at least 2 rows to fit. Got n_samples = 1."
            )
        self._training = X, y, fit_params
        self._model = self._removals = self._row_certificate = None
        self.polished_rows_ = np.empty(0, dtype=np.intp)
        self._why = "solver='refit' was set; 'auto' retrains only where it has to."
        if self.solver != "refit":
            self._model = self._supported(self._removal_model)
        self.fixed_steps_ = [] if self._model is None else list(self._model.held_fixed)
        if self.solver == "auto" and is_booster(final_estimator(self.estimator_)):
            warnings.warn(BOOSTER_WARNING, UserWarning, stacklevel=5)
        if self.solver == "auto" and self.fixed_steps_:
            # Influence with these held fixed is not that of leaving the row out.
            self._why = (
                "The exact solver cannot compute how the following change without a "
                f"row: {', '.join(self.fixed_steps_)}. solver='exact' holds them fixed "
                "and takes about as long as one fit."
            )
            self._model, self.fixed_steps_ = None, []
        if self.solver == "auto" and self._model is not None:
            if self._model.n_bases > max(MOST_BASES, n // 10):
                self._model = None  # refits would take no longer
        if self._model is not None:
            with worker_threads(self.n_jobs):
                self._removals = self._supported(lambda: self._model.exact(self.tol))
        if self._removals is None:
            self._model = None
            self.solver_, self.refitted_rows_ = "refit", np.arange(n)
            self.optimum_distance_ = 0.0
        else:
            self.solver_ = "exact"
            self.optimum_distance_ = self._model.optimum_distance
            self.refitted_rows_ = self._removals.unresolved
            self._why = (
                "Removing one of these rows changes a fitted encoder or imputer, or "
                "the exact solver has no answer for it; the other rows need no "
                "retraining."
            )
        self._refits = self._refit(self._refitted())

    def _refuse_for_collections(self):
        if self.solver == "refit":
            raise UnsupportedEstimator(
                "solver='refit' does not take dask collections: use 'exact', or arrays "
                "that fit into memory."
            )

    def _fit_removals(self):
        self.solver_, self._refits = "exact", []
        self.refitted_rows_ = np.empty(0, dtype=np.intp)
        self._removals = self._model.exact(self.tol)
        self.polished_rows_ = self._removals.found.rows

    @property
    def _n_threads(self):
        # Retrained models are evaluated in threads of their own.
        several = self.solver_ == "exact" and not len(self.refitted_rows_)
        return super()._n_threads if several else 1

    def _removal_model(self):
        X, y, fit_params = self._training
        weight, others = final_sample_weight(self.estimator_, fit_params)
        if others:
            raise UnsupportedEstimator(
                f"The fit parameters {others} have no exact removal of rows. Use "
                "solver='refit', or leave them out."
            )
        if weight is not None and len(unusable_weights(weight)):
            raise UnsupportedEstimator(
                "Rows of negative weight have no exact removal. Use solver='refit', or "
                "leave them out."
            )
        return removal_model(self.estimator_, X, y, weight)

    def _supported(self, build):
        """Return ``build()``, or None if the rows have to be left out by retraining."""
        try:
            return build()
        except UnsupportedEstimator as error:
            if self.solver == "exact":
                raise
            self._why = error.args[0].partition(" Use ")[0]
        except NothingLeft as error:
            if self.error_score == "raise":  # in fit, not in the first query
                raise
            self._why = str(error)
        return None

    def _influence(self, X, y, loss):
        if self.solver_ == "refit":
            return self._refit_influence(X, y, loss, self._refits, self._refitted())
        out = self._removals.influence(X, y, loss)
        if self._refits:
            refits = self._refit_influence(X, y, loss, self._refits, self._refitted())
            out[:, self.refitted_rows_] = refits
        rows = self._unanswered(out)
        if len(rows):
            out[:, rows] = self._refit_rows(rows, X, y, loss)
        return out

    def _unanswered(self, values):
        """Return the rows whose removal has no exact answer for some test row."""
        if not np.isnan(values.min(initial=0.0)):  # faster than looking at each
            return np.empty(0, dtype=np.intp)
        missing = np.isnan(values).reshape(-1, values.shape[-1]).any(axis=0)
        return np.setdiff1d(np.flatnonzero(missing), self.refitted_rows_)

    def _sample_values(self, X, y, loss, weight):
        if self.solver_ == "refit":
            return super()._sample_values(X, y, loss, weight)

        def mean_of(rows):
            block = take_rows(X, rows), y[rows], loss
            mean = self._removals.mean_influence(*block, weight[rows])
            if self._refits:
                refits = self._refit_influence(*block, self._refits, self._refitted())
                mean[self.refitted_rows_] = weight[rows] @ refits
            return mean

        values = np.zeros(self.n_samples_fit_)
        for _, mean in self._each_block(mean_of, n_rows(X)):
            values += mean
        missing = self._unanswered(values)
        if len(missing):
            values[missing] = weight @ self._refit_rows(missing, X, y, loss)
        return values

    def _self_influence(self, X, y, loss):
        if self.solver_ == "refit":
            out = np.empty(self.n_samples_fit_)
        else:
            out = self._removals.own_influence(y, loss)
            for i in self._unanswered(out):
                row = np.array([i])
                own = take_rows(X, row), y[row], loss
                out[i] = self._refit_rows(row, *own)[0, 0]
        for i, model in zip(self.refitted_rows_, self._refits, strict=True):
            row = np.array([i])
            own = take_rows(X, row), y[row], loss
            out[i] = self._refit_influence(*own, [model], [row])[0, 0]
        return out

    def _group_influence(self, X, y, loss, masks):
        if self.solver_ == "exact":
            with worker_threads(self.n_jobs):
                removals = self._model.exact(self.tol, masks)
            out = removals.influence(X, y, loss)
            missing = np.flatnonzero(np.isnan(out).any(axis=0))
            refits = np.union1d(removals.unresolved, missing)
        else:
            out = np.empty((len(y), len(masks)))
            refits = np.arange(len(masks))
        kept = masks.sum(axis=1) < self.n_samples_fit_
        if not kept.all():
            raise ValueError(
                "The 'groups' parameter must leave at least one training row. Got "
                f"{counted(int((~kept).sum()), 'group')} with all of them."
            )
        refits = refits[masks[refits].any(axis=1)]
        removals = [np.flatnonzero(masks[g]) for g in refits]
        models = self._refit(removals)
        out[:, ~masks.any(axis=1)] = 0.0
        if len(refits):
            out[:, refits] = self._refit_influence(X, y, loss, models, removals)
        return out

    def _certified(self, masks=None):
        if self.solver_ == "refit":
            raise UnsupportedEstimator(
                "What retraining returns has no proof: solvers stop before the "
                f"minimum, by an unknown distance. {self._why} Bounds need "
                "solver='exact' or 'auto', and a linear model that lets rows go "
                "exactly: logistic, ridge or Poisson regression, say."
            )
        source = Source(EXACT, self.tol, found=self._removals)
        return certificate(self._model, source, masks)
