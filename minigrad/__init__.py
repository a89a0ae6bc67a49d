"""minigrad: a small tape-based reverse-mode autodiff engine in NumPy, made to be read."""

from collections.abc import Callable as _Callable

from minigrad.backprop import gradients as gradients
from minigrad.backprop import tape as tape
from minigrad.broadcasting import unbroadcast as unbroadcast
from minigrad.engine.state import enable_grad as enable_grad
from minigrad.engine.state import no_grad as no_grad
from minigrad.function import Function as Function
from minigrad.program.source import compile as compile
from minigrad.program.source import source as source
from minigrad.remat import remat as remat
from minigrad.strict import strict as strict
from minigrad.tensor import Tensor as Tensor
from minigrad.transforms import elementwise_grad as elementwise_grad
from minigrad.transforms import grad as grad
from minigrad.transforms import hessian as hessian
from minigrad.transforms import hessian_diag as hessian_diag
from minigrad.transforms import hvp as hvp
from minigrad.transforms import jacobian as jacobian
from minigrad.transforms import jvp as jvp
from minigrad.transforms import value_and_grad as value_and_grad
from minigrad.transforms import vjp as vjp

MYPY = False
if MYPY:  # to mypy a decorated class is a class; an operation is a function
    from minigrad.checks import GradcheckError as GradcheckError
    from minigrad.checks import check as check
    from minigrad.checks import gradcheck as gradcheck
    from minigrad.views.debug import debug as debug
    from minigrad.views.draw import draw as draw
    from minigrad.views.explain import explain as explain
    from minigrad.views.explore import explore as explore
    from minigrad.views.formula import formula as formula
    from minigrad.views.table import table as table

    def __getattr__(name: str) -> _Callable[..., Tensor]: ...

else:
    from importlib import import_module as _import_module

    from minigrad import views as _views
    from minigrad.ops import *

    _CHECKS = ("GradcheckError", "check", "gradcheck")  # the checkers are a third of the time that an import takes

    def __getattr__(name):
        """A view or a checker, when somebody asks for it; and what ``from minigrad import *`` gives."""
        if name == "__all__":
            return [public for public in __dir__() if not public.startswith("_")]
        if name == "checks":
            return _import_module("minigrad.checks")
        if module := _import_module("minigrad.checks") if name in _CHECKS else _views.find(name):
            return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *_views.names(), "checks", *_CHECKS})
