"""The explorer: a tape and its backward as one HTML page to step through, without a network, from any disk.

Python decides what each stop says and does the arithmetic; the page (`page/`) draws what it is given. Beside each
contribution stands the numerical derivative of the operation's own forward and, where torch is installed and has the
operation, torch's: so the page is a debugger for a wrong backward.
"""

from __future__ import annotations

import html
import inspect
import json
import sys
import textwrap
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from minigrad.backprop import gradients, record
from minigrad.engine.files import replacing
from minigrad.engine.names import excerpt, input_names, kind, line
from minigrad.engine.numerical import numerical_gradient
from minigrad.engine.pages import page_of
from minigrad.engine.state import enable_grad
from minigrad.engine.words import number, shape, summary
from minigrad.tensor import Tensor
from minigrad.views import Command, draw
from minigrad.views.formula import edge_equations
from minigrad.views.steps import Array, Step, Trace, traced
from minigrad.views.table import undone

SIDE = 8  # rows and columns of an array that is written out
SAID = 1000  # after so many steps of the backward a line says how far the page is
CHECKED = 3000  # entries of all inputs together whose derivative is computed in other ways, too
NOISE, NOISE_RUNS = 16, 4  # a right gradient is off by so many times what noise changes, in so many runs
UNRESOLVED = 2.0**-4  # of its terms, by which a numerical derivative may be off and still say something
ROUNDINGS = 64  # in units of the last place of the gradient's largest sum of terms: what it may be off by
RENAMED = {"axis": "dim", "keepdims": "keepdim"}  # what torch calls the arguments

Block = dict[str, Any]


