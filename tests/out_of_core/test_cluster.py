"""Leave-one-out and the cleaner on workers that are processes of their own."""

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceCleaner, LeaveOneOutInfluence

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 4))
Y = (X[:, 0] + RNG.normal(size=600) / 10 > 0).astype(int)
Y[::20] = 1 - Y[::20]


def processes():
    distributed = pytest.importorskip("distributed")
    return distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    )


def jobs():
    """Return two jobs of dask-jobqueue, which are processes of this machine."""
    jobqueue = pytest.importorskip("dask_jobqueue.local")
    cluster = jobqueue.LocalCluster(
        cores=1, processes=1, memory="1GB", scheduler_options={"dashboard": False}
    )
    cluster.scale(jobs=2)
    return cluster


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("workers", [processes, jobs])
def test_a_cluster_does_not_change_a_bit(workers):
    def answers():
        given = da.from_array(X, chunks=(140, 4)), da.from_array(Y, chunks=140)
        loo = LeaveOneOutInfluence(LogisticRegression()).fit(*given)
        cleaner = InfluenceCleaner(LogisticRegression()).fit(*given)
        return loo.sample_values(X[:20], Y[:20]), cleaner.sample_mask_

    values, kept = answers()
    assert 0 < (~kept).sum() < 100
    with workers() as cluster, cluster.get_client() as client:
        client.wait_for_workers(2, timeout=120)
        found = answers()
        assert cluster.scheduler.transition_counter > 100  # they did the work
    assert_array_equal(found[0], values)
    assert_array_equal(found[1], kept)
