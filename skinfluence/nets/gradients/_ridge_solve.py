"""Ridge solves on Gram matrices, in float64."""

import numpy as np
import scipy.linalg as sla


def ridge_solve(K, mixed, ridge):
    """``(K + ridge I)^{-1} mixed`` by Cholesky; K positive semidefinite to rounding.

    Parameters
    ----------
    K : ndarray of shape (n, n)
    mixed : ndarray of shape (n, m)
    ridge : float
        Above zero. If the rounding error of K (from float32 gradients) exceeds it,
        negative eigenvalues of K are set to zero.
    """
    A = np.array(K, dtype=np.float64)
    A[np.diag_indices(len(A))] += ridge
    try:
        return sla.cho_solve(sla.cho_factor(A, lower=True, overwrite_a=True), mixed)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh((K + K.T) / 2)
        solved = (vectors.T @ mixed) / (np.maximum(values, 0.0) + ridge)[:, None]
        return vectors @ solved
