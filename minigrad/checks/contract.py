"""What a backward promises: the contract, one function a promise, in the order in which they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.broadcasting import unbroadcast
from minigrad.checks.backward import GradcheckError
from minigrad.checks.cases import LAYOUTS, laid_out
from minigrad.checks.diagnosis import Fault, stretch_to
from minigrad.checks.trial import NOISE, TERMS, Trial, copied
from minigrad.engine.errors import axes_to_sum
from minigrad.engine.numerical import numerical_gradient
from minigrad.engine.words import counted

Array = np.ndarray[Any, Any]
Promise = Callable[[Trial], Iterator[Fault]]
SECOND = 2**10  # roundings of the terms of a second derivative: many, and still far below a mistake
CLOSE = 1e-6  # relative to the largest entry: far above rounding, and no two gradients are so alike by chance
CALLS = 128  # that must all be alike: a counter or a cache shows when it is full


GRADIENTS = "gradients equal the numerical derivative"
BROADCASTING = "right under broadcasting"
KINKS = "kinks and ties"


class Broken(Exception):
    """A fault after which nothing more can be learnt from this trial."""


class NotChecked(Exception):
    """The reason why a promise is not one that this subject makes."""


def attempt(trial: Trial, call: Callable[[], Any], what: str) -> Any:
    """The result of calling a student's code; an exception of it ends the trial, as a fault."""
    try:
        return call()
    except GradcheckError as error:  # from the watch over a function of Tensors
        raise Broken(Fault("mutates", None, f"{error}.")) from error
    except Exception as error:
        raise Broken(Fault("raises", None, f"{what} raises {type(error).__name__}: {error}")) from error


# ------------------------------------------------------------------------------------------------------- promises
def runs(trial: Trial) -> Iterator[Fault]:
    """It runs, and returns one gradient for each input."""
    y = attempt(trial, lambda: trial.y, "forward")
    if y.dtype.kind != "f":
        raise Broken(Fault("raises", None, f"forward returns {y.dtype}; only real floating results have a derivative"))
    grads = attempt(trial, lambda: trial.returned, "backward")[0]
    if len(grads) != len(trial.inputs):
        names = ", ".join(trial.names)
        returned, needed = counted(len(grads), "gradient"), counted(len(trial.inputs), "input")
        told = f"backward returned {returned}, and forward has {needed} ({names}): return one for each, None where "
        raise Broken(Fault("count", None, told + "there is no derivative."))
    yield from ()


def repeatable(trial: Trial) -> Iterator[Fault]:
    """The same inputs give the same result, at the second call and at the hundredth."""
    g = trial.cotangents[0]

    def once() -> list[Any]:
        call = trial.run()
        return copied([call.y, *call.backward(np.array(g))])

    first = attempt(trial, once, "a second call")
    if any(not alike(a, b) for a, b in zip(trial.returned[0], first[1:], strict=False)) or not alike(trial.y, first[0]):
        first = [trial.y, *trial.returned[0]]
    later = [attempt(trial, once, f"call number {k}") for k in range(2, CALLS)]
    for position in range(len(first)):
        same = [alike(first[position], results[position]) for results in later]
        if not all(same):
            number = same.index(False) + 4  # of the backward: two for the two cotangents, and one
            name = trial.names[position - 1] if position else None
            what = f"the gradient of {name}" if position else "the result of forward"
            if wanders([first[position], *[results[position] for results in later]]):
                text = (
                    f"the same call gives {what} another value each time: there is randomness inside (dropout?). "
                    "Make the mask an input, or seed the generator in forward."
                )
                raise Broken(Fault("random", name, text))
            text = (
                f"{what} is another at call number {number} than at the first, with the same inputs: something is kept "
                "between calls. Keep what backward needs on ctx, never on the class or in a global."
            )
            raise Broken(Fault("first-call", name, text))
    # What one call keeps must not be overwritten by another in between, or twice used up.
    moved = [np.flip(x) if i in trial.able else x for i, x in enumerate(trial.inputs)]
    call = trial.run()
    with np.errstate(all="ignore"):
        try:
            trial.run(moved)
        except Exception:  # outside of the domain
            return
    one = attempt(
        trial, lambda: copied(call.backward(np.array(g))), "backward, when forward has run once more in between"
    )
    two = attempt(trial, lambda: copied(call.backward(np.array(g))), "a second backward of the same call")
    for i, (a, b, c) in enumerate(zip(first[1:], one, two, strict=True)):
        if not alike(a, b):
            yield Fault(
                "first-call",
                trial.names[i],
                f"the gradient of {trial.names[i]} changes when forward runs again before the backward: the last call "
                "overwrites what the first one kept. Save it with ctx.save_for_backward.",
            )
        elif not alike(a, c):
            yield Fault(
                "saved",
                trial.names[i],
                f"a second backward of the same call gives another gradient of {trial.names[i]}: the first one has "
                "changed what forward saved. Compute a new array instead of writing into a saved one.",
            )


