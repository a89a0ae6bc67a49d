"""What does a training step of a tiny GPT cost? The model of lesson 7 at three widths, beside torch and jax.jit.

Run as `python -m benchmarks.transformer`. A step takes 32 names: embedding, causal attention in four heads, two linear
maps with relu between them, layer norm before each, cross-entropy, backward, and the update of all 13 parameters by
plain descent. Every library has its own functions for these, and one thread. Before anything is timed all sides must
arrive at the loss and the parameters of the lesson's own text, in float64; they are timed in float32.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import minigrad
from benchmarks.gpt import lesson
from minigrad import Tensor, compile, no_grad
from minigrad.bench import peers
from minigrad.bench.harness import ROUNDS, Cell, Table, assert_agreement, command, measure, say
from minigrad.bench.sides import reason

WIDTHS, HEADS, NAMES, LR = (16, 32, 64), 4, 32, 0.05
IGNORED = -100  # what follows behind the end of a name; cross_entropy leaves it out
Array = np.ndarray[Any, Any]
Parameters = dict[str, Array]
Steps = Iterator[tuple[Any, ...]]  # the loss, and all parameters after the step
Side = Callable[[Array, Array, Parameters], Steps]


# ---------------------------------------------------------------------------------------------------------- the sides
# Each takes letters as numbers, (n, T), those that follow, (n, T), and the parameters by name, which it may keep.
def of_the_lesson(codes: Array, following: Array, parameters: Parameters) -> Steps:
    """The lesson's own text, in primitives."""
    names = lesson()
    names["WIDTH"] = parameters["letter"].shape[1]
    step = minigrad.value_and_grad(names["loss_of"])
    counts = following != IGNORED
    while True:
        loss, slopes = step(parameters, codes, np.where(counts, following, 0), counts)
        for name, slope in slopes.items():
            parameters[name] -= LR * slope
        yield loss, *parameters.values()


