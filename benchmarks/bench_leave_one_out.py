"""Exact leave-one-out against retraining n times, both in this one run.

Each row times ``LeaveOneOutInfluence.fit`` and the whole influence matrix, and n
refits plus predictions. The refits are a sample, the most influential row among
them, their median multiplied by n: the column "sample" says how many. The error is
the largest difference of an influence from the tight refits of that sample.

    python benchmarks/bench_leave_one_out.py [--large]
"""

import argparse
import warnings

from timing import cpu, median, restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402  (after the environment is set)
from scipy.special import logsumexp  # noqa: E402
from sklearn.base import clone, is_classifier  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import (  # noqa: E402
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence  # noqa: E402
from skinfluence._losses import LogLoss, resolve_loss  # noqa: E402
from skinfluence._predictions import model_prediction  # noqa: E402

COLUMNS = ["case", "exact", "sample", "default", "tight", "warm", "error"]


def gaussian(n, d, n_test=1000, kind="binary"):
    """Gaussian rows with a linear signal."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + n_test, d))
    signal = X @ rng.standard_normal(d) * 2 / np.sqrt(d)
    if kind == "binary":
        y = (rng.random(n + n_test) < 1 / (1 + np.exp(-signal))).astype(int)
    else:
        y = signal + rng.standard_normal(n + n_test)
    return X[:n], X[n:], y[:n], y[n:]


def mixed(n, n_test=500):
    """A table of numbers and categories, some of them rare, with missing entries."""
    rng = np.random.default_rng(0)
    m = n + n_test
    numbers = np.column_stack(
        [rng.integers(18, 80, (m, 3)), np.exp(rng.standard_normal((m, 3)))]
    )
    sizes = (5, 8, 15, 15, 40)
    categories = [np.minimum(rng.geometric(4 / k, m), k) for k in sizes]
    X = np.empty((m, 11), dtype=object)
    X[:, :6] = numbers
    for j, column in enumerate(categories):
        X[:, 6 + j] = [f"level {k}" for k in column]
    X[rng.random(m) < 0.05, 6] = np.nan
    signal = (numbers[:, 0] - 50) / 20 + np.isin(categories[1], (2, 3))
    y = (signal + rng.logistic(size=m) > 0.5).astype(int)
    return X[:n], X[n:], y[:n], y[n:]


def mixed_pipeline(model):
    """Imputers, a scaler and an encoder before a model, as for most tables."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = [("numbers", numbers, slice(6)), ("categories", categories, slice(6, 11))]
    return make_pipeline(ColumnTransformer(columns), model)


def split(load, transform=lambda y: y):
    """A table of scikit-learn, standardised, a quarter of it for testing."""
    X, y = load(return_X_y=True)
    return train_test_split(scale(X), transform(y), test_size=0.25, random_state=0)


def losses(model, X, y, reference):
    """Evaluation loss of each test row, as the influence estimator defines it."""
    if isinstance(resolve_loss("auto", reference), LogLoss) and (
        scores := getattr(
            model, "predict_joint_log_proba", getattr(model, "decision_function", None)
        )
    ):
        # predict_proba is one minus the other class, or underflows: no digits left
        logit = scores(X)
        if logit.ndim == 1:
            logit = np.column_stack([0 * logit, logit])
        truth = np.searchsorted(reference.classes_, y)
        return logsumexp(logit, axis=1) - logit[np.arange(len(y)), truth]
    loss = resolve_loss("auto", reference)
    classifier = is_classifier(reference)
    classes = reference.classes_ if classifier else None
    target = np.searchsorted(classes, y) if classifier else y[:, None] * 1.0
    return loss.value(target, model_prediction(model, X, loss.response, classes))


def refit(estimator, data, row, start=None):
    """Fit without one row, from given coefficients if ``start`` is a model."""
    X, X_test, y, _ = data
    model = clone(estimator)
    if start is not None:
        model.set_params(warm_start=True)
        model.coef_, model.intercept_ = start.coef_.copy(), start.intercept_.copy()
        model.classes_ = start.classes_
    model.fit(np.delete(X, row, axis=0), np.delete(y, row))
    model.predict(X_test)
    return model


def leave_one_out(estimator, data):
    """Influence matrix on the exact path, fit included."""
    X, X_test, y, y_test = data
    loo = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    return loo.influence(X_test, y_test)


def case(name, data, default, tight, warm=False, sample=12, repeat=3):
    """Time one case, sides interleaved, and compare the sampled columns."""
    X, X_test, y, y_test = data
    exact, matrix = [], None
    timings = {"default": [], "tight": [], "warm": []}
    rows, models = None, []
    full = clone(tight).fit(X, y)
    for part in range(repeat):
        seconds, matrix = cpu(leave_one_out, tight, data)
        exact.append(seconds)
        if rows is None:
            rng = np.random.default_rng(0)
            rows = rng.choice(len(X), min(sample, len(X)), replace=False)
            rows[0] = np.abs(matrix).max(axis=0).argmax()
        for row in rows[part::repeat]:
            if default is not None:
                timings["default"].append(cpu(refit, default, data, row)[0])
            seconds, model = cpu(refit, tight, data, row)
            timings["tight"].append(seconds)
            models.append((row, model))
            if warm:
                seconds, _ = cpu(refit, tight, data, row, full)
                timings["warm"].append(seconds)
    base = losses(full, X_test, y_test, full)
    error = max(
        np.abs(matrix[:, row] - (losses(model, X_test, y_test, full) - base)).max()
        for row, model in models
    )
    seconds = median(exact)
    return {
        "case": name,
        "exact": f"{seconds:.3g} s",
        "sample": len(rows),
        "error": f"{error:.1e}",
        **{
            side: f"{median(times) * len(X) / seconds:,.0f}x"
            for side, times in timings.items()
            if times
        },
    }


def logistic(C=1.0):
    """Default and tight logistic regression."""
    return LogisticRegression(C=C), LogisticRegression(
        C=C, solver="newton-cholesky", tol=1e-10, max_iter=1000
    )


def cases(large):
    """Yield the rows of the table, one after the other."""
    cancer = split(load_breast_cancer)
    for C in (0.01, 1, 100):
        name = f"logistic breast_cancer C={C}"
        yield case(name, cancer, *logistic(C), warm=True, sample=60)
    for n, d in ((2000, 20), (10_000, 50)):
        yield case(f"logistic {n:,} x {d}", gaussian(n, d), *logistic(), warm=True)
    scaled = [make_pipeline(StandardScaler(), model) for model in logistic()]
    yield case("scaler + logistic breast_cancer C=1", cancer, *scaled, sample=60)
    yield case("scaler + logistic 10,000 x 50", gaussian(10_000, 50), *scaled)
    table_of_columns = [mixed_pipeline(model) for model in logistic()]
    yield case("mixed table + logistic 5,000 x 11", mixed(5000), *table_of_columns)
    if large:
        data = gaussian(100_000, 100)
        name = "logistic 100,000 x 100"
        yield case(name, data, *logistic(), warm=True, sample=3, repeat=1)
    data = gaussian(2000, 50, kind="regression")
    yield case("ridge 2,000 x 50", data, None, Ridge(), sample=60)
    if large:
        data = gaussian(100_000, 200, kind="regression")
        yield case("ridge 100,000 x 200", data, None, Ridge(), sample=3, repeat=1)
    for C in (0.01, 1, 100):
        tight = LinearSVC(C=C, dual=False, tol=1e-10, max_iter=100_000)
        default = LinearSVC(C=C)
        yield case(f"LinearSVC breast_cancer C={C}", cancer, default, tight, sample=30)
    positive = split(load_diabetes, lambda y: y / 100)
    for model in (PoissonRegressor, GammaRegressor, TweedieRegressor):
        options = {"power": 1.5} if model is TweedieRegressor else {}
        tight = model(solver="newton-cholesky", tol=1e-10, max_iter=1000, **options)
        yield case(
            f"{model.__name__} diabetes", positive, model(**options), tight, sample=60
        )
    digits = split(load_digits)
    for C in (0.01, 1):
        tight = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
        yield case(
            f"multinomial digits C={C} (tight: lbfgs)",
            digits,
            LogisticRegression(C=C, max_iter=1000),
            tight,
            sample=6,
        )


def influence_functions():
    """Time of first-order influence over the matrix product it is made of."""
    X, X_test, y, y_test = gaussian(10_000, 50, n_test=500)
    model = InfluenceFunctions(LogisticRegression()).fit(X, y)
    left, right = np.ones((500, 51)), np.ones((51, 10_000))
    ratios = []
    for _ in range(15):
        product, _ = cpu(np.matmul, left, right)
        whole, _ = cpu(model.influence, X_test, y_test)
        ratios.append(whole / product)
    return median(ratios)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also 100,000 rows")
    warnings.simplefilter("ignore")  # LinearSVC's default does not converge
    arguments = parser.parse_args()
    results = []
    for result in cases(arguments.large):
        results.append(result)
        print(result, flush=True)
    print("\nratios: CPU time of n refits over that of the exact whole matrix\n")
    table(results, COLUMNS)
    print(
        "\nInfluenceFunctions, 10,000 x 50, 500 test rows: "
        f"{influence_functions():.2f} times its matrix product"
    )
