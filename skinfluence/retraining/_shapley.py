"""Shapley values, Beta Shapley values and Banzhaf values of training rows."""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, get_scorer_names

from skinfluence._sklearn import Interval, StrOptions, n_rows, take_rows
from skinfluence.addition import prefix_models
from skinfluence.retraining._sampled_influence import SampledInfluence
from skinfluence.retraining.semivalues import (
    SEMIVALUES,
    FixedRows,
    Game,
    KeptDraws,
    Limits,
    Players,
    Sampling,
    enumerates,
    estimate_rows,
    size_probabilities,
)

# Number of arrays of the size of a block: losses, values, squares and temporaries.
ARRAYS = 8

# Sparse training rows of up to this many entries are made dense to add them in turn.
DENSE = 2**24


class ShapleyInfluence(SampledInfluence):
    r"""Value of a row = its mean marginal contribution to models of other rows.

    .. math:: \phi(i, t) = \sum_{s=0}^{n-1} p(s) \; \mathrm{mean}_{|S| = s,\, i
        \notin S} \; [\ell_t(\hat\theta_S) - \ell_t(\hat\theta_{S + i})]

    The Shapley value weights all sizes alike, p(s) = 1 / n. Leave-one-out is the
    contribution to the full training set only, which is near zero for a row with a
    duplicate. Beta Shapley takes p beta-binomial (small subsets count more for
    ``alpha > beta``), the Banzhaf value binomial (all subsets count the same).

    **Sign.** Positive: the row made the prediction better. **Unit.** The loss of one
    test row, averaged over subsets: not the change that leave-one-out measures.
    Shapley values of a test row sum to its loss without any training row minus its
    loss with all of them. Without any row the prior is predicted: the class shares,
    or the mean target, of the training set. A subset of one class predicts that
    class.

    **Cost.** 2^n - 2 models for up to 16 players, each once: exact. Beyond, 100
    retrainings per player unless a budget is given; where that takes long, a warning
    says how many models and seconds before it starts. Orders of the rows are sampled
    for "shapley" and "beta", subsets for "banzhaf", of which each informs about every
    row. Where a row can be added without training again (Ridge, LinearRegression,
    GaussianNB, MultinomialNB, BernoulliNB, ComplementNB, NearestCentroid,
    LinearDiscriminantAnalysis, KNeighborsClassifier and -Regressor, binary
    LogisticRegression with an L2 penalty) nothing is retrained, for the same
    estimand, at the exact optimum where scikit-learn's solver iterates: each query
    costs about as much as a few fits per order. Subsets of one class are counted, not
    sampled. Memory O(n_test n) with `X_val`, else the models, or none where none are
    needed.

    **When it fails.** Values depend on the loss and on the semivalue. Under log loss a
    subset of one class loses 36 nats on every test row of another, which outweighs all
    later contributions: for classifiers ``loss="brier"`` or "zero_one" is more
    informative, or "banzhaf". A model that cannot be fitted to small subsets needs
    ``error_score``. Random training adds noise to every contribution: compare with the
    standard errors.

    Parameters
    ----------
    estimator : estimator
        Classifier or regressor, or a Pipeline ending in one.
    semivalue : {"shapley", "beta", "banzhaf"}, default="shapley"
        Weights of the subset sizes.
    alpha, beta : float, default=16 and 1
        Parameters of Beta Shapley; Beta(1, 1) is Shapley.
    loss : str or callable, default="auto"
        Evaluation loss, see the user guide. A callable
        ``(y_true, y_pred) -> (n_samples,)``.
    scoring : str or callable, default=None
        A scikit-learn scorer, for instance "roc_auc", as utility of the whole test set
        instead of the loss. Only `sample_values` is then defined: the contribution of a
        row to the score.
    max_retrainings : int, default=None
        Budget: models trained, an order of n players counted as n. None: 100 per
        player, and no limit for up to 16 players. Orders that need no retraining
        count the same.
    max_time : float, default=None
        Seconds of training, or of evaluation on `X_val`, after which no model is
        trained. An unfinished draw is discarded, since the first part of an order holds
        small subsets only. A limit shorter than one draw is an error.
    standard_error : float, default=None
        Stop once the standard error of every row's mean value over `X_val` is at most
        this, in units of the loss (or score). Checked every 10 draws.
    antithetic : bool, default=True
        Whether every sampled order is followed by its reverse.
    truncation : float, default=None
        Tolerance of Ghorbani & Zou's rule: once the mean loss over `X_val` is this
        near to that of the full model, later rows of the order contribute zero. This
        saves training, but biases the values for single test rows, whose own loss may
        still change, and values sum to the total only up to the tolerance.
    solver : {"auto", "refit"}, default="auto"
        "auto" adds rows without retraining where that is the same estimand.
    n_jobs : int, default=None
        Workers for retraining; None obeys ``joblib.parallel_config``.
    memory : str, path or joblib.Memory, default=None
        Keeps finished retrainings on disk, so that a killed run resumes and a larger
        budget reuses a smaller one; without ``random_state`` seeds are then the same
        in every run. The entries are pickles: name no folder that others can write
        to.
    error_score : "raise" or float, default="raise"
        Result of a retraining that fails: its error, or this loss on every row.
    random_state : int, RandomState or None, default=None
        Draws orders or subsets, seeds estimators whose own ``random_state`` is None.
    verbose : int, default=0
        Above 0, the progress of retraining is printed, with the time left, and
        before it an estimate of the cost.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows.
    n_samples_fit_ : int
        Number of training rows.
    n_players_ : int
        Number of rows, or of groups of rows, that are valued.
    solver_ : {"incremental", "refit"}
        The solver that was used.
    sampling_ : {"enumeration", "permutations", "coalitions"}
        Whether all subsets were enumerated, or random orders or subsets were drawn.
    n_draws_ : int
        Number of independent draws: of orders (pairs if ``antithetic``) or subsets.
    n_retrainings_ : int
        Models that were trained.
    estimators_ : list of list of list of estimators
        Without `X_val`, models of each draw and each of its orders; empty where
        nothing is retrained.

    See Also
    --------
    LeaveOneOutInfluence : The contribution to the full training set alone.

    References
    ----------
    .. [1] A. Ghorbani, J. Zou, "Data Shapley: equitable valuation of data for machine
       learning", ICML 2019.
    .. [2] Y. Kwon, J. Zou, "Beta Shapley: a unified and noise-reduced data valuation
       framework for machine learning", AISTATS 2022.
    .. [3] J. T. Wang, R. Jia, "Data Banzhaf: a robust data valuation framework for
       machine learning", AISTATS 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import ShapleyInfluence
    >>> X, y = load_diabetes(return_X_y=True)
    >>> shapley = ShapleyInfluence(Ridge(), random_state=0).fit(X[:80], y[:80])
    >>> shapley.solver_
    'incremental'
    >>> values, std = shapley.sample_values(X[80:], y[80:], return_std=True)
    >>> values.shape, std.shape
    ((80,), (80,))
    """

    _discards_models = True
    _parameter_constraints: dict = {
        **SampledInfluence._parameter_constraints,
        "semivalue": [StrOptions(set(SEMIVALUES))],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "beta": [Interval(Real, 0, None, closed="neither")],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "max_retrainings": [Interval(Integral, 1, None, closed="left"), None],
        "max_time": [Interval(Real, 0, None, closed="left"), None],
        "standard_error": [Interval(Real, 0, None, closed="neither"), None],
        "antithetic": ["boolean"],
        "truncation": [Interval(Real, 0, None, closed="neither"), None],
        "solver": [StrOptions({"auto", "refit"})],
    }

    def __init__(
        self,
        estimator,
        *,
        semivalue="shapley",
        alpha=16.0,
        beta=1.0,
        loss="auto",
        scoring=None,
        max_retrainings=None,
        max_time=None,
        standard_error=None,
        antithetic=True,
        truncation=None,
        solver="auto",
        n_jobs=None,
        memory=None,
        error_score="raise",
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.semivalue = semivalue
        self.alpha = alpha
        self.beta = beta
        self.loss = loss
        self.scoring = scoring
        self.max_retrainings = max_retrainings
        self.max_time = max_time
        self.standard_error = standard_error
        self.antithetic = antithetic
        self.truncation = truncation
        self.solver = solver
        self.n_jobs = n_jobs
        self.memory = memory
        self.error_score = error_score
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, X_val=None, y_val=None, *, groups=None, **fit_params):
        """Train the models of the sampled subsets, or prepare to add rows without them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        X_val, y_val : array-like, default=None
            Test rows that are fixed beforehand: models are evaluated on them at once
            and discarded. `influence` and `sample_values` without arguments refer to
            them, and no other test rows can be queried. ``max_time`` then also limits
            evaluation; ``standard_error`` and ``truncation`` need these rows.
        groups : array-like of shape (n_samples,), default=None
            Labels: whole groups of rows are the players, in or out together. Every
            row then has the value of its group; `group_influence` with the same
            labels has one column per group.
        **fit_params : dict
            Passed to the estimator's ``fit``, and routed when metadata routing is
            enabled.

        Returns
        -------
        self : object
            The fitted influence estimator.
        """
        self._groups = groups
        return super().fit(X, y, X_val, y_val, **fit_params)

    _estimand = "loss without the row minus loss with it, mean over subsets of the rows"

    def _path(self):
        adds = self.solver_ == "incremental"
        how = "without retraining" if adds else f"{self.n_retrainings_} retrainings"
        return f"{self._sampling.in_words()}, {how}"

    def _fit_influence(self, X, y, fit_params):
        players = Players(self.n_samples_fit_, self._groups)
        self.n_players_ = len(players)
        scorer = self._check_parameters()
        probabilities = size_probabilities(
            self.semivalue, self.n_players_, self.alpha, self.beta
        )
        adding = None if scorer is not None else self._prefix_models(X, fit_params)
        self.solver_ = "refit" if adding is None else "incremental"
        self._game = Game(
            self.estimator_, y, self._fit_y, players, scorer, prefix_models=adding
        )
        self._sampling = Sampling(
            probabilities,
            sample_reuse=self.semivalue == "banzhaf",
            incremental=adding is not None,
            max_retrainings=self.max_retrainings,
            seed=self._seed,
            antithetic=self.antithetic,
        )
        limits = Limits(self.max_time, self.standard_error, self.truncation)
        engine = None if adding is not None else self._coalitions(X, y, fit_params)
        drawn = self._kept = self._fixed = None
        if self._validation is not None:
            X_val, y_val = self._validation
            self._val_y = self._encode(y_val)
            rows = X_val, self._val_y, self._loss
            drawn = self._fixed = FixedRows(
                self._game, self._sampling, engine, rows, limits, self.n_jobs
            )
        elif engine is not None:
            drawn = self._kept = KeptDraws(self._sampling, engine, players, limits)
        self.estimators_ = [] if self._kept is None else self._kept.models
        self.n_retrainings_ = 0 if drawn is None else drawn.n_retrainings
        self.n_draws_ = self._sampling.n_draws
        self.sampling_ = self._sampling.scheme.name

    def _check_parameters(self):
        """Check what depends on other parameters; return the scorer, if any."""
        for name in ("standard_error", "truncation"):
            if getattr(self, name) is not None and self._validation is None:
                raise ValueError(
                    f"The {name!r} parameter refers to the mean over test rows, which "
                    "must be known when models are trained: pass X_val and y_val to "
                    f"fit. Got {name}={getattr(self, name)!r} without them."
                )
        if self.scoring is not None:
            return check_scoring(self.estimator_, scoring=self.scoring)

    def _prefix_models(self, X, fit_params):
        """Return models that add rows without retraining, or None."""
        orders = self.semivalue != "banzhaf"  # whose subsets are not prefixes of orders
        orders |= enumerates(self.n_players_, self.max_retrainings)
        if self.solver == "refit" or not orders:
            return None
        if any(value is not None for value in fit_params.values()):
            return None
        if issparse(X) and np.prod(X.shape) > DENSE:
            return None
        if is_classifier(self.estimator_) and len(self.classes_) < 2:
            return None
        return prefix_models(self.estimator_, X, self._fit_y)

    def _estimate(self, rows, weight=None, spread=False):
        how = self._game, self._sampling, self._kept
        return estimate_rows(*how, rows, weight, spread)

    def _estimate_of_rows(self, X, y, loss, spread):
        """Return an estimate, and its rows that belong to the given test rows."""
        if self.scoring is not None:
            raise ValueError(
                f"scoring={self.scoring!r} is a utility of the whole test set and not "
                "a sum over test rows: only sample_values is defined. Set scoring=None "
                "for the influence on single test rows."
            )
        if self._fixed is not None:
            return self._fixed.estimate, X
        return self._estimate((X, y, loss), spread=spread), slice(None)

    def _estimate_of_mean(self, X, y, loss, weight, spread):
        """Return the estimate for the weighted mean of test rows."""
        if self._fixed is None:
            return self._estimate((X, y, loss), weight, spread)
        if np.ptp(weight) == 0:
            return self._fixed.mean_estimate
        raise ValueError(
            "The 'sample_weight' parameter was not known when models were "
            "evaluated on X_val: neither standard errors nor scores can be "
            "weighted now. Fit without X_val, or leave sample_weight out."
        )

    def _numbers_per_row(self):
        return ARRAYS * self.n_samples_fit_

    def _influence(self, X, y, loss):
        estimate, rows = self._estimate_of_rows(X, y, loss, False)
        return estimate.mean[rows][:, self._game.players.of_row]

    def _influence_and_error(self, X, y, loss):
        estimate, rows = self._estimate_of_rows(X, y, loss, True)
        player = self._game.players.of_row
        error = estimate.standard_error()[rows][:, player]
        return estimate.mean[rows][:, player], error

    def _sample_values(self, X, y, loss, weight):
        if self._fixed is not None and np.ptp(weight) and self.scoring is None:
            values = weight @ self._fixed.estimate.mean
        elif self._fixed is not None or self.scoring is not None:
            values = self._estimate_of_mean(X, y, loss, weight, False).mean[0]
        else:
            values = np.zeros(self.n_players_)
            for rows in self._blocks(n_rows(X)):
                block = take_rows(X, rows), y[rows], loss
                values += self._estimate(block, weight[rows]).mean[0]
        return values[self._game.players.of_row]

    def _sample_values_and_error(self, X, y, loss, weight):
        estimate = self._estimate_of_mean(X, y, loss, weight, True)
        player = self._game.players.of_row
        return estimate.mean[0, player], estimate.standard_error()[0, player]

    def _check_own(self):
        if self._fixed is not None:
            raise ValueError(
                "Models were evaluated on X_val and discarded: self_influence is not "
                "available. Fit without X_val, or pass the training rows as X_val."
            )

    def _self_influence(self, X, y, loss):
        self._check_own()
        return super()._self_influence(X, y, loss)

    def _self_influence_and_error(self, X, y, loss):
        self._check_own()
        return super()._self_influence_and_error(X, y, loss)

    def _group_influence(self, X, y, loss, masks):
        held = self._game.players.held_by(masks)
        out = np.empty((n_rows(X), len(masks)))
        for rows, block in self._influences(X, y, loss):
            out[rows] = block[:, self._game.players.first] @ held.T
        return out
