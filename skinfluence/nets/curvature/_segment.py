r"""A part of a training run with one curvature and one mean step.

With :math:`\lambda` the eigenvalues of the mean curvature of the part's checkpoints,
and :math:`\rho, \omega, \delta` the sums of its `Rates`, in the eigenbases of EK-FAC,

.. math:: x = \rho (\lambda + \omega) + \delta, \qquad
    S = e^{-x}, \qquad R = \rho \, \frac{1 - e^{-x}}{x}

S is what the part leaves of a change of the parameters before it, and R / n is the
change of the parameters after it per gradient of a row that is removed from it.
"""

import torch

from skinfluence.nets.curvature._ekfac import (
    curvature_columns,
    layer_curvatures,
    multiplied,
)


class Segment:
    """Curvature and rates of consecutive checkpoints.

    Parameters
    ----------
    gradients : RowGradients
    train : tuple of (X, y)
        Rows that the net was trained on.
    checkpoints : list of Checkpoint
    rates : dict of str to Rates
        Sums over the segment.
    """

    def __init__(self, gradients, train, checkpoints, rates):
        self.checkpoints = checkpoints
        target, n = gradients.target, len(train[1])

        def columns():
            for checkpoint in checkpoints:
                with target.at(checkpoint.state):
                    yield from curvature_columns(gradients, train)

        self._parts = layer_curvatures(columns, n * len(checkpoints))
        shapes = {name: v.shape for name, v in target.params.items()}
        rate, added = (
            {
                name: torch.broadcast_to(values(rates[name]), shape)
                for name, shape in shapes.items()
            }
            for values in (
                lambda own: own.rate,
                lambda own: own.rate * own.weight_decay + own.decay,
            )
        )
        self._kept, self._removed = [], []
        for part in self._parts:
            rho = part.diagonal(rate)
            x = rho * part.values + part.diagonal(added)
            x = x.clamp(min=torch.finfo(x.dtype).tiny)  # (1 - exp(-x)) / x is 1 there
            self._kept.append(torch.exp(-x))
            self._removed.append(-torch.expm1(-x) / x * rho)

    def kept(self, target, rows):
        """Multiply rows of shape (m, p) by S, in float64."""
        return multiplied(self._parts, self._kept, target, rows)

    def removed(self, target, rows):
        """Multiply rows of shape (m, p) by R, in float64."""
        return multiplied(self._parts, self._removed, target, rows)