def unmutated(trial: Trial) -> Iterator[Fault]:
    """The cotangent, the inputs and what was saved are left as they were."""
    xs, g = copied(trial.inputs), np.array(trial.cotangents[1])
    call = trial.subject.call(xs, trial.needs)
    for name, x, before in zip(trial.names, xs, trial.inputs, strict=True):
        if changed(x, before):
            yield Fault("mutates", name, f"forward writes into its input {name}, and others read it. Make a new array.")
    y, kept, inputs, before_g = call.y.copy(), copied(call.kept()), copied(xs), g.copy()
    attempt(trial, lambda: call.backward(g), "backward")
    if changed(g, before_g):
        yield Fault(
            "mutates",
            None,
            "backward writes into the incoming cotangent, and other nodes read it: no grad *= ... or out=grad; write "
            "grad = grad * ...",
        )
    for name, x, before in zip(trial.names, xs, inputs, strict=True):
        if changed(x, before):
            yield Fault(
                "mutates", name, f"backward writes into the input {name}, and others read it. Make a new array."
            )
            return
    if changed(call.y, y):
        yield Fault(
            "mutates", None, "backward writes into the output of forward, and others read it. Make a new array."
        )
        return
    if any(changed(a, b) for a, b in zip(call.kept(), kept, strict=False)):
        yield Fault(
            "saved",
            None,
            "backward writes into an array that forward saved: right once, wrong when it is called a second time. "
            "Make a new array.",
        )


def present(trial: Trial) -> Iterator[Fault]:
    """Every input that has a derivative gets a gradient."""
    for i in trial.able:
        if all(grads[i] is not None for grads in trial.returned):
            continue
        comparison = trial.compare(i)
        if comparison.wrong.any():
            name = trial.names[i]
            yield Fault(
                "missing", name, f"None for {name}, and the output depends on it: return a gradient for it, too."
            )


def shaped(trial: Trial) -> Iterator[Fault]:
    """Each gradient has the shape of its input."""
    for i in trial.able:
        part, x, name = trial.returned[0][i], trial.inputs[i], trial.names[i]
        if part is None or part.shape == x.shape:
            continue
        yield from misshapen(trial, i, name, x, part)


