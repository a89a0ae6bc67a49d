"""The tape as a picture: SVG that needs nothing outside Python, for a file, a notebook, and the explorer's page."""

from __future__ import annotations

import copy
import html
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.files import replacing
from minigrad.engine.names import kind, line, names_around, static
from minigrad.engine.words import brief, counted, shape, shortened, summary
from minigrad.tensor import Tensor
from minigrad.views import Command
from minigrad.views.formula import edge_equations
from minigrad.views.layout import Layout, Point, layered
from minigrad.views.steps import Trace, traced

FOLDS = ("line", "function", "module")
UNASKED = 2000  # nodes, up to which a notebook shows the graph of a tensor
MANY = 100  # results that are drawn one by one, unless told otherwise
CHARACTER, LINE, MARGIN = 7.25, 17.0, 12.0  # of the monospaced text, in pixels
LONGEST = 34  # characters in a line of a box
STUB = 9.0  # at both ends of a bend

LIGHT = {
    "bg": "#ffffff",
    "ink": "#1f2328",
    "muted": "#59636e",
    "line": "#818b98",
    "back": "#bc4c00",
    "result": "#f6f8fa",
    "parameter": "#dafbe1",
    "green": "#1a7f37",
    "data": "#ddf4ff",
    "blue": "#0969da",
}
DARK = {
    "bg": "#0d1117",
    "ink": "#e6edf3",
    "muted": "#9198a1",
    "line": "#7d8590",
    "back": "#f0883e",
    "result": "#161b22",
    "parameter": "#12261e",
    "green": "#3fb950",
    "data": "#121d2f",
    "blue": "#58a6ff",
}
COLOURS = """
.minigrad {{ background: {bg} }}
.minigrad text {{ fill: {ink} }}
.minigrad .note, .minigrad .shape {{ fill: {muted} }}
.minigrad .grad, .minigrad .update, .minigrad .sent {{ fill: {back} }}
.minigrad rect {{ fill: {result}; stroke: {line} }}
.minigrad .edge rect {{ fill: {bg}; stroke: none }}
.minigrad .parameter rect {{ fill: {parameter}; stroke: {green} }}
.minigrad .data rect {{ fill: {data}; stroke: {blue} }}
.minigrad .output rect {{ stroke: {ink} }}
.minigrad .forward {{ stroke: {line} }}
.minigrad .backward {{ stroke: {back} }}
.minigrad .tip {{ fill: {line} }}
.minigrad .back-tip {{ fill: {back} }}
"""
# Every colour is written out: renderers that are no browsers know no variables, and draw black boxes for them.
STYLE = f"""
.minigrad {{ font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
.minigrad text {{ white-space: pre }}
.minigrad .head {{ font-weight: 600 }}
.minigrad .shape, .minigrad .sent {{ font-size: 11px; text-anchor: middle }}
.minigrad .parameter rect, .minigrad .output rect {{ stroke-width: 2.5px }}
.minigrad .data rect {{ stroke-dasharray: 5 3 }}
.minigrad .run rect {{ stroke-width: 2px; rx: 2px }}
.minigrad .forward {{ fill: none; stroke-width: 1.5px }}
.minigrad .backward {{ fill: none; stroke-width: 1.5px; stroke-dasharray: 6 3 }}
{COLOURS.format_map(LIGHT)}
@media (prefers-color-scheme: dark) {{ {COLOURS.format_map(DARK)} }}
"""
MARKERS = "".join(
    f'<marker id="minigrad-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    f'orient="auto" markerUnits="userSpaceOnUse"><path class="{name}" d="M0 0L8 4L0 8z"/></marker>'
    for name in ("tip", "back-tip")
)


Update = Callable[[Tensor], Any]  # a parameter to the array that it will be after the step; None for no update


class Box(NamedTuple):
    """A node of the picture. `lines` are (class, text); `title` is shown when the pointer rests on it."""

    key: str
    kind: str
    lines: list[tuple[str, str]]
    title: str

    @property
    def size(self) -> Point:
        longest = max(len(text) for _, text in self.lines)
        return max(56.0, longest * CHARACTER + 2 * MARGIN), len(self.lines) * LINE + MARGIN


