"""A hidden Markov model whose likelihood is climbed by its gradient: no forward-backward formulas are written down.

    python examples/hidden_markov.py

The forward algorithm sums over all paths of the hidden state in logarithms; its gradient is what Baum and Welch's
backward pass computes. (Rabiner, Proceedings of the IEEE, 1989.)
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minigrad import value_and_grad


def logsumexp(x: Any, axis: int) -> Any:
    """ln of the sum of exp x along an axis, which is kept."""
    largest = np.max(x, axis=axis, keepdims=True)
    return largest + np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=True))


def loss(params: Any, symbols: Any) -> Any:
    """Minus the mean log likelihood of a symbol."""
    first, moves, emits = (
        table - logsumexp(table, -1) for table in (params["first"], params["moves"], params["emits"])
    )
    alpha = first + emits[:, symbols[0]]
    for symbol in symbols[1:]:
        alpha = logsumexp(alpha[:, None] + moves, 0)[0] + emits[:, symbol]
    return -logsumexp(alpha, 0)[0] / len(symbols)


def start() -> tuple[Any, ...]:
    """Logits of 3 states and 4 symbols, and 40 symbols of a chain that stays where it is for some time."""
    rng = np.random.default_rng(0)
    state, symbols = 0, []
    for _ in range(40):
        state = state if rng.random() < 0.85 else int(rng.integers(3))
        symbols.append(state if rng.random() < 0.9 else 3)
    params = {"first": np.zeros(3), "moves": 0.1 * rng.normal(size=(3, 3)), "emits": 0.1 * rng.normal(size=(3, 4))}
    return params, np.array(symbols)


def main(epochs: int) -> None:
    params, symbols = start()
    step = value_and_grad(loss)
    for epoch in range(epochs + 1):
        value, slope = step(params, symbols)
        if epoch % max(epochs // 4, 1) == 0:
            print(f"epoch {epoch:3}   loss {value:.4f}")
        params = {name: w - 2.0 * slope[name] for name, w in params.items()}


if __name__ == "__main__":
    from command import run

    sys.exit(run(main, __doc__, epochs=100))
