"""Proven bounds of what refitting without rows does to losses."""

from skinfluence.removal.certificates import (  # they register themselves
    _balanced,
    _kinked,
    _naive_bayes,
    _neighbors,
    _pipeline,
    _smooth,
    _softmax,
    _squares,
)
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._sources import EXACT, FIRST_ORDER, NEWTON, Source

__all__ = ["EXACT", "FIRST_ORDER", "NEWTON", "Source", "certificate"]
