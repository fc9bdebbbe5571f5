"""What a cleaner does to its rows: value, keep, act, train."""

import numpy as np
from sklearn.base import is_classifier

from skinfluence._sklearn import (
    clone_for_rows,
    fit_seeded,
    n_rows,
    take_params,
    take_rows,
)
from skinfluence.cleaning._actions import act
from skinfluence.cleaning._flagged import kept_rows
from skinfluence.cleaning._folds import fixed_splits
from skinfluence.cleaning._row_values import value_rows
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows
from skinfluence.retraining.engine import trainable


class Cleaning:
    """The rows of one fit of a cleaner, in parts, under its settings."""

    def __init__(
        self, cleaner, X, y, params, influence_params, groups, seed, weight_name
    ):
        if groups is not None and n_rows(groups) != n_rows(X):
            raise ValueError(
                "The 'groups' parameter must hold one label per row, shape "
                f"({n_rows(X)},). Got {n_rows(groups)} of them."
            )
        self.cleaner, self.X, self.y = cleaner, X, y
        self.params, self.influence_params = params, influence_params
        self.groups, self.seed, self.weight_name = groups, seed, weight_name
        self.classification = is_classifier(cleaner.estimator)
        self.estimator = trainable(cleaner.estimator, y)

    def value(self, part):
        """Value some of the rows: `RowValues` and `WrongRows`."""
        cleaner, n = self.cleaner, n_rows(self.X)
        whole = len(part) == n
        cv = cleaner.cv
        if not whole and fixed_splits(cv):
            cv = 5  # the splits are those of the whole table
        rows = value_rows(
            self.X if whole else take_rows(self.X, part),
            self.y if whole else take_rows(self.y, part),
            classification=self.classification,
            influence=self._influence_of(part),
            influence_params=take_params(self.influence_params, part, n),
            cv=cv,
            groups=None if self.groups is None else take_rows(self.groups, part),
            memory=cleaner.memory,
            n_jobs=cleaner.n_jobs if whole else None,
            random_state=None if cleaner.random_state is None else self.seed,
        )
        return rows, wrong_rows(rows.scores)

    def _influence_of(self, part):
        """Return the cleaner's influence estimator, for some of the rows."""
        influence, n = self.cleaner.influence, n_rows(self.X)
        if influence is None or len(part) == n:
            return influence
        return clone_for_rows(influence, part, n)

    def keep(self, rows, wrong, y):
        """Return which rows are no suspects."""
        return kept_rows(
            rows,
            wrong.probability,
            y,
            self.cleaner.drop_fraction,
            self.classification,
            self.cleaner.per_class,
        )

    def train(self, part, kept, rows, wrong):
        """Train on some of the rows, after what is to be done to the suspects."""
        X, y, params = act(
            self.cleaner.action,
            take_rows(self.X, part),
            take_rows(self.y, part),
            take_params(self.params, part, n_rows(self.X)),
            kept,
            rows.scores.expected,
            1 - wrong.probability,
            self.weight_name,
        )
        left = np.asarray(part)[kept] if n_rows(X) < len(part) else part
        estimator = clone_for_rows(self.estimator, left, n_rows(self.X))
        return fit_seeded(estimator, X, y, params, self.seed)
