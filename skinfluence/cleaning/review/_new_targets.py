"""The targets of a table after rows are relabelled."""

import numpy as np

from skinfluence._counts import counted
from skinfluence._shown import shown
from skinfluence.cleaning.review._verdicts import same_text


def new_targets(verdicts, y, classification, where=None):
    """Return the targets after rows are relabelled.

    A label that no row had becomes a class like the others. It is of their type: a
    text where they are texts, a whole number where they are numbers.

    Parameters
    ----------
    verdicts : Verdicts
    y : ndarray of shape (n_samples,)
        Targets as given.
    classification : bool
        Whether y holds labels.
    where : callable, default=None
        As for `check_verdicts`.

    Returns
    -------
    y : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        For values that are no number where the target holds numbers or labels that are
        numbers, for a third label beside two booleans, and where no row or one class of
        several is left.
    """
    where = where or (lambda i: f"verdicts, entry {i}")
    relabelled = np.flatnonzero(verdicts.verdicts == "relabel")
    rows = verdicts.rows[relabelled]
    values = [(verdicts.values[i], i) for i in relabelled]
    if classification:
        classes = np.unique(y)
        new = _with_labels(y, rows, _labels(values, classes, where))
    else:
        new = np.array(y, dtype=np.float64)
        new[rows] = [_number(value, where, i) for value, i in values]
    dropped = verdicts.of("drop")
    if len(dropped) == len(y):
        raise ValueError("The 'verdicts' parameter drops all rows: keep some of them.")
    if classification and len(rows) + len(dropped):
        left = np.unique(np.delete(new, dropped))
        if len(left) < min(2, len(classes)):
            raise ValueError(
                "The 'verdicts' parameter leaves rows of one class only, "
                f"{shown(left[0])}: keep some rows of another."
            )
    return new


def new_labels(y, after):
    """Say which labels only verdicts have made.

    Parameters
    ----------
    y, after : ndarray of shape (n_samples,)
        Labels as given, and after the verdicts.

    Returns
    -------
    said : list of str
        A sentence for each.
    """
    changed = after[after != y]
    labels, counts = np.unique(changed[~np.isin(changed, y)], return_counts=True)
    return [
        f"{shown(label)!r} is a label that no row had: verdicts give it to "
        f"{counted(int(count), 'row')}, and it is a class like the others"
        for label, count in zip(labels, counts, strict=True)
    ]


def _labels(values, classes, where):
    """Return labels of the type of the classes, spelled as the class that is meant."""
    known = {str(c): c for c in classes}
    labels = []
    for value, i in values:
        text = str(value) if str(value) in known else str(value).strip()
        if text not in known:
            alike = {label for t, label in known.items() if same_text(t, text)}
            if len(alike) > 1:
                some = " or ".join(sorted(map(shown, alike)))
                raise ValueError(
                    f"{where(i)}: a row is relabelled to {shown(value)!r}, which may "
                    f"be {some}: write it as the table does"
                )
            # A new label is a class for the verdicts that follow.
            known[text] = alike.pop() if alike else _label(text, classes, where, i)
        labels.append(known[text])
    return labels


def _label(text, classes, where, i):
    kind = np.asarray(classes.tolist()).dtype.kind
    if kind not in "biuf":
        return text
    what = f"{where(i)}: a row is relabelled to {shown(text)!r}, and the labels are"
    if kind == "b":
        raise ValueError(f"{what} True and False: write one of them")
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not number.is_integer():
        raise ValueError(
            f"{what} numbers: write a whole number, or make texts of all labels first"
        )
    return number if kind == "f" else int(number)


def _with_labels(y, rows, labels):
    """Return a copy with other labels, of a type that has room for all of them."""
    dtype = y.dtype
    if dtype.kind in "iuU" and labels:
        dtype = np.result_type(dtype, *{np.min_scalar_type(label) for label in labels})
    new = np.array(y, dtype=dtype)
    new[rows] = labels
    return new


def _number(value, where, i):
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(
            f"{where(i)}: the target holds numbers, and a row is relabelled to "
            f"{shown(value)!r}"
        )
    return number