def loss_of(p: dict[str, Any], codes: Array, following: Array) -> Tensor:
    n, T = codes.shape
    width = p["letter"].shape[1]
    x = minigrad.embedding(codes, p["letter"]) + p["place"][:T]

    qkv = minigrad.layer_norm(x, width, p["gain1"], p["bias1"]) @ p["qkv"]
    q, k, v = qkv.reshape(n, T, 3, HEADS, width // HEADS).transpose(2, 0, 3, 1, 4)
    mixed = minigrad.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + mixed.swapaxes(1, 2).reshape(n, T, width) @ p["together"]

    hidden = minigrad.relu(minigrad.layer_norm(x, width, p["gain2"], p["bias2"]) @ p["up"])
    x = x + hidden @ p["down"]

    scores = minigrad.layer_norm(x, width, p["gain3"], p["bias3"]) @ p["scores"]
    return minigrad.cross_entropy(scores.reshape(n * T, -1), following.reshape(-1), ignore_index=IGNORED)


def on_the_tape(codes: Array, following: Array, parameters: Parameters) -> Steps:
    p = {name: Tensor(array, requires_grad=True) for name, array in parameters.items()}
    while True:
        loss = loss_of(p, codes, following)
        loss.backward()
        with no_grad():
            for x in p.values():
                x -= LR * x.grad
                x.zero_grad()
        yield loss, *p.values()


PROGRAM = compile(
    loss_of,
    grad_of="p",
    update=lambda p, slopes: {name: p[name] - LR * slope for name, slope in slopes.items()},
)


def compiled(codes: Array, following: Array, parameters: Parameters) -> Steps:
    while True:
        loss, parameters = PROGRAM(parameters, codes, following)
        yield loss, *parameters.values()


def in_torch(codes: Array, following: Array, parameters: Parameters, compiled: bool = False) -> Steps:
    torch = peers.torch()
    from torch.nn import functional as F

    def loss_of(p: dict[str, Any], codes: Any, following: Any) -> Any:
        n, T = codes.shape
        width = p["letter"].shape[1]
        x = F.embedding(codes, p["letter"]) + p["place"][:T]

        qkv = F.layer_norm(x, (width,), p["gain1"], p["bias1"]) @ p["qkv"]
        q, k, v = qkv.reshape(n, T, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4).unbind()
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + mixed.transpose(1, 2).reshape(n, T, width) @ p["together"]

        hidden = F.relu(F.layer_norm(x, (width,), p["gain2"], p["bias2"]) @ p["up"])
        x = x + hidden @ p["down"]

        scores = F.layer_norm(x, (width,), p["gain3"], p["bias3"]) @ p["scores"]
        return F.cross_entropy(scores.reshape(n * T, -1), following.reshape(-1), ignore_index=IGNORED)

    call = torch.compile(loss_of, dynamic=False) if compiled else loss_of
    letters, next_ones = torch.from_numpy(codes), torch.from_numpy(following)
    p = {name: torch.from_numpy(array).requires_grad_() for name, array in parameters.items()}
    optimizer = torch.optim.SGD(p.values(), lr=LR)
    while True:
        optimizer.zero_grad()
        loss = call(p, letters, next_ones)
        loss.backward()
        optimizer.step()
        yield loss, *p.values()


def torch_compiled(codes: Array, following: Array, parameters: Parameters) -> Steps:
    return in_torch(codes, following, parameters, compiled=True)


def jax_jit(codes: Array, following: Array, parameters: Parameters) -> Steps:
    jax = peers.jax()
    jnp = jax.numpy

    def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
        x = jax.nn.standardize(x, epsilon=1e-5)
        return x * gain + bias

    def loss_of(p: dict[str, Any], codes: Any, following: Any) -> Any:
        n, T = codes.shape
        width = p["letter"].shape[1]
        x = p["letter"][codes] + p["place"][:T]

        qkv = layer_norm(x, p["gain1"], p["bias1"]) @ p["qkv"]
        q, k, v = qkv.reshape(n, T, 3, HEADS, width // HEADS).transpose(2, 0, 3, 1, 4)
        inner = q @ k.mT / np.sqrt(width // HEADS).astype(q.dtype)  # jax.nn's attention computes in float32
        mixed = jax.nn.softmax(jnp.where(np.tri(T, dtype=bool), inner, -np.inf)) @ v
        x = x + mixed.swapaxes(1, 2).reshape(n, T, width) @ p["together"]

        hidden = jax.nn.relu(layer_norm(x, p["gain2"], p["bias2"]) @ p["up"])
        x = x + hidden @ p["down"]

        log_p = jax.nn.log_softmax(layer_norm(x, p["gain3"], p["bias3"]) @ p["scores"])
        counts = following != IGNORED
        chosen = jnp.take_along_axis(log_p, jnp.where(counts, following, 0)[..., None], -1)[..., 0]
        return -jnp.where(counts, chosen, 0).sum() / counts.sum()

    @jax.jit
    def step(p: dict[str, Any], codes: Any, following: Any) -> Any:
        loss, slopes = jax.value_and_grad(loss_of)(p, codes, following)
        return loss, {name: p[name] - LR * slopes[name] for name in p}

    codes, following = jnp.asarray(codes), jnp.asarray(following)
    p = {name: jnp.asarray(array) for name, array in parameters.items()}
    while True:
        loss, p = step(p, codes, following)
        yield loss.block_until_ready(), *(p[name] for name in parameters)  # which come back in alphabetic order


EAGER, TORCH_COMPILED, JAX = "torch", "torch.compile", "jax.jit"
TAPE, COMPILED = "minigrad", "minigrad, compiled"
SIDES: dict[str, Side] = {TAPE: on_the_tape, COMPILED: compiled}
if peers.has("torch"):
    SIDES |= {EAGER: in_torch, TORCH_COMPILED: torch_compiled}
if peers.has("jax"):
    SIDES[JAX] = jax_jit
AT_MOST = {COMPILED: 1.0}  # times torch


def data(width: int, dtype: Any) -> tuple[Array, Array, Parameters]:
    """Letters and what follows, (NAMES, T), and the parameters to start from."""
    names = lesson()
    names["WIDTH"] = width
    codes, following, counts = names["batch"](names["NAMES"][:NAMES])
    start = names["start"](np.random.default_rng(0))
    return codes, np.where(counts, following, IGNORED), {name: array.astype(dtype) for name, array in start.items()}


def start(width: int, dtype: Any, sides: Mapping[str, Side]) -> dict[str, Steps]:
    """Sides at the same parameters before the same names."""
    return {name: side(*data(width, dtype)) for name, side in sides.items()}


def check(sides: Mapping[str, Side], width: int = min(WIDTHS), steps: int = 5) -> None:
    """In float64 the sides must arrive at the loss and the parameters of the lesson's text.

    Raises:
        AssertionError: names the side and what differs.
    """
    what = ["the loss", *data(width, float)[2]]
    assert_agreement(start(width, float, {"the lesson": of_the_lesson, **sides}), what, steps, rtol=1e-9)


def without_compiler() -> str:
    """Why torch.compile does not run here, which wants a compiler of C++; nothing if it does."""
    try:
        next(SIDES[TORCH_COMPILED](*data(min(WIDTHS), float)))
    except Exception as error:  # of any class: it is torch's, or one of the compiler that torch calls
        return f"{TORCH_COMPILED} does not run here: {reason(error)}"
    return ""


HEADER = ["width", "side", "µs/step", "quartiles", "over torch", "jax.jit over"]
TITLE = f"""\
A step of training for the GPT of lesson 7: {NAMES} names, {HEADS} heads, float32, one thread.
Medians of interleaved rounds; before them, all sides agreed on the loss and all parameters in float64.
over torch: time of this side over that of torch without a compiler; its quartiles over the rounds stand beside it.
jax.jit over: time of jax.jit over that of this side, so more is better for this side."""


def run(rounds: int = ROUNDS, widths: Sequence[int] = WIDTHS) -> Table:
    """The table of all sides at each width; a step is long, so half of the `rounds` will do."""
    say("transformer: agreement")
    sides, notes = dict(SIDES), []
    if TORCH_COMPILED in sides and (why_not := without_compiler()):
        del sides[TORCH_COMPILED]
        notes.append(why_not)
    check(sides)
    reference = EAGER if EAGER in sides else TAPE
    rows: list[list[Cell]] = []
    for width in widths:
        say(f"transformer: width {width}")
        timings = measure(start(width, np.float32, sides), -(-rounds // 2), seconds=0.03)
        rows.append([])
        for name in sides:
            over = timings.cells(name, reference, "<=", AT_MOST.get(name) if reference == EAGER else None)
            rows.append([width, name, *over, timings.ratio(JAX, name) if JAX in sides else None])
    header = [column.replace("torch", reference) for column in HEADER]
    return Table(TITLE, header, rows, notes)


def main(arguments: Sequence[str] | None = None) -> int:
    return command("transformer", run, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
