"""Scores that are weighted squared distances from a centre for each class."""

from abc import abstractmethod

import numpy as np

from skinfluence.removal.counting._class_scores import PARAMETERS, ClassScores


class DiagonalScores(ClassScores):
    r"""Classifier with scores ``offset_c - sum_j (x_j - m_cj)^2 / (2 tau_cj)``.

    When a removal makes the centre ``m - a``, the scale ``tau'`` and the offset move
    by ``b``, the score of x moves by exactly

    .. math:: b - \frac12 \sum_j z_j^2 (1/\tau'_j - 1/\tau_j) + 2 z_j a_j / \tau'_j
        + a_j^2 / \tau'_j, \qquad z = x - m

    which are matrix products over test rows and removals. Time O(n_classes d) for
    each test row and removal.

    Attributes
    ----------
    centers, scales : ndarray of shape (n_classes, d)
        m and tau.
    offsets : ndarray of shape (n_classes,)
        Parts of the scores that do not depend on x.
    """

    @abstractmethod
    def changes(self, removed):
        """Changes of the parameters by removals.

        Returns
        -------
        precision : ndarray of shape (n_removals, n_classes, d)
            ``1 / tau' - 1 / tau``.
        pull : ndarray of shape (n_removals, d) or (n_removals, n_classes, d)
            ``a / tau'``; for the removed row's class, if only that centre moves.
        constant : ndarray of shape (n_removals, n_classes)
            ``b - sum_j a_j^2 / (2 tau'_j)``.
        """

    def scores(self, rows):
        out = np.empty((len(rows), self.n_classes))
        for c in range(self.n_classes):
            square = (rows - self.centers[c]) ** 2
            out[:, c] = self.offsets[c] - 0.5 * (square / self.scales[c]).sum(axis=1)
        return out

    def state(self, rows):
        centred = rows[:, None] - self.centers
        return centred, centred**2

    def moves(self, state, removed):
        centred, square = state
        # One matrix per class, so that products are written where they belong
        out = np.empty((self.n_classes, len(centred), len(removed)))
        size = max(1, PARAMETERS // self.centers.size)
        for start in range(0, len(removed), size):
            part = slice(start, start + size)
            precision, pull, constant = self.changes(removed[part])
            precision *= -0.5
            block = out[:, :, part]
            for c in range(self.n_classes):
                np.matmul(square[:, c], precision[:, c].T, out=block[c])
                if pull.ndim == 3:
                    block[c] -= centred[:, c] @ pull[:, c].T
                block[c] += constant[:, c]
            if pull.ndim == 2:
                labels = self.labels[removed[part]]
                for c in np.unique(labels):
                    own = np.flatnonzero(labels == c)
                    block[c][:, own] -= centred[:, c] @ pull[own].T
        return np.moveaxis(out, 0, -1)
