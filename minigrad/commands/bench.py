"""`minigrad bench file.py:fn`: what value and gradient of a function cost, here and in other libraries.

The options about results, and how they are kept, are those of `python -m benchmarks` as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from minigrad.bench import instructions, sides
from minigrad.bench.harness import ROUNDS, Cell, Stopped, Table, Timings, measure, positive, repeated, say
from minigrad.bench.picture import can_draw, draw
from minigrad.bench.results import HEADER, OURS, Results
from minigrad.checks.cases import draw as drawn
from minigrad.checks.checker import form_of, unpacked
from minigrad.checks.subject import UsageError, subject_of
from minigrad.commands.check import domain_of
from minigrad.commands.outputs import refused, replacing
from minigrad.commands.source import examples
from minigrad.commands.userfile import UserFileError, fail, load_object
from minigrad.engine.signatures import argument_names, positional_parameters
from minigrad.tensor import Tensor

__all__ = ["keep", "outputs", "refusal", "rounds_of"]

LENGTH = 32  # of an axis that --size says nothing of
QUICK = 8  # rounds
EXAMPLES = """\
examples:
  minigrad bench train.py:loss --grad-of W,b            arguments that the file has under their names are the inputs
  minigrad bench model.py:f --arg x=1024,8 --arg W=8,1  or are drawn at random, of a shape
  minigrad bench model.py:f --signature "(n,p),(p)->()" --size n=1024,p=8 -o f.png
  minigrad bench mine.py:Linear --signature "(n,p),(p,q),(q)->(n,q)" --json before.json

