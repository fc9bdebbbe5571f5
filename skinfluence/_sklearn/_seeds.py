"""Seeds of random training, which depend on a seed and an index alone."""

import numpy as np
from sklearn.base import clone

from skinfluence._sklearn._copying import copying, is_plain
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
        if is_plain(estimator):
            for name, value in seeds.items():
                setattr(estimator, name, value)
        else:
            estimator.set_params(**seeds)
    return estimator


def _unset_seeds(estimator):
    """Return the names of the random states that are None."""
    plain = is_plain(estimator)
    params = vars(estimator) if plain else estimator.get_params(deep=True)
    return [
        name
        for name, value in sorted(params.items(), key=lambda item: item[0])
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    ]


def fit_seeded(estimator, X, y, fit_params, seed, index=0):
    """Fit a clone of ``estimator`` whose unset seeds depend on ``(seed, index)``."""
    model = seed_estimator(copying(clone(estimator)), seed, index)
    with seeded_training(model, seed, index):
        return model.fit(X, y, **fit_params)
