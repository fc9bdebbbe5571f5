"""The registry of models that lose rows exactly: of the tests, the guide, benchmarks.

Only what no program can find out is written down here. Whether ``solver="auto"`` is
exact, what is held fixed, what is refused and why, and whether there are influence
functions is asked of the library.
"""

from dataclasses import dataclass

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
    BayesianRidge,
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

from skinfluence.removal import removal_model


@dataclass(frozen=True)
class Family:
    """Models that lose rows in the same way.

    Attributes
    ----------
    name : str
        What the family is called.
    without : str
        What the model without a row is.
    cost : str
        Order of the operations, for n rows of p columns and C classes.
    exact : tuple of estimators
        Claimed to lose rows exactly.
    refused : tuple of estimators
        Settings that have to be refitted.
    """

    name: str
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
        "least squares",
        "closed form",
        "n p² once",
        (
            LinearRegression(),
            Ridge(),
            RidgeCV(),
            BayesianRidge(),
            RidgeClassifier(),
            RidgeClassifier(class_weight="balanced"),
            RidgeClassifierCV(),
        ),
        (LinearRegression(positive=True), Ridge(positive=True)),
    ),
    Family(
        "smooth",
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
        "Huber",
        "chord and Newton steps of coefficients and scale together",
        "n p² once, n p per row and step",
        (HuberRegressor(),),
    ),
    Family(
        "squared hinge",
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
        "L1 squares",
        "steps between sets of signs, finitely many",
        "n p² + p³ once, n p per row and step",
        (Lasso(), LassoCV(), LassoLars(), ElasticNet(), ElasticNetCV()),
    ),
    Family(
        "L1 logistic",
        "certified steps while signs hold, else on the signs that hold without it "
        "(two classes)",
        "n p² + n p³ at most, n p² per row whose signs change",
        (TWO_CLASSES[0],),
    ),
    Family(
        "kernels",
        "closed form",
        "n³ once, n² per test row",
        (
            KernelRidge(alpha=0.1, kernel="rbf"),
            GaussianProcessRegressor(alpha=0.1, kernel=RBF(), optimizer=None),
            GaussianProcessRegressor(kernel=RBF() + WhiteKernel()),
        ),
    ),
    Family(
        "support vectors",
        "rows that are no support vectors change nothing; support vectors are refitted",
        "one fit per support vector",
        (SVC(kernel="linear"), SVC(gamma=0.1), SVR(kernel="linear"), SVR(gamma=0.1)),
        (SVC(), SVR(), SVC(kernel="sigmoid")),
    ),
    Family(
        "neighbours",
        "the next neighbour takes its place",
        "one search and K² per test row",
        (KNeighborsClassifier(), KNeighborsRegressor()),
        (KNeighborsRegressor(metric="seuclidean", algorithm="brute"),),
    ),
    Family(
        "radius neighbours",
        "nothing takes its place",
        "one search and r² per test row, r rows within the radius",
        (RadiusNeighborsClassifier(radius=9.0), RadiusNeighborsRegressor(radius=9.0)),
    ),
    Family(
        "counts",
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
        "covariances",
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


def of_family(name):
    """Estimators of a family that lose rows exactly."""
    (family,) = (family for family in FAMILIES if family.name == name)
    return family.exact
