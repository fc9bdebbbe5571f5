"""The most influential training rows of each test row."""

import numpy as np

from skinfluence._display._row_labels import need_pandas, row_labels


class InfluentialRows:
    """Mixin of a `BaseInfluence`: `influential_rows`."""

    def influential_rows(self, X, y=None, n_rows=5, *, as_frame=False):
        """The most influential training rows of each test row, helpful or harmful.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Test rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their true values; None as in `influence`.
        n_rows : int, default=5
            How many training rows to return for each test row.
        as_frame : bool, default=False
            Return a DataFrame, which needs pandas.

        Returns
        -------
        values : ndarray of shape (n_samples, n_rows)
            Their influences, by descending absolute value.
        indices : ndarray of shape (n_samples, n_rows)
            Their positions in the training set.
        table : DataFrame with n_samples * n_rows lines
            With ``as_frame=True``, in the place of the two arrays. Its index holds the
            labels of the training rows, so that ``table.join(X_train)`` shows them;
            columns are ``test_row`` (label of the test row), ``row`` (position of the
            training row) and ``influence``. Labels are those of the index of X where
            it is a DataFrame, else positions.
        """
        pandas = need_pandas("as_frame=True") if as_frame else None
        tested = self._asked_rows(X)
        X, y, loss = self._check_test(X, y)
        n = self.n_samples_fit_
        if not 1 <= n_rows <= n:
            raise ValueError(
                f"The 'n_rows' parameter must be between 1 and n_samples_fit_={n}. "
                f"Got {n_rows!r}."
            )
        values, indices = self._top_rows(X, y, loss, n_rows)
        if not as_frame:
            return values, indices
        tests = np.repeat(np.arange(len(values)), n_rows)
        return pandas.DataFrame(
            {
                "test_row": row_labels(tested, tests),
                "row": indices.ravel(),
                "influence": values.ravel(),
            },
            index=row_labels(self._fit_X, indices.ravel()),
        )

    def _top_rows(self, X, y, loss, n_rows):
        """Return the largest influences of each test row, and their positions."""
        n, values, indices = self.n_samples_fit_, [], []
        for _, block in self._influences(X, y, loss):
            size = np.abs(block)
            top = np.argpartition(size, n - n_rows, axis=1)[:, n - n_rows :]
            order = np.argsort(
                -np.take_along_axis(size, top, axis=1), axis=1, kind="stable"
            )
            top = np.take_along_axis(top, order, axis=1)
            values.append(np.take_along_axis(block, top, axis=1))
            indices.append(top)
        return np.concatenate(values), np.concatenate(indices)
