"""The tape as a ledger: what the forward computed, then what the backward sent along each edge, and the totals."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from typing import Any

import numpy as np

from minigrad.engine.names import kind, line
from minigrad.engine.words import counted, html_table, shape, shortened, summary
from minigrad.tensor import Tensor
from minigrad.views import Command
from minigrad.views.formula import edge_equations
from minigrad.views.steps import Trace, traced

FORWARD = ["#", "name", "operation", "shape", "dtype", "value", "kept", "line", "code"]
BACKWARD = ["step", "from", "to", "rule", "undone", "adds", "gradient"]
LONGEST = 44  # characters of code in a row


class Table:
    """A ledger; `str` and `print` give text, in colours on a terminal with rich, and a notebook shows tables.

    Attributes:
        trace: the tape and the backward that the table is of.
        forward: a row for each node: number, name, operation, shape, dtype, value, bytes kept, line, code.
        backward: a row for each edge: step, from, to, rule, what was undone, what it adds if not all, gradient so far.
        totals: what is below the line.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.forward = [self.node(node, kept) for node, kept in zip(trace.nodes, bytes_kept(trace.nodes), strict=True)]
        self.backward = [self.step(i) for i in range(len(trace.steps))]
        self.totals = self.sums()

    def node(self, node: Tensor, kept: int) -> list[str]:
        place = node.where
        values = [
            str(self.trace.number[node]),
            self.trace.name[node],
            self.operation(node),
            shape(node),
            str(node.dtype),
        ]
        return [*values, summary(self.trace.value[node]), size(kept), line(place), shortened(place.text, LONGEST)]

    def operation(self, node: Tensor) -> str:
        return kind(node) if node.op is None else self.trace.call(node)

    def step(self, i: int) -> list[str]:
        step, name = self.trace.steps[i], self.trace.name
        what = undone(step.partial, step.contribution)
        rule = ", ".join(line.unicode for line in edge_equations(self.trace, step))
        adds = summary(step.contribution) if step.before is not None else ""  # else it is all of the gradient so far
        return [str(i), name[step.node], name[step.input], rule, what, adds, summary(step.total)]

    def sums(self) -> list[str]:
        trace = self.trace
        leaves = [n for n in trace.nodes if kind(n) == "parameter"]
        kept = sum(bytes_kept(trace.nodes))
        results = sum(n.op is not None for n in trace.nodes)
        entries = counted(sum(p.size for p in leaves), "entry", "entries")
        totals = [
            f"{counted(len(trace.nodes), 'node')}: {counted(results, 'result')}, "
            f"{counted(len(leaves), 'parameter')} with {entries}; the tape keeps {size(kept)} for the backward",
            f"{counted(len(trace.steps), 'backward step')}",
        ]
        gradients = [trace.cotangents[p] for p in leaves if p in trace.cotangents]
        if gradients:
            with np.errstate(over="ignore"):
                norm = np.sqrt(sum(float(np.square(g.astype(np.float64)).sum()) for g in gradients))
            totals[1] += f"; norm of the gradient over all parameters {norm:.6g}"
        if trace.failure is not None:
            where = f" at {trace.name[trace.failed_at]}" if trace.failed_at is not None else ""
            totals.append(f"the backward stops{where}: {trace.failure}")
        return totals

    def __str__(self) -> str:
        if sys.stdout.isatty() and find_spec("rich"):
            return self.coloured()
        return self.plain()

    def plain(self) -> str:
        """Columns of text."""
        parts = ["forward", aligned([FORWARD, *self.forward])]
        if self.backward:
            parts += ["", "backward", aligned([BACKWARD, *self.backward])]
        return "\n".join([*parts, "", *self.totals])

    def coloured(self) -> str:
        """The same with rich's colours, as wide as the terminal."""
        from rich.console import Console

        console = Console(file=io.StringIO(), force_terminal=True, width=Console().width)
        console.print(self)
        return console.file.getvalue().rstrip("\n")  # type: ignore[attr-defined, no-any-return]

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table as Rich
        from rich.text import Text

        styles = {"parameter": "green", "data": "dim", "result": ""}
        tables: list[Any] = []
        for title, head, rows in (("forward", FORWARD, self.forward), ("backward", BACKWARD, self.backward)):
            table = Rich(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
            for column in head:
                table.add_column(
                    column, justify="right" if column in ("#", "step", "kept") else "left", overflow="fold"
                )
            for node, row in zip(self.trace.nodes if title == "forward" else [None] * len(rows), rows, strict=True):
                table.add_row(*map(Text, row), style=styles[kind(node)] if node is not None else "yellow")
            if rows:
                tables.append(table)
        return Group(*tables, *map(Text, self.totals))

    def __repr__(self) -> str:
        return self.plain()

    def _repr_html_(self) -> str:
        parts = [html_table("forward", FORWARD, self.forward)]
        if self.backward:
            parts.append(html_table("backward", BACKWARD, self.backward))
        return "".join([*parts, *(f"<p>{escape(line)}</p>" for line in self.totals)])


def bytes_kept(nodes: Sequence[Tensor]) -> list[int]:
    """For each node the bytes that the tape holds because of it, and that no node before it holds already.

    These are its value, the constants among its inputs and what a Function saved. A view costs what it is a view of.
    """
    seen: set[int] = set()
    found = []
    for node in nodes:
        total = 0
        for array in [node.array, *node.values, *(node.op.kept() if node.op is not None else ())]:
            while isinstance(array, np.ndarray) and isinstance(array.base, np.ndarray):
                array = array.base
            if isinstance(array, np.ndarray) and id(array) not in seen:
                seen.add(id(array))
                total += array.nbytes
        found.append(total)
    return found


def undone(partial: Any, contribution: Any) -> str:
    """The broadcasting and the promotion to a wider dtype that were undone: "5×4 → 4"; "" where nothing was."""
    pairs = (shape(partial), shape(contribution)), (str(partial.dtype), str(contribution.dtype))
    return ", ".join(f"{before} → {after}" for before, after in pairs if before != after)


def size(nbytes: int) -> str:
    """Bytes in the unit that leaves one to four digits."""
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.4g} {unit}"
        nbytes /= 1024  # type: ignore[assignment]
    return f"{nbytes:.4g} GiB"


