"""Backpropagation: record what is computed, then send cotangents back along it.

The *tape* of a result is everything it was computed from, in the order it was computed. The *cotangent* of a value v
is dL/dv, how much the result L changes with v. The sweep walks the tape backwards; at each node it asks the operation
what the node's cotangent g makes of those of its inputs, and adds up what reaches a value on several paths:

    def plain(output, g):
        cotangents = {output: g}
        for node in reversed(tape(output)):
            if node.op is None or node not in cotangents:
                continue
            partials = node.op.partials(node, is_differentiable, cotangents[node], node.array, node.values)
            for i, partial in enumerate(partials):
                if partial is not None:
                    x, partial = node.inputs[i], node.op.fit(partial, node, i)
                    cotangents[x] = cotangents[x] + partial if x in cotangents else partial
        return cotangents

That is all of it, and `sweep` below computes the same numbers, bit for bit (a test runs both). It is longer for speed
and for what users may ask of it: a comment says where.

Rules are plain NumPy text, and Tensors answer to NumPy. So one sweep runs on two kinds of value: on the saved arrays,
which is fast, or on the Tensors themselves (create_graph), which puts the sweep on a tape: gradients of gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any

from numpy import ndarray

from minigrad.engine import errors, guards
from minigrad.engine.hooks import arrived
from minigrad.engine.numeric import LAST_NUMBER, as_numeric
from minigrad.engine.places import caller
from minigrad.engine.state import here, tell
from minigrad.tensor import Tensor, next_serial

__all__ = ["gradients", "tape"]

new, by_serial, is_differentiable = Tensor.__new__, attrgetter("serial"), attrgetter("differentiable")


def record(op: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
    """Run ``op.forward`` on the arrays of `inputs`, and remember how the result was made."""
    values: list[Any] = []
    recorded = differentiable = False
    for x in inputs:  # one loop over the inputs for all that is asked of them, as Python's loops are slow
        kind = type(x)
        if kind is Tensor:
            values.append(x.array)
            recorded = recorded or x.recorded
            differentiable = differentiable or x.differentiable
        else:
            plain = (kind is ndarray and x.dtype.num <= LAST_NUMBER) or kind in op.plain
            values.append(x if plain else op.constant(x, len(values)))
    if differentiable and op.has_constants:
        differentiable = any(map(lambda x, rule: rule and getattr(x, "differentiable", False), inputs, op.rules))
    array = op.forward(*values, **params)
    state = here.state
    y = new(Tensor)  # not Tensor(array), whose checks cost as much as a small addition: it is an array already
    y.array = array if type(array) is ndarray else as_numeric(array)  # NumPy gives a scalar where no axis is left
    y.grad = y.hooks = y.cut = None
    y.code, y.instruction = state.place or caller(3)  # frames below: this one, the operation's, and caller's own
    y.serial = next_serial()
    y.recorded = on_tape = recorded and state.recording
    y.differentiable = on_tape and differentiable
    y.op, y.inputs, y.values, y.params = (op, inputs, values, params) if on_tape else (None, (), (), {})
    if not y.differentiable:
        y.cut = ("no_grad", y.made_at) if differentiable else errors.cut_by(op, inputs, y)
    if state.watches:
        tell(state.watches, "forward", op, y, inputs, values, params)
    return y


def tape(*outputs: Tensor) -> list[Tensor]:
    """Everything `outputs` were computed from, and they themselves, in the order it was computed.

    Raises:
        TypeError: an output is no Tensor.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> tape(x * x)
    [Tensor(3., requires_grad=True), Tensor(9., op=multiply)]
    """
    seen, nodes = set(outputs), list(outputs)
    for node in nodes:  # which grows meanwhile
        for x in node.inputs:
            if type(x) is Tensor and x not in seen:
                seen.add(x)
                nodes.append(x)
    nodes.sort(key=by_serial)
    return nodes


def sweep(output: Tensor, gradient: Any, inputs: Any, create_graph: bool, alone: bool = False) -> dict[Tensor, Any]:
    """Send the cotangent of `output` back to `inputs`, or where there are none to all leaves; return what arrives.

    Only what leads to `inputs` gets a cotangent; `alone` says that everything does, and the tape need not be listed.
    """
    state, keep = here.state, set(inputs)  # keep: whose cotangents are asked for, and stay
    watches, before = state.watches, (state.recording, state.place)
    if watches:
        tell(watches, "begins", output, gradient, inputs)
    cotangents = {output: guards.seed(output, gradient, keep, create_graph)}
    sums: set[Any] = set()  # what slices were taken of: its cotangent is an array that the sweep made
    wanted = is_differentiable if alone or not keep else guards.leading(tape(output), keep).__contains__
    # Of the nodes that have a cotangent the latest comes first: nothing that sends to it is left. A heap of these takes
    # a seventh of a small sweep's bytecodes less than a list of the whole tape, and is short where the tape is long.
    waiting = [(0, output)]
    try:
        while waiting:
            node = heappop(waiting)[1]
            if watches or node.hooks:
                cotangents[node] = arrived(node, cotangents[node], watches)
            if (op := node.op) is None:
                continue
            g = cotangents[node] if node in keep else cotangents.pop(node)  # popped: its memory is free for the next
            if op.onto and not (create_graph or watches) and guards.added_in_place(node, g, cotangents, sums):
                continue  # the cotangents of n slices of one array would be n arrays of its size, most of it zeros
            if create_graph:  # on Tensors, so that the sweep records itself, in the name of the node's own line
                state.recording, state.place = True, node.made_at
                partials = op.partials(node, wanted, g, node, guards.recorded_inputs(node))
            else:
                partials = op.partials(node, wanted, g, node.array, node.values)
            if watches:
                tell(watches, "partials", node, g, partials)
            for i, partial in enumerate(partials):
                if partial is None:
                    continue
                x, sent = node.inputs[i], partial
                if partial.shape != x.array.shape or partial.dtype is not x.array.dtype:
                    sent = op.fit(partial, node, i)  # most partials fit, and need no call, which costs an addition
                if x in cotangents:
                    total = cotangents[x] + sent
                else:
                    if x.op is not None or x.hooks or watches:  # else a leaf, for which nothing is left to do
                        heappush(waiting, (-x.serial, x))
                    if create_graph or (x.op is not None and x not in keep):
                        total = sent
                    else:  # it is handed out in memory of its own: no view, nor what a student saved or returned twice
                        total = sent if op.owns_results and sent is not g and sent.base is None else sent.copy()
                if watches:
                    tell(watches, "edge", node, i, partial, sent, cotangents.get(x), total)
                cotangents[x] = total
    except Exception as error:
        error.add_note(f"In the backward of {errors.described(node)}.")
        raise
    finally:
        state.recording, state.place = before
    if watches:
        tell(watches, "ends", output)
    return cotangents


def backward(
    output: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:  # fmt: skip
    """Add dL/dx to ``x.grad`` for every leaf x that requires grad; L is `output`, or ``(output * gradient).sum()``.

    Args:
        gradient: the cotangent of `output`, which may be left out where that is a single number.
        retain_graph: nothing depends on it, as a tape lives as long as its output, and may be swept again.
        create_graph: record the sweep; ``x.grad`` is a Tensor then, which can be differentiated again.
        inputs: the only tensors that get a gradient, leaves or not.
    """
    here.state.left = here.state.left if create_graph else next_serial()
    for x, g in sweep(output, gradient, () if inputs is None else guards.goals(inputs), create_graph).items():
        if x.op is None or not (x.hooks and x.hooks.retain):  # which has it already
            x.grad = g if x.grad is None and type(g) is ndarray else guards.added(x.grad, g)


def gradients(
    output: Tensor, inputs: Tensor | Sequence[Tensor], create_graph: bool = False,
    *, gradient: Any = None, allow_unused: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The gradients of `output` with respect to `inputs`, a tuple of Tensors, as `torch.autograd.grad` returns them.

    Args:
        output: a single number, or any tensor together with `gradient`, its cotangent.
        inputs: tensors that require grad, leaves or not. Only the partials that lead to them are computed.
        create_graph: record the sweep, so that the gradients can be differentiated again.
        allow_unused: return None for an input that `output` does not depend on, instead of raising.

    Raises:
        RuntimeError: `output` is no single number and has no `gradient`, or does not depend on an input.
        TypeError: `output` is no Tensor.
        ValueError: `gradient` has another shape than `output`.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> gradients((x * x).sum(), x)
    (Tensor([2., 4.]),)
    """
    inputs = guards.differentiable_tensors(inputs)
    here.state.left = here.state.left if create_graph else next_serial()
    return guards.handed_out(sweep(output, gradient, inputs, create_graph), inputs, allow_unused)


Tensor.backward = backward  # type: ignore[method-assign, assignment]
