"""Measures of the quality of an attribution, for influences of any library."""

from skinfluence.metrics._class_detection import class_detection
from skinfluence.metrics._leave_one_out_correlation import leave_one_out_correlation
from skinfluence.metrics._linear_datamodeling_score import linear_datamodeling_score
from skinfluence.metrics._model_randomization import model_randomization
from skinfluence.metrics._noise_detection import noise_detection
from skinfluence.metrics._planted_detection import planted_detection
from skinfluence.metrics._removal_curve import removal_curve
from skinfluence.metrics._reseeding_stability import reseeding_stability
from skinfluence.metrics._top_k_overlap import top_k_cardinality, top_k_overlap

__all__ = [
    "class_detection",
    "leave_one_out_correlation",
    "linear_datamodeling_score",
    "model_randomization",
    "noise_detection",
    "planted_detection",
    "removal_curve",
    "reseeding_stability",
    "top_k_cardinality",
    "top_k_overlap",
]
