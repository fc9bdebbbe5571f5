"""Closed forms (neighbours, kernels) against retraining n times, in this one run.

As in ``bench_leave_one_out.py``: CPU time of ``LeaveOneOutInfluence.fit`` and the whole
influence matrix; n refits plus predictions, from the median of a sample of them; the
largest difference of an influence from the sampled refits.

    python benchmarks/bench_closed_forms.py
"""

from timing import restart_single_threaded, table

restart_single_threaded()

from bench_leave_one_out import case, gaussian, split  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits  # noqa: E402
from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: E402
from sklearn.gaussian_process.kernels import RBF, WhiteKernel  # noqa: E402
from sklearn.kernel_ridge import KernelRidge  # noqa: E402
from sklearn.neighbors import (  # noqa: E402
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
)
from sklearn.svm import SVC  # noqa: E402

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


if __name__ == "__main__":
    results = []
    for result in cases():
        result["refits"] = result.pop("tight")
        results.append(result)
        print(result, flush=True)
    print("\nratios: CPU time of n refits over that of the exact whole matrix\n")
    table(results, COLUMNS)
