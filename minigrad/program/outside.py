"""What a function finds outside of its arguments: by which names, and whether something there has changed.

A program holds the numbers that a function found outside as they were when it was traced. So they are looked up again
at each call: variables of enclosing functions and global variables, default arguments, attributes, entries of lists and
dicts, attributes of modules, small arrays; and the same of the functions that it calls and of the classes that it uses.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Callable, Container, Iterator
from functools import cache, partial
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from minigrad.tensor import Tensor

__all__ = ["Outside", "arrays_outside", "comparable", "places"]

DEEP = 12  # steps from the function
MANY = 1000  # entries of a list or dict that are looked through, or of an array that is compared
MOST = 20_000  # places in all
SIMPLE = int | float | complex | str | bytes | None | np.generic | np.dtype | range | slice
FIXED = "minigrad.ops", "minigrad.program"  # operations and programs are not written into
HOW = {  # a place is read
    "cell": "c{0}.cell_contents is v{0}", "item": "c{0}[k{0}] is v{0}", "attribute": "c{0}.{1} is v{0}",
    "length": "len(c{0}) == v{0}", "content": "c{0}.tobytes() == v{0}", "set": "c{0} == v{0}",
    "class": "vars(c{0})[k{0}] is v{0}",
}  # fmt: skip


class Finding(NamedTuple):
    """Something that was found outside: `container` has `value` under `key`."""

    name: str
    how: str
    container: Any
    key: Any
    value: Any
    depth: int = 0

    @property
    def identity(self) -> Any:
        return self.how, id(self.container), self.key


def places(*roots: Any, without: Container[Any] = ()) -> list[Finding]:
    """Everything that can be reached from `roots`, which are functions or objects, on other ways than `without`."""
    names = {name for root in roots if isinstance(root, FunctionType) for name in names_in(root.__code__)}
    known = -1
    while len(names) > known:  # a function that is reached late may read an attribute of what was reached before
        known, found = len(names), reached(roots, names, without)
    return found


def reached(roots: tuple[Any, ...], names: set[str], without: Container[Any]) -> list[Finding]:
    found = [Finding("", "fixed", roots, i, root) for i, root in enumerate(roots)]
    seen = set()
    for place in found:  # which grows meanwhile
        x = place.value
        if isinstance(x, SIMPLE) or id(x) in seen or place.depth > DEEP or len(found) > MOST:
            continue
        seen.add(id(x))
        if isinstance(x, FunctionType):
            names.update(names_in(x.__code__))
        held = [Finding(*h, place.depth + 1) for h in held_by(place.name, x, names)]
        found += [p for p in held if p.identity not in without]
    return found


Held = tuple[str, str, Any, Any, Any]  # a Finding without its depth


def held_by(name: str, x: Any, names: set[str]) -> Iterator[Held]:
    """The parts that x holds. `names` are the global variables and attributes that functions read."""
    if isinstance(x, Tensor):
        return
    if isinstance(x, np.ndarray):
        if x.size <= MANY:
            yield name, "content", x, None, x.tobytes()
    elif isinstance(x, FunctionType):
        if origin(x) == "numpy" or (x.__module__ or "").startswith("minigrad.ops"):
            return
        if operation := getattr(x, "operation", None):  # of a user's block, which finds what its functions find
            functions = (operation.forward, *map(operation.rule_of, range(len(operation.inputs))))
            yield from ((name, "fixed", x, i, function) for i, function in enumerate(functions) if callable(function))
            return
        for variable, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            try:
                yield variable, "cell", cell, None, cell.cell_contents
            except ValueError:  # a variable that is not assigned yet
                continue
        if origin(x):  # a transform or a layer: what it works on is in its cells
            return
        space = x.__globals__
        yield from ((n, "item", space, n, space[n]) for n in names_in(x.__code__) if n in space)
        if x.__defaults__:
            yield name, "attribute", x, "__defaults__", x.__defaults__
        if x.__kwdefaults__:
            yield "", "attribute", x, "__kwdefaults__", x.__kwdefaults__
        yield from ((n, "item", vars(x), n, value) for n, value in vars(x).items() if n != "__wrapped__")
    elif isinstance(x, MethodType | partial | staticmethod | classmethod | property):
        for part in ("__self__", "__func__", "func", "args", "keywords", "fget"):
            if hasattr(x, part):
                yield "" if part in ("__self__", "keywords") else name, "fixed", x, part, getattr(x, part)
    elif isinstance(x, tuple):
        yield from ((f"{name}{i}", "fixed", x, i, part) for i, part in enumerate(x))
    elif isinstance(x, list | deque | dict):
        yield name, "length", x, None, len(x)
        if len(x) <= MANY:
            parts, between = (x.items(), "_") if isinstance(x, dict) else (enumerate(x), "")
            yield from ((f"{name}{between}{key}".lstrip("_"), "item", x, key, part) for key, part in parts)
    elif isinstance(x, set | frozenset):
        yield name, "set", x, None, frozenset(x)
    elif isinstance(x, ModuleType):
        if not origin(x):
            yield from ((f"{name}_{n}", "item", vars(x), n, value) for n, value in vars(x).items() if n in names)
    elif isinstance(x, type):
        if not origin(x):
            own = {n: v for n, v in vars(x).items() if not n.startswith("__") or n == "__call__"}
            yield from ((f"{name}_{n}".lstrip("_"), "class", x, n, value) for n, value in own.items())
            yield from ((name, "fixed", x, i, base) for i, base in enumerate(x.__mro__[1:]))
    elif origin(type(x)) in (None, "minigrad", "") and not type(x).__module__.startswith(FIXED):
        yield name, "attribute", x, "__class__", type(x)
        if isinstance(getattr(x, "__dict__", None), dict):
            yield from held_by(name, vars(x), names)
        for n in [n for kind in type(x).__mro__ for n in np.atleast_1d(getattr(kind, "__slots__", ())).tolist()]:
            if hasattr(x, n) and n not in ("__dict__", "__weakref__"):
                yield f"{name}_{n}".lstrip("_"), "attribute", x, n, getattr(x, n)


def origin(x: Any) -> str | None:
    """The package that x is defined in: "" for the standard library, None for the user's."""
    package = ((x.__name__ if isinstance(x, ModuleType) else x.__module__) or "").partition(".")[0]
    module = sys.modules.get(package)
    if module is None or package in ("__main__", "minigrad", "numpy"):
        return package if package in ("minigrad", "numpy") else None
    file = getattr(module, "__file__", None)
    if file is None:
        return ""
    return (package if "site-packages" in file else "") if installed(file) else None


