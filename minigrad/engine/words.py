"""Things in words: numbers with their nouns, arrays as short texts."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from html import escape
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
FEW = 28  # characters that are short enough for a box
SPOKEN = ContextVar("SPOKEN", default="")  # the language of the exercise that is being checked
MANY = 6  # entries of an array that are written out in a label


def counted(n: int, noun: str, several: str = "") -> str:
    """A number with its noun, whose plural is `several`, or takes an s.

    >>> counted(1, "row"), counted(20640, "row"), counted(2, "box", "boxes")
    ('1 row', '20,640 rows', '2 boxes')
    """
    return f"{n:,} {noun if n == 1 else several or noun + 's'}"


def shortened(text: str, longest: int) -> str:
    """`text` on one line, cut off after `longest` characters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def number(x: Any) -> str:
    """A number in as few characters as four digits need.

    >>> number(0.1234567), number(-0.0), number(3e-12), number(float("nan")), number(True)
    ('0.1235', '0', '3e-12', 'nan', 'True')
    """
    return str(x) if isinstance(x, bool | np.bool_) else f"{x + 0:.4g}"  # -0.0 + 0 is 0.0


def summary(array: Any) -> str:
    """An array in half a line: its entries if there are few, otherwise its mean, spread and range.

    >>> summary(np.array([1.0, 2.5])), summary(np.arange(100.0))
    ('[1 2.5]', 'mean 49.5 ± 28.87, 0 to 99')
    """
    array = np.asarray(array)
    if array.size == 0:
        return "empty"
    if array.ndim == 0:
        return number(array[()])
    if array.size <= MANY:
        return rows(array)
    if array.dtype == bool:
        return f"{np.count_nonzero(array)} of {array.size} true"
    if array.dtype.kind not in "fiu":
        return f"{array.size} entries"
    finite = array[np.isfinite(array)]
    odd = [f"{n} {what}" for what, n in (("nan", np.isnan(array).sum()), ("inf", np.isinf(array).sum())) if n]
    if not finite.size:
        return ", ".join(odd)
    if (finite == finite[0]).all():
        return ", ".join([*odd, f"all {number(finite[0])}" if not odd else f"the others {number(finite[0])}"])
    wide = finite.astype(np.float64)
    with np.errstate(over="ignore"):
        spread = f"mean {number(wide.mean())} ± {number(wide.std())}"
    return ", ".join([*odd, spread, f"{number(finite.min())} to {number(finite.max())}"])


def brief(array: Array) -> str:
    """An array in a few characters: its entries if they are short, otherwise its mean and spread."""
    text = summary(array)
    if len(text) <= FEW or array.dtype.kind not in "fiu":
        return text
    if text.startswith("["):
        with np.errstate(all="ignore"):
            return f"mean {number(array.mean())} ± {number(array.std())}"
    return text.partition(", ")[0]


def rows(array: Array) -> str:
    """All entries on one line, nested as the axes are."""
    if array.ndim == 0:
        return number(array[()])
    return "[" + " ".join(map(rows, array)) + "]"


def shape(array: Any) -> str:
    """A shape as few characters: 3×4, or "scalar"."""
    return "×".join(map(str, np.shape(array))) or "scalar"


def form(x: Any) -> str:
    """An array or tensor by its shape and dtype, anything else as it is, cut short."""
    return f"{x.shape} {x.dtype}" if hasattr(x, "dtype") else reprlib.repr(x)


def html_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as a notebook shows it.

    >>> html_table("a & b", ["x"], [["<1"]]).partition("<tr>")[2]
    '<th scope="col">x</th></tr><tr><td style="text-align:left">&lt;1</td></tr></table>'
    """
    caption = f'<caption style="text-align:left;font-weight:bold">{escape(title)}</caption>'
    first = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    cells = ("".join(f'<td style="text-align:left">{escape(text)}</td>' for text in row) for row in rows)
    return f"<table>{caption}<tr>{first}</tr>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def language() -> str:
    """That of the exercise which is being checked, else that of the environment variable MINIGRAD_LANG: "fr"."""
    return SPOKEN.get() or os.environ.get("MINIGRAD_LANG", "")


@cache
def pattern(template: str) -> re.Pattern[str]:
    return re.compile("(.*?)".join(map(re.escape, template.split("{}"))), re.DOTALL)


def translated(text: str, words: Mapping[str, str]) -> str:
    """`text` by its own entry, else by the first template that it fits, and what it fills in likewise; else as it is.

    >>> translated("3 of 4", {"{} of {}": "{} sur {}"})
    '3 sur 4'
    """
    if text in words:
        return words[text]
    for template, other in words.items():
        if found := pattern(template).fullmatch(text):
            return other.format(*(translated(part, words) for part in found.groups()))
    return text
