"""Optimizers and learning-rate schedules, as torch.optim has them."""

from minigrad.optim import lr_scheduler
from minigrad.optim.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop, StaleGradientWarning

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "StaleGradientWarning", "lr_scheduler"]
