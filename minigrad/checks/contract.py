"""What a backward promises: the contract, one function a promise, in the order in which they are looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.broadcasting import unbroadcast
from minigrad.checks.cases import LAYOUTS, laid_out
from minigrad.checks.diagnosis import Fault, stretch_to
from minigrad.checks.sampled import Sampled
from minigrad.checks.subject import Exited, Subject, shapes_in_words
from minigrad.checks.trial import RESOLVED, TERMS, Trial, as_floats, copied
from minigrad.engine.errors import axes_to_sum
from minigrad.engine.numerical import CLOSER, derivative, numerical_gradient
from minigrad.engine.places import Place
from minigrad.engine.state import Watch
from minigrad.engine.words import counted

Array = np.ndarray[Any, Any]
SECOND = 2**10  # roundings of the terms of a second derivative: many, and still far below a mistake
CLOSE = 1e-6  # relative to the largest entry: far above rounding, and no two gradients are so alike by chance
GROUPS = 8  # values at which ties are looked at
LONG = 64  # roundings on the way to one value, where one operation is several

GRADIENTS = "gradients equal the numerical derivative"
BROADCASTING = "right under broadcasting"
KINKS = "kinks and ties"


class Promise(NamedTuple):
    """One clause of the contract.

    Attributes:
        text: what is promised.
        look: what is wrong with it at a trial.
        always: whether it is looked at at every case, or once for each kind of case (see `kind_of`).
        names: whether a fault of an input says why its numbers are wrong, so that no other reason is looked for.
    """

    text: str
    look: Callable[[Trial], Iterable[Fault]]
    always: bool = True
    names: bool = False


class Broken(Exception):
    """A fault after which nothing more can be learnt from this trial."""


class NotChecked(Exception):
    """The reason why a promise is not one that this subject makes."""


def attempt(call: Callable[[], Any], what: str) -> Any:
    """The result of calling a student's code; an exception of it ends the trial, as a fault."""
    try:
        return call()
    except Exception as error:
        raise Broken(Fault("raises", None, f"{what} raises {told(error)}")) from error


LIBRARIES = (
    os.path.dirname(os.__file__),
    os.path.dirname(os.path.dirname(np.__file__)),
)  # Python's, and what is installed


def place_of(error: BaseException) -> Place | None:
    """The innermost line that is the student's."""
    place, step = None, (error.__cause__ if isinstance(error, Exited) and error.__cause__ else error).__traceback__
    while step is not None:
        frame = step.tb_frame
        module = frame.f_globals.get("__name__", "")
        ours = module.startswith("minigrad.") and not module.startswith("minigrad.zoo")
        if not ours and not frame.f_code.co_filename.startswith(LIBRARIES):
            place = Place.of((frame.f_code, step.tb_lasti))
        step = step.tb_next
    return place


def told(error: BaseException) -> str:
    """An exception in words, with the line of the student's file that it comes from."""
    place = place_of(error)
    where = f" (line {place.line} of {os.path.basename(place.file)}: `{place.text}`)" if place else ""
    name = "" if isinstance(error, Exited) else f"{type(error).__name__}: "
    return f"{name}{error}{where}"


# ------------------------------------------------------------------------------------------------------- promises
def runs(trial: Trial) -> Iterator[Fault]:
    """It runs, and returns one gradient for each input."""
    y = attempt(lambda: trial.y, "forward")
    if y.dtype.kind != "f":
        raise Broken(Fault("raises", None, f"forward returns {y.dtype}; only real floating results have a derivative"))
    if y.size and not trial.finite.any():
        text = f"forward is {y.flat[0]} at every entry of its result: nothing can be checked there. Give inputs inside "
        raise Broken(Fault("unchecked", None, text + "of its domain."))
    for grads in attempt(lambda: trial.returned, "backward"):
        spare = grads[len(trial.inputs) :]
        if len(grads) < len(trial.inputs) or any(part is not None for part in spare):
            names = ", ".join(trial.names)
            returned, needed = counted(len(grads), "gradient"), counted(len(trial.inputs), "input")
            text = f"backward returned {returned}, and forward has {needed} ({names}): return one for each, None where "
            raise Broken(Fault("count", None, text + "there is no derivative."))
    yield from ()


