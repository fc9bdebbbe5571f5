"""Predictions that no k rows can change: certificates and partition ensembles."""

from skinfluence.certificates._partition_classifier import PartitionClassifier
from skinfluence.certificates._prediction_certificate import PredictionCertificate

__all__ = ["PartitionClassifier", "PredictionCertificate"]