def misshapen(trial: Trial, i: int, name: str, x: Array, part: Array) -> Iterator[Fault]:
    parts = [grads[i] for grads in trial.returned]
    wrong = f"the gradient of {name} has shape {part.shape}, and {name} has {x.shape}"

    def are(candidates: Sequence[Any], j: int = i) -> bool:
        """Whether these are the gradients of input j."""
        true = trial.compare(j).true.reshape(2, *trial.inputs[j].shape)
        return all(
            c.shape == t.shape and bool((abs(c - t) <= CLOSE * abs(t).max(initial=0)).all())
            for c, t in zip(candidates, true, strict=True)
        )

    for j in trial.able:
        if j != i and are(parts, j):
            text = f"{wrong}: it is the gradient of {trial.names[j]}. Return them in the order of forward's inputs."
            yield Fault("swapped", name, text)
            return
    if stretch_to(x.shape, part.shape):
        also = "" if are([unbroadcast(p, x.shape) for p in parts]) else ". The sum is not the gradient yet, either"
        yield Fault("unsummed", name, f"{wrong}{axes_to_sum(part.shape, x.shape)}{also}.")
    elif are([p.T for p in parts]) or (part.ndim > 1 and are([p.mT for p in parts])):
        yield Fault("transposed", name, f"{wrong}: it is transposed. Write .T.")
    elif part.size == x.size and are([p.reshape(x.shape) for p in parts]):
        yield Fault("shape", name, f"{wrong}: the entries are right; .reshape them to {name}'s shape.")
    elif stretch_to(part.shape, x.shape) and are([np.broadcast_to(p, x.shape) for p in parts]):
        yield Fault("shape", name, f"{wrong}: the entries are right; np.broadcast_to(grad, {x.shape}) has them all.")
    else:
        yield Fault("shape", name, f"{wrong}: each gradient has its input's shape.")


def typed(trial: Trial) -> Iterator[Fault]:
    """Each gradient has the dtype of its input."""
    for i in trial.able:
        part, x, name = trial.returned[0][i], trial.inputs[i], trial.names[i]
        if part is not None and part.dtype != x.dtype:
            yield Fault(
                "dtype",
                name,
                f"the gradient of {name} is {part.dtype}, and {name} is {x.dtype}: return it in the input's dtype. "
                "Look for an .astype, or for np.zeros and np.ones without dtype=.",
            )


def separate(trial: Trial) -> Iterator[Fault]:
    """No two gradients are one array."""
    if not trial.subject.direct:
        raise NotChecked("the engine makes copies")
    grads = [
        (i, grad) for i, grad in enumerate(trial.run().backward(np.array(trial.cotangents[0]))) if grad is not None
    ]
    for position, (i, a) in enumerate(grads):
        for j, b in grads[:position]:
            if np.shares_memory(a, b):
                first, second = trial.names[j], trial.names[i]
                yield Fault(
                    "aliased",
                    second,
                    f"the gradients of {first} and {second} are one array: what is added to one is added to the other. "
                    "Return a copy for one of them.",
                )
                return


def linear(trial: Trial) -> Iterator[Fault]:
    """Linear in the incoming cotangent."""
    g, h = trial.cotangents

    def at(cotangent: Array) -> list[Any]:
        return list(attempt(trial, lambda: trial.pull(cotangent), "backward"))

    at_g, at_h = trial.returned
    expected: list[tuple[str, list[Any], Callable[[Any, Any], Any]]] = [
        ("doubled", at(2 * g), lambda a, b: 2 * a),
        ("negated", at(-g), lambda a, b: -a),
        ("times 1024", at(1024 * g), lambda a, b: 1024 * a),  # a power of two: it adds no rounding
        ("zero", at(0 * g), lambda a, b: 0 * a),
        ("the sum of two", at(g + h), lambda a, b: a + b),
    ]
    for i in trial.able:
        if at_g[i] is None or at_h[i] is None:
            continue
        size = abs(at_g[i]) + abs(at_h[i])
        unit = TERMS * max(np.finfo(size.dtype).eps, np.finfo(g.dtype).eps)
        for what, found, rule in expected:
            want = rule(at_g[i], at_h[i])
            if found[i] is None or found[i].shape != want.shape:
                continue
            scale = 1024 if what == "times 1024" else 2
            # Where entries cancel inside, the largest one says what rounding there is.
            with np.errstate(all="ignore"):
                off = abs(found[i] - want) - scale * unit * (size + size.max(initial=0))
            if (off > 0).any() and trial.gradient(i) is not None:  # or all of them do: then noise says it
                off -= scale * NOISE * trial.noise[i].sum(axis=0).reshape(off.shape)
            if (off > 0).any() and np.isfinite(want).all():
                yield named_nonlinearity(trial, i, what, found[i], at_g[i])
                break


