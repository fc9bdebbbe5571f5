"""Checks of a net's rows: their type, finite values, and the number of columns."""

import torch
from sklearn.utils import assert_all_finite
from torch.utils.data import Dataset

from skinfluence._counts import counted
from skinfluence._sklearn import n_rows


def check_rows(X, dtype):
    """Raise for rows that torch would refuse, or that would make the loss NaN.

    Parameters
    ----------
    X : object
        Rows as passed by the user.
    dtype : torch.dtype
        Type of the net's parameters. Integers are allowed, as a module may embed them.
    """
    wanted, n = _name(dtype), count(X)
    for name, part in parts_of(X).items():
        if not hasattr(part, "dtype") or hasattr(part, "columns"):
            raise TypeError(
                f"{name} must be an ndarray or a tensor, or a SliceDict of these, for "
                f"a net. Got {type(part).__name__}: pass "
                f"np.asarray(X, dtype=np.{wanted})."
            )
        given = _name(part.dtype)
        if given.startswith(("object", "str", "<U", "|S")):
            raise ValueError(
                f"{name} must hold numbers for a net. Got dtype {given}: pass "
                f"X.astype(np.{wanted}), or encode text before."
            )
        if "float" in given and given != wanted:
            raise ValueError(
                f"{name} must have the dtype of the net's parameters, {wanted}. Got "
                f"{given}: pass X.astype(np.{wanted}), or, behind other steps of a "
                "Pipeline, a FunctionTransformer that casts."
            )
        check_finite(part, name)
    if n == 0:
        raise ValueError("X must hold at least one row. Got 0 samples.")


def count(X):
    """Return the number of rows."""
    if isinstance(X, Dataset):
        raise TypeError(
            "X must hold the rows themselves, an ndarray, a tensor or a SliceDict of "
            f"these. Got a Dataset ({type(X).__name__}): pass its arrays, X, y = "
            "(np.asarray(skorch.helper.SliceDataset(dataset, idx=i)) for i in (0, 1))."
        )
    if isinstance(X, tuple | list) and len(X) and hasattr(X[0], "shape"):
        raise TypeError(
            f"X must be an ndarray or a tensor. Got a {type(X).__name__} of arrays: "
            "for several inputs pass skorch.helper.SliceDict(name=array, ...) with the "
            "names of the parameters of the module's forward, for a list of rows "
            "np.stack(X)."
        )
    if isinstance(X, dict) and not hasattr(X, "shape"):
        raise TypeError(
            "X must be an ndarray, a tensor or a skorch.helper.SliceDict, whose rows "
            "can be taken. Got a plain dict: pass SliceDict(**X)."
        )
    return n_rows(X)


def check_finite(values, name):
    """Raise scikit-learn's error for NaN or infinity in an array or a tensor."""
    if isinstance(values, torch.Tensor):
        values = values[~torch.isfinite(values)].double().cpu().numpy()
    assert_all_finite(values, input_name=name)


def check_width(X, shapes, owner):
    """Raise for test rows that are not as wide as those of fit.

    Parameters
    ----------
    X : object
        Rows that have passed `check_rows`.
    shapes : dict of str to tuple
        `row_shapes` of the training rows. Only the number of columns of a table is
        compared: sequences and images may vary in size.
    owner : str
        Name of the fitted estimator, for messages.
    """
    given = row_shapes(X)
    if given.keys() != shapes.keys():
        raise ValueError(
            f"X must hold the arrays of fit, {sorted(shapes)}. Got {sorted(given)}."
        )
    for name, shape in given.items():
        expected = shapes[name]
        if len(shape) != len(expected):
            raise ValueError(
                f"{name} must have {counted(len(expected) + 1, 'dimension')}, as in "
                f"fit, where a row had shape {expected}. Got {len(shape) + 1}: pass "
                + (
                    "X.reshape(1, -1) for a single row."
                    if len(shape) == 0
                    else f"rows of shape {expected}."
                )
            )
        table = len(shape) == 1 and _is_float(parts_of(X)[name])
        if table and shape != expected:
            raise ValueError(
                f"{name} has {shape[0]} features, but {owner} is expecting "
                f"{expected[0]} features as input: pass the columns of fit."
            )


def row_shapes(X):
    """Return the shape of a row of each array, by its name in messages."""
    return {name: tuple(part.shape[1:]) for name, part in parts_of(X).items()}


def refuse_rows(X, target, error):
    """Raise torch's error for the first rows, with their shape and type."""
    given = ", ".join(
        f"{name} of shape {tuple(part.shape)} and dtype {_name(part.dtype)}"
        for name, part in parts_of(X).items()
    )
    layers = target.module.modules()
    first = next((m for m in layers if isinstance(m, torch.nn.Linear)), None)
    table = len(parts_of(X)) == 1 and getattr(X, "ndim", 0) == 2
    if not any(map(_is_float, parts_of(X).values())):
        fix = (
            f"Pass floats, X.astype(np.{_name(target.dtype)}), unless the module "
            "embeds integers, which must then be below its num_embeddings"
        )
    elif getattr(X, "ndim", 2) == 1:
        fix = "Pass X.reshape(-1, 1), one column, or X.reshape(1, -1), one row"
    elif table and first is not None and first.in_features != X.shape[1]:
        fix = (
            f"Its first Linear layer expects {first.in_features} columns: change its "
            "in_features, or pass as many columns"
        )
    else:
        fix = "Give X the shape that its forward expects, or change its first layer"
    said = str(error).strip().splitlines() or [type(error).__name__]
    raise ValueError(
        f"The net's module {type(target.module).__name__} does not take these rows. "
        f"Got {given}: {said[0]}. {fix}."
    ) from error


def parts_of(X):
    """Return the arrays of X by their names in messages."""
    if isinstance(X, dict):
        return {f"X[{key!r}]": part for key, part in X.items()}
    return {"X": X}


def _is_float(part):
    return "float" in _name(part.dtype)


def _name(dtype):
    return str(dtype).removeprefix("torch.")
