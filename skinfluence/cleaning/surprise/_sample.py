r"""Values of all rows from models that are fitted to a sample of them.

The models gain little from more than some ten thousand rows: they are ridge regressions
of at most 256 columns or 150 features of a kernel, and small trees. If a table has more
rows, they are fitted to a random sample, in which every class has at least 20 rows, or
all its rows if it has fewer.

- A row of the sample has the value that it would have if the sample were the table:
  minus its loss under models without it.
- The value of every other row is minus its loss under the models of the sample, none of
  which has seen it. The predictions of ensembles of trees that hold out parts of the
  sample are averaged.

So no row is judged by a model that was trained on its own target, and predictions do
not depend on which other rows are valued with it. The kind of each column (numbers,
categories, texts), penalties, weights, the temperature and the unit of residuals are
estimated from the sample. The probability of being wrong, the direction of mistakes,
and how much more often rows far from the others are wrong, are estimated from the
predictions of all rows; if the last two are found, values follow these estimates.

**Cost.** That of the sample, and one pass over the other rows in blocks: O(n p^2) for
p = 150 features. Memory, besides the rows: k numbers per row for k classes or outputs,
twice with trees.
"""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils import gen_batches

from skinfluence._sklearn import n_rows, take_rows
from skinfluence._threads import in_threads
from skinfluence.cleaning.surprise._scorer_matrix import ScorerColumns

FEWEST = 20
BLOCK = 10_000


def sample_of(y, classification, most):
    """Draw the rows that the models are fitted to.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    classification : bool
        Whether y holds labels.
    most : int or None
        Number of rows; some more are drawn if classes would have fewer than 20.

    Returns
    -------
    rows : ndarray of int or None
        In order; None: all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning.surprise._sample import sample_of
    >>> y = np.repeat(["common", "rare"], [10_000, 5])
    >>> rows = sample_of(y, True, 1_000)
    >>> np.unique(y[rows], return_counts=True)[1].tolist()
    [1000, 5]
    """
    n = len(y)
    if most is None or n <= most:
        return None
    order = np.random.default_rng(0).permutation(n)
    drawn = np.zeros(n, dtype=bool)
    drawn[order[:most]] = True
    if classification:
        for labels in y.reshape(n, -1).T:
            index = np.unique(labels, return_inverse=True)[1][order]
            # How many rows of the class come before it in the order of the draw.
            by_class = np.argsort(index, kind="stable")
            starts = np.concatenate([[0], np.bincount(index).cumsum()[:-1]])
            before = np.empty(n, dtype=int)
            before[by_class] = np.arange(n) - starts[index[by_class]]
            drawn[order[before < FEWEST]] = True
    rows = np.flatnonzero(drawn)
    return None if len(rows) == n else rows


@dataclass(frozen=True)
class Predictor:
    """The models of a sample, which predict other rows.

    Attributes
    ----------
    columns : ScorerColumns
    pairs : list
        As `fit_pairs` returns them.
    """

    columns: ScorerColumns
    pairs: list

    def without_rows(self):
        """Return a copy without the rows of the sample, to be sent to workers."""
        pairs = [pair and tuple(s and _light(s) for s in pair) for pair in self.pairs]
        return Predictor(self.columns, pairs)

    def of(self, X):
        """Return all numbers per row, shape (m, w): the predictions of each model and,
        if targets are numbers, the typical residuals and the distance of the row."""
        if not n_rows(X):  # transformers refuse tables without rows
            return np.empty((0, self.width))
        Z, found = self.columns.of(X), []
        for pair in filter(None, self.pairs):
            of_stack = pair[0].stack.predict(Z)
            for scored in filter(None, pair):
                found.append(scored.predict(Z, X, of_stack))
                if scored.amounts is not None:
                    found.append(scored.typical_of(Z))
                    found.append(scored.far.of(Z[-1])[:, None])
        return np.hstack(found) if found else np.empty((n_rows(X), 0))

    @property
    def width(self):
        """Numbers per row."""
        models = [s for pair in filter(None, self.pairs) for s in filter(None, pair)]
        return sum(
            len(s.stack.mean) if s.amounts is None else 2 * len(s.stack.mean) + 1
            for s in models
        )

    def of_rows(self, X, rows):
        """Return `of` of some rows of a table in memory, computed in blocks."""
        blocks = [rows[batch] for batch in gen_batches(len(rows), BLOCK)]
        return np.vstack(
            list(in_threads(lambda block: self.of(take_rows(X, block)), blocks))
        )


def _light(scored):
    """Return what predicts other rows, without what is known of the sample."""
    more, amounts, typical = scored.more, scored.amounts, scored.typical
    if more is not None and more.trees is not None:
        columns = replace(more.columns, values=None)
        more = replace(
            more, columns=columns, trees=_emptied(more.trees, "columns", "T")
        )
    if more is not None and more.relevant is not None:
        more = replace(more, relevant=more.relevant.without_rows())
    if amounts is not None:
        typical = typical[:1]
        sizes = [stack.without_rows(1) for stack in amounts.sizes]
        amounts = replace(amounts, T=None, pulled=None, typical=None, sizes=sizes)
    return replace(
        scored,
        stack=scored.stack.without_rows(),
        predictions=None,
        T=None,
        typical=typical,
        distance=None,
        amounts=amounts,
        more=more,
    )


def _emptied(model, *names):
    light = copy(model)
    for name in names:
        setattr(light, name, None)
    return light


def widened(pairs, rows, others, said, y):
    """Return the pairs with predictions, targets and typical residuals of all rows."""
    wide, columns = [], iter(said.T)
    of_labels = iter(y.reshape(len(y), -1).T)

    def next_columns(of_sample):
        of_all = np.empty((len(y), of_sample.shape[1]))
        of_all[rows] = of_sample
        for j in range(of_sample.shape[1]):
            of_all[others, j] = next(columns)
        return of_all

    def of_all(scored, T):
        predictions = next_columns(scored.predictions)
        if scored.amounts is None:
            return replace(scored, predictions=predictions, T=T)
        typical = next_columns(scored.typical)
        distance = next_columns(scored.distance[:, None])[:, 0]
        return replace(
            scored, predictions=predictions, T=T, typical=typical, distance=distance
        )

    for pair in pairs:
        if pair is None:
            wide.append(None)
            next(of_labels)
            continue
        if pair[0].amounts is not None:
            T = pair[0].amounts.scaled(y.reshape(len(y), -1).astype(np.float64))
        else:
            index = np.unique(next(of_labels), return_inverse=True)[1]
            T = np.eye(index.max() + 1)[index]
        wide.append(tuple(s and of_all(s, T) for s in pair))
    return wide
