"""Where in the user's code a tensor was made: cheap to note, resolved to a line when somebody asks."""

from __future__ import annotations

import linecache
import sys
from itertools import islice
from types import CodeType, FrameType
from typing import NamedTuple

ROOMS = ("engine", "ops", "program", "views", "nn")  # the lab, the zoo and what else uses the engine count as users


class Packages(dict[str | None, bool]):
    """Whether a package is the engine's or SciPy's, whose frames are not the user's; asked of each name once."""

    def __missing__(self, package: str | None) -> bool:
        top, _, rest = (package or "").partition(".")
        own = top == "minigrad" and (not rest or rest.partition(".")[0] in ROOMS)
        found = self[package] = own or top == "scipy"
        return found


ENGINE = Packages()
getframe = sys._getframe


def caller(depth: int) -> tuple[CodeType, int]:
    """The innermost frame outside the engine, `depth` frames up or more, as (code, instruction offset)."""
    frame: FrameType = getframe(depth)
    while ENGINE[frame.f_globals.get("__package__")] and frame.f_back:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def raised_at(error: BaseException) -> tuple[CodeType, int]:
    """The innermost frame of the user's that `error` came through, as (code, instruction offset)."""
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append((traceback.tb_frame, traceback.tb_lasti))
        traceback = traceback.tb_next
    packages = [(frame.f_globals.get("__package__") or "", frame, at) for frame, at in frames]
    users = [(f.f_code, at) for name, f, at in packages if not ENGINE[name] and name.partition(".")[0] != "numpy"]
    return users[-1] if users else (frames[-1][0].f_code, frames[-1][1])


class Placed:
    """What knows the line that made it: as two attributes, where a pair for each node would be one more object for
    Python's collector to walk through, a sixth of its time on a tape of a million."""

    __slots__ = "code", "instruction"
    code: CodeType
    instruction: int

    @property
    def made_at(self) -> tuple[CodeType, int]:
        """The code and the offset of the instruction, see `caller`."""
        return self.code, self.instruction

    @made_at.setter
    def made_at(self, place: tuple[CodeType, int]) -> None:
        self.code, self.instruction = place


class Place(NamedTuple):
    """A stretch of source code. Lines count from 1, columns from 0 in bytes of UTF-8, as in `ast`."""

    file: str
    function: str
    line: int | None
    end_line: int | None
    column: int | None
    end_column: int | None

    @classmethod
    def of(cls, made_at: tuple[CodeType, int]) -> Place:
        code, instruction = made_at
        line, end_line, column, end_column = next(islice(code.co_positions(), instruction // 2, None))
        return cls(code.co_filename, code.co_name, line, end_line, column, end_column)

    @property
    def text(self) -> str:
        """The expression, on one line; all of its lines where Python keeps no columns; "" where the source is gone."""
        lines = [line.encode() for line in linecache.getlines(self.file)[(self.line or 1) - 1 : self.end_line]]
        if lines:
            lines[-1] = lines[-1][: self.end_column]
            lines[0] = lines[0][self.column :]
        return " ".join(line.decode().strip() for line in lines)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
