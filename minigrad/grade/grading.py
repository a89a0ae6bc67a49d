"""Marks for a file of Functions.

A student's code may loop for ever, end the process, eat the memory. So it runs in a process of its own
(`examination.py`), and what is found there arrives exercise by exercise. When the process is gone or silent for too
long, the exercise it was at gets no marks, and another process goes on with the rest.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from types import TracebackType
from typing import Any

from minigrad.commands.userfile import UserFileError
from minigrad.grade.exercises import EXERCISES, Exercise

__all__ = ["Mark", "Marks", "grade"]

START = 60.0  # seconds that Python and NumPy may take to start, on a machine that has much to do
LONGEST = 1 << 20  # bytes of one message
WIDTH = 100  # of the report
OVER = "not graded: the time for the whole file was over"


@dataclass(frozen=True)
class Mark:
    """What one Function got, and why not more.

    Attributes:
        points: for forward and for the gradient of each input what it got, by name.
        forward: what is wrong with forward, or with the whole; "" if nothing is.
        faults: what is wrong with backward, each a dict of the fault's kind, input and text.
    """

    exercise: Exercise = field(repr=False)
    points: dict[str, int]
    forward: str = ""
    faults: tuple[dict[str, str], ...] = ()

    @property
    def earned(self) -> int:
        return sum(self.points.values())

    @property
    def remarks(self) -> list[str]:
        """The sentences that explain it; what two gradients have in common is said once."""
        texts: dict[str, None] = dict.fromkeys(fault["text"] for fault in self.faults)
        return [text for text in (self.forward, *texts) if text]

    def __str__(self) -> str:
        head = f"{self.exercise.name:14}{self.earned:3} / {self.exercise.total}"
        indent = " " * 4
        lines = [
            textwrap.fill(text, WIDTH, initial_indent=indent + "- ", subsequent_indent=indent + "  ")
            for text in self.remarks
        ]
        return "\n".join([head, *lines])


@dataclass(frozen=True)
class Marks:
    """The marks for a file; true if all of them are full."""

    file: str
    marks: tuple[Mark, ...]

    @property
    def earned(self) -> int:
        return sum(mark.earned for mark in self.marks)

    @property
    def total(self) -> int:
        return sum(mark.exercise.total for mark in self.marks)

    def __bool__(self) -> bool:
        return self.earned == self.total

    def __str__(self) -> str:
        return "\n".join([*map(str, self.marks), self.sum])

    @property
    def sum(self) -> str:
        return f"{'total':14}{self.earned:3} / {self.total}"

    def to_dict(self) -> dict[str, Any]:
        """For autograders: the score, and a test for each exercise, named as Gradescope's results.json names them."""
        return {
            "score": self.earned,
            "max_score": self.total,
            "tests": [
                {
                    "name": mark.exercise.name,
                    "score": mark.earned,
                    "max_score": mark.exercise.total,
                    "status": "passed" if mark.earned == mark.exercise.total else "failed",
                    "output": "\n".join(mark.remarks),
                    "extra_data": {"points": mark.points, "forward": mark.forward, "faults": list(mark.faults)},
                }
                for mark in self.marks
            ],
        }


