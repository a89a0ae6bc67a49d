"""The report of a check: in a terminal, in a notebook, as JSON."""

from __future__ import annotations

import dis
import html
import json
import sys
import textwrap
from collections.abc import Container, Iterator
from itertools import dropwhile
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.diagnosis import Fault
from minigrad.checks.french import spoken, titled
from minigrad.checks.trial import Trial
from minigrad.engine.words import counted

__all__ = ["Example", "Report", "Verdict"]

Array = np.ndarray[Any, Any]
Row = list[tuple[str, str]]  # stretches of text, each with its style

WIDTH = 79
SHOWN = 8  # rows and columns of a gradient
SAME = "values and gradients are those of "  # another function's
FULL = 3  # faults that are told in full, so that a report fits on a screen
STYLES = {  # name: (in rich's words, in CSS)
    "title": ("bold", "font-weight:bold"),
    "fault": ("bold red", "font-weight:bold;color:#d64545"),
    "ok": ("green", "color:#3a9d4a"),
    "kink": ("yellow", "color:#b8860b"),
    "not checked": ("dim", "opacity:.6"),
    "code": ("cyan", "color:#1a8fb8"),
    "dim": ("dim", "opacity:.6"),
    "": ("", ""),
}


class Verdict(NamedTuple):
    """One promise of the contract: its status, "ok", "fault", "not checked" or "kink"; how sure that is; its faults."""

    name: str
    status: str
    sure: str
    faults: tuple[str, ...] = ()  # by their names, "factor of x"


class Cells(NamedTuple):
    """A gradient beside what it should be: the entries in words, row by row, and which of them are wrong."""

    returned: list[list[str]]
    expected: list[list[str]]
    wrong: list[list[bool]]


class Example(NamedTuple):
    """Inputs that show a fault, as code, or "" if they were given; for wrong numbers the two gradients of one input."""

    code: str
    input: str
    table: Cells | None

    @classmethod
    def of(cls, fault: Fault, trial: Trial, target: str, given: bool) -> Example:
        names = trial.names
        lines = [f"{name} = {literal(x)}" for name, x in zip(names, trial.inputs, strict=True)]
        table = None
        if fault.input in names and trial.gradient(i := names.index(fault.input)) is not None:
            comparison = trial.compare(i)
            if comparison.got is not None and comparison.wrong.any():
                row = int(comparison.wrong.any(axis=1).argmax())  # the first cotangent that shows it
                lines.append(
                    f"g = {literal(np.asarray(trial.cotangents[row]))}  # the cotangent of the gradients below"
                )
                parts = (comparison.got, comparison.true, comparison.wrong)
                table = tabulated(trial.inputs[i].shape, *(part[row] for part in parts))
        arguments = f"({', '.join(names)}{',' * (len(names) == 1)})"
        lines = ["import numpy as np", "from minigrad import check", "", *lines, f"print(check({target}, {arguments}))"]
        return cls("" if given else "\n".join(lines), fault.input or "", table)


def literal(x: Any) -> str:
    """A value as code."""
    if not isinstance(x, np.ndarray):
        return repr(x)
    dtype = "" if x.dtype in (np.float64, np.bool_, np.int64) else f", dtype=np.{x.dtype}"
    return f"np.array({x.tolist()}{dtype})" if x.size else f"np.zeros({x.shape}, dtype=np.{x.dtype})"


def tabulated(shape: tuple[int, ...], got: Array, true: Array, wrong: Array) -> Cells:
    """As a matrix, its first rows and columns; the first rows with wrong entries, if these have none."""
    columns = shape[-1] if shape else 1
    cells = [a.reshape(-1, columns) for a in (got, true, wrong)]
    rows = np.arange(len(cells[0]))
    if not cells[2][:SHOWN].any():
        rows = rows[cells[2].any(axis=1)]
    cells = [a[rows[:SHOWN], :SHOWN] for a in cells]
    texts = [[[f"{float(v):.6g}" for v in row] for row in a] for a in cells[:2]]
    return Cells(texts[0], texts[1], [[bool(v) for v in row] for row in cells[2]])


