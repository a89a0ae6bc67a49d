"""Files that are there in full or not at all."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any


@contextmanager
def replacing(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A new file ("w" for text, "wb" for bytes) that takes the place of `path` when the block ends well.

    At any moment `path` holds the old content or the new one, and whole; its mode is kept, and a link still points to
    it. What is no ordinary file, such as a pipe or /dev/null, is written into.
    """
    path = Path(os.path.realpath(path))
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "errors": "replace", "newline": ""}
    try:
        if path.exists() and not path.is_file():
            with path.open(mode, **text) as file:
                yield file
        else:
            yield from _replacing(path, mode, text)
    except OSError as error:
        error.filename = str(path)  # a full disk does not say whose, and a partial file is not what was asked for
        raise


def _replacing(path: Path, mode: str, text: dict[str, Any]) -> Iterator[IO[Any]]:
    with own_file(path) as file:
        partial = Path(file.name)
        try:
            with open(file.fileno(), mode, closefd=False, **text) as new:
                yield new
            with suppress(FileNotFoundError):
                os.chmod(partial, stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())  # or the name might be on the disk before the bytes are
            if os.name != "posix":
                file.close()  # elsewhere an open file cannot be renamed
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def own_file(path: Path) -> IO[bytes]:
    """An empty file beside `path`, which nobody else writes; what a process left behind that was killed is used again.

    It is locked, and a lock ends with its process. In the same folder, since a rename within one is atomic.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # no Unix
        return path.with_name(f"{path.name}.{os.getpid()}.partial").open("wb")
    for attempt in itertools.count():
        partial = path.with_name(f"{path.name}.partial{attempt or ''}")
        file = partial.open("ab")
        with suppress(BlockingIOError, FileNotFoundError):
            flock(file, LOCK_EX | LOCK_NB)
            if os.fstat(file.fileno()).st_ino == partial.stat().st_ino:  # its owner did not rename it just now
                file.truncate(0)
                return file
        file.close()
    raise AssertionError("unreachable")
