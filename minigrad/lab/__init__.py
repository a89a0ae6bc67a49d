"""The gradient-descent lab: batch, stochastic and mini-batch descent on linear regression, with honest books.

>>> from minigrad import lab
>>> run = lab.train("diabetes", method="sgd")
>>> run.above_optimum < 0.02
True
"""

from minigrad.lab.data import Dataset, LabError, LabWarning, load
from minigrad.lab.experiment import Comparison, History, Interrupted, Run, Settings, compare, train
from minigrad.lab.theory import LeastSquares

__all__ = [
    "Comparison",
    "Dataset",
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
