"""Influence functions: the first-order effect of removing a row."""

import warnings
from numbers import Integral, Real

import numpy as np

from skinfluence._base import BaseInfluence, BoundedInfluence
from skinfluence._counts import counted, verb
from skinfluence._losses import refuse_without_slope
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
from skinfluence.out_of_core import CollectionInfluence
from skinfluence.removal import UnsupportedEstimator, refuse_samplers, removal_model
from skinfluence.removal.certificates import FIRST_ORDER, NEWTON, Source, certificate

HESSIANS = ("exact", "gauss_newton", "ekfac", "fisher", "cg", "last_layer")


class InfluenceFunctions(CollectionInfluence, BoundedInfluence, BaseInfluence):
    r"""Estimate of removing a row, from the gradient and the Hessian at the optimum.

    .. math:: I(i, t) = \nabla \ell_t(\hat\theta)^\top H^{-1}
        \, s_i \nabla \ell_i(\hat\theta)

    with H the Hessian of the training objective as scikit-learn states it
    (penalty included) and :math:`s_i` the row's weight. Positive: the row made the
    prediction better. Unit: the loss of one test row, for the removal of one whole
    row (not the 1/n up-weighting of the paper). For a skorch net the objective is the
    sum of the training losses of its rows, and H, which may be singular or indefinite,
    one of several curvatures, damped.

    ``step="infinitesimal"`` is this first-order estimate: minus :math:`s_i` times
    the derivative of the test loss with respect to the row's weight.
    ``step="newton"`` moves the coefficients by one Newton step of the objective
    without the row, which divides by one minus the leverage, and evaluates the test
    loss at the moved coefficients: for squared losses that is the exact answer.
    `influence_bounds` returns intervals around either that provably contain the effect
    of refitting.

    **Cost.** O(n p^2 + p^3) at fit; per test row O(n p). Memory O(n p). With more
    columns than rows min(n, p) takes the place of p. Sparse rows that are too many
    and too wide for that (binary logistic regression, ridge) stay sparse:
    "infinitesimal" solves for every test row by conjugate gradients, to a relative
    residual of 1e-12, or factorises an n x n matrix where that is less work;
    "newton" factorises, ``2/3 n^3`` operations and ``8 n^2`` bytes. On nets see
    ``hessian``.

    **When it fails.** "infinitesimal" underestimates, by the factor one minus leverage
    and by the curvature of the test loss: the ranking of the rows is good, the
    magnitudes of the largest influences are not. "newton" overshoots for rows of
    leverage near one and weak penalties. `LeaveOneOutInfluence` is exact at a small
    multiple of the cost. For nets the derivative assumes an optimum, which training
    has not reached and which is one of many: it predicts retraining on other subsets
    in part (better if averaged over ``checkpoints``, as by default), and the effect of
    a single row hardly at all. For nets use this or `TRAK` for the rows that a
    prediction depends on, `HyDRA` for the effect of a row on this training run, and
    self-influence (here or of `TracIn`) for mislabelled rows.

    Parameters
    ----------
    estimator : estimator
        A linear classifier or regressor with a smooth loss, a skorch net, or a
        Pipeline ending in one, whose fitted steps are held fixed.
    loss : str or callable, default="auto"
        Evaluation loss, as for `LeaveOneOutInfluence`: "infinitesimal" needs one
        with a gradient, "newton" takes any.
    step : {"infinitesimal", "newton"}, default="infinitesimal"
        The estimate; nets support "infinitesimal" only.
    hessian : str, default="auto"
        The curvature. For linear models it is always "exact". For nets of p
        parameters:

        - "ekfac" ("auto"): one block of Gauss-Newton per layer in Kronecker-factored
          eigenbases. Ignores the interaction of layers. Memory O(p).
        - "gauss_newton" ("auto" with ``group_order=2``): ignores the second derivatives
          of the net itself, and is positive semidefinite. Computed from the kernel of
          the training rows, of size n times the number of outputs (if there are many
          outputs, those with 99.9% of the trace), or as a p x p matrix if p is small.
          About ten times the cost of "ekfac", and a little better.
        - "exact": the Hessian, for up to 5,000 parameters.
        - "last_layer": the Hessian of the last Linear layer alone, which equals its
          Gauss-Newton matrix. Ignores the training of the other layers.
        - "fisher": second moments of the gradients, an n x n matrix. Rows that are
          fitted perfectly contribute nothing, so that influences are several times
          too large; use their ranking only.
        - "cg": "gauss_newton" by conjugate gradients, to convergence, preconditioned by
          "ekfac"; memory O(p).
    refine : int, default=0
        Number of conjugate gradient iterations that take the solution of "ekfac" to
        that of the Gauss-Newton matrix, with the damping of the latter. 5 predict
        retraining as "gauss_newton" does, over five checkpoints a little better than
        "ekfac", at ten to thirty times its cost. Needs ``hessian`` "auto" or "ekfac".
    damping : float or "auto", default="auto"
        Added to the diagonal of the Hessian of the mean loss. It acts like a ridge
        penalty and biases the estimate; include the weight decay of the optimiser.
        "auto" is 0 for linear models, where it is added to the Hessian of
        scikit-learn's objective. For nets it follows from the training run alone, with
        :math:`\Delta` the move of the parameters from the start of training and
        :math:`\lambda` the eigenvalues of the curvature:

        - "ekfac": :math:`\alpha / n`, with :math:`\alpha \|\Delta\|^2
          = n \gamma / (n + \gamma)` and :math:`\gamma = \sum_k n \lambda_k /
          (n \lambda_k + \alpha)`, the evidence of MacKay (1992) with at most n
          directions determined by the data;
        - "last_layer": the trace over n, since the loss that training gained is not due
          to the last layer alone;
        - others: twice the fall of the mean training loss over
          :math:`\|\Delta\|^2`, with which the ridge penalty of the move equals what
          training gained, or the trace over n if that is larger (for "fisher" in
          proportion to its trace; for "exact" more by the size of a negative
          eigenvalue).

        At checkpoints before the last the damping is in proportion to the trace. If
        training has not moved the parameters, it is the trace over n, and a warning
        says so.
    checkpoints : int or "auto", default="auto"
        For nets, the number of checkpoints of the training run, after evenly spaced
        epochs including the last, over which influences are averaged; each costs a
        curvature and a pass over the rows. This predicts retraining much better than
        the last alone. "auto": 5 with "ekfac", "fisher" and (for
        ``group_order=1``) "gauss_newton", else 1, the final parameters only.
    n_runs : int, default=1
        For nets, the number of training runs, which differ by their seeds, over whose
        checkpoints influences are averaged. They are trained on the workers of
        ``joblib.parallel_config``; ``estimator_`` is the first.
    group_order : {1, 2}, default=1
        Order of `group_influence` for nets. 1 adds up the rows of a group. 2 adds what
        they do to each other's removal [3]_: with g and H_S sums over the group S of
        gradients and of Hessians (or their Gauss-Newton parts), H of all rows,

        .. math:: I(S, t) = \nabla \ell_t^\top (H^{-1} g + H^{-1} H_S H^{-1} g)

        at the cost of two solves for each group. Needs ``hessian`` "exact",
        "gauss_newton", "last_layer" or "cg". For linear models ``step="newton"``
        solves with the Hessian without the group.
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
    damping_ : float or ndarray of float
        The value that was added to the diagonal; one per checkpoint if there are
        several.

    See Also
    --------
    LeaveOneOutInfluence : The exact answer.

    References
    ----------
    .. [1] P. W. Koh, P. Liang, "Understanding Black-box Predictions via Influence
       Functions", ICML 2017.
    .. [2] J. Martens, "New insights and perspectives on the natural gradient method",
       JMLR, 2020.
    .. [3] S. Basu, X. You, S. Feizi, "On Second-Order Group Influence Functions for
       Black-Box Predictions", ICML 2020. Its factors of p, the share of the rows that
       leave, are those of a mean loss; here losses are summed.

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
        "refine": [Interval(Integral, 0, None, closed="left")],
        "damping": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "checkpoints": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "n_runs": [Interval(Integral, 1, None, closed="left")],
        "group_order": [Interval(Integral, 1, 2, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        loss="auto",
        step="infinitesimal",
        hessian="auto",
        refine=0,
        damping="auto",
        checkpoints="auto",
        n_runs=1,
        group_order=1,
        random_state=None,
    ):
        self.estimator = estimator
        self.loss = loss
        self.step = step
        self.hessian = hessian
        self.refine = refine
        self.damping = damping
        self.checkpoints = checkpoints
        self.n_runs = n_runs
        self.group_order = group_order
        self.random_state = random_state

    def _fit_clone(self, X, y, fit_params, seed):
        refuse_samplers(self.estimator)
        if self.step == "infinitesimal":
            refuse_without_slope(self.loss)
        if not is_net(final_estimator(self.estimator)):
            self._refuse_parameters_of_nets()
            return super()._fit_clone(X, y, fit_params, seed)
        if self.refine and self.hessian not in ("auto", "ekfac"):
            raise ValueError(
                "The 'hessian' parameter must be 'auto' or 'ekfac' if refine is above "
                f"0. Got {self.hessian!r}."
            )
        approximate = ("ekfac", "fisher") if not self.refine else ()
        if self.group_order == 2 and self.hessian in approximate:
            raise ValueError(
                "group_order=2 needs the Hessian of a group: hessian must be 'auto', "
                "'exact', 'gauss_newton', 'last_layer' or 'cg'. Got "
                f"{self.hessian!r}."
            )
        if self.step != "infinitesimal":
            raise ValueError(
                "The 'step' parameter must be 'infinitesimal' for a skorch net: no "
                f"Newton step is defined for it. Got {self.step!r}."
            )
        from skinfluence.nets.run._checkpoint_run import fit_runs

        layers = "last" if self.hessian == "last_layer" else None
        checkpoints = self.checkpoints
        if checkpoints == "auto":
            several = ["ekfac", "fisher"]
            several += ["gauss_newton"] if self.group_order == 1 else []
            checkpoints = 5 if self._net_hessian in several else 1
        self._runs = fit_runs(
            (self.estimator, checkpoints, None, layers),
            self.n_runs,
            (X, y, fit_params),
            seed=seed,
            random_state=self.random_state,
        )
        return self._runs[0].model

    def _refuse_parameters_of_nets(self):
        if self.hessian not in ("auto", "exact"):
            raise ValueError(
                "The 'hessian' parameter must be 'auto' or 'exact' here: only "
                f"skorch nets have other curvatures. Got {self.hessian!r}."
            )
        for name in ("checkpoints", "n_runs"):
            if getattr(self, name) not in (1, "auto"):
                raise ValueError(
                    f"The {name!r} parameter must be 1 here: only skorch nets have "
                    f"several. Got {getattr(self, name)}."
                )
        if self.refine:
            raise ValueError(
                "The 'refine' parameter must be 0 here: the Hessian of a linear "
                f"model is exact. Got {self.refine}."
            )
        if self.group_order != 1:
            raise ValueError(
                "The 'group_order' parameter must be 1 here: only skorch nets have "
                f"another. Got {self.group_order}. Take step='newton', which "
                "solves with the Hessian without the group."
            )

    def _refuse_for_collections(self):
        if not is_net(final_estimator(self.estimator)):  # which are refused by name
            self._refuse_parameters_of_nets()
        if self.step == "infinitesimal":
            refuse_without_slope(self.loss)

    def _path(self):
        if hasattr(self, "_runs"):
            return f"gradients and a curvature of the net ({self._net_hessian})"
        if self.step == "newton":
            return "one Newton step without each row"
        return "first order: gradients and the Hessian at the optimum"

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
                f"The Newton step is not defined for {counted(len(rows), 'row')} that "
                f"alone {verb(len(rows), 'determines', 'determine')} a coefficient "
                f"(the first: {rows[:10].tolist()}): ignore this influence. "
                "LeaveOneOutInfluence retrains instead.",
                UserWarning,
                stacklevel=4,
            )

    def _fit_removals(self):
        if self.step == "infinitesimal":
            self._loss.need_slope()
        self.fixed_steps_ = list(self._model.held_fixed_by_steps)
        self.damping_ = self._model.choose_damping(self.damping)
        self._removals = self._without()

    def _removal_model(self, X, y, fit_params):
        """Return the fitted model as a function of its rows."""
        if is_net(final_estimator(self.estimator)):
            from skinfluence.static._net_model import NetModel

            steps = preprocessing_steps(self.estimator_)
            rows = self._fit_X, self._fit_y
            return NetModel(
                self._runs,
                *rows,
                self._net_hessian,
                steps,
                self.group_order,
                self.refine,
            )
        weight, others = final_sample_weight(self.estimator_, fit_params)
        if others:
            raise UnsupportedEstimator(
                "InfluenceFunctions does not support the fit parameters "
                f"{others}: leave them out, or use "
                "LeaveOneOutInfluence(..., solver='refit')."
            )
        model = removal_model(self.estimator_, X, y, weight)
        self.optimum_distance_ = model.optimum_distance
        return model

    @property
    def _net_hessian(self):
        """The curvature of nets: "auto" is the best per second."""
        if self.hessian != "auto":
            return self.hessian
        return "ekfac" if self.group_order == 1 or self.refine else "gauss_newton"

    def _without(self, masks=None):
        """Return the `Removals` of single rows or of sets, by the method ``step``."""
        if self.step == "newton":
            return self._model.newton(self.damping_, masks)
        return self._model.first_order(self.damping_, masks)

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
            if np.any(self.damping_):
                found = None
            return certificate(self._model, Source(NEWTON, found=found))
        kind = NEWTON if self.step == "newton" else FIRST_ORDER
        return certificate(self._model, Source(kind), masks)
