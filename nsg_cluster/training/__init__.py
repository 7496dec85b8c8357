"""Losses, optimizers, checkpoints, metrics and the training loop."""
