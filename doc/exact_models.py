"""Write exact_models.rst: which models lose rows exactly, and what that costs.

Only what no program can find out is written down here. Whether ``solver="auto"`` is
exact, what is held fixed, what is refused and why, and whether there are influence
functions is asked of the library whenever the page is built.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestCentroid,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.utils import get_tags

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model


@dataclass(frozen=True)
class Family:
    """Models that lose rows in the same way.

    Attributes
    ----------
    without : str
        What the model without a row is.
    cost : str
        Order of the operations, for n rows of p columns and C classes.
    exact : tuple of estimators
        Claimed to lose rows exactly.
    refused : tuple of estimators
        Settings that have to be refitted.
    """

    without: str
    cost: str
    exact: tuple
    refused: tuple = ()


# More classes are refitted.
TWO_CLASSES = (
    LogisticRegression(solver="saga", l1_ratio=1.0),
    SGDClassifier(loss="log_loss"),
)

FAMILIES = [
    Family(
        "closed form",
        "n p² once",
        (
            LinearRegression(),
            Ridge(),
            RidgeCV(),
            RidgeClassifier(),
            RidgeClassifier(class_weight="balanced"),
            RidgeClassifierCV(),
        ),
        (LinearRegression(positive=True), Ridge(positive=True)),
    ),
    Family(
        "Newton and chord steps until a proven bound on the linear predictor's error "
        "is below ``tol``",
        "n p² + n p³ at most; times C³ for more than two classes",
        (
            LogisticRegression(),
            LogisticRegression(class_weight="balanced"),
            LogisticRegressionCV(),
            PoissonRegressor(),
            GammaRegressor(),
            TweedieRegressor(power=1.5),
            TWO_CLASSES[1],
            SGDRegressor(),
        ),
        (
            TweedieRegressor(power=0),
            TweedieRegressor(power=3),
            SGDClassifier(),
            SGDRegressor(penalty="l1"),
        ),
    ),
    Family(
        "chord and Newton steps of coefficients and scale together",
        "n p² once, n p per row and step",
        (HuberRegressor(),),
    ),
    Family(
        "steps between active sets, finitely many",
        "n p² once, n p per row and step",
        (
            LinearSVC(),
            LinearSVC(class_weight="balanced"),
            LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.1),
        ),
        (LinearSVC(loss="hinge"), LinearSVC(penalty="l1", dual=False), LinearSVR()),
    ),
    Family(
        "steps between sets of signs, finitely many",
        "n p² + p³ once, n p per row and step",
        (Lasso(), LassoCV(), LassoLars(), ElasticNet(), ElasticNetCV()),
    ),
    Family(
        "certified steps while signs hold, else on the signs that hold without it "
        "(two classes)",
        "n p² + n p³ at most, n p² per row whose signs change",
        (TWO_CLASSES[0],),
    ),
    Family(
        "closed form",
        "n³ once, n² per test row",
        (
            KernelRidge(alpha=0.1, kernel="rbf"),
            GaussianProcessRegressor(alpha=0.1, kernel=RBF(), optimizer=None),
            GaussianProcessRegressor(kernel=RBF() + WhiteKernel()),
        ),
    ),
    Family(
        "rows that are no support vectors change nothing; support vectors are refitted",
        "one fit per support vector",
        (SVC(kernel="linear"), SVC(gamma=0.1), SVR(kernel="linear"), SVR(gamma=0.1)),
        (SVC(), SVR(), SVC(kernel="sigmoid")),
    ),
    Family(
        "the next neighbour takes its place",
        "one search and K² per test row",
        (KNeighborsClassifier(), KNeighborsRegressor()),
        (KNeighborsRegressor(metric="seuclidean", algorithm="brute"),),
    ),
    Family(
        "nothing takes its place",
        "one search and r² per test row, r rows within the radius",
        (RadiusNeighborsClassifier(radius=9.0), RadiusNeighborsRegressor(radius=9.0)),
    ),
    Family(
        "counts, means and variances of its class lose the row",
        "n p once, C p per test row and removed row",
        (
            GaussianNB(),
            MultinomialNB(),
            ComplementNB(),
            BernoulliNB(),
            CategoricalNB(),
        ),
    ),
    Family(
        "means and covariances lose the row, by a rank-one update",
        "n p² once, C p per test row and removed row",
        (
            LinearDiscriminantAnalysis(),
            QuadraticDiscriminantAnalysis(),
            NearestCentroid(),
        ),
        (
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
            NearestCentroid(metric="manhattan"),
        ),
    ),
]

TABLE = ColumnTransformer(
    [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1]),
        ("categories", OneHotEncoder(handle_unknown="ignore"), [2]),
    ]
)

PIPELINES = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(StandardScaler(), Ridge()),
    make_pipeline(TABLE, LogisticRegression()),
    make_pipeline(MinMaxScaler(), PoissonRegressor()),
    make_pipeline(MinMaxScaler(), LinearSVC(dual=False)),
    make_pipeline(StandardScaler(), LinearSVC(dual=False)),
    make_pipeline(Normalizer(), Ridge()),
    make_pipeline(PCA(n_components=2), LogisticRegression()),
]

# What leaves the rows that remain as they are, and which rows are refitted.
STEPS = {
    ColumnTransformer: ("as its parts do", "as of its parts"),
    FeatureUnion: ("as its parts do", "as of its parts"),
    Pipeline: ("as its steps do", "as of its steps"),
    StandardScaler: (
        "always: a free intercept absorbs new means, and new scales are penalties of "
        "their own",
        "all behind sample weights of its own, or before a model without a free "
        "intercept or without L2 penalties per column",
    ),
    MinMaxScaler: (
        "always, in the same way",
        "those that alone are an extreme of a column, under ``clip`` or before other "
        "models",
    ),
    MaxAbsScaler: ("always, in the same way", "as of MinMaxScaler"),
    OneHotEncoder: (
        "where categories, and which of them are dropped or merged, stay; and for the "
        "only row of a category before a penalised linear model, which does not see a "
        "column of zeros",
        "those that change it; the only row of a category under "
        '``handle_unknown="error"``',
    ),
    OrdinalEncoder: (
        "where categories stay",
        "the only row of a category; all where infrequent ones are merged",
    ),
    SimpleImputer: (
        "where no other row misses what it fills, or the fill value stays; test rows "
        "that miss it get the value without the row",
        "those that move the fill value of a column in which rows miss it: nearly all "
        "for means, few for medians of values that occur often, or for categories",
    ),
    PolynomialFeatures: ("always", "all behind a scaler"),
    FunctionTransformer: ("always", "all behind a scaler"),
}

HEADER = """\
Models that lose rows exactly
=============================