@cache
def installed(file: str) -> bool:
    return Path(os.__file__).parent in Path(file).parents


def names_in(code: Any) -> list[str]:
    """The names that a function and the functions inside of it may read, of global variables and of attributes."""
    inner = [c for c in code.co_consts if hasattr(c, "co_names")]
    return [*code.co_names, *(name for c in inner for name in names_in(c))]


def arrays_outside(fn: Any) -> dict[int, tuple[str, Any]]:
    """The Tensors and arrays that a function can reach without its arguments: by identity, name and object."""
    found = {id(p.value): p for p in reversed(places(fn)) if isinstance(p.value, Tensor | np.ndarray)}
    return {key: (re.sub(r"\W", "_", p.name) or "array", p.value) for key, p in reversed(found.items())}


def comparable(x: Any) -> Any:
    """A value as something to compare and to hash: what is looked into by itself counts as its type."""
    if isinstance(x, float | complex) and not isinstance(x, np.generic):
        return type(x), repr(x)  # -0.0 is not 0.0, and nan is nan
    if isinstance(x, np.generic):
        return x.dtype.str, x.tobytes()
    if isinstance(x, slice):
        return slice, repr(x)
    if isinstance(x, SIMPLE | frozenset):
        return type(x), x
    if isinstance(x, FunctionType):
        return x.__code__
    return type(x) if next(held_by("", x, set()), None) and not isinstance(x, type | np.ndarray) else id(x)


class Outside:
    """The values that some functions find outside, and whether they are still the same.

    Attributes:
        unchanged: a function that tells whether every place still holds the very object that it held; None if there is
            nothing to look at.
        state: a number for what they find; the same as before if it is the same as before.
    """

    def __init__(self, *functions: Any) -> None:
        self.functions = functions
        self.written: set[Any] = set()  # places that the functions themselves write into: counters and logs
        self.states: dict[Any, int] = {}
        self.kept: list[Any] = []  # so that no identity is given to another object
        self.look()

    def look(self) -> None:
        self.see(places(*self.functions, without=self.written))

    def see(self, found: list[Finding]) -> None:
        self.places = {p.identity: p for p in found}
        state = tuple([(p.name, p.how, comparable(p.value)) for p in found])
        if state not in self.states:
            self.states[state] = len(self.states)
            self.kept.append(found)
        self.state = self.states[state]
        self.unchanged = checker([p for p in found if p.how in HOW])

    def now(self) -> int:
        if self.unchanged is not None and not self.unchanged():
            self.look()
        return self.state

    def ran(self) -> int:
        """The state after the functions ran: what they have changed is theirs, and is not looked at any more."""
        before = {key: comparable(p.value) for key, p in self.places.items()}
        found = places(*self.functions)
        for place in found:
            if place.how in HOW and before.get(place.identity, self) != comparable(place.value):
                self.written.add(place.identity)
        self.see(places(*self.functions, without=self.written) if self.written else found)
        return self.state


def checker(found: list[Finding]) -> Callable[[], bool] | None:
    """A function that is true while each place holds what it held."""
    if not found:
        return None
    space: dict[str, Any] = {}
    for i, place in enumerate(found):
        space |= {f"c{i}": place.container, f"k{i}": place.key, f"v{i}": place.value}
    terms = " and ".join(HOW[place.how].format(i, place.key) for i, place in enumerate(found))
    exec(UNCHANGED.format(terms), space)
    return space["unchanged"]  # type: ignore[no-any-return]


UNCHANGED = """\
def unchanged():
    try:
        return {}
    except (AttributeError, LookupError, ValueError):  # it has gone
        return False
"""
