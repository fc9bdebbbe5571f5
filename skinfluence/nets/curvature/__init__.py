"""Damped curvature of a net's training loss, and influence through its inverse.

With g the gradient of a row's loss, n rows, and H one of the matrices below::

    I(i, t) = g_t^T (H + damping 1)^{-1} g_i / n

- `_exact.py`: the Hessian itself, for few parameters.
- `_gauss_newton.py`: the generalised Gauss-Newton matrix; explicit for few
  parameters, else through the kernel of its rows. Of the last layer alone it is exact.
- `_fisher.py`: second moments of the gradients, in dual form.
- `_ekfac.py`: Gauss-Newton, layer by layer, in Kronecker eigenbases.
- `_conjugate_gradient.py`: Gauss-Newton again, by products with vectors only.

The default damping is the trace of H over n: in the dual form every row's own
curvature, on average, counts twice. No truth is needed for it.
"""

from skinfluence.nets.curvature._conjugate_gradient import ConjugateGradient
from skinfluence.nets.curvature._ekfac import EKFAC
from skinfluence.nets.curvature._exact import ExactHessian
from skinfluence.nets.curvature._fisher import Fisher
from skinfluence.nets.curvature._gauss_newton import gauss_newton

CURVATURES = {
    "exact": ExactHessian,
    "gauss_newton": gauss_newton,
    "last_layer": gauss_newton,
    "fisher": Fisher,
    "ekfac": EKFAC,
    "cg": ConjugateGradient,
}

__all__ = ["CURVATURES"]
