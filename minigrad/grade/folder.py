"""A class: many submissions, graded by several processes, each result written down as soon as it is there.

The journal is what a run leaves: a line of JSON for each submission, behind a line that says what was asked. Who asks
the same again goes on where the last run ended, and only what has changed since is graded once more. Everything else is
read from it, one submission at a time, so that memory does not grow with the class.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from minigrad.grade.examination import Remark
from minigrad.grade.examiner import WorkerError, plain
from minigrad.grade.exercise import Exercise, builtin, load_exercises
from minigrad.grade.formats import HEADER, cell
from minigrad.grade.grading import Mark, Marks, Rules, chosen, closed_files, grade_submission, nothing
from minigrad.grade.submission import Submission, parsed, read, visible

__all__ = ["Class", "Entry", "write_csv"]

EXCERPT = 4000  # characters of an answer


@dataclass(frozen=True)
class Entry:
    """A line of the journal: marks, and what the answers are like that are not full."""

    marks: Marks
    code: Mapping[str, tuple[str, str]]  # for an exercise: where it is wrong and what it is like there, and its text


@dataclass(frozen=True)
class Class:
    """A class to grade.

    Attributes:
        submissions: name, path, and why a file is not to be read (or ""), as `submission.found_in` gives them.
        exercises_file, names: the exercises; None are minigrad's, and all.
        flat: folders in which each file is another student's, and none may import the others.
    """

    submissions: Sequence[tuple[str, Path, str]]
    exercises_file: Path | None
    names: tuple[str, ...]
    rules: Rules
    flat: frozenset[Path]

    @property
    def exercises(self) -> dict[str, Exercise]:
        return chosen(load_exercises(self.exercises_file), self.names)

    @property
    def key(self) -> str:
        """A digest of all that marks depend on, beside the submissions: what was asked, and who marks."""
        text = (self.exercises_file or builtin()).read_text(encoding="utf-8")
        code = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.parent.rglob("*.py"))]
        whole = json.dumps([text, self.names, asdict(self.rules), code])
        return hashlib.sha256(whole.encode()).hexdigest()

    def read(self, name: str, path: Path, problem: str) -> Submission:
        if problem:
            return Submission(name, path, problem=f"{visible(path.name)} is not read: {problem}")
        return read(path, list(self.names), name, helpers=path.parent not in self.flat, closed=self.exercises_file)

    # --------------------------------------------------------------------------------------------------- the journal
    def run(self, journal: Path, jobs: int, progress: Callable[[str], Any]) -> dict[str, int]:
        """Grade what is not in the journal yet; for each submission the place of its line there.

        Args:
            jobs: how many are graded at once.
            progress: is called with the name of each that is done.
        """
        places = self.places(journal)
        wanted = deque[Submission]()
        with journal.open("ab") as file:

            def note(submission: Submission, entry: dict[str, Any]) -> None:
                places[submission.name] = (submission.digest, file.tell())
                file.write(json.dumps({**entry, "digest": submission.digest}).encode() + b"\n")
                file.flush()
                progress(submission.name)

            def todo() -> Iterator[Submission]:
                for name, path, problem in self.submissions:
                    submission = self.read(name, path, problem)
                    if places.get(name, ("", 0))[0] == submission.digest:
                        progress(name)
                    else:
                        yield submission

            if not places and not file.tell():
                file.write(json.dumps({"minigrad": "grade", "key": self.key}).encode() + b"\n")
            self.grade_all(todo(), wanted, jobs, note)
        return {name: places[name][1] for name, _, _ in self.submissions}

    def places(self, journal: Path) -> dict[str, tuple[str, int]]:
        """For each name in the journal the digest of what was graded, and where its line begins.

        A journal of something else is begun anew. A last line that a crash cut off is taken away.
        """
        found: dict[str, tuple[str, int]] = {}
        if not journal.exists():
            return found
        end = 0
        with journal.open("r+b") as file:
            for line in file:
                try:
                    known = json.loads(line)
                    if end == 0 and known.get("key") != self.key:
                        break
                    if end:
                        found[known["name"]] = (known["digest"], end)
                except (ValueError, KeyError, AttributeError):
                    break
                end += len(line)
            file.truncate(end)
        return found

    def grade_all(
        self,
        todo: Iterator[Submission],
        waiting: deque[Submission],
        jobs: int,
        note: Callable[[Submission, dict[str, Any]], None],
    ) -> None:
        pool = self.pool(jobs)
        running: dict[Future[dict[str, Any]], Submission] = {}
        try:
            while True:
                while len(running) < 2 * jobs and (one := next(todo, None)):
                    running[pool.submit(graded, one)] = one
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    submission = running.pop(future)
                    try:
                        note(submission, future.result())
                    except BrokenProcessPool:
                        waiting.extend([submission, *running.values()])
                        running.clear()
                        break
                while waiting:  # one of these ended its examiner: each alone, to know which
                    pool.shutdown(wait=False)
                    pool = self.pool(1)
                    submission = waiting.popleft()
                    try:
                        note(submission, pool.submit(graded, submission).result())
                    except BrokenProcessPool:
                        problem = f"{visible(submission.path.name)}: the examiner was ended while it graded this"
                        note(submission, recorded(nothing(submission, self.exercises, problem), submission))
                    if not waiting:
                        pool.shutdown()
                        pool = self.pool(jobs)
        except BaseException:  # and only then: one that waits for work would say that it was interrupted
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def pool(self, jobs: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(jobs, context, initializer=begin, initargs=(self,))

    def entries(self, journal: Path, places: Mapping[str, int]) -> Iterator[Entry]:
        """The entries of all submissions, in the order of their names."""
        exercises = self.exercises
        with journal.open("rb") as file:
            for name, _, _ in self.submissions:
                if name in places:
                    file.seek(places[name])
                    yield entry(json.loads(file.readline()), exercises)


# ------------------------------------------------------------------------------------------- in a process of the pool
HERE: dict[str, Any] = {}


class Told(BaseException):
    """To end, while it grades: what grading has opened is closed before."""


def begin(whole: Class) -> None:
    """A process of the pool ends when it is told to, and not by the Ctrl-C that its parent sees."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, told)
    HERE.update(rules=whole.rules, exercises=whole.exercises, closed=closed_files(whole.exercises_file))
    HERE["others"] = [path for _, path, _ in whole.submissions]


