"""The base class of influence estimators, and the mixins that it is made of."""

from skinfluence._base._base_influence import BaseInfluence
from skinfluence._base._bounds import BoundedInfluence

__all__ = ["BaseInfluence", "BoundedInfluence"]
