"""What the lab says when it cannot do what it was asked, or doubts that it was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_command = ContextVar("command", default=False)


class LabError(ValueError):
    """The lab cannot do what it was asked; the message says in a sentence why, and what would work."""


class LabWarning(UserWarning):
    """The lab does what was asked and doubts that it was meant."""


class FileWarning(LabWarning):
    """A file could not be written; the run was carried through without it."""


def unknown(what: str, name: Any, known: Iterable[str]) -> LabError:
    """The error for a name that is none of those known."""
    return LabError(f"there is no {what} {name!r}; take {' or '.join(known)}")


def option(name: str, value: object = None) -> str:
    """A setting as the reader would write it: an argument in Python, an option on the command line.

    >>> option("batch_size"), option("missing", "drop")
    ('batch_size', "missing='drop'")
    >>> with on_command_line():
    ...     option("batch_size"), option("missing", "drop")
    ('--batch-size', '--missing drop')
    """
    if not _command.get():
        return name if value is None else f"{name}={value!r}"
    import shlex

    dashed = "--" + name.replace("_", "-")
    return dashed if value is None else f"{dashed} {shlex.quote(str(value))}"


@contextmanager
def on_command_line() -> Iterator[None]:
    """While it is entered, messages name the options of the command."""
    token = _command.set(True)
    try:
        yield
    finally:
        _command.reset(token)