def named_nonlinearity(trial: Trial, i: int, what: str, found: Array, at_g: Array) -> Fault:
    name = trial.names[i]
    same = np.array_equal(found, at_g)
    if what == "doubled" and same and alike(trial.returned[0][i], trial.returned[1][i]):
        text = f"the gradient of {name} is the same whatever the incoming cotangent: multiply by grad (the chain rule)."
        return Fault("cotangent-ignored", name, text)
    if what == "doubled" and alike(found, 4 * at_g):
        how = "when the cotangent doubles, it is four times as large: grad occurs twice"
    else:
        how = f"with the cotangent {what} it is not what linearity says; look for abs, sign, clip or grad * grad"
    return Fault("cotangent-nonlinear", name, f"the gradient of {name} is not linear in the incoming cotangent: {how}.")


def for_some(trial: Trial) -> Iterator[Fault]:
    """Right when only some of the inputs need a gradient."""
    if len(trial.able) < 2:
        raise NotChecked("only one input has a gradient")
    g = trial.cotangents[0]
    for wanted in [*[(i,) for i in trial.able], *[tuple(j for j in trial.able if j != i) for i in trial.able]]:
        needs = [i in wanted for i in range(len(trial.inputs))]
        named = " and ".join(trial.names[i] for i in wanted)
        try:
            grads = trial.pull(g, needs=needs)
        except Exception as error:
            text = f"backward raises when only {named} needs a gradient: {type(error).__name__}: {error}"
            yield Fault("partial", trial.names[wanted[0]], text)
            return
        for i in wanted:
            if len(grads) != len(needs) or not alike(grads[i], trial.returned[0][i]):
                yield Fault(
                    "partial",
                    trial.names[i],
                    f"the gradient of {trial.names[i]} is another when only {named} needs one: look at "
                    "ctx.needs_input_grad; its entries belong to forward's inputs, in their order.",
                )
                return


def in_any_layout(trial: Trial) -> Iterator[Fault]:
    """The same for Fortran-ordered, reversed, strided and read-only arrays."""
    for layout in LAYOUTS[1:]:
        if not trial.subject.any_layout and layout in ("backwards", "read-only"):  # torch has no such tensors
            continue
        if layout == "read-only" and any(unmutated(trial)):  # which says it better than the exception here
            continue
        for what in ("inputs are", "cotangent is"):
            xs, g = copied(trial.inputs), np.array(trial.cotangents[0])
            if what == "inputs are":
                xs = [laid_out(x, layout) if isinstance(x, np.ndarray) else x for x in xs]
            else:
                g = laid_out(g, layout)
            try:
                grads = trial.subject.call(xs, trial.needs).backward(g)
            except Exception as error:
                yield Fault("layout", None, f"it raises when the {what} {layout}: {type(error).__name__}: {error}")
                return
            for i in trial.able:
                if not alike(grads[i], trial.returned[0][i]):
                    yield Fault(
                        "layout",
                        trial.names[i],
                        f"the gradient of {trial.names[i]} is another when the {what} {layout}: the values are equal, "
                        "and lie in memory in another way. Look for .ravel('K'), .reshape(order=...), .strides, or "
                        "writing through a view.",
                    )
                    return


