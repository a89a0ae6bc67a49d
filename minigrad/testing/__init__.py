"""Gradients in a test run: a test for each gradient and each promise of a backward, in pytest and in unittest.

The options of pytest are in ``_minigrad_plugins``, which pytest loads at its start and which imports nothing of this.
"""

from minigrad.testing.decorator import Gradients, gradients

__all__ = ["Gradients", "gradients"]
