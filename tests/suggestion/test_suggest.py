"""Every suggestion names something that exists, and its three lines run."""

import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import (
    ElasticNetCV,
    Lasso,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from suggested_models import CLASSIFIERS, REGRESSORS, table

import skinfluence
from skinfluence import TRAK, InfluenceFunctions, suggest
from skinfluence.suggestion._suggest import OF_REGRESSORS
from skinfluence.suggestion._table import ANSWERS, LINES, QUESTIONS, VOTES

# Each wraps another answer, which is run for every kind.
WRAPPERS = {"few rows", "attack", "memorization", "proof"}
TRAINED = {"trees", "bagging", "perceptron", "net", "other"}


def case(question, kind):
    slow = question in WRAPPERS and kind in TRAINED
    return pytest.param(question, kind, marks=[pytest.mark.slow] if slow else [])


CLASSIFIED = [(question, kind) for question in QUESTIONS for kind in ANSWERS[question]]
# Where code for regressors differs, and nets, whose targets are columns.
REGRESSED = [
    (question, kind)
    for question, kind in CLASSIFIED
    if question != "attack"
    and ANSWERS[question][kind] is not VOTES
    and (ANSWERS[question][kind].name in OF_REGRESSORS or kind == "net")
]


def check_runs(question, model):
    suggestion = suggest(model, question)
    # Few rows, where the number of fits is exponential.
    rows = 5 if suggestion.name == "ShapleyInfluence" else 24
    names = table(rows, model)
    assert len(suggestion.code.splitlines()) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(suggestion.code, names)
    result = names[LINES[question].split("=")[0].split(",")[-1].strip()]
    assert isinstance(result, np.ndarray)
    assert isinstance(getattr(skinfluence, suggestion.name), object)
    assert suggestion.name in str(suggestion)
    assert suggestion.code in str(suggestion)


@pytest.mark.parametrize(("question", "kind"), [case(*one) for one in CLASSIFIED])
def test_three_lines_run(question, kind):
    model = clone(CLASSIFIERS[kind])
    assert suggest(model, question).model == kind
    check_runs(question, model)


@pytest.mark.parametrize(("question", "kind"), [case(*one) for one in REGRESSED])
def test_three_lines_run_for_regressors(question, kind):
    check_runs(question, clone(REGRESSORS[kind]))


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_explained(question):
    assert f'"{question}"' in suggest.__doc__


def test_values_are_those_of_the_method():
    names = table(36, LogisticRegression())
    exec(suggest(names["model"], "rows").code, names)
    losses = []
    X, y = names["X"], names["y"]
    for i in range(36):
        refit = LogisticRegression(tol=1e-10).fit(np.delete(X, i, 0), np.delete(y, i))
        proba = refit.predict_proba(names["X_test"])
        losses.append(-np.log(proba[np.arange(6), names["y_test"]]).mean())
    assert set(names["worst"][:3]) == set(np.argsort(losses)[:3])


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (SVC(), "closed form"),
        (DecisionTreeClassifier(), "trees"),
        (ExtraTreesClassifier(), "trees"),  # members that all see all rows
        (ExtraTreesClassifier(bootstrap=True), "forest"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_kinds(model, kind):
    assert suggest(model).model == kind


def test_few_rows_are_left_out_one_by_one():
    other = CLASSIFIERS["other"]
    assert suggest(other).name == "DownsamplingInfluence"
    assert suggest(other, n_rows=200).name == "LeaveOneOutInfluence"
    assert "200 fits" in suggest(other, n_rows=200).cost
    assert suggest(other, n_rows=201).name == "DownsamplingInfluence"


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((LogisticRegression,), TypeError, "such as LogisticRegression"),
        (("lasso",), TypeError, "with fit and predict"),
        ((LogisticRegression(), "why"), ValueError, "must be one of .*'labels'"),
        ((LogisticRegression(), "row"), ValueError, "Did you mean 'rows'"),
        ((LogisticRegression(), "training"), ValueError, "only for .*skorch"),
        ((REGRESSORS["trees"], "proof"), ValueError, "only if it is a classifier"),
    ],
    ids=["class", "str", "unknown", "close", "not for it", "regressor"],
)
def test_refusals(arguments, error, match):
    with pytest.raises(error, match=match):
        suggest(*arguments)


@pytest.mark.parametrize("n_rows", [0, 1.5])
def test_number_of_rows(n_rows):
    with pytest.raises(ValueError, match="'n_rows' parameter must be a positive"):
        suggest(LogisticRegression(), n_rows=n_rows)


@pytest.mark.parametrize("made", ["page", "figure"])
def test_page_and_figure_are_made_from_the_table(made):
    doc = Path(__file__).parents[2] / "doc"
    path = {
        "page": doc / "user_guide" / "which_method.rst",
        "figure": doc / "_static" / "which_method.svg",
    }[made]
    maker = runpy.run_path(str(doc / "which_method_page.py"))[made]
    assert maker() == path.read_text(encoding="utf-8")


def test_refusals_name_it():
    with pytest.raises(TypeError, match=r"skinfluence\.suggest\(estimator"):
        TRAK(LogisticRegression()).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(TypeError, match=r"skinfluence\.suggest\(estimator"):
        InfluenceFunctions(DecisionTreeClassifier()).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("model", [SVC(), SGDClassifier(), LogisticRegressionCV()])
def test_a_proof_for_models_without_bounds_is_about_a_vote(model):
    assert suggest(model, "proof").name == "PartitionClassifier"


@pytest.mark.parametrize("model", [SVR(), RidgeCV(), ElasticNetCV()])
def test_no_proof_for_regressors_without_bounds(model):
    with pytest.raises(ValueError, match="only if it is a classifier"):
        suggest(model, "proof")


def test_models_that_search_by_cross_validation_have_no_shapley_values():
    assert suggest(LogisticRegressionCV(), "worth").name == "DownsamplingInfluence"
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2)
    assert suggest(search, "worth").name == "DownsamplingInfluence"
    check_runs("worth", search)


@pytest.mark.parametrize("model", [Lasso(0.1), LinearSVC(), LogisticRegression()])
def test_rows_that_carry_coefficients(model):
    """Diagnostics differ from model to model; DFBETAS are among them for all."""
    X, y = load_iris(return_X_y=True)
    names = {"model": model, "X": X, "y": y}
    exec(suggest(model, "coefficients").code, names)
    assert sorted(names["rows"]) == list(range(len(X)))
