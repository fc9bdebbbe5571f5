"""Training rows in order of distance to test rows, as they come and go."""

import numpy as np

from skinfluence._counts import counted
from skinfluence._memory import check_memory


class KnownRows(np.ndarray):
    """Positions of test rows whose `NeighborOrder` is kept, in place of the rows."""


class NeighborOrder:
    """Training rows sorted by distance to each test row.

    Memory: 12 bytes for each pair of a test row and a training row, twice while they
    change.

    Parameters
    ----------
    order : ndarray of shape (n_test, n)
        Positions of training rows; those at equal distance ascend.
    distances : ndarray of shape (n_test, n)
        Their distances.
    """

    def __init__(self, order, distances):
        self.order, self.distances = order, distances

    @classmethod
    def empty(cls, n_test, n, dtype):
        """Return one that is not filled."""
        check_memory(
            24 * n_test * n,
            f"The order of {n} training rows by distance to "
            + counted(n_test, "test row"),
            "Pass fewer rows as X_val, or call fit with the changed table.",
        )
        return cls(np.empty((n_test, n), np.int32), np.empty((n_test, n), dtype))

    def put(self, rows, distances):
        """Sort the distances (len(rows), n) of some test rows."""
        order = distance_order(distances)
        self.order[rows] = order
        self.distances[rows] = np.take_along_axis(distances, order, axis=1)

    def with_rows(self, distances, rounded_up):
        """Return the order with new rows, in O(m log n + n) for each test row.

        Parameters
        ----------
        distances : ndarray of shape (n_test, m)
            Distances of the new rows.
        rounded_up : ndarray of shape (n_test, m)
            Distances up to which old rows are equally far, and come first.
        """
        (n_test, n), m = self.order.shape, distances.shape[1]
        out = self.empty(n_test, n + m, self.distances.dtype)
        new = distance_order(distances)
        ranked = np.take_along_axis(distances, new, axis=1)
        ends = np.take_along_axis(rounded_up, new, axis=1)
        new = (new + n).astype(np.int32)
        for t, old in enumerate(self.distances):
            place = np.searchsorted(old, ends[t], side="right")
            out.order[t] = np.insert(self.order[t], place, new[t])
            # What is rounded down does not disturb the order.
            before = np.where(place > 0, old[place - 1], -np.inf)
            ranks = np.maximum(ranked[t], before)
            out.distances[t] = np.insert(old, place, ranks)
        return out

    def without(self, removed):
        """Return the order without some rows; those behind them move up. O(n)."""
        n_test, n = self.order.shape
        kept = np.ones(n, dtype=bool)
        kept[removed] = False
        number = np.cumsum(kept, dtype=np.int32) - 1
        out = self.empty(n_test, n - len(removed), self.distances.dtype)
        for t in range(n_test):
            stays = kept[self.order[t]]
            number.take(self.order[t][stays], out=out.order[t])
            out.distances[t] = self.distances[t][stays]
        return out


def distance_order(distances):
    """Sort each row; equal distances stay in the order of the columns."""
    order = np.argsort(distances, axis=1)  # several times faster than a stable sort
    ranked = np.take_along_axis(distances, order, axis=1)
    # Whether a distance equals the one before it.
    same = np.zeros((len(order), order.shape[1] + 1), dtype=bool)
    np.equal(ranked[:, 1:], ranked[:, :-1], out=same[:, 1:-1])
    tied = np.flatnonzero(same[:, 1:] | same[:, :-1])
    # One integer encodes the run of equal distances and the column.
    run = np.cumsum(~same[:, :-1].ravel()[tied]) * order.shape[1]
    columns = order.ravel()[tied] + run
    order.ravel()[tied] = np.sort(columns) - run
    return order