class Page:
    """The explorer's page. Jupyter shows it; `save` writes it to a file; `html` is its text."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        name = trace.name[trace.output]
        data = {"stops": [*forward(trace), *Backward(trace).stops()]}
        self.html = filled(
            title=f"{name}: every step of its backpropagation",
            name=name,
            graph=draw.graph(trace, *draw.unfolded(trace), backward=True),
            data=json.dumps(data, separators=(",", ":"), ensure_ascii=False),
        )

    def save(self, path: str | Path) -> Path:
        """Write the page to `path` and return that."""
        path = Path(path)
        with replacing(path) as file:
            file.write(self.html)
        return path

    def _repr_html_(self) -> str:
        frame = 'sandbox="allow-scripts" width="100%" height="800" style="border:0"'
        return f'<iframe title="explorer" {frame} srcdoc="{html.escape(self.html)}"></iframe>'

    def __repr__(self) -> str:
        return "<page; .save('page.html') writes it to a file>"


def filled(title: str, name: str, graph: str, data: str) -> str:
    """The page with these texts, this graph and these steps."""
    return page_of(
        "minigrad.views", "explorer", data, [draw.STYLE], title=draw.xml(title), name=draw.xml(name), graph=graph
    )


# ------------------------------------------------------------------------------------------------------------ forward
def forward(trace: Trace) -> Iterable[Block]:
    """A stop for each node."""
    for node in trace.nodes:
        name, value = trace.name[node], trace.value[node]
        blocks = [arrays([array(f"value of {name}, {value.dtype}", value)])]
        if node.op is None:
            title = f"{name} is {'a parameter' if kind(node) == 'parameter' else 'data'}"
        else:
            title = f"{name} = {trace.call(node)}"
            first = node.op.formula.partition("\n")[0]
            inputs = [
                array(f"{letter} = {x}", v)
                for letter, x, v in zip(input_names(node), trace.inputs(node), node.values, strict=True)
                if isinstance(v, np.ndarray | float | int)
            ]
            code = source_of(node.op.code)
            blocks = [equations([first]), arrays(inputs), *blocks, *code] if first else [arrays(inputs), *blocks, *code]
        yield stop("forward", title, f"n{trace.number[node]}", None, place_of(node), blocks)


# ----------------------------------------------------------------------------------------------------------- backward
class Backward:
    """The stops of the backward: one for each edge."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.left = CHECKED

    def stops(self) -> Iterable[Block]:
        trace = self.trace
        start = trace.cotangents.get(trace.output)
        if start is not None:
            text = "The backward starts here: with dL/dL = 1, or with the cotangent that it was given."
            blocks = [told(text), arrays([array(f"cotangent of {trace.name[trace.output]}", start)])]
            title = f"the backward starts at {trace.name[trace.output]}"
            yield stop("backward", title, f"n{trace.number[trace.output]}", None, place_of(trace.output), blocks)
        last = {step.input: i for i, step in enumerate(trace.steps)}
        for i, step in enumerate(trace.steps):
            if i and i % SAID == 0:
                print(f"explore: {i:,} of {len(trace.steps):,} steps", file=sys.stderr, flush=True)
            yield self.stop(step, last[step.input] == i and step.input in trace.cotangents)
        if trace.failure is not None:
            yield self.failure(trace.failure)

    def stop(self, step: Step, complete: bool) -> Block:
        trace, node, x = self.trace, step.node, step.input
        name, to, output = trace.name[node], trace.name[x], trace.name[trace.output]
        blocks = [
            equations([text.unicode for text in edge_equations(trace, step)]),
            *source_of(node.op.rule_of(step.position)),
        ]
        blocks.append(arrays([array(f"cotangent of {name}: d {output} / d {name}", step.cotangent)]))
        local = local_jacobian(node, step.position)
        if local is not None:
            rows = f"local Jacobian, d {name} / d {to}: a row for each entry of {name}, a column for each of {to}"
            blocks.append(arrays([array(rows, local)]))
        if undone(step.partial, step.contribution):
            blocks.append(arrays([array("the rule gives", step.partial)]))
            several = " An entry that was read n times has n paths." if step.partial.shape != x.shape else ""
            what = "broadcasting" if several else "promotion"
            blocks.append(told(f"Undone on the way, {what}: {undone(step.partial, step.contribution)}.{several}"))
        blocks.append(arrays(self.compared(step, f"contribution to {to}")))
        if step.before is not None:
            sum_of = [array("had come before", step.before), array("+ contribution", step.contribution)]
            blocks.append(arrays([*sum_of, array(f"= d {output} / d {to} so far", step.total)]))
        if complete:
            blocks += self.completed(x)
        key = f"{trace.number[node]}-{step.position}"
        return stop("backward", f"{name} → {to}", f"n{trace.number[x]}", key, place_of(node), blocks)

    def affordable(self, x: Tensor, nodes: int) -> bool:
        """Whether a numerical derivative by x, for which so many nodes run again, is small enough; if so, it counts."""
        if not 0 < x.size <= SIDE * SIDE or x.size * nodes > self.left:
            return False
        self.left -= x.size * nodes
        return True

    def compared(self, step: Step, title: str) -> list[Block]:
        """Our contribution, and beside it what other ways of computing it give."""
        node, position, g = step.node, step.position, step.cotangent
        others = {}
        if self.affordable(step.input, 1):
            numeric = self.numerical(node, position, g)
            if numeric is not None:
                if not np.isfinite(node.array).all():  # what came from there cannot be compared
                    with np.errstate(all="ignore"):
                        rest = node.op.send(node, np.where(np.isfinite(node.array), 0, g).astype(g.dtype), position)
                    numeric = numeric[0], np.where(rest == 0, numeric[1], np.inf)
                others["numerical derivative"] = numeric
                reference = with_torch(node, position, g)
                if reference is not None:
                    rounding = ROUNDINGS * np.finfo(step.input.dtype).eps * abs(reference)
                    allowed = np.where(np.isfinite(numeric[1]), np.maximum(numeric[1], rounding), rounding)
                    others["torch"] = reference, allowed
        return beside(title, step.contribution, others)

    def numerical(self, node: Tensor, position: int, g: Array) -> tuple[Array, Array] | None:
        """The derivative by one input that the forward of a node has, of its finite entries, and its error."""
        finite = np.isfinite(node.array)
        y = np.where(finite, node.array, 0).astype(node.dtype)
        f = again if finite.all() else lambda *given: np.where(finite, again(*given), 0)
        return numerical(lambda x, dtype: f(node, position, x, dtype), node.values[position], g, y)

    def completed(self, x: Tensor) -> list[Block]:
        """The gradient of x, of which the last part has come; of a parameter beside that of the whole program."""
        trace, name = self.trace, f"d {self.trace.name[self.trace.output]} / d {self.trace.name[x]}"
        blocks = [told(f"With this all of {name} has come together.")]
        if kind(x) == "parameter" and self.affordable(x, len(trace.nodes)):
            g, y = trace.cotangents[trace.output], trace.output.array
            numeric = numerical(lambda moved, dtype: replayed(trace, x, moved, dtype), trace.value[x], g, y)
            if numeric is not None:
                value, allowed = numeric
                others = {"numerical derivative of the whole program": (value, allowed + rounding(trace, x))}
                blocks.append(arrays(beside(name, trace.cotangents[x], others)))
        return blocks

    def failure(self, error: Exception) -> Block:
        trace, node = self.trace, self.trace.failed_at
        blocks = [told(f"{type(error).__name__}: {error}", "alert")]
        if node is None:
            output = trace.output
            title = f"{trace.name[output]} has no backward"
            return stop("backward", title, f"n{trace.number[output]}", None, place_of(output), blocks)
        g = trace.cotangents[node]
        blocks.append(arrays([array(f"cotangent of {trace.name[node]}", g)]))
        for i, x in enumerate(node.inputs):
            if type(x) is Tensor and x.requires_grad and np.isfinite(node.array).all() and self.affordable(x, 1):
                numeric = self.numerical(node, i, g)
                if numeric is not None:
                    title = f"what {trace.name[x]} should get: the numerical derivative"
                    blocks.append(arrays([array(title, numeric[0])]))
        blocks += source_of(node.op.rule_of(0))
        title = f"the backward stops at {trace.name[node]}"
        return stop("backward", title, f"n{trace.number[node]}", None, place_of(node), blocks)


