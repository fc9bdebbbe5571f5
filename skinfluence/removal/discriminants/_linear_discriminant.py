"""Linear discriminant analysis: means and common covariance without a row."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from skinfluence._memory import check_memory
from skinfluence.removal._classes import loses_class
from skinfluence.removal._dispatch import UnsupportedEstimator, refuse, removal_model
from skinfluence.removal._model import ClosedFormModel
from skinfluence.removal.counting._class_scores import (
    PARAMETERS,
    REMAINS,
    class_labels,
    constant_columns,
)
from skinfluence.removal.discriminants._quadratic_discriminant import regularisation
from skinfluence.removal.linear._design import Design
from skinfluence.removal.linear._moved_coefficients import LinearRemovals


class LinearDiscriminant(ClosedFormModel):
    r"""Linear scores ``x' P m_c - m_c' P m_c / 2 + log prior_c``, P = C^{-1}.

    Without row i the mean of its class moves by ``-r u``, with ``u = x_i - m`` and
    ``r = 1 / (n_c - 1)``, and the covariance within classes becomes ``D - b u u'``,
    D diagonal in the basis of eigenvectors of the covariance. The coefficients that
    remain are

    .. math:: P' m'_c = D^{-1} m'_c + \frac{b\,(p' m'_c)}{1 - b\,u'p}\; p,
        \qquad p = D^{-1} u

    (Sherman and Morrison, 1950). With given priors the solvers "lsqr" and "eigen"
    weight the scatters of classes differently once a row is gone: then there is a
    basis for each class of removed rows.

    **Cost.** Once O(n d^2 + n n_classes d^2), then O(n_classes d) for each test row
    and removal. Memory O(n n_classes d).

    **When it fails.** Columns that depend on each other are refused: what
    scikit-learn drops then depends on the standard deviations without the row.
    Columns that are constant within all classes are dropped as scikit-learn does. A
    row without which columns come to depend on each other, or the solver "svd"
    would drop a direction between centers (``tol``), is refitted.

    References
    ----------
    T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning",
    2009, section 4.3.
    """

    def __init__(self, estimator, X, y):
        self.estimator, self.labels = estimator, class_labels(estimator, y)
        self.n_classes = len(estimator.classes_)
        self.link = "logit" if self.n_classes == 2 else "softmax"
        _, self.shrinkage = regularisation(estimator, estimator.solver)
        if not np.all(estimator.priors_):
            refuse(estimator, "priors", "a prior of zero has no logarithm")
        self.design = Design(estimator, X, True, True, None)
        rows = self.design.rows[:, :-1]
        self.columns = np.arange(rows.shape[1])
        if not self.shrinkage:
            statistics = Statistics(rows, self.labels, self.n_classes)
            original = rows + self.design.mean
            constant = constant_columns(estimator, original, statistics.squares)
            self.columns = np.flatnonzero(~constant)
        # scikit-learn's solver "svd" divided by n - n_classes until 1.8: what was
        # done here is seen from the size of its coefficients.
        self.lost_degrees = 0
        self.rows = rows[:, self.columns]
        everyone = np.ones(len(rows), dtype=bool)
        self.theta, resolved = self._solution(everyone)
        if not resolved:
            refuse(estimator, "solver", "columns, or centers, depend on each other")
        if estimator.solver == "svd":
            ours, theirs = self.theta[:, :-1], estimator.coef_
            ours, theirs = (v - v.mean(axis=0) * (len(v) > 1) for v in (ours, theirs))
            share = (ours * theirs).sum() / (ours**2).sum()
            if abs(share * len(rows) - len(rows)) > self.n_classes / 2:
                self.lost_degrees = self.n_classes
                self.theta, _ = self._solution(everyone)

        raw = self.design.rows @ self.theta.T
        gap = raw - self.design.rows @ self._as_fitted().T
        if self.n_classes > 2:  # only differences between classes matter
            gap -= gap.mean(axis=1, keepdims=True)
        self.optimum_distance = float(np.abs(gap).max(initial=0.0))

    def _as_fitted(self):
        return self.design.coefficients(self.estimator.coef_, self.estimator.intercept_)

    def _shares(self, counts):
        """Prior of each class, and what its scatter is multiplied by."""
        estimator, n = self.estimator, counts.sum()
        prior = counts / n if estimator.priors is None else estimator.priors_
        if estimator.solver == "svd":
            return prior, np.full(len(counts), 1 / (n - self.lost_degrees))
        return prior, prior / counts

    def _solution(self, kept):
        """Coefficients of some of the rows, and whether they are unique."""
        labels = self.labels[kept]
        statistics = Statistics(self.rows[kept], labels, self.n_classes)
        prior, shares = self._shares(statistics.counts)
        basis = Basis(self, statistics, shares, labels)
        if not self.shrinkage and not basis.margin > 1:
            return None, False
        shift = self.shrinkage * (shares @ statistics.traces) / self.rows.shape[1]
        centers = (statistics.means @ basis.axes)[None]
        coef = centers / (basis.values + shift)
        theta = self._pack(centers, coef, prior[None], basis.axes)[0]
        return theta, self._keeps_directions(centers, coef, prior)[0]

    def _pack(self, centers, coef, prior, axes):
        """Coefficients and intercepts of the decision function, (m, k, p)."""
        out = np.zeros((*coef.shape[:2], self.design.rows.shape[1]))
        out[:, :, self.columns] = coef @ axes.T
        out[:, :, -1] = np.log(prior) - 0.5 * (centers * coef).sum(axis=2)
        return out[:, 1:] - out[:, :1] if self.n_classes == 2 else out

    def _keeps_directions(self, centers, coef, prior):
        """Tell whether "svd" keeps all directions between centers, shape (m,)."""
        if self.estimator.solver != "svd" or self.n_classes == 2:
            return np.ones(len(centers), dtype=bool)
        gram = centers @ coef.transpose(0, 2, 1)
        root = np.sqrt(prior)
        center = np.eye(self.n_classes) - prior  # subtracts the weighted mean
        gram = root[:, None] * (center @ gram @ center.T) * root
        values = np.linalg.eigvalsh(gram)
        rank = min(self.n_classes - 1, centers.shape[2])
        return values[:, -rank] > self.estimator.tol**2 * 1.001 * values[:, -1]

    def _without(self, masks):
        count = len(self.labels) if masks is None else len(masks)
        check_memory(
            8 * count * self.theta.size,
            f"The coefficients of {count} removals",
            "Use fewer columns, or LeaveOneOutInfluence(..., solver='refit').",
        )
        moves = np.zeros((count, *self.theta.shape))
        resolved = np.zeros(count, dtype=bool)
        if masks is None:
            self._remove_rows(moves, resolved)
        else:
            enough = (~masks).sum(axis=1) > self.n_classes
            for g in np.flatnonzero(enough & ~loses_class(self.labels, masks)):
                theta, resolved[g] = self._solution(~masks[g])
                if resolved[g]:
                    moves[g] = theta - self.theta
        return LinearRemovals(self, moves, np.flatnonzero(~resolved), False)

    def _remove_rows(self, moves, resolved):
        """Fill in the moves of theta of single rows, and which of them are exact."""
        n, d = self.rows.shape
        statistics = Statistics(self.rows, self.labels, self.n_classes)
        basis, emptied = None, loses_class(self.labels)
        for label, count in enumerate(statistics.counts):
            members = np.flatnonzero((self.labels == label) & ~emptied)
            if not len(members) or n - 1 <= self.n_classes:
                continue
            counts = statistics.counts.copy()
            counts[label] -= 1
            prior, shares = self._shares(counts)
            if basis is None or np.ptp(shares) > 1e-12 * shares.max():
                basis = Basis(self, statistics, shares, self.labels)
            size = max(1, PARAMETERS // statistics.means.size)
            for start in range(0, len(members), size):
                removed = members[start : start + size]
                lost = shares[label] * count / (count - 1)
                trace = shares @ statistics.traces
                trace = trace - lost * (statistics.residuals[removed] ** 2).sum(axis=1)
                scales = basis.values + self.shrinkage * trace[:, None] / d
                u = statistics.residuals[removed] @ basis.axes
                p = u / scales
                b = (1 - self.shrinkage) * lost
                left = 1 - b * (u * p).sum(axis=1)
                fine = left > REMAINS
                if not self.shrinkage:
                    fine &= left * basis.margin > 1
                centers = np.tile(statistics.means @ basis.axes, (len(removed), 1, 1))
                centers[:, label] -= u / (count - 1)
                along = (centers @ p[:, :, None]) * (b / np.where(fine, left, 1))[
                    :, None, None
                ]
                coef = centers / scales[:, None] + along * p[:, None]
                fine &= self._keeps_directions(centers, coef, prior)
                theta = self._pack(centers, coef, prior[None], basis.axes)
                moves[removed[fine]] = theta[fine] - self.theta
                resolved[removed] = fine


class Statistics:
    """Counts, means and scatters of classes."""

    def __init__(self, rows, labels, n_classes):
        flags = np.eye(n_classes)[labels]
        self.counts = flags.sum(axis=0)
        self.means = (flags.T @ rows) / self.counts[:, None]
        self.residuals = rows - self.means[labels]
        self.squares = (self.residuals**2).sum(axis=0)
        self.traces = flags.T @ (self.residuals**2).sum(axis=1)


class Basis:
    """Axes in which a covariance within classes is diagonal.

    Attributes
    ----------
    axes : ndarray of shape (d, d)
        In the coordinates ``x @ axes`` the covariance, without a multiple of the
        identity that shrinking adds, is ``diag(values)``.
    values : ndarray of shape (d,)
    margin : float
        How far the smallest eigenvalue is above those that scikit-learn drops.
    """

    def __init__(self, model, statistics, shares, labels):
        rows = (
            statistics.residuals
            * np.sqrt(shares[labels] * (1 - model.shrinkage))[:, None]
        )
        spread = np.ones(rows.shape[1])
        if not model.shrinkage:
            spread = np.sqrt((rows**2).sum(axis=0))
            spread[spread == 0] = 1.0
        # The triangular factor has the singular values of the rows
        factor = np.linalg.qr(rows / spread, mode="r")
        _, singular, vectors = np.linalg.svd(factor)
        self.values = np.pad(singular**2, (0, rows.shape[1] - len(singular)))
        self.axes = vectors.T / spread[:, None]
        if model.estimator.solver == "svd":
            n = len(rows)
            smallest = self.values.min(initial=np.inf) * n / (n - model.lost_degrees)
            self.margin = smallest / max(model.estimator.tol**2, 1e-14)
        else:
            # "lsqr" drops what is small before columns are standardised
            singular = np.linalg.svd(factor * spread, compute_uv=False)
            ratio = singular.min(initial=np.inf) / singular.max(initial=1e-300)
            enough = len(singular) == rows.shape[1]
            self.margin = ratio**2 / 1e-14 * enough


@removal_model.register
def _(estimator: LinearDiscriminantAnalysis, X, y, sample_weight=None):
    if sample_weight is not None:
        raise UnsupportedEstimator(
            "LinearDiscriminantAnalysis takes no sample_weight: leave it out."
        )
    return LinearDiscriminant(estimator, X, y)
