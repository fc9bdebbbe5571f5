"""The losses of retrained models on a fixed set of rows."""

import warnings
from functools import partial

import numpy as np
from joblib import effective_n_jobs
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import gen_even_slices
from sklearn.utils.parallel import delayed

from skinfluence._predictions import model_prediction, prior_margin
from skinfluence._sklearn import n_rows
from skinfluence._threads import Parallel, one_blas_thread


class FailedFit:
    """Placeholder for a model that could not be fitted; its losses are a constant."""

    def __init__(self, error_score):
        self.error_score = error_score


class Evaluation:
    """Per-row losses of models on one set of rows, shape (n_rows,) each.

    Parameters
    ----------
    X : array-like
        Rows, as the estimator takes them.
    y : ndarray
        Their targets, encoded as in `_losses`.
    loss : Loss
        Of single rows.
    classes : ndarray or None
        All classes of a classifier: a subset may lack some.
    """

    def __init__(self, X, y, loss, classes):
        self.X, self.y, self.loss, self.classes = X, y, loss, classes

    def __len__(self):
        return n_rows(self.X)

    def __sizeof__(self):
        # joblib's dask backend sends objects that are large by this size only once.
        return 8 * self.y.size

    def __call__(self, model):
        if isinstance(model, FailedFit):
            return np.full(len(self), model.error_score, dtype=np.float64)
        response = self.loss.response
        if isinstance(model, DummyClassifier) and response == "decision_function":
            prediction = prior_margins(model, self.classes, len(self))
        else:
            prediction = model_prediction(model, self.X, response, self.classes)
        return self.loss.value(self.y, prediction)


class Evaluations:
    """Several evaluations, concatenated into one array."""

    def __init__(self, *parts):
        self.parts = parts

    def __len__(self):
        return sum(len(part) for part in self.parts)

    def __sizeof__(self):
        return sum(part.__sizeof__() for part in self.parts)

    def __call__(self, model):
        return np.concatenate([part(model) for part in self.parts])


def prior_margins(model, classes, n):
    """Margins of a `prior_model`, for n rows and all classes."""
    prior = np.zeros(len(classes))
    prior[np.searchsorted(classes, model.classes_)] = model.class_prior_
    return np.tile(prior_margin(prior), (n, 1))


def failed_fit(error, error_score):
    """Raise the error of a fit, or warn of it and return a placeholder."""
    if error_score == "raise":
        error.add_note("Set error_score to a number or np.nan to go on without it.")
        raise error
    notes = " ".join(getattr(error, "__notes__", []))
    warnings.warn(
        f"{type(error).__name__}: {error}\n{notes}. Its losses are set to "
        f"error_score={error_score}.",
        FitFailedWarning,
        stacklevel=3,
    )
    return FailedFit(error_score)


def evaluate(model, evaluation, describe, error_score="raise"):
    """Return the losses of a model. A model that cannot predict is a failed fit.

    ``describe()`` returns a text that says which rows it was trained on.
    """
    try:
        return evaluation(model)
    except Exception as error:
        error.add_note(describe())
        return evaluation(failed_fit(error, error_score))


def losses_of(models, evaluation, describe, error_score="raise", n_jobs=None):
    """Evaluate fitted models in threads, shape (n_models, len(evaluation)).

    ``describe(i)`` returns a text that says which rows model i was trained on.
    """
    slices = gen_even_slices(len(models), min(effective_n_jobs(n_jobs), len(models)))
    with one_blas_thread():
        parts = Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(_evaluate)(models, part, evaluation, describe, error_score)
            for part in slices
        )
    return np.concatenate(parts)


def _evaluate(models, part, evaluation, describe, error_score):
    rows = [
        evaluate(models[i], evaluation, partial(describe, i), error_score)
        for i in range(part.start, part.stop)
    ]
    return np.stack(rows)
