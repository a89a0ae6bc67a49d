"""Tools that hold a backward pass to the truth. The engine imports none of them."""

from minigrad.checks.backward import GradcheckError
from minigrad.checks.checker import check
from minigrad.checks.gradcheck import gradcheck
from minigrad.checks.numerical import numerical_derivative, numerical_gradient

__all__ = ["GradcheckError", "check", "gradcheck", "numerical_derivative", "numerical_gradient"]
