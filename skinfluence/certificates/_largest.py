"""Sums of the largest entries, and the largest number that a bound holds for."""

import numpy as np


def sum_of_largest(values, k):
    """Sum of the k largest entries along the last axis; of all, where fewer."""
    n = values.shape[-1]
    if k <= 0:
        return np.zeros(values.shape[:-1])
    if k >= n:
        return values.sum(axis=-1)
    return np.partition(values, n - k, axis=-1)[..., n - k :].sum(axis=-1)


def largest_number(holds, n_tests, most):
    """Find for each test row the largest k that a bound certifies.

    A property of k changes is one of fewer changes: k is doubled, then bisected.

    Parameters
    ----------
    holds : callable
        ``holds(k, tests)`` returns for each of these test rows whether no k changes
        turn its prediction.
    n_tests : int
    most : int
        Largest k that is asked about.

    Returns
    -------
    k : ndarray of int of shape (n_tests,)
        0 where not even one change is certified.
    """
    out = np.zeros(n_tests, dtype=np.intp)
    brackets, tests, last, k = [], np.arange(n_tests), 0, 1
    while len(tests) and last < most:
        k = min(k, most)
        fine = holds(k, tests)
        brackets.append((last, k, tests[~fine]))
        tests = tests[fine]
        out[tests] = k
        last, k = k, 2 * k
    while brackets:
        low, high, tests = brackets.pop()
        if high - low < 2 or not len(tests):
            continue
        middle = (low + high) // 2
        fine = holds(middle, tests)
        out[tests[fine]] = middle
        brackets += [(middle, high, tests[fine]), (low, middle, tests[~fine])]
    return out