For these models :class:`~skinfluence.LeaveOneOutInfluence` finds the model without
a row by algebra instead of training it again. Everything else is refitted, once per
row. This page is written by asking the library whenever the documentation is built.

*solver="auto"*: "exact" where the answer equals retraining, preprocessing included;
"refit" where something is chosen anew by every training that the algebra holds
fixed. ``solver="exact"`` then holds it fixed. *Influence functions*: whether
:class:`~skinfluence.InfluenceFunctions` takes the model. n rows, p columns,
C classes.

Of trees, forests and boosted trees ``solver="exact"`` holds the splits fixed, see
:doc:`trees`; "auto" trains them again.

A row that the algebra has no answer for is refitted all the same: the only row of
its class, or a row that alone determines a coefficient without penalty. See
``refitted_rows_``.
"""


def registered():
    """Types of scikit-learn estimators that the library claims.

    Not Pipeline, and not trees, whose splits are always held fixed.
    """
    return {
        kind
        for kind, model in removal_model.registry.items()
        if kind.__module__.startswith("sklearn.")
        and kind.__name__ != "Pipeline"
        and not model.__module__.startswith("skinfluence.trees")
    }


def described():
    """Types of estimators in the table."""
    return {type(model) for family in FAMILIES for model in family.exact}


def claims(attribute):
    """Estimators of a column, of registered types."""
    known = registered()
    return [
        model
        for family in FAMILIES
        for model in getattr(family, attribute)
        if any(issubclass(type(model), kind) for kind in known)
    ]


def sample(estimator, n_classes=2):
    """Rows that any of the estimators can be fitted to."""
    rng = np.random.default_rng(0)
    X = rng.gamma(3.0, size=(48, 3))
    if get_tags(estimator).input_tags.categorical:
        X = np.floor(X)
    signal = X @ [1.0, -0.5, 0.2] + rng.normal(size=48)
    if is_classifier(estimator):
        cuts = np.quantile(signal, np.arange(1, n_classes) / n_classes)
        return X, np.digitize(signal, cuts)
    return X, np.exp(0.2 * signal)


def ask(method, estimator, **params):
    """Fit an influence method, silently."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(estimator, **params).fit(*sample(estimator))


