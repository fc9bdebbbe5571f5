"""Two classical tables in which few rows carry a coefficient."""

from importlib.resources import files

import numpy as np
from sklearn.utils import Bunch

STARS = """\
The 47 stars of the cluster CYG OB1 in the direction of Cygnus: the Hertzsprung-Russell
diagram of P. J. Rousseeuw and A. M. Leroy, "Robust Regression and Outlier Detection",
Wiley 1987, p. 27, table 3 (``starsCYG`` of R's package robustbase). Feature:
log_temperature, the decimal logarithm of the effective temperature at the surface.
Target: log_light, that of the light intensity. Four giants (rows 10, 19, 29, 33) are
cool and bright, and turn the slope of least squares.
"""

SAVINGS = """\
Savings in 50 countries, averages of 1960 to 1970 (D. A. Belsley, E. Kuh and R. E.
Welsch, "Regression Diagnostics", Wiley 1980; ``LifeCycleSavings`` of R).
Features: pop15 and pop75, percent of the population under 15 and over 75; dpi, real
disposable income per head in dollars; ddpi, its growth in percent. Target: sr, the
ratio of aggregate personal savings to disposable income, in percent.
"""


def load_cyg_ob1(*, return_X_y=False):
    """Load the 47 stars of the cluster CYG OB1: light by temperature.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` in the place of a Bunch.

    Returns
    -------
    table : :class:`~sklearn.utils.Bunch` or tuple
        ``data`` of shape (47, 1), ``target``, ``feature_names``, ``target_names``,
        ``row_names`` and ``DESCR``, as scikit-learn's loaders.

    See Also
    --------
    load_life_cycle_savings : Savings of 50 countries.
    skinfluence.find_flip_set : Which stars turn the slope.

    Examples
    --------
    >>> from skinfluence.datasets import load_cyg_ob1
    >>> stars = load_cyg_ob1()
    >>> stars.data.shape, stars.feature_names, stars.target_names
    ((47, 1), ['log_temperature'], ['log_light'])
    """
    return _load("cyg_ob1.csv", "log_light", STARS, return_X_y)


def load_life_cycle_savings(*, return_X_y=False):
    """Load the savings of 50 countries, with population and income.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` in the place of a Bunch.

    Returns
    -------
    table : :class:`~sklearn.utils.Bunch` or tuple
        ``data`` of shape (50, 4), ``target``, ``feature_names``, ``target_names``,
        ``row_names`` and ``DESCR``, as scikit-learn's loaders.

    See Also
    --------
    load_cyg_ob1 : Stars of a cluster.
    skinfluence.find_flip_set : Which countries turn a coefficient.

    Examples
    --------
    >>> from skinfluence.datasets import load_life_cycle_savings
    >>> savings = load_life_cycle_savings()
    >>> savings.feature_names, savings.row_names[48]
    (['pop15', 'pop75', 'dpi', 'ddpi'], 'Libya')
    """
    return _load("life_cycle_savings.csv", "sr", SAVINGS, return_X_y)


def _load(name, target, about, return_X_y):
    text = (files("skinfluence.datasets") / "data" / name).read_text(encoding="utf-8")
    header, *lines = (line.split(",") for line in text.splitlines())
    columns = header[1:]
    values = np.array([line[1:] for line in lines], dtype=np.float64)
    j = columns.index(target)
    X, y = np.delete(values, j, axis=1), values[:, j]
    if return_X_y:
        return X, y
    return Bunch(
        data=X,
        target=y,
        feature_names=[name for name in columns if name != target],
        target_names=[target],
        row_names=[line[0] for line in lines],
        DESCR=about,
    )
