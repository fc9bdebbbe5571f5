r"""Regressions on columns weighed by how much predictions change with them.

A Gaussian kernel gives all columns the same weight. If half of them carry no
information on the target, rows that agree in the others are far from each other. So the
regressions of `StackedRidge` are fitted once more, every column multiplied by its root
mean square slope (Radhakrishnan and others 2024, with the diagonal of their matrix),

.. math:: w_j = \sqrt{\frac{1}{n} \sum_i \|\partial f / \partial x_j (x_i)\|^2},

where f is the stack on the columns as they are; this is repeated once with the f found.
The slopes depend on the targets of all rows that f is trained on. So the table is
divided into five parts, and each part is predicted by slopes and regressions of the
other four.

**When it fails.** If all columns matter equally, nothing is gained, and predictions are
based on fewer rows than those that leave out single rows.

**Cost.** Three stacks of four fifths of the rows for each of the five parts; weights
are learnt from at most 5,000 rows, and the parts are two from 20,000 rows on.

References
----------
A. Radhakrishnan, D. Beaglehole, P. Pandit, M. Belkin, "Mechanism for feature learning
in neural networks and backpropagation-free machine learning models", Science 383, 2024.
"""

from copy import copy

import numpy as np

from skinfluence.cleaning.surprise._stacked_ridge import StackedRidge

N_PARTS, N_PARTS_OF_MANY, MANY_ROWS = 5, 2, 20_000
N_ROUNDS, MAX_ROWS, N_SLOPES = 2, 5_000, 1_000


class RelevantColumns:
    """Regressions on weighted columns, and their predictions of rows held out.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised columns.
    T : ndarray of shape (n, k)
        Targets; of k classes their indicators.
    folds : list of (ndarray, ndarray), default=None
        Training and test rows. None cuts the rows at random.

    Attributes
    ----------
    predictions : ndarray of shape (n, k)
        Of each row by models without it; NaN where no fold holds the row out.
    models : list of (ndarray of shape (d,), StackedRidge)
        Weights of the columns and regressions, by fold.
    """

    def __init__(self, Z, T, folds=None):
        folds = _parts(len(T)) if folds is None else folds
        self.predictions = np.full(T.shape, np.nan)
        self.models = []
        for train, test in folds:
            weights, stack = _fitted(Z[train], T[train])
            self.predictions[test] = stack.predict([Z[test] * weights])
            self.models.append((weights, stack.without_rows()))

    def without_rows(self):
        """Return a copy without predictions of the rows, to be sent to workers."""
        light = copy(self)
        light.predictions = None
        return light

    def predict(self, Z):
        """Predict other rows, shape (m, k), by the mean of the models."""
        return np.mean(
            [stack.predict([Z * weights]) for weights, stack in self.models], axis=0
        )


def _parts(n):
    part = np.random.default_rng(0).permutation(n)
    part %= N_PARTS if n < MANY_ROWS else N_PARTS_OF_MANY
    return [
        (np.flatnonzero(part != k), np.flatnonzero(part == k))
        for k in range(part.max() + 1)
    ]


def _fitted(Z, T):
    """Return weights of the columns, at most one, and the stack on weighted columns."""
    few = np.random.default_rng(0).permutation(len(Z))[:MAX_ROWS]
    weights = np.ones(Z.shape[1])
    for _ in range(N_ROUNDS):
        stack = StackedRidge(Z[few] * weights, T[few])
        weights = weights * root_mean_square_slopes(stack)
        largest = weights.max(initial=0.0)
        weights = weights / largest if largest > 0 else np.ones(len(weights))
    return weights, StackedRidge(Z * weights, T)


def root_mean_square_slopes(stack):
    """Return how much predictions of a stack change with each column, shape (d,).

    Of all outputs together, at up to ``N_SLOPES`` of the rows it is fitted to.
    """
    rows, squared = stack.Z[:N_SLOPES], 0.0
    in_use = [
        (weight, features.slopes(rows, coefficients))
        for weight, features, coefficients in zip(
            stack.weights, stack.maps, stack.coefficients, strict=True
        )
        if weight > 0
    ]
    for _ in stack.mean if in_use else []:
        total = sum(weight * next(of_outputs) for weight, of_outputs in in_use)
        squared = squared + (total**2).mean(axis=0)
    return np.sqrt(squared) * np.ones(rows.shape[1])
