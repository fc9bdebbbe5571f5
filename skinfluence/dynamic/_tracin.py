"""TracIn: the effect of the training steps on a row on the loss of another row."""

import os
from numbers import Integral

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import UNUSED

from skinfluence._base import BaseInfluence
from skinfluence._counts import counted
from skinfluence._losses import refuse_without_slope
from skinfluence._sklearn import (
    Interval,
    StrOptions,
    final_estimator,
    n_rows,
    preprocessing_steps,
    take_rows,
)
from skinfluence._skorch import is_net
from skinfluence._targets import check_targets
from skinfluence.dynamic._perceptron import PerceptronRun
from skinfluence.removal import refuse_samplers


class TracIn(BaseInfluence):
    r"""Share of each training row in the fall of a test row's loss during training.

    .. math:: I(i, t) = \sum_c w_c \,
        \nabla \ell_i(\theta_c)^\top \nabla \ell_t(\theta_c)

    over checkpoints :math:`\theta_c` of one training run, with :math:`w_c` the learning
    rate spent since the previous checkpoint (summed over steps), divided by the number
    of training rows. Positive: steps on the row lowered the loss of the test row. Unit:
    the loss of one test row; the sum over training rows estimates by how much training
    by gradient descent lowered it. The estimand is this share, not leave-one-out: the
    other rows would have compensated for a part of it.

    A clone of the estimator is trained with a recorder. On skorch nets gradients of the
    training loss (``net.get_loss``, per row) are multiplied by gradients of the
    evaluation loss. Gradients are kept as factors per layer, and are materialised only
    where that is cheaper; layers without a rule use `torch.func`.

    **Cost.** Per checkpoint one forward and backward pass of training and test rows,
    then for a Linear layer n_train x n_test x (inputs + outputs) operations. Memory:
    the checkpoints (or ``memory``), and batches bounded by ``working_memory``.
    `sample_values` and `self_influence` are linear in the number of rows.
    ``checkpoints="all"`` takes a pass of the test rows in every step: some 5 trainings
    for half as many test as training rows with plain SGD, and three to four times as
    much with momentum or Adam, where gradients are materialised.

    **When it fails.** It ranks the rows that matter for a prediction less well than
    `TRAK`, which takes the similarity of rows into account, and predicts leave-one-out
    hardly at all. Self-influence finds mislabelled rows, as does the mean loss over
    checkpoints (`mean_losses`), which needs no further computation. Learning rates are
    used as in plain gradient descent: with momentum all shares are too small by a
    factor of about one minus momentum, and Adam's preconditioner is ignored.

    Parameters
    ----------
    estimator : estimator
        A skorch NeuralNetClassifier, NeuralNetBinaryClassifier or NeuralNetRegressor,
        a Pipeline that ends in one (its fitted steps are held fixed), or scikit-learn's
        SGDClassifier, SGDRegressor, MLPClassifier or MLPRegressor.
    checkpoints : int, list of int or "all", default=10
        Number of checkpoints, after evenly spaced epochs, or a list of epochs (from 1).
        The last epoch is always added. "all": every step of a net's run, attributed to
        the rows of its batch; gradients carried on by momentum are included, and Adam's
        preconditioner is treated as constant. The shares then add up to the fall of the
        test loss, up to the residual that `completeness` returns.
    loss : str, default="auto"
        Evaluation loss, which needs a gradient.
    layers : list of str, "last" or None, default=None
        Submodules of a net whose parameters are used, as named by
        ``module.named_modules()``; "last" is the last Linear layer. None: all.
    normalize : bool, default=False
        Sum cosines instead of inner products (GAS, "renormalised influence"), so that
        rows of large loss do not dominate. The values are not in units of the loss.
    memory : str or path-like, default=None
        Folder that keeps the checkpoints of a net, from which numbers are read and
        no pickled code. None: in memory.
    random_state : int, RandomState or None, default=None
        Seed of the training. None: a net draws from torch's global generator.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows. A net is wrapped, so that it predicts the user's labels;
        its attribute ``net_`` is the net itself.
    n_samples_fit_ : int
        Number of training rows.
    fixed_steps_ : list of str
        Fitted preprocessing that was held fixed.
    checkpoints_ : list
        The record, with attributes ``epoch``, ``spent`` (the weights), ``rows``.

    See Also
    --------
    InfluenceFunctions : Uses the final parameters and the curvature of the loss.

    References
    ----------
    .. [1] G. Pruthi, F. Liu, M. Sundararajan, S. Kale, "Estimating Training Data
       Influence by Tracing Gradient Descent", NeurIPS 2020.
    .. [2] Z. Hammoudeh, D. Lowd, "Identifying a Training-Set Attack's Target Using
       Renormalized Influence Estimation", CCS 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neural_network import MLPClassifier
    >>> from skinfluence import TracIn
    >>> X, y = load_digits(return_X_y=True)
    >>> net = MLPClassifier((16,), max_iter=20, random_state=0)
    >>> tracin = TracIn(net, checkpoints=5).fit(X[:500] / 16, y[:500])
    >>> tracin.influence(X[500:510] / 16, y[500:510]).shape
    (10, 500)
    """

    # Not routed: the classes of a continued run are those of its targets.
    __metadata_request__partial_fit = {"classes": UNUSED}

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        "checkpoints": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
            StrOptions({"all"}),
        ],
        "layers": [str, list, tuple, None],
        "normalize": ["boolean"],
        "memory": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        checkpoints=10,
        loss="auto",
        layers=None,
        normalize=False,
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.checkpoints = checkpoints
        self.loss = loss
        self.layers = layers
        self.normalize = normalize
        self.memory = memory
        self.random_state = random_state

    def _fit_clone(self, X, y, fit_params, seed):
        refuse_samplers(self.estimator)
        refuse_without_slope(self.loss)
        self._run = self._training_run(self._checked_checkpoints())
        return self._run.fit(
            X, y, fit_params, seed=seed, random_state=self.random_state
        )

    def _training_run(self, checkpoints):
        """Return the `TrainingRun`, which records steps or epochs."""
        last = final_estimator(self.estimator)
        if is_net(last):
            if checkpoints == "all":
                from skinfluence.nets.run._step_run import StepRun

                return StepRun(self.estimator, self.memory)
            from skinfluence.nets.run._checkpoint_run import CheckpointRun

            return CheckpointRun(self.estimator, checkpoints, self.memory, self.layers)
        if self.layers is not None:
            raise ValueError(
                "The 'layers' parameter is for skorch nets. Got "
                f"layers={self.layers!r} with {type(last).__name__}."
            )
        return PerceptronRun(self.estimator, checkpoints)

    def _checked_checkpoints(self):
        if isinstance(self.checkpoints, str):
            if self.layers is not None or self.normalize:
                raise ValueError(
                    "checkpoints='all' uses the steps of all parameters: set "
                    "layers=None and normalize=False, or pass a number of checkpoints."
                )
            if not is_net(final_estimator(self.estimator)):
                raise ValueError(
                    "checkpoints='all' is supported for skorch nets only. Got "
                    f"{type(self.estimator).__name__}: pass a number of checkpoints."
                )
            return self.checkpoints
        if isinstance(self.checkpoints, Integral):
            return int(self.checkpoints)
        epochs = np.asarray(self.checkpoints)
        if epochs.ndim != 1 or epochs.dtype.kind not in "iu" or (epochs < 1).any():
            raise ValueError(
                "The 'checkpoints' parameter must be a number of checkpoints or a list "
                f"of epochs, counted from 1. Got {self.checkpoints!r}."
            )
        return epochs.tolist()

    _estimand = "share of the row in the fall of the loss during training"

    def _path(self):
        return f"products of gradients at {len(self.checkpoints_)} checkpoints"

    def _fit_influence(self, X, y, fit_params):
        self._loss.need_slope()
        self.fixed_steps_ = preprocessing_steps(self.estimator_)

    @property
    def checkpoints_(self):
        """The recorded checkpoints."""
        if "estimator_" not in vars(self):
            raise AttributeError("TracIn has no attribute 'checkpoints_' before fit.")
        return self._run.checkpoints

    def mean_losses(self):
        """Mean training loss of every training row over the checkpoints.

        A baseline for finding mislabelled rows: a high loss is suspect. Influence
        estimates rarely rank these rows better.

        Returns
        -------
        losses : ndarray of shape (n_samples_fit_,)
            In units of the training loss.
        """
        self.checkpoints_  # noqa: B018  (raises before fit)
        with self._threads():
            return self._run.mean_loss((self._fit_X, self._fit_y))

    def completeness(self, X, y):
        """Return the part of the fall of the test loss that no row accounts for.

        Needs ``checkpoints="all"``. The residual consists of weight decay, which is
        not a part of any row's loss, and terms of third order in the steps. If it is
        not small, the influences do not explain the fall of the loss.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their true values.

        Returns
        -------
        residual : ndarray of shape (n_samples,)
            Loss before training minus loss after it minus the sum of `influence`.
        drop : ndarray of shape (n_samples,)
            Loss before training minus loss after it.
        """
        X, y, loss = self._check_test(X, y)
        if self.checkpoints != "all":
            raise ValueError(
                "completeness needs checkpoints='all', a record of every step. Got "
                f"{self.checkpoints!r}."
            )
        with self._threads():
            drop = self._run.loss_drop((X, y), loss)
            total = np.concatenate(
                [
                    self._influence(take_rows(X, rows), y[rows], loss).sum(axis=1)
                    for rows in self._blocks(len(y))
                ]
            )
        return drop - total, drop

    def _influence(self, X, y, loss):
        return self._run.influence(
            (self._fit_X, self._fit_y), (X, y), loss, self.normalize
        )

    def _self_influence(self, X, y, loss):
        return self._run.self_influence((X, y), loss, self.normalize)

    def _sample_values(self, X, y, loss, weight):
        if self.normalize:  # not linear in the test rows' gradients
            return super()._sample_values(X, y, loss, weight)
        return self._run.values((self._fit_X, self._fit_y), (X, y), loss, weight)

    def partial_fit(self, X, y, classes=None):
        """Train on the same rows for another ``max_epochs`` (``max_iter``) epochs.

        Parameters
        ----------
        X : array-like of shape (n_samples_fit_, n_features)
            The rows of `fit`, in the same order.
        y : array-like of shape (n_samples_fit_,) or (n_samples_fit_, n_outputs)
            Their targets.
        classes : array-like of shape (n_classes,), default=None
            Accepted for compatibility with scikit-learn; must be the classes of y.

        Returns
        -------
        self : object
            With the checkpoints of the continued run.
        """
        check_targets(y)
        if classes is not None and not np.array_equal(np.unique(y), np.unique(classes)):
            raise ValueError(
                "The 'classes' parameter must be the classes of y, since the rows of "
                f"fit do not change. Got {np.unique(classes).tolist()}, and "
                f"{np.unique(y).tolist()} in y."
            )
        if "estimator_" not in vars(self):
            return self.fit(X, y)
        if n_rows(X) != self.n_samples_fit_:
            raise ValueError(
                f"X must hold the {self.n_samples_fit_} rows of fit in the same order, "
                f"as the run is continued. Got {counted(n_rows(X), 'row')}."
            )
        if isinstance(self.estimator_, Pipeline):
            raise ValueError(
                "A Pipeline cannot be trained further: wrap the net without one."
            )
        self._run.partial_fit(X, y)
        return self
