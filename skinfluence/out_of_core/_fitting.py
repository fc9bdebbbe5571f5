"""The training of an estimator on a table in blocks."""

from skinfluence.out_of_core._softmax_table import table_model
from skinfluence.out_of_core._steps import BlockSteps, check_steps


def fitted_to_blocks(estimator, blocks):
    """Train an estimator at its exact optimum.

    Parameters
    ----------
    estimator : estimator
        A linear model, or a Pipeline that ends in one. Not changed.
    blocks : Blocks
        Training rows; raw where the estimator is a Pipeline.

    Returns
    -------
    model : BlockModel
        The linear model.
    fitted : estimator
        A clone with scikit-learn's fitted attributes.
    """
    last = check_steps(estimator)
    if last is estimator:
        model = table_model(last, blocks)
        return model, model.estimator
    steps = BlockSteps(estimator, blocks)
    model = table_model(last, steps.blocks(), steps)
    return model, steps.pipeline(model.estimator)
