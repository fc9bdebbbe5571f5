"""Seeds of random training, which depend on a seed and an index alone."""

import numpy as np
from sklearn.base import BaseEstimator, clone

from skinfluence._skorch import seeded_training


def fresh_seed(random_state):
    """Turn ``random_state`` into an integer without touching the global generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return int(random_state)


def seed_estimator(estimator, seed, index=0):
    """Set every ``random_state`` of ``estimator`` that is None to its own seed.

    The seeds depend on ``(seed, index)`` alone, so a retraining gives the same
    model whatever the order, the backend or the number of workers. A
    ``random_state`` the user has set is left as it is.
    """
    unset = _unset_seeds(estimator)
    if unset:
        seeds = np.random.SeedSequence((seed, index)).generate_state(len(unset))
        seeds = {name: int(s) >> 1 for name, s in zip(unset, seeds, strict=True)}
        if _is_plain(estimator):
            for name, value in seeds.items():
                setattr(estimator, name, value)
        else:
            estimator.set_params(**seeds)
    return estimator


def _is_plain(estimator):
    """Tell whether the attributes of an unfitted estimator are all its parameters.

    This is so if none of them is an estimator. ``get_params``, which takes longer than
    a small fit, is then not needed.
    """
    if type(estimator).get_params is not BaseEstimator.get_params:
        return False
    return not any(
        hasattr(value, "get_params") or isinstance(value, list | tuple | dict)
        for value in vars(estimator).values()
    )


def _unset_seeds(estimator):
    """Return the names of the random states that are None."""
    plain = _is_plain(estimator)
    params = vars(estimator) if plain else estimator.get_params(deep=True)
    return [
        name
        for name, value in sorted(params.items(), key=lambda item: item[0])
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    ]


def copying(estimator):
    """Return the unfitted estimator with parameters that keep the rows as they are.

    Those that overwrite them (``copy=False``, ``copy_X=False``) save memory, with the
    same result; here the rows are read again after the fit.
    """
    params = vars(estimator) if _is_plain(estimator) else estimator.get_params()
    wrong = [
        name
        for name, value in params.items()
        if name.rpartition("__")[2] in ("copy", "copy_X", "copy_x") and value is False
    ]
    return estimator.set_params(**dict.fromkeys(wrong, True)) if wrong else estimator


def fit_seeded(estimator, X, y, fit_params, seed, index=0):
    """Fit a clone of ``estimator`` whose unset seeds depend on ``(seed, index)``."""
    model = seed_estimator(copying(clone(estimator)), seed, index)
    with seeded_training(model, seed, index):
        return model.fit(X, y, **fit_params)