def width(text: str) -> int:
    """Columns that a terminal needs: a combining line stands over the letter before it."""
    return len(text) - text.count("\u0304") - text.count("\u0305")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (n - width(cell)) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def table(output: Tensor, gradient: Any = None) -> Table:
    """The tape of `output` and its backward as a ledger, to print: in colours on a terminal where rich is installed.

    Args:
        output: any tensor; its backward is looked at if it can be differentiated, and no `.grad` changes.
        gradient: the cotangent to start with if `output` is not a single number.

    Raises:
        TypeError: `output` is no Tensor.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> print(table((w * 3.0).sum()))  # doctest: +ELLIPSIS +NORMALIZE_WHITESPACE
    forward
    #  name  operation       shape   dtype    value  kept  line     code
    0  w     parameter       2       float64  [1 2]  16 B  ...
    1  t1    multiply(w, 3)  2       float64  [3 6]  16 B  ...
    2  t2    sum(t1)         scalar  float64  9      8 B   ...
    <BLANKLINE>
    backward
    step  from  to  rule                              undone  adds  gradient
    0     t2    t1  t̅1̅ = broadcast_to(t̅2̅, shape(t1))                [1 1]
    1     t1    w   w̄ = t̅1̅ · 3                                      [3 3]
    <BLANKLINE>
    3 nodes: 2 results, 1 parameter with 2 entries; the tape keeps 40 B for the backward
    2 backward steps; norm of the gradient over all parameters 4.24264
    """
    return Table(traced(output, gradient))


COMMAND = Command(
    "the tape of a script and its backward, as a table",
    "Print the tape and its backward: values, lines, rules, gradients, memory.",
    lambda trace, options: print(Table(trace)),
)
