r"""Bounds of the effect of removing any k rows on least squares and ridge.

With rows scaled by the roots of their weights, ``K = X H^{-1} X'``, leverages
``h_i = K_ii`` and residuals e, the residuals that the rows of a set S have in the model
without S are ``r = (I - K_SS)^{-1} e_S``, and a linear function ``c'theta`` moves by
``-sum_S g_i r_i`` with ``g = X H^{-1} c``. If E > 0 satisfies

    (1 - h_i) E_i > |e_i| + the k - 1 largest of |K_ij| E_j over j != i, for all i,

then for every S of at most k rows I - K_SS is not singular, |r_i| <= E_i and
|r_i - e_i| <= E_i - |e_i|: at the row with the largest |r_i| / E_i = m, m > 1 gives
``(1 - h_i) m E_i <= |e_i| + m (...) < m (1 - h_i) E_i``, and the last part follows from
``r_i - e_i = h_i r_i + sum K_ij r_j``. Hence no k rows move ``c'theta`` against the
direction s by more than the k largest of ``(s g_i e_i + |g_i| (E_i - |e_i|))_+``.

The n x n products K are kept for up to `LARGEST` rows. Of more, |K_ij| is bounded by
``sqrt(h_i h_j)``, which takes O(n) for each iteration and certifies fewer rows.
"""

import numpy as np
import scipy.linalg as sla

from skinfluence.certificates._largest import sum_of_largest

# By how much the inequality for E has to hold, relative: far above rounding.
STRICT = 1e-9
# By how much the errors are increased to leave that room, relative to the largest.
ROOM = 1e-6
MOST_ITERATIONS = 200
# Training rows up to which passes over their n x n products take some seconds.
LARGEST = 3000


class RemovedSquares:
    """Bounds on what k removals do to one output of a quadratic model.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
        Design rows times the roots of their weights.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    residual : ndarray of shape (n,)
        Residuals times the roots of the weights.

    Attributes
    ----------
    exists : bool
        False where some row has leverage one: nothing is known then.
    """

    def __init__(self, rows, penalty, residual):
        n, p = rows.shape
        stacked = np.concatenate([rows, np.diag(np.sqrt(penalty))])
        Q, self._R = sla.qr(stacked, mode="economic", check_finite=False)
        diagonal = np.abs(np.diag(self._R))
        self.exists = len(stacked) >= p and diagonal.min() > 1e-10 * diagonal.max()
        self._Q, self.residual = Q[:n], residual
        leverage = np.einsum("ij,ij->i", self._Q, self._Q)
        self._gap, self._root, self._coupling = 1 - leverage, np.sqrt(leverage), None
        if n <= LARGEST:
            self._coupling = np.abs(self._Q @ self._Q.T)
            np.fill_diagonal(self._coupling, 0.0)
        self.exists &= bool(self._gap.min() > 1e-10)
        self._known = {}

    def pulls(self, functionals):
        """``g`` for functionals c of shape (m, p), shape (m, n)."""
        half = sla.solve_triangular(self._R, functionals.T, trans="T")
        return half.T @ self._Q.T

    def sizes(self, k, errors=None):
        """Return E for sets of at most k rows and other right-hand sides than e.

        Found as the fixed point for slightly larger errors, from below, and accepted
        once the inequality holds; None where it does not.
        """
        errors = np.abs(self.residual if errors is None else errors)
        more = errors + ROOM * errors.max(initial=0.0) + np.finfo(float).tiny
        E, before = more / self._gap, np.inf
        for _ in range(MOST_ITERATIONS):
            new = self._image(E, more, k)
            step = new - E
            ratio = np.max(step / E)
            factor = ratio / before if 0 < before < np.inf else 0.5
            reach = factor / (1 - factor) if factor < 1 else 1.0
            found = new + 1.1 * min(reach, 1e3) * step
            if self._holds(found, errors, k):
                return self._tightened(found, errors, more, k)
            if not ratio > 0 or new.max() > 1e9 * more.max():
                return None
            E, before = new, ratio
        return None

    def _holds(self, E, errors, k):
        return bool(np.all(self._image(E, errors, k) < E * (1 - STRICT)))

    def _tightened(self, E, errors, more, k):
        """Go down towards the fixed point, as long as the inequality holds."""
        for _ in range(MOST_ITERATIONS):
            lower = self._image(E, more, k)
            if not self._holds(lower, errors, k):
                break
            settled = np.all(lower > E * (1 - 1e-5))
            E = lower
            if settled:
                break
        return E

    def _image(self, E, errors, k):
        if k <= 1:
            return errors / self._gap
        if self._coupling is None:
            others = self._root * sum_of_largest(self._root * E, k - 1)
            return (errors + others) / self._gap
        out = np.empty_like(E)
        size = max(1, 2**22 // len(E))
        for start in range(0, len(E), size):
            part = slice(start, start + size)
            others = sum_of_largest(self._coupling[part] * E, k - 1)
            out[part] = (errors[part] + others) / self._gap[part]
        return out

    def largest_move(self, k, pulls, direction):
        """Bound how far any k rows move functionals against ``direction``.

        Parameters
        ----------
        k : int
            Rows that are removed, at most.
        pulls : ndarray of shape (m, n)
            From `pulls`.
        direction : ndarray of shape (m,)
            Signs.

        Returns
        -------
        bound : ndarray of shape (m,)
            Infinite where no bound exists.
        """
        if not self.exists:
            return np.full(len(pulls), np.inf)
        if k not in self._known:
            self._known[k] = self.sizes(k)
        E = self._known[k]
        if E is None:
            return np.full(len(pulls), np.inf)
        effect = direction[:, None] * pulls * self.residual
        effect += np.abs(pulls) * (E - np.abs(self.residual))
        return sum_of_largest(np.maximum(effect, 0.0), k) * (1 + STRICT)
