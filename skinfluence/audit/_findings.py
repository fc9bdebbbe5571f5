"""A finding of an audit, and how serious it is."""

from dataclasses import dataclass, field

HIGH, MEDIUM, LOW = SEVERITIES = ("high", "medium", "low")


@dataclass(frozen=True)
class Finding:
    """A fault of a table. Every check returns a list of them.

    Attributes
    ----------
    check : str
        Name of the check.
    severity : {"high", "medium", "low"}
        "high": scores of a model will be wrong. "medium": they may be, look at it.
        "low": worth knowing.
    where : str
        Column, class or set of rows.
    evidence : str
        The figures that were measured.
    fix : str
        How to correct it.
    rows : list of int
        Positions of rows that show it, the first few of them.
    """

    check: str
    severity: str
    where: str
    evidence: str
    fix: str
    rows: list = field(default_factory=list)


N_ROWS_SHOWN = 10


def first_rows(positions):
    """Return the first positions as plain integers."""
    return [int(i) for i in positions[:N_ROWS_SHOWN]]
