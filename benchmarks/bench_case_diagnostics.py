"""Case diagnostics beside statsmodels' loop of refits.

    python benchmarks/bench_case_diagnostics.py [n_rows]

Seconds of CPU time on one thread. statsmodels' loop (``_res_looo`` of its influence
classes, behind ``dfbeta``) is timed on some refits without a row and extrapolated to
all rows. Agreement: largest difference of DFBETA to these refits, as a share of the
largest DFBETA.
"""

import sys
from time import process_time

from timing import restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402
import statsmodels.api as sm  # noqa: E402

from skinfluence import case_diagnostics  # noqa: E402

N_REFITS = 3


def problems(n, p=50):
    """Name, function that fits some rows, cluster labels."""
    rng = np.random.default_rng(0)
    X = sm.add_constant(rng.normal(size=(n, p - 1)))
    eta = X[:, :6] @ [0.2, 0.5, -0.5, 0.3, -0.2, 0.1]
    binary = 1.0 * (rng.random(n) < 1 / (1 + np.exp(-eta)))
    counts, exposure = rng.poisson(np.exp(eta)), rng.uniform(0.5, 2, n)
    number = eta + rng.normal(size=n)

    def glm(y, family, **options):
        def fit(kept):
            some = {key: value[kept] for key, value in options.items()}
            return sm.GLM(y[kept], X[kept], family, **some).fit(tol=1e-12)

        return fit

    yield "OLS", lambda kept: sm.OLS(number[kept], X[kept]).fit()
    yield "GLM, Binomial", glm(binary, sm.families.Binomial())
    poisson = glm(counts, sm.families.Poisson(), exposure=exposure)
    yield "GLM, Poisson with exposure", poisson


def main(n=100_000):
    """Time rows and clusters of each model."""
    n = int(n)
    everyone, labels = np.arange(n), np.arange(n) % 100
    rows = []
    for name, fit in problems(n):
        results = fit(everyone)
        start = process_time()
        found = case_diagnostics(results)
        ours = process_time() - start
        start = process_time()
        case_diagnostics(results, groups=labels)
        clusters = process_time() - start
        errors, start = [], process_time()
        for i in range(N_REFITS):
            left = fit(np.delete(everyone, i)).params
            errors.append(np.abs(results.params - left - found.dfbeta[i]).max())
        loop = (process_time() - start) / N_REFITS * n
        rows.append(
            {
                "model": name,
                "rows": f"{n:,} x {results.model.exog.shape[1]}",
                "case_diagnostics": f"{ours:.1f}",
                "100 clusters": f"{clusters:.1f}",
                "loop of refits": f"{loop:,.0f}",
                "ratio": f"{loop / ours:,.0f}",
                "agreement": f"{max(errors) / np.abs(found.dfbeta).max():.0e}",
            }
        )
        table(rows[-1:], list(rows[-1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
