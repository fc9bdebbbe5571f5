"""Which removal models have certificates, by type."""

from functools import singledispatch

from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal._model import ClosedFormModel

REFIT = "For its influence alone use influence, which needs no proof."


@singledispatch
def certificate(model, source, masks=None):
    """Return the `Certificate` of a model's removals.

    Parameters
    ----------
    model : RemovalModel
        A model of all rows.
    source : Source
        Where the models without rows come from.
    masks : ndarray of bool of shape (n_groups, n), default=None
        Sets of rows that leave together; None: every single row.

    Raises
    ------
    UnsupportedEstimator
        Where nothing is proven, with the reason.
    """
    raise UnsupportedEstimator(_without_proof(model, "no bound is known for it"))


def _without_proof(model, reason):
    return f"{type(model).__name__} models have no certificate: {reason}. {REFIT}"


@certificate.register
def _(model: ClosedFormModel, source, masks=None):
    reason = "the rounding errors of its closed form have no bound here"
    raise UnsupportedEstimator(_without_proof(model, reason))
