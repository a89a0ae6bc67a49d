"""Tools that hold a backward pass to the truth. The engine imports none of them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minigrad.checks.checker import check
from minigrad.checks.engines import both_engines
from minigrad.checks.gradcheck import GradcheckError, gradcheck
from minigrad.engine.numerical import numerical_derivative, numerical_gradient

if TYPE_CHECKING:
    from minigrad import zoo as zoo
    from minigrad.grade.grading import grade as grade

__all__ = ["GradcheckError", "both_engines", "check", "gradcheck", "numerical_derivative", "numerical_gradient"]


if not TYPE_CHECKING:  # to type checkers every name would be one of the checkers

    def __getattr__(name: str) -> Any:
        """Import a name that most programs never use, when it is asked for."""
        if name == "grade":
            from minigrad.grade.grading import grade

            return grade
        if name == "zoo":
            return import_module("minigrad.zoo")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
