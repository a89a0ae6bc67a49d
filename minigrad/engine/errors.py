"""What the engine says when it cannot go on: the cause, the line that caused it, and the rewrite."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.broadcasting import stretched_axes
from minigrad.engine.places import Place
from minigrad.engine.signatures import positional_parameters
from minigrad.engine.words import counted, form

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

ASSIGNMENT = (
    "a Tensor cannot be assigned into: what was computed from it would no longer be what it was computed from. "
    "Write np.where(mask, new, t) or np.concatenate([...]), or fill a NumPy array first and make a Tensor of it"
)

LONGEST = 60  # characters


def not_real(dtype: Any) -> str:
    return (
        f"requires_grad=True needs a real floating dtype, and this tensor is {dtype}: a derivative is a limit, and "
        "needs numbers that can change by a little. Use floats: Tensor(3.0), or x.astype(float)"
    )


def ambiguous_truth(t: Tensor) -> str:
    return (
        f"a tensor of shape {t.shape} is neither true nor false. `if` needs one number: (t > 0).sum() > 0 for any; "
        "to choose entry by entry, write np.where(condition, a, b)"
    )


EXITS = "Where the history is to end, say so: .item(), .numpy(), .data or .detach()"


def as_number(t: Tensor, function: str) -> str:
    return (
        f"{function}() would take a number off the tape without a word, and the gradient with it: it is that of the "
        f"{described(t)}. Python's math and writing into an array do so, too: compute with np.sin(x) instead of "
        f"math.sin(x), with np.stack or np.where instead of a[0] = x. {EXITS}; for an index or a size, .item()"
    )


def as_array(t: Tensor) -> str:
    if caller := of_scipy():
        return (
            f"scipy's {caller} makes arrays of its arguments, and the {described(t)}, would be off the tape without a "
            "word. Of scipy, the ufuncs of scipy.special take tensors, and what docs/from-autograd.md lists of "
            f"scipy.stats, linalg, signal and integrate. {EXITS}, as in t.detach().numpy()"
        )
    return (
        f"as an array, the {described(t)}, would be off the tape without a word, and its gradient lost. Write "
        "np.stack([x, y]) for np.array([x, y]), w @ x for w.dot(x), np.mean(np.stack([x, y])) for np.mean([x, y]), and "
        f"np.where(mask, x, a) for a[mask] = x, m.filled(0) * x for a masked m * x. {EXITS}, as in t.detach().numpy()"
    )


def of_scipy() -> str:
    """The function of SciPy's, if it is one that makes an array."""
    frame, found = sys._getframe(3), ""  # what called `__array__`
    while frame:
        package = str(frame.f_globals.get("__package__")).partition(".")[0]
        if package not in ("numpy", "scipy"):
            break
        found = frame.f_code.co_name if package == "scipy" else found
        frame = frame.f_back  # type: ignore[assignment]
    return found


def writing(what: str) -> str:
    return (
        f"{what} would write a tensor into an array, off the tape. Write a = a + x for a += x, np.where(mask, x, a), "
        f"np.stack or np.concatenate for a[i] = x, and np.broadcast_to(x, shape) for np.full(shape, x). {EXITS}"
    )


def has_history(t: Tensor) -> str:
    return (
        f"only leaves can be copied or pickled, and this is a result with a history: {described(t)}. t.detach() is a "
        "leaf with the same data"
    )


def in_place_on_leaf(name: str) -> str:
    return (
        f"in-place {name} on a leaf that requires grad would make a result of it, and the gradient would go to the "
        "leaf it was before. Write `with minigrad.no_grad(): w -= lr * w.grad`"
    )


def described(t: Tensor) -> str:
    what = t.op.name if t.op is not None else "leaf" if t.cut is None else "tensor"  # a result off the tape is no leaf
    return f"{what} of shape {t.shape} made at {at(t.made_at)}"


def at(made_at: Any) -> str:
    """The line, and the expression if it is short enough to read here."""
    place = Place.of(made_at)
    text = place.text
    return f"{place} ({text})" if 0 < len(text) <= LONGEST else str(place)


