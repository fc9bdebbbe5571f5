"""A fitted skorch net as functions of its parameters.

Import from the modules of this package inside functions only: they import torch.

- `_net.NetTarget`: parameters, outputs, per-row losses, other parameters.
- `_model.net_model`: an estimator around a net that encodes labels and checks rows.
- `_factors.RowGradients`: the gradients of rows, kept as factors per layer.
- `_gram`: Gram matrices of gradients, streamed in batches.
- `_recorder.CheckpointRecorder`: parameters and learning rates along a run.
"""
