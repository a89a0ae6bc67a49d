"""The explorer alive, in a notebook: whoever changes an entry of a leaf sees forward and backward change.

It needs anywidget, the extra `widget`. The page is the explorer's own, written anew for a tape that is recorded once
more; `page/widget.js` puts the numbers below it.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

from minigrad.views.explore import SIDE, Page, repeated
from minigrad.views.steps import Trace


def leaves(trace: Trace) -> dict[int, tuple[str, Any]]:
    """What can be changed, by its id: the name and the array of each leaf and each array of floats that is small."""
    found: dict[int, tuple[str, Any]] = {}
    for node in trace.nodes:
        if node.op is None:
            found[id(node)] = trace.name[node], trace.value[node]
        for x, name in zip(node.inputs, trace.inputs(node), strict=True):
            if isinstance(x, np.ndarray):
                found[id(x)] = name, x
    fits = (
        np.ndim(a) <= 2 and a.size and max(a.shape, default=1) <= SIDE and a.dtype.kind == "f"
        for _, a in found.values()
    )
    return {key: found[key] for key, fit in zip(list(found), fits, strict=True) if fit}


class Changed:
    """A tape whose leaves have been changed."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.values = {key: np.array(value) for key, (_, value) in leaves(trace).items()}

    def html(self) -> str:
        """The page of the tape as it is with the present values."""
        trace = self.trace
        made = repeated(trace, self.values, lambda t: None)
        names = {id(t): trace.name[node] for node, t in made.items()}
        names |= {id(self.values[key]): name for key, (name, _) in leaves(trace).items()}
        return Page(Trace(made[trace.output], trace.cotangents.get(trace.output), names)).html

    def change(self, at: int, entry: int, value: float) -> None:
        """Entry number `entry` of leaf number `at`, both counted from 0."""
        array = list(self.values.values())[at]
        array.reshape(-1)[entry] = value

    def form(self) -> list[dict[str, Any]]:
        """The leaves as the widget shows them: rows of numbers."""
        names = [name for name, _ in leaves(self.trace).values()]
        return [
            {"name": name, "rows": np.atleast_2d(a).tolist()}
            for name, a in zip(names, self.values.values(), strict=True)
        ]


def shown(trace: Trace) -> Any:
    """The widget."""
    import anywidget
    import traitlets

    state = Changed(trace)

    class Explorer(anywidget.AnyWidget):
        _esm = resources.files("minigrad.views").joinpath("page", "widget.js").read_text("utf-8")
        html = traitlets.Unicode(state.html()).tag(sync=True)
        leaves = traitlets.List(state.form()).tag(sync=True)
        change: Any = traitlets.List([]).tag(sync=True)

        @traitlets.observe("change")
        def changed(self, event: Any) -> None:
            state.change(*event["new"][:3])
            self.html = state.html()

    return Explorer()
