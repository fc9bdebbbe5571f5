"""Training-set influence analysis: which training rows helped or hurt a model."""

from skinfluence.attacks import TargetDetector
from skinfluence.cleaning import InfluenceCleaner, InfluenceSampler
from skinfluence.inspection import (
    InfluenceDisplay,
    InfluenceOutlierDisplay,
    MemorizationDisplay,
    RemovalCurveDisplay,
    SampleValuesDisplay,
    case_diagnostics,
    high_influence_pairs,
    memorization_curve,
)
from skinfluence.retraining import LeaveOneOutInfluence
from skinfluence.static import InfluenceFunctions

__version__ = "0.1.0"

__all__ = [
    "InfluenceCleaner",
    "InfluenceDisplay",
    "InfluenceFunctions",
    "InfluenceOutlierDisplay",
    "InfluenceSampler",
    "LeaveOneOutInfluence",
    "MemorizationDisplay",
    "RemovalCurveDisplay",
    "SampleValuesDisplay",
    "TargetDetector",
    "case_diagnostics",
    "high_influence_pairs",
    "memorization_curve",
]
