"""The derivative tables: one block an operation.

How to read a rule
    g       the cotangent of the output, dL/dy
    y       the output
    a, b, x, W, ...  the inputs, with the letters of the formula
    d_x     the rule for x: returns dL/dx; None where there is no derivative

Positional parameters are arrays, keyword-only parameters are static (an axis, a shape). A rule reads only g, y, the
inputs and the static parameters; it works in no array in place and never branches on values. It says nothing of
broadcasting or dtypes: the engine sums a partial to the shape of its input and casts it to its dtype. What a rule calls
is itself an operation, so that rules run on Tensors as well as on arrays.
"""

from minigrad.ops import arrivals as arrivals
from minigrad.ops import fourier as fourier
from minigrad.ops import inplace as inplace
from minigrad.ops import namespace as namespace
from minigrad.ops.activations import *
from minigrad.ops.circular import *
from minigrad.ops.classes import *
from minigrad.ops.decompositions import *
from minigrad.ops.elementwise import *
from minigrad.ops.images import *
from minigrad.ops.index import *
from minigrad.ops.join import *
from minigrad.ops.layers import *
from minigrad.ops.linalg import *
from minigrad.ops.loss import *
from minigrad.ops.matrices import *
from minigrad.ops.missing import *
from minigrad.ops.norms import *
from minigrad.ops.order import *
from minigrad.ops.reduce import *
from minigrad.ops.registry import COMPOSITIONS, REGISTRY
from minigrad.ops.select import *
from minigrad.ops.shape import *
from minigrad.ops.signals import *

__all__ = sorted([*COMPOSITIONS, *(name for name, operation in REGISTRY.items() if not operation.helper)])
