"""Which of NumPy's functions answer to a Tensor with no operation, and which do not answer, and what to say instead.

What is here and what operations and compositions answer to is all of NumPy that asks its arguments. `answers` lists it
for docs/numpy.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad.engine.state import off_tape
from minigrad.engine.trees import bare, mapped
from minigrad.ops import elementwise, reduce
from minigrad.ops.calling import whole_name
from minigrad.ops.registry import FROM_NUMPY, OF_UFUNCS, REFUSED, WRITERS, answer, since
from minigrad.tensor import Tensor


def off_the_tape(function: Any) -> Callable[..., Any]:
    """NumPy's function on the arrays of Tensors, for results that are no numbers of the tape: a bool, positions."""

    def called(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = mapped(lambda x: off_tape(x, whole_name(function)) if type(x) is Tensor else x, (args, kwargs))
        return function(*args, **kwargs)

    return called


# Shapes, dtypes and texts are static: Python's, not values on the tape. What is shaped like a tensor is an array.
of_form: tuple[Any, ...] = (
    np.ndim, np.shape, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type, np.iscomplexobj,
    np.isrealobj, np.zeros_like, np.ones_like, np.empty_like, np.einsum_path, np.diag_indices_from,
    np.tril_indices_from, np.triu_indices_from, np.shares_memory, np.may_share_memory, np.array_str, np.array_repr,
    np.array2string,
)  # fmt: skip
by_value: tuple[Any, ...] = (
    np.allclose, np.isclose, np.array_equal, np.array_equiv, np.nonzero, np.argwhere, np.flatnonzero, np.isin,
    np.nanargmax, np.nanargmin, np.lexsort, np.digitize, np.ix_, np.unravel_index, np.ravel_multi_index, np.isreal,
    np.iscomplex, np.gcd, np.lcm, np.linalg.matrix_rank, *since("in1d"),
)  # fmt: skip
OFF_TAPE = {f: lambda *args, f=f, **kwargs: f(*bare(args), **bare(kwargs)) for f in of_form}
OFF_TAPE |= {f: off_the_tape(f) for f in by_value}
FROM_NUMPY |= OFF_TAPE
FROM_NUMPY[np.isposinf] = lambda x: elementwise.equal(x, np.inf)
FROM_NUMPY[np.isneginf] = lambda x: elementwise.equal(x, -np.inf)
OF_UFUNCS |= {
    (np.add, "reduce"): reduce.sum, (np.multiply, "reduce"): reduce.prod, (np.logical_and, "reduce"): reduce.all,
    (np.maximum, "reduce"): reduce.max, (np.minimum, "reduce"): reduce.min, (np.logical_or, "reduce"): reduce.any,
    (np.logaddexp, "reduce"): reduce.logsumexp,
    (np.add, "accumulate"): reduce.cumsum, (np.multiply, "accumulate"): reduce.cumprod,
}  # fmt: skip

# -------------------------------------------------------------------------------------------------------- what does not
PLAIN = "t.detach().numpy() is the array"
SETS = f"say np.unique(np.concatenate([a, b])) or a[np.isin(a, b)]; {PLAIN}"
FILES = "save t.numpy(), or named parts with minigrad.checkpoint.save"
COUNTS = f"counts are steps, and have no derivative; {PLAIN}, and np.bincount takes weights that are tensors"
STRUCTS = "np.unique(x, return_index=True, return_inverse=True, return_counts=True) has them, as a tuple"
COMPLEX = "its results are complex, and a tape is of reals; of a symmetric matrix there are np.linalg.eigh and eigvalsh"
POWERS = "say x * 2.0**n"
INSTEAD = {
    "apply_over_axes": "say function(x, axis=(0, 1), keepdims=True)", "bitwise_count": PLAIN,
    "left_shift": POWERS,
    "right_shift": "say x // 2**n", "ldexp": POWERS, "frexp": PLAIN, "modf": "say x - np.trunc(x) and np.trunc(x)",
    "busday_count": PLAIN, "busday_offset": PLAIN, "is_busday": PLAIN, "isnat": PLAIN, "datetime_as_string": PLAIN,
    "histogram": COUNTS, "histogram2d": COUNTS, "histogramdd": COUNTS, "histogram_bin_edges": COUNTS,
    "i0": "it is one as soon as scipy.special is imported", "nextafter": PLAIN, "spacing": PLAIN,
    "intersect1d": SETS, "setdiff1d": SETS, "setxor1d": SETS, "union1d": SETS, "packbits": PLAIN, "unpackbits": PLAIN,
    "poly": "multiply the factors, np.convolve(p, [1, -root])", "polyadd": "add p and q, the shorter with np.pad",
    "polysub": "subtract p and q, the shorter with np.pad", "polymul": "say np.convolve(p, q)", "polydiv": PLAIN,
    "polyder": "say p[:-1] * np.arange(len(p) - 1, 0, -1)", "polyint": "say np.append(p / np.arange(len(p), 0, -1), 0)",
    "roots": COMPLEX, "linalg.eig": COMPLEX, "linalg.eigvals": COMPLEX, "sort_complex": "say np.sort(x)",
    "save": FILES, "savetxt": FILES, "savez": FILES, "savez_compressed": FILES,
    "linalg.tensorinv": "reshape to a matrix, for np.linalg.inv", "trim_zeros": "say x[first:last]",
    "linalg.tensorsolve": "reshape to a matrix, for np.linalg.solve", "unique_all": STRUCTS, "unique_counts": STRUCTS,
    "unique_inverse": STRUCTS, "unique_values": "say np.unique(x)",
}  # fmt: skip


def public() -> Iterator[tuple[str, Any]]:
    """The names below np, and the functions, of what asks its arguments how to compute."""
    for prefix, module in ("", np), ("linalg.", np.linalg), ("fft.", np.fft):
        for name in sorted(vars(module)):
            function = getattr(module, name)
            if not name.startswith("_") and (isinstance(function, np.ufunc) or hasattr(function, "_implementation")):
                yield prefix + name, function


for name, instead in INSTEAD.items():  # by their names, as to look through all of NumPy takes an import 10 ms
    module, _, last = name.rpartition(".")
    if (function := getattr(getattr(np, module) if module else np, last, None)) is not None:
        REFUSED[function] = instead


def answers() -> dict[str, str]:
    """For each name what a call with a Tensor comes to: "tape", "array", "write", or what to say instead."""
    return {
        name: "array" if f in OFF_TAPE else "tape" if answer(f) else "write" if f in WRITERS else REFUSED[f]
        for name, f in public()
    }
