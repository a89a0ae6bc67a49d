"""The gradient-descent lab: batch, stochastic and mini-batch descent on linear regression, with honest books.

>>> from minigrad import lab
>>> run = lab.train("diabetes", method="sgd")
>>> run.above_optimum < 0.02
True
"""

from typing import TYPE_CHECKING, Any

from minigrad.lab.data import Dataset, load
from minigrad.lab.errors import LabError, LabWarning
from minigrad.lab.experiment import Interrupted, compare, train
from minigrad.lab.report import Comparison, History, Run, Settings
from minigrad.lab.theory import LeastSquares

if TYPE_CHECKING:
    from minigrad.lab.estimator import GradientDescentRegressor

__all__ = [
    "Comparison",
    "Dataset",
    "GradientDescentRegressor",
    "History",
    "Interrupted",
    "LabError",
    "LabWarning",
    "LeastSquares",
    "Run",
    "Settings",
    "compare",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    """The estimator, when somebody asks for it: its base classes are scikit-learn's, which takes a second to import."""
    if name == "GradientDescentRegressor":
        from minigrad.lab.estimator import GradientDescentRegressor

        return GradientDescentRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
