"""How many training rows would have to go to change a prediction.

Not part of every report: it is about how much a few rows decide, not about which of
them are wrong. The bounds take O(n^2) memory and passes once, for up to 2,000 rows
(some five seconds at 1,600), and each prediction some ten refits.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from skinfluence._counts import counted
from skinfluence._sklearn import clone_for_rows, n_rows, take_rows
from skinfluence.certificates import PredictionCertificate
from skinfluence.cli._left_folds import left_folds

# Larger sets are no longer "a few rows", and each step takes longer.
MOST_ROWS = 20
N_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """The training rows that decide the prediction for a held-out row.

    Attributes
    ----------
    row : int
        Position of the held-out row.
    predicted : object
        Its label by a model that was not trained on it.
    probability : float
        Probability of this label.
    lower : int
        Number of rows whose removal provably does not change it, whichever they are.
    upper : float
        Number of rows whose removal changes it, verified by a refit; infinite where no
        set of up to `MOST_ROWS` was found.
    rows : ndarray of int
        These rows.
    """

    row: int
    predicted: object
    probability: float
    lower: int
    upper: float
    rows: np.ndarray

    @property
    def in_words(self):
        """The number of rows that would have to be removed."""
        proven = {
            0: "",
            1: "no single row does, by proof",
        }.get(self.lower, f"no {self.lower} rows do, by proof")
        if np.isinf(self.upper):
            found = f"no set of up to {MOST_ROWS} rows was found that does"
            return f"{proven}; {found}" if proven else found
        rows = counted(int(self.upper), "row")
        if self.upper == self.lower + 1:
            return f"{rows}, and no fewer" if self.lower else rows
        return f"{rows}; {proven or 'fewer may do as well'}"


def find_answers(task, model, cleaning, n_answers, seed):
    """Find the rows that decide predictions of the first fold, least certain first.

    Parameters
    ----------
    task : Task
        A table with labels.
    model : Pipeline
        A pipeline whose preprocessing is held fixed, and whose removals are exact.
    cleaning : Cleaning
        Of the whole table; ``cv`` and ``n_jobs`` of its settings hold.
    n_answers : int
        Number of predictions, spread evenly from the least to the most certain one.
    seed : int
        Seed of the folds.

    Returns
    -------
    answers : list of Answer

    Raises
    ------
    UnsupportedEstimator
        If the classifier has no exact removals on such a table.
    """
    settings = cleaning.settings
    task, pairs = left_folds(task, cleaning, seed)
    train, test = pairs[0]
    model = clone_for_rows(model, train, n_rows(task.X))
    Z = model[:-1].fit_transform(take_rows(task.X, train), task.y[train])
    certificate = PredictionCertificate(
        model[-1], max_rows=MOST_ROWS, n_jobs=settings.n_jobs, random_state=seed
    )
    with warnings.catch_warnings():
        # Every answer states what is proven about it.
        warnings.filterwarnings("ignore", "No removals of more than one row")
        certificate.fit(Z, task.y[train])
    Z_test = model[:-1].transform(take_rows(task.X, test))
    probability = certificate.predict_proba(Z_test).max(axis=1)
    order = np.argsort(probability, kind="stable")
    n_answers = min(n_answers, len(order))
    asked = order[np.linspace(0, len(order) - 1, n_answers).round().astype(int)]
    found = certificate.robustness(Z_test[asked])
    predicted = certificate.predict(Z_test[asked])
    return [
        Answer(
            int(test[i]),
            predicted[k],
            float(probability[i]),
            int(found.lower[k]),
            float(found.upper[k]),
            train[found.flip_sets[k]],
        )
        for k, i in enumerate(asked)
    ]
