"""The report of a check: in a terminal, in a notebook, as JSON."""

from __future__ import annotations

import html
import textwrap
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.diagnosis import Fault
from minigrad.checks.trial import Trial

__all__ = ["Example", "Report", "Verdict"]

Array = np.ndarray[Any, Any]
WIDTH = 79
SHOWN = 8  # rows and columns of a gradient


class Verdict(NamedTuple):
    """One promise of the contract: kept ("ok"), broken ("fault"), "not checked", or "kink"; and how sure that is."""

    name: str
    status: str
    sure: str


class Table(NamedTuple):
    """A gradient beside what it should be, in words: rows of entries, and which of them are wrong."""

    returned: list[list[str]]
    expected: list[list[str]]
    wrong: list[list[bool]]


class Example(NamedTuple):
    """Inputs that show a fault, as code, and the two gradients of one of them."""

    code: str
    input: str
    table: Table | None

    @classmethod
    def of(cls, fault: Fault, trial: Trial, target: str) -> Example:
        names = trial.names
        lines = ["import numpy as np", "import minigrad"]
        lines += [f"{name} = {literal(x)}" for name, x in zip(names, trial.inputs, strict=True)]
        arguments = f"({', '.join(names)}{',' * (len(names) == 1)})"
        lines.append(f"print(minigrad.check({target}, {arguments}))")
        table, name = None, fault.input or ""
        if name in names and trial.gradient(i := names.index(name)) is not None:
            comparison = trial.compare(i)
            if comparison.wrong.any():
                row = int(comparison.wrong.any(axis=1).argmax())  # the first cotangent that shows it
                g = trial.cotangents[row]
                lines.insert(-1, f"g = {literal(g)}  # the incoming cotangent of the gradients below")
                assert comparison.got is not None
                table = tabulated(trial.inputs[i].shape, comparison.got[row], comparison.true[row], comparison.wrong[row])
        return cls("\n".join(lines), name, table)


def literal(x: Any) -> str:
    """An array as code."""
    if not isinstance(x, np.ndarray):
        return repr(x)
    dtype = "" if x.dtype in (np.float64, np.bool_, np.int64) else f", dtype=np.{x.dtype}"
    values = np.array2string(
        x, separator=", ", threshold=10**6, max_line_width=10**6, formatter={"float_kind": lambda v: repr(float(str(v)))}
    )
    text = " ".join(values.split())
    return f"np.array({text}{dtype})" if x.size else f"np.zeros({x.shape}, np.{x.dtype})"


def tabulated(shape: tuple[int, ...], got: Array, true: Array, wrong: Array) -> Table:
    """As a matrix, its first rows and columns; where these are right, the first that are wrong."""
    columns = shape[-1] if shape else 1
    cells = [a.reshape(-1, columns) for a in (got, true, wrong)]
    rows = np.arange(len(cells[0]))
    if not cells[2][:SHOWN].any():
        rows = rows[cells[2].any(axis=1)]
    cells = [a[rows[:SHOWN], :SHOWN] for a in cells]
    texts = [[[f"{float(v):.6g}" for v in row] for row in a] for a in cells[:2]]
    return Table(texts[0], texts[1], [[bool(v) for v in row] for row in cells[2]])


class Report:
    """What `check` found. True when nothing is wrong.

    Attributes:
        function: the name of what was checked.
        faults: what is wrong, the most specific diagnosis first.
        verdicts: the promises of the contract, and whether each is kept.
        example: the smallest inputs found that show the first fault, or None.
        formula: the rule, where minigrad knows the operation, or "".
    """

    def __init__(
        self,
        function: str,
        faults: tuple[Fault, ...],
        verdicts: tuple[Verdict, ...],
        example: Example | None = None,
        formula: str = "",
    ) -> None:
        self.function, self.faults, self.verdicts = function, faults, verdicts
        self.example, self.formula = example, formula

    def __bool__(self) -> bool:
        return not self.faults

    @property
    def title(self) -> str:
        if self:
            return f"check of {self.function}: ok"
        n = len(self.faults)
        return f"check of {self.function}: {n} fault{'s' * (n > 1)}"

    def __repr__(self) -> str:
        lines = [self.title]
        for fault in self.faults:
            lines += ["", f"  {fault.kind}{f', input {fault.input}' if fault.input else ''}"]
            lines += textwrap.wrap(fault.text, WIDTH - 4, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
        if self.example:
            lines += ["", "  The smallest inputs that show it:", ""]
            lines += [f"    {line}" for line in self.example.code.splitlines()]
            if self.example.table:
                lines += ["", *(f"    {line}" for line in side_by_side(self.example))]
        if self.formula:
            lines += ["", "  The rule:", "", *(f"    {line}" for line in self.formula.splitlines())]
        lines += ["", *(line for verdict in self.verdicts for line in verdict_lines(verdict))]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it, in lists, dicts and strings."""
        example = self.example and self.example._asdict() | {"table": self.example.table and self.example.table._asdict()}
        return {
            "function": self.function,
            "ok": bool(self),
            "faults": [fault._asdict() for fault in self.faults],
            "verdicts": [verdict._asdict() for verdict in self.verdicts],
            "example": example,
            "formula": self.formula,
        }

    def to_json(self, indent: int | None = 2) -> str:
        import json

        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def show(self) -> None:
        """Print it, in colours where rich is installed and the output is a terminal."""
        try:
            from rich.console import Console
        except ModuleNotFoundError:
            print(self)
            return
        from minigrad.checks.colours import coloured

        Console(highlight=False).print(coloured(self))

    def _repr_html_(self) -> str:
        return as_html(self)


def side_by_side(example: Example) -> list[str]:
    table = example.table
    assert table is not None
    marked = [[f"{v}*" if bad else f"{v} " for v, bad in zip(row, wrong, strict=True)] for row, wrong in zip(table.returned, table.wrong, strict=True)]
    left, right = rows(marked), rows(table.expected)
    head = f"d{example.input} returned (* wrong)"
    width = max(len(head), *map(len, left)) + 3
    return [f"{head:{width}}should be", *(f"{a:{width}}{b}" for a, b in zip(left, right, strict=True))]


def rows(cells: list[list[str]]) -> list[str]:
    width = max((len(cell) for row in cells for cell in row), default=0)
    return ["[" + " ".join(f"{cell:>{width}}" for cell in row) + "]" for row in cells]


def verdict_lines(verdict: Verdict) -> list[str]:
    first = f"  {verdict.status:12}{verdict.name}"
    if not verdict.sure:
        return [first]
    text = f"{first}: {verdict.sure}"
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * 16, drop_whitespace=True) if len(text) > WIDTH else [text]


def as_html(report: Report) -> str:
    parts = [f"<b>{html.escape(report.title)}</b>"]
    for fault in report.faults:
        head = fault.kind + (f", input {fault.input}" if fault.input else "")
        parts.append(f"<p><b style='color:#b00020'>{html.escape(head)}</b><br>{html.escape(fault.text)}</p>")
    return "<div>" + "".join(parts) + "</div>"
