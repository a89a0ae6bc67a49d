"""A class report, for the terminal and as one HTML file: marks, faults by kind, the same wrong code side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigrad.grade.examination import WORDS

if TYPE_CHECKING:
    from minigrad.grade.folder import Entry

__all__ = ["OURS", "Summary", "page", "show", "summary"]

BINS = 10
TWINS = 20  # groups of the same code that are shown
OURS = '<meta name="generator" content="minigrad grade">'


@dataclass
class Summary:
    """The faults and marks that a class has in common.

    Attributes:
        total: what can be earned.
        earned: by each.
        exercises: for each exercise what can be earned, and what all of them earned together.
        faults: for an exercise and a kind of fault how many have it, and one who has, with what was said.
        twins: for an exercise, where it is wrong there and what it is like, who wrote the same.
        unread: who handed in what cannot be read, and why.
    """

    total: float = 0
    earned: list[float] = field(default_factory=list)
    exercises: dict[str, tuple[float, float]] = field(default_factory=dict)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    twins: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.earned)

    @property
    def mean(self) -> float:
        return sum(self.earned) / self.count if self.count else 0

    @property
    def bins(self) -> list[tuple[str, int]]:
        """How many have so much: by tenths of what can be earned."""
        counts = Counter(min(int(BINS * x / self.total), BINS) if self.total else 0 for x in self.earned)
        step = self.total / BINS
        return [(f"{k * step:g} to {(k + 1) * step:g}", counts[k]) for k in range(BINS)] + [("all", counts[BINS])]

    @property
    def same(self) -> list[tuple[str, str, list[str]]]:
        """The largest groups of more than one: exercise, what their code is like, and who."""
        groups = [(name, alike, who) for (name, alike), who in self.twins.items() if len(who) > 1]
        return sorted(groups, key=lambda group: -len(group[2]))[:TWINS]


def summary(entries: Iterator[Entry]) -> Summary:
    found = Summary()
    for one in entries:
        marks = one.marks
        found.total = marks.total
        found.earned.append(marks.earned)
        if marks.problem:
            found.unread.append((marks.name, marks.problem))
            continue
        for mark in marks.marks:
            name = mark.exercise.name
            _, so_far = found.exercises.get(name, (0, 0))
            found.exercises[name] = mark.exercise.total, so_far + mark.earned
            told = {r.kind: r.text for r in (mark.forward, *mark.faults) if r}
            for kind, text in told.items():
                found.faults[name, kind] += 1
                found.examples.setdefault((name, kind), (marks.name, text))
        for exercise, (alike, _) in one.code.items():
            found.twins.setdefault((exercise, alike), []).append(marks.name)
    return found


def show(found: Summary, console: Any) -> None:
    """In the terminal, on a rich console."""
    from rich.table import Table
    from rich.text import Text

    def table(title: str, *columns: str) -> Any:
        new = Table(title=title, title_justify="left")
        for k, column in enumerate(columns):
            new.add_column(column, justify="right" if k == 1 else "left")
        return new

    console.print(Text(f"{found.count} submissions, {found.mean:.1f} of {found.total:g} in the mean"))
    marks = table("marks", "points", "students", "")
    most = max((count for _, count in found.bins), default=0) or 1
    for name, count in found.bins:
        marks.add_row(name, str(count), "█" * round(30 * count / most))
    console.print(marks)
    if found.faults:
        faults = table("what is wrong", "exercise", "students", "kind", "for example")
        for (name, kind), count in found.faults.most_common():
            who, text = found.examples[name, kind]
            faults.add_row(*map(Text, (name, str(count), WORDS[kind], f"{who}: {shortened(text)}")))
        console.print(faults)
    for name, alike, names in found.same:
        console.print(Text(f"the same wrong {alike.split()[0]} of {name}: {', '.join(names)}"))
    for who, problem in found.unread:
        console.print(Text(f"{who}: {problem}"))


def shortened(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em }
body { color: #222; background: #fff }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: .3em .8em; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }
td.number { text-align: right }
.bar { background: #2b6cb0; height: 1em }
.side { display: flex; gap: 1em; overflow-x: auto }
pre { background: #f6f6f6; padding: .8em; font-size: 13px; min-width: 30em }
h2 { margin-top: 2em }
"""


def page(found: Summary, text_of: Callable[[str, str], tuple[str, str]]) -> str:
    """One HTML file that needs nothing else; `text_of` gives file and code of a student's answer to an exercise."""

    def table(head: list[str], rows: list[list[str]]) -> str:
        first = "".join(f"<th>{escape(text)}</th>" for text in head)
        rest = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
        return f"<table><tr>{first}</tr>{rest}</table>"

    def td(text: Any) -> str:
        return f'<td class="number">{text}</td>' if isinstance(text, int | float) else f"<td>{escape(text)}</td>"

    most = max((count for _, count in found.bins), default=0) or 1
    bars = [
        [td(name), td(count), f'<td><div class="bar" style="width: {20 * count / most:.1f}em"></div></td>']
        for name, count in found.bins
    ]
    means = [
        [td(name), td(round(earned / max(found.count - len(found.unread), 1), 2)), td(total)]
        for name, (total, earned) in found.exercises.items()
    ]
    faults = []
    for (name, kind), count in found.faults.most_common():
        who, text = found.examples[name, kind]
        faults.append([td(name), td(WORDS[kind]), td(count), td(f"{who}: {text}")])
    parts = [
        f"<p>{found.count} submissions, {found.mean:.1f} of {found.total:g} points in the mean.</p>",
        "<h2>Marks</h2>",
        table(["points", "students", ""], bars),
        table(["exercise", "mean", "of"], means),
        "<h2>What is wrong</h2>",
        table(["exercise", "kind", "students", "for example"], faults) if faults else "<p>Nothing.</p>",
        "<h2>The same wrong code</h2>",
        "" if found.same else "<p>None.</p>",
    ]
    for name, alike, names in found.same:
        parts.append(f"<h3>{escape(name)}, {escape(alike.split()[0])}: {escape(', '.join(names))}</h3>")
        parts.append('<div class="side">')
        for student in names[:2]:
            file, code = text_of(student, name)
            parts.append(f"<div><b>{escape(student)}</b> {escape(Path(file).name)}<pre>{escape(code)}</pre></div>")
        parts.append("</div>")
    if found.unread:
        rows = [[td(who), td(problem)] for who, problem in found.unread]
        parts += ["<h2>Not read</h2>", table(["student", "why"], rows)]
    body = "\n".join(parts)
    head = f'<meta charset="utf-8">{OURS}<title>Class report</title><style>{STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body><h1>Class report</h1>\n{body}\n</body></html>\n'