The function is written in plain NumPy. What its file calls np is another library's where that library runs it. All
sides must find the same value and gradients; of an array the gradient is that of its sum.
exit codes: 0 all well, 1 a side finds something else, 2 wrong usage or a file that cannot be read, 130 Ctrl-C
"""


def outputs(add: Any) -> None:
    """The options about rounds and results."""
    add("--rounds", type=positive, help=f"in which every side runs once; fewer are faster (default {ROUNDS})")
    add("--quick", action="store_true", help=f"{QUICK} rounds")
    add("--instructions", action="store_true", help="count instructions with valgrind, where the clock is too noisy")
    add("--json", type=Path, metavar="FILE", help="write all rounds, in pyperf's format")
    add("--csv", type=Path, metavar="FILE", help="write all rounds, a line each")
    add("-o", "--output", type=Path, metavar="FILE", help="write a picture, .png or .svg")
    add("--force", action="store_true", help="replace what stands there, whatever it is")


def rounds_of(options: argparse.Namespace) -> int:
    return options.rounds or (QUICK if options.quick else ROUNDS)


def refusal(options: argparse.Namespace, *given: str | Path) -> str | None:
    """Why the options about results cannot be obeyed, if they cannot: said before anything is measured."""
    if options.rounds and options.quick:
        return f"--quick is --rounds {QUICK}: give one of the two"
    if options.output and options.output.suffix.lower() not in (".png", ".svg"):
        return f"--output {options.output}: a picture is a .png or .svg; figures are written by --json and --csv"
    for path, ours in (options.json, f'"{OURS}"'), (options.csv, HEADER), (options.output, OURS):
        if path is None:
            continue
        if not path.parent.is_dir():
            return f"there is no folder {path.parent}"
        if path.is_dir():
            return f"{path} is a folder"
        if reason := refused(path, ours, options.force, *given):
            return reason
    return instructions.unavailable() if options.instructions else None


def keep(options: argparse.Namespace, tables: Mapping[str, tuple[Table, float]], folder: Path, what: str) -> None:
    """Write what was asked for. `folder` is that of what was measured, `what` the axis of the picture."""
    results = Results(tables, rounds_of(options), folder)
    for path, text in (options.json, results.json), (options.csv, results.csv):
        if path:
            with replacing(path) as file:
                file.write(text())
            say(f"figures: {path}")
    if options.output:
        drawable = [table for table, _ in tables.values() if can_draw(table)]
        for table in drawable[:1]:  # one file, one picture
            draw(table, options.output, what)
        say(f"picture: {options.output}" if drawable else "there is no picture: no table has sides and a reference")


# --------------------------------------------------------------------------------------------------------- the command
def configure(parser: argparse.ArgumentParser, command: str) -> None:
    parser.description = "Measure value and gradient of a function on the tape, compiled, and in other libraries."
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add("target", metavar="FILE.py:NAME", help="a function in plain NumPy, or a Function")
    add("--signature", metavar="SHAPES", help='of the inputs, such as "(n,p),(p,q),(q)->(n,q)"')
    add(
        "--domain", metavar="NAME=VALUES", action="append", default=[], type=domain_of,
        help="of one input, with a signature: LOW:HIGH, bool, or a letter of it for indices; once for each input",
    )  # fmt: skip
    add("--size", metavar="N=LENGTH[,...]", default="", help=f"of the letters of the signature (default {LENGTH})")
    add("--arg", action="append", default=[], metavar="NAME=SHAPE[:DTYPE]", help="an input: x=32,8, or y=32:int64")
    add("--grad-of", metavar="NAME[,NAME]", help="the inputs to differentiate (default: all of floats)")
    add("--seed", type=int, default=0, help="with a signature, draws other inputs (default 0)")
    outputs(add)


def run(options: argparse.Namespace) -> int:
    file = options.target.rpartition(":")[0]
    if reason := refusal(options, *([file] if file else [])):
        return fail(2, reason)
    if options.instructions and not instructions.are_counted():
        return instructions.restarted(["-m", "minigrad", *sys.argv[1:]])
    fn = load_object(options.target)
    if not callable(fn):
        raise UserFileError(f"{options.target} is a {type(fn).__name__}, and no function")
    inputs, of, names = problem(fn, options)
    began = perf_counter()
    with one_thread() as note:
        steps, said, code = started(fn, inputs, of, names)
        if sides.TAPE not in steps:
            return fail(2, f"{options.target} does not run on the tape: {said[sides.TAPE]}")
        stopped = False
        say(f"measuring {rounds_of(options)} rounds of {len(steps)} sides")
        try:
            timings = measure({name: repeated(step) for name, (step, _) in steps.items()}, rounds_of(options))
        except Stopped as stop:
            timings, stopped = stop.timings, True
    notes = [f"{name} is not among them: {why}" for name, why in said.items()] + [note] * bool(note)
    found = table(options.target, inputs, names, of, steps, timings, notes)
    print(found)
    folder = Path(file).resolve().parent if Path(file).is_file() else Path()
    took = perf_counter() - began
    keep(options, {options.target: (found, took)}, folder, f"time of value and gradient over that of {sides.ALONE}")
    return fail(130, "stopped by Ctrl-C: the figures are of the rounds until then") if stopped else code


def problem(fn: Any, options: argparse.Namespace) -> tuple[list[Any], tuple[int, ...], list[str]]:
    """The inputs, the positions of those that are differentiated, and the names of all."""
    asked = options.grad_of.split(",") if options.grad_of else []
    _, source = unpacked(fn)
    if options.signature or hasattr(source, "signature"):
        if options.arg:
            raise UserFileError("--arg is for a function without a signature: --size says the lengths of its letters")
        inputs, names = of_signature(fn, source, options)
    elif options.size or options.domain:
        raise UserFileError("--size and --domain are of the letters and inputs of a --signature, which is not given")
    else:
        call = getattr(fn, "forward", fn) if isinstance(fn, type) else fn
        if isinstance(fn, type):
            raise UserFileError(f'{options.target} is a class: say --signature, as in "(n,p),(p,q),(q)->(n,q)"')
        given = examples(call, options.target, options.arg, asked)
        names = argument_names(positional_parameters(call), len(given))
        inputs = [x.array if type(x) is Tensor else np.asarray(x) if isinstance(x, list | float) else x for x in given]
    if wrong := [name for name in asked if name not in names]:
        raise UserFileError(f"--grad-of: {options.target} has no argument {wrong[0]!r}; it has {', '.join(names)}")
    able = [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f"]
    of = tuple(names.index(name) for name in asked) if asked else tuple(able)
    if not of or not {*of} <= {*able}:
        which = f"{names[next(i for i in of if i not in able)]} holds no floats" if of else "there are none"
        raise UserFileError(f"{options.target}: differentiated are inputs that are arrays of floats, and {which}")
    return inputs, of, names


def of_signature(fn: Any, source: Any, options: argparse.Namespace) -> tuple[list[Any], list[str]]:
    """Inputs that are drawn, of the lengths that --size says, and their names."""
    try:
        subject = subject_of(fn)
        form = form_of(subject, options.signature, dict(options.domain) or None, source, {})
    except UsageError as error:
        raise UserFileError(str(error).replace("signature=", "--signature ")) from error
    lengths = dict.fromkeys(form.letters, LENGTH)
    for word in filter(None, options.size.split(",")):
        letter, _, length = word.partition("=")
        if letter not in lengths or not length.isdecimal():
            known = ", ".join(lengths) or "none"
            raise UserFileError(f"--size {word}: write LETTER=LENGTH; the letters of the signature are: {known}")
        lengths[letter] = int(length)
    shapes = [(LENGTH, LENGTH)] * len(form.groups) if form.elementwise else form.shapes(lengths)
    inputs = list(drawn(form, shapes, lengths, seed=options.seed).inputs)
    return inputs, [getattr(subject.parameter(i), "name", f"input {i}") for i in range(len(inputs))]


def one_thread() -> Any:
    """While it is entered BLAS has one thread; what it yields is a sentence if that cannot be."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return nullcontext("BLAS has as many threads as it likes: threadpoolctl is not installed.")

    class Limited(threadpool_limits):  # type: ignore[misc]
        def __enter__(self) -> str:
            super().__enter__()
            return ""

    return Limited(1)


