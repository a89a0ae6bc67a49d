"""The gradient-descent lab: batch, stochastic and mini-batch descent on linear regression, with honest books.

>>> from minigrad import lab
>>> run = lab.train("diabetes", method="minibatch")
>>> run.above_optimum < 0.02
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minigrad.lab import report
    from minigrad.lab.data import Dataset, load
    from minigrad.lab.errors import LabError, LabWarning
    from minigrad.lab.estimator import GradientDescentClassifier, GradientDescentRegressor
    from minigrad.lab.experiment import Interrupted, compare, train
    from minigrad.lab.model import Model
    from minigrad.lab.report import Comparison, History, Run
    from minigrad.lab.settings import Settings
    from minigrad.lab.theory import LeastSquares

__all__ = [
    "Comparison",
    "Dataset",
    "GradientDescentClassifier",
    "GradientDescentRegressor",
    "History",
    "Interrupted",
    "LabError",
    "LabWarning",
    "LeastSquares",
    "Model",
    "Run",
    "Settings",
    "compare",
    "load",
    "report",
    "train",
]
_WHERE = {
    "data": ("Dataset", "load"),
    "errors": ("LabError", "LabWarning"),
    "estimator": (
        "GradientDescentClassifier",
        "GradientDescentRegressor",
    ),  # its base classes are scikit-learn's, which takes a second to import
    "experiment": ("Interrupted", "compare", "train"),
    "model": ("Model",),
    "report": ("Comparison", "History", "Run"),
    "settings": ("Settings",),
    "theory": ("LeastSquares",),
}


if not TYPE_CHECKING:  # to type checkers every name would be one of the lab's

    def __getattr__(name: str) -> Any:
        """Import a name from its file, or the file `report`, when somebody asks for it: ``--help`` needs none of it."""
        for file, names in _WHERE.items():
            if name in (file, *names):
                module = import_module(f"{__name__}.{file}")
                return globals().setdefault(name, module if name == file else getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