class Arrow(NamedTuple):
    """An edge of the picture, from one box to another: `key` names the node and the position of the input."""

    key: str
    source: int
    target: int
    label: str
    sent: str | None  # what the backward sent along it


class Drawing:
    """A picture of a tape. Jupyter shows it; `save` writes it to a file; `svg` is its text."""

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def save(self, path: str | Path) -> Path:
        """Write the picture to `path`, whose name ends in .svg, and return the path."""
        path = Path(path)
        if path.suffix != ".svg":
            raise ValueError(
                f"a drawing is saved as SVG, in a file like {str(path.with_suffix('.svg'))!r}, not {path.name!r}"
            )
        with replacing(path) as file:
            file.write('<?xml version="1.0" encoding="UTF-8"?>\n' + self.svg)
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        boxes = counted(self.svg.count("data-node="), "box", "boxes")
        return f"<drawing of {boxes}; .save('graph.svg') writes it to a file>"


def picture(trace: Trace, backward: bool, update: Update, fold: str | bool | None) -> Drawing:
    """The drawing of a tape: see `draw`."""
    if fold is None or fold is True:
        fold = fold_for(trace, len([n for n in trace.nodes if n.op is not None]) > MANY or fold is True)
    if fold and fold not in FOLDS:
        raise ValueError(f"draw: fold is one of {', '.join(map(repr, FOLDS))}, or False, and not {fold!r}")
    boxes, arrows = folded(trace, fold, update) if fold else unfolded(trace, update)
    return Drawing(graph(trace, boxes, arrows, backward))


def graph(trace: Trace, boxes: Sequence[Box], arrows: Sequence[Arrow], backward: bool) -> str:
    """The SVG of boxes and arrows, laid out."""
    layout = layered([box.size for box in boxes], [(a.source, a.target) for a in arrows])
    counts = f"{counted(len(boxes), 'box', 'boxes')}, {counted(len(arrows), 'edge')}"
    return svg(boxes, arrows, layout, backward, f"Graph of {trace.name[trace.output]}: {counts}")


# -------------------------------------------------------------------------------------------------------------- boxes
def unfolded(trace: Trace, update: Update = lambda p: None) -> tuple[list[Box], list[Arrow]]:
    """A box for each node and for each array that it was computed with; and the edges between them."""
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    of: dict[int, int] = {}  # id of a node or an array: its box
    sent = {(step.node, step.position): step.contribution for step in trace.steps}
    for node in trace.nodes:
        of_inputs: list[int | None] = []
        for x, value in zip(node.inputs, node.values, strict=True):
            if type(x) is not Tensor and not (isinstance(value, np.ndarray) and value.size > 1):
                of_inputs.append(None)  # numbers and the like stand in the node's own box
                continue
            if type(x) is not Tensor and id(value) not in of:
                of[id(value)] = len(boxes)
                lines = [("head", short(trace.called(x, value))), ("note", brief(value))]
                boxes.append(Box(f"c{len(boxes)}", "data", lines, f"an array, {shape(value)} {value.dtype}"))
            of_inputs.append(of[id(x if type(x) is Tensor else value)])
        of[id(node)] = len(boxes)
        boxes.append(box_of(trace, node, update))
        for i, source in enumerate(of_inputs):
            if source is not None:
                found = sent.get((node, i))
                label = shape(found) if found is None or found.size > 2 else summary(found)
                key = f"{trace.number[node]}-{i}"
                target = len(boxes) - 1
                arrows.append(Arrow(key, source, target, shape(node.values[i]), None if found is None else label))
    return boxes, arrows


def box_of(trace: Trace, node: Tensor, update: Update) -> Box:
    name, what = trace.name[node], kind(node)
    lines = [("head", short(name if node.op is None else f"{name} = {operation(trace, node)}"))]
    lines.append(("note", brief(trace.value[node])))
    gradient = trace.cotangents.get(node)
    if gradient is not None and node is not trace.output:
        lines.append(("grad", f"∇ {brief(gradient)}"))
    new = update(node) if what == "parameter" else None
    if new is not None:
        lines.append(("update", f"→ {brief(new)}"))
    place = node.where
    title = [f"{name}: {what}, {shape(node)} {node.dtype}", f"{line(place)}  {shortened(place.text, 80)}"]
    title.append(f"value {summary(trace.value[node])}")
    title += [f"gradient {summary(gradient)}"] if gradient is not None else []
    title += [line.unicode for step in trace.sent[node] for line in edge_equations(trace, step)]
    output = " output" if node is trace.output else ""
    return Box(f"n{trace.number[node]}", what + output, lines, "\n".join(title))


