"""The explorer alive, in a notebook: whoever changes an entry of a leaf sees forward and backward change.

It needs anywidget, the extra `widget`. The page is the explorer's own, written anew for a tape that is recorded once
more; `page/widget.js` puts the numbers below it.
"""

from __future__ import annotations

from importlib import resources
from typing import Any


def shown(state: Any) -> Any:
    """The widget of a tape, of which `state` is the `explore.Changed`."""
    import anywidget
    import traitlets

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
