"""What a specimen is, and the two lines that enter one."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.function import Function

__all__ = ["POSITIVE", "RIGHT", "SPECIMENS", "Specimen", "also_right", "right", "wrong"]

Array = np.ndarray[Any, Any]
Methods = Callable[..., Any]

POSITIVE = 0.0, np.inf


@dataclass(frozen=True)
class Specimen:
    """A Function to be checked, and what there is to say about it.

    Attributes:
        name, remark: what it is called, and in one sentence what is wrong with it; of a right one, what it computes.
        make: makes the Function.
        twin: the right Function with the same forward; of a right one, itself.
        signature: the shapes of the inputs in gufunc notation; "()" is elementwise.
        domain: for an input, the open interval it is defined and smooth on; bool for a mask; the name of an axis for
            integers that index it. What is not named takes all floats.
        kind: the diagnosis expected; "" of a right one.
        input: the input it is expected for; "" where it is the matter of none or of all.
        says: what its sentence has to name: an operation, or a variable of forward; "" where there is no such place.
        inputs: of a right one, the point to check it at; None lets the checker search.
    """

    name: str
    remark: str
    make: Callable[[], type[Function]] = field(repr=False)
    twin: type[Function]
    signature: str
    domain: dict[str, Any]
    kind: str = ""
    input: str = ""
    says: str = ""
    inputs: tuple[Array, ...] | None = field(default=None, repr=False)

    @property
    def target(self) -> type[Function]:
        """The Function, new each time: what it may remember of its calls begins with this one."""
        return self.make()


SPECIMENS: dict[str, Specimen] = {}
RIGHT: dict[str, Specimen] = {}


def right(signature: str, **domain: Any) -> Callable[[Any], Any]:
    """Enter a Function. Its methods become static here, so that a block shows only what is its own."""

    def enter(twin: Any) -> Any:
        twin.forward, twin.backward = staticmethod(twin.forward), staticmethod(twin.backward)
        RIGHT[twin.__name__] = Specimen(twin.__name__, twin.__doc__, lambda: twin, twin, signature, domain)
        return twin

    return enter


def also_right(name: str, twin: type[Function], remark: str, *inputs: Array) -> None:
    """Enter a Function at a point where it is right, and is taken for wrong."""
    like = RIGHT[twin.__name__]
    RIGHT[name] = Specimen(name, remark, like.make, twin, like.signature, like.domain, inputs=inputs)


def wrong(twin: type[Function], kind: str, input: str = "", says: str = "") -> Callable[[Methods], Methods]:
    """Enter a backward of `twin`. A function without parameters makes one, or a dict of forward and backward."""

    def enter(planted: Methods) -> Methods:
        def make() -> type[Function]:
            made = planted if inspect.signature(planted).parameters else planted()
            methods = made if isinstance(made, dict) else {"backward": made}
            static = {name: staticmethod(method) for name, method in methods.items()}
            return type(planted.__name__, (twin,), {"__doc__": planted.__doc__, **static})

        like, remark = RIGHT[twin.__name__], planted.__doc__ or ""
        SPECIMENS[planted.__name__] = Specimen(
            planted.__name__, remark, make, twin, like.signature, like.domain, kind, input, says
        )
        return planted

    return enter