def operation(trace: Trace, node: Tensor) -> str:
    """An operation with its numbers and static arguments, as far as they are not arrows: "power(·, 3)"."""
    numbers = [
        "·" if type(x) is Tensor or np.size(value) > 1 else trace.called(x, value)
        for x, value in zip(node.inputs, node.values, strict=True)
    ]
    told = [*(numbers if set(numbers) != {"·"} else []), *filter(None, [static(node)])]
    return f"{node.op.name}({', '.join(told)})" if told else str(node.op.name)


def folded(trace: Trace, fold: str, update: Update) -> tuple[list[Box], list[Arrow]]:
    """A box for each run of results that a line, a function or a module made one after another.

    Only runs are folded, so the picture stays without cycles, and a line in a loop is drawn once for each turn. A leaf
    that only one run uses is folded into it.
    """
    results = [node for node in trace.nodes if node.op is not None]
    pairs = zip(results, keys(trace, results, fold), strict=True)
    runs = [[node for node, _ in run] for _, run in groupby(pairs, key=lambda pair: pair[1])]
    run_of = {node: i for i, run in enumerate(runs) for node in run}
    users: dict[Tensor, set[int]] = {node: set() for node in trace.nodes}
    for node in results:
        for x in node.inputs:
            if type(x) is Tensor:
                users[x].add(run_of[node])
    boxes: list[Box] = []
    of: dict[Tensor, int] = {}
    for node in trace.nodes:
        (user,) = users[node] if node.op is None and len(users[node]) == 1 else (None,)
        if node.op is None and (user is None or len(runs[user]) == 1):
            of[node] = len(boxes)
            boxes.append(box_of(trace, node, update))
    for i, run in enumerate(runs):
        leaves = [x for x in trace.nodes if x.op is None and x not in of and users[x] == {i}]
        for node in [*leaves, *run]:
            of[node] = len(boxes)
        boxes.append(box_of(trace, run[0], update) if len(run) == 1 else box_of_run(trace, run, leaves, fold))
    arrows: dict[tuple[int, int], Arrow] = {}
    sent = {(step.node, step.position) for step in trace.steps}
    for node in results:
        for i, x in enumerate(node.inputs):
            if type(x) is Tensor and of[x] != of[node]:
                ends = of[x], of[node]
                if ends not in arrows or arrows[ends].sent is None:
                    found = shape(x) if (node, i) in sent else None
                    arrows[ends] = Arrow(f"{trace.number[node]}-{i}", *ends, shape(x), found)
    return boxes, list(arrows.values())


def box_of_run(trace: Trace, run: Sequence[Tensor], leaves: Sequence[Tensor], fold: str) -> Box:
    last, place, name = run[-1], run[-1].where, trace.name
    title = {"line": place.text, "function": f"{place.function}()", "module": module_of(trace, run) or place.text}[fold]
    lines = [("head", short(f"{name[last]} = {title}")), ("note", f"{counted(len(run), 'node')}, {line(place)}")]
    if leaves:
        lines.append(("note", short("with " + ", ".join(name[x] for x in leaves))))
    lines.append(("note", brief(trace.value[last])))
    gradient = trace.cotangents.get(last)
    if gradient is not None and last is not trace.output:
        lines.append(("grad", f"∇ {brief(gradient)}"))
    named = [f"{name[n]} = {operation(trace, n)}" for n in run[:20]]
    more = [f"and {len(run) - 20} more"] if len(run) > 20 else []
    output = " output" if last is trace.output else ""
    return Box(f"n{trace.number[last]}", "result run" + output, lines, "\n".join([*named, *more]))


