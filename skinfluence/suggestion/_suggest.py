"""Which method answers a question about a model, and how it is called."""

from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from numbers import Integral
from textwrap import fill

import sklearn
from sklearn.base import is_classifier

from skinfluence._shown import shown
from skinfluence.suggestion._kinds import (
    KINDS,
    cross_validates,
    is_certified,
    kind_of,
)
from skinfluence.suggestion._table import (
    ANSWERS,
    CERTIFIED,
    COSTS,
    FEW_ROWS,
    HALVES,
    LINES,
    QUESTIONS,
    RETRAINED,
    SHAPLEY,
    VOTES,
)

# Up to this many rows n fits without a row each are no more than the 200 fits on
# halves of `DownsamplingInfluence`.
FEW = 200
# What regressors need beside: a number that the prediction crosses, and a loss.
OF_REGRESSORS = {
    "PredictionCertificate": {"(model)": "(model, threshold=y.mean())"},
    "find_flip_set": {"X_test[:1]": "X_test[:1], [y.mean()]"},
    "KNNShapley": {"n_neighbors)": 'n_neighbors, utility="squared_error")'},
}


@dataclass(frozen=True)
class Suggestion:
    """A method for a question about a model: what `suggest` returns.

    Attributes
    ----------
    question : str
        The question, one of those of `suggest`.
    model : str
        Kind of the model: "linear", "closed form", "neighbours", "trees", "forest",
        "bagging", "perceptron", "net" or "other".
    name : str
        Class or function of skinfluence that answers.
    reason : str
        Why this one.
    cost : str
        Cost, with n training rows, p columns and T trees.
    code : str
        Three lines that run once ``model``, ``X``, ``y``, ``X_test`` and ``y_test``
        (for "groups" also ``groups``, a label per training row) are defined.
    """

    question: str
    model: str
    name: str
    reason: str
    cost: str
    code: str

    def __str__(self):
        others = ", ".join(repr(name) for name in QUESTIONS if name != self.question)
        return "\n\n".join(
            [
                f"{QUESTIONS[self.question]} {self.name}.",
                self.code,
                fill(f"Why: {self.reason}.", 79),
                fill(f"Cost: {self.cost}.", 79),
                fill(f"Other questions: {others}.", 79),
            ]
        )

    __repr__ = __str__

    def _repr_html_(self):
        if sklearn.get_config()["display"] != "diagram":
            return None
        return (
            f"<p>{escape(QUESTIONS[self.question])} <b>{escape(self.name)}</b></p>"
            f"<pre>{escape(self.code)}</pre>"
            f"<p>Why: {escape(self.reason)}.<br>Cost: {escape(self.cost)}.</p>"
        )


def suggest(estimator, question="prediction", *, n_rows=None):
    """Suggest a method that answers a question about a model, with its three lines.

    The choice depends on the question and on the kind of the model. Nothing is
    fitted. The user guide shows the whole table (:ref:`which_method`).

    ================  =============================================================
    "prediction"      which training rows made this prediction
    "rows"            which rows help the model on all test rows, and which hurt
    "labels"          which labels or targets are wrong
    "worth"           what each row is worth
    "memorization"    which rows the model knows by heart
    "groups"          what the model would be without one source, day or annotator
    "coefficients"    which rows carry the coefficients; linear models
    "training"        which rows the training steps learned from; nets, perceptrons
    "attack"          which predictions an attacker planted; classifiers
    "few rows"        without how few rows a prediction would be another
    "proof"           how many rows can be missing without changing a prediction
    ================  =============================================================

    Parameters
    ----------
    estimator : estimator
        The model in question, fitted or not; a Pipeline counts as its last step.
    question : str, default="prediction"
        One of the questions above.
    n_rows : int, default=None
        Number of training rows, where it is known. Up to 200, models that can only be
        retrained are trained without each row.

    Returns
    -------
    suggestion : Suggestion
        Prints as text; its attributes are ``name``, ``reason``, ``cost`` and ``code``.

    Raises
    ------
    TypeError
        If ``estimator`` has no ``fit`` and ``predict``, or is a class.
    ValueError
        If ``question`` is unknown, or has no answer for this kind of model.

    See Also
    --------
    BaseInfluence : What all methods that explain predictions have in common.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from skinfluence import suggest
    >>> suggestion = suggest(HistGradientBoostingClassifier())
    >>> suggestion.name
    'TreeInfluence'
    >>> print(suggestion.code)
    from skinfluence import TreeInfluence
    method = TreeInfluence(model).fit(X, y)
    values, rows = method.influential_rows(X_test[:1])
    """
    _check(estimator, question, n_rows)
    kind = kind_of(estimator)
    answer = ANSWERS[question].get(kind)
    if answer is None:
        known = " or ".join(KINDS[name] for name in ANSWERS[question])
        raise ValueError(
            f"The question {question!r} has an answer only for {known}. Got "
            f"{type(estimator).__name__}: ask 'prediction', 'rows' or 'memorization', "
            "which have one for every model."
        )
    if answer is CERTIFIED and not is_certified(estimator):
        answer = VOTES
    if answer is SHAPLEY and cross_validates(estimator):
        answer = HALVES
    classification = is_classifier(estimator)
    if not classification and (question == "attack" or answer is VOTES):
        raise ValueError(
            f"The question {question!r} has an answer for {type(estimator).__name__} "
            "only if it is a classifier: ask 'few rows' for a search without proof."
        )
    if answer is RETRAINED and n_rows is not None and n_rows <= FEW:
        answer = FEW_ROWS
    names = sorted(filter(None, {answer.name, answer.inner}))
    fit = answer.fit
    if not classification:
        for classified, regressed in OF_REGRESSORS.get(answer.name, {}).items():
            fit = fit.replace(classified, regressed)
    return Suggestion(
        question=question,
        model=kind,
        name=answer.name,
        reason=answer.reason,
        cost=_cost(answer, n_rows),
        code="\n".join(
            [
                f"from skinfluence import {', '.join(names)}",
                f"method = {fit}",
                LINES[question],
            ]
        ),
    )


def _cost(answer, n_rows):
    n = "n" if n_rows is None else f"{n_rows:,}"
    many = "100 n" if n_rows is None else f"{100 * n_rows:,}"
    return COSTS[answer.name].format(n=n, many=many, inner=answer.inner)


def _check(estimator, question, n_rows):
    if isinstance(estimator, type) or not (
        hasattr(estimator, "fit") and hasattr(estimator, "predict")
    ):
        raise TypeError(
            "The 'estimator' parameter must be an estimator with fit and predict, such "
            f"as LogisticRegression(). Got {shown(estimator)}."
        )
    if question not in QUESTIONS:
        close = get_close_matches(str(question), QUESTIONS, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"The 'question' parameter must be one of {list(QUESTIONS)}. Got "
            f"{question!r}.{meant}"
        )
    if n_rows is not None and (not isinstance(n_rows, Integral) or n_rows < 1):
        raise ValueError(
            f"The 'n_rows' parameter must be a positive integer or None. Got "
            f"{n_rows!r}."
        )
