"""The list of checks, the choice of those that apply, and the ways to run them."""

import inspect

from sklearn.base import is_classifier

from skinfluence.testing import (
    _composition_checks,
    _contract_checks,
    _error_checks,
)
from skinfluence.testing._checked_estimators import takes_weights, wraps
from skinfluence.testing._short_name import short_name


def is_check(value):
    """Tell whether a module member is one of the checks."""
    return inspect.isfunction(value) and value.__name__.startswith("check_influence_")


CHECKS = [
    check
    for module in (_contract_checks, _composition_checks, _error_checks)
    for check in vars(module).values()
    if is_check(check)
]


def influence_checks(influence_estimator, deterministic=True):
    """Yield the checks that apply to an instance."""
    for check in CHECKS:
        if (
            check is _contract_checks.check_influence_label_encodings
            and not is_classifier(influence_estimator)
        ):
            continue
        if not wraps(influence_estimator) and check in (
            _composition_checks.check_influence_uses_whole_pipeline,
            _error_checks.check_influence_frozen,
        ):
            continue
        if not takes_weights(influence_estimator) and check in (
            _composition_checks.check_influence_zero_weight,
            _composition_checks.check_influence_weights_are_copies,
            _composition_checks.check_influence_metadata_routing,
        ):
            continue
        if not deterministic and check in (
            _composition_checks.check_influence_order_of_training_rows,
            _composition_checks.check_influence_duplicates,
            _composition_checks.check_influence_weights_are_copies,
            _composition_checks.check_influence_zero_weight,
        ):
            continue
        yield check


def check_influence(influence_estimator, *, deterministic=True):
    """Check that an influence estimator keeps the contract of the library.

    The checks are about signs and units, shapes, sums and groups, sample weights,
    Pipelines and searches, the containers that data come in, and the errors that bad
    input gets. The first check that fails ends the run. Checks of pandas and polars
    containers are left out if these packages are not installed.

    The contract of scikit-learn's estimators is checked by
    `sklearn.utils.estimator_checks.check_estimator`.

    Parameters
    ----------
    influence_estimator : influence estimator
        An instance, not fitted; it is cloned. Its solvers need a small tolerance:
        most comparisons are to five digits.
    deterministic : bool, default=True
        Whether the values depend on the data alone. A method that samples needs an
        int as its ``random_state`` and False here: its values are then not compared
        between orders, duplicates and weights of the training rows.

    Raises
    ------
    AssertionError
        If a check fails; a note on the error names the check. Errors raised by the
        estimator itself are passed on with the same note.

    See Also
    --------
    parametrize_with_influence_checks : One test of pytest for each check.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import LeaveOneOutInfluence
    >>> from skinfluence.testing import check_influence
    >>> check_influence(LeaveOneOutInfluence(Ridge()))
    """
    name = type(influence_estimator).__name__
    for check in influence_checks(influence_estimator, deterministic):
        try:
            check(name, influence_estimator)
        except Exception as error:
            error.add_note(f"{name} does not pass {check.__name__}: {check.__doc__}")
            raise


def parametrize_with_influence_checks(influence_estimators, *, deterministic=True):
    """Decorate a test of pytest so that it runs once for every estimator and check.

    The test has the arguments ``influence_estimator`` and ``check``.

    Parameters
    ----------
    influence_estimators : list of influence estimators
        Instances, not fitted, as for `check_influence`.
    deterministic : bool, default=True
        Whether their values depend on the data alone, as for `check_influence`.

    Returns
    -------
    decorator : pytest.mark.parametrize
        Decorates the test function.

    Raises
    ------
    ImportError
        If pytest is not installed; `check_influence` does without it.

    See Also
    --------
    check_influence : All checks in one call, without pytest.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import LeaveOneOutInfluence
    >>> from skinfluence.testing import parametrize_with_influence_checks
    >>> @parametrize_with_influence_checks([LeaveOneOutInfluence(Ridge())])
    ... def test_influence_estimator(influence_estimator, check):
    ...     check(type(influence_estimator).__name__, influence_estimator)
    """
    try:
        import pytest
    except ImportError as error:
        raise ImportError(
            "parametrize_with_influence_checks needs pytest, which is not installed: "
            'pip install "pytest>=8". Without it, check_influence runs the same checks.'
        ) from error
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
