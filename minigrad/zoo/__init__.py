"""The zoo: wrong backwards, each of them small, each of a kind that is written in earnest every week.

A checker is worth what it finds, and what it says about it. This is what it must find. A class is a Function that is
right; the functions below it are backwards of the same forward with one mistake each. The sentence says which, and the
line above it what a checker should say, of which input.

>>> wrong = SPECIMENS["mse_divides_by_the_rows"]
>>> wrong.kind, wrong.input
('factor', 'yhat')
>>> wrong.remark
'Divides by the number of rows, not of entries: right as long as there is one output.'

`RIGHT` holds what must pass: the right twin of each, and the points where checkers cry wolf.
"""

from minigrad.zoo import activations, arithmetic, kinks, layers, losses, networks, norms, reductions, regression
from minigrad.zoo.specimen import RIGHT, SPECIMENS, Specimen

__all__ = [
    "RIGHT",
    "SPECIMENS",
    "Specimen",
    "activations",
    "arithmetic",
    "kinks",
    "layers",
    "losses",
    "networks",
    "norms",
    "reductions",
    "regression",
]
