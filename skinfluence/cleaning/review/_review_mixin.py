"""The methods of a cleaner that a reviewer uses."""

from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skinfluence._collections import need_rows
from skinfluence._display._row_labels import RowTable
from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._sklearn import take_rows
from skinfluence.cleaning.review._reviewable import decided_in


class ReviewMixin:
    """Review of suspects, for a class whose ``fit`` sets ``_reviewable``,
    ``_decided``, ``_fit_X`` and ``_fit_y``."""

    def review_table(self, verdicts=None, *, n_rows=50, n_random=0):
        """Return the rows that a person should look at next.

        Those without a verdict that are most likely wrong, by the fixed scorer and by
        all verdicts so far. Fill in ``verdict`` ("keep", "drop", "relabel" or
        "unsure"), for "relabel" also ``value``, and pass the table as ``verdicts``.

        Nothing is trained or scored again.

        Parameters
        ----------
        verdicts : DataFrame, dict of columns or list of dict, default=None
            All verdicts so far, see `fit`. None: those of ``fit``.
        n_rows : int, default=50
            How many rows.
        n_random : int, default=0
            So many others, drawn at random, follow. Few of them are wrong, but
            verdicts on them make the interval of `estimate_wrong` about half as wide.

        Returns
        -------
        table : DataFrame, or Bunch where pandas is not installed
            ``row``, ``given``, ``suggested`` (what the scorer's models without the row
            predict), ``probability_wrong``, ``sample_value``, and ``verdict``,
            ``value`` and ``note``, which are empty. Its index is that of X.
        """
        for name, number in {"n_rows": n_rows, "n_random": n_random}.items():
            if not isinstance(number, Integral) or number < 0:
                raise ValueError(
                    f"The {name!r} parameter must be a whole number, 0 or more. Got "
                    f"{number!r}."
                )
        reviewable, decided, _ = self._review(verdicts)
        table = reviewable.table(decided, n_rows, n_random)
        return _frame(RowTable.of(self._fit_X, **table))

    def estimate_wrong(self, verdicts=None):
        """Estimate how many rows of the table as given are wrong.

        Nothing is trained or scored again.

        Parameters
        ----------
        verdicts : DataFrame, dict of columns or list of dict, default=None
            All verdicts so far, see `fit`. None: those of ``fit``.

        Returns
        -------
        estimate : :class:`~sklearn.utils.Bunch`
            ``share``: of wrong rows, those that were found among them;
            ``share_interval``: ends of its 95% interval; ``n_decided`` and ``n_found``:
            rows that were found to be right or wrong, and wrong ones;
            ``probability_wrong``, of shape (n_samples,): 0 or 1 for rows with a
            verdict.
        """
        reviewable, decided, _ = self._review(verdicts)
        found, n = reviewable.estimate(decided), len(reviewable.given)
        middle, low, high = found.n_wrong
        return ShownBunch(
            share=middle / n,
            share_interval=(low / n, high / n),
            n_decided=0 if decided is None else int(decided.sure.sum()),
            n_found=0 if decided is None else int(decided.wrong.sum()),
            probability_wrong=reviewable.probability(found, decided),
        )

    def apply(self, verdicts=None):
        """Return the training rows after the verdicts, and a log of the changes.

        Only what was decided is done: rows to drop go, rows to relabel get their
        value, all others stay, suspects without a verdict too.

        Parameters
        ----------
        verdicts : DataFrame, dict of columns or list of dict, default=None
            See `fit`. None: those of ``fit``.

        Returns
        -------
        X : array-like of shape (n_samples_new, n_features)
            Rows, in the order and the type of those of ``fit``.
        y : ndarray of shape (n_samples_new,)
            Their targets.
        log : DataFrame, or Bunch where pandas is not installed
            One line for each verdict: ``row``, ``verdict``, target ``before`` and
            ``after`` (None for rows that went), ``note``.
        """
        reviewable, decided, checked = self._review(verdicts)
        need_rows("apply", self._fit_X)
        y, left = np.asarray(self._fit_y), np.arange(len(reviewable.given))
        after, lines = y, ShownBunch(rows=left[:0], verdicts=left[:0], notes=[])
        if decided is not None:
            after, left, lines = decided.y, decided.left, checked
        rows = lines.rows
        new = after[rows].astype(object)
        new[np.asarray(lines.verdicts) == "drop"] = None
        log = RowTable.of(
            self._fit_X,
            row=rows,
            verdict=lines.verdicts,
            before=y[rows],
            after=new,
            note=np.array(lines.notes, dtype=object),
        )
        return take_rows(self._fit_X, left), after[left], _frame(log)

    def _review(self, verdicts):
        """Return the table, and the verdicts on it; without any the latter are None."""
        check_is_fitted(self)
        if self._reviewable is None:
            raise ValueError(
                "A review needs y of one column, shape (n_samples,): a verdict has one "
                f"value. Got y of shape {np.shape(self._fit_y)}."
            )
        decided, checked = self._decided
        if verdicts is not None:
            decided, checked = decided_in(
                verdicts, self._fit_y, self._reviewable.classification
            )
        return self._reviewable, decided, checked


def _frame(table):
    """Return a table as a DataFrame, or as it is where pandas is not installed."""
    try:
        return table.frame
    except ImportError:
        return table
