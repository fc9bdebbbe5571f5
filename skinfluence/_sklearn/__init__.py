"""Utilities that concern scikit-learn and not influence."""

from skinfluence._sklearn._callbacks import fit_callbacks, with_callbacks
from skinfluence._sklearn._copying import copying, keeping_rows
from skinfluence._sklearn._hist_leaves import hist_leaf_ids, hist_leaf_model
from skinfluence._sklearn._pipelines import (
    final_estimator,
    final_sample_weight,
    is_sampler,
    preprocess,
    preprocessing_steps,
    samplers,
)
from skinfluence._sklearn._private import HasMethods, Interval, StrOptions
from skinfluence._sklearn._row_params import (
    clone_for_rows,
    fit_rows,
    refuse_pairwise,
    take_row_params,
)
from skinfluence._sklearn._rows import n_rows, take_columns, take_params, take_rows
from skinfluence._sklearn._seeds import fit_seeded, fresh_seed, seed_estimator
from skinfluence._sklearn._wrapper import EstimatorWrapper, FeaturesOfInner