Steps = dict[str, tuple[sides.Step, float]]  # of each side the step, and the seconds of its first call


def started(
    fn: Any, inputs: Sequence[Any], of: tuple[int, ...], names: Sequence[str]
) -> tuple[Steps, dict[str, str], int]:
    """The sides that run and agree with the tape; of the others why not; and 1 if one of them finds something else."""
    steps: Steps = {}
    said: dict[str, str] = {}
    expected: Sequence[Any] = ()
    code = 0
    what = ["the value", *(f"the gradient by {names[i]}" for i in of)]
    for name, make in sorted(
        sides.SIDES.items(), key=lambda pair: pair[0] != sides.TAPE
    ):  # with which all are compared
        say(f"trying {name}")
        try:
            step = make(fn, [x.copy() if isinstance(x, np.ndarray) else x for x in inputs], of)
            began = process_time()
            found = step()
            took = process_time() - began
        except Exception as error:  # it is another library's, and anything may be wrong there
            said[name] = sides.reason(error)
            if name == sides.TAPE:
                break
            continue
        expected = expected or found
        if name != sides.ALONE and (differs := sides.disagreement(found, expected, what)):
            said[name], code = differs, 1
            continue
        steps[name] = step, took
    return {name: steps[name] for name in sides.SIDES if name in steps}, said, code


TITLE = """\
Value and gradient of {target} by {of}: {inputs}.
Medians of interleaved rounds, one thread; before them, all sides agreed on the value and the gradients.
over the function alone: time of this side over that of the value without a gradient, on arrays, and its quartiles.
first call: in which minigrad.compile traces, and JAX and numba compile."""


def table(
    target: str, inputs: Sequence[Any], names: Sequence[str], of: tuple[int, ...], steps: Steps, timings: Timings,
    notes: Sequence[str],
) -> Table:  # fmt: skip
    """A row for each side."""
    reference = sides.ALONE if sides.ALONE in steps else sides.TAPE
    shapes = ", ".join(
        f"{name} {x.dtype} {x.shape}" if isinstance(x, np.ndarray) else f"{name} {x!r}"
        for name, x in zip(names, inputs, strict=True)
    )
    rows: list[list[Cell]] = [
        [name, *timings.cells(name, reference), 1e3 * first] for name, (_, first) in steps.items()
    ]
    header = ["side", "µs", "quartiles", f"over {reference}", "first call, ms"]
    title = TITLE.format(target=target, of=", ".join(names[i] for i in of), inputs=shapes)
    if instructions.are_counted():
        notes = [*notes, instructions.NOTE]
    return Table(title, header, rows, notes)
