"""Closed forms (neighbours, kernels, counts) against retraining n times.

As in ``bench_leave_one_out.py``: CPU time of ``LeaveOneOutInfluence.fit`` and the whole
influence matrix; n refits plus predictions, from the median of a sample of them; the
largest difference of an influence from the sampled refits.

    python benchmarks/bench_closed_forms.py
"""

import sys
import warnings
from pathlib import Path

from timing import restart_single_threaded, table

restart_single_threaded()
sys.path.append(str(Path(__file__).parents[1] / "tests"))

from bench_leave_one_out import case, gaussian, split  # noqa: E402
from exact_models import of_family  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits  # noqa: E402
from sklearn.discriminant_analysis import (  # noqa: E402
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: E402
from sklearn.gaussian_process.kernels import RBF, WhiteKernel  # noqa: E402
from sklearn.kernel_ridge import KernelRidge  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.naive_bayes import (  # noqa: E402
    BernoulliNB,
    CategoricalNB,
    GaussianNB,
)
from sklearn.neighbors import (  # noqa: E402
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
)
from sklearn.svm import SVC  # noqa: E402

# Pixels are counts up to 16, many of them constant in a class.
OF_DIGITS = {
    BernoulliNB: {"binarize": 7.5},
    CategoricalNB: {"min_categories": 17},
    QuadraticDiscriminantAnalysis: {"reg_param": 0.1},
}

COLUMNS = ["case", "exact", "sample", "refits", "error"]


def cases():
    """Yield the rows of the table, one after the other."""
    digits, diabetes = split(load_digits), split(load_diabetes)
    large = gaussian(10_000, 20)
    for weights in ("uniform", "distance"):
        for data, name in ((digits, "digits"), (large, "10,000 x 20")):
            estimator = KNeighborsClassifier(weights=weights)
            yield case(f"neighbours ({weights}) {name}", data, None, estimator)
    data = gaussian(10_000, 20, kind="regression")
    yield case("neighbours, regression 10,000 x 20", data, None, KNeighborsRegressor())
    for weights in ("uniform", "distance"):
        estimator = RadiusNeighborsClassifier(6.0, weights=weights, outlier_label=0)
        yield case(f"radius ({weights}) digits", digits, None, estimator)
    yield case("kernel ridge diabetes", diabetes, None, KernelRidge(kernel="rbf"))
    data = gaussian(2000, 20, kind="regression")
    yield case("kernel ridge 2,000 x 20", data, None, KernelRidge(kernel="rbf"))
    process = GaussianProcessRegressor(
        RBF(3.0) + WhiteKernel(0.5), optimizer=None, normalize_y=True
    )
    yield case("Gaussian process diabetes", diabetes, None, process)
    cancer, support = split(load_breast_cancer), SVC(gamma=0.01, tol=1e-8)
    name = "SVC breast_cancer (support vectors are retrained)"
    yield case(name, cancer, None, support, sample=30)
    yield from counting_cases(large)


def counting_cases(large):
    """Yield the rows of models that are made of counts, means and covariances."""
    X, y = load_digits(return_X_y=True)
    digits = train_test_split(X, y, test_size=0.25, random_state=0)
    for default in (*of_family("counts"), *of_family("covariances")):
        estimator = clone(default).set_params(**OF_DIGITS.get(type(default), {}))
        yield case(f"{estimator} digits", digits, None, estimator, sample=60)
    shrunk = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1)
    yield case(f"{shrunk} digits", digits, None, shrunk, sample=60)
    of_numbers = (GaussianNB(), BernoulliNB(), *of_family("covariances"))
    for estimator in of_numbers:
        yield case(f"{estimator} 10,000 x 20", large, None, estimator, sample=60)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # pixels that are always zero
    results = []
    for result in cases():
        result["refits"] = result.pop("tight")
        results.append(result)
        print(result, flush=True)
    print("\nratios: CPU time of n refits over that of the exact whole matrix\n")
    table(results, COLUMNS)
