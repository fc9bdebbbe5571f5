"""Least squares: the closed form's residual, and what rounding makes of it.

The objective is quadratic, so that bounds of gradients are bounds of distances at any
move: `Distances` with M = 0, whose linear part is all there is.
"""

from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._problem import Problem, penalties_without
from skinfluence.removal.certificates._removed import Removed
from skinfluence.removal.certificates._smooth import Distances, joined
from skinfluence.removal.linear._penalty import Penalty
from skinfluence.removal.linear._quadratic import Quadratic
from skinfluence.removal.smooth._pointwise import Squared


@certificate.register
def _(model: Quadratic, source, masks=None):
    moves, unresolved = source.moves(model, masks)
    removed = Removed(len(model.weight), masks)
    outputs = []
    for k, penalty in enumerate(model.penalties[model.which]):
        scales = model.variances.scales
        penalties = Penalty(penalty, model.weight, scales=scales)
        args = penalty, penalties, masks, source.polished
        problem = Problem(
            model.design,
            model.targets[:, k],
            model.weight,
            Squared(),
            penalty,
            model.theta[k],
            *penalties_without(*args),
        )

        def minimise(masks, k=k):
            return model._exact_groups(masks, source.tol).displacement[:, k]

        args = problem, source, removed, moves[:, k], unresolved, minimise
        outputs.append(Distances(*args))
    return joined(model, source, removed, outputs)
