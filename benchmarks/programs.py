"""What do whole programs cost? The examples' losses and gradients, beside HIPS autograd and torch.

Run as `python -m benchmarks.programs`. Each program is a file of examples/, whose loss is plain NumPy. HIPS autograd
runs the same text with its own namespace for `np`; for torch it is written again below, as one writes it there. All
sides must find the same value and gradient before anything is timed, and compiled programs are compiled by then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np

import minigrad
from minigrad import value_and_grad
from minigrad.bench import peers
from minigrad.bench.harness import ROUNDS, Cell, Ratio, Table, assert_agreement, command, measure, say
from minigrad.engine.trees import leaves, like, mapped

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = (
    "gaussian_process",
    "neural_ode",
    "hidden_markov",
    "black_box_vi",
    "lstm_text",
    "kalman",
    "hmc",
    "scipy_optimize",
)
OURS, COMPILED, HIPS, TORCH, JAX = "minigrad", "minigrad, compiled", "HIPS autograd", "torch", "jax.jit"


def program(name: str, numpy: str = "numpy") -> dict[str, Any]:
    """The names of an example, in which `np` is another library's."""
    file = EXAMPLES / f"{name}.py"
    text = file.read_text(encoding="utf-8").replace("import numpy as np", f"import {numpy} as np")
    names: dict[str, Any] = {"__name__": name}
    exec(compile(text, str(file), "exec"), names)
    return names


# ---------------------------------------------------------------------------------------------- the losses, in torch
def gaussian_process(p: Any, X: Any, y: Any) -> Any:
    import torch

    scaled = (X[:, None] - X) * torch.exp(-p["log_scales"])
    noise = torch.exp(p["log_noise"]) * torch.eye(len(y), dtype=torch.float64)
    L = torch.linalg.cholesky(torch.exp(p["log_height"] - (scaled**2).sum(2) / 2) + noise)
    whitened = torch.linalg.solve(L, y)
    return (whitened @ whitened / 2 + torch.log(torch.diagonal(L)).sum()) / len(y) + np.log(2 * np.pi) / 2


