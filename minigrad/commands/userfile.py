"""Objects in files that a user names on the command line: ``file.py:name``, ``package.module:name``."""

from __future__ import annotations

import sys
import traceback
from contextlib import AbstractContextManager
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from runpy import run_path
from types import ModuleType
from typing import Any

__all__ = ["UserFileError", "fail", "load_file", "load_object", "run_script", "running"]


MACHINERY = ("importlib", "runpy", __file__)  # whose lines are no help


class UserFileError(Exception):
    """A file cannot be loaded, or has no such name; the message is for the user, in full."""


def fail(code: int, reason: str) -> int:
    """Say why on standard error, and return `code`."""
    print(f"minigrad: {reason}", file=sys.stderr)
    return code


def load_object(spec: str) -> Any:
    """The object that `spec` names: ``file.py:name``, ``package.module:name`` or ``package.module.name``.

    Raises:
        UserFileError: there is no such file, module or name, or running it failed, with the user's own lines.
    """
    place, colon, name = spec.rpartition(":")
    if not colon:
        if spec.endswith(".py"):
            raise UserFileError(f"{spec!r} names a file: say which object in it, as {spec}:NAME")
        place, _, name = spec.rpartition(".")
    if not place or not name:
        raise UserFileError(f"{spec!r} is not file.py:NAME or package.module:NAME")
    found = load_file(place) if place.endswith(".py") else _load_module(place)
    for part in name.split("."):
        names = [known for known in dir(found) if not known.startswith("_")]
        if not hasattr(found, part):
            close = get_close_matches(part, names, 1)
            advice = f"; did you mean {close[0]!r}?" if close else ""
            raise UserFileError(f"{place} has no {part!r}{advice}")
        found = getattr(found, part)
    return found


def load_file(path: str | Path) -> ModuleType:
    """Run the Python file at `path` and return it as a module; it may import what lies beside it.

    Raises:
        UserFileError: there is no such file, or running it failed, with the user's own lines.
    """
    path = Path(path)
    if not path.is_file():
        raise UserFileError(f"there is no file {str(path)!r}")
    other = sys.modules.get(path.stem)  # a file of the user's may be called as a module that others need
    taken = other is not None and getattr(other, "__file__", None) != str(path.resolve())
    spec = spec_from_file_location(f"{path.stem} ({path})" if taken else path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise UserFileError(f"{str(path)!r} is no Python file: its name should end in .py")
    module = module_from_spec(spec)
    with _Importing(path.parent, str(path)):
        sys.modules[spec.name] = module  # dataclasses and pickle look there for the classes of a file
        spec.loader.exec_module(module)
    return module


def run_script(path: str | Path) -> dict[str, Any]:
    """Run the Python file at `path` as ``python path`` would, and return its global names; none if it ended by exit(0).

    Raises:
        UserFileError: there is no such file, or running it failed, with the user's own lines.
    """
    path = Path(path)
    if not path.is_file():
        raise UserFileError(f"there is no file {str(path)!r}")
    with _Importing(path.parent, str(path)):
        try:
            return run_path(str(path), run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise
            return {}


def running(path: str) -> AbstractContextManager[None]:
    """While it is entered, what the file at `path` raises is told as the user's error, with the user's own lines."""
    return _Importing(Path(path).parent, path, "did not run to its end")


def _load_module(name: str) -> ModuleType:
    try:
        with _Importing(Path(), name):
            return import_module(name)
    except UserFileError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name == "torch":
            raise cause from None  # torch_ref's, of which the command says what to install
        if isinstance(cause, ModuleNotFoundError) and cause.name == "torch_ref":
            from minigrad.lab.descent import torch_ref  # where it is, seen from another folder than that of a clone

            found: ModuleType = torch_ref(name)
            return found
        raise


class _Importing:
    """While it is entered, imports look into `folder`, and what goes wrong is told as the user's error."""

    def __init__(self, folder: Path, what: str, why: str = "cannot be loaded") -> None:
        self.folder, self.what = str(folder.resolve()), f"{what} {why}"

    def __enter__(self) -> None:
        sys.path.insert(0, self.folder)

    def __exit__(self, kind: Any, error: BaseException | None, frames: Any) -> None:
        sys.path.remove(self.folder)
        if isinstance(error, Exception | SystemExit):
            own = [f for f in traceback.extract_tb(frames) if not any(part in f.filename for part in MACHINERY)]
            lines = traceback.format_list(own) + traceback.format_exception_only(error)
            raise UserFileError(f"{self.what}:\n{''.join(lines).rstrip()}") from error
