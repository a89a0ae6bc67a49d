"""What `help` says of an operation: its block's docstring, and the sentences that hold for all of its kind.

Shapes, dtypes and errors follow from what a block declares, so they are written here once. A docstring that has a
paragraph "Shapes: ..." or "Dtypes: ..." of its own keeps it. tests/test_docs.py tries on every operation whether they
are true.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

from minigrad.ops.calling import whole_name

RESHAPING = {"shape", "axis", "order"}  # static arguments of an operation that does not work entry by entry
NO_NUMBERS = "TypeError: an input holds no real numbers, or there is no such argument."
NO_AXIS = "AxisError: there is no such axis; it is a ValueError and an IndexError."
NO_REDUCTION = 'ValueError: `reduction` is none of "mean", "sum" and "none".'
MISFIT = "ValueError: the shapes do not fit."
WIDTH = 120


def of_operation(operation: Any) -> str:
    """The docstring of the function that calls `operation`."""
    theirs = f"as `{whole_name(operation.numpy[0])}` has them" if operation.numpy else ""
    dtypes = theirs or "the result has that of the inputs, the widest where they differ"
    if "i" in operation.wide and not theirs:
        dtypes += "; integers are taken in float64"
    constant = [name for name, rule in zip(operation.inputs, operation.rules) if not rule]  # noqa: B905 - see EachInput
    if len(constant) == len(operation.inputs):
        gradient = "The result is constant: no derivative passes."
    else:
        gradient = "A gradient has that of its input." + "".join(f" `{name}` has none." for name in constant)
    dtypes += f". {gradient}"
    errors = {
        NO_NUMBERS: True,
        MISFIT: "shape" in operation.statics or meet(operation),
        NO_AXIS: "axis" in operation.statics,
        NO_REDUCTION: "reduction" in operation.statics,
    }
    return whole(operation.formula, shapes(operation, theirs), dtypes, [e for e in errors if errors[e]])


def of_composition(text: str | None, theirs: Any) -> str:
    """The docstring `text` of a function that is written with operations, and stands for `theirs` of NumPy."""
    same = f"as {f'`{whole_name(theirs)}`' if theirs else 'a newer NumPy'} has them."
    return whole(text or "", same, same, [NO_NUMBERS, MISFIT])


def meet(operation: Any) -> bool:
    """Whether the shapes of inputs have to fit: entry by entry, or in a length that two of them share."""
    *inputs, _ = re.findall(r"\((.*?)\)", operation.signature)
    lengths = [length.strip("?") for shape in inputs for length in set(shape.split(","))]
    return len(inputs) > 1 and not operation.variadic and len(set(lengths)) < len(lengths)


def shapes(operation: Any, theirs: str) -> str:
    *others, last = [f"`{name}`" for name in operation.inputs]
    listed = f"{', '.join(others)} and {last}" if others else last
    if operation.batched:
        return f"{operation.signature}, and axes before these broadcast."
    if "reduction" in operation.statics:
        return f'{listed} broadcast; the result is a number, and with reduction "none" one for each entry.'
    if "keepdims" in operation.statics:
        return f"{last} has any shape; the result has it without `axis`, or with 1 there if `keepdims`."
    if "axis" in operation.statics and not theirs:
        return f"{last} has any shape, and the result the same."
    if not set(operation.signature) - set("(),->") and not RESHAPING & set(operation.statics):
        return f"{listed} broadcast, entry by entry." if others else f"{last} has any shape, and the result the same."
    return f"{theirs}."


def whole(text: str, shapes: str, dtypes: str, errors: list[str]) -> str:
    """`text` with the paragraphs and the section that are missing in it, before its example."""
    head, prompt, example = inspect.cleandoc(text).partition(">>>")
    head, _, own = head.strip().partition("\n\nRaises:\n")
    told = [head]
    for word, sentence in ("Shapes", shapes), ("Dtypes", dtypes):
        if f"{word}: " not in head:
            line = f"{word}: {sentence}"
            told.append(line if len(line) <= WIDTH else textwrap.fill(line, WIDTH))  # which is slow
    told.append("\n".join(["Raises:", *(f"    {error}" for error in errors), *([own] if own else [])]))
    return "\n\n".join([*told, *([prompt + example] if prompt else [])])
