"""A table that was reviewed: the verdicts on its rows, and their targets after them."""

from dataclasses import dataclass, replace

import numpy as np

from skinfluence.cleaning.review._decided import Decided, decided_rows
from skinfluence.cleaning.review._verdicts import Verdicts
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._relabelled import relabelled
from skinfluence.cli._verdicts import read_verdicts


@dataclass(frozen=True)
class Reviewed:
    """Verdicts on a table.

    Attributes
    ----------
    verdicts : Verdicts
        As read; rows are positions in the file.
    decided : Decided
        The same for the rows of the task.
    path : str
        The file they were read from.
    """

    verdicts: Verdicts
    decided: Decided
    path: str

    def carried_out(self, task, target):
        """Return the task with relabelled targets; rows to drop are still there."""
        changed = self.decided.relabelled
        column = relabelled(
            task.source, target, task.rows[changed], self.decided.y[changed], self.path
        )
        table = task.table.assign(**{target: column.iloc[task.rows]})
        return replace(task, table=table, y=self.decided.y)


def read_reviewed(task, settings):
    """Read the verdicts of ``--verdicts``, or return None.

    Parameters
    ----------
    task : Task
        The table.
    settings : Settings
        Options of the command line.

    Returns
    -------
    reviewed : Reviewed or None

    Raises
    ------
    BadInput
        For verdicts that are no verdicts on this table.
    """
    path = settings.verdicts
    if path is None:
        return None
    verdicts, where = read_verdicts(
        path, task.source, settings.target, settings.tables[0]
    )
    position = np.minimum(np.searchsorted(task.rows, verdicts.rows), len(task.y) - 1)
    lost = task.rows[position] != verdicts.rows
    if lost.any():
        i = int(lost.argmax())
        if verdicts.rows[i] in task.others:
            raise BadInput(
                f"{where(i)}: row {verdicts.rows[i]} is not in the sample of "
                f"{len(task.rows)} rows: use the --max-rows and --seed of the review"
            )
        raise BadInput(
            f"{where(i)}: row {verdicts.rows[i]} has no value of {settings.target!r}, "
            "so that nobody was asked about it"
        )
    of_task = replace(verdicts, rows=position)
    try:
        decided = decided_rows(of_task, task.y, task.classification, where)
    except ValueError as error:
        raise BadInput(str(error)) from None
    return Reviewed(verdicts, decided, path)
