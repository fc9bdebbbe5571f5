"""Audit a table: all checks, the most serious finding first."""

from dataclasses import asdict, replace

import numpy as np
from sklearn.utils import check_random_state

from skinfluence._collections import refuse_collections
from skinfluence._display._row_labels import need_pandas
from skinfluence._shown import shown
from skinfluence.audit._classes import rare_classes
from skinfluence.audit._column_checks import is_identifier, useless_columns
from skinfluence.audit._columns import read_column, read_columns
from skinfluence.audit._dependence import groups_with_one_target, order_effects
from skinfluence.audit._duplicates import (
    conflicting_rows,
    duplicate_rows,
    near_duplicates,
)
from skinfluence.audit._findings import SEVERITIES
from skinfluence.audit._leakage import leaking_columns
from skinfluence.audit._overlap import overlap
from skinfluence.audit._shared_influence import influence_share
from skinfluence.cleaning._labels_or_amounts import few_whole_numbers


def audit_table(
    X, y, *, X_test=None, classification="auto", groups=None, random_state=None
):
    """Look for faults of a table that make scores of a model wrong.

    Leakage (a column that is the target, or predicts it too well alone), test rows that
    are training rows, rows that are there twice or nearly so, equal rows with different
    targets, columns that are constant, empty, mostly missing or identifiers, rare
    classes, columns that name cases which folds would cut in two, and effects of the
    order of the rows.

    Each check has a threshold at which the fault, planted into clean tables, is found,
    and clean tables are left alone; the guide has the figures. It costs about as much
    as five small trees per column and a search of nearest neighbours; large tables are
    sampled (20,000 rows) where a check is not linear in the rows.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        Rows: numbers, texts, dates, with missing values.
    y : array-like of shape (n_samples,)
        Targets, none of them missing.
    X_test : DataFrame or array-like of shape (n_test, n_features), default=None
        Rows that the model will be measured on.
    classification : bool or "auto", default="auto"
        Whether targets are labels; "auto" takes texts, booleans and at most 20
        different whole numbers for labels.
    groups : str, default=None
        Name of a column of X that is used as groups already.
    random_state : int, RandomState or None, default=None
        Seeds folds, permutations and samples.

    Returns
    -------
    findings : DataFrame
        One row per finding, the most serious first, with columns ``severity`` ("high":
        scores will be wrong; "medium": they may be; "low": worth knowing), ``check``,
        ``where``, ``evidence``, ``fix`` and ``rows`` (positions of the first rows that
        show it). Empty if nothing was found.

    Raises
    ------
    ImportError
        Where pandas is not installed.
    ValueError
        For X and y of different length, missing targets, or another number of columns
        in X_test.

    See Also
    --------
    skinfluence.InfluenceCleaner : Find the rows that are wrong.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skinfluence import audit_table
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X["diagnosis"] = y.map({0: "a", 1: "b", 2: "c"})
    >>> findings = audit_table(X, y)
    >>> findings[["severity", "check", "where"]].head(1).to_string(header=False)
    '0  high  leakage  column diagnosis'
    """
    refuse_collections("audit_table", X=X, y=y, X_test=X_test)
    pandas = need_pandas("audit_table")
    X = pandas.DataFrame(X).reset_index(drop=True)
    target = read_column("target", y)
    if len(target.codes) != len(X):
        raise ValueError(
            f"X and y must have the same number of rows. Got {len(X)} and "
            f"{len(target.codes)}."
        )
    if target.missing.any():
        raise ValueError(
            f"y must have no missing values. Got {int(target.missing.sum())} of "
            f"{len(X)}: leave these rows out."
        )
    if X_test is not None:
        X_test = pandas.DataFrame(X_test).reset_index(drop=True)
        if X_test.shape[1] != X.shape[1]:
            raise ValueError(
                f"X_test must have the {X.shape[1]} columns of X. Got "
                f"{X_test.shape[1]}."
            )
        X_test.columns = X.columns
    if groups is not None and not (
        isinstance(groups, str) and groups in map(str, X.columns)
    ):
        raise ValueError(
            "The 'groups' parameter must be the name of a column of X. Got "
            f"{groups!r:.100}: pass rows with such a column."
        )
    seed = check_random_state(random_state).randint(2**31 - 1)
    if classification == "auto":
        classification = target.numbers is None or few_whole_numbers(target.numbers)
    findings = _findings(X, target, y, X_test, classification, groups, seed)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    names = ["severity", "check", "where", "evidence", "fix", "rows"]
    return pandas.DataFrame([asdict(f) for f in findings], columns=names)


def _findings(X, target, y, X_test, classification, groups, seed):
    columns = read_columns(X)
    features = [column for column in columns if column.name != groups]
    values = target.codes if classification else target.numbers
    found = _repeated_rows(X, target, y, X_test, columns, groups, classification, seed)
    found += leaking_columns(features, values, classification, seed)
    found += groups_with_one_target(columns, values, classification, groups, seed)
    found += order_effects(values, classification, seed)
    found += useless_columns(columns)
    if classification:
        labels = dict(zip(target.codes, np.asarray(y), strict=True))
        found += rare_classes(target, labels)
    return found


def _repeated_rows(X, target, y, X_test, columns, groups, classification, seed):
    """Find rows that are there twice, but for identifiers: each copy has its own."""
    ids = [is_identifier(column) for column in columns]
    named = [shown(c.name) for c, is_id in zip(columns, ids, strict=True) if is_id]
    compared = [c for c, is_id in zip(columns, ids, strict=True) if not is_id]
    features = [column for column in compared if column.name != groups]
    if not features:
        return []
    found, copies = duplicate_rows(
        features, target, lambda rows: influence_share(X, y, rows, classification)
    )
    found += conflicting_rows(features, target)
    found += near_duplicates(features, copies, seed)
    if X_test is not None:
        both = read_columns(X, X_test)
        both = [c for c, is_id in zip(both, ids, strict=True) if not is_id]
        found += overlap(both, len(X))
    if not named:
        return found
    apart = f"; compared without {', '.join(named)}"
    return [replace(finding, evidence=finding.evidence + apart) for finding in found]
