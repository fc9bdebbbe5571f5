"""Classical tables in which few rows carry a coefficient."""

from importlib.resources import files

import numpy as np

from skinfluence._display._row_labels import need_pandas
from skinfluence._display._shown_bunch import ShownBunch

STARS = """\
The 47 stars of the cluster CYG OB1 in the direction of Cygnus: a Hertzsprung-Russell
diagram. Feature:
log_temperature, the decimal logarithm of the effective temperature at the surface.
Target: log_light, that of the light intensity. Four giants (rows 10, 19, 29, 33) are
cool and bright, and turn the slope of least squares.
"""

SAVINGS = """\
Savings in 50 countries, averages of 1960 to 1970.
Features: pop15 and pop75, percent of the population under 15 and over 75; dpi, real
disposable income per head in dollars; ddpi, its growth in percent. Target: sr, the
ratio of aggregate personal savings to disposable income, in percent.
"""

LONGLEY = """\
The economy of the United States in the 16 years from 1947 to 1962. The features are so
collinear that the table has tested the rounding of programs ever since. Features:
gnp_deflator (1954 = 100), gnp in millions of dollars, unemployed and armed_forces in
thousands, population (14 years and over) in thousands, and the year. Target:
total_employment in thousands.
"""

STACK_LOSS = """\
A plant that oxidises ammonia to nitric acid, on 21 days. Features: air_flow,
water_temperature (of the cooling water) and acid_concentration (per 1000, minus 500).
Target: stack_loss, ten times the percentage of ammonia that escapes. Days 1, 3, 4, 21
(rows 0, 2, 3, 20) are known outliers.
"""

SOURCES = {
    "cyg_ob1.csv": 'P. J. Rousseeuw and A. M. Leroy, "Robust Regression and Outlier '
    "Detection\", Wiley 1987, p. 27, table 3 (starsCYG of R's package robustbase).",
    "life_cycle_savings.csv": 'D. A. Belsley, E. Kuh and R. E. Welsch, "Regression '
    'Diagnostics", Wiley 1980 (LifeCycleSavings of R).',
    "longley.csv": 'J. W. Longley, "An Appraisal of Least Squares Programs for the '
    'Electronic Computer from the Point of View of the User", Journal of the American '
    "Statistical Association 62, 1967, pp. 819-841 (Longley of NIST's StRD).",
    "stack_loss.csv": 'K. A. Brownlee, "Statistical Theory and Methodology in Science '
    'and Engineering", 2nd edition, Wiley 1965, p. 454 (stackloss of R).',
}


def load_cyg_ob1(*, return_X_y=False, as_frame=False):
    """Load the 47 stars of the cluster CYG OB1: light by temperature.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` in the place of a Bunch.
    as_frame : bool, default=False
        Return a pandas DataFrame and Series, whose index names the rows. Needs pandas.

    Returns
    -------
    table : :class:`~sklearn.utils.Bunch` or tuple
        ``data`` of shape (47, 1), ``target``, ``feature_names``, ``target_names``,
        ``row_names``, ``source``, ``DESCR`` and, with ``as_frame``, ``frame``: as
        scikit-learn's loaders.

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
    return _load("cyg_ob1.csv", "log_light", STARS, return_X_y, as_frame)


def load_life_cycle_savings(*, return_X_y=False, as_frame=False):
    """Load the savings of 50 countries, with population and income.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` in the place of a Bunch.
    as_frame : bool, default=False
        Return a pandas DataFrame and Series, whose index names the rows. Needs pandas.

    Returns
    -------
    table : :class:`~sklearn.utils.Bunch` or tuple
        ``data`` of shape (50, 4), ``target``, ``feature_names``, ``target_names``,
        ``row_names``, ``source``, ``DESCR`` and, with ``as_frame``, ``frame``: as
        scikit-learn's loaders.

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
    return _load("life_cycle_savings.csv", "sr", SAVINGS, return_X_y, as_frame)


def load_longley(*, return_X_y=False, as_frame=False):
    """Load employment and economy of the United States, 1947 to 1962.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` in the place of a Bunch.
    as_frame : bool, default=False
        Return a pandas DataFrame and Series, whose index names the rows. Needs pandas.

    Returns
    -------
    table : :class:`~sklearn.utils.Bunch` or tuple
        ``data`` of shape (16, 6), ``target``, ``feature_names``, ``target_names``,
        ``row_names``, ``source``, ``DESCR`` and, with ``as_frame``, ``frame``: as
        scikit-learn's loaders.

    See Also
    --------
    load_stack_loss : A plant on 21 days.
    skinfluence.case_diagnostics : Which years move the coefficients.

    Examples
    --------
    >>> from skinfluence.datasets import load_longley
    >>> longley = load_longley()
    >>> longley.data.shape, longley.row_names[0]
    ((16, 6), '1947')
    """
    return _load("longley.csv", "total_employment", LONGLEY, return_X_y, as_frame)


def load_stack_loss(*, return_X_y=False, as_frame=False):
    """Load the loss of ammonia of a plant on 21 days.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` in the place of a Bunch.
    as_frame : bool, default=False
        Return a pandas DataFrame and Series, whose index names the rows. Needs pandas.

    Returns
    -------
    table : :class:`~sklearn.utils.Bunch` or tuple
        ``data`` of shape (21, 3), ``target``, ``feature_names``, ``target_names``,
        ``row_names``, ``source``, ``DESCR`` and, with ``as_frame``, ``frame``: as
        scikit-learn's loaders.

    See Also
    --------
    load_longley : Employment in 16 years.
    skinfluence.case_diagnostics : Which days move the coefficients.

    Examples
    --------
    >>> from skinfluence.datasets import load_stack_loss
    >>> plant = load_stack_loss()
    >>> plant.data.shape, plant.feature_names
    ((21, 3), ['air_flow', 'water_temperature', 'acid_concentration'])
    """
    return _load("stack_loss.csv", "stack_loss", STACK_LOSS, return_X_y, as_frame)


def _load(name, target, about, return_X_y, as_frame):
    text = (files("skinfluence.datasets") / "data" / name).read_text(encoding="utf-8")
    header, *lines = (line.split(",") for line in text.splitlines())
    columns, row_names = header[1:], [line[0] for line in lines]
    values = np.array([line[1:] for line in lines], dtype=np.float64)
    j = columns.index(target)
    X, y, frame = np.delete(values, j, axis=1), values[:, j], None
    feature_names = [name for name in columns if name != target]
    if as_frame:
        pandas = need_pandas("as_frame=True")
        frame = pandas.DataFrame(values, columns=columns, index=row_names)
        X, y = frame[feature_names], frame[target]
    if return_X_y:
        return X, y
    return ShownBunch(
        data=X,
        target=y,
        frame=frame,
        feature_names=feature_names,
        target_names=[target],
        row_names=row_names,
        source=SOURCES[name],
        DESCR=f"{about}\nSource: {SOURCES[name]}\n",
    )
