"""Damped curvature of a net's training loss, and influence through its inverse.

With g the gradient of a row's loss, n rows, and H one of the matrices below::

    I(i, t) = g_t^T (H + damping 1)^{-1} g_i / n

The first line of each module says which matrix it is. Each class sets its damping in
``prepare``; the rules for ``damping="auto"`` are in `_damping`.
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
