"""max_time: no model is started after it, and no part of a draw is used."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import Ridge
from truth.games import table

from skinfluence import ShapleyInfluence
from skinfluence.retraining.engine import _deadline
from skinfluence.retraining.semivalues import _cost


class Clock:
    """Time passes when models are fitted, and not else."""

    def __init__(self):
        self.now, self.n_fits, self.seconds = 0.0, 0, 1.0

    def __call__(self):
        return self.now


clock = Clock()


class SlowRidge(Ridge):
    """Takes a second to fit."""

    def fit(self, X, y):
        clock.n_fits += 1
        clock.now += clock.seconds
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    clock.__init__()
    monkeypatch.setattr(_deadline, "time", clock)
    monkeypatch.setattr(_cost, "monotonic", clock)


@pytest.fixture(params=[False, True], ids=["kept", "at once"])
def data(request):
    X, y, train, test = table(20, False)
    validation = (X[test], y[test]) if request.param else ()
    return (X[train], y[train]), validation, (X[test], y[test])


def fitted(data, max_time, **params):
    shapley = ShapleyInfluence(SlowRidge(), max_time=max_time, random_state=0, **params)
    return shapley.fit(*data[0], *data[1])


def values(shapley, data):
    return shapley.influence(*(() if data[1] else data[2]), return_std=True)


def test_less_than_the_first_draw_is_refused_before_it_starts(data):
    # a draw is an order and its reverse, of 19 models each
    with pytest.raises(
        ValueError, match=r"'max_time'.*38 models: about 38\.0 s\. Got max_time=30 s"
    ):
        fitted(data, 30.0)
    assert clock.n_fits < 6  # of all rows, and some to see how long they take


@pytest.mark.parametrize("max_time", [38.5, 39.0, 75.0, 100.0])
@pytest.mark.filterwarnings("ignore:.*models are to be trained")
def test_no_model_is_started_after_it(data, max_time):
    shapley = fitted(data, max_time)
    extra = 2  # of all rows, and one that was timed
    assert clock.n_fits - extra == shapley.n_retrainings_
    assert max_time <= clock.now - extra < max_time + 1
    assert shapley.n_draws_ == int(max_time // 38)
    budget = {"max_retrainings": 40 * shapley.n_draws_}
    whole = ShapleyInfluence(SlowRidge(), random_state=0, solver="refit", **budget)
    whole.fit(*data[0], *data[1])
    for ours, theirs in zip(values(shapley, data), values(whole, data), strict=True):
        assert_array_equal(ours, theirs)
    if shapley.n_draws_ == 1:
        assert np.isinf(values(shapley, data)[1]).all()


def test_a_first_draw_that_turns_out_slow(data, monkeypatch, tmp_path):
    fit = SlowRidge.fit

    def slower(self, X, y):
        clock.seconds = 1.0 if len(X) in (10, 20) else 3.0
        return fit(self, X, y)

    monkeypatch.setattr(SlowRidge, "fit", slower)
    with pytest.raises(
        ValueError, match=r"'max_time'.*after which 1\d models were trained"
    ):
        fitted(data, 45.0)
    assert clock.n_fits < 20
    # what is finished is kept, and used at last
    for _ in range(2):
        with pytest.raises(ValueError, match="what was trained is kept on disk"):
            fitted(data, 45.0, memory=tmp_path)
    assert fitted(data, 45.0, memory=tmp_path).n_draws_ == 1


def test_random_subsets_end_as_well(data):
    with pytest.warns(UserWarning, match=r"max_time=3 s ended after 3 random subsets"):
        shapley = fitted(data, 3.0, semivalue="banzhaf")
    result, std = values(shapley, data)
    masks = np.stack([shapley._sampling.scheme.coalitions(k)[0][0] for k in range(3)])
    unseen = masks.all(axis=0) | ~masks.any(axis=0)
    assert unseen.any()
    assert_array_equal(np.isnan(result), np.tile(unseen, (len(result), 1)))
    assert np.isinf(std[:, unseen]).all()


def test_small_games_are_sampled_where_all_subsets_take_too_long(data):
    (X, y), validation, test = data
    few = (X[:8], y[:8]), validation, test
    shapley = fitted(few, 400.0)
    assert shapley.sampling_ == "enumeration"  # 254 models
    assert shapley.n_retrainings_ == 254
    clock.__init__()
    shapley = fitted(few, 100.0)
    assert shapley.sampling_ == "permutations"
    assert shapley.n_draws_ == 7  # of 14 models
    assert clock.now < 107
    assert np.isfinite(values(shapley, few)[1]).all()


def test_workers_share_the_limit(data):
    shapley = fitted(data, 38.5, n_jobs=1)
    assert shapley.n_draws_ == 1
    with pytest.raises(ValueError, match="'max_time'"):
        fitted(data, 18.0, n_jobs=1)
