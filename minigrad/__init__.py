"""minigrad: a small tape-based reverse-mode autodiff engine in NumPy, made to be read.

(PYTEST_DONT_REWRITE: it has no test)"""

from importlib import import_module as _import_module
from sys import modules as _modules
from types import ModuleType as _ModuleType

from minigrad import views as _views
from minigrad.backprop import gradients as gradients
from minigrad.backprop import tape as tape
from minigrad.broadcasting import unbroadcast as unbroadcast
from minigrad.engine.state import enable_grad as enable_grad
from minigrad.engine.state import no_grad as no_grad
from minigrad.function import Function as Function
from minigrad.ops import *
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

__version__ = "0.1.0"

_CHECKS = ("GradcheckError", "check", "gradcheck")  # the checkers are a third of the time that an import takes
_MODULES = "checks", "testing"
_LATER = {*_MODULES, *_CHECKS}


def __getattr__(name):
    """A view or a checker, when somebody asks for it; and what ``from minigrad import *`` gives."""
    if name == "__all__":
        own = {name for name, value in globals().items() if not name.startswith("_") and type(value) is not _ModuleType}
        return sorted({*own, *_views.names(), *_LATER})
    if name in _MODULES:
        return _import_module(f"minigrad.{name}")
    if module := _import_module("minigrad.checks") if name in _CHECKS else _views.find(name):
        return globals().setdefault(name, getattr(module, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_views.names(), *_LATER})


if "hypothesis" in _modules:  # which asks for it itself where it comes later
    _import_module("_minigrad_plugins.hypothesis_plugin").register()
