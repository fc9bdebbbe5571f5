"""KernelRidge: ``sum_j s_j (y_j - f(x_j))^2 + alpha |f|^2``, alpha a constant."""

import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.utils.validation import validate_data

from skinfluence.removal._dispatch import removal_model
from skinfluence.removal._precomputed import refuse_precomputed
from skinfluence.removal._weights import row_weights
from skinfluence.removal.kernels._kernel import KernelModel, check_kernel_memory


class KernelRidgeModel(KernelModel):
    """Kernel ridge regression; see `KernelModel` for formula and cost.

    With sample weights s it solves ``(S^1/2 K S^1/2 + alpha I) a = S^1/2 y``.
    """

    def __init__(self, estimator, X, y, sample_weight):
        refuse_precomputed(estimator, "kernel")
        self.estimator = estimator
        targets = np.asarray(y, dtype=np.float64)
        targets = targets.reshape(len(targets), -1)
        n, n_outputs = targets.shape
        alpha = np.ravel(estimator.alpha).astype(np.float64)
        if (alpha == alpha[0]).all():  # scikit-learn: one, whatever their number
            alpha = np.full(n_outputs, alpha[0])
        noise, which = np.unique(alpha[:n_outputs], return_inverse=True)
        check_kernel_memory(n, len(noise))
        self.rows = estimator.X_fit_.astype(np.float64)
        self.root = np.sqrt(row_weights(sample_weight, n))
        root = self.root[:, None]
        self._solve(X, root * self.cross(X), noise, which.ravel(), root * targets)

    def cross(self, X):
        model = self.estimator
        X = validate_data(
            model, X, reset=False, accept_sparse=("csr", "csc"), dtype=np.float64
        )
        if callable(model.kernel):
            params = model.kernel_params or {}
        else:
            params = {k: getattr(model, k) for k in ("gamma", "degree", "coef0")}
        kernel = pairwise_kernels(
            X, self.rows, metric=model.kernel, filter_params=True, **params
        )
        return kernel * self.root


@removal_model.register
def _(estimator: KernelRidge, X, y, sample_weight=None):
    return KernelRidgeModel(estimator, X, y, sample_weight)
