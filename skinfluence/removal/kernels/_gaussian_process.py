"""GaussianProcessRegressor: kernel least squares with noise, and centred targets."""

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.utils.validation import validate_data

from skinfluence.removal._dispatch import removal_model
from skinfluence.removal.kernels._kernel import KernelModel, check_kernel_memory


class GaussianProcessModel(KernelModel):
    """Posterior mean of a Gaussian process; see `KernelModel` for formula and cost.

    The kernel's hyper-parameters are held fixed. With ``normalize_y`` the mean of the
    targets follows the removed rows; their scale cancels.
    """

    def __init__(self, estimator, X, y):
        self.estimator = estimator
        kernel = estimator.kernel_
        if estimator.optimizer is not None and kernel.n_dims > 0:
            self.held_fixed = (f"kernel_ of {type(estimator).__name__}",)
        targets = np.asarray(y, dtype=np.float64)
        targets = targets.reshape(len(targets), -1)
        check_kernel_memory(len(targets), 1)
        mean = None
        if estimator.normalize_y:
            mean = targets.mean(axis=0)
            targets = targets - mean
        which = np.zeros(targets.shape[1], dtype=np.intp)
        gram = kernel(estimator.X_train_)
        self._solve(X, gram, [estimator.alpha], which, targets, mean)

    def cross(self, X):
        model = self.estimator
        vectors = model.kernel_.requires_vector_input
        dtype = "numeric" if vectors else None
        X = validate_data(model, X, ensure_2d=vectors, dtype=dtype, reset=False)
        return model.kernel_(X, model.X_train_)


@removal_model.register
def _(estimator: GaussianProcessRegressor, X, y, sample_weight=None):
    return GaussianProcessModel(estimator, X, y)