def as_signed(trial: Trial) -> Iterator[Fault]:
    """The results have the shapes that the signature says."""
    results, shapes = trial.case.results, trial.first[0].shapes
    if results is None or (len(results) == len(shapes) and all(map(fits, shapes, results))):
        return
    lengths = [", ".join("any" if n is None else str(n) for n in y) + "," * (len(y) == 1) for y in results]
    needed = ", ".join(f"({y})" for y in lengths)
    given = ", ".join(f"{name} {np.shape(x)}" for name, x in zip(trial.names, trial.inputs, strict=True))
    got = shapes_in_words(shapes)
    text = f"forward returns {got} for {given}, and the signature says {needed}: one of the two is wrong."
    yield Fault("shape", None, text)


def fits(shape: Sequence[int], lengths: Sequence[int | None]) -> bool:
    return len(shape) == len(lengths) and all(n in (None, m) for n, m in zip(lengths, shape, strict=True))


def repeatable(trial: Trial) -> Iterator[Fault]:
    """The same inputs give the same result, at the second call and at the hundredth."""
    g, within = trial.cotangents[0], trial.subject.nondet_tol

    def once() -> list[Any]:
        call = trial.run()
        return copied([call.y, *call.backward(np.array(g))])

    first = attempt(once, "a second call")
    if not all(alike(a, b, within) for a, b in zip([trial.y, *trial.returned[0]], first, strict=False)):
        first = [trial.y, *trial.returned[0]]
    later = [attempt(once, f"call number {k}") for k in range(2, trial.calls)]
    for position in range(len(first)):
        same = [alike(first[position], results[position], within) for results in later]
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
    one = attempt(lambda: copied(call.backward(np.array(g))), "backward, when forward has run once more in between")
    two = attempt(lambda: copied(call.backward(np.array(g))), "a second backward of the same call")
    for i, (a, b, c) in enumerate(zip(first[1:], one, two, strict=True)):
        if not alike(a, b, within):
            yield Fault(
                "first-call",
                trial.names[i],
                f"the gradient of {trial.names[i]} changes when forward runs again before the backward: the last call "
                "overwrites what the first one kept. Save it with ctx.save_for_backward.",
            )
        elif not alike(a, c, within):
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
        if changed(x, before) and not any(np.shares_memory(x, dirty) for dirty in call.dirty):
            which = name if name.startswith("input") else f"input {name}"
            yield Fault("mutates", name, f"forward writes into its {which}, and others read it. Make a new array.")
    y, kept, inputs, before_g = call.y.copy(), copied(call.kept()), copied(xs), g.copy()
    with Untouched() as watch:  # of what happens inside of a function of Tensors
        attempt(lambda: call.backward(g), "backward")
    if watch.found:
        yield Fault("mutates", None, watch.found[0])
        return
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


