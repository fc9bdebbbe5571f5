"""Training without the rows that look wrong."""

from skinfluence.cleaning._cleaner import InfluenceCleaner
from skinfluence.cleaning._sampler import InfluenceSampler

__all__ = ["InfluenceCleaner", "InfluenceSampler"]
