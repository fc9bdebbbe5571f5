"""TRAK: attribution by a kernel regression in the gradients of a net."""

import os
from numbers import Integral, Real

from sklearn.base import is_classifier

from skinfluence._base import BaseInfluence
from skinfluence._counts import counted
from skinfluence._losses import refuse_without_slope
from skinfluence._memory import check_memory
from skinfluence._other_methods import OTHER_METHODS
from skinfluence._sklearn import (
    Interval,
    StrOptions,
    final_estimator,
    n_rows,
    preprocessing_steps,
)
from skinfluence._skorch import is_net
from skinfluence.removal import refuse_samplers


class TRAK(BaseInfluence):
    r"""Share of each training row in a prediction, by kernel regression on gradients.

    .. math:: I(i, t) = \bar q_t \, \frac1C \sum_c q_i \,
        \big[(K_c + \lambda \, \overline{\mathrm{diag}} K_c \, I)^{-1}
        K_c(\mathrm{train}, t)\big]_i

    with :math:`K_c` the inner products of the gradients of the margin
    :math:`\log p_y - \log(1 - p_y)` at checkpoint c of one training run,
    :math:`q = 1 - p_y`, and :math:`\bar q_t` the mean over the checkpoints. By the
    inverse of the kernel, similar rows share their effect. For regressors the gradients
    are those of an output (summed over outputs), :math:`q_i` is the residual
    :math:`y_i - \hat y_i` and :math:`q_t` minus the derivative of the test loss; for
    squared losses each term is then the damped Gauss-Newton influence. The kernel is
    exact: there is no random projection.

    Positive: the row made the prediction better. Unit: the loss of one test row.
    Damping shrinks the values, so that only ranks, and magnitudes within one model,
    can be compared.

    **Cost.** Per checkpoint a pass over all rows, the Gram matrices in O(n (n + m)
    (inputs + outputs)) per Linear layer, and n^3 / 3 for the solve. Memory 8 n^2.

    **When it fails.** It gives all margins the same curvature, and ignores the order of
    training. On small, nearly linear problems sums of gradient products (`TracIn`) are
    as good. Leave-one-out effects below the noise of training cannot be predicted by
    any method.

    **Which method to choose.** TRAK for the rows that a prediction depends on;
    `TracIn.self_influence` or the mean loss for mislabelled rows;
    `InfluenceFunctions` for a model at its optimum.

    Parameters
    ----------
    estimator : estimator
        A skorch NeuralNetClassifier, NeuralNetBinaryClassifier or
        NeuralNetRegressor, or a Pipeline that ends in one.
    checkpoints : int, default=10
        Number of checkpoints, after evenly spaced epochs of one run, including the
        last.
    damping : float or "auto", default="auto"
        Ridge penalty, relative to the mean of the kernel's diagonal. "auto" follows
        from the training run alone, from what it gained per squared move of the
        parameters: it is the geometric mean over the checkpoints of

        .. math:: \frac{n}{\min\big(\bar h \; \overline{\mathrm{diag}} K_c, \;
            \overline{h \, \mathrm{diag} K_c}\big)} \;
            \frac{L(\theta_0) - L(\theta_c)}{\|\theta_c - \theta_0\|^2}

        or 1 if that is larger, with :math:`\theta_0` all trained parameters at the
        start of training, L the mean training loss, and h the second derivative of a
        row's loss by f, :math:`p_y (1 - p_y)` for classifiers. If training has not
        moved the parameters it is 1, and a warning says so.
    n_runs : int, default=1
        Number of training runs, which differ by their seeds; the mean over the
        checkpoints of all of them is better and costs as many trainings. They are
        trained on the workers of ``joblib.parallel_config``; ``estimator_`` is the
        first.
    layers : list of str, "last" or None, default=None
        Submodules whose parameters are used. None: all.
    loss : str, default="auto"
        Evaluation loss: the log loss for classifiers, any loss with a gradient for
        regressors.
    memory : str or path-like, default=None
        Folder that keeps the checkpoints, from which numbers are read and no
        pickled code. None: in memory.
    random_state : int, RandomState or None, default=None
        Seed of the training. None: a net draws from torch's global generator.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows. Its attribute ``net_`` is the net itself.
    n_samples_fit_ : int
        Number of training rows.
    fixed_steps_ : list of str
        Names of the Pipeline's fitted steps, which are held fixed.
    damping_ : float
        The relative damping that is used.

    See Also
    --------
    TracIn : Sums of gradient products, without a solve.
    InfluenceFunctions : Uses the final parameters and the curvature of the loss.

    References
    ----------
    .. [1] S. M. Park, K. Georgiev, A. Ilyas, G. Leclerc, A. Madry, "TRAK:
       Attributing Model Behavior at Scale", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from torch import nn
    >>> from sklearn.datasets import load_iris
    >>> from skinfluence import TRAK
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NeuralNetClassifier(
    ...     nn.Linear, module__in_features=4, module__out_features=3,
    ...     criterion=nn.CrossEntropyLoss, train_split=None, verbose=0)
    >>> trak = TRAK(net, checkpoints=5, random_state=0).fit(X.astype(np.float32), y)
    >>> trak.influence(X[:3].astype(np.float32), y[:3]).shape
    (3, 150)
    """

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        "checkpoints": [Interval(Integral, 1, None, closed="left")],
        "damping": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "n_runs": [Interval(Integral, 1, None, closed="left")],
        "layers": [str, list, tuple, None],
        "memory": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        checkpoints=10,
        damping="auto",
        n_runs=1,
        layers=None,
        loss="auto",
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.checkpoints = checkpoints
        self.damping = damping
        self.n_runs = n_runs
        self.layers = layers
        self.loss = loss
        self.memory = memory
        self.random_state = random_state

    def _fit_clone(self, X, y, fit_params, seed):
        refuse_samplers(self.estimator)
        net = final_estimator(self.estimator)
        if not is_net(net):
            raise TypeError(
                "The 'estimator' parameter of TRAK must be a skorch net or a Pipeline "
                f"that ends in one. Got {type(net).__name__}: use InfluenceFunctions "
                f"or TracIn. {OTHER_METHODS}"
            )
        if is_classifier(net) and self.loss not in ("auto", "log_loss"):
            raise ValueError(
                "The 'loss' parameter of TRAK must be 'auto' or 'log_loss' for "
                f"classifiers, whose margin it explains. Got {self.loss!r}."
            )
        refuse_without_slope(self.loss)
        self._check_kernel(n_rows(X))
        from skinfluence.nets.run._checkpoint_run import fit_runs

        self._runs = fit_runs(
            (self.estimator, self.checkpoints, self.memory, self.layers),
            self.n_runs,
            (X, y, fit_params),
            seed=seed,
            random_state=self.random_state,
        )
        return self._runs[0].model

    _estimand = "share of the row in the prediction, comparable within one model"

    def _path(self):
        runs = counted(len(self._runs), "training run")
        return f"kernel regression on gradients, {runs}"

    def _fit_influence(self, X, y, fit_params):
        from skinfluence.nets.run._margin_kernel import kernel_damping

        self._loss.need_slope()
        self.fixed_steps_ = preprocessing_steps(self.estimator_)
        self.damping_ = self.damping
        if self.damping == "auto":
            train = self._fit_X, self._fit_y
            self.damping_ = kernel_damping(
                self._runs, train, is_classifier(self.estimator_)
            )

    @staticmethod
    def _check_kernel(n, n_test=0):
        check_memory(
            16 * n * (n + 2 * n_test),  # including the arrays of the solve
            f"The kernel of {n} training rows",
            "Use TracIn, which needs no solve, or fewer rows.",
        )

    def _influence(self, X, y, loss):
        from skinfluence.nets.run._margin_kernel import kernel_influence

        self._check_kernel(self.n_samples_fit_, n_rows(X))
        return kernel_influence(
            self._runs,
            (self._fit_X, self._fit_y),
            (X, y),
            loss,
            self.damping_,
            is_classifier(self.estimator_),
        )
