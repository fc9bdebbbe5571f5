"""Linear discriminant analysis along an order of the rows."""

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from skinfluence.addition._moments import ClassMoments
from skinfluence.addition._prefix_models import (
    SKLEARN,
    CentredPrefixes,
    only_seen,
    prefix_models,
)

# Rows that enter the inverse at a time.
BLOCK = 32

# Rows up to which scikit-learn may fit every subset.
FEW = 16

# Scatters of a larger condition number are left to scikit-learn's decomposition.
CONDITION = 1e6


class LinearDiscriminantPrefixes(CentredPrefixes):
    r"""Linear discriminants (solver "svd"): rows enter the inverse of the scatter.

    A row adds :math:`\frac{n_c}{n_c + 1} u u'` to the scatter within classes, u its
    distance from the mean of the n_c rows of its class before it. With V as for least
    squares, the inverse after j rows of a block is that before it minus the first j
    products of the rows of V, applied to all class means at once. The first
    prefixes, with dependent columns, and those whose centers depend on each other are
    fitted by scikit-learn; it refuses a prefix of one row per class, which
    predicts the shares of its classes here.

    **Cost.** O(n d^2 n_classes) per order, about d fits, and one matrix product for
    all prefixes' predictions; memory O(n n_classes d).
    """

    def well_posed(self):
        """Tell whether the scatter of all rows has an accurate inverse."""
        order = np.argsort(self.labels, kind="stable")
        return self._inverse(self._increments(order)) is not None

    def prepare(self, X):
        rows = super().prepare(X)
        return np.column_stack([rows, np.ones(len(rows))])

    def _increments(self, order):
        """Roots of what each row adds to the scatter, shape (n, d)."""
        rows, labels = self.rows[order], self.labels[order]
        out = np.zeros_like(rows)
        for c in range(self.n_classes):
            mine = np.flatnonzero(labels == c)
            count = np.arange(1.0, len(mine))[:, None]
            before = np.cumsum(rows[mine], axis=0)[:-1] / count
            out[mine[1:]] = np.sqrt(count / (count + 1)) * (rows[mine[1:]] - before)
        return out

    def _inverse(self, increments):
        scatter = increments.T @ increments
        scale = np.sqrt(scatter.diagonal())
        if not scale.all():
            return None
        scatter /= np.outer(scale, scale)
        values = np.linalg.eigvalsh(scatter)
        if not values[0] * CONDITION > values[-1]:
            return None
        return np.linalg.inv(scatter) / np.outer(scale, scale)

    def path(self, order, ends):
        """Coefficients (n_ends, n_classes, p) and the classes' rows in each prefix."""
        n, d = self.rows.shape
        counts = self.class_counts(order, np.arange(1, n + 1))
        moments = ClassMoments(self.rows[order], self.labels[order], counts)
        increments = self._increments(order)
        theta = np.zeros((n, self.n_classes, d + 1))
        wanted = np.zeros(n, dtype=bool)
        wanted[ends - 1] = True
        m, inverse = 0, None
        while m < n:
            if m > d:
                inverse = self._inverse(increments[:m])
            if inverse is None:
                if wanted[m]:
                    theta[m] = self._fit(order[: m + 1], counts[m])
                m += 1
                continue
            block = slice(m, min(m + BLOCK, n))
            means, _ = moments.at(block)
            theta[block], unique = self._solutions(
                inverse, increments[block], means, counts[block]
            )
            for lost in np.flatnonzero(~unique) + m:
                if wanted[lost]:
                    theta[lost] = self._fit(order[: lost + 1], counts[lost])
            m = block.stop
        return theta[ends - 1], counts[ends - 1]

    def _solutions(self, inverse, increments, means, counts):
        """Coefficients after each row of a block, and whether "svd" finds them."""
        size = counts.sum(axis=1, keepdims=True)
        prior = counts / size
        middle = np.einsum("bc,bcd->bd", prior, means)
        centers = (means - middle[:, None]) * (counts > 0)[..., None]
        ahead = increments @ inverse
        gram = ahead @ increments.T
        gram.flat[:: len(gram) + 1] += 1.0
        moves = solve_triangular(cholesky(gram, lower=True), ahead, lower=True)
        along = centers @ moves.T
        along *= np.tri(len(moves))[:, None]
        coef = centers @ inverse - along @ moves
        n_seen = (counts > 0).sum(axis=1)
        freedom = size[:, 0] - (n_seen if SKLEARN < (1, 9) else 0)
        coef *= freedom[:, None, None]
        log_prior = np.log(np.maximum(counts, 1)) - np.log(size)
        offset = log_prior - 0.5 * (centers * coef).sum(axis=2)
        offset -= np.einsum("bcd,bd->bc", coef, middle)
        theta = np.concatenate([coef, offset[..., None]], axis=2)
        return theta, self._keeps_directions(centers, coef, prior, n_seen)

    def _keeps_directions(self, centers, coef, prior, n_seen):
        """Tell whether "svd" keeps all directions between centers, shape (n_ends,)."""
        root = np.sqrt(prior)
        gram = root[:, :, None] * (centers @ coef.transpose(0, 2, 1)) * root[:, None]
        values = np.linalg.eigvalsh(gram)
        rank = np.minimum(n_seen - 1, centers.shape[2])
        smallest = np.take_along_axis(values, -rank[:, None], axis=1)[:, 0]
        return smallest > (self.estimator.tol * 1.001) ** 2 * values[:, -1]

    def _fit(self, kept, counts):
        """Coefficients of one prefix, by scikit-learn."""
        theta = np.zeros((self.n_classes, self.rows.shape[1] + 1))
        seen = np.flatnonzero(counts)
        if len(seen) == 1:
            return theta
        if len(seen) == len(kept):
            theta[seen, -1] = np.log(counts[seen] / len(kept))
            return theta
        model = clone(self.estimator).fit(self.rows[kept], self.labels[kept])
        if len(seen) == 2:
            seen = seen[1:]
        theta[seen, :-1], theta[seen, -1] = model.coef_, model.intercept_
        return theta

    def raw(self, path, rows, response):
        theta, counts = path
        flat = theta.reshape(-1, theta.shape[2])
        scores = (rows @ flat.T).reshape(len(rows), *theta.shape[:2])
        return only_seen(scores, counts)


@prefix_models.register
def _(estimator: LinearDiscriminantAnalysis, X, y):
    plain = (
        type(estimator) is LinearDiscriminantAnalysis
        and estimator.solver == "svd"
        and estimator.priors is None
        and estimator.n_components is None
    )
    if not plain:
        return None
    model, n = LinearDiscriminantPrefixes(estimator, X, y), len(y)
    # Few rows are fitted one subset at a time here as well as by retraining, which
    # has no model of one row per class.
    if n > FEW and (n < 2 * np.shape(X)[1] or not model.well_posed()):
        return None
    return model