CUTS = {  # in the order in which they are named when several inputs were cut
    "detached": "it was detached at {place}: .detach() ends the history",
    "no_grad": "it was computed under no_grad() at {place}, where nothing is recorded",
    "finished": "it was a variable of a derivative that was taken at {place}, and is one no more",
    "flat": "it comes from a derivative that does not change, made at {place}, such as that of a linear function",
    "integer": "it comes from an integer or boolean tensor made at {place}; only floats have derivatives",
    "leaf": (
        "no leaf requires grad: the tensor made at {place} came from an array or a number. Say requires_grad=True "
        "there; or, if the array came from another tensor, use that: .numpy(), .item() and .data end the history"
    ),
    "constant": "no leaf requires grad: at {place} it was computed from arrays and numbers only",
    "step": "it comes from {name} at {place}, which is constant nearly everywhere and has no derivative",
}
RANK = list(CUTS)


def cause_of(x: Tensor) -> tuple[Any, ...]:
    """Why no derivative reaches `x`, and where that happened; for a step, also which operation it was."""
    if x.cut is not None:
        return x.cut  # type: ignore[no-any-return]
    return ("leaf" if x.array.dtype.kind == "f" else "integer"), x.made_at


def cut_by(op: Any, inputs: tuple[Any, ...], y: Tensor) -> tuple[Any, ...]:
    """Why no derivative reaches the result y, as it remembers: how `op` cut it off, or its inputs' first cause."""
    made_at, tensors = y.made_at, [x for x in inputs if hasattr(x, "cut")]
    if y.recorded and any(x.differentiable for x in tensors):
        return "step", made_at, op.name
    causes = [("no_grad", made_at) if x.recorded and not y.recorded else cause_of(x) for x in tensors]
    return min(causes, key=lambda cause: RANK.index(cause[0]), default=("constant", made_at))


def not_differentiable(t: Any) -> Exception:
    """The error for a sweep that has nowhere to go: one message for each cause."""
    if not hasattr(t, "made_at"):
        return TypeError(f"only a Tensor can be differentiated, and this is a {type(t).__name__}: {t!r}")
    kind, made_at, *name = cause_of(t)
    reason = CUTS[kind].format(place=at(made_at), name="".join(name))
    return RuntimeError(f"nothing to differentiate: {described(t)} does not require grad, because {reason}")


def wrong_seed(output: Tensor, gradient: Any) -> Exception:
    """The error for a sweep that cannot start from `gradient`."""
    if gradient is None:
        return RuntimeError(
            f"backward starts from one number, and the {described(output)}, has {output.size}: take .sum() or .mean() "
            "first, or pass gradient=, the cotangent of each entry"
        )
    return ValueError(f"gradient has shape {gradient.shape}, and belongs to the {described(output)}")


HAS_AUX = "if it is to return (output, aux), say has_aux=True"


def not_a_number(transform: str, output: Any) -> Exception:
    """The error for a function with another output than the single number that a transform needs."""
    needs = f"{transform} needs a function that returns one number, and this one returned"
    if hasattr(output, "made_at"):
        return RuntimeError(f"{needs} the {described(output)}: take .sum() or .mean() of it, or use jacobian or vjp")
    return TypeError(f"{needs} a {type(output).__name__}: use jacobian or vjp; {HAS_AUX}")


def no_history(part: Any, output: Any) -> Exception:
    """The error for a function that returned, in a nesting perhaps, something else than a Tensor."""
    what = f"a {type(part).__name__}" + (f" in a {type(output).__name__}" if part is not output else "")
    return TypeError(
        f"the function returned {what}, and only a Tensor has a history to differentiate. Either it does not depend on "
        "the arguments that are differentiated, or it left the tape: compute with them as they are, without .numpy(), "
        f".item() or .data{'; ' + HAS_AUX if isinstance(output, tuple) else ''}"
    )


