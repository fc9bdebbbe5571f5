"""How many changes the vote of a partition ensemble survives."""

from dataclasses import replace

import numpy as np

from skinfluence._sklearn import n_rows, take_params, take_rows
from skinfluence.certificates._certifier import Certifier
from skinfluence.certificates._plans import Plan
from skinfluence.certificates._votes import cheapest_turn


class PartitionChanges(Certifier):
    """Removals or flips, each in one part: what the parts survive adds up.

    Parameters
    ----------
    training : Training
        Of a PartitionClassifier.
    of_part : callable
        Returns the `Certifier` of the `Training` of one part, or None.
    """

    def __init__(self, training, of_part):
        super().__init__(training)
        self.ensemble = training.fitted
        self.labels = np.searchsorted(self.ensemble.classes_, training.y)
        n, self._parts = len(self.labels), []
        for p, model in enumerate(self.ensemble.estimators_):
            if model is None:
                continue
            rows = self.ensemble.rows_of(p)
            part = replace(
                training,
                estimator=self.ensemble.estimator,
                fitted=model,
                X=take_rows(training.X, rows),
                y=training.y[rows],
                fit_params=take_params(training.fit_params, rows, n),
                classes=self._reachable(rows),
            )
            self._parts.append((rows, of_part(part)))

    def bounds(self, X, most):
        ensemble = self.ensemble
        votes, n_tests = ensemble.votes(X), n_rows(X)
        n_classes = len(ensemble.classes_)
        stay = int(self.training.change == "removal")  # something to train on
        found = [
            [(0, None)] * n_tests
            if own is None
            else list(own.bounds(X, min(most, max(len(rows) - stay, 1))))
            for rows, own in self._parts
        ]
        for t in range(n_tests):
            own = [part[t] for part in found]
            costs = np.stack(
                [self._costs(v, own[v], votes[v, t]) for v in range(len(own))]
            )
            cost, voters, targets = cheapest_turn(votes[:, t], costs, n_classes)
            lower = int(min(cost - 1, most))
            # A part may turn to a third class: then more of those for the winner help.
            winner = np.bincount(votes[:, t], minlength=n_classes).argmax()
            spare = np.argsort(costs.min(axis=1), kind="stable")
            spare = spare[(votes[spare, t] == winner) & ~np.isin(spare, voters)]
            rival = targets[-1] if len(targets) else int(winner == 0)
            voters = np.concatenate([voters, spare])
            targets = np.concatenate([targets, np.full(len(spare), rival)])
            yield lower, self._plan(votes[:, t], voters, targets, own)

    def _reachable(self, rows):
        """Labels that changes of a part can bring; those of its rows for removals."""
        if self.training.change == "label_flip":
            return self.ensemble.classes_
        return self.ensemble.classes_[np.unique(self.labels[rows])]

    def _costs(self, v, found, vote):
        """Fewest changes that turn a part's vote to each class, at least."""
        rows, own = self._parts[v]
        costs = np.ones(len(self.ensemble.classes_))
        if own is None:
            return costs
        lower, plan = found
        place = np.searchsorted(self.ensemble.classes_, self._reachable(rows))
        costs[:] = np.inf
        costs[place] = 1.0 + lower if plan.costs is None else plan.costs
        if not own.lost_classes:  # without its rows a class cannot be predicted
            costs[place] = np.minimum(costs[place], (self.labels[rows] == vote).sum())
        return costs

    def _plan(self, votes, voters, targets, found):
        rows, labels = [], []
        for v, target in zip(voters, targets, strict=True):
            mine, own = self._parts[v]
            head = self._head(mine, own, found[v], votes[v], target)
            rows.append(head[0])
            labels.append(head[1])
        if not rows:
            return Plan(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), 1)
        rows, labels = np.concatenate(rows), np.concatenate(labels)
        return Plan(
            rows, labels if self.training.change == "label_flip" else None, len(rows)
        )

    def _head(self, rows, own, found, vote, target):
        """Rows of a part whose change turns its vote, and their new labels."""
        if own is not None and found[1] is not None:
            lower, plan = found
            if plan.towards is not None:
                place = np.searchsorted(own.classes, self.ensemble.classes_[target])
                plan = plan.towards(place)
            size = plan.size if own.exact else max(2 * lower, 4)
            head, labels = plan.head(size)
            if labels is not None:
                labels = np.searchsorted(self.ensemble.classes_, own.classes[labels])
            else:
                labels = np.zeros(len(head), dtype=np.intp)
            return rows[head], labels
        mine = rows[self.labels[rows] == vote]
        return mine, np.full(len(mine), target)
