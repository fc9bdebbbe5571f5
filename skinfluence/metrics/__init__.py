"""Measures of the quality of an attribution, for influences of any library."""

from skinfluence.metrics._leave_one_out_correlation import leave_one_out_correlation
from skinfluence.metrics._linear_datamodeling_score import linear_datamodeling_score
from skinfluence.metrics._noise_detection import noise_detection
from skinfluence.metrics._removal_curve import removal_curve
from skinfluence.metrics._reseeding_stability import reseeding_stability

__all__ = [
    "leave_one_out_correlation",
    "linear_datamodeling_score",
    "noise_detection",
    "removal_curve",
    "reseeding_stability",
]
