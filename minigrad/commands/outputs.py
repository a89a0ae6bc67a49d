"""Files that commands write: nobody else's is replaced, and what is written is there in full or not at all."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

from minigrad.commands.userfile import fail
from minigrad.engine import files

__all__ = ["refused", "replacing", "write"]


def refused(path: str | Path, ours: str, force: bool, *given: str | Path) -> str | None:
    """Why `path` is not to be written, if it is not: it is a file that the command was given, or somebody else's.

    What is of this command has the words `ours` in it. Nothing is lost in what is no file: /dev/null, a pipe.
    """
    path = Path(path)
    if force or not path.is_file():
        return None
    if any(Path(file).is_file() and path.samefile(file) for file in given):
        return f"{path} is what the command reads: --force replaces it"
    with path.open(encoding="utf-8", errors="replace") as file:
        return None if ours in file.read(1 << 20) else f"{path} is not of this command: --force replaces it"


def replacing(path: Path) -> AbstractContextManager[TextIO]:
    """A new file in the place of `path`, in a folder that is made for it, which is there in full or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return files.replacing(path)  # type: ignore[return-value]  # of mode "w"


def write(text: str, path: Path | None, ours: str, force: bool, *given: str | Path) -> int:
    """To standard output or a file, which is replaced if it is one of ours or --force is given."""
    if path is None:
        print(text, end="")
        return 0
    if reason := refused(path, ours, force, *given):
        return fail(2, reason)
    with replacing(path) as file:
        file.write(text)
    return 0