def keys(trace: Trace, results: Sequence[Tensor], fold: str) -> list[Any]:
    """For each result what it is folded by. What uses no parameter belongs to the module before it on its line."""
    places = [node.where for node in results]
    if fold == "line":
        return [(place.file, place.line, place.function) for place in places]
    if fold == "function":
        return [(place.file, place.function) for place in places]
    found: list[Any] = []
    for node, place in zip(results, places, strict=True):
        module, at = module_of(trace, [node]), (place.file, place.line)
        same = found and found[-1][1] == at
        found.append((module or (found[-1][0] if same else ""), at))
    return [key if key[0] == "" else key[0] for key in found]


def module_of(trace: Trace, nodes: Iterable[Tensor]) -> str:
    """The module whose parameters the nodes use: "model.0" if one of these is called model.0.weight."""
    for node in nodes:
        for x in node.inputs:
            if type(x) is Tensor and kind(x) == "parameter" and "." in trace.name[x]:
                return trace.name[x].rpartition(".")[0]
    return ""


def short(text: str) -> str:
    return shortened(text, LONGEST)


# ---------------------------------------------------------------------------------------------------------------- svg
def xml(text: str) -> str:
    """Text as it may stand in XML, in a quoted attribute, too: characters that no XML may hold are replaced."""
    legal = re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    return html.escape(legal)


def svg(boxes: Sequence[Box], arrows: Sequence[Arrow], layout: Layout, backward: bool, title: str) -> str:
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    body = []
    for arrow, route in zip(arrows, layout.routes, strict=True):
        (x0, y0), (x1, y1) = middle(route)
        parts = [f'<path class="forward" marker-end="url(#minigrad-tip)" d="{curve(route, 0)}"/>']
        if arrow.sent is not None and backward:
            upwards = curve(route[::-1], 7)  # CairoSVG has no tips at the start of a path
            parts.append(f'<path class="backward" marker-end="url(#minigrad-back-tip)" d="{upwards}"/>')
        x, y = (x0 + x1) / 2, y0 + (y1 - y0) * 0.4 + 4
        parts += label("shape", x, y, arrow.label)
        if arrow.sent is not None and backward and arrow.sent != arrow.label:
            parts += label("sent", x + 9, y + 13, arrow.sent)
        body.append(f'<g class="edge" data-edge="{arrow.key}">{"".join(parts)}</g>')
    for box, (x, y) in zip(boxes, layout.places, strict=True):
        w, h = box.size
        texts = "".join(
            f'<text class="{style}" x="{x - w / 2 + MARGIN:.1f}" y="{y - h / 2 + MARGIN / 2 + (i + 0.75) * LINE:.1f}">'
            f"{xml(text)}</text>"
            for i, (style, text) in enumerate(box.lines)
        )
        frame = f'<rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}" rx="6"/>'
        body.append(
            f'<g class="node {box.kind}" data-node="{box.key}"><title>{xml(box.title)}</title>{frame}{texts}</g>'
        )
    view = f"{-MARGIN:g} {-MARGIN:g} {width:.1f} {height:.1f}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="minigrad" role="img" aria-label="{xml(title)}"'
    size = f'viewBox="{view}" width="{width:.0f}" height="{height:.0f}"'
    return f"{head} {size}><style>{STYLE}</style><defs>{MARKERS}</defs>{''.join(body)}</svg>"


def label(style: str, x: float, y: float, text: str) -> tuple[str, str]:
    """A text on an arrow, and the ground that it stands on."""
    width = 11 / 12 * CHARACTER * len(text)
    ground = f'<rect class="{style}" x="{x - width / 2:.1f}" y="{y - 9:.1f}" width="{width:.1f}" height="11"/>'
    return ground, f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{xml(text)}</text>'


def middle(route: Sequence[Point]) -> tuple[Point, Point]:
    """The ends of the first stretch from row to row."""
    return route[1], route[2]


def curve(route: Sequence[Point], aside: float) -> str:
    """A smooth path: straight through the rows, bent between them, straight again where an arrow's tip is."""
    (x, y), *rest = [(x + aside, y) for x, y in route]
    parts = [f"M{x:.1f} {y:.1f}"]
    for x1, y1 in rest:
        if x1 != x:
            stub = STUB if y1 > y else -STUB
            start, end = y + stub, y1 - stub
            bend = (start + end) / 2
            parts.append(f"V{start:.1f}C{x:.1f} {bend:.1f} {x1:.1f} {bend:.1f} {x1:.1f} {end:.1f}")
        if y1 != y:  # else there would be no direction for an arrow's tip
            parts.append(f"V{y1:.1f}")
        x, y = x1, y1
    return "".join(parts)