class Report:
    """The findings of `check`. True when nothing is wrong; a bare ``assert`` of one that is not raises with its text.

    Attributes:
        function: the name of what was checked.
        faults: what is wrong, the most specific diagnosis first.
        verdicts: the promises of the contract, whether each is kept, and how sure that is.
        example: the smallest inputs found that show the first fault, or None.
        doubts: what could not be judged, a sentence each.
        sample: what was looked at, where there are too many entries to look at each; "" otherwise.
        formula: the rule, where minigrad knows the operation, or "".
        cases: how many sets of inputs were tried.
        verbose: whether its text shows every promise, and the rule.
    """

    def __init__(
        self,
        function: str,
        faults: tuple[Fault, ...],
        verdicts: tuple[Verdict, ...],
        example: Example | None = None,
        formula: str = "",
        cases: int = 0,
        doubts: tuple[str, ...] = (),
        sample: str = "",
        verbose: bool = False,
    ) -> None:
        self.function, self.faults, self.verdicts = function, faults, verdicts
        self.example, self.formula, self.cases = example, formula, cases
        self.doubts, self.sample, self.verbose = doubts, sample, verbose

    def __bool__(self) -> bool:
        __tracebackhide__ = True  # in pytest, whose message would be the first 240 characters of one line
        if self.faults and asserted(sys._getframe(1)):
            raise AssertionError(repr(self))
        return not self.faults

    def __repr__(self) -> str:
        text = "\n".join("".join(text for text, _ in line).rstrip() for line in lines(self))
        # In an assertion that says more than `assert report`, pytest would escape the ends of lines and cut the text.
        return text.partition("\n")[0] if sys._getframe(1).f_globals.get("__name__") == "_pytest._io.saferepr" else text

    def _repr_html_(self) -> str:
        spans = [
            "".join(f'<span style="{STYLES[style][1]}">{html.escape(text)}</span>' for text, style in line)
            for line in lines(self)
        ]
        return '<pre style="line-height:1.3">' + "\n".join(spans) + "</pre>"

    def of(self, faults: Container[str]) -> Report:
        """The part of it that is about `faults`, by their names."""
        few = tuple(fault for fault in self.faults if fault.name in faults)
        first = bool(few) and few[0] is self.faults[0]  # whose example it is
        return Report(self.function, few, (), self.example if first else None, verbose=True)

    def show(self) -> None:
        """Print it, in colours where rich is installed and the output is a terminal."""
        try:
            from rich.console import Console
            from rich.text import Text
        except ModuleNotFoundError:
            print(self)
            return
        console = Console(highlight=False, soft_wrap=True)
        for line in lines(self):
            console.print(Text.assemble(*((text, STYLES[style][0]) for text, style in line)))

    def to_dict(self) -> dict[str, Any]:
        """All of it, in lists, dicts and strings."""
        example = None
        if self.example:
            table = self.example.table
            example = self.example._asdict() | {"table": table and table._asdict()}
        return {
            "function": self.function,
            "ok": bool(self),
            "faults": [fault._asdict() for fault in self.faults],
            "verdicts": [verdict._asdict() for verdict in self.verdicts],
            "example": example,
            "formula": self.formula,
            "cases": self.cases,
            "doubts": list(self.doubts),
            "sample": self.sample,
        }

    def to_json(self, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)


def asserted(frame: FrameType) -> bool:
    """Whether the truth value that `frame` is asking for is that of an ``assert`` without a message.

    Python has no other way to give such an assertion its message. pytest compiles assertions to code of its own.
    """
    ahead = dropwhile(lambda step: step.offset < frame.f_lasti, dis.get_instructions(frame.f_code))
    steps = [step for step in ahead if step.opname not in ("TO_BOOL", "NOT_TAKEN")]
    if len(steps) < 3 or "IF_TRUE" not in steps[0].opname:
        return False
    fails, then = steps[1:3]
    by_python = fails.opname == "LOAD_ASSERTION_ERROR" or fails.argval is AssertionError
    by_pytest = isinstance(fails.argval, str) and fails.argval.startswith("assert ")
    return (by_python and then.opname == "RAISE_VARARGS") or by_pytest


