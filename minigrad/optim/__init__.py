"""Optimizers and learning-rate schedules, as torch.optim has them."""

from minigrad.optim import lr_scheduler
from minigrad.optim.lbfgs import LBFGS
from minigrad.optim.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    StaleGradientWarning,
)

__all__ = [
    "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "Optimizer", "RAdam", "RMSprop",
    "StaleGradientWarning", "lr_scheduler",
]  # fmt: skip
