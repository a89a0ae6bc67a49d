"""The views as users call them. Each is imported when it is called, so that ``import minigrad`` stays quick."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.views.draw import Drawing
    from minigrad.views.explain import Explanation
    from minigrad.views.explorer import Page
    from minigrad.views.formula import Formula
    from minigrad.views.steps import Trace
    from minigrad.views.table import Table


def table(output: Tensor, gradient: Any = None) -> Table:
    """The tape of `output` and its backward as a ledger, to print: in colours on a terminal where rich is installed.

    Args:
        output: any tensor; its backward is looked at if it can be differentiated, and no `.grad` changes.
        gradient: the cotangent to start with if `output` is not a single number.

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
    from minigrad.views.table import Table

    return Table(_trace(output, gradient))


def formula(subject: Any) -> Formula:
    """The rules of an operation, of a Function or of a whole tape as mathematics, read from their source.

    ȳ is the cotangent of y, dL/dy. What the code calls g is written so, and what the rule for x returns is x̄.

    Args:
        subject: an operation (``minigrad.multiply``) or its name; a Function; or a Tensor: then each node of its tape
            under its own name, in the order of the forward and then of the backward.

    Returns:
        An object with `lines`, `unicode` and `latex`; Jupyter shows the mathematics.

    Raises:
        TypeError: for anything else.

    >>> formula(multiply)
    y = a · b
    ā = ȳ · b
    b̄ = ȳ · a
    >>> print(formula(tanh).lines[1].latex)
    \\bar{x} = \\bar{y} \\cdot (1 - y^{2})
    """
    from minigrad.views.formula import Formula, lines_of, of_tape

    return Formula(of_tape(_trace(subject, None)) if type(subject) is Tensor else lines_of(subject))


def draw(
    output: Tensor, gradient: Any = None, *, backward: bool = False, lr: float | None = None, optimizer: Any = None,
    fold: str | bool | None = None,
) -> Drawing:  # fmt: skip
    """The tape of `output` as a picture. Jupyter shows it, ``.save("g.svg")`` keeps it; no other program is needed.

    Shapes stand on the edges; each node has its value and, after ∇, its gradient. Parameters have a thick border, data
    a dashed one.

    Args:
        output: any tensor; no `.grad` changes.
        gradient: the cotangent to start with if `output` is not a single number.
        backward: draw what is sent back along each edge as well, in a second colour.
        lr, optimizer: a learning rate, or an optimizer: show after → what its next step makes of each parameter.
        fold: draw one box for all that one "line", "function" or "module" computed in a row; False for a box for each
            node. By default only tapes of more than a hundred results are folded.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> draw((w * w).sum(), lr=0.1)
    <drawing of 3 boxes; .save('graph.svg') writes it to a file>
    """
    from minigrad.views.draw import picture, updates

    trace = _trace(output, gradient)
    return picture(trace, backward, updates(trace, lr, optimizer), fold)


def explain(
    output: Tensor, x: Tensor, index: Any = (), gradient: Any = None, *, paths: int = 5, terms: int = 5
) -> Explanation:
    """Why one entry of a gradient, d output / d x[index], is what it is: the sum over the paths from output to x.

    A path is a chain of tape nodes. Of each the contribution is told and, of the last node before x, which entries
    bring how much of it.

    Args:
        output: a single number, or any tensor with `gradient`, its cotangent.
        x: any tensor on the tape of `output` that a derivative reaches.
        index: which entry of x: an int, a tuple of ints, () for a single number.
        paths, terms: how many to write out, the largest first; what is left out is told as a sum.

    Raises:
        RuntimeError: no derivative leads from output to x.
        IndexError: x has no such entry.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> print(explain((x * x).sum(), x, 1))  # doctest: +ELLIPSIS
    d t2 / d x[1] = 4, the sum over 2 paths
    <BLANKLINE>
    1.  2  along t2 → t1 → x
        t2 = sum(t1)...
        t1 = multiply(x, x)...
        t1[1]: derivative to x[1] 2 · cotangent 1 = 2
    ...
    """
    from minigrad.views.explain import Explanation

    return Explanation(_trace(output, gradient), x, index, paths, terms)


def debug(output: Tensor, gradient: Any = None) -> None:
    """Step through the backward of `output` in the terminal, one edge at a time; ``help`` has the commands.

    Each step shows the line with its expression marked, the cotangent that comes in, the rule, what it gives before and
    after broadcasting is undone, and what has come together so far. No `.grad` changes.
    """
    from minigrad.views.debugger import Debugger

    Debugger(_trace(output, gradient)).run()


def explore(output: Tensor, gradient: Any = None) -> Page:
    """The tape of `output` and its backward as an HTML page to step through; ``.save("page.html")`` writes it.

    The page is one file, needs no network and works from the disk. At each step of the backward it has the line, the
    formula and the code of the rule, the cotangent, the local Jacobian if that is small, the contribution, what was
    undone and added up; and beside the contribution the numerical derivative of the operation's forward and, where
    torch is installed and has the operation, torch's: what differs is marked.

    Args:
        output: any tensor; no `.grad` changes.
        gradient: the cotangent to start with if `output` is not a single number.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> explore((w * w).sum())
    <page; .save('page.html') writes it to a file>
    """
    from minigrad.views.explorer import Page

    return Page(_trace(output, gradient))


def _repr_html_(self: Tensor) -> str:
    """What a notebook shows of a tensor. It runs no backward."""
    from minigrad.engine.names import names_around
    from minigrad.views.draw import shown
    from minigrad.views.steps import Trace

    return shown(self, Trace(self, None, names_around(None), run=False))


def _repr_svg_(self: Tensor) -> str | None:
    """The graph alone; None for a leaf."""
    from minigrad.engine.names import names_around
    from minigrad.views.draw import graph_of
    from minigrad.views.steps import Trace

    return graph_of(Trace(self, None, names_around(None), run=False))


Tensor._repr_html_, Tensor._repr_svg_ = _repr_html_, _repr_svg_  # type: ignore[attr-defined]


def _trace(output: Tensor, gradient: Any) -> Trace:
    """The tape and the backward of `output`, in the names of the code that called the view."""
    from minigrad.engine.names import names_around
    from minigrad.views.steps import Trace

    return Trace(output, gradient, names_around(sys._getframe(2)))
