"""SOURCE: a training run unrolled in segments of constant curvature."""

import os
from numbers import Integral

from skinfluence._base import BaseInfluence
from skinfluence._losses import refuse_without_slope
from skinfluence._sklearn import Interval, final_estimator, preprocessing_steps
from skinfluence._skorch import is_net
from skinfluence.removal import refuse_samplers


class SOURCE(BaseInfluence):
    r"""Derivative of a training run, approximated by segments of constant curvature.

    `HyDRA` differentiates every step of a recorded run. SOURCE divides the run into
    segments, in each of which Hessian and gradients are taken to be constant, so that
    the derivative of a segment has a closed form. With :math:`\bar H_s` the mean
    curvature of the checkpoints of segment s, in the eigenbases of EK-FAC,
    :math:`\bar g_{is}` the mean gradient of training row i there, :math:`\rho_s` the
    sum of the learning rates and n training rows,

    .. math:: I(i, t) = \frac1n \nabla \ell_t(\theta_T)^\top \sum_s
        \Big( \prod_{r > s} e^{-\rho_r \bar H_r} \Big)
        \big(1 - e^{-\rho_s \bar H_s}\big) \bar H_s^{-1} \, \bar g_{is}

    with later segments to the left. Positive: the row made the prediction better.
    Unit: the loss of one test row, for the removal of one whole row from the run.
    No damping is needed: in directions of large :math:`\rho \lambda` this is the
    influence function, in others the sum of gradient products of `TracIn`.

    Momentum :math:`\mu` multiplies the learning rate by :math:`1 / (1 - \mu)`. Adam and
    RMSprop multiply it by their preconditioner, of which the diagonal in the
    eigenbases is used. Weight decay is part of the curvature.

    **Cost.** One training run, two passes over the rows of every checkpoint for the
    curvatures (as EK-FAC), and ``n_test * n_train * n_parameters`` operations per
    checkpoint. Memory: the checkpoints, and O(p) per segment.

    **When it fails.** The curvature is that of EK-FAC: the interaction of layers and
    the second derivatives of the net itself are ignored. Few segments do not see how
    the curvature changes, as at the start of training. The beginning and the end of
    momentum, and the noise of batches, are averaged out: the estimate is that of the
    mean over the orders of the rows, and not of this one run, which `HyDRA` describes.

    Parameters
    ----------
    estimator : estimator
        A skorch NeuralNetClassifier, NeuralNetBinaryClassifier or NeuralNetRegressor,
        or a Pipeline that ends in one, whose fitted steps are held fixed. The optimiser
        must be SGD, Adam, AdamW or RMSprop.
    n_segments : int, default=3
        Number of segments of the run.
    checkpoints : int, default=6
        Number of checkpoints, after evenly spaced epochs including the last, which are
        divided among the segments.
    loss : str, default="auto"
        Evaluation loss, which needs a gradient.
    memory : str or path-like, default=None
        Folder that keeps the checkpoints of a net, from which numbers are read and
        no pickled code. None: in memory.
    random_state : int, RandomState or None, default=None
        Seed of the training. None: a net draws from torch's global generator.

    Attributes
    ----------
    estimator_ : estimator
        Trained on all rows. The net is wrapped, so that it predicts the user's labels;
        its attribute ``net_`` is the net itself.
    n_samples_fit_ : int
        Number of training rows.
    fixed_steps_ : list of str
        Fitted preprocessing that was held fixed.

    See Also
    --------
    HyDRA : The derivative through every step.
    InfluenceFunctions : The limit of a long run at an optimum.

    References
    ----------
    .. [1] J. Bae, W. Lin, J. Lorraine, R. Grosse, "Training Data Attribution via
       Approximate Unrolling", NeurIPS 2024.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skinfluence import SOURCE
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
    >>> source = SOURCE(net, random_state=0).fit(X.astype("float32"), y)
    >>> source.influence(X[:5].astype("float32"), y[:5]).shape
    (5, 150)
    """

    _parameter_constraints: dict = {
        **BaseInfluence._parameter_constraints,
        "n_segments": [Interval(Integral, 1, None, closed="left")],
        "checkpoints": [Interval(Integral, 1, None, closed="left")],
        "memory": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        n_segments=3,
        checkpoints=6,
        loss="auto",
        memory=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_segments = n_segments
        self.checkpoints = checkpoints
        self.loss = loss
        self.memory = memory
        self.random_state = random_state

    def _fit_clone(self, X, y, fit_params, seed):
        refuse_samplers(self.estimator)
        refuse_without_slope(self.loss)
        net = final_estimator(self.estimator)
        if not is_net(net):
            raise TypeError(
                "The 'estimator' parameter of SOURCE must be a skorch net or a "
                f"Pipeline that ends in one. Got {type(net).__name__}: use "
                "InfluenceFunctions, which is the limit of a long run."
            )
        if self.n_segments > self.checkpoints:
            raise ValueError(
                "The 'n_segments' parameter must be at most checkpoints="
                f"{self.checkpoints}, since every segment needs one. Got "
                f"{self.n_segments}."
            )
        from skinfluence.nets.run._segmented_run import SegmentedRun

        self._run = SegmentedRun(
            self.estimator, int(self.checkpoints), self.memory, self.n_segments
        )
        return self._run.fit(
            X, y, fit_params, seed=seed, random_state=self.random_state
        )

    _estimand = "to first order, loss without the row minus loss with it in such runs"

    def _path(self):
        return (
            f"{self.checkpoints} checkpoints in {self.n_segments} segments of constant "
            "curvature"
        )

    def _fit_influence(self, X, y, fit_params):
        self._loss.need_slope()
        self.fixed_steps_ = preprocessing_steps(self.estimator_)
        self._run.prepare(self._fit_X, self._fit_y)

    def _influence(self, X, y, loss):
        return self._run.unrolled_influence((X, y), loss)

    def _sample_values(self, X, y, loss, weight):
        return self._run.unrolled_values((X, y), loss, weight)

    def _self_influence(self, X, y, loss):
        return self._run.unrolled_self_influence(loss)
