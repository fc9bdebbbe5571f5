"""Neighbours models: a row has influence only where it is a neighbour.

A neighbours model stores its rows, and a prediction is an average over few of
them. Leaving a row out changes only the predictions it takes part in; everywhere
else its influence is exactly zero. So a family yields the pairs of a test row and
a removal whose prediction changes, and only these are computed.
"""

from abc import abstractmethod

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.extmath import weighted_mode

from skinfluence._counts import counted
from skinfluence._predictions import model_prediction
from skinfluence._sklearn import n_rows, take_rows
from skinfluence.removal._dispatch import refuse
from skinfluence.removal._model import ClosedFormModel, Removals
from skinfluence.removal._precomputed import refuse_precomputed
from skinfluence.removal.neighbors._ties import RefittedNeighbors

# Elements of the largest temporary array.
TILE = 2**18

# These take a variance from the data unless it is given.
METRIC_NEEDS = {"seuclidean": "V", "mahalanobis": "VI"}


class NeighborsModel(ClosedFormModel):
    """Stored rows and targets, and the fitted estimator that searches them.

    Attributes
    ----------
    targets : ndarray of shape (n,) or (n, n_outputs)
        Class indices, or floats.
    n_classes : int or None
        None for regressors.
    """

    def __init__(self, estimator, X, y):
        refuse_metric(estimator)
        self.estimator, self.X = estimator, X
        if is_classifier(estimator):
            if estimator.outputs_2d_:
                raise ValueError(
                    f"{type(estimator).__name__} was fitted on several outputs: the "
                    "removal of rows is defined for one label per row. Fit one "
                    "estimator per output."
                )
            self.n_classes = len(estimator.classes_)
            self.targets = np.searchsorted(estimator.classes_, np.ravel(y))
            self.refits = RefittedNeighbors(estimator, X, y, estimator.classes_)
        else:
            self.n_classes = None
            y = np.asarray(y, dtype=np.float64)
            self.targets = y.reshape(len(y), -1)
            self.refits = RefittedNeighbors(estimator, X, self.targets, None)

    def _without(self, masks):
        if masks is not None:  # the methods refuse sets of all rows
            masks = masks & ~masks.all(axis=1, keepdims=True)
        return NeighborRemovals(self, masks)

    @abstractmethod
    def changed_predictions(self, X, masks, response, own):
        """Yield the predictions that removals change, a part at a time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        masks : ndarray of shape (n_groups, n) or None
            Sets of rows; None for every single row.
        response : {"predict_proba", "predict"}
            Response to predict.
        own : bool
            Yield only the pairs of row i and its own removal.

        Yields
        ------
        tests, removals : ndarray of shape (n_pairs,)
            Test rows and removals. No pair comes twice.
        before, after : ndarray of shape (n_pairs, n_classes or n_outputs)
            Predictions with all rows, and without the removed ones. Class indices
            in one column for ``response="predict"`` of a classifier, -1 for a
            label that is not a class. NaN after removals that leave no prediction.
        """

    def refitted(self, X, undecided, masks, response):
        """Yield predictions of some pairs, from models that are fitted anew."""
        rows, removals = undecided.tests(), undecided.removals()
        if not len(rows):
            return
        classes = self.refits.classes
        some = take_rows(X, rows)
        before = model_prediction(self.estimator, some, response, classes)
        for removal in removals:
            gone = removal if masks is None else np.flatnonzero(masks[removal])
            kept = np.delete(np.arange(len(self.targets)), gone)
            tests = undecided.tests_of(removal)
            mine = np.searchsorted(rows, tests)
            asked = take_rows(some, mine)
            try:
                after = self.refits.predict(kept, asked, response, len(removals))
            except ValueError:  # no neighbours: the caller fits again, and sees why
                after = np.full((len(mine), before.shape[1]), np.nan)
            yield tests, np.full(len(mine), removal), before[mine], after

    def mean_target(self, neighbors, weights):
        """Average the targets of regressors' neighbours, as scikit-learn does."""
        if weights is None:
            return self.targets[neighbors].mean(axis=1)
        total = weights.sum(axis=1)
        self.refuse_zero(total)
        columns = [
            (self.targets[neighbors, j] * weights).sum(axis=1) / total
            for j in range(self.targets.shape[1])
        ]
        return np.stack(columns, axis=1)

    def vote(self, neighbors, weights, response):
        """Let classifiers' neighbours vote, as scikit-learn does."""
        labels, m = self.targets[neighbors], len(neighbors)
        if weights is not None:
            self.refuse_zero(np.where((weights == 0).all(axis=1), 0.0, 1.0))
            if response == "predict":  # other rounding, so other ties, than below
                return weighted_mode(labels, weights, axis=1)[0].astype(np.intp)
            weights = weights.ravel()
        cells = (np.arange(m)[:, None] * self.n_classes + labels).ravel()
        votes = np.bincount(cells, weights, minlength=m * self.n_classes)
        votes = votes.reshape(m, self.n_classes)
        if response == "predict":
            return votes.argmax(axis=1)[:, None]
        return votes / votes.sum(axis=1, keepdims=True)

    def refuse_zero(self, total):
        """Refuse neighbours that all have weight zero, which define no prediction."""
        if (total == 0).any():
            raise ValueError(
                "The 'weights' parameter must give some neighbour of every test row "
                "a weight, also when a row is left out. Got only zeros for "
                f"{counted(int((total == 0).sum()), 'prediction')} of "
                f"{type(self.estimator).__name__}, which scikit-learn does not define: "
                "let the weights of far neighbours be small, but positive."
            )


