"""A long short-term memory learns a sentence by heart, a character at a time, and says it.

    python examples/lstm_text.py

The cell is that of Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minigrad import value_and_grad

TEXT = "the tape is read backwards. "
LETTERS = sorted(set(TEXT))
CODES = np.array([LETTERS.index(letter) for letter in TEXT])
UNITS = 24


def sigmoid(x: Any) -> Any:
    return (np.tanh(x / 2) + 1) / 2


def cell(params: Any, code: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """What comes out, and what is remembered, after the letter with this number."""
    gates = params["Wx"][code] + h @ params["Wh"] + params["b"]
    write, keep, read = np.split(sigmoid(gates[: 3 * UNITS]), 3)
    c = keep * c + write * np.tanh(gates[3 * UNITS :])
    return read * np.tanh(c), c


def loss(params: Any, codes: Any) -> Any:
    """The mean cross entropy of each letter, given those before it."""
    h, c, said = np.zeros(UNITS), np.zeros(UNITS), []
    for code in codes[:-1]:
        h, c = cell(params, code, h, c)
        said.append(h)
    scores = np.stack(said) @ params["V"]
    return np.mean(np.log(np.sum(np.exp(scores), axis=1)) - scores[np.arange(len(said)), codes[1:]])


def start() -> tuple[Any, ...]:
    """Small weights, and the text as numbers."""
    rng, letters = np.random.default_rng(0), len(LETTERS)
    sizes = {"Wx": (letters, 4 * UNITS), "Wh": (UNITS, 4 * UNITS), "b": (4 * UNITS,), "V": (UNITS, letters)}
    return {name: 0.3 * rng.normal(size=size) for name, size in sizes.items()}, CODES


def said(params: Any, length: int) -> str:
    """The text that the cell continues its first letter with, always taking the likeliest."""
    text, h, c = TEXT[0], np.zeros(UNITS), np.zeros(UNITS)
    while len(text) < length:
        h, c = cell(params, LETTERS.index(text[-1]), h, c)
        text += LETTERS[int(np.argmax(h @ params["V"]))]
    return text


def main(epochs: int) -> None:
    params, codes = start()
    step, speed = value_and_grad(loss), dict.fromkeys(params, 0.0)
    for epoch in range(epochs + 1):
        value, slope = step(params, codes)
        if epoch % max(epochs // 4, 1) == 0:
            print(f"epoch {epoch:3}   loss {value:.4f}   {said(params, len(TEXT))!r}")
        speed = {name: 0.9 * v + slope[name] for name, v in speed.items()}
        params = {name: w - 0.2 * speed[name] for name, w in params.items()}


if __name__ == "__main__":
    from command import run

    sys.exit(run(main, __doc__, epochs=160))
