"""The tape as a program: ``print(minigrad.source(fn, *arrays))`` is the NumPy that one would have written by hand."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.program.program import Program

__all__ = ["compile", "source"]


def source(
    fn: Any,
    *examples: Any,
    grad_of: Any = None,
    order: int = 1,
    update: Callable[..., Any] | None = None,
    raw: bool = False,
    backend: str = "numpy",
    **static: Any,
) -> Program:
    """A plain NumPy function of what `fn` computes, its gradients and a whole training step: text that also runs.

    The function runs on Tensors of the shapes and numbers of the examples. What it did is printed as straight-line
    NumPy, which gives the bits of the tape: forward first, then backward, then update, in the user's own names, each
    line with its shape and the user's line that it comes from. A `Function` is printed as its own NumPy calls, forward
    and backward. An operation whose forward has several lines is printed once, as a function, unless one of its lines
    is needed elsewhere, too.

    The program is for the shapes, dtypes and static arguments that it says at its top, and for them only.

    Args:
        fn: a function of Tensors; or a Tensor, whose tape is printed as it is.
        examples: what to call fn with: arrays, or lists, tuples and dicts of arrays. Everything else is static, such as
            a number; np.asarray(number) makes an argument of it. A random generator is an argument, too. Examples
            beyond what fn takes are for the update.
        grad_of: the arguments to differentiate the result by, which is one number: a name, a position, or a Tensor that
            fn uses; or a sequence of these. The program then returns ``value, gradient``, with a tuple of gradients for
            a sequence.
        order: 2 adds the gradient of the sum of the gradient's entries: for a function that works entry by entry, the
            second derivative.
        update: ``update(parameter, gradient, *more)`` returns the new parameter, and the program ``value, parameter``;
            for a sequence in grad_of it gets sequences, and returns one. If there is more (a rate, a momentum) it may
            return a tuple, ``(parameter, *new)``, and so does the program behind the value.
        raw: print the recording as it is: nothing left out, nothing put together.
        backend: "numpy", or "numba": the loops that `compile` makes machine code of.
        static: keyword arguments of fn.

    Returns:
        A Program: ``str(p)``, ``p(*arrays)``, ``p.save("step.py")``. Arrays and Tensors that fn finds outside of its
        arguments are arguments of the text; ``p(*arrays)`` supplies them as they are then.

    Raises:
        TraceError: fn cannot be traced, for a reason and on a line that the message names: a branch on numbers, an
            ``.item()``, a random draw whose generator is no argument.

    >>> import numpy as np
    >>> p = source(lambda x: np.tanh(x).sum(), np.zeros(3), grad_of="x")
    >>> print(p.text[p.text.index("def"):].strip())  # doctest: +ELLIPSIS
    def program(x):
        # forward
        t1 = np.tanh(x)                                   # (3,)  ...
        loss = t1.sum()                                   # ()  ...
    <BLANKLINE>
        # backward
        dx = 1 - t1 * t1                                  # (3,)  ...
        return loss, dx
    >>> p(np.array([0.0, 1.0, 2.0]))[1].round(2)
    array([1.  , 0.42, 0.07])
    """
    from minigrad.program.lines import trace_twice

    check_backend(backend)
    if type(fn) is Tensor:
        from minigrad.program.recording import trace_tape

        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        around = {**frame.f_back.f_globals, **frame.f_back.f_locals}
        recording = trace_tape(fn, around, grad_of, order, update)
    else:
        recording = trace_twice(fn, examples, static, grad_of, order, update)
    if backend == "numba":
        from minigrad.program.numba_backend import NumbaProgram

        return NumbaProgram(recording, static)
    from minigrad.program.program import Program

    return Program(recording, static, raw)


def check_backend(backend: str) -> None:
    if backend not in ("numpy", "numba"):
        raise ValueError(f"there is no backend {backend!r}; take 'numpy' or 'numba'")


def compile(
    fn: Callable[..., Any] | None = None,
    *,
    grad: bool = False,
    grad_of: Any = None,
    order: int = 1,
    update: Callable[..., Any] | None = None,
    constants: Sequence[Any] = (),
    donate: Sequence[str] = (),
    backend: str = "numpy",
    fallback: bool = False,
) -> Any:
    """`fn` as a function that runs as NumPy, without a tape: traced at the first call, then the program is run.

    For each signature (shapes, dtypes and memory layouts of the arrays, values of everything else) the function is
    traced once, as `source` does it. The program is the one that `source` prints, with its results in buffers that are
    allocated once and used in turn; ``print(compiled)`` shows it. What is returned is never a buffer. Threads may share
    a compiled function: each call has buffers of its own.

    What fn finds outside of its arguments is compared at each call, and fn is traced again if it has changed: global
    variables and those of enclosing functions, defaults, attributes, entries of lists and dicts, attributes of modules,
    and arrays of up to a thousand entries; those of the functions that it calls, too. Not seen is what only running fn
    can tell: the clock, files, the state of an iterator or of another library, numbers taken out of larger arrays. Most
    of these are refused, since fn is run twice when it is traced, and has to do the same.

    Args:
        fn: a function of Tensors. Left out, as in ``@compile(grad=True)``, compile returns a decorator.
        grad: return ``value, gradient`` by the first argument; the same as grad_of=0.
        grad_of, order, update: as for `source`.
        constants: arrays that fn finds outside of its arguments and that are never replaced by others, themselves or
            by name. Tensors of outside need no mention: what they hold is read at each call.
        donate: names of arguments whose memory may be overwritten: what the update makes of them is written there.
        backend: "numpy", or "numba" (the extra `numba`): the same program, compiled to machine code. Its results are
            those of NumPy up to rounding.
        fallback: run the NumPy program where numba cannot take an operation, instead of raising.

    Returns:
        A function of the same arguments, which are arrays, Tensors or nestings of them; it returns what the program
        returns, arrays and NumPy's numbers. Its `epoch` is the loop over the batches of a data set.

    Raises:
        TraceError: at the first call, as `source`; or fn uses an array of outside, which the message names.

    >>> import numpy as np
    >>> @compile(grad_of="W", update=lambda W, dW: W - 0.1 * dW)
    ... def step(W, x):
    ...     return ((x @ W) ** 2).sum()
    >>> loss, W = step(np.array([1.0, 2.0]), np.eye(2))
    >>> loss.item(), W
    (5.0, array([0.8, 1.6]))
    """
    from minigrad.program.compile import CompiledFunction

    if fn is None:
        return functools.partial(
            compile, grad=grad, grad_of=grad_of, order=order, update=update, constants=constants, donate=donate,
            backend=backend, fallback=fallback,
        )  # fmt: skip
    if not callable(fn):
        raise TypeError(f"compile(fn): fn is a function, and this is a {type(fn).__name__}")
    options = {"grad_of": 0 if grad and grad_of is None else grad_of, "order": order, "update": update}
    check_backend(backend)
    return CompiledFunction(fn, options, constants, donate, backend, fallback)
