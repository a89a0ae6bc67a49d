"""Train a network on scikit-learn's 1,797 handwritten digits: a perceptron (mlp), or a small convolutional net (conv).

    python examples/digits.py                               mlp
    python examples/digits.py conv
    python examples/digits.py conv --checkpoint conv.npz    goes on from conv.npz if it was stopped

Needs scikit-learn for the data: python -m pip install "minigrad-tape[lab]"
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from minigrad import Tensor, checkpoint, nn, no_grad, optim
from minigrad.optim import lr_scheduler

EPOCHS = {"mlp": 30, "conv": 20}
BATCH = 32


def mlp(rng: np.random.Generator) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128, rng=rng), nn.ReLU(), nn.Dropout(0.2, rng=rng),
        nn.Linear(128, 10, rng=rng),
    )  # fmt: skip


def conv(rng: np.random.Generator) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, rng=rng), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, rng=rng), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2, rng=rng), nn.Linear(128, 10, rng=rng),
    )  # fmt: skip


def digits(seed: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Images (n, 1, 8, 8) with entries from 0 to 1 and labels, for training and for the test: 80 % and 20 %."""
    from sklearn.datasets import load_digits

    table = load_digits()
    images = (table.images[:, np.newaxis] / 16).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[: len(order) * 4 // 5], order[len(order) * 4 // 5 :]
    return images[train], table.target[train], images[test], table.target[test]


@no_grad()
def accuracy(model: nn.Module, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    model.eval()
    scores: Tensor = model(images)
    model.train()
    return float((scores.data.argmax(1) == labels).mean())


def train(name: str, epochs: int, seed: int, file: Path | None) -> float:
    """Train, a line an epoch, and return the accuracy on the test images."""
    images, labels, test_images, test_labels = digits(seed)
    rng = np.random.default_rng(seed)  # all chance there is: first values, dropout, the order of the images
    model = {"mlp": mlp, "conv": conv}[name](rng)
    loss_of = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "rng": rng}
    done = 0
    if file and file.exists():
        done = checkpoint.load(file, **parts)["epoch"]
        print(f"going on from {file} after epoch {done}")

    print(model)
    print(f"{sum(p.size for p in model.parameters()):,} parameters, {len(images)} images to learn from")
    began = perf_counter()
    for epoch in range(done + 1, epochs + 1):
        order = rng.permutation(len(images))
        total = 0.0
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            loss = loss_of(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        schedule.step()
        if file:
            checkpoint.save(file, **parts, epoch=epoch)
        print(
            f"epoch {epoch:2} of {epochs}   loss {total / len(order):.4f}   "
            f"accuracy {accuracy(model, test_images, test_labels):7.2%} on {len(test_images)} test images   "
            f"{perf_counter() - began:5.1f} s",
            flush=True,
        )
    return accuracy(model, test_images, test_labels)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train a network on scikit-learn's handwritten digits.")
    parser.add_argument("model", nargs="?", choices=EPOCHS, default="mlp", help="default: mlp")
    parser.add_argument("--epochs", type=int, help="passes over the images (default: 30 for mlp, 20 for conv)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bits (default 0)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="written after each epoch, to go on from")
    options = parser.parse_args(arguments)
    epochs = EPOCHS[options.model] if options.epochs is None else options.epochs
    if epochs < 1:
        parser.error(f"epochs is at least 1, and not {epochs}")
    if options.seed < 0:
        parser.error(f"seed is at least 0, and not {options.seed}")
    try:
        reached = train(options.model, epochs, options.seed, options.checkpoint)
    except checkpoint.CheckpointError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        hint = f"; the same command goes on from {options.checkpoint}" if options.checkpoint else ""
        print(f"stopped by Ctrl-C{hint}", file=sys.stderr)
        return 130
    print(f"test accuracy {reached:.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
