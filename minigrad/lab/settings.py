"""What the lab can be told, by name. Nothing is imported for it, so that ``--help`` has it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MISSING = ("refuse", "drop", "mean", "median")
TASKS = ("regression", "classification")
ALPHA = 0.01  # of a classification, unless one says otherwise
INITS = ("zeros", "random")
DTYPES = ("float64", "float32")
BACKENDS = ("dask", "processes", "threads", "serial")
ENGINES = ("minigrad", "compiled", "numba", "torch")
MOST_TAPED = 20_000  # steps of a run that by default are taken on the tape: more repay what a program takes to make
MINIBATCH = 32
SHARED_BATCH = 4096  # of workers: an exchange costs as much as many rows


@dataclass(frozen=True)
class Method:
    """A method of descent: how many rows a step takes, and what becomes of their gradient.

    Attributes:
        rows: 1, "all", or "some", which is `batch_size`.
        optimizer: of minigrad.optim.
        more: its settings, beside lr.
    """

    rows: int | str = "some"
    optimizer: str = "SGD"
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether a step is lr times the gradient, and nothing is remembered of earlier ones."""
        return self.optimizer == "SGD" and not self.more

    @property
    def adaptive(self) -> bool:
        """Whether a step has about the length lr in each weight, whatever the size of its gradient."""
        return self.optimizer != "SGD"


METHODS = {
    "batch": Method("all"),
    "sgd": Method(1),
    "minibatch": Method(),
    "momentum": Method(more={"momentum": 0.9}),
    "nesterov": Method(more={"momentum": 0.9, "nesterov": True}),
    "adagrad": Method(optimizer="Adagrad"),
    "rmsprop": Method(optimizer="RMSprop"),
    "adam": Method(optimizer="Adam"),
}
COMPARED = ("batch", "sgd", "minibatch")  # unless others are asked for

SCHEDULES = ("constant", "step", "exponential", "linear", "cosine")
# The settings of the lab report this lab grew from.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "batch": {"lr": 0.01, "epochs": 100},
        "sgd": {"lr": 1e-4, "epochs": 100, "clip_norm": 1.0},
        "minibatch": {"lr": 1e-4, "epochs": 100, "clip_norm": 1.0},
    }
}


@dataclass(frozen=True)
class Settings:
    """The settings of a run, those that were given and those by default.

    >>> from minigrad import lab
    >>> plan = lab.train("synthetic", method="batch", epochs=2).settings
    >>> plan.data, plan.epochs, plan.batch_size
    ('synthetic', 2, 40)
    """

    data: str
    method: str
    engine: str
    lr: float
    epochs: int
    batch_size: int
    clip_norm: float | None
    clip_features: float | None
    init: str
    seed: int
    dtype: str
    step_bound: float  # the largest stable lr for this batch size
    default_lr: float
    predicted: float  # how far above the optimum it is to end, in parts of it; 0 where nothing is predicted
    schedule: str = "constant"  # of lr
    local_steps: int = 1  # between two exchanges
    task: str = "regression"
    alpha: float = 0.0  # of the penalty alpha/2 ‖W‖², which a classification has
