"""The influence of whole groups on all other rows, by models trained without each."""

import sys
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from scipy.stats import norm
from sklearn.utils.parallel import delayed

from skinfluence._sklearn import clone_for_rows, n_rows, take_rows
from skinfluence._threads import Parallel
from skinfluence.cli._held_out_scores import paired_mean
from skinfluence.cli._left_folds import left_folds
from skinfluence.cli._out_of_fold import out_of_fold_losses

# A group is called harmful if chance would call one so in a thousand tables.
P_HARM = 1e-3
# A message announces computations that take more seconds than this.
LONG = 10.0


@dataclass(frozen=True)
class GroupWorth:
    """The influence of a whole group on the held-out rows of other groups.

    Attributes
    ----------
    influence : float
        Mean loss of the model without the group minus that of the model with it.
        Negative: the others are predicted better without it.
    error : float
        Its standard error.
    n_groups : int
        Number of groups that were left out, among which the worst is looked for.
    """

    influence: float
    error: float
    n_groups: int

    @property
    def interval(self):
        """95% interval of the influence."""
        reach = norm.isf(0.025) * self.error
        return self.influence - reach, self.influence + reach

    @property
    def hurts(self):
        """Whether the others are predicted better without it, beyond chance."""
        limit = norm.isf(P_HARM / self.n_groups)
        return bool(self.influence < -limit * self.error)


def worth_of_groups(names, largest, task, cleaning, seed):
    """Train the model without each group, and measure it on rows of the others.

    Rows of the group itself are not counted: a group whose mistakes repeat each other
    is predicted better with them.

    Parameters
    ----------
    names : ndarray of str, shape (n_samples,)
        Group of each row.
    largest : list of str
        The groups that are left out.
    task : Task
        The table.
    cleaning : Cleaning
        Its estimator is trained; ``cv`` and ``n_jobs`` of its settings hold.
    seed : int
        Seed of the folds.

    Returns
    -------
    worth : dict of str to GroupWorth
        Without groups that hold all rows of a class.
    """
    task, pairs = left_folds(task, cleaning, seed)
    start = perf_counter()
    _trained(cleaning.estimator, task.X, task.y, pairs[0][0])
    seconds = (perf_counter() - start) * len(pairs) * (len(largest) + 1)
    if seconds > LONG:
        print(
            f"{len(largest)} groups are left out of {len(pairs)} folds: about "
            f"{seconds:.0f} s (by one process)",
            file=sys.stderr,
        )
    parts = Parallel(n_jobs=cleaning.settings.n_jobs)(
        # Not the task: the cells of the file would be copied to every process.
        delayed(_changes)(
            cleaning.estimator,
            task.X,
            task.y,
            task.classification,
            names,
            largest,
            train,
            test,
        )
        for train, test in pairs
    )
    change = np.full((len(task.y), len(largest)), np.nan)
    for (_, test), part in zip(pairs, parts, strict=True):
        change[test] = part
    held = np.concatenate([test for _, test in pairs])
    worth = {}
    for name, of_rows in zip(largest, change.T, strict=True):
        rows = held[names[held] != name]
        if np.isnan(of_rows[held]).any() or not len(rows):
            continue
        groups = None if task.groups is None else task.groups[rows]
        mean, error = paired_mean(of_rows[rows], groups)
        worth[name] = GroupWorth(float(mean), float(error), len(largest))
    return worth


def _changes(estimator, X, y, classification, names, largest, train, test):
    """Loss without each group minus loss, shape (n_test, n_groups)."""
    X_test, y_test = take_rows(X, test), y[test]
    before = out_of_fold_losses(_trained(estimator, X, y, train), X_test, y_test)
    out = np.full((len(test), len(largest)), np.nan)
    classes = np.unique(y[train])
    for k, name in enumerate(largest):
        left = train[names[train] != name]
        lost = classification and len(np.unique(y[left])) < len(classes)
        if not lost and len(left) > 1:
            model = _trained(estimator, X, y, left)
            out[:, k] = out_of_fold_losses(model, X_test, y_test) - before
    return out


def _trained(estimator, X, y, rows):
    model = clone_for_rows(estimator, rows, n_rows(X))
    return model.fit(take_rows(X, rows), y[rows])