# -------------------------------------------------------------------------------------------- other ways to compute it
def local_jacobian(node: Tensor, position: int) -> Array | None:
    """d node / d input as a matrix, by sending back one entry at a time; None where it is large, or the same number."""
    x = node.inputs[position]
    if not (1 < max(node.size, x.size) <= SIDE and node.size):
        return None
    rows = []
    for at in np.ndindex(node.shape):
        one = np.zeros(node.shape, node.dtype)
        one[at] = 1
        rows.append(node.op.send(node, one, position).reshape(-1))
    return np.array(rows)


def numerical(f: Callable[[Array, Any], Any], value: Any, g: Array, y: Array) -> tuple[Array, Array] | None:
    """The numerical derivative of Σ g · f(value), where f(value) is y, and how far off a right backward may be from it.

    It is taken in long double where f computes in that, otherwise in float64; None where f does not run again, or gives
    something else the second time. `f` gets the dtype, too. How far is infinite where nothing can be said: where f is
    not finite, or its derivative is as uncertain as its terms are large.
    """
    value = np.asarray(value)
    for dtype in (np.longdouble, np.float64):
        wide = value.astype(dtype)
        try:
            second = np.asarray(f(wide, dtype))
        except Exception:  # a forward need not take long double, and a student's may do anything on its second run
            continue
        eps = np.finfo(y.dtype).eps
        if second.dtype.kind != "f" or second.shape != y.shape or not close(second, y):
            return None
        found, error, size = (a[0] for a in numerical_gradient(lambda x, d=dtype: np.asarray(f(x, d)), wide, g[None]))  # type: ignore[misc]
        largest = size.max(initial=0, where=np.isfinite(size))
        resolved = error <= UNRESOLVED * size + np.finfo(value.dtype).tiny
        return found, np.where(resolved, error + ROUNDINGS * max(eps, np.finfo(value.dtype).eps) * largest, np.inf)
    return None


def close(a: Array, b: Array) -> bool:
    """Whether two results of one computation are the same but for rounding."""
    eps = np.finfo(b.dtype).eps
    size = abs(b).max(initial=0, where=np.isfinite(b))
    return bool(np.allclose(a, b, rtol=1e4 * eps, atol=1e4 * eps * size, equal_nan=True))


def again(node: Tensor, position: int, moved: Array, dtype: Any) -> Any:
    """The forward of one node, where one of its inputs is another array."""
    values = [moved if i == position else wider(v, dtype) for i, v in enumerate(node.values)]
    return run(node, values)


def replayed(trace: Trace, x: Tensor, moved: Array, dtype: Any) -> Any:
    """The output of the tape, where the leaf x is another array."""
    values = {node: moved if node is x else wider(trace.value[node], dtype) for node in trace.nodes if node.op is None}
    for node in trace.nodes:
        if node.op is not None:
            inputs = zip(node.inputs, node.values, strict=True)
            values[node] = run(node, [values[i] if type(i) is Tensor else wider(v, dtype) for i, v in inputs])
    return values[trace.output]


def rounding(trace: Trace, x: Tensor) -> Array:
    """How far rounding may take the gradient of the leaf x: how much it changes when all values of the tape do, by one
    or two units in the last place. Where terms cancel, as near an optimum, no size of the gradient knows that.
    """
    random, found = np.random.default_rng(0), []
    for size in (0, *[1] * NOISE_RUNS):

        def noisy(t: Tensor, size: int = size) -> None:
            if t.dtype.kind == "f":
                units = size * random.uniform(1, 2, t.shape) * random.choice([-1, 1], t.shape)
                t.array = np.asarray((t.array * (1 + np.finfo(t.dtype).eps * units)).astype(t.dtype))

        made = repeated(trace, {}, noisy)
        with np.errstate(all="ignore"):
            (g,) = gradients(made[trace.output], made[x], gradient=trace.cotangents[trace.output])
        found.append(g.data)
    with np.errstate(invalid="ignore"):
        return np.asarray(NOISE * np.fmax.reduce([abs(g - found[0]) for g in found]))


