"""What does a recorded operation cost above NumPy? Microseconds an operation, forward and backward.

Run as `python -m benchmarks.overhead`. A chain of 100 operations on arrays of 8 float64 entries: a product with one
weight, which has two partials and adds up in the weight, and tanh, which has one. The floor is the same arithmetic by
hand in NumPy. torch, HIPS autograd and MyGrad take part where they are installed. Backward is the time of forward and
backward together less that of forward alone, round by round.

Then what noting the user's line costs, and one chain of 1,000,000 products with the cyclic collector on and off.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from statistics import median
from time import process_time
from typing import Any

import numpy as np

import minigrad.backprop
from minigrad import Tensor
from minigrad.bench.harness import ROUNDS, Cell, Ratio, Table, Timings, command, measure, positive, say

LENGTH = 100  # operations in a chain
ENTRIES = 8
Chain = Callable[[Any, Any, int], Any]  # (x, w, length) -> the end of a chain
Side = Iterator[Any]


def product(x: Any, w: Any, length: int = LENGTH) -> Any:
    for _ in range(length):
        x = x * w
    return x


def tanh_of(library: Any) -> Chain:
    tanh = library.tanh

    def chain(x: Any, w: Any, length: int = LENGTH) -> Any:
        for _ in range(length):
            x = tanh(x)
        return x

    return chain


def data() -> tuple[Any, Any, Any]:
    """x, w and the cotangent: (8,) float64, with products that stay near 1."""
    rng = np.random.default_rng(0)
    return rng.normal(size=ENTRIES), 1 + 1e-3 * rng.normal(size=ENTRIES), rng.normal(size=ENTRIES)


# ------------------------------------------------------------------------------------------------------ the sides
# Each yields (dL/dx, dL/dw) after a forward and a backward, or None after a forward alone.
def product_by_hand(backward: bool) -> Side:
    x0, w, g0 = data()
    while True:
        xs = [x0]
        for _ in range(LENGTH):
            xs.append(xs[-1] * w)
        if not backward:
            yield None
            continue
        g, gw = g0, np.zeros(ENTRIES)
        for x in reversed(xs[:-1]):
            gw = gw + g * x
            g = g * w
        yield g, gw


def tanh_by_hand(backward: bool) -> Side:
    x0, _, g0 = data()
    while True:
        ys = [x0]
        for _ in range(LENGTH):
            ys.append(np.tanh(ys[-1]))
        g = g0
        if backward:
            for y in reversed(ys[1:]):
                g = g * (1 - y * y)
        yield (g, None) if backward else None


def on_the_tape(chain: Chain, backward: bool) -> Side:
    x, w, g = data()
    x, w = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
    while True:
        y = chain(x, w, LENGTH)
        if backward:
            y.backward(g)
        yield (x.grad, w.grad) if backward else None
        x.grad = w.grad = None


def without_places(chain: Chain) -> Side:
    """Our forward when no operation notes where it was called."""
    noting = minigrad.backprop.caller
    forward = on_the_tape(chain, backward=False)
    while True:
        minigrad.backprop.caller = lambda depth: (None, 0)  # type: ignore[assignment, return-value]
        try:
            result = next(forward)
        finally:  # before the next side runs
            minigrad.backprop.caller = noting
        yield result


def in_torch(chain: Chain, backward: bool) -> Side:
    import torch

    torch.set_num_threads(1)
    x, w, g = map(torch.from_numpy, data())
    x.requires_grad_(), w.requires_grad_()
    while True:
        y = chain(x, w, LENGTH)
        if backward:
            y.backward(g)
        yield (x.grad, w.grad) if backward else None
        x.grad = w.grad = None


def in_autograd(chain: Chain, backward: bool) -> Side:
    from autograd import make_vjp

    x, w, g = data()
    pull = make_vjp(lambda xw: chain(xw[0], xw[1], LENGTH))
    while True:
        vjp, _ = pull((x, w))
        yield vjp(g) if backward else None


def in_mygrad(chain: Chain, backward: bool) -> Side:
    import mygrad

    x, w, g = data()
    x, w = mygrad.tensor(x), mygrad.tensor(w)
    while True:
        y = chain(x, w, LENGTH)
        if backward:
            y.backward(g)
        yield (x.grad, w.grad) if backward else None
        y.clear_graph()
        x.null_grad(), w.null_grad()


HAND, OURS = "by hand in NumPy", "minigrad"


def sides(operation: str) -> dict[str, Callable[[bool], Side]]:
    """For each engine that is here, a function that makes its side."""
    unary = operation == "tanh"

    def chain(library: Any) -> Chain:
        return tanh_of(library) if unary else product

    found: dict[str, Callable[[bool], Side]] = {
        HAND: tanh_by_hand if unary else product_by_hand,
        OURS: lambda backward: on_the_tape(chain(np), backward),
    }
    if find_spec("torch"):
        import torch

        found["torch"] = lambda backward: in_torch(chain(torch), backward)
    if find_spec("autograd"):
        import autograd.numpy

        found["HIPS autograd"] = lambda backward: in_autograd(chain(autograd.numpy), backward)
    if find_spec("mygrad"):
        import mygrad

        found["MyGrad"] = lambda backward: in_mygrad(chain(mygrad), backward)
    return found


def assert_agreement(operation: str) -> None:
    """All engines must find the same gradients. AssertionError names the one that does not."""
    expected = next(sides(operation)[HAND](True))
    for name, side in sides(operation).items():
        for got, wanted in zip(next(side(True)), expected, strict=True):
            if wanted is not None:
                np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-9, err_msg=name)


# ---------------------------------------------------------------------------------------------------- the figures
AT_MOST = {"forward": 1.2, "backward": 1.5}  # µs above NumPy, for a product
PLACE = 0.2  # µs


def above(timings: Timings, name: str) -> tuple[float, float]:
    """Microseconds an operation above the arithmetic by hand, forward and backward: medians over the rounds."""
    figures = [timings.seconds[f"{who} {what}"] for who in (name, HAND) for what in ("forward", "both")]
    forward, backward = [], []
    for f, both, hand_f, hand_both in zip(*figures, strict=True):
        forward.append(f - hand_f)
        backward.append(both - f - (hand_both - hand_f))
    return 1e6 / LENGTH * median(forward), 1e6 / LENGTH * median(backward)


def compare(operation: str, rounds: int, seconds: float = 0.005) -> list[list[Cell]]:
    """Table rows for one operation."""
    say(f"overhead: {operation}")
    assert_agreement(operation)
    makers = sides(operation)
    both = {f"{n} {what}": make(what == "both") for n, make in makers.items() for what in ("forward", "both")}
    timings = measure(both, rounds, seconds)
    found = {name: above(timings, name) for name in makers if name != HAND}
    rows: list[list[Cell]] = []
    for name, (forward, backward) in found.items():
        bounds = AT_MOST if name == OURS and operation == "product" else {}
        rows.append(
            [
                operation,
                name,
                Ratio(forward, "<=", bounds.get("forward")),
                Ratio(backward, "<=", bounds.get("backward")),
                Ratio(sum(found[name]) / sum(found[OURS]), ">=", None if name == OURS else 1.0),
            ]
        )
    return rows


def cost_of_places(rounds: int, seconds: float = 0.005) -> float:
    """Microseconds an operation for noting file, line and columns."""
    timings = measure({"noting": on_the_tape(product, backward=False), "not": without_places(product)}, rounds, seconds)
    differences = [a - b for a, b in zip(timings.seconds["noting"], timings.seconds["not"], strict=True)]
    return 1e6 / LENGTH * median(differences)


def long_chain(length: int, collecting: bool) -> tuple[float, float]:
    """Seconds for the forward and the backward of one chain, with the cyclic collector on or off."""
    x, w, g = data()
    x, w = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
    gc.collect()
    if not collecting:
        gc.disable()
    try:
        begin = process_time()
        y = product(x, w, length)
        middle = process_time()
        y.backward(g)
        return middle - begin, process_time() - middle
    finally:
        gc.enable()


HEADER = ["operation", "engine", "forward", "backward", "of ours"]
TITLE = f"""\
µs an operation above the same arithmetic by hand; {ENTRIES} float64 entries, chains of {LENGTH}.
of ours: forward and backward together, as a multiple of minigrad's."""


def run(rounds: int = ROUNDS, length: int = 1_000_000) -> Table:
    """The overhead of all engines; then what noting places costs, and one chain of `length` operations."""
    place = Ratio(cost_of_places(rounds), "<=", PLACE)
    rows = [[], *compare("product", rounds), ["product", "of which: noting the user's line", place, None, None]]
    rows += [[], *compare("tanh", rounds)]
    notes = []
    for collecting in True, False:
        say(f"overhead: a chain of {length:,}")
        forward, backward = long_chain(length, collecting)
        notes.append(
            f"a chain of {length:,}, collector {'on' if collecting else 'off'}: forward {forward:.2f} s, "
            f"backward {backward:.2f} s, {1e6 * (forward + backward) / length:.2f} µs an operation"
        )
    return Table(TITLE, HEADER, rows, notes)


def main(arguments: Sequence[str] | None = None) -> int:
    length = {"type": positive, "default": 1_000_000, "help": "operations in the long chain (default 1000000)"}
    return command("overhead", run, __doc__, arguments, length=length)


if __name__ == "__main__":
    sys.exit(main())
