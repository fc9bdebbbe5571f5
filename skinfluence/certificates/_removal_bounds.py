"""How many removals a prediction survives: exact for one, proven bounds for more."""

import numpy as np
from sklearn.base import is_classifier

from skinfluence._losses import resolve_loss
from skinfluence._predictions import link_prediction
from skinfluence._sklearn import final_estimator, n_rows, take_rows
from skinfluence.certificates._certifier import Certifier
from skinfluence.certificates._largest import largest_number
from skinfluence.certificates._logistic_box import LogisticBox
from skinfluence.certificates._plans import Plan
from skinfluence.certificates._removed_squares import RemovedSquares
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal._pipeline import PipelineModel
from skinfluence.removal.linear._linear import LinearModel
from skinfluence.removal.linear._quadratic import Quadratic
from skinfluence.removal.smooth._pointwise import Logistic
from skinfluence.removal.smooth._smooth import Smooth
from skinfluence.retraining import LeaveOneOutInfluence


class RemovalBounds(Certifier):
    """Removals from a model that loses single rows exactly.

    Parameters
    ----------
    training : Training
    """

    def __init__(self, training):
        super().__init__(training)
        self.estimator, self.threshold = training.fitted, training.threshold
        X, y = training.X, training.y
        self._model = removal_model(self.estimator, X, y, training.sample_weight)
        if self._model.held_fixed:
            name = type(final_estimator(self.estimator)).__name__
            votes = (
                f", or use PartitionClassifier({name}()), which takes any classifier"
            )
            raise UnsupportedEstimator(
                "Removals are certified where the whole estimator loses rows exactly. "
                f"Held fixed would be: {', '.join(self._model.held_fixed)}. Leave "
                "these out (with hyper-parameters as numbers)"
                f"{votes if is_classifier(self.estimator) else ''}."
            )
        self._loo = LeaveOneOutInfluence(
            training.estimator, n_jobs=training.n_jobs, random_state=training.seed
        ).fit(X, y, **training.fit_params)
        self._bound, why = sets_bound(self._model)
        if why is not None:
            name = type(final_estimator(self.estimator)).__name__
            self.reason = (
                f"No removals of more than one row are certified for {name}: {why}"
            )
            if is_classifier(self.estimator):
                self.reason += (
                    f" PartitionClassifier({name}()), which takes any classifier, "
                    "certifies more."
                )

    def bounds(self, X, most):
        for rows in self._loo._blocks(n_rows(X)):
            part = take_rows(X, rows)
            influence = self._loo.influence(part)
            turned = self._turned_by_one(part, influence)
            lower = np.where(turned.any(axis=1) | self._astray(part), 0, 1)
            if self._bound is not None and lower.any() and most > 1:
                alive = np.flatnonzero(lower)
                margin, holds = self._bound(take_rows(part, alive), self._offset())
                more = largest_number(holds, len(alive), most)
                lower[alive] = np.maximum(lower[alive], np.where(margin != 0, more, 0))
            if not is_classifier(self.estimator):
                above = self.estimator.predict(part) > self.threshold
                influence = np.where(above[:, None], influence, -influence)
            # What turns the prediction alone goes first: it may be a kink.
            order = np.argsort(-influence, axis=1, kind="stable")
            for t, own in enumerate(order):
                first = own[turned[t, own]]
                if len(first):
                    own = np.concatenate([first, own[~turned[t, own]]])
                own = own[influence[t, own] > 0] if not len(first) else own
                yield int(lower[t]), Plan(own[:most], None, int(lower[t]) + 1)

    def _offset(self):
        return 0.0 if self.threshold is None else self.threshold

    def _turned_by_one(self, X, influence):
        """Which single removals turn which predictions."""
        if not is_classifier(self.estimator):
            prediction = self.estimator.predict(X)[:, None]
            without = prediction - influence
            return (without > self.threshold) != (prediction > self.threshold)
        X, y, _ = self._loo._check_test(X, None)
        return self._loo._influence(X, y, resolve_loss("zero_one", self.estimator)) > 0

    def _astray(self, X):
        """Test rows that the solver's model and the optimum predict differently."""
        model, wrong = self._model, np.zeros(n_rows(X), dtype=bool)
        if isinstance(model, PipelineModel):
            X, model = model.steps.transform(X), model.model
        if not isinstance(model, LinearModel) or not hasattr(model, "design"):
            return wrong
        raw = model.design(X) @ model.theta.T
        last = final_estimator(self.estimator)
        if not is_classifier(last):
            return wrong
        index = link_prediction(raw, model.link, "predict").ravel()
        return index != np.searchsorted(last.classes_, last.predict(X))


