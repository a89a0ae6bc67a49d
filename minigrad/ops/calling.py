"""How an operation may be called: by its own names, and in the words of the function that it stands for.

``np.sum(t, 0, None)`` arrives at minigrad's sum, which has no dtype. Each argument that NumPy's function knows is one
that the operation has, too, or says no more than its default, or is refused by its name: none is taken and not obeyed.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from inspect import Parameter
from typing import Any

import numpy as np

REMEDIES = {
    "dtype": ": convert with .astype(dtype), before or after",
    "out": ": a result is a tensor of its own",
    "where": ": x[condition] or np.where(condition, x, other) chooses entries in a step of its own",
    "initial": ": combine it with the result in a step of its own",
}
NOT_GIVEN = np._NoValue  # the default of what NumPy passes on only if it is given
STATIC = {int, float, bool, str, type(None), type, slice, type(Ellipsis)}  # as they are


def whole_name(function: Any) -> str:
    """``np.linalg.solve``, and not ``np.solve``."""
    module = getattr(function, "__module__", None) or ""  # other ufuncs than NumPy's have none, nor its own before 2.2
    if not module:
        return f"np.{function.__name__}" if hasattr(np, function.__name__) else f"the ufunc {function.__name__}"
    return f"{module.replace('numpy', 'np', 1)}.{function.__name__}" if "minigrad" not in module else "torch"


def static(value: Any) -> Any:
    """A static argument as the tape keeps it: NumPy's integers are Python's, and arrays of them are tuples."""
    if type(value) in STATIC:
        return value
    if isinstance(value, np.integer | np.bool_) or (type(value) is np.ndarray and value.dtype.kind in "iu"):
        return static(value.tolist())
    return tuple(map(static, value)) if type(value) in (tuple, list) else value


def in_order(parameters: Sequence[Parameter], inputs: int, words: Any, renamed: Mapping[str, str]) -> list[Parameter]:
    """The parameters of a forward as those of a function that is called.

    Static arguments may be given by position, too, sum(x, 0), as far as `words` has them in that order.
    """
    signature = signature_of(words)
    theirs = [renamed.get(p.name, p.name) for p in signature.parameters.values()] if signature else None
    found, by_position = list(parameters[:inputs]), True
    for i, p in enumerate(parameters[inputs:], inputs):
        by_position = by_position and (theirs is None or theirs[i : i + 1] == [p.name])
        found.append(p.replace(kind=p.POSITIONAL_OR_KEYWORD) if by_position else p)
    return found


@cache
def signature_of(words: Any) -> inspect.Signature | None:
    """None where there are no `words`, or NumPy does not tell: before 2.4, of what it has in C."""
    try:
        found = inspect.signature(words) if words else None
    except ValueError:
        return None
    kinds = {p.kind for p in found.parameters.values()} if found else set()
    return None if kinds == {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD} else found  # Python 3.13 says that much


class Calling:
    """The ways to call one operation.

    Args:
        name: the operation's.
        parameters: its own.
        inputs: how many of the first are arrays. They go by their position, whatever `words` calls them.
        words: the function of NumPy in whose words it may be called, or one with the parameters of torch's, or None.
        renamed: which names of `words` are which of its own.

    Attributes:
        signature: as the user sees it.
        most: how many arguments it takes by position.
        names: those it takes by name.
        any_words: whether it takes any others.
    """

    def __init__(
        self, name: str, parameters: Sequence[Parameter], inputs: int, words: Any, renamed: Mapping[str, str]
    ) -> None:
        self.name, self.source = name, words
        self.own, self.inputs, self.given = [p.name for p in parameters], inputs, renamed
        self.signature = inspect.Signature(parameters)
        kinds = [p.kind for p in parameters]
        by_name = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        self.names = {p.name for p in parameters if p.kind in by_name}
        self.any_words = Parameter.VAR_KEYWORD in kinds
        self.most = np.inf if Parameter.VAR_POSITIONAL in kinds else kinds.count(Parameter.POSITIONAL_OR_KEYWORD)

    # What follows is asked for at the first call in other words, since to ask NumPy of all would slow down the import.
    @cached_property
    def words(self) -> inspect.Signature:
        """The parameters of the function that the operation stands for."""
        return signature_of(self.source) or inspect.Signature()

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The operation's own name for each of `words` that is called otherwise."""
        by_position = [p.name for p in self.words.parameters.values() if p.kind is not p.KEYWORD_ONLY]
        return dict(zip(by_position[: self.inputs], self.own, strict=False)) | dict(self.given)

    def fits(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Whether none of the arguments is unknown; some may be missing."""
        return len(args) <= self.most and (self.any_words or kwargs.keys() <= self.names)

    def translated(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call that does not fit, by the operation's own names; TypeError for what it has not."""
        own_names = {self.renamed.get(name, name): value for name, value in kwargs.items()}
        if len(own_names) == len(kwargs) and self.fits(args, own_names):
            return tuple(args), own_names
        try:
            bound = self.words.bind(*args, **kwargs)
        except TypeError:
            raise self.mistake(args, kwargs) from None
        others: tuple[Any, ...] = ()
        found: dict[str, Any] = {}
        for word, value in bound.arguments.items():
            p = self.words.parameters[word]
            if p.kind is p.VAR_POSITIONAL:
                others = value
                continue
            for name, given in (value if p.kind is p.VAR_KEYWORD else {word: value}).items():
                own = self.renamed.get(name, name)
                if given is NOT_GIVEN:
                    continue
                if own in found:
                    raise TypeError(f"{self.name}: {own} was given twice, the second time as {name}")
                if own in self.names:
                    found[own] = given
                elif not same(given, p.default):
                    raise TypeError(
                        f"{self.name}{self.signature}: {name} of {whole_name(self.source)} is not supported, and was "
                        f"{reprlib.repr(given)}{REMEDIES.get(name, ', not its default')}"
                    )
        return others, found

    def mistake(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TypeError:
        """The error for arguments that neither the operation nor its `words` have: `inspect` knows what to say."""
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            return TypeError(f"{self.name}{self.signature}: {error}")
        raise AssertionError("called for arguments that do fit")


def same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and type(value) in STATIC and value == default)
