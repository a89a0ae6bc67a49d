"""Gradients in a test run: a test for each gradient and each promise of a backward, in pytest and in unittest.

The options of pytest are in ``_minigrad_plugins``, which pytest loads at its start and which imports nothing of this.
`Shape` and `DType` are types for Hypothesis to draw from: ``st.from_type(minigrad.testing.Shape)``.
"""

import sys
from typing import Any, NewType

import numpy as np

from _minigrad_plugins import hypothesis_plugin
from minigrad.testing.decorator import Gradients, gradients

__all__ = ["DType", "Gradients", "Shape", "gradients"]

Shape = NewType("Shape", tuple[int, ...])
DType = NewType("DType", np.dtype[Any])

if "hypothesis" in sys.modules:
    hypothesis_plugin.register()