def neural_ode(p: Any, y: Any, observed: Any) -> Any:
    import torch

    def field(y: Any) -> Any:
        return torch.tanh(y**3 @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]

    h, found = 0.1, []
    for _ in range(len(observed)):
        k1 = field(y)
        k2 = field(y + h / 2 * k1)
        k3 = field(y + h / 2 * k2)
        k4 = field(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        found.append(y)
    return ((torch.stack(found) - observed) ** 2).mean()


def hidden_markov(p: Any, symbols: Any) -> Any:
    import torch

    first, moves, emits = (torch.log_softmax(p[name], -1) for name in ("first", "moves", "emits"))
    symbols = symbols.tolist()
    alpha = first + emits[:, symbols[0]]
    for symbol in symbols[1:]:
        alpha = torch.logsumexp(alpha[:, None] + moves, 0) + emits[:, symbol]
    return -torch.logsumexp(alpha, 0) / len(symbols)


def black_box_vi(p: Any, X: Any, y: Any, noise: Any) -> Any:
    import torch

    w = p["mean"] + torch.exp(p["log_deviation"]) * noise
    z = w @ X.T
    log_posterior = (y * z - torch.nn.functional.softplus(z)).sum(1) - (w**2).sum(1) / 2
    return -log_posterior.mean() - p["log_deviation"].sum()


def lstm_text(p: Any, codes: Any) -> Any:
    import torch

    units = p["V"].shape[0]
    h, c, said = torch.zeros(units).double(), torch.zeros(units).double(), []
    for code in codes[:-1].tolist():
        gates = p["Wx"][code] + h @ p["Wh"] + p["b"]
        write, keep, read = torch.sigmoid(gates[: 3 * units]).split(units)
        c = keep * c + write * torch.tanh(gates[3 * units :])
        h = read * torch.tanh(c)
        said.append(h)
    return torch.nn.functional.cross_entropy(torch.stack(said) @ p["V"], codes[1:])


def kalman(p: Any, measured: Any) -> Any:
    import torch

    F = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    H = torch.tensor([1.0, 0.0], dtype=torch.float64)
    Q = torch.exp(p["log_q"]) * torch.tensor([[1 / 3, 1 / 2], [1 / 2, 1.0]], dtype=torch.float64)
    r = torch.exp(p["log_r"])
    m, P, total = torch.zeros(2).double(), 10 * torch.eye(2).double(), 0.0
    for y in measured.tolist():
        m, P = F @ m, F @ P @ F.T + Q
        surprise, s = y - H @ m, H @ P @ H + r
        gain = P @ H / s
        m, P = m + gain * surprise, P - gain[:, None] * (H @ P)
        total = total + (torch.log(s) + surprise**2 / s) / 2
    return total / len(measured)


def hmc(q: Any) -> Any:
    import torch

    effects = torch.tensor([28, 8, -3, 7, -1, 1, 18, 12], dtype=torch.float64)
    errors = torch.tensor([15, 10, 16, 11, 9, 11, 10, 18], dtype=torch.float64)
    misfit = (effects - 10 * q[0] - torch.exp(q[1]) * q[2:]) / errors
    return ((misfit**2).sum() + q[0] ** 2 + (q[1] - 1) ** 2 + (q[2:] ** 2).sum()) / 2


def scipy_optimize(points: Any) -> Any:
    import torch

    x, y, w = points
    t = torch.linspace(-1, 1, 12, dtype=torch.float64)
    counts = torch.tensor([1, 0, 2, 1, 3, 2, 4, 5, 4, 8, 9, 13])
    z = torch.stack([torch.ones_like(t), t, t**2], 1) @ w
    rosenbrock = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
    rastrigin = (y**2 - 10 * torch.cos(2 * np.pi * y) + 10).sum()
    return rosenbrock + rastrigin + (torch.exp(z) - counts * z).sum()


# ---------------------------------------------------------------------------------------------------------- the sides
def on_the_tape(name: str) -> Callable[[], tuple[Any, Any]]:
    names = program(name)
    arguments, step = names["start"](), value_and_grad(names["loss"])
    return lambda: step(*arguments)


def compiled(name: str) -> Callable[[], tuple[Any, Any]]:
    names = program(name)
    arguments, of_the_file = names["start"](), [x for x in leaves([*names.values()]) if isinstance(x, np.ndarray)]
    step = minigrad.compile(value_and_grad(names["loss"]), constants=of_the_file)
    return lambda: step(*arguments)


def in_autograd(name: str) -> Callable[[], tuple[Any, Any]]:
    from autograd import value_and_grad

    arguments, step = program(name)["start"](), value_and_grad(program(name, "autograd.numpy")["loss"])
    return lambda: step(*arguments)


def in_jax(name: str) -> Callable[[], tuple[Any, Any]]:
    jax = peers.jax()
    params, *data = program(name)["start"]()
    step = jax.jit(jax.value_and_grad(program(name, "jax.numpy")["loss"]))

    def in_order() -> tuple[Any, Any]:
        value, slope = jax.block_until_ready(step(params, *data))
        return value, {key: slope[key] for key in params} if isinstance(params, dict) else slope  # JAX sorts keys

    return in_order


def in_torch(name: str) -> Callable[[], tuple[Any, Any]]:
    torch = peers.torch()
    loss = globals()[name]
    params, *data = mapped(torch.tensor, program(name)["start"]())
    variables = [x.requires_grad_() for x in leaves(params)]

    def step() -> tuple[Any, Any]:
        value = loss(params, *data)
        return value, like(params, torch.autograd.grad(value, variables))

    return step


SIDES: dict[str, Callable[[str], Callable[[], tuple[Any, Any]]]] = {OURS: on_the_tape, COMPILED: compiled}
if peers.has("autograd"):
    SIDES[HIPS] = in_autograd
if peers.has("torch"):
    SIDES[TORCH] = in_torch
if peers.has("jax"):
    SIDES[JAX] = in_jax


def side(step: Callable[[], tuple[Any, Any]]) -> Iterator[tuple[Any, ...]]:
    """Yields the value and each array of the gradient."""
    while True:
        value, slope = step()
        yield value, *leaves(slope)


def start(name: str) -> Mapping[str, Iterator[Any]]:
    """All sides of one program."""
    return {library: side(make(name)) for library, make in SIDES.items()}


def found_by(name: str) -> list[str]:
    """The names of what a side of this program yields."""
    params = program(name)["start"]()[0]
    return ["the value", *(f"the gradient {i}" for i in range(len(leaves(params))))]


RIVALS = [library for library in SIDES if library not in (OURS, COMPILED)]
NO_SLOWER_THAN = HIPS, TORCH
HEADER = ["program", "side", "µs", "quartiles", "over minigrad", *(f"{rival} over" for rival in RIVALS)]
TITLE = """\
The losses of examples/ and their gradients, float64, one thread. Medians of interleaved rounds; all sides agreed.
over minigrad: time of this side over that of minigrad; its quartiles over the rounds stand beside it.
... over: time of the other library over that of this side, so more is better for this side."""


def run(rounds: int = ROUNDS) -> Table:
    """The table of all programs and sides; the last lines are the geometric means of the ratios to others."""
    rows: list[list[Cell]] = []
    found: dict[tuple[str, str], list[float]] = {(side, rival): [] for side in (OURS, COMPILED) for rival in RIVALS}
    for name in NAMES:
        say(f"programs: {name}")
        sides = start(name)
        assert_agreement(sides, found_by(name), steps=1, rtol=1e-9)
        timings = measure(sides, rounds)
        rows.append([])
        for library in sides:
            row: list[Cell] = [name, library, *timings.cells(library, OURS)]
            for rival in RIVALS:
                if library in RIVALS:
                    row.append(None)
                    continue
                row.append(timings.ratio(rival, library, ">=", 1.0 if rival in NO_SLOWER_THAN else None))
                found[library, rival].append(row[-1].value)
            rows.append(row)
    rows.append([])
    for library in (OURS, COMPILED):
        means = [Ratio(geometric_mean(found[library, rival])) for rival in RIVALS]
        rows.append(["geometric mean", library, None, None, None, *means])
    return Table(TITLE, HEADER, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    return command("programs", run, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
