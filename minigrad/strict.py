"""The careful mode: ``with minigrad.strict():`` stops at the line that would corrupt a gradient.

The engine trusts that nobody writes into an array that the tape remembers, and that numbers stay finite. Inside the
block nothing is trusted. That costs several times the speed, so it is for finding a fault, not for training.
"""

from __future__ import annotations

import linecache
import re
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from minigrad.broadcasting import unbroadcast
from minigrad.errors import described
from minigrad.places import Place
from minigrad.state import here
from minigrad.tensor import Tensor

__all__ = ["strict"]


class strict:
    """A context manager. Until the block ends, in this thread:

    - arrays on the tape, and the arrays they are views of, are read-only, so that the line that writes into one raises;
      writes through views that are older than the block are caught by a checksum when the backward comes by
    - NaN or infinity that an operation makes of finite numbers raises, in the forward and in the backward
    - broadcasting between different ranks raises where neither side has the shape of the result, as (n, 1) with (n,);
      a bias of shape (q,) on rows of shape (n, q) is what it looks like, and passes
    - each partial that a rule returns is checked: its shape, its dtype, and that it is not memory of an input

    Raises:
        FloatingPointError: a number stopped being finite; the operation, its line and the entry.
        ValueError: a write into a locked array (NumPy's error, with a note on who needs the array), a changed array, or
            a broadcast between ranks.
        RuntimeError: a rule returned what it may not.
    """

    def __enter__(self) -> strict:
        self.before, here.state.strict = here.state.strict, self
        self.locked: list[Any] = []  # arrays that were writeable, in the order they were locked
        self.saved: list[tuple[Any, Tensor]] = []  # an array, and the node that needs it
        self.sums: dict[Tensor, list[int]] = {}
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        here.state.strict = self.before
        for array in reversed(self.locked):  # a base before its views
            array.flags.writeable = True
        if isinstance(error, ValueError) and "read-only" in str(error) and traceback is not None:
            for node in self.savers(traceback):
                error.add_note(f"This array is needed for the backward of {described(node)}. Write into a copy.")
        self.locked, self.saved, self.sums = [], [], {}

    # ------------------------------------------------------------------------------------------------- the forward
    def forward(self, op: Any, y: Tensor, values: Sequence[Any]) -> None:
        """Check a result that was just made, and lock what its backward needs."""
        where = f"{op.name} at {Place.of(y.made_at)}"
        refuse_non_finite(f"{where}, in the forward", y.array, values)
        if set(getattr(op, "signature", "-")) <= set("(),->"):
            ranks = {np.ndim(v) for v in values if v is not None} - {0}
            if len(ranks) > 1 and y.shape not in [np.shape(v) for v in values]:
                raise ValueError(
                    f"{where}: shapes {' and '.join(str(np.shape(v)) for v in values)} broadcast to {y.shape}, which "
                    "is neither; that is hardly meant. Reshape one to the rank of the other"
                )
        if y.op is not None:
            for array in [v for v in (*values, y.array) if isinstance(v, np.ndarray)]:
                self.lock(array)
                self.saved.append((array, y))
            self.sums[y] = checksums(y)

    def lock(self, array: Any) -> None:
        if isinstance(array.base, np.ndarray):
            self.lock(array.base)
        if array.flags.writeable:
            array.flags.writeable = False
            self.locked.append(array)

    def savers(self, traceback: TracebackType) -> list[Tensor]:
        """The nodes that need an array named in the line that raised."""
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        frame = traceback.tb_frame
        names = re.findall(r"\w+", linecache.getline(frame.f_code.co_filename, traceback.tb_lineno))
        held = [{**frame.f_globals, **frame.f_locals}.get(name) for name in names]
        arrays = [t.array if type(t) is Tensor else t for t in held if isinstance(t, np.ndarray | Tensor)]
        nodes = [node for saved, node in self.saved if any(np.may_share_memory(saved, a) for a in arrays)]
        return list(dict.fromkeys(nodes))

    # ------------------------------------------------------------------------------------------------ the backward
    def backward(self, node: Tensor, g: Any, partials: Sequence[Any]) -> None:
        """Check what the rules of `node` made of its cotangent `g`, and of what."""
        where = f"{node.op.name} at {Place.of(node.made_at)}, in the backward"
        if node in self.sums and self.sums[node] != checksums(node):
            raise ValueError(
                f"{where}: an array that it needs was changed after the forward, through a view that is older than "
                "strict(). Write into a copy"
            )
        for x, partial in zip(node.inputs, partials, strict=True):
            if partial is None or type(x) is not Tensor:
                continue
            if type(partial) is Tensor:
                g, partial = g.array if type(g) is Tensor else g, partial.array
            refuse_non_finite(where, partial, (g,))
            if partial.dtype.kind != "f":
                raise RuntimeError(f"{where}: a rule returned dtype {partial.dtype}; a cotangent is a real float")
            try:
                unbroadcast(partial, x.shape)
            except ValueError as error:
                raise RuntimeError(f"{where}: a rule returned a cotangent that does not fit: {error}") from None
            if any(np.may_share_memory(partial, v) for v in node.values if isinstance(v, np.ndarray)):
                raise RuntimeError(f"{where}: a rule returned memory of an input; return a new array")


def checksums(node: Tensor) -> list[int]:
    arrays = [v for v in (*node.values, node.array) if isinstance(v, np.ndarray)]
    return [zlib.crc32(a.tobytes()) for a in arrays]


def refuse_non_finite(where: str, result: Any, inputs: Sequence[Any]) -> None:
    """Raise if `result` is not finite although all of `inputs` are."""
    if np.asarray(result).dtype.kind not in "fc" or np.isfinite(result).all():
        return
    if all(v is None or np.asarray(v).dtype.kind not in "fc" or np.isfinite(v).all() for v in inputs):
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        raise FloatingPointError(
            f"{where}: {np.asarray(result)[at]} was born at entry {list(at)} of a result of shape {np.shape(result)}, "
            "from finite numbers"
        )