# ------------------------------------------------------------------------------------------- one text, for all readers
def lines(report: Report) -> Iterator[Row]:
    """The report line by line, each in stretches with a style."""
    named = [fault.name for fault in report.faults]
    good = ("ok, but not all of it could be judged", "kink") if report.doubts else ("ok", "ok")
    good = (spoken(good[0]), good[1])
    yield [
        (spoken(f"check of {report.function}: "), "title"),
        (", ".join(map(titled, named)), "fault") if named else good,
    ]
    for number, (fault, name) in enumerate(zip(report.faults, named, strict=True)):
        if number == FULL and not report.verbose:
            yield []
            text = f"and {counted(len(named) - FULL, 'more fault')}: verbose=True, or -v, has all of it"
            yield from ([(line, "dim")] for line in paragraph(text, 2))
            break
        yield []
        yield [(f"  {titled(name)}", "fault")]
        yield from ([(line, "")] for line in paragraph(fault.text, 4))
    if report.example and report.example.code:
        yield []
        yield [("  " + spoken("the smallest inputs found that show it"), "title")]
        yield from ([(f"    {line}", "code")] if line else [] for line in report.example.code.splitlines())
    if report.example and report.example.table:
        yield []
        yield from side_by_side(report.example.input, report.example.table)
    if report.formula and report.verbose:
        yield []
        yield [("  " + spoken("the operation, as minigrad has it"), "title")]
        yield from ([(f"    {line}", "code")] for line in report.formula.splitlines())
    if report.doubts:
        yield []
        for doubt in report.doubts:
            yield from labelled("not judged", "kink", doubt)
    if not report.verdicts:
        return
    yield []
    if report.sample:
        yield from ([(line, "")] for line in paragraph(f"looked at: {report.sample}", 2))
    if not report.verbose:
        same = [verdict.name for verdict in report.verdicts if verdict.status == "ok" and verdict.name.startswith(SAME)]
        yield from ([(line, "dim")] for text in (*same, in_one_line(report)) for line in paragraph(text, 2))
        return
    for verdict in report.verdicts:
        text = spoken(verdict.name) + (f": {spoken(verdict.sure)}" if verdict.sure else "")
        yield from labelled(verdict.status, verdict.status, text)


def labelled(label: str, style: str, text: str) -> Iterator[Row]:
    first, *more = paragraph(text, 14)
    yield [(f"  {spoken(label):12}", style), (first.lstrip(), "")]
    yield from ([(line, "")] for line in more)


def in_one_line(report: Report) -> str:
    """The inputs and cases that were checked, in words."""
    kept = sum(verdict.status == "ok" for verdict in report.verdicts)
    skipped = sum(verdict.status == "not checked" for verdict in report.verdicts)
    text = f"checked at {counted(report.cases, 'case')}: {counted(kept, 'promise')} kept"
    text += f", {counted(skipped, 'promise')} not applicable" if skipped else ""
    return f"{text}; verbose=True, or -v, lists them"


def paragraph(text: str, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(spoken(text), WIDTH, initial_indent=margin, subsequent_indent=margin, break_long_words=False)


def side_by_side(name: str, table: Cells) -> Iterator[Row]:
    """The two gradients; of the one that was returned, wrong entries have a star."""
    head, other = spoken(f"d{name} returned, * wrong"), spoken("should be")
    width = max((len(cell) for row in (*table.returned, *table.expected) for cell in row), default=0)
    gap = max(len(head) - (width + 2) * len(table.wrong[0]) - 2, 0) + 3
    yield [(f"    {head:{(width + 2) * len(table.wrong[0]) + 2 + gap}}{other}", "dim")]
    for returned, expected, wrong in zip(*table, strict=True):
        line: Row = [("    [", "")]
        for cell, bad in zip(returned, wrong, strict=True):
            line.append((f"{cell:>{width + 1}}{'*' if bad else ' '}", "fault" if bad else ""))
        right = "".join(f"{cell:>{width + 1}}" for cell in expected)
        yield [*line, ("]" + " " * gap, ""), (f"[{right} ]", "")]
