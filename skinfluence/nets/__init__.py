"""A fitted skorch net as functions of its parameters, and its recorded training run.

README.md in this folder describes the modules. All of them except `run._training_run`
import torch, so that other packages import them inside functions only.
"""
