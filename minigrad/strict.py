"""The careful mode: ``with minigrad.strict():`` stops at the line that would corrupt a gradient.

The engine trusts that nobody writes into an array that the tape remembers, that numbers stay finite, and that a rule
returns what it should. Inside the block nothing is trusted. That costs several times the speed, so it is for finding a
fault, not for training.
"""

from __future__ import annotations

import dis
import threading
import zlib
from collections.abc import Sequence
from types import CodeType, TracebackType
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from minigrad.broadcasting import unbroadcast
from minigrad.engine.errors import at, described
from minigrad.engine.state import Watch, here
from minigrad.engine.trees import bare
from minigrad.tensor import Tensor

__all__ = ["strict"]

Array = np.ndarray[Any, Any]


class strict:
    """A context manager. Until the block ends, in this thread:

    - arrays on the tape, and the arrays they are views of, are read-only, so that the line that writes into one raises;
      what was written through a view older than the block, or into memory of another library that NumPy could not
      unlock again, is noticed by a checksum when the backward comes by
    - NaN or infinity that an operation makes of finite numbers raises, in the forward and in the backward
    - broadcasting between different ranks raises where neither side has the shape of the result, as (n, 1) with (n,);
      a bias of shape (q,) on rows of shape (n, q) is what it looks like, and passes
    - each partial that a rule returns is checked: its shape, its dtype, and that it is not memory of an input

    A block inside a block changes nothing: the outer one does the work. After the block the arrays can be written
    again, except views that were taken of them inside.

    Raises:
        FloatingPointError: a number stopped being finite; the operation, its line and the entry.
        ValueError: a write into a locked array (NumPy's error, with a note on who needs the array), a changed array, or
            a broadcast between ranks.
        RuntimeError: a rule returned what it may not.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> with strict():
    ...     y = w * w
    ...     print(w.data.flags.writeable)
    False
    """

    def __enter__(self) -> None:
        guard = open_guard() or Guard().__enter__()
        guard.depth += 1

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        guard = open_guard()
        guard.depth -= 1
        if guard.depth:
            return
        guard.__exit__()
        if isinstance(error, ValueError) and "read-only" in str(error) and traceback is not None:
            for name, array in arrays_in_expression(traceback):
                if user := guard.user(array):
                    error.add_note(f"{name} is needed for the backward of {user}. Write into a copy.")
        guard.unlock()


def open_guard() -> Any:
    """The guard of the block that this thread is in, or None."""
    return next((watch for watch in here.state.watches if isinstance(watch, Guard)), None)


class Guard(Watch):
    """The knowledge of strict() in one thread, from the outermost ``with`` to its end."""

    def __init__(self) -> None:
        self.depth = 0
        self.locked: WeakValueDictionary[int, Array] = WeakValueDictionary()  # by id; a base before its views
        self.users: dict[int, str] = {}  # what the array was first locked for
        self.sums: dict[int, list[int]] = {}  # checksums of what a node needs, by serial
        with locking:
            guards.append(self)

    # ---------------------------------------------------------------------------------------------------- the locks
    def lock(self, array: Array, user: str) -> None:
        """Make `array` read-only, and what it is a view of, if that can be undone."""
        if isinstance(array.base, np.ndarray):
            self.lock(array.base, user)
        if id(array) not in self.locked and (holders(array) or (array.flags.writeable and restorable(array))):
            array.flags.writeable = False
            self.locked[id(array)] = array
            self.users[id(array)] = user

    def unlock(self) -> None:
        """Make everything writeable again that no other thread has locked."""
        with locking:
            guards.remove(self)
            for key, array in list(self.locked.items()):
                if holders(array):
                    continue
                if others := holders(array.base):
                    others[0].locked[key] = array  # it can be set free after its base only
                else:
                    array.flags.writeable = True

    def user(self, array: Array) -> str | None:
        """A sentence on what a locked `array` is needed for; None if it is not locked."""
        found = (self.users[key] for key, locked in self.locked.items() if np.shares_memory(array, locked))
        return next(found, None)

    # -------------------------------------------------------------------------------------------------- the forward
    def forward(self, op: Any, y: Tensor, inputs: Any, values: Sequence[Any], params: dict[str, Any]) -> None:
        """Check a result that was just made, and lock what its backward needs."""
        phase = "in the forward" if here.state.place is None else "in a recorded backward"
        where = f"{op.name} made at {at(y.made_at)}, {phase}"
        if all(finite(v) for v in (*values, *params.values())):
            refuse_non_finite(where, y.array, "of finite numbers")
        if set(op.signature) <= set("(),->"):
            shapes = [np.shape(v) for v in values if np.ndim(v)]  # a number has no rank to mix up
            if len({len(shape) for shape in shapes}) > 1 and y.shape not in shapes:
                raise ValueError(
                    f"{where}: shapes {' and '.join(map(str, shapes))} broadcast to {y.shape}, which is neither; that "
                    "is hardly meant. Reshape one to the rank of the other"
                )
        if y.op is not None:
            with locking:
                for array in needed(y):
                    self.lock(array, described(y))
            self.sums[y.serial] = checksums(y)

    # ------------------------------------------------------------------------------------------------- the backward
    def partials(self, node: Tensor, g: Any, partials: Sequence[Any]) -> None:
        """Check what the rules of `node` made of its cotangent `g`, and of what."""
        where = f"{node.op.name} made at {at(node.made_at)}, in the backward"
        if node.serial in self.sums and self.sums[node.serial] != checksums(node):
            raise ValueError(
                f"{where}: an array that it needs was changed after the forward, by a way around "
                "its lock, such as a view older than strict(). Write into a copy"
            )
        g = bare(g)
        refuse_non_finite(where, g, "before its rules: by a hook, by adding up, or in the gradient that was given")
        for i, (x, partial) in enumerate(zip(node.inputs, partials, strict=False)):
            if partial is None:
                continue
            partial, rule = bare(partial), f"{where}: the rule of input {i}"
            if not isinstance(partial, np.ndarray | np.generic):
                raise RuntimeError(f"{rule} returned a {type(partial).__name__}; a cotangent is an array")
            refuse_non_finite(where, partial, f"by the rule of input {i}, of a finite cotangent")
            if node.op.owns_results:  # otherwise it is a student's Function, which has an error of its own for these
                self.refuse_misfit(rule, node, g, partial, x)
            if any(np.shares_memory(partial, a) for a in needed(node)):
                raise RuntimeError(f"{rule} returned memory of an input or of the output; return a new array")

    def refuse_misfit(self, rule: str, node: Tensor, g: Any, partial: Any, x: Tensor) -> None:
        """Raise if the engine could not bring `partial` to the shape and dtype of x, or should not."""
        if partial.dtype.kind != "f" or partial.dtype.itemsize < min(g.dtype.itemsize, x.dtype.itemsize):
            raise RuntimeError(f"{rule} returned dtype {partial.dtype}, for an input of {x.dtype} and g of {g.dtype}")
        if partial.shape not in (x.shape, node.shape) and not node.op.batched:
            raise RuntimeError(f"{rule} returned shape {partial.shape}, for an input of shape {x.shape}")
        try:
            unbroadcast(partial, x.shape)
        except ValueError as error:
            raise RuntimeError(
                f"{rule} returned shape {partial.shape}, for an input of shape {x.shape}: {error}"
            ) from None


