"""A fitted skorch net as functions of its parameters, and its recorded training run.

All modules of this package except `run._training_run` import torch. Other packages
therefore import them inside functions only.

- `net/`: `NetTarget` (outputs and losses at any parameters), `net_model` (an estimator
  around a net that encodes labels and checks rows), `NetFunctions` (losses as a
  function of one flat vector).
- `gradients/`: `RowGradients` keeps the gradients of rows as factors per layer; their
  Gram matrices are computed in batches.
- `run/`: `TrainingRun` is the interface through which TracIn, TRAK, HyDRA and
  InfluenceFunctions train a model; `CheckpointRun` and `StepRun` record a net.
- `curvature/`: damped Hessians of a net's training loss, for influence functions.
"""
