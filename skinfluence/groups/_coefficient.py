"""A coefficient of a linear model, whose sign is to turn."""

from numbers import Integral

import numpy as np

from skinfluence._sklearn import (
    final_estimator,
    final_sample_weight,
    n_rows,
    take_params,
    take_rows,
)
from skinfluence.certificates._removed_squares import RemovedSquares
from skinfluence.groups._estimand import Estimand
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal._pipeline import PipelineModel
from skinfluence.removal.linear._linear import LinearModel
from skinfluence.removal.linear._quadratic import Quadratic

TOLERANCE = 1e-9


class Coefficient(Estimand):
    """One entry of ``coef_`` of the last step.

    Parameters
    ----------
    influence : fitted influence estimator
    coefficient : int or str
        Position in ``coef_``, or name of the feature.
    """

    def __init__(self, influence, coefficient):
        super().__init__(influence)
        last = final_estimator(influence.estimator_)
        self.j = check_coefficient(last, coefficient)
        self.value_before = self.value(influence.estimator_, None)
        self._squares = None

    def value(self, model, kept):
        """Implement `Estimand.value`; 0 where a model of one class has none."""
        coef = getattr(final_estimator(model), "coef_", None)
        return 0.0 if coef is None else float(np.ravel(coef)[self.j])

    def gains(self, model, kept, players, first_order=False):
        """Implement `Estimand.gains`: exact removals of single players."""
        who = players.present(kept)
        masks, whole = players.masks_of(who, kept), self.removal_model(model, kept)
        if first_order:
            removals = whole.first_order(masks=masks)
        else:
            removals = whole.exact(TOLERANCE, masks)
        inner, last = whole, removals
        if isinstance(whole, PipelineModel):
            inner, last = whole.model, removals.removals
        moves = last.displacements(np.arange(len(who)))[:, 0]
        change = inner.design.to_coef(moves)[:, self.j]
        before = self.value(model, kept)
        for i in np.asarray(removals.unresolved, dtype=np.intp):
            gone = i if masks is None else np.flatnonzero(masks[i])
            left = np.delete(kept, gone)
            change[i] = self.value(self.refit(left), left) - before
        return who, -np.sign(self.value_before) * change

    def exact_effects(self):
        everything = np.arange(self.influence.n_samples_fit_)
        model = self.removal_model(self.influence.estimator_, everything)
        return not model.held_fixed

    def removal_model(self, model, kept):
        """Return the removal model of the rows ``kept``."""
        rows = take_rows(self.X, kept)
        params = take_params(self.fit_params, kept, n_rows(self.X))
        weight, _ = final_sample_weight(self.influence.estimator_, params)
        out = removal_model(model, rows, self.y[kept], weight)
        inner = out.model if isinstance(out, PipelineModel) else out
        if not isinstance(inner, LinearModel) or len(inner.theta) != 1:
            raise UnsupportedEstimator(
                "Sets of rows that turn a coefficient are found for models with one "
                "linear predictor that lose rows exactly: LinearRegression, Ridge, "
                "RidgeClassifier and LogisticRegression of two classes, GLMs, and "
                f"Pipelines that end in one. Got {self.influence.estimator!r:.100}."
            )
        return out

    def certified_rows(self, most):
        """Implement `Estimand.certified_rows` for least squares."""
        low, high = 0, most + 1
        if most < 1 or not np.isfinite(self.largest_change(1)):
            return 0
        while high - low > 1:
            middle = min(2 * low + 1, (low + high) // 2)
            if self.largest_change(middle) < abs(self.value_before):
                low = middle
            else:
                high = middle
        return low

    def largest_change(self, k):
        """Implement `Estimand.largest_change` for least squares."""
        if self._squares is None:
            self._squares = self._squares_bound()
        squares, pull = self._squares
        if squares is None:
            return np.inf
        sign = np.array([np.sign(self.value_before)])
        return float(squares.largest_move(k, pull, sign)[0])

    def _squares_bound(self):
        model = self.removal_model(
            self.influence.estimator_, np.arange(self.influence.n_samples_fit_)
        )
        learning = ()
        if isinstance(model, PipelineModel):
            learning, model = model.steps.learning, model.model
        if isinstance(model, Quadratic) and not (model.held_fixed or learning):
            root = np.sqrt(model.weight)
            squares = RemovedSquares(
                model.design.rows * root[:, None],
                model.penalties[0],
                model.residual[:, 0] * root,
            )
            functional = model.design.to_coef(np.eye(len(model.theta[0])))[:, self.j]
            if squares.exists:
                return squares, squares.pulls(functional[None])
        name = type(final_estimator(self.influence.estimator_)).__name__
        self.reason = (
            "No removals of more than one row are certified for the coefficient of "
            f"this {name}: bounds of several are known for least squares, ridge and "
            "two-class ridge classifiers with hyper-parameters that are given, without "
            "steps before them that learn from the rows, and without rows that decide "
            "on a coefficient alone."
        )
        return None, None


def check_coefficient(last, coefficient):
    """Return the position of a coefficient of a fitted linear model."""
    coef = getattr(last, "coef_", None)
    if coef is None or np.ndim(coef) > 1 and len(coef) > 1:
        raise UnsupportedEstimator(
            "A coefficient is asked about, and the model must have one per feature: "
            f"coef_ of shape (n_features,) or (1, n_features). Got {last!r:.100} with "
            f"{'none' if coef is None else f'shape {np.shape(coef)}'}."
        )
    n = np.size(coef)
    if isinstance(coefficient, str):
        names = list(getattr(last, "feature_names_in_", []))
        if coefficient in names:
            return names.index(coefficient)
    elif isinstance(coefficient, Integral) and 0 <= coefficient < n:
        return int(coefficient)
    raise ValueError(
        f"The 'coefficient' parameter must be a position in coef_, 0 to {n - 1}, or "
        f"the name of a feature that the model was fitted with. Got {coefficient!r}."
    )