# ----------------------------------------------------------------------------------------------------- arrays in memory
guards: list[Guard] = []  # of all threads: one may hold an array that another has locked
locking = threading.RLock()


def holders(array: Any) -> list[Guard]:
    """The guards that have locked `array`."""
    return [guard for guard in guards if id(array) in guard.locked]


def restorable(array: Array) -> bool:
    """Whether NumPy lets a read-only `array` be made writeable again: the memory must be its own, or be written to."""
    base = array.base
    if isinstance(base, np.ndarray):
        return bool(holders(base))
    try:
        return base is None or not memoryview(base).readonly
    except TypeError:  # a foreign owner that does not say
        return False


def needed(node: Tensor) -> list[Array]:
    """The arrays that the backward of `node` may read: inputs, output, and what a student's forward saved."""
    return [a for a in (*node.values, node.array, *node.op.kept()) if isinstance(a, np.ndarray)]


def checksums(node: Tensor) -> list[int]:
    return [zlib.crc32(a.tobytes()) for a in needed(node)]


# ------------------------------------------------------------------------------------ who was written into, and where
def arrays_in_expression(traceback: TracebackType) -> list[tuple[str, Array]]:
    """The arrays that the expression that raised reads by name, as an entry or as an attribute: ``w.data``, ``p["W"]``.

    Of the frames of a traceback the innermost one with such an array counts.
    """
    frames = [traceback]
    while frames[-1].tb_next is not None:
        frames.append(frames[-1].tb_next)
    for frame in reversed(frames):
        scope = {**frame.tb_frame.f_globals, **frame.tb_frame.f_locals}
        found: list[tuple[str, Array]] = []
        name, held = "", None
        for word in words_in_expression(frame.tb_frame.f_code, frame.tb_lasti):
            parts = [part for key in (word, scope.get(word)) if (part := entry(held, key)) is not None]
            if parts:  # p["W"], p[key], p.W
                name, held = name + parts[0][0], parts[0][1]
            elif word in scope:
                name, held = word, scope[word]
            array = held.array if type(held) is Tensor else held
            if isinstance(array, np.ndarray) and name not in dict(found):
                found.append((name, array))
        if found:
            return found
    return []


def words_in_expression(code: CodeType, offset: int) -> list[Any]:
    """The names and constants in the expression of the instruction at `offset`. Sources may be gone, code is not."""
    spans = [((a or 0, c or 0), (b or 0, d or 0)) for a, b, c, d in code.co_positions()]  # lines a to b, columns c to d
    first, last = spans[offset // 2]
    words: list[Any] = []
    for instruction in dis.get_instructions(code):
        if not instruction.opname.startswith("LOAD_"):
            continue
        # From Python 3.13 one instruction may load two names: then it has the place of the first, and the line must do.
        value = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        start, end = spans[instruction.offset // 2]
        if (first <= start and end <= last) or (len(value) == 2 and first[0] <= start[0] <= last[0]):
            words += [word for word in value if isinstance(word, str | int)]
    return words


def entry(held: Any, key: Any) -> tuple[str, Any] | None:
    """The entry or attribute that `held` has under `key`, and how that is written."""
    try:
        if isinstance(held, dict | list | tuple):
            return f"[{key!r}]", held[key]
        return f".{key}", vars(held)[key]
    except (KeyError, IndexError, TypeError):
        return None


def finite(value: Any) -> bool:
    """Whether `value` holds no NaN or infinity; what has no floats in it does not."""
    if not isinstance(value, np.ndarray | np.generic | float):
        return True
    return np.asarray(value).dtype.kind not in "fc" or bool(np.isfinite(value).all())


def refuse_non_finite(where: str, result: Any, made: str) -> None:
    """Raise if `result` is not finite."""
    if not finite(result):
        at = tuple(np.argwhere(~np.isfinite(result))[0].tolist())
        raise FloatingPointError(
            f"{where}: {np.asarray(result)[at]} was made {made}, at entry {list(at)} of shape {np.shape(result)}"
        )