def sets_bound(model):
    """Return the bound on removals of several rows that a model has, or None.

    Parameters
    ----------
    model : RemovalModel

    Returns
    -------
    bound : callable or None
        ``bound(X, threshold)`` returns the margins of test rows from the threshold and
        a function ``holds(k, tests)``, see `largest_number`.
    why : str or None
        A sentence that says why there is none.
    """
    transform = None
    if isinstance(model, PipelineModel):
        if model.steps.learning:
            names = ", ".join(map(repr, dict.fromkeys(model.steps.learning)))
            return None, (
                f"steps before it learn from the rows that are removed ({names}). "
                "Where what they have learned may be taken as given, certify the last "
                "step alone, on transformed rows."
            )
        transform, model = model.steps.transform, model.model
    if isinstance(model, Quadratic) and len(model.theta) == 1:
        bound = _SquaresBound(model, transform)
        if bound.squares.exists:
            return bound, None
        return None, (
            "some row decides on a coefficient alone (its leverage is one), or columns "
            "depend on each other. Leave these columns out, or take a stronger penalty."
        )
    logistic = isinstance(model, Smooth) and isinstance(model.pointwise, Logistic)
    if logistic and model.mass is None:
        return BoxBound(model, transform, "removal"), None
    return None, (
        "bounds of several are known for least squares and ridge of one output, ridge "
        "classifiers of two classes and logistic regression of two classes, their "
        "class_weight not 'balanced'."
    )


class _SquaresBound:
    """`RemovedSquares` of predictions."""

    def __init__(self, model, transform):
        root = np.sqrt(model.weight)
        self.model, self.transform = model, transform
        self.squares = RemovedSquares(
            model.design.rows * root[:, None],
            model.penalties[0],
            model.residual[:, 0] * root,
        )

    def __call__(self, X, threshold):
        X = X if self.transform is None else self.transform(X)
        rows = self.model.design(X)
        margin = rows @ self.model.theta[0] - threshold
        pulls, direction = self.squares.pulls(rows), np.where(margin > 0, 1.0, -1.0)

        def holds(k, tests):
            move = self.squares.largest_move(k, pulls[tests], direction[tests])
            return move < np.abs(margin[tests])

        return margin, holds


class BoxBound:
    """`LogisticBox` of predictions."""

    def __init__(self, model, transform, change):
        self.model, self.transform = model, transform
        self.box = LogisticBox(model, change)

    def __call__(self, X, threshold):
        margin, pulls = self.pulls(X)
        margin, direction = margin - threshold, np.where(margin > threshold, 1.0, -1.0)
        curved = self.box.curvatures(pulls)

        def holds(k, tests):
            bent = tuple(part[tests] for part in curved)
            args = k, pulls[tests], bent, direction[tests]
            return self.box.largest_move(*args) < np.abs(margin[tests])

        return margin, holds

    def pulls(self, X):
        """Linear predictors and inner products with training rows, whitened."""
        X = X if self.transform is None else self.transform(X)
        rows = self.model.design(X)
        pulls = self.box.whitened(rows) @ self.box.Z.T
        return rows @ self.model.theta[0], pulls
