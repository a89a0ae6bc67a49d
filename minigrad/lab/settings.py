"""What the lab can be told, by name. Nothing is imported for it, so that ``--help`` has it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MISSING = ("refuse", "drop", "mean", "median")
INITS = ("zeros", "random")
DTYPES = ("float64", "float32")
ENGINES = ("minigrad", "compiled", "numba", "torch")
MINIBATCH = 32


METHODS = ("batch", "sgd", "minibatch")
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
    """The settings of a run, those that were given and those by default."""

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
    predicted: float  # how far above the optimum it is to end, in parts of it