def twice(trial: Trial) -> Iterator[Fault]:
    """Right to second order, where a recorded backward can be differentiated at all."""
    if wrong_inputs(trial) or any(trial.gradient(i) is None for i in trial.able):
        raise NotChecked("the first derivative is not right yet")
    g = np.array(trial.cotangents[0])
    directions = [trial.random.uniform(0.5, 2, x.shape).astype(x.dtype) for x in (trial.inputs[i] for i in trial.able)]
    try:
        found = trial.subject.second(copied(trial.inputs), trial.able, g, directions)
    except Exception as error:  # it leaves NumPy's notation, or saves an intermediate: the engine says so, and is right
        first, *_ = str(error).splitlines() or [type(error).__name__]
        raise NotChecked(f"not claimed: {first}") from error
    wide = trial.widened(trial.wide)
    weights = np.concatenate([d.reshape(-1) for d in directions])[None]
    for i, second in zip(trial.able, found, strict=True):

        def slopes(moved: Array, i: int = i) -> Array:
            grads = trial.pull(g.astype(trial.wide), [*wide[:i], moved, *wide[i + 1 :]])
            parts = [np.zeros(trial.inputs[j].shape) if grads[j] is None else grads[j] for j in trial.able]
            return np.concatenate([part.reshape(-1) for part in parts]).astype(trial.wide)

        x = trial.inputs[i]
        true, blur, terms = numerical_gradient(slopes, wide[i], weights)
        got = np.zeros(x.shape) if second is None else second
        off = abs(got - true[0])
        # The terms of a second derivative may cancel whatever the inputs are: each is as large as a first one, per x.
        size = float(abs(weights[0]) @ abs(slopes(wide[i]))) / abs(x[x != 0]).min(initial=np.inf)
        if (off > blur[0] + SECOND * np.finfo(x.dtype).eps * (terms[0].max(initial=0) + size)).any():
            worst = np.unravel_index(off.argmax(), off.shape)
            yield Fault(
                "second-order",
                trial.names[i],
                f"the gradient is right, and its own derivative to {trial.names[i]} is not: at entry "
                f"{tuple(map(int, worst))} {got[worst]:.6g}, should be {float(true[0][worst]):.6g}. Backward uses a "
                f"number that forward computed from {trial.names[i]}, and the tape does not know it: save the inputs, "
                "and compute the rest in backward.",
            )


def wrong_inputs(trial: Trial) -> list[int]:
    """The inputs whose gradients have the right shape and wrong numbers."""
    return [i for i in trial.able if trial.gradient(i) is not None and trial.compare(i).wrong.any()]


QUICK: dict[str, Promise] = {
    "runs, and returns a gradient for each input": runs,
    "every differentiable input has a gradient": present,
    "shapes are those of the inputs": shaped,
    "dtypes are those of the inputs": typed,
}
ONCE: dict[str, Promise] = {
    "the same at the second call and at the hundredth": repeatable,
    "changes nothing that it is given": unmutated,
    "no two gradients are one array": separate,
    "linear in the incoming cotangent": linear,
    "right when only some inputs need a gradient": for_some,
    "right in any memory layout": in_any_layout,
    "right to second order": twice,
}


NAMING = (
    "every differentiable input has a gradient",
    "shapes are those of the inputs",
    "linear in the incoming cotangent",
)
assert {*NAMING} <= {*QUICK, *ONCE}  # where these are broken for an input, its numbers need no reason of their own


# ------------------------------------------------------------------------------------------------------------- tools
def wanders(results: list[Any]) -> bool:
    """Whether results of equal calls go up and down by chance, and not in steps or ever in one direction."""
    if any(a is None or a.shape != results[0].shape for a in results):
        return False
    steps = np.diff(np.stack(results).reshape(len(results), -1), axis=0)
    turns = (np.diff(np.sign(steps), axis=0) != 0).sum(axis=0)
    return bool(turns.max(initial=0) > len(results) // 8)


def alike(a: Any, b: Any) -> bool:
    """Equal up to the last digits, which memory layout and threads may change."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    finite = np.isfinite(a)
    limit = 64 * np.finfo(a.dtype).eps * abs(a[finite]).max(initial=0)
    with np.errstate(all="ignore"):
        return bool(np.where(finite, abs(a - b) <= limit, (a == b) | (np.isnan(a) & np.isnan(b))).all())


def changed(now: Any, before: Any) -> bool:
    return isinstance(before, np.ndarray) and not np.array_equal(now, before, equal_nan=before.dtype.kind == "f")
