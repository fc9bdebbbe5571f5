"""The reasons of suspects as a table, for a fitted cleaner."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from skinfluence._collections import need_rows
from skinfluence._display._row_labels import RowTable
from skinfluence._sklearn import take_columns, take_rows
from skinfluence.cleaning.reasons._agreeing_rows import agreeing_rows
from skinfluence.cleaning.reasons._explanations import MAX_EXPLAINED, explain

N_NEIGHBORS = 3


class ReasonsMixin:
    """Reasons of suspects, for a class whose ``fit`` sets ``suspects_``,
    ``sample_mask_``, ``_decided``, ``_fit_X`` and ``_fit_y``."""

    def suspect_reasons(self, rows=None):
        r"""Say why rows are suspect: the target or a cell, the neighbours, the kind.

        The blame of a column, and of the target, is how much the rest of the row
        contradicts its value: the squared distance from what is expected given all
        others, in units of its conditional variance, by rows that are not suspect [1]_.
        Before the row is looked at, its target is wrong as often as all its cells
        together; a cell is likelier wrong only where its repair explains the target.

        **Cost.** A covariance matrix of at most 20,000 rows, a ridge stack of at most
        5,000, and two searches of nearest rows: seconds.

        **When it fails.** Where the columns say little of each other the blame is a
        guess. Sparse matrices and more than 256 columns have no blamed cells:
        ``to_blame`` is empty. A long text is judged by its first 40 components only.

        Parameters
        ----------
        rows : array-like of int, default=None
            Some suspects; None: the first 200.

        Returns
        -------
        reasons : :class:`~sklearn.utils.Bunch`
            Columns of equal length; ``reasons.frame`` is the table as a DataFrame with
            the index of X. ``row``,
            ``given``, ``suggested``, ``suggested_probability`` and ``hurts`` as in
            ``suspects_``; ``to_blame``: "target" or "cell", the likelier mistake;
            ``cell_probability``: that a cell is wrong, if either a cell or the target
            is (NaN if not known); ``blamed_column``: name or position of the cell most
            to blame (None if not known); ``blame``: probability that the target, or
            this cell, is the one wrong value; ``cell`` and ``suggested_cell``: this
            cell as it is, and the value of the column that it should have if it is
            wrong (None if no row has another); ``clears``: whether with that models
            without the row predict the target as given; ``kind``: of "duplicate" (an
            equal row with the same target), "conflict" (with another one), "outlier"
            and "rare class" those that hold; ``like_given`` and ``like_suggested``: the
            three nearest rows that are not suspect and have the given and the suggested
            label (of numbers: whose target is nearer to the one than to the other).

        Raises
        ------
        ValueError
            For several columns of targets, and rows that are no suspects.

        References
        ----------
        .. [1] P. J. Rousseeuw, W. Van den Bossche, "Detecting Deviating Data Cells",
           Technometrics 60, 2018.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> from skinfluence import InfluenceCleaner
        >>> X, y = load_wine(return_X_y=True, as_frame=True)
        >>> X.loc[20, "flavanoids"] *= 0.1  # the decimal point
        >>> y[100] = 2  # it was 1
        >>> tree = DecisionTreeClassifier(random_state=0)
        >>> cleaner = InfluenceCleaner(tree, drop_fraction=0.05).fit(X, y)
        >>> reasons = cleaner.suspect_reasons(rows=[20, 100])
        >>> reasons.to_blame
        array(['cell', 'target'], dtype=object)
        >>> print(reasons.blamed_column[0], reasons.cell[0], reasons.clears[0])
        flavanoids 0.317 True
        """
        check_is_fitted(self)
        need_rows("suspect_reasons", self._fit_X)
        return _suspect_reasons(self, rows)


def _suspect_reasons(cleaner, rows):
    X, y = cleaner._fit_X, np.asarray(cleaner._fit_y)
    if getattr(X, "ndim", 2) > 2:  # a cell is one number of a row
        X = np.reshape(X, (len(X), -1))
    decided, _ = cleaner._decided
    if decided is not None:
        y = decided.y
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    if y.ndim > 1:
        raise ValueError(
            "Reasons need y of one column, shape (n_samples,). Got y of shape "
            f"{y.shape}: clean one column at a time."
        )
    kept, suspects = cleaner.sample_mask_, cleaner.suspects_
    places = _places(rows, suspects.row)
    rows = suspects.row[places]
    given, suggested = y[rows], np.ravel(suspects.suggested)[places]
    classification = is_classifier(cleaner.estimator)
    found = explain(X, y, rows, kept, classification)
    like_given, like_suggested = (
        agreeing_rows(X, y, wanted, other, rows, kept, N_NEIGHBORS, classification)
        for wanted, other in ((given, suggested), (suggested, given))
    )
    return RowTable.of(
        X,
        row=rows,
        given=given,
        suggested=suggested,
        suggested_probability=suspects.suggested_probability[places],
        to_blame=found.to_blame,
        cell_probability=found.cell_probability,
        blamed_column=_names(X, found.column),
        blame=found.blame,
        cell=_cells(X, rows, found.column),
        suggested_cell=_cells(X, found.donor, found.column),
        clears=found.clears,
        kind=found.kind,
        like_given=_objects(like_given),
        like_suggested=_objects(like_suggested),
        hurts=suspects.hurts[places],
    )


def _places(rows, suspects):
    """Return where rows stand among the suspects."""
    if rows is None:
        return np.arange(min(len(suspects), MAX_EXPLAINED))
    rows = np.atleast_1d(np.asarray(rows, dtype=int))
    place = {int(row): k for k, row in enumerate(suspects)}
    others = [int(row) for row in rows if int(row) not in place]
    if others:
        raise ValueError(
            "The 'rows' parameter must hold suspects, rows in suspects_.row. Got "
            f"{others[:5]}, for which there is nothing to explain."
        )
    return np.array([place[int(row)] for row in rows], dtype=int)


def _names(X, columns):
    """Return the names of columns, or their positions where they have none."""
    names = getattr(X, "columns", None)
    return _objects(
        [None if j < 0 else int(j) if names is None else names[j] for j in columns]
    )


def _cells(X, rows, columns):
    """Return one cell of each row, None where the column or the row is not known."""
    return _objects(
        [
            None
            if j < 0 or row < 0
            else np.asarray(take_rows(take_columns(X, int(j)), [int(row)]))[0]
            for row, j in zip(rows, columns, strict=True)
        ]
    )


def _objects(values):
    """Return a column of anything."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
