"""minigrad: a small tape-based reverse-mode autodiff engine in NumPy, made to be read."""

from minigrad.backprop import gradients, no_grad, tape
from minigrad.broadcasting import unbroadcast
from minigrad.function import Function
from minigrad.ops import *
from minigrad.tensor import Tensor
