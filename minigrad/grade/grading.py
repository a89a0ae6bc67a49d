"""Marks for a file of Functions."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from traceback import extract_tb
from typing import Any

from minigrad.commands.userfile import UserFileError
from minigrad.grade.examination import WORDS, Findings, Remark, examine, whole
from minigrad.grade.examiner import Gone, Indoors, Limits, Worker, WorkerError, plain, subject_of, without_processes
from minigrad.grade.exercise import Exercise, builtin, load_exercises
from minigrad.grade.submission import Submission, read, visible

__all__ = ["HINTS", "Mark", "Marks", "Rules", "grade", "grade_submission"]

WIDTH = 100  # of the report
HINTS = "none", "kind", "full"
SAME_PROCESS = "graded in the examiner's own process, as there are no others here: nothing protects the marks"
COMPLEX_STEP = Remark("differences", "", "the derivative is an imaginary part, as of a complex step: write the rule")
OVER = "not graded: the time for the whole file was over"


@dataclass(frozen=True)
class Rules:
    """How a teacher wants it.

    Attributes:
        limits: what a submission may use.
        total: seconds for all exercises of one file.
        seed: of the inputs that are tried, with what is handed in.
        follow: the part of the points that a right backward earns whose forward is wrong, from 0 to 1. Where the
            forward has but a constant of another size it earns them all.
    """

    limits: Limits = field(default_factory=Limits)
    total: float = 300.0
    seed: int = 0
    follow: float = 0.0


@dataclass(frozen=True)
class Mark:
    """The points of one Function, and why they are not more.

    Attributes:
        points: for forward and for the gradient of each input what it got, by name.
        forward: what is wrong with forward, or with the whole; None if nothing is.
        faults: what is wrong with backward.

    >>> from minigrad.grade import Exercise
    >>> twice = Exercise("Twice", "y = 2 x", {"forward": 1, "x": 2}, lambda x: 2 * x, "()->()")
    >>> mark = Mark(twice, {"forward": 1, "x": 0})
    >>> mark.earned, mark.full
    (1, False)
    """

    exercise: Exercise = field(repr=False)
    points: dict[str, float]
    forward: Remark | None = None
    faults: tuple[Remark, ...] = ()

    @property
    def earned(self) -> float:
        return sum(self.points.values())

    @property
    def full(self) -> bool:
        return self.earned == self.exercise.total

    def remarks(self, hints: str = "full") -> list[str]:
        """The sentences that explain it: nothing, the kind of each fault, or all; what two have in common once."""
        told = [remark for remark in (self.forward, *self.faults) if remark and hints != "none"]
        kinds = [f"{WORDS[r.kind]}{f' ({r.input})' if r.input else ''}" for r in told]
        return list(dict.fromkeys([r.text for r in told] if hints == "full" else kinds))

    def text(self, hints: str = "full") -> str:
        lines = [
            textwrap.fill(text, WIDTH, initial_indent="    - ", subsequent_indent="      ")
            for text in self.remarks(hints)
        ]
        return "\n".join([f"{self.exercise.name:14}{self.earned:3g} / {self.exercise.total:g}", *lines])

    __str__ = text


@dataclass(frozen=True)
class Marks:
    """The marks for a submission; true if all of them are full.

    Attributes:
        name, file: whose they are, and of what file.
        problem: why nothing of it could be graded; "" if it could.
        notes: what its statements raised while it was loaded.

    >>> marks = Marks("ada", "ada.py", (), problem="no class of an exercise is in it")
    >>> bool(marks), marks.earned
    (False, 0)
    """

    name: str
    file: str
    marks: tuple[Mark, ...]
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def earned(self) -> float:
        return sum(mark.earned for mark in self.marks)

    @property
    def total(self) -> float:
        return sum(mark.exercise.total for mark in self.marks)

    def __bool__(self) -> bool:
        return not self.problem and self.earned == self.total

    def explanation(self, hints: str = "full") -> str:
        """The sentences on the whole file."""
        if self.problem:
            return self.problem
        if SAME_PROCESS in self.notes:
            return SAME_PROCESS
        missing = any(mark.forward and mark.forward.kind == "absent" for mark in self.marks)
        if not self.notes or hints == "none" or not missing:
            return ""
        more = f"; and {len(self.notes) - 1} more" if len(self.notes) > 1 else ""
        return f"loaded without what raises: {self.notes[0]}{more}"

    def text(self, hints: str = "full") -> str:
        return "\n".join(
            [*[mark.text(hints) for mark in self.marks], *filter(None, [self.explanation(hints)]), self.sum]
        )

    __str__ = text

    @property
    def sum(self) -> str:
        return f"{'total':14}{self.earned:3g} / {self.total:g}"


def grade(
    path: str | Path,
    exercises: Sequence[str] | None = None,
    *,
    exercises_file: str | Path | None = None,
    timeout: float = 30.0,
    total_timeout: float = 300.0,
    seed: int = 0,
    follow_through: float = 0.0,
    progress: Callable[[Mark], Any] | None = None,
) -> Marks:
    """Grade the Functions in a student's file, a Python file or a notebook.

    A forward is held against the reference; a backward is checked as `minigrad.check` does, for what forward computes.
    It earns marks where forward is right: for each input whose gradient has no fault. A fault that belongs to no single
    input, such as writing into the cotangent, costs them all. The file runs in a process of its own, which gets arrays
    and returns arrays; this one never runs it.

    Args:
        path: a file with classes named as the exercises are: Functions of minigrad or of torch, or pairs
            ``(forward, backward)`` of functions of arrays.
        exercises: the names of those to grade; by default all.
        exercises_file: a file with a list EXERCISES of `minigrad.grade.Exercise`; by default minigrad's ten.
        timeout: seconds for one exercise; loading the file has as many.
        total_timeout: seconds for everything.
        seed: of the inputs that are tried, with what is handed in.
        follow_through: the part of the points that a right backward earns where the forward is wrong.
        progress: is called with each Mark as soon as it is known.

    Returns:
        Marks, also for a file that cannot be read or run: then there are no points, and `problem` says why.

    Raises:
        UserFileError: the file does not exist, or that of the exercises is none.
        ModuleNotFoundError: the package hypothesis is not installed.
        WorkerError: no worker can be started; a RuntimeError.
        ValueError: an exercise of that name does not exist.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "lab.py")
    >>> _ = file.write_text("ReLU = lambda x: x * (x > 0), lambda g, x: g * (x > 0)")
    >>> print(grade(file, ["ReLU"]))
    ReLU            6 / 6
    total           6 / 6
    """
    path = Path(path)
    known = chosen(load_exercises(exercises_file), exercises)
    if not path.is_file():
        raise UserFileError(f"there is no file {str(path)!r}")
    closed = None if exercises_file is None else Path(exercises_file)
    rules = Rules(Limits(time=timeout), total_timeout, seed, follow_through)
    return grade_submission(read(path, list(known), closed=closed), known, rules, closed_files(closed), progress)


def closed_files(exercises_file: Path | None) -> list[Path]:
    """The files that no submission may see."""
    return [builtin() if exercises_file is None else exercises_file]


def chosen(exercises: dict[str, Exercise], names: Sequence[str] | None) -> dict[str, Exercise]:
    """Those of the names, in their order."""
    if not find_spec("hypothesis"):  # which the checker searches with: missed before a mark is lost over it
        raise ModuleNotFoundError("grade needs hypothesis", name="hypothesis")
    for name in names or ():
        if name not in exercises:
            close = get_close_matches(name, exercises, 1, 0.4)
            advice = f"did you mean {close[0]}?" if close else f"they are {', '.join(exercises)}"
            raise ValueError(f"there is no exercise {name!r}; {advice}")
    return {name: exercises[name] for name in names or exercises}


def grade_submission(
    submission: Submission,
    exercises: dict[str, Exercise],
    rules: Rules,
    hidden: Sequence[Path] = (),
    progress: Callable[[Mark], Any] | None = None,
) -> Marks:
    """Grade what has been read; `hidden` are files that no submission may see."""
    marks: list[Mark] = []
    sitting = Sitting(submission, rules, hidden)
    try:
        for exercise in exercises.values():
            marks.append(marked(exercise, sitting.findings(exercise), rules.follow))
            if progress:
                progress(marks[-1])
    finally:
        sitting.close()
    return Marks(submission.name, submission.file, tuple(marks), sitting.problem, tuple(sitting.notes))


def nothing(submission: Submission, exercises: dict[str, Exercise], problem: str) -> Marks:
    """No marks, and why."""
    marks = tuple(marked(exercise, whole("absent", problem)) for exercise in exercises.values())
    return Marks(submission.name, submission.file, marks, problem)


class Sitting:
    """One submission's workers, one at a time: after one that has ended, the next exercise has another."""

    def __init__(self, submission: Submission, rules: Rules, hidden: Sequence[Path]) -> None:
        self.submission, self.rules, self.hidden = submission, rules, hidden
        self.end = monotonic() + rules.total
        self.seed = rules.seed + int(submission.digest[:8], 16)  # so that no file can hold the answers to what is asked
        self.worker: Worker | None = None
        self.problem = submission.problem
        self.notes: list[str] = []

    def findings(self, exercise: Exercise) -> Findings:
        if self.problem:
            return whole("absent", self.problem)
        if self.end <= monotonic():
            return whole("ended", OVER)
        try:
            worker = self.ready()
            worker.deadline = min(monotonic() + self.rules.limits.time, self.end)
            subject = subject_of(worker, exercise.name)
            if isinstance(subject, str):
                return whole("absent", subject)
            found = examine(exercise, subject, self.seed)
            if self.submission.complex_step(exercise.name):
                found = replace(found, faults=(COMPLEX_STEP, *found.faults))
            return found
        except Gone as gone:
            self.close()
            return whole("ended", self.told(str(gone))) if not self.problem else whole("absent", self.problem)
        except WorkerError:
            raise
        except Exception as error:  # what the submission raises has been caught where it was called
            at = extract_tb(error.__traceback__)[-1]
            bug = f"{type(error).__name__}: {error} (line {at.lineno} of {Path(at.filename).name})"
            return whole("error", f"not graded: an error in minigrad, and not in the file: {plain(bug)}")

    def ready(self) -> Worker:
        """A worker that has loaded the file."""
        if self.worker is None:
            self.worker = start(self.submission, self.rules.limits, self.hidden)
            self.worker.deadline = min(monotonic() + self.rules.limits.time, self.end)
            try:
                notes = self.worker.ask("load", [list(cell) for cell in self.submission.cells])
            except Gone as gone:
                self.problem = f"{visible(self.submission.path.name)} cannot be loaded: {self.told(str(gone))}"
                raise
            self.notes = [plain(note) for note in notes if isinstance(note, str)]
            if without_processes():
                self.notes.insert(0, SAME_PROCESS)
        return self.worker

    def told(self, reason: str) -> str:
        if reason != "over":
            return reason
        return (
            OVER
            if self.end <= monotonic()
            else f"it was stopped after {self.rules.limits.time:.3g} s: an endless loop?"
        )

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()
            self.worker = None


def start(submission: Submission, limits: Limits, hidden: Sequence[Path]) -> Worker:
    """A worker; only where a system has no processes, one in this."""
    return (Indoors if without_processes() else Worker)(submission, limits, hidden)


def marked(exercise: Exercise, found: Findings, follow: float = 0.0) -> Mark:
    """The points for what was found."""
    wrong = found.forward
    part = 1.0 if wrong is None or wrong.kind == "constant" else follow if wrong.kind == "values" else 0.0
    points: dict[str, float] = {}
    for name, worth in exercise.points.items():
        if name == "forward":
            points[name] = 0 if wrong else worth
        else:
            faulty = any(fault.input in ("", name) for fault in found.faults)
            points[name] = 0 if faulty else worth if part == 1 else worth * part
    return Mark(exercise, points, wrong, found.faults)
