"""SciPy's functions that are written in Python ask for an answer to Tensors, as NumPy's do.

A ufunc asks its arguments how it shall be computed, and so does each function of NumPy's; what SciPy has in Python asks
nobody, and makes arrays of its arguments. So some of it learns to ask, as soon as its module is imported, before
minigrad or behind it: a call with a Tensor among the arguments goes to the answer, any other one to what the function
was. The function stays the same object, with its signature and docstring. Only its code is exchanged, so that those who
have imported it by name have what the others have. What is without an answer refuses Tensors, as ever.

The answers are in the files that ANSWERED names, which are read when SciPy's module arrives. Here is nothing of SciPy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from importlib.machinery import ModuleSpec
from inspect import signature
from operator import attrgetter
from types import FunctionType, ModuleType
from typing import Any

from minigrad.engine.trees import bare, leaves
from minigrad.ops.calling import Calling
from minigrad.tensor import Tensor

ANSWERED = {
    "scipy.integrate": "minigrad.ops.scipy_answers",
    "scipy.linalg": "minigrad.ops.scipy_answers",
    "scipy.signal": "minigrad.ops.scipy_answers",
    "scipy.special": "minigrad.ops.scipy_answers",
    "scipy.stats": "minigrad.stats",
}
HOW = {"overwrite_a", "overwrite_b", "check_finite", "lapack_driver", "driver", "method"}  # and not what is computed
taught: set[Any] = set()


class Arrivals:
    """A finder for the import system: it finds what the others do, and sees to it that `teach` comes afterwards."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in ANSWERED:
            return None
        others = (finder for finder in sys.meta_path if finder is not Arrivals)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            @wraps(execute)
            def exec_module(module: ModuleType) -> None:
                execute(module)
                teach(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def teach(module: ModuleType) -> None:
    """Let the functions of this module of SciPy's ask for the answers to them; what an old SciPy has not, does not."""
    for path, answer in import_module(ANSWERED[module.__name__]).ANSWERS[module.__name__].items():
        try:
            function = attrgetter(path)(module)
        except AttributeError:
            continue
        if type(function) is FunctionType and function not in taught:
            asks(function, answer)
            taught.add(function)


def asks(function: FunctionType, answer: Callable[..., Any]) -> None:
    """From now on `answer` has the calls of `function` with Tensors, and those with arguments that it alone has.

    Where it has NotImplemented for a result, or there is no Tensor, the call goes to what `function` was. An argument
    that the answer has not is refused by its name, unless it has its default or is HOW.
    """
    was = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    was.__kwdefaults__ = function.__kwdefaults__
    was.__dict__.update(function.__dict__)
    parameters = [*signature(answer).parameters.values()]
    calling = Calling(function.__name__, parameters, 0, was, {})
    own = calling.names - signature(was).parameters.keys()

    def called(*args: Any, **kwargs: Any) -> Any:
        tensors = Tensor in map(type, args) or Tensor in map(type, leaves((args, kwargs)))
        if tensors or own & kwargs.keys():
            words = {name: value for name, value in kwargs.items() if name not in HOW}
            inputs, words = (args, words) if calling.fits(args, words) else calling.translated(args, words)
            result = answer(*inputs, **words)
            if result is not NotImplemented:
                return result if tensors else bare(result)
        return was(*args, **kwargs)

    code = asking.__code__.replace(co_name=function.__name__, co_freevars=function.__code__.co_freevars)
    function.__wrapped__ = was  # type: ignore[attr-defined]  # it has the signature, and inspect looks for it there
    function.__defaults__, function.__kwdefaults__, function.__code__ = None, {"_called": called}, code


def asking(*args: Any, _called: Any = None, **kwargs: Any) -> Any:
    return _called(*args, **kwargs)


sys.meta_path.insert(0, Arrivals)  # type: ignore[arg-type]
for name in ANSWERED:
    if name in sys.modules:
        teach(sys.modules[name])
