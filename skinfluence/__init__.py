"""Training-set influence analysis: which training rows helped or hurt a model."""

from skinfluence.cleaning import InfluenceCleaner, InfluenceSampler
from skinfluence.dynamic import TRAK, TracIn
from skinfluence.inspection import case_diagnostics
from skinfluence.retraining import (
    DownsamplingInfluence,
    KNNShapley,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    datamodels,
)
from skinfluence.static import InfluenceFunctions, RepresenterPoints

__version__ = "0.1.0"

__all__ = [
    "TRAK",
    "DownsamplingInfluence",
    "InfluenceCleaner",
    "InfluenceFunctions",
    "InfluenceSampler",
    "KNNShapley",
    "LeaveOneOutInfluence",
    "OutOfBagInfluence",
    "RepresenterPoints",
    "TracIn",
    "case_diagnostics",
    "datamodels",
]
