"""The tape and its backward as a graph for TensorBoard's Graphs tab, or, saved as a .pb file, for Netron.

Names like ``scope/op`` fold into groups there, the device colours forward and backward, `_output_shapes` is written on
the edges, and all other attributes are in the panel at the side.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from minigrad.engine.names import kind, line
from minigrad.engine.words import summary
from minigrad.tensor import Tensor
from minigrad.views.formula import edge_equations
from minigrad.views.steps import Step, Trace

if TYPE_CHECKING:
    from tensorboardX.proto.graph_pb2 import GraphDef

FORWARD, BACKWARD = "/forward", "/backward"  # devices


def tensorboardx(module: str) -> Any:
    """A module of tensorboardX. For its annotations the package would import torch, which takes seconds."""
    absent = "torch" not in sys.modules
    if absent:
        sys.modules["torch"] = None  # type: ignore[assignment]  # this raises the ImportError that it is ready for
    try:
        return import_module(f"tensorboardX.{module}")
    finally:
        if absent:
            del sys.modules["torch"]


def graph_of(trace: Trace) -> GraphDef:
    """The graph of a tape: a node for each value, and a node for the cotangent of each that the backward reached."""
    graph: GraphDef = tensorboardx("proto.graph_pb2").GraphDef()
    graph.versions.producer = 22
    names = scoped_names(trace)
    arriving: dict[Tensor, list[Step]] = {}
    for step in trace.steps:
        arriving.setdefault(step.input, []).append(step)
    for node in trace.nodes:
        inputs = [names[x] for x in node.inputs if type(x) is Tensor]
        place = node.where
        add(graph, names[node], node.op.name if node.op is not None else kind(node), inputs, FORWARD, node.shape,
            line=line(place), code=place.text, value=summary(trace.value[node]), dtype=str(node.dtype))  # fmt: skip
    for node in reversed(trace.nodes):
        if node in trace.cotangents:
            steps = arriving.get(node, [])
            formulas = [text.unicode for step in steps for text in edge_equations(trace, step)]
            # The first cotangent belongs to the output: where forward and backward hang together.
            inputs = list(dict.fromkeys(gradient_name(names[step.node]) for step in steps)) or [names[node]]
            lines = list(dict.fromkeys(line(step.node.where) for step in steps))
            add(graph, gradient_name(names[node]), "cotangent" if len(steps) < 2 else f"sum of {len(steps)}", inputs,
                BACKWARD, node.shape, formula="\n".join(formulas) or "the cotangent that the backward starts with",
                line=", ".join(lines), value=summary(trace.cotangents[node]))  # fmt: skip
    return graph


def add(
    graph: GraphDef, name: str, op: str, inputs: Sequence[str], device: str, shape: tuple[int, ...], **notes: str
) -> None:
    node = graph.node.add(name=name, op=op, input=inputs, device=device)
    output = node.attr["_output_shapes"].list.shape.add()
    for length in shape:
        output.dim.add(size=length)
    for key, text in notes.items():
        node.attr[key].s = text.encode(errors="replace")


def gradient_name(name: str) -> str:
    return f"backward/{name}"


def scoped_names(trace: Trace) -> dict[Tensor, str]:
    """A name for each node, no two alike. A model's parameters and, if several functions computed, what each computed
    are in scopes of their own.
    """
    names: dict[Tensor, str] = {}
    taken: set[str] = set()
    function_of = {node: node.where.function for node in trace.nodes if node.op is not None}
    several = len(set(function_of.values())) > 1
    for node in trace.nodes:
        function, called = function_of.get(node, ""), trace.name[node].replace(".", "/")
        called = node.op.name if node.op is not None and called == f"t{trace.number[node]}" else called
        scope = f"{function}/" if several and function.isidentifier() and "/" not in called else ""
        stem = re.sub(r"[^A-Za-z0-9_./-]", "_", scope + called).lstrip("_-/") or "node"
        # A name may be no scope of others: TensorBoard would take the node for a group.
        name = f"{stem}.{trace.number[node]}" if stem in taken else stem
        taken.add(name)
        taken.update(name[:i] for i, c in enumerate(name) if c == "/")
        names[node] = name
    return names


def event_of(graph: GraphDef, wall_time: float) -> Any:
    """The graph as an event for an event file."""
    return tensorboardx("proto.event_pb2").Event(wall_time=wall_time, graph_def=graph.SerializeToString())
