"""The three kinds of removals of a model, and what a family without them says."""

import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeRegressor

from skinfluence.removal import RemovalModel, UnsupportedEstimator, removal_model


class Linearised(RemovalModel):
    """A third party's model, which has first-order removals only."""

    lacks = "It has no minimiser. Use another method."

    def first_order(self, damping=0.0, masks=None):
        return "removals"


@pytest.mark.parametrize("missing", ["exact", "newton"])
def test_methods_that_a_family_lacks_raise_with_a_reason(missing):
    model = Linearised()
    assert model.first_order() == "removals"
    with pytest.raises(UnsupportedEstimator, match="no minimiser. Use another"):
        getattr(model, missing)()


@pytest.mark.parametrize("missing", ["newton", "first_order"])
@pytest.mark.parametrize("estimator", [GaussianNB(), DecisionTreeRegressor()])
def test_models_without_gradient_leave_exactly_only(estimator, missing):
    X, y = [[0.0], [1.0], [2.0], [4.0]], [0, 0, 1, 1]
    model = removal_model(estimator.fit(X, y), X, y)
    model.exact()
    with pytest.raises(UnsupportedEstimator, match="LeaveOneOutInfluence"):
        getattr(model, missing)()
