"""Every influence estimator passes scikit-learn's checks and our own."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from skinfluence import (
    DownsamplingInfluence,
    InfluenceFunctions,
    KNNShapley,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
    RepresenterPoints,
    ShapleyInfluence,
    TreeInfluence,
)
from skinfluence.testing import parametrize_with_influence_checks


def dense(X):
    """Return an array."""
    return X.toarray() if sp.issparse(X) else X


def pinball(y, prediction):
    """Be a loss that the library does not know."""
    return np.maximum(0.7 * (y - prediction), -0.3 * (y - prediction))


tube = LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.1, dual=False)
sparse_logistic = LogisticRegression(
    C=9.0, l1_ratio=1, solver="saga", tol=1e-6, max_iter=5000, random_state=0
)
# A solver that stops early makes more noise than most rows have influence.
tight_logistic = LogisticRegression(tol=1e-9, max_iter=1000)
tight_poisson = PoissonRegressor(solver="newton-cholesky", tol=1e-9)
# An optimised kernel would be optimised again for every row.
gaussian_process = GaussianProcessRegressor(
    RBF(2.0) + WhiteKernel(0.1), optimizer=None, normalize_y=True
)
boosted_numbers = GradientBoostingRegressor(n_estimators=6, random_state=0)
boosted_labels = GradientBoostingClassifier(n_estimators=4, random_state=0)

# A new method adds its instances here.
INFLUENCE_ESTIMATORS = [
    LeaveOneOutInfluence(LogisticRegression()),
    LeaveOneOutInfluence(LogisticRegression(solver="liblinear"), loss="brier"),
    LeaveOneOutInfluence(LogisticRegression(), loss="zero_one"),
    LeaveOneOutInfluence(tight_logistic, solver="refit"),
    LeaveOneOutInfluence(GaussianNB(), loss="brier"),
    LeaveOneOutInfluence(GaussianNB(), loss="zero_one"),
    LeaveOneOutInfluence(BernoulliNB()),
    LeaveOneOutInfluence(MultinomialNB()),
    LeaveOneOutInfluence(ComplementNB()),
    LeaveOneOutInfluence(CategoricalNB(min_categories=80)),
    LeaveOneOutInfluence(QuadraticDiscriminantAnalysis(reg_param=0.1)),
    LeaveOneOutInfluence(LinearSVC(C=0.5, tol=1e-10, max_iter=100_000)),
    LeaveOneOutInfluence(LinearDiscriminantAnalysis()),
    LeaveOneOutInfluence(NearestCentroid(priors="empirical", shrink_threshold=0.1)),
    LeaveOneOutInfluence(RidgeClassifier()),
    LeaveOneOutInfluence(RidgeClassifier(solver="svd"), solver="refit"),
    LeaveOneOutInfluence(Ridge()),
    LeaveOneOutInfluence(Ridge(solver="svd"), solver="refit"),
    LeaveOneOutInfluence(LinearRegression(), loss="absolute_error"),
    LeaveOneOutInfluence(LinearRegression(), loss=pinball),
    LeaveOneOutInfluence(KNeighborsClassifier(), loss="brier"),
    LeaveOneOutInfluence(KNeighborsClassifier(3, weights="distance"), loss="zero_one"),
    LeaveOneOutInfluence(KNeighborsRegressor(), loss="absolute_error"),
    LeaveOneOutInfluence(RadiusNeighborsClassifier(1.5, outlier_label="most_frequent")),
    LeaveOneOutInfluence(RadiusNeighborsRegressor(9.0, weights="distance")),
    LeaveOneOutInfluence(KernelRidge(kernel="rbf")),
    LeaveOneOutInfluence(gaussian_process),
    LeaveOneOutInfluence(SVC(C=0.1, gamma=0.3, tol=1e-10)),
    LeaveOneOutInfluence(SVR(C=0.2, epsilon=0.01, gamma=1.0, tol=1e-10)),
    LeaveOneOutInfluence(Lasso(alpha=0.05)),
    LeaveOneOutInfluence(ElasticNet(alpha=0.05, positive=True)),
    LeaveOneOutInfluence(HuberRegressor()),
    LeaveOneOutInfluence(tube),
    LeaveOneOutInfluence(sparse_logistic),
    LeaveOneOutInfluence(PoissonRegressor()),
    LeaveOneOutInfluence(TweedieRegressor(power=1.5, alpha=0.1)),
    LeaveOneOutInfluence(tight_poisson, solver="refit"),
    LeaveOneOutInfluence(make_pipeline(StandardScaler(), tight_logistic)),
    LeaveOneOutInfluence(make_pipeline(Normalizer(), Ridge())),
    LeaveOneOutInfluence(make_pipeline(StandardScaler(), Ridge()), solver="exact"),
    InfluenceFunctions(LogisticRegression()),
    InfluenceFunctions(LogisticRegression(), loss="brier", damping=0.1),
    InfluenceFunctions(LogisticRegression(), step="newton"),
    InfluenceFunctions(LogisticRegression(), step="newton", loss="zero_one"),
    InfluenceFunctions(RidgeClassifier()),
    InfluenceFunctions(Ridge(), loss="absolute_error"),
    InfluenceFunctions(Ridge(), step="newton"),
    InfluenceFunctions(ElasticNet(alpha=0.05)),
    InfluenceFunctions(HuberRegressor(), step="newton"),
    InfluenceFunctions(sparse_logistic),
    InfluenceFunctions(PoissonRegressor()),
    InfluenceFunctions(GammaRegressor(), step="newton"),
    InfluenceFunctions(make_pipeline(StandardScaler(), LogisticRegression())),
    KNNShapley(),
    KNNShapley(3, utility="hard", metric="manhattan"),
    KNNShapley(4, semivalue="banzhaf"),
    KNNShapley(3, utility="squared_error"),
    RepresenterPoints(LogisticRegression()),
    RepresenterPoints(make_pipeline(StandardScaler(), Ridge())),
    RepresenterPoints(KernelRidge(kernel="rbf")),
    LeaveOneOutInfluence(boosted_numbers, solver="exact"),
    LeaveOneOutInfluence(boosted_labels, solver="exact", loss="brier"),
    InfluenceFunctions(boosted_labels, step="newton"),
    InfluenceFunctions(boosted_numbers),
]

# Methods that sample: the order of the training rows decides what is drawn.
SAMPLING_ESTIMATORS = [
    OutOfBagInfluence(RandomForestClassifier(50, random_state=2)),
    OutOfBagInfluence(
        # Sparse rows grow other trees.
        make_pipeline(
            FunctionTransformer(dense, validate=True, accept_sparse=True),
            RandomForestRegressor(50),
        ),
        loss="absolute_error",
        random_state=0,
    ),
    TreeInfluence(boosted_labels, n_structures=1, random_state=0),
    TreeInfluence(boosted_numbers, n_structures=6, random_state=0),
    TreeInfluence(RandomForestClassifier(20, random_state=0)),
    DownsamplingInfluence(tight_logistic, n_retrainings=40, random_state=0),
    DownsamplingInfluence(Ridge(solver="svd"), n_retrainings=40, random_state=0),
    DownsamplingInfluence(
        GaussianNB(), n_retrainings=40, random_state=0, loss="brier", stratify=True
    ),
    ShapleyInfluence(GaussianNB(), loss="brier", random_state=0, max_retrainings=96),
    ShapleyInfluence(Ridge(), semivalue="beta", max_retrainings=240, random_state=0),
]
SLOW_SAMPLING_ESTIMATORS = [
    ShapleyInfluence(tight_logistic, max_retrainings=100, random_state=0, loss="brier"),
    ShapleyInfluence(
        Ridge(solver="svd"), solver="refit", max_retrainings=100, random_state=0
    ),
    ShapleyInfluence(
        GaussianNB(),
        semivalue="banzhaf",
        loss="brier",
        max_retrainings=150,
        random_state=0,
    ),
]


# In float32 no solver gets as far as it is told to.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_influence_checks(INFLUENCE_ESTIMATORS)
def test_influence_estimator(influence_estimator, check):
    check(type(influence_estimator).__name__, influence_estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_influence_checks(SAMPLING_ESTIMATORS, deterministic=False)
def test_sampling_estimator(influence_estimator, check):
    check(type(influence_estimator).__name__, influence_estimator)


@pytest.mark.slow
@parametrize_with_influence_checks(SLOW_SAMPLING_ESTIMATORS, deterministic=False)
def test_slow_sampling_estimator(influence_estimator, check):
    check(type(influence_estimator).__name__, influence_estimator)


@parametrize_with_checks(
    [
        LeaveOneOutInfluence(LogisticRegression()),
        LeaveOneOutInfluence(RidgeClassifier()),
        LeaveOneOutInfluence(Ridge()),
        LeaveOneOutInfluence(KernelRidge()),
        LeaveOneOutInfluence(KNeighborsClassifier()),
        LeaveOneOutInfluence(KNeighborsRegressor()),
        LeaveOneOutInfluence(GaussianNB()),
        LeaveOneOutInfluence(MultinomialNB()),
        LeaveOneOutInfluence(LinearDiscriminantAnalysis()),
        LeaveOneOutInfluence(NearestCentroid()),
        LeaveOneOutInfluence(Lasso(alpha=0.1)),
        LeaveOneOutInfluence(HuberRegressor()),
        LeaveOneOutInfluence(tube),
        LeaveOneOutInfluence(PoissonRegressor()),
        LeaveOneOutInfluence(
            make_pipeline(FunctionTransformer(), LogisticRegression())
        ),
        LeaveOneOutInfluence(make_pipeline(StandardScaler(), Ridge()), solver="exact"),
        InfluenceFunctions(LogisticRegression()),
        InfluenceFunctions(LogisticRegression(), step="newton"),
        InfluenceFunctions(Ridge()),
        InfluenceFunctions(PoissonRegressor(), step="newton"),
        InfluenceFunctions(make_pipeline(StandardScaler(), LogisticRegression())),
        RepresenterPoints(LogisticRegression()),
        RepresenterPoints(Ridge()),
        KNNShapley(),
        KNNShapley(utility="squared_error"),
        DownsamplingInfluence(LogisticRegression(), n_retrainings=4),
        DownsamplingInfluence(Ridge(), n_retrainings=4),
        OutOfBagInfluence(RandomForestClassifier(10, random_state=0)),
        OutOfBagInfluence(RandomForestRegressor(10, random_state=0)),
        ShapleyInfluence(GaussianNB()),
        ShapleyInfluence(Ridge()),
        TreeInfluence(boosted_numbers, n_structures=4),
        TreeInfluence(HistGradientBoostingClassifier(max_iter=3), n_structures=1),
        TreeInfluence(RandomForestClassifier(5, random_state=0)),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        LeaveOneOutInfluence(GaussianNB(), solver="refit"),
        LeaveOneOutInfluence(Ridge(), solver="refit"),
        LeaveOneOutInfluence(make_pipeline(StandardScaler(), LogisticRegression())),
        ShapleyInfluence(
            Ridge(), solver="refit", max_retrainings=300, antithetic=False
        ),
    ]
)
def test_scikit_learn_contract_with_refits(estimator, check):
    check(estimator)