def told(*_: Any) -> None:
    """Any exception would be a result to the pool, which waits to send it for a lock that a killed one may hold."""
    if HERE.get("grading"):
        raise Told
    os._exit(1)


def graded(submission: Submission) -> dict[str, Any]:
    """One submission, as JSON has it; the process ends with it where it is told to."""
    try:
        HERE["grading"] = True
        try:
            return examined(submission)
        finally:
            HERE["grading"] = False
    except Told:
        os._exit(1)


def examined(submission: Submission) -> dict[str, Any]:
    """One submission. What breaks over it is a row as well, except that no worker starts: none would for the next."""
    hidden = [*HERE["closed"], *HERE["others"]]
    try:
        return recorded(grade_submission(submission, HERE["exercises"], HERE["rules"], hidden), submission)
    except WorkerError:
        raise
    except Exception as error:
        problem = f"not graded: an error in minigrad, and not in the file: {plain(f'{type(error).__name__}: {error}')}"
        return recorded(nothing(submission, HERE["exercises"], problem), submission)


def recorded(marks: Marks, submission: Submission) -> dict[str, Any]:
    """As JSON has it."""
    wrong = [mark for mark in marks.marks if not mark.full]
    code = {mark.exercise.name: found for mark in wrong if (found := wrong_code(submission, mark))}
    return {
        "name": marks.name,
        "file": marks.file,
        "problem": marks.problem,
        "notes": marks.notes[:20],
        "marks": [[mark.exercise.name, mark.points, mark.forward, mark.faults] for mark in marks.marks],
        "code": code,
    }


def entry(known: Mapping[str, Any], exercises: Mapping[str, Exercise]) -> Entry:
    marks = [
        Mark(exercises[name], points, forward and Remark(*forward), tuple(Remark(*fault) for fault in faults))
        for name, points, forward, faults in known["marks"]
    ]
    whole = Marks(known["name"], known["file"], tuple(marks), known["problem"], tuple(known["notes"]))
    return Entry(whole, {name: (alike, text) for name, (alike, text) in known["code"].items()})


# --------------------------------------------------------------------------------------------------- what it is like
def wrong_code(submission: Submission, mark: Mark) -> tuple[str, str] | None:
    """The method that is wrong, as it is whatever its names are, and the text of the answer; None if there is none."""
    if any(remark.kind in ("absent", "ended") for remark in (mark.forward, *mark.faults) if remark):  # not seen to be
        return None
    name = mark.exercise.name
    part = "forward" if mark.forward else "backward"
    for _, text in submission.cells:
        for node in parsed(text).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                methods = [m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == part]
            elif isinstance(node, ast.FunctionDef) and node.name == f"{name}_{part}":
                methods = [node]
            else:
                continue
            if methods and not isinstance(methods[0].body[-1], ast.Raise | ast.Pass):
                try:
                    shape = hashlib.sha256(nameless(methods[0]).encode()).hexdigest()
                except RecursionError:  # nobody reads that beside another's
                    return None
                return f"{part} {shape}", (ast.get_source_segment(text, node) or "")[:EXCERPT]
    return None


def nameless(function: ast.FunctionDef) -> str:
    """A function without the names that its author chose: they are numbered as they come."""
    tree = ast.parse(ast.unparse(function))
    body: Any = tree.body[0]
    body.decorator_list, body.returns, body.name = [], None, "f"
    if isinstance(body.body[0], ast.Expr) and isinstance(body.body[0].value, ast.Constant):
        del body.body[0]
    chosen = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    chosen |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation, node.arg = None, numbers.setdefault(node.arg, f"v{len(numbers)}")
        elif isinstance(node, ast.Name) and node.id in chosen:
            node.id = numbers.setdefault(node.id, f"v{len(numbers)}")
    return ast.dump(tree)


# --------------------------------------------------------------------------------------------------------------- CSV
def write_csv(file: TextIO, entries: Iterator[Entry], hints: str = "full") -> None:
    """A row for each submission and exercise, and one for its total."""
    rows = csv.writer(file)
    rows.writerow(HEADER)
    for found in entries:
        marks = found.marks
        for mark in marks.marks:
            said = " ".join(mark.remarks(hints))
            points = [f"{mark.earned:g}", f"{mark.exercise.total:g}"]
            rows.writerow([cell(marks.name), mark.exercise.name, *points, cell(said), cell(marks.file)])
        total = [f"{marks.earned:g}", f"{marks.total:g}", cell(marks.explanation(hints)), cell(marks.file)]
        rows.writerow([cell(marks.name), "total", *total])