def repeated(trace: Trace, values: Mapping[int, Array], touch: Callable[[Tensor], None]) -> dict[Tensor, Tensor]:
    """The tape, recorded once more: for each node the new one, to which `touch` may do something.

    Leaves and arrays may have other `values`, by their ids. What an `if` decided stays decided.
    """
    made: dict[Tensor, Tensor] = {}
    with np.errstate(all="ignore"), enable_grad:
        for node in trace.nodes:
            if node.op is None:
                t = Tensor(values.get(id(node), trace.value[node]), node.requires_grad)
            else:
                inputs = zip(node.inputs, node.values, strict=True)
                called = tuple([made[i] if type(i) is Tensor else values.get(id(i), v) for i, v in inputs])
                t = record(node.op.fresh(), called, node.params)
            t.made_at = node.made_at
            touch(t)
            made[node] = t
    return made


def run(node: Tensor, values: Sequence[Any]) -> Any:
    """The forward of a node on other values."""
    with np.errstate(all="ignore"):
        return node.op.again(values, node.params)


def wider(value: Any, dtype: Any) -> Any:
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def with_torch(node: Tensor, position: int, g: Array) -> Array | None:
    """The same derivative by torch, of the function of that name or of the student's own forward.

    None where torch is not there, has no such function, or computes something else under that name.
    """
    if not find_spec("torch"):
        return None
    import torch

    op: Any = node.op
    function: Any = getattr(torch, op.name, None) or getattr(torch.nn.functional, op.name, None)
    if op.student is not None:
        function = op.fresh().forward
    if not callable(function):
        return None
    params = {RENAMED.get(k, k): v for k, v in node.params.items() if v is not None}
    try:
        inputs = [torch.tensor(np.array(v)) if isinstance(v, np.ndarray) else v for v in node.values]
        x = inputs[position].requires_grad_()
        y = function(*inputs, **params)
        same = y.detach().numpy()
        (gradient,) = torch.autograd.grad(y, x, torch.tensor(np.array(g)))
    except Exception:  # a function of the same name may want other arguments; then there is nothing to compare with
        return None
    return np.asarray(gradient.numpy()) if same.shape == node.shape and close(same, node.array) else None


def beside(title: str, ours: Array, others: dict[str, tuple[Array, Array]]) -> list[Block]:
    """Our array and, each with how far off it may be, what others say; what differs is marked in both."""
    if not others:
        return [array(title, ours)]
    marks = [differs(ours, theirs, allowed) for theirs, allowed in others.values()]
    both = (np.any([wrong for wrong, _ in marks], axis=0), np.all([unknown for _, unknown in marks], axis=0))
    found = [array(title, ours, both)]
    return found + [array(name, value[0], mark) for (name, value), mark in zip(others.items(), marks, strict=True)]


def differs(ours: Array, theirs: Array, allowed: Array) -> tuple[Array, Array]:
    """Where two gradients are further apart than rounding and the numerical derivative's own error explain; and where
    that cannot be said, because theirs is not finite or may be anything.
    """
    unknown = ~(np.isfinite(theirs) & np.isfinite(allowed))
    with np.errstate(invalid="ignore"):
        near = abs(ours - theirs) <= allowed  # not so where ours is nan
    return np.asarray(~near & ~unknown), np.asarray(unknown)


# ------------------------------------------------------------------------------------------------------------- blocks
def stop(phase: str, title: str, node: str, edge: str | None, source: Any, blocks: Sequence[Block]) -> Block:
    return {"phase": phase, "title": title, "node": node, "edge": edge, "source": source, "blocks": list(blocks)}


def equations(lines: Sequence[str]) -> Block:
    return {"type": "formula", "lines": list(lines)}


def told(text: str, role: str = "note") -> Block:
    return {"type": "text", "text": text, "role": role}


def arrays(items: Sequence[Block]) -> Block:
    return {"type": "arrays", "items": list(items)}


