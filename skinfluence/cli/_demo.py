"""The subcommand ``demo``: flip labels of a real table and count how many are found."""

import numpy as np
from sklearn.datasets import load_breast_cancer

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._clean import run
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli._settings import Settings
from skinfluence.cli._task import make_task
from skinfluence.cli.tables._table import Table


def demo(settings):
    """Flip labels of a real table and count how many are found.

    Parameters
    ----------
    settings : DemoSettings
        The share to flip, and the seed that chooses the labels.
    """
    import_pandas()
    data = load_breast_cancer(as_frame=True)
    y = data.target.to_numpy()
    n_flip = int(settings.flip * len(y))
    if not n_flip:
        raise BadInput(f"--flip {settings.flip} of {len(y)} labels is none")
    flipped = np.zeros(len(y), dtype=bool)
    rng = np.random.default_rng(settings.seed)
    flipped[rng.choice(len(y), n_flip, replace=False)] = True
    table = data.data.copy()
    table["diagnosis"] = data.target_names[np.where(flipped, 1 - y, y)]
    print(
        "breast_cancer, the table of tumours that scikit-learn ships, with "
        f"{n_flip} of its\n{len(y)} labels flipped ({n_flip / len(y):.0%}, "
        f"seed {settings.seed}). The analysis below does not know which.\n"
    )
    lines = np.arange(len(table)) + 2
    problem = make_task(Table(table, table, lines, None), "diagnosis")
    analysis, _ = run(
        problem, Settings(target="diagnosis", seed=settings.seed, jobs=settings.jobs)
    )
    n_suspects = int((~analysis.kept).sum())
    found = int(flipped[~analysis.kept].sum())
    print(
        f"\n{found} of the {n_flip} flipped labels are among the {n_suspects} "
        f"suspects;\n{n_suspects * n_flip / len(y):.1f} would be expected by chance."
    )
