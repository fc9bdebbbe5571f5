"""Look at a fitted model and the rows it was fitted on."""

from skinfluence.inspection._case_diagnostics import case_diagnostics
from skinfluence.inspection._certified_accuracy_display import (
    CertifiedAccuracyDisplay,
)
from skinfluence.inspection._influence_display import InfluenceDisplay
from skinfluence.inspection._influence_outlier_display import InfluenceOutlierDisplay
from skinfluence.inspection._memorization import (
    high_influence_pairs,
    memorization_curve,
)
from skinfluence.inspection._memorization_display import MemorizationDisplay
from skinfluence.inspection._removal_curve_display import RemovalCurveDisplay
from skinfluence.inspection._sample_values_display import SampleValuesDisplay

__all__ = [
    "CertifiedAccuracyDisplay",
    "InfluenceDisplay",
    "InfluenceOutlierDisplay",
    "MemorizationDisplay",
    "RemovalCurveDisplay",
    "SampleValuesDisplay",
    "case_diagnostics",
    "high_influence_pairs",
    "memorization_curve",
]
