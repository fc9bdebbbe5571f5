"""HyDRA on the small nets of `nets_for_replay`, and its influence forwards."""

from nets_for_replay import make_rows

from skinfluence import HyDRA


def fitted(net, **params):
    X, y, X_test, y_test = make_rows()
    return HyDRA(net, random_state=0, **params).fit(X, y), X_test, y_test


def forwards_influence(hydra, X, y):
    """Go through the run forwards, which fewer test rows would not choose."""
    derivative = hydra._derivative
    by_rows = derivative.parameters_by_rows()
    return -derivative.gradients((X, y), hydra._loss) @ by_rows.T
