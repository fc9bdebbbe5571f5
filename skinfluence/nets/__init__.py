"""A fitted skorch net as functions of its parameters, and its recorded training run.

Import from the modules of this package inside functions only: they import torch, but
for `run._training_run`.

- `net/`: `NetTarget` (outputs and losses at any parameters), `net_model` (an estimator
  around a net that encodes labels and checks rows), `NetFunctions` (losses as a
  function of one flat vector).
- `gradients/`: `RowGradients` keeps the gradients of rows as factors per layer; their
  Gram matrices are streamed in batches.
- `run/`: `TrainingRun` is what TracIn, TRAK, HyDRA and InfluenceFunctions train
  through; `CheckpointRun` and `StepRun` record a net.
- `curvature/`: damped Hessians of a net's training loss, for influence functions.
"""
