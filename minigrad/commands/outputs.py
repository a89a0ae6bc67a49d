"""Files that commands write: nobody else's is replaced, and what is written is there in full or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from minigrad.commands.userfile import fail

__all__ = ["replaceable", "replacing", "write"]


def replaceable(path: Path, ours: str, force: bool) -> bool:
    """Whether nothing stands there, or something of this command, which has the words `ours` in it."""
    if force or not path.exists():
        return True
    with path.open(encoding="utf-8", errors="replace") as file:
        return ours in file.read(1 << 20)


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A new file in the place of `path`, which is there in full or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8", newline="") as file:
        yield file
    new.replace(path)


def write(text: str, path: Path | None, ours: str, force: bool) -> int:
    """To standard output or a file, which is replaced if it is one of ours or --force is given."""
    if path is None:
        print(text, end="")
        return 0
    if not replaceable(path, ours, force):
        return fail(2, f"{path} is not of this command: --force replaces it")
    with replacing(path) as file:
        file.write(text)
    return 0