def array(title: str, value: Any, marks: tuple[Array, Array] | None = None) -> Block:
    """An array for the page: all of its entries, as text, if they fit into SIDE x SIDE; otherwise a summary.

    `marks` say which entries differ, and which could not be compared.
    """
    value = np.asarray(value)
    item: Block = {"title": title, "shape": shape(value)}
    fits = value.ndim <= 2 and max(value.shape, default=1) <= SIDE and value.size
    rows = np.atleast_2d(value) if fits else None
    if rows is None:
        item["summary"] = summary(value)
    else:
        item["rows"] = [[number(entry) for entry in row] for row in rows]
    if marks is not None:
        wrong, unknown = marks
        item["verdict"] = "differs" if wrong.any() else "unknown" if unknown.all() else "agrees"
        item["uncompared"] = f"{unknown.sum()} of {unknown.size} entries cannot be compared" if unknown.any() else ""
        item["wrong"], item["unknown"] = (np.atleast_2d(mark).tolist() if rows is not None else None for mark in marks)
    return item


def place_of(node: Tensor) -> Block | None:
    """The user's line, and where in it the expression is."""
    place = node.where
    found = excerpt(place)
    if found is None:
        return {"at": line(place)}
    return {"at": line(place), "first": found.first, "text": found.text, "start": found.start, "end": found.end}


@lru_cache(maxsize=512)
def source_of(function: Callable[..., Any] | None) -> list[Block]:
    """The code of a rule or a forward, as a block; none where its source is gone."""
    try:
        text = textwrap.dedent(inspect.getsource(function))  # type: ignore[arg-type]
        file, (_, first) = inspect.getsourcefile(inspect.unwrap(function)), inspect.getsourcelines(function)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return []
    return [{"type": "code", "title": f"its code, {Path(file or '').name}:{first}", "text": text.rstrip("\n")}]


def changeable(trace: Trace) -> dict[int, tuple[str, Any]]:
    """The leaves and the arrays of floats that can be changed, as they are small: by their id, with their names."""
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
        self.values = {key: np.array(value) for key, (_, value) in changeable(trace).items()}

    def html(self) -> str:
        """The page of the tape as it is with the present values."""
        trace = self.trace
        made = repeated(trace, self.values, lambda t: None)
        names = {id(t): trace.name[node] for node, t in made.items()}
        names |= {id(self.values[key]): name for key, (name, _) in changeable(trace).items()}
        return Page(Trace(made[trace.output], trace.cotangents.get(trace.output), names)).html

    def change(self, at: int, entry: int, value: float) -> None:
        """Entry number `entry` of leaf number `at`, both counted from 0."""
        array = list(self.values.values())[at]
        array.reshape(-1)[entry] = value

    def form(self) -> list[dict[str, Any]]:
        """The leaves as the widget shows them: rows of numbers."""
        names = [name for name, _ in changeable(self.trace).values()]
        return [
            {"name": name, "rows": np.atleast_2d(a).tolist()}
            for name, a in zip(names, self.values.values(), strict=True)
        ]


@overload
def explore(output: Tensor, gradient: Any = None, *, live: Literal[False] = False) -> Page: ...


@overload
def explore(output: Tensor, gradient: Any = None, *, live: bool) -> Any: ...


def explore(output: Tensor, gradient: Any = None, *, live: bool = False) -> Any:
    """The tape of `output` and its backward as an HTML page to step through; ``.save("page.html")`` writes it.

    The page is one file, needs no network and works from the disk. At each step of the backward it has the line, the
    formula and the code of the rule, the cotangent, the local Jacobian if that is small, the contribution, what was
    undone and added up; and beside the contribution the numerical derivative of the operation's forward and, where
    torch is installed and has the operation, torch's: what differs is marked.

    Args:
        output: any tensor; no `.grad` changes.
        gradient: the cotangent to start with if `output` is not a single number.
        live: in a notebook, with the extra `widget`: entries of leaves and arrays can be changed below the page, and it
            shows the forward and the backward that the tape has then. Your tensors stay as they are, and what an `if`
            decided stays decided. Without the extra it warns, and shows the page.

    Raises:
        TypeError: `output` is no Tensor.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> explore((w * w).sum())
    <page; .save('page.html') writes it to a file>
    """
    trace = traced(output, gradient)
    if live and find_spec("anywidget"):
        from minigrad.views.widget import shown  # which needs what only the extra brings

        return shown(Changed(trace))
    if live:
        message = "explore: live=True needs anywidget (python -m pip install 'minigrad-tape[widget]'); this is the page"
        warnings.warn(message, stacklevel=2)
    return Page(trace)


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", default="page.html", help="where to (default page.html)")


COMMAND = Command(
    "the tape and the backward of a script as a page to step through",
    "Write one HTML page, which needs no network, to step through the forward and the backward.",
    lambda trace, options: print(f"page: {Page(trace).save(options.output)}"),
    configure,
    'content="minigrad explore"',
)