class Untouched(Watch):
    """Sees which rules of a sweep write into what they are given."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def arrives(self, node: Any, g: Any) -> None:
        given = {"the incoming cotangent": g, "its output": node.array}
        given |= {f"its input {i}": v for i, v in enumerate(node.values)}
        self.given = {what: (v, v.copy()) for what, v in given.items() if isinstance(v, np.ndarray)}

    def partials(self, node: Any, g: Any, partials: Any) -> None:
        for what, (now, before) in self.given.items():
            if changed(now, before):
                self.found.append(f"the backward of {node.op.name} changes {what} in place, and others read it.")


def present(trial: Trial) -> Iterator[Fault]:
    """Every input that has a derivative gets a gradient."""
    for i in trial.able:
        if all(grads[i] is not None for grads in trial.returned):
            continue
        if trial.compare(i).wrong.any():
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

    if stretch_to(x.shape, part.shape) and are([unbroadcast(p, x.shape) for p in parts]):
        yield Fault("unsummed", name, f"{wrong}{axes_to_sum(part.shape, x.shape)}.")
        return
    for j in trial.able:
        if j != i and are(parts, j):
            text = f"{wrong}: it is the gradient of {trial.names[j]}. Return them in the order of forward's inputs."
            yield Fault("swapped", name, text)
            return
    if stretch_to(x.shape, part.shape):
        also = ". The sum is not the gradient yet, either"
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
    """Each gradient has the dtype of its input, or that of the output where forward itself widens its inputs."""
    narrow = np.result_type(*(trial.inputs[i].dtype for i in trial.able))
    widened = trial.y.dtype != narrow  # np.sqrt(2) is a float64 that float32 gives way to
    for i in trial.able:
        part, x, name = trial.returned[0][i], trial.inputs[i], trial.names[i]
        if part is not None and part.dtype != x.dtype and not (widened and part.dtype == trial.y.dtype):
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
        return list(attempt(lambda: trial.pull(cotangent), "backward"))

    expected: list[tuple[str, list[Any], Callable[[Any, Any], Any]]] = [
        ("doubled", at(2 * g), lambda a, b: 2 * a),
        ("negated", at(-g), lambda a, b: -a),
        ("times 1024", at(1024 * g), lambda a, b: 1024 * a),  # a power of two: it adds no rounding
        ("zero", at(0 * g), lambda a, b: 0 * a),
        ("the sum of two", at(g + h), lambda a, b: a + b),
    ]
    for i in trial.able:
        if (rows := trial.gradient(i)) is None:
            continue
        at_g, at_h = rows.reshape(2, *trial.inputs[i].shape)
        size = abs(at_g) + abs(at_h)
        unit = TERMS * max(np.finfo(size.dtype).eps, np.finfo(g.dtype).eps)
        for what, found, rule in expected:
            want = rule(at_g, at_h)
            if found[i] is None or found[i].shape != want.shape or not np.isfinite(want).all():
                continue
            scale = 1024 if what == "times 1024" else 2
            # Where entries cancel inside, the largest one says what rounding there is.
            with np.errstate(all="ignore"):
                off = abs(as_floats(found[i]) - want) - scale * unit * (size + size.max(initial=0))
            if (off > 0).any():  # or all of them do: then noise says it
                off -= scale * trial.noise[i].sum(axis=0).reshape(off.shape)
            if (off > 0).any():
                yield named_nonlinearity(trial, i, what, as_floats(found[i]), at_g)
                break


def named_nonlinearity(trial: Trial, i: int, what: str, found: Array, at_g: Array) -> Fault:
    name = trial.names[i]
    rows = trial.gradient(i)
    if what == "doubled" and np.array_equal(found, at_g) and rows is not None and alike(*rows):
        text = f"the gradient of {name} is the same whatever the incoming cotangent: multiply by grad (the chain rule)."
        return Fault("cotangent-ignored", name, text)
    if what == "doubled" and alike(found, 4 * at_g):
        how = "when the cotangent doubles, it is four times as large: grad occurs twice"
    elif (added := trial.pull(0 * trial.cotangents[0])[i]) is not None and np.any(added != 0):
        how = (
            "at a cotangent of zero it is not zero: a term is added to grad that has to be multiplied with it (the "
            "chain rule)"
        )
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
            text = f"backward raises when only {named} needs a gradient: {told(error)}"
            yield Fault("partial", trial.names[wanted[0]], text)
            return
        for i in wanted:
            if len(grads) != len(needs) or not alike(grads[i], trial.returned[0][i], trial.subject.nondet_tol):
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
                yield Fault("layout", None, f"it raises when the {what} {layout}: {told(error)}")
                return
            for i in trial.able:
                if not alike(grads[i], trial.returned[0][i], trial.subject.nondet_tol):
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
    if isinstance(trial, Sampled):
        raise NotChecked("too many entries")
    if wrong_inputs(trial) or any(trial.gradient(i) is None for i in trial.able):
        raise NotChecked("the first derivative is not right yet")
    if any(trial.compare(i).kinks.any() or trial.compare(i).unresolved.any() for i in trial.able):
        raise NotChecked("at a kink, or where the first derivative is not known")
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
        got = np.zeros(x.shape) if second is None else second
        for closer in (1.0, CLOSER):  # what is wrong only for large steps has been leapt over
            true, blur, terms = numerical_gradient(
                slopes, wide[i], weights, closer=closer, noise=trial.subject.nondet_tol
            )
            off = abs(got - true[0])
            # The terms of a second derivative may cancel whatever the inputs are: each is as large as a first, per x.
            size = float(abs(weights[0]) @ abs(slopes(wide[i]))) / abs(x[x != 0]).min(initial=np.inf)
            wrong = off > blur[0] + SECOND * np.finfo(x.dtype).eps * (terms[0].max(initial=0) + size)
            if not wrong.any():
                break
        else:
            worst = np.unravel_index(np.where(wrong, off, 0).argmax(), off.shape)
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
    found = [i for i in trial.able if trial.gradient(i) is not None]
    along = trial.off if isinstance(trial, Sampled) else {}
    return [i for i in found if trial.compare(i).wrong.any() or along.get(i)]


def shared(trial: Trial) -> Iterator[Fault]:
    """At ties the cotangent is given to one, or shared: where equal entries move together, it counts once.

    Along such a direction a maximum, a median or a sort is smooth, and the gradient must say what it does.
    """
    kinks = {i: trial.compare(i).kinks & np.isfinite(trial.inputs[i].reshape(-1)) for i in trial.able}
    values = np.unique(np.concatenate([trial.inputs[i].reshape(-1)[kinks[i]] for i in trial.able] or [np.zeros(0)]))
    wide = trial.widened(trial.wide)
    g = trial.cotangents[0].astype(trial.wide)
    for value in values[:GROUPS]:
        tied = {i: ((trial.inputs[i] == value) & kinks[i].reshape(trial.inputs[i].shape)) for i in trial.able}
        if sum(int(mask.sum()) for mask in tied.values()) < 2 or any(trial.gradient(i) is None for i in trial.able):
            continue

        def along(t: Array, tied: dict[int, Array] = tied) -> Array:
            moved = [x + t * tied[i] if i in tied else x for i, x in enumerate(wide)]
            return np.asarray((g * trial.truth.evaluate(copied(moved))).sum())

        size = max(float(abs(wide[i]).max(initial=0)) for i in trial.able) or 1.0
        with np.errstate(all="ignore"):
            slope, error, jump = derivative(
                along, np.zeros((), trial.wide), (), size / 8, noise=trial.truth.nondet_tol * float(abs(g).sum())
            )
            got, terms = 0.0, 0.0
            for i, mask in tied.items():
                part = (trial.gradient(i)[0].reshape(mask.shape))[mask]  # type: ignore[index]
                got, terms = got + float(part.sum()), terms + float(abs(part).sum())
        if not (error <= RESOLVED * terms and abs(jump) <= RESOLVED * terms):  # a kink in this direction, too
            continue
        if abs(got - slope) > RESOLVED * terms:
            name = next(trial.names[i] for i, mask in tied.items() if mask.any())
            yield Fault(
                "region",
                name,
                f"d{name} is wrong exactly where entries are equal (ties): together, those equal to {value:g} get "
                f"{got:.6g}, and where they move together the result changes by {float(slope):.6g} only. The cotangent "
                "of a tie goes to one of its entries, or is divided among them; it is not paid to each in full.",
            )
            return


def differences(trial: Trial, other: Subject) -> Iterator[Fault]:
    """The differences of another implementation at the same inputs."""
    try:
        call = other.call(copied(trial.inputs), trial.needs)
        y = np.asarray(call.y)
        grads = call.backward(np.array(trial.cotangents[0], y.dtype).reshape(y.shape))
    except Exception as error:
        yield Fault("differs", None, f"{other.name} raises where this does not: {told(error)}")
        return
    if y.shape != trial.y.shape:
        yield Fault("differs", None, f"the result has shape {trial.y.shape}, and that of {other.name} has {y.shape}")
        return
    size = abs(trial.y)
    if isinstance(trial, Sampled):
        size = size + size.max(initial=0)
    else:
        for i in trial.able:
            size = size + (abs(trial.jacobian(i).value) @ abs(trial.inputs[i].reshape(-1))).reshape(y.shape)
    unit = max(np.finfo(y.dtype).eps, np.finfo(trial.y.dtype).eps)
    if (abs(y - trial.y) > LONG * unit * size + trial.subject.nondet_tol).any():
        worst = np.unravel_index((abs(y - trial.y) / size).argmax(), y.shape)
        at = f" at entry {tuple(map(int, worst))}" if worst else ""
        text = f"the value{at} is {trial.y[worst]:.6g}, and that of {other.name} is {y[worst]:.6g}"
        text += digits_lost(trial, other, y, worst)
        yield Fault("differs", None, text)
        return
    for i in trial.able:
        mine, theirs = trial.gradient(i), grads[i]
        if mine is None or (theirs is not None and theirs.shape != trial.inputs[i].shape):
            continue
        comparison = trial.compare(i)
        there = 0 * mine[0] if theirs is None else theirs.reshape(-1)
        slack = comparison.allowed[0] + comparison.error[0] + TERMS * unit * (abs(mine[0]) + comparison.terms[0])
        off = (abs(mine[0] - there) > 2 * slack) & np.isfinite(comparison.true[0])
        if not off.any():
            continue
        k = int(off.argmax())
        entry = tuple(map(int, np.unravel_index(k, trial.inputs[i].shape)))
        true = float(comparison.true[0][k])
        sides = {"this": abs(mine[0][k] - true), other.name: abs(there[k] - true)}
        wrong = [side for side, distance in sides.items() if not distance <= slack[k]]
        text = f"the gradient of {trial.names[i]} at entry {entry} is {mine[0][k]:.6g}, and that of {other.name} is "
        text += f"{there[k]:.6g}; the numerical derivative is {true:.6g}"
        text += f", so {wrong[0]} is wrong there" if len(wrong) == 1 else ", so both are wrong there" if wrong else ""
        yield Fault("differs", trial.names[i], text)


def digits_lost(trial: Trial, other: Subject, y: Array, at: tuple[Any, ...]) -> str:
    """Which side has lost digits, if that may be all there is between two values."""
    mine, theirs = trial.y[at], y[at]
    if abs(mine - theirs) > 2.0**-6 * abs(mine):
        return ""
    exact = trial.truth.evaluate(trial.widened(trial.wide))[at]
    worse = other.name if abs(theirs - exact) > abs(mine - exact) else "this"
    return f"; in {np.dtype(trial.wide)} forward gives {float(exact):.9g}, so it is {worse} that has lost digits"


CONTRACT = (
    Promise("runs, and returns a gradient for each input", runs),
    Promise("the result has the shape of the signature", as_signed),
    Promise("every differentiable input has a gradient", present, names=True),
    Promise("shapes are those of the inputs", shaped, names=True),
    Promise("dtypes are those of the inputs", typed),
    Promise("the same at the second call and at the hundredth", repeatable, always=False),
    Promise("changes nothing that it is given", unmutated),
    Promise("no two gradients are one array", separate),
    Promise("linear in the incoming cotangent", linear, names=True),
    Promise("what is tied is paid once", shared, names=True),
    Promise("right when only some inputs need a gradient", for_some, always=False),
    Promise("right in any memory layout", in_any_layout, always=False),
    Promise("right to second order", twice, always=False),
)


def kind_of(trial: Trial) -> tuple[Any, ...]:
    """The properties of a case by which a promise may fail there alone: dtypes, what is missing, what broadcasts."""
    dtypes = [x.dtype if isinstance(x, np.ndarray) else type(x) for x in trial.inputs]
    return (*dtypes, broadcast(trial))


def broadcast(trial: Trial) -> bool:
    """Whether the inputs have unlike shapes, where each entry depends on one of each."""
    return trial.case.elementwise and len({trial.inputs[i].shape for i in trial.able}) > 1


# ------------------------------------------------------------------------------------------------------------- tools
def wanders(results: list[Any]) -> bool:
    """Whether results of equal calls go up and down by chance, and not in steps or ever in one direction."""
    if any(a is None or a.shape != results[0].shape for a in results):
        return False
    steps = np.diff(np.stack(results).reshape(len(results), -1), axis=0)
    turns = (np.diff(np.sign(steps), axis=0) != 0).sum(axis=0)
    return bool(turns.max(initial=0) > len(results) // 8)


def alike(a: Any, b: Any, within: float = 0.0) -> bool:
    """Equal up to the last digits, which memory layout and threads may change, and `within` so much besides."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    finite = np.isfinite(a)
    limit = 64 * np.finfo(a.dtype).eps * abs(a[finite]).max(initial=0) + within
    with np.errstate(all="ignore"):
        return bool(np.where(finite, abs(a - b) <= limit, (a == b) | (np.isnan(a) & np.isnan(b))).all())


def changed(now: Any, before: Any) -> bool:
    return isinstance(before, np.ndarray) and not np.array_equal(now, before, equal_nan=before.dtype.kind in "fc")