# ----------------------------------------------------------------------------------------------------------- notebooks
def shown(t: Tensor) -> str:
    """A tensor as a notebook shows it: value, gradient, line and graph. It runs no backward and calls no hook."""
    place = t.where
    rows = [("value", repr(t)), ("shape", f"{t.shape} {t.dtype}")]
    if t.grad is not None:
        rows.append(("gradient", np.array2string(t.grad, separator=", ", threshold=60)))
    rows.append(("line", f"{place}  {place.text}"))
    cells = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{name}</th>'
        f'<td style="text-align:left"><pre style="margin:0">{xml(text)}</pre></td></tr>'
        for name, text in rows
    )
    return f"<table>{cells}</table>{svg_of(t) or ''}"


def svg_of(t: Tensor) -> str | None:
    """The graph that a notebook shows of a tensor, if it has one that is not too large to draw unasked."""
    trace = Trace(t, None, names_around(None), run=False)
    if t.op is None or len(trace.nodes) > UNASKED:
        return None
    return picture(trace, False, lambda p: None, None).svg


def fold_for(trace: Trace, wanted: bool) -> str | None:
    """How to fold a tape that has too many nodes to read: by line, or by function if there are too many lines."""
    if not wanted:
        return None
    runs = len(list(groupby(keys(trace, [node for node in trace.nodes if node.op is not None], "line"))))
    return "line" if runs <= MANY else "function"


def updates(trace: Trace, lr: Any = None, optimizer: Any = None) -> Update:
    """For each parameter what a step makes of it: plain descent with the rate `lr`, or an `optimizer` of optim."""
    if lr is not None and optimizer is not None:
        raise TypeError("draw: give lr, for plain gradient descent, or an optimizer, and not both")
    if lr is not None and (isinstance(lr, bool) or not isinstance(lr, int | float)):
        raise TypeError(f"draw: lr is a number, the learning rate, and not {lr!r}")
    if optimizer is not None and not (hasattr(optimizer, "param_groups") and hasattr(optimizer, "moved")):
        raise TypeError(f"draw: an optimizer is one of minigrad.optim, and not {optimizer!r}; lr takes a learning rate")
    groups = [] if optimizer is None else optimizer.param_groups
    settings = {p: optimizer.settings(group) for group in groups for p in group["params"]}

    def update(p: Tensor) -> Any:
        g = trace.cotangents.get(p)
        if g is None:
            return None
        if lr is not None:
            return trace.value[p] - lr * g
        if p not in settings:
            return None
        state = copy.deepcopy(optimizer.state.get(p, {}))  # which the next real step still needs
        return optimizer.moved(trace.value[p], g.copy(), state, **settings[p])

    return update


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

    Raises:
        TypeError: `output` is no Tensor.
        ValueError: `fold` is none of these.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> draw((w * w).sum(), lr=0.1)
    <drawing of 3 boxes; .save('graph.svg') writes it to a file>
    """
    trace = traced(output, gradient)
    return picture(trace, backward, updates(trace, lr, optimizer), fold)


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", default="graph.svg", help="where to (default graph.svg)")
    parser.add_argument("--backward", action="store_true", help="draw what is sent back as well")
    parser.add_argument("--lr", type=float, metavar="STEP", help="show what each parameter becomes")
    parser.add_argument("--fold", choices=(*FOLDS, "none"), help="default: as is readable")


def show(trace: Trace, options: Namespace) -> None:
    if Path(options.output).suffix != ".svg":
        raise ValueError(f"draw writes SVG: -o takes a name that ends in .svg, and not {options.output!r}")
    fold = False if options.fold == "none" else options.fold
    print(f"picture: {picture(trace, options.backward, updates(trace, options.lr), fold).save(options.output)}")


COMMAND = Command(
    "the tape of a script as a picture, SVG",
    "Draw the tape with values, shapes and gradients; the picture is SVG.",
    show,
    configure,
    'class="minigrad"',
)
