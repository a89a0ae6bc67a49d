"""A training run with everything that has a state. Started by test_checkpoint.py, in a process that is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import checkpoint, nn, optim
from minigrad.optim import lr_scheduler


def mortal(event: str, death: str) -> Callable[[], None]:
    """A function whose n-th call is the last thing that happens, if it is of this event that the process dies."""
    what, _, number = death.partition(":")
    left = int(number or 0)

    def happened() -> None:
        nonlocal left
        left -= 1
        if what == event and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return happened


def watched(name: str, death: str) -> None:
    """Let ``os.name`` be mortal, before and after."""
    real, before, after = getattr(os, name), mortal(f"before {name}", death), mortal(f"after {name}", death)

    def call(*arguments: Any, **named: Any) -> Any:
        before()
        result = real(*arguments, **named)
        after()
        return result

    setattr(os, name, call)


def main(file: Path, output: Path, epochs: int, death: str, forgotten: str) -> None:
    """Go on from `file` if it exists, write it after each epoch, and print into `output` the bits it ends with.

    `death` is "what:n": this process kills itself just before or after the n-th of what it does. `forgotten` is the
    name of a part that is not restored.
    """
    with output.open("w", encoding="utf-8", buffering=1) as lines:
        train(file, epochs, death, forgotten, lines)


def train(file: Path, epochs: int, death: str, forgotten: str, lines: Any) -> None:
    for name in "fsync", "replace":
        watched(name, death)
    after_step = mortal("step", death)
    rng = np.random.default_rng(0)
    data = np.random.default_rng(1)
    x, labels = data.normal(size=(60, 5)), data.integers(0, 3, 60)
    model = nn.Sequential(
        nn.Linear(5, 8, rng=rng), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2, rng=np.random.default_rng(2)),
        nn.Linear(8, 3, rng=rng),
    )  # fmt: skip
    loss = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "rng": rng}
    epoch, losses = 0, []
    if file.exists():
        found = checkpoint.load(file, **{name: part for name, part in parts.items() if name != forgotten})
        epoch, losses = found["epoch"], found["losses"]
    while epoch < epochs:
        order = rng.permutation(60)
        for rows in order.reshape(-1, 10):
            optimizer.zero_grad()
            batch_loss = loss(model(x[rows]), labels[rows])
            batch_loss.backward()
            optimizer.step()
            losses.append(batch_loss.item())
            after_step()
        schedule.step()
        epoch += 1
        checkpoint.save(file, **parts, epoch=epoch, losses=losses)
        print("epoch", epoch, file=lines)
    bits = [array.tobytes().hex() for array in model.state_dict().values()]
    bits += [array["momentum_buffer"].tobytes().hex() for array in optimizer.state_dict()["state"].values()]
    print(bits, losses, rng.random(3).tolist(), schedule.get_last_lr(), file=lines)
