"""Pipelines: certificates of the last step's model on transformed rows."""

from dataclasses import replace

import numpy as np

from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal._pipeline import PipelineModel
from skinfluence.removal.certificates._dispatch import certificate


@certificate.register
def _(model: PipelineModel, source, masks=None):
    steps, refitted = model.steps, None
    if source.polished:  # steps hold all that was learned fixed
        changes = steps.without_groups(masks)
        if changes.fills:
            raise UnsupportedEstimator(
                "A Pipeline whose imputer fills in what it learned has no certificate: "
                "rows with missing values change with it. Impute before, or use "
                "influence."
            )
        refitted = np.flatnonzero(steps.to_refit(changes))
    if source.found is not None:
        source = replace(source, found=source.found.removals)
    return PipelineCertificate(
        steps.transform, certificate(model.model, source, masks), refitted
    )


class PipelineCertificate:
    """Certificate of the last step, asked about rows before they are transformed.

    Parameters
    ----------
    transform : callable
        The steps before.
    last : Certificate
        Of the last step's model.
    refitted : ndarray of int or None
        Removals after which the steps learn what the algebra does not follow: of
        these nothing is known but what a loss can be.
    """

    def __init__(self, transform, last, refitted):
        self.transform, self.last = transform, last
        if refitted is not None and len(refitted):
            last.forget(refitted)

    def bounds(self, X, y, loss):
        """As `Certificate.bounds`."""
        return self.last.bounds(self.transform(X), y, loss)
