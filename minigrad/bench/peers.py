"""Libraries to compare with, set up for the harness: one thread each, and the work is done when a call returns."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any


def has(*names: str) -> bool:
    """Whether all of these libraries are installed."""
    return all(find_spec(name) for name in names)


def torch() -> Any:
    """PyTorch on one thread."""
    import torch

    torch.set_num_threads(1)
    return torch


def jax() -> Any:
    """JAX with float64; compiled functions run in the thread that calls them."""
    library = import_module("jax")  # whose types say one thing where it is installed, and another where not
    for name, value in ("jax_enable_x64", True), ("jax_cpu_enable_async_dispatch", False):
        library.config.update(name, value)
    return library
