"""Influence functions: the first-order effect of removing a row."""

import warnings
from numbers import Real

import numpy as np

from skinfluence._base import BaseInfluence
from skinfluence._bounds import BoundedInfluence
from skinfluence._sklearn import (
    Interval,
    StrOptions,
    final_estimator,
    final_sample_weight,
    n_rows,
    preprocessing_steps,
    take_rows,
)
from skinfluence._skorch import is_net
from skinfluence.removal import UnsupportedEstimator, refuse_samplers, removal_model
from skinfluence.removal.certificates import FIRST_ORDER, NEWTON, Source, certificate

HESSIANS = ("exact", "gauss_newton", "ekfac", "fisher", "cg", "last_layer")


class InfluenceFunctions(BoundedInfluence, BaseInfluence):
    r"""Estimate of removing a row, from the gradient and the Hessian at the optimum.

    .. math:: I(i, t) = \nabla \ell_t(\hat\theta)^\top H^{-1}
        \, s_i \nabla \ell_i(\hat\theta)

    with H the Hessian of the training objective as scikit-learn states it
    (penalty included) and :math:`s_i` the row's weight. Positive: the row made the
    prediction better. Unit: the loss of one test row, for the removal of one whole
    row (not the 1/n up-weighting of the paper). For a skorch net the objective is the
    sum of the training losses of its rows, and H, which may be singular or indefinite,
    one of several curvatures, damped.

    ``step="infinitesimal"`` is this first-order estimate, minus :math:`s_i` times
    the derivative of the test loss with respect to the weight. ``step="newton"``
    moves the coefficients by one Newton step of the objective without the row
    (one division by one minus leverage more) and evaluates the test loss at the
    moved model: for squared losses that is the exact answer. Around either
    `influence_bounds` puts intervals that provably contain what refitting does.

    **Cost.** O(n p^2 + p^3) at fit; per test row O(n p). Memory O(n p). With more
    columns than rows min(n, p) takes the place of p. Sparse rows that are too many
    and too wide for that (binary logistic regression, ridge) stay sparse:
    "infinitesimal" solves for every test row by conjugate gradients, to a relative
    residual of 1e-12, or factorises an n x n matrix where that is less work;
    "newton" factorises, ``2/3 n^3`` operations and ``8 n^2`` bytes. On nets see
    ``hessian``.

    **When it fails.** "infinitesimal" underestimates, by one minus leverage and by
    the curvature of the test loss: ranks are good, sizes of the largest influences
    are not (breast_cancer, logistic regression with C=1: 15% median error of the
    top 1%, Newton 1.6%; with C=100 42% and 8%). "newton" overshoots for rows of
    leverage near one and weak penalties. `LeaveOneOutInfluence` is exact at a
    small multiple of the cost. On nets the derivative is that of an optimum which
    training has not reached, and of one of many: it predicts training on other subsets
    in part, and what a single row does hardly at all. There take `TRAK` to ask which
    rows made a prediction, `HyDRA` for a row's effect on this very run, and
    self-influence of this or `TracIn` for mislabelled rows.

    Parameters
    ----------
    estimator : estimator
        A linear classifier or regressor with a smooth loss, a skorch net, or a
        Pipeline ending in one, whose fitted steps are held fixed.
    loss : str or callable, default="auto"
        Evaluation loss, as for `LeaveOneOutInfluence`: "infinitesimal" needs one
        with a gradient, "newton" takes any.
    step : {"infinitesimal", "newton"}, default="infinitesimal"
        Which estimate; on nets the first.
    hessian : str, default="auto"
        Which curvature. For linear models "exact", always. For nets of p parameters:

        - "gauss_newton" ("auto"): ignores the curvature of the net itself, and is
          never indefinite. Through the kernel of its rows (n times the number of
          outputs, of many those with 99.9% of the trace), or p x p where p is small.
        - "exact": the Hessian, for up to 5,000 parameters.
        - "last_layer": of the last Linear layer alone, where the two are the same.
          Ignores that other layers learn. The cheapest with many parameters.
        - "fisher": second moments of the gradients, an n x n matrix. Ignores the
          sizes of the residuals: rows that are fitted perfectly weigh nothing, so
          that influences are several times too large. Read their order only.
        - "ekfac": layer by layer in Kronecker eigenbases. Ignores what layers share.
          Memory O(p).
        - "cg": "gauss_newton" by conjugate gradients for each test row, memory O(p).
    damping : float or "auto", default="auto"
        Added to the diagonal of the Hessian of the mean loss: another ridge penalty,
        and a bias. A weight decay of the optimiser belongs here. "auto": nothing for
        linear models; for nets the trace of the curvature over n, so that each row's
        own curvature counts twice (and, of "exact", what makes it positive). For
        linear models it is added to the Hessian of scikit-learn's objective.
    random_state : int, RandomState or None, default=None
        Seed of the training. None: a net draws from torch's global generator.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows.
    n_samples_fit_ : int
        Number of training rows.
    fixed_steps_ : list of str
        Fitted preprocessing and chosen penalties that were held fixed.
    optimum_distance_ : float
        Largest distance between the linear predictor that scikit-learn's solver
        returned and the one at the exact optimum, where influence is computed. Not
        on nets.
    damping_ : float
        What was added to the diagonal.

    See Also
    --------
    LeaveOneOutInfluence : The exact answer.

    References
    ----------
    .. [1] P. W. Koh, P. Liang, "Understanding Black-box Predictions via Influence
       Functions", ICML 2017.
    .. [2] J. Martens, "New insights and perspectives on the natural gradient method",
       JMLR, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import InfluenceFunctions
    >>> X, y = load_diabetes(return_X_y=True)
    >>> influence = InfluenceFunctions(Ridge()).fit(X[:400], y[:400])
    >>> values, rows = influence.influential_rows(X[400:], y[400:], n_rows=3)
    >>> rows.shape
    (42, 3)
    """

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        "step": [StrOptions({"infinitesimal", "newton"})],
        "hessian": [StrOptions({"auto", *HESSIANS})],
        "damping": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        loss="auto",
        step="infinitesimal",
        hessian="auto",
        damping="auto",
        random_state=None,
    ):
        self.estimator = estimator
        self.loss = loss
        self.step = step
        self.hessian = hessian
        self.damping = damping
        self.random_state = random_state

    def _fit_clone(self, X, y, fit_params, seed):
        refuse_samplers(self.estimator)
        if not is_net(final_estimator(self.estimator)):
            if self.hessian not in ("auto", "exact"):
                raise ValueError(
                    "The 'hessian' parameter must be 'auto' or 'exact' here: only "
                    f"skorch nets have other curvatures. Got {self.hessian!r}."
                )
            return super()._fit_clone(X, y, fit_params, seed)
        if self.step != "infinitesimal":
            raise ValueError(
                "The 'step' parameter must be 'infinitesimal' for a skorch net, whose "
                f"rows have no leverage. Got {self.step!r}."
            )
        from skinfluence.nets.run._checkpoint_run import CheckpointRun

        layers = "last" if self.hessian == "last_layer" else None
        self._run = CheckpointRun(self.estimator, 1, None, layers)
        return self._run.fit(
            X, y, fit_params, seed=seed, random_state=self.random_state
        )

    def _fit_influence(self, X, y, fit_params):
        if self.step == "newton" and self.n_samples_fit_ < 2:
            raise ValueError(
                "Leaving a row out needs at least 2 rows to fit. Got n_samples = 1."
            )
        if self.step == "infinitesimal":
            self._loss.need_slope()
        self._model = self._removal_model(X, y, fit_params)
        self.fixed_steps_ = list(self._model.held_fixed_by_steps)
        self.damping_ = self._model.choose_damping(self.damping)
        self._removals, self._row_certificate = self._without(), None
        if self.step == "newton" and len(self._removals.unresolved):
            rows = self._removals.unresolved
            warnings.warn(
                f"{len(rows)} row(s) determine a coefficient alone, so that there is "
                f"no Newton step without them (rows {rows[:10].tolist()}): their "
                "influence means nothing. LeaveOneOutInfluence retrains without them.",
                UserWarning,
                stacklevel=4,
            )

    def _removal_model(self, X, y, fit_params):
        """Return the fitted model as a function of its rows."""
        if is_net(final_estimator(self.estimator)):
            from skinfluence.static._net_model import NetModel

            hessian = "gauss_newton" if self.hessian == "auto" else self.hessian
            steps = preprocessing_steps(self.estimator_)
            return NetModel(self._run, self._fit_X, self._fit_y, hessian, steps)
        weight, others = final_sample_weight(self.estimator_, fit_params)
        if others:
            raise UnsupportedEstimator(
                f"The fit parameters {others} are unknown to InfluenceFunctions: leave "
                "them out, or use LeaveOneOutInfluence(..., solver='refit')."
            )
        model = removal_model(self.estimator_, X, y, weight)
        self.optimum_distance_ = model.optimum_distance
        return model

    def _without(self, masks=None):
        """Return the `Removals` that ``step`` names, of single rows or of sets."""
        names = {"infinitesimal": "first_order", "newton": "newton"}
        return getattr(self._model, names[self.step])(self.damping_, masks)

    def _sample_values(self, X, y, loss, weight):
        if self.step == "infinitesimal":  # linear in the gradients: no matrix needed
            return self._removals.mean_influence(X, y, loss, weight)
        values = np.zeros(self.n_samples_fit_)
        for rows in self._blocks(n_rows(X)):
            values += self._removals.mean_influence(
                take_rows(X, rows), y[rows], loss, weight[rows]
            )
        return values

    def _influence(self, X, y, loss):
        return self._removals.influence(X, y, loss)

    def _self_influence(self, X, y, loss):
        return self._removals.own_influence(y, loss)

    def _group_influence(self, X, y, loss, masks):
        return self._without(masks).influence(X, y, loss)

    def _certified(self, masks=None):
        # One Newton step without a row costs what the first-order step does, and is
        # nearer; without a set of rows it costs more.
        if masks is None:
            found = self._removals if self.step == "newton" else None
            if self.damping_:
                found = None
            return certificate(self._model, Source(NEWTON, found=found))
        kind = NEWTON if self.step == "newton" else FIRST_ORDER
        return certificate(self._model, Source(kind), masks)
