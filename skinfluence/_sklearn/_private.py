"""The private names of scikit-learn that this package uses.

Two things have no public equivalent: declarative parameter validation
(``sklearn.utils._param_validation`` and ``BaseEstimator._validate_params``,
unchanged since 1.2 and used by imbalanced-learn as well), and
``sklearn.utils._safe_indexing``, which ``sklearn.utils.__all__`` exports despite
its name. No other module imports a private name of scikit-learn.
"""

from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

__all__ = ["HasMethods", "Interval", "StrOptions", "safe_indexing"]
