"""Checks that every influence estimator passes, for use by third parties as well.

Like scikit-learn's estimator checks, each is a function of ``(name,
influence_estimator)`` that takes an unfitted estimator and raises AssertionError.
"""

from skinfluence.testing._influence_checks import (
    check_influence,
    parametrize_with_influence_checks,
)

__all__ = ["check_influence", "parametrize_with_influence_checks"]
