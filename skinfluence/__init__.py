"""Training-set influence analysis: which training rows helped or hurt a model."""

from skinfluence._base import BaseInfluence
from skinfluence.attacks import TargetDetector
from skinfluence.audit import audit_table
from skinfluence.certificates import PartitionClassifier, PredictionCertificate
from skinfluence.cleaning import InfluenceCleaner, InfluenceSampler
from skinfluence.dynamic import SOURCE, TRAK, HyDRA, TracIn
from skinfluence.groups import find_flip_set, group_values, most_influential_set
from skinfluence.inspection import (
    CertifiedAccuracyDisplay,
    InfluenceDisplay,
    InfluenceOutlierDisplay,
    MemorizationDisplay,
    RemovalCurveDisplay,
    SampleValuesDisplay,
    case_diagnostics,
    high_influence_pairs,
    memorization_curve,
)
from skinfluence.out_of_core import assign_values
from skinfluence.retraining import (
    DownsamplingInfluence,
    KNNShapley,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    ShapleyInfluence,
    TreeInfluence,
    datamodels,
)
from skinfluence.static import InfluenceFunctions, RepresenterPoints
from skinfluence.suggestion import suggest

__version__ = "0.1.0"

__all__ = [
    "SOURCE",
    "TRAK",
    "BaseInfluence",
    "CertifiedAccuracyDisplay",
    "DownsamplingInfluence",
    "HyDRA",
    "InfluenceCleaner",
    "InfluenceDisplay",
    "InfluenceFunctions",
    "InfluenceOutlierDisplay",
    "InfluenceSampler",
    "KNNShapley",
    "LeaveOneOutInfluence",
    "MemorizationDisplay",
    "OutOfBagInfluence",
    "PartitionClassifier",
    "PredictionCertificate",
    "RemovalCurveDisplay",
    "RepresenterPoints",
    "SampleValuesDisplay",
    "ShapleyInfluence",
    "TargetDetector",
    "TracIn",
    "TreeInfluence",
    "assign_values",
    "audit_table",
    "case_diagnostics",
    "datamodels",
    "find_flip_set",
    "group_values",
    "high_influence_pairs",
    "memorization_curve",
    "most_influential_set",
    "suggest",
]
