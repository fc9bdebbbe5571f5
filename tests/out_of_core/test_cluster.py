"""Leave-one-out of dask collections on a cluster of two processes."""

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from skinfluence import LeaveOneOutInfluence


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_cluster_does_not_change_a_bit():
    distributed = pytest.importorskip("distributed")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)

    def values():
        given = da.from_array(X, chunks=(70, 4)), da.from_array(y, chunks=70)
        loo = LeaveOneOutInfluence(LogisticRegression()).fit(*given)
        return loo.sample_values(X[:20], y[:20])

    expected = values()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        assert_array_equal(values(), expected)