def grade(
    path: str | Path,
    exercises: Sequence[str] | None = None,
    *,
    timeout: float = 30.0,
    total_timeout: float = 300.0,
    seed: int = 0,
    progress: Callable[[Mark], Any] | None = None,
) -> Marks:
    """Grade the Functions in a student's file.

    A forward is held against minigrad's operation; a backward is checked as `minigrad.check` does, for what forward
    computes. It earns marks where forward is right: for each input whose gradient has no fault. A fault that belongs
    to no single input, such as writing into the cotangent, costs them all.

    Args:
        path: a Python file with classes named as the exercises are (`minigrad.grade.exercises.EXERCISES`).
        exercises: the names of those to grade; by default all.
        timeout: seconds for one exercise; loading the file has as many.
        total_timeout: seconds for everything.
        seed: of the inputs that are tried.
        progress: is called with each Mark as soon as it is known.

    Raises:
        UserFileError: the file does not exist, or cannot be loaded.
        ModuleNotFoundError: the package hypothesis is not installed.
        ValueError: an exercise of that name does not exist.
    """
    path = Path(path)
    names = list(EXERCISES if exercises is None else dict.fromkeys(exercises))
    for name in names:
        if name not in EXERCISES:
            close = get_close_matches(name, EXERCISES, 1, 0.4)
            advice = f"did you mean {close[0]}?" if close else f"they are {', '.join(EXERCISES)}"
            raise ValueError(f"there is no exercise {name!r}; {advice}")
    if not find_spec("hypothesis"):  # which the checker searches with: missed before a mark is lost over it
        raise ModuleNotFoundError("grade needs hypothesis", name="hypothesis")
    if not path.is_file():
        raise UserFileError(f"there is no file {str(path)!r}")
    marks: list[Mark] = []
    end = monotonic() + total_timeout
    while len(marks) < len(names):
        waiting = names[len(marks) :]
        if monotonic() < end:
            found = sitting(path, waiting, timeout, end, seed, again=bool(marks))
        else:
            found = ({"forward": OVER, "faults": []} for _ in waiting)
        for name, findings in zip(waiting, found, strict=False):
            marks.append(marked(EXERCISES[name], **findings))
            if progress:
                progress(marks[-1])
    return Marks(str(path), tuple(marks))


def marked(exercise: Exercise, forward: str, faults: Sequence[dict[str, str]]) -> Mark:
    points = {}
    for name, worth in exercise.points.items():
        faulty = name != "forward" and any(fault["input"] in ("", name) for fault in faults)
        points[name] = 0 if forward or faulty else worth
    return Mark(exercise, points, forward, tuple(faults))


def sitting(
    path: Path, names: Sequence[str], timeout: float, end: float, seed: int, again: bool
) -> Iterator[dict[str, Any]]:
    """Findings for `names` in their order, from one process; the last is a problem's if it did not get through."""
    with Process({"file": str(path), "exercises": list(names), "seed": seed}) as process:
        stage, done = "starting Python", 0
        while done < len(names):
            left = end - monotonic()
            try:
                message = process.receive(min(START if stage == "starting Python" else timeout, left))
            except (TimeoutError, EOFError) as gone:
                over = isinstance(gone, TimeoutError) and end <= monotonic()
                problem = OVER if over else f"{stage} {gone}"
                if stage == "starting Python" and not over:
                    raise RuntimeError(f"grade: {problem}") from None
                if stage != "it" and not again and not over:
                    raise UserFileError(f"{path} cannot be loaded: {problem}") from None
                yield {"forward": problem, "faults": []}
                return
            if "failed" in message:
                if not again:
                    raise UserFileError(message["failed"])
                yield {"forward": f"when the file was loaded again: {message['failed']}", "faults": []}
                return
            if "stage" in message:
                stage = message["stage"]
            else:
                done += 1
                yield message


class Process:
    """A process that examines one file, and a line from it that only this program can read."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.token = secrets.token_hex(16)
        self.messages: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        package = str(Path(__file__).parents[2])
        here = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "minigrad.grade.examination"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=here,
            start_new_session=True,  # to end with it what it has started
        )
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"token": self.token, **job}).encode())
        self.process.stdin.close()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        """Take what has the token; a file that finds the line can write there, but not that."""
        assert self.process.stdout
        lead = f"{self.token} ".encode()
        with self.process.stdout as line:
            while text := line.readline(LONGEST):
                if text.startswith(lead):
                    self.messages.put(json.loads(text.removeprefix(lead)))
        self.messages.put(None)

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next message. TimeoutError or EOFError say in a half sentence why there is none."""
        try:
            message = self.messages.get(timeout=max(seconds, 0))
        except Empty:
            raise TimeoutError(f"was stopped after {seconds:.3g} s: an endless loop?") from None
        if message is None:
            raise EOFError(f"ended the process ({self.last_words()})")
        return message

    def last_words(self) -> str:
        code = self.process.wait(10)
        if code >= 0:
            return f"exit code {code}"
        number = signal.Signals(-code)
        return "a segmentation fault" if number == signal.SIGSEGV else number.name

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        if os.name == "posix":
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
