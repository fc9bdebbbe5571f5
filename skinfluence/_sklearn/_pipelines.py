"""The last step and the other steps of a Pipeline and of Pipelines inside it."""

import sklearn
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing


def final_estimator(estimator):
    """Return the last step of a Pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def _steps_before(estimator):
    """Yield names and steps before the last of a Pipeline, of nested ones too."""
    while isinstance(estimator, Pipeline):
        *steps, (_, estimator) = estimator.steps
        yield from (pair for pair in steps if pair[1] not in (None, "passthrough"))


def preprocess(estimator, X):
    """Transform rows by the steps before the last of a Pipeline, nested ones too."""
    for _, step in _steps_before(estimator):
        if not is_sampler(step):
            X = step.transform(X)
    return X


def is_sampler(step):
    """Tell whether a step changes the rows in training, as in imbalanced-learn."""
    return hasattr(step, "fit_resample")


def samplers(estimator):
    """Names of the steps of a Pipeline, and of nested ones, that change the rows."""
    return [name for name, step in _steps_before(estimator) if is_sampler(step)]


def preprocessing_steps(estimator):
    """Names of the steps before the last of a Pipeline, of nested ones too."""
    return [name for name, _ in _steps_before(estimator)]


def final_sample_weight(estimator, fit_params):
    """Find the sample weights that reach the last step of ``estimator``.

    Parameters
    ----------
    estimator : estimator
        Possibly a Pipeline.
    fit_params : dict
        Parameters of ``estimator.fit``.

    Returns
    -------
    sample_weight : array-like or None
    others : list of str
        Names of the other parameters that reach the last step.
    """
    while isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        if sklearn.get_config()["enable_metadata_routing"]:
            fit_params = process_routing(estimator, "fit", **fit_params)[name]["fit"]
        else:
            prefix = name + "__"
            fit_params = {
                key.removeprefix(prefix): value
                for key, value in fit_params.items()
                if key.startswith(prefix)
            }
        estimator = last
    others = [name for name in fit_params if name != "sample_weight"]
    return fit_params.get("sample_weight"), others