class NeighborRemovals(Removals):
    """Removals of rows that change few predictions each.

    Parameters
    ----------
    model : NeighborsModel
        The full model.
    masks : ndarray of shape (n_groups, n) or None
        Sets of rows; None for every single row.
    """

    unresolved = np.empty(0, dtype=np.intp)

    def __init__(self, model, masks):
        self.model, self.masks = model, masks
        self.n_removals = len(model.targets) if masks is None else len(masks)

    def _changes(self, X, y, loss, own=False):
        """Yield test rows, removals and their influences where these may differ."""
        parts = self.model.changed_predictions(X, self.masks, loss.response, own)
        for tests, removals, before, after in parts:
            lost = np.isnan(after).any(axis=1)
            after = np.where(lost[:, None], before, after).astype(before.dtype)
            if self.model.n_classes is None:
                # The move itself, where the difference of two losses would cancel.
                move = (after - before)[:, None]
                value = loss.change(y[tests], before, move, "identity")[:, 0]
            else:
                value = loss.value(y[tests], after) - loss.value(y[tests], before)
            yield tests, removals, np.where(lost, np.nan, value)

    def influence(self, X, y, loss):
        out = np.zeros((n_rows(X), self.n_removals))
        for tests, removals, value in self._changes(X, y, loss):
            out[tests, removals] = value
        return out

    def mean_influence(self, X, y, loss, weight):
        """Form no matrix."""
        out = np.zeros(self.n_removals)
        for tests, removals, value in self._changes(X, y, loss):
            out += np.bincount(removals, weight[tests] * value, self.n_removals)
        return out

    def own_influence(self, y, loss):
        out = np.zeros(self.n_removals)
        for _, removals, value in self._changes(self.model.X, y, loss, own=True):
            out[removals] = value
        return out


def refuse_metric(estimator):
    """Refuse metrics that are not a function of two rows alone."""
    refuse_precomputed(estimator, "metric")
    needs = (
        METRIC_NEEDS.get(estimator.metric)
        if isinstance(estimator.metric, str)
        else None
    )
    if needs is not None and needs not in (estimator.metric_params or {}):
        refuse(
            estimator,
            "metric",
            f"without metric_params={{{needs!r}: ...}} it depends on all rows",
        )