def in_forward(op: Any, inputs: Sequence[Any], params: dict[str, Any]) -> str:
    """The note on an error of a forward: what the operation was called with."""
    given = [f"{op.input_name(i)} {form(x)}" for i, x in enumerate(inputs)]
    return f"In the forward of {op.name}: {', '.join(given + [f'{k}={v!r}' for k, v in params.items()])}."


def rebound(node: Tensor, position: int) -> Exception:
    return RuntimeError(
        f"{node.op.name}: the data of input {position} was rebound after the forward at {at(node.made_at)}, and "
        "a recorded sweep would mix old values with new ones. Compute these gradients before the update, or run the "
        "forward again"
    )


def unused(x: Tensor) -> Exception:
    return RuntimeError(
        f"gradients: the output does not depend on the {described(x)}; allow_unused=True returns None for such inputs"
    )


# ---------------------------------------------------------------------------------------------- a student's Function
NEEDS = "a Function needs a static method {}"
MATERIALIZED = (
    "set_materialize_grads(False) is not supported: the cotangent of an output that was not used is an array of zeros, "
    "and the formula for the others is right for it"
)


def lost(function: str, made_at: Any, how: str) -> Exception:
    """The error for a derivative through a value that a forward kept, and that the tape does not know."""
    return RuntimeError(
        f"this derivative goes through an intermediate of {function}, which forward kept for backward, and its history "
        f"is lost: at {at(made_at)} forward {how}. Save only inputs or the output, and recompute the rest in backward"
    )


def not_recordable(function: str, made_at: Any, error: Exception) -> Exception:
    return TypeError(
        f"{function}.backward cannot be recorded, as a second derivative needs it: it runs on Tensors then, and at "
        f"{at(made_at)} {error}. Write operators and NumPy's functions instead"
    )


def wrong_count(application: Any, grads: Sequence[Any], inputs: Sequence[Any]) -> Exception:
    names = application.input_names(len(inputs))
    missing, name = names[len(grads) : len(inputs)], application.name
    which = f"; none for {', '.join(missing)}" if missing else ""
    return RuntimeError(
        f"{name}.backward returned {counted(len(grads), 'gradient')}, and forward has {counted(len(inputs), 'input')} "
        f"({', '.join(names)}){which}: return one for each, None where there is no derivative"
    )


def wrong_cotangents(name: str, backward: Any, count: int) -> Exception:
    """The error for a student's backward that does not take the cotangents of `count` outputs."""
    taken = positional_parameters(backward)
    ideal = ", ".join(["ctx", *([f"grad{i}" for i in range(count)] if count > 1 else ["grad"])])
    returned = "one array" if count == 1 else f"a tuple of {count}"
    return TypeError(
        f"{name}.backward takes ({', '.join(p.name for p in taken)}), and {name}.forward returned {returned}: "
        f"backward gets ctx and a cotangent for each output, zeros where one was not used. Write def backward({ideal})"
    )


def misfit(application: Any, grad: Any, x: Tensor, i: int) -> Exception:
    """The error for a gradient from a student that has not the shape or the dtype of its input."""
    name = application.name
    which = f"input {i} ({application.input_names(i + 1)[i]})"
    if grad.shape != x.shape:
        return RuntimeError(
            f"{name}.backward returned a gradient of shape {grad.shape} for {which} of shape {x.shape}"
            + axes_to_sum(grad.shape, x.shape)
        )
    return RuntimeError(
        f"{name}.backward returned a gradient of dtype {grad.dtype} for {which} of dtype {x.dtype}: return it in the "
        "input's dtype"
    )


def axes_to_sum(got: tuple[int, ...], needed: tuple[int, ...]) -> str:
    """The advice for a gradient that has not undone broadcasting."""
    try:
        same = np.broadcast_shapes(got, needed) == got
    except ValueError:
        same = False
    if not same:
        return ": each gradient has the shape of its input"
    axes = stretched_axes(needed, got)
    what = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
    return f": the forward broadcast this input, so sum over {what} (minigrad.unbroadcast(grad, {needed}) does)"
