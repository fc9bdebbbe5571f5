"""Arrays are told from dataframes at once: a sixth of the time of the suite.

scikit-learn 1.9 asks narwhals about all that it is given. The answer takes longer than
the rest of its checks, for an array as well, and tests fit thousands of tiny models.
"""

from functools import wraps

import numpy as np


def _unless_an_array(function):
    @wraps(function)
    def answer(given):
        return type(given) is not np.ndarray and function(given)

    return answer


def tell_arrays_first():
    """Answer False for arrays in the two functions of narwhals, without its search."""
    try:
        from narwhals.stable.v2 import dependencies
    except ImportError:  # scikit-learn 1.8 does not need it
        return
    for name in ("is_into_dataframe", "is_into_series"):
        setattr(dependencies, name, _unless_an_array(getattr(dependencies, name)))
