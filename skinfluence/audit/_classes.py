"""Classes with too few rows to be learnt or measured."""

import numpy as np

from skinfluence._counts import counted
from skinfluence._shown import shown
from skinfluence.audit._findings import LOW, MEDIUM, Finding, first_rows
from skinfluence.cleaning.reasons._kinds import N_FOLDS, rare


def rare_classes(target, labels):
    """Find classes with fewer rows than folds, and classes of a few dozen rows.

    Parameters
    ----------
    target : Column
        Codes of the labels.
    labels : list of str
        Name of each code.
    """
    counts = np.bincount(target.codes[~target.missing])
    findings = []
    is_rare = rare(counts)
    for code in np.argsort(counts, kind="stable"):
        if not is_rare[code]:
            continue
        count = int(counts[code])
        few = count < N_FOLDS
        findings.append(
            Finding(
                "rare class",
                MEDIUM if few else LOW,
                f"class {shown(labels[code])}",
                f"has {counted(count, 'row')} of {len(target.codes)}",
                f"Fewer than {N_FOLDS} folds: collect more, or merge it."
                if few
                else "Its score has a large standard error: look at it by class.",
                first_rows(np.flatnonzero(target.codes == code)),
            )
        )
    return findings
