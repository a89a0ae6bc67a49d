"""The views, which show a tape: one file each, and nothing else anywhere.

The view `table` is the function `table` of `table.py`. ``minigrad.table`` imports that file when somebody asks for it,
so that ``import minigrad`` stays quick. With a `COMMAND` the file is a command of the command line as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, NamedTuple

from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["Command", "commands", "find", "names"]


class Command(NamedTuple):
    """A view on the command line.

    Attributes:
        help: what it does, in the list of commands.
        description: the same, above its own help.
        show: is given the `Trace` to show, and the arguments.
        configure: adds arguments of its own.
        ours: words that the file has which it writes to ``options.output``, if it writes one.
    """

    help: str
    description: str
    show: Callable[[Any, Namespace], None]
    configure: Callable[[ArgumentParser], None] = lambda parser: None
    ours: str = ""


def find(name: str) -> Any:
    """The module of the view `name`; None if there is no such view."""
    module = import_module(f"{__name__}.{name}") if name.isidentifier() and find_spec(f"{__name__}.{name}") else None
    return module if callable(getattr(module, name, None)) else None


def names() -> list[str]:
    """The names of all views, each of which is imported for it."""
    return [module.name for module in iter_modules(__path__) if find(module.name)]


def commands() -> dict[str, str]:
    """The views that are commands, and the help of each: its first argument, a text in quotes.

    It is read and the file not imported, which for all views would be half of the time that ``--help`` takes.
    """
    found = {}
    for folder in map(Path, __path__):
        for file in sorted(folder.glob("*.py")):
            text = file.read_text(encoding="utf-8")
            if command := re.search(r'^COMMAND = Command\(\s*"([^"\\]*)"', text, re.MULTILINE):
                found[file.stem] = command[1]
    return found


def _repr_html_(self: Tensor) -> str:
    """A tensor as a notebook shows it. It runs no backward."""
    return str(find("draw").shown(self))


def _repr_svg_(self: Tensor) -> str | None:
    """The graph alone; None for a leaf."""
    graph: str | None = find("draw").svg_of(self)
    return graph


Tensor._repr_html_, Tensor._repr_svg_ = _repr_html_, _repr_svg_  # type: ignore[method-assign, assignment]
