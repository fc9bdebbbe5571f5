"""An influence estimator that is not part of the library."""

from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.extmath import safe_sparse_dot

from skinfluence import BaseInfluence


class GradientSimilarity(BaseInfluence):
    """Inner products of loss gradients at the fitted coefficients.

    For linear regressors that minimise squared errors and have an intercept.
    """

    def __init__(self, estimator, *, loss="auto"):
        self.estimator = estimator
        self.loss = loss

    def _fit_influence(self, X, y, fit_params):
        self._fit_columns = self._columns(X)
        self._fit_slopes = 2 * (self._raw(X) - self._fit_y)
        for name, weight in fit_params.items():
            if name.endswith("sample_weight"):  # of a Pipeline: step__sample_weight
                weight = check_array(weight, ensure_2d=False).reshape(-1, 1)
                self._fit_slopes = self._fit_slopes * weight

    def _influence(self, X, y, loss):
        slopes = loss.slope(y, self._raw(X), "identity")
        columns = self._columns(X)
        products = safe_sparse_dot(columns, self._fit_columns.T, dense_output=True)
        return (products + 1) * (slopes @ self._fit_slopes.T)  # 1: the intercept

    def _raw(self, X):
        prediction = self.estimator_.predict(X)
        return prediction.reshape(len(prediction), -1)

    def _columns(self, X):
        if isinstance(self.estimator_, Pipeline):
            X = self.estimator_[:-1].transform(X)
        return check_array(X, accept_sparse="csr", dtype="float64")
