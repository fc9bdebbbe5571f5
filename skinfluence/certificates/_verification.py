"""The sets that turn predictions: every one is found, or confirmed, by a refit."""

import numpy as np
from sklearn.utils.parallel import delayed

from skinfluence._sklearn import take_rows
from skinfluence._threads import Parallel
from skinfluence.certificates._linear_flips import LinearFlips
from skinfluence.certificates._plans import Plan, shortest_head
from skinfluence.retraining.engine import announce_training


class Verification:
    """Refits that say how much of a plan turns a prediction.

    Parameters
    ----------
    changed : Changed
        Refits of changed tables.
    certifier : Certifier
        Who made the plans.
    most : int
        Largest number of changes.
    fit_seconds : float
        Duration of a refit.
    """

    def __init__(self, changed, certifier, most, fit_seconds):
        self.changed, self.certifier = changed, certifier
        self.most, self.fit_seconds = most, fit_seconds

    def sizes(self, X, before, lower, plans):
        """Find the shortest heads of plans that turn predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        before : ndarray of int of shape (n_samples,)
            Predictions of the model of all rows, see `Changed.side`.
        lower : ndarray of int of shape (n_samples,)
            So many changes do not turn a prediction.
        plans : list of Plan
            Replaced, in place, where the whole class of a row is a smaller set.

        Returns
        -------
        sizes : list of int or None
            None where no set was found.
        """
        sizes, pending = [None] * len(plans), np.arange(len(plans))
        if isinstance(self.certifier, LinearFlips):
            pending = self._at_once(X, before, plans, sizes)
        exact, n_jobs = self.certifier.exact, self.changed.training.n_jobs
        each = 1 if exact else 2 * max(1, int(np.log2(self.most)))
        announce_training(
            each * len(pending),
            self.fit_seconds,
            "The sets that turn predictions are verified by refits. A smaller max_rows "
            "or fewer test rows take less.",
            n_jobs=n_jobs,
            stacklevel=5,
        )

        def task(t):
            x = take_rows(X, np.array([t]))
            first = plans[t].size if exact else lower[t] + 1

            def turns(rows, labels):
                return self.changed.turns(x, before[t], rows, labels)

            return shortest_head(plans[t], first, turns)

        found = Parallel(n_jobs=n_jobs)(delayed(task)(t) for t in pending)
        for t, size in zip(pending, found, strict=True):
            sizes[t] = size
        if self.changed.classifies:
            self._whole_classes(X, before, plans, sizes)
        return sizes

    def _whole_classes(self, X, before, plans, sizes):
        """Try all rows of the predicted class, where they are fewer, in place."""
        for t, a in enumerate(before):
            own = np.flatnonzero(self.changed.labels == a)
            most = self.most if sizes[t] is None else sizes[t] - 1
            if len(own) > most:
                continue
            flips = self.changed.training.change == "label_flip"
            other = np.full(len(own), int(a == 0)) if flips else None
            if self.changed.turns(take_rows(X, np.array([t])), a, own, other):
                plans[t], sizes[t] = Plan(own, other, len(own)), len(own)

    def _at_once(self, X, before, plans, sizes):
        """Verify flips of smoothers by one fit; return the rows that are left."""
        counts, done = np.bincount(self.changed.labels), []
        for t, plan in enumerate(plans):
            rows, labels = plan.head(plan.size)
            left = counts - np.bincount(self.changed.labels[rows], None, len(counts))
            left += np.bincount(labels, None, len(counts))
            if len(rows) == plan.size and left.min() > 0:
                done.append(t)
        done = np.array(done, dtype=np.intp)
        if len(done):
            heads = [plans[t].head(plans[t].size) for t in done]
            rows = take_rows(X, done)
            turned = self.certifier.refitted(rows, heads) != before[done]
            for t in done[turned]:
                sizes[t] = plans[t].size
        return np.array([t for t, s in enumerate(sizes) if s is None], dtype=np.intp)
