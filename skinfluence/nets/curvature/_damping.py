r"""The default damping of nets: how far the data, in training, moved the parameters.

With :math:`\theta_0` the parameters at the start of training, L the mean training loss
and n rows,

.. math:: s_c = \frac{L(\theta_0) - L(\theta_c)}{\|\theta_c - \theta_0\|^2}

is what training gained per squared move of the parameters until checkpoint c. For
gradient flow of length T with rate :math:`\eta` it is at least :math:`1 / (\eta T)`,
the ridge penalty that stopping after T steps resembles; it needs no learning rate, and
holds for any optimiser. No test row is used.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq


@dataclass
class Descent:
    """What training did until a checkpoint.

    Attributes
    ----------
    gain : float
        By how much the mean training loss fell.
    squared_move : float
        Squared distance of the variables from the start of training.
    squared_move_of_all : float
        The same of all trained parameters, among which are the variables.
    """

    gain: float
    squared_move: float
    squared_move_of_all: float

    @property
    def per_squared_move(self):
        """s_c, not below zero: the gain is due to all parameters that moved."""
        return max(self.gain, 0.0) / self.squared_move_of_all


def known(descent):
    """Tell whether there is a descent; warn if not."""
    if descent is not None and descent.squared_move > 0:
        return True
    warnings.warn(
        "damping='auto' is a convention here, which doubles the mean diagonal of the "
        "kernel of the rows: the rules that predict retraining better need the "
        "parameters at the start of training, which "
        + ("were not recorded" if descent is None else "training has not changed")
        + ". Set 'damping' to a number to choose it yourself.",
        UserWarning,
        stacklevel=2,
    )
    return False


def gauss_newton_damping(trace, n, descent):
    r"""``max(trace / n, 2 s_c)``, for Gauss-Newton and Hessian matrices.

    Damping d stands for the ridge penalty :math:`d / 2 \|\theta - \theta_0\|^2`. With
    :math:`2 s_c` it equals what training gained. If the variables are some layers only,
    it is the trace over n: how much of the gain is theirs is not known.
    """
    if not known(descent):
        return trace / n
    if descent.squared_move < descent.squared_move_of_all and trace > 0:
        return trace / n
    return max(trace / n, 2 * descent.per_squared_move)


def fisher_damping(trace, gauss_newton_trace, n, descent):
    """The Gauss-Newton rule, in proportion to the trace of the Fisher matrix."""
    if not known(descent):
        return trace / n
    if not gauss_newton_trace > 0:
        return trace / n
    return trace / n * max(1.0, 2 * descent.per_squared_move * n / gauss_newton_trace)


def evidence_damping(values, n, descent):
    r"""MacKay's fixed point of the evidence, for a diagonal curvature.

    The damping is :math:`\alpha / n` with

    .. math:: \alpha \|\theta_c - \theta_0\|^2 = \frac{n \gamma}{n + \gamma}, \qquad
        \gamma = \sum_k \frac{n \lambda_k}{n \lambda_k + \alpha}

    the number of directions that the data determine. MacKay has :math:`\gamma` itself,
    but a diagonal curvature counts more directions than n rows determine. The left
    side grows with :math:`\alpha` and the right side falls: there is one root. Without
    curvature :math:`\alpha` would be zero, and the rule is that of Gauss-Newton.

    Parameters
    ----------
    values : ndarray
        Eigenvalues :math:`\lambda` of the curvature of the mean loss.
    n : int
        Number of rows.
    descent : Descent or None

    References
    ----------
    D. J. C. MacKay, "Bayesian Interpolation", Neural Computation, 1992.
    """
    values = n * values[values > 0]
    if not len(values):
        return gauss_newton_damping(0.0, n, descent)
    if not known(descent):
        return float(values.sum()) / n**2
    squared_move = descent.squared_move

    def excess(log_alpha):
        alpha = math.exp(log_alpha)
        determined = float(np.sum(values / (values + alpha)))
        return alpha * squared_move - n * determined / (n + determined)

    # At p / move^2 the left side is p, and the right side is less. At the lower end
    # the left side is at most 1/4, and the right side at least 2/5.
    high = math.log(len(values) / squared_move)
    low = math.log(min(values.max(), 0.5 / squared_move) / 2)
    return math.exp(brentq(excess, low, high, xtol=1e-12)) / n