def why_refused(estimator):
    """Reason that ``solver="exact"`` gives, or None where it accepts."""
    try:
        ask(LeaveOneOutInfluence, estimator, solver="exact")
    except UnsupportedEstimator as error:
        text = str(error).partition(" Use LeaveOneOut")[0].rstrip(".")
        return text.rpartition(" has no exact removal of rows: ")[2]
    return None


def has_influence_functions(estimator):
    """Tell whether `InfluenceFunctions` takes a model."""
    try:
        ask(InfluenceFunctions, estimator)
    except UnsupportedEstimator:
        return False
    return True


def cells(estimator):
    """Answers of the library about one estimator."""
    exact = ask(LeaveOneOutInfluence, estimator, solver="exact")
    fixed = ", ".join(f"``{name}``" for name in exact.fixed_steps_)
    return [
        code(estimator),
        f"refit; exact holds {fixed} fixed" if fixed else "exact",
        "yes" if has_influence_functions(estimator) else "no",
    ]


def code(estimator):
    """Write an estimator as it is written in Python, Pipelines as their steps."""
    steps = [estimator]
    if hasattr(estimator, "steps"):
        steps = [step for _, step in estimator.steps]
    return ", ".join(f"``{' '.join(repr(step).split())}``" for step in steps)


def list_table(header, rows, widths):
    """Return the lines of a table."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        for k, cell in enumerate(row):
            lines.append(f"   {'-' if k else '* -'} {cell}".replace("   - ", "     - "))
    return [*lines, ""]


def page():
    """Return the text of the page."""
    rows = []
    for family in FAMILIES:
        for model in claims("exact"):
            if any(model is one for one in family.exact):
                answers = cells(model)
                rows.append([answers[0], family.without, family.cost, *answers[1:]])
    header = [
        "estimator",
        "without a row",
        "cost, order of",
        'solver="auto"',
        "influence functions",
    ]
    lines = [HEADER, *list_table(header, rows, "30 30 20 20 10")]
    lines += ["Pipelines", "---------", ""]
    header = ["steps", 'solver="auto"', "influence functions"]
    lines += list_table(header, [cells(one) for one in PIPELINES], "50 35 15")
    lines += [
        "Steps before the model",
        "----------------------",
        "",
        "A Pipeline is exact where these are its steps. Without a row they are what a "
        "refit would make them; the few rows after whose removal they transform the "
        "others otherwise are refitted. A step that is not here, or that most rows "
        'change otherwise, has the Pipeline refitted; ``solver="exact"`` holds it '
        "fixed.",
        "",
    ]
    rows = [[f"``{step.__name__}``", *words] for step, words in STEPS.items()]
    header = ["step", "followed exactly", "rows that are refitted"]
    lines += list_table(header, rows, "20 45 35")
    lines += ["Settings that are refitted", "--------------------------", ""]
    reasons = [[code(one), why_refused(one)] for one in claims("refused")]
    lines += list_table(["estimator", "why"], reasons, "50 50")
    return "\n".join(lines)


def write(path=Path(__file__).parent / "user_guide" / "exact_models.rst"):
    """Write the page, unless it is there with the same words already."""
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
