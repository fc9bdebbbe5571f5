"""Checks that every influence estimator passes, whatever its method.

As scikit-learn's estimator checks, each is a function of ``(name,
influence_estimator)`` that gets an unfitted estimator and raises AssertionError.
A new method adds its instances to the list in ``test_common.py``.

Tolerances leave room for estimators that are retrained, if their own solvers are
set to stop late: give such instances a small ``tol``.
"""

import inspect

import composition_checks
import contract_checks
import error_checks
import pytest
from checked_estimators import takes_weights, wraps
from ids import short_name
from sklearn.base import is_classifier


def is_check(value):
    """Tell whether a module member is one of the checks."""
    return inspect.isfunction(value) and value.__name__.startswith("check_influence")


CHECKS = [
    check
    for module in (contract_checks, composition_checks, error_checks)
    for check in vars(module).values()
    if is_check(check)
]


def influence_checks(influence_estimator, deterministic=True):
    """Yield the checks that apply to an instance.

    Parameters
    ----------
    influence_estimator : influence estimator
        Unfitted.
    deterministic : bool
        Whether its values depend on the data only. A method that samples needs a
        ``random_state`` in any case, and False here: its values are then not
        compared between orders, duplicates and weights of the training rows.
    """
    for check in CHECKS:
        if (
            check is contract_checks.check_influence_label_encodings
            and not is_classifier(influence_estimator)
        ):
            continue
        if not wraps(influence_estimator) and check in (
            composition_checks.check_influence_uses_whole_pipeline,
            error_checks.check_influence_frozen,
        ):
            continue
        if not takes_weights(influence_estimator) and check in (
            composition_checks.check_influence_zero_weight,
            composition_checks.check_influence_weights_are_copies,
            composition_checks.check_influence_metadata_routing,
        ):
            continue
        if not deterministic and check in (
            composition_checks.check_influence_order_of_training_rows,
            composition_checks.check_influence_duplicates,
            composition_checks.check_influence_weights_are_copies,
            composition_checks.check_influence_zero_weight,
        ):
            continue
        yield check


def parametrize_with_influence_checks(influence_estimators, deterministic=True):
    """Decorate ``test(influence_estimator, check)`` with every check of each."""
    return pytest.mark.parametrize(
        ("influence_estimator", "check"),
        [
            pytest.param(
                influence_estimator,
                check,
                id=f"{short_name(influence_estimator)}-"
                f"{check.__name__.removeprefix('check_influence_')}",
            )
            for influence_estimator in influence_estimators
            for check in influence_checks(influence_estimator, deterministic)
        ],
    )
