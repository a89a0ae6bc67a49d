"""The command `minigrad source`: a function of the user's, or the lab's training step, as a NumPy program."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.commands.outputs import refused
from minigrad.commands.userfile import UserFileError, fail, load_object
from minigrad.lab.descent import clipped_update, loss, update
from minigrad.program.program import Program
from minigrad.program.recording import TraceError, parameters, trace_tape
from minigrad.program.source import source
from minigrad.tensor import Tensor

OURS = "as NumPy: printed by minigrad from a run."
EXAMPLES = """\
examples:
  minigrad source lab                                   the training step of the lab
  minigrad source lab --clip-norm 1 --save step.py
  minigrad source train.py:loss --grad-of W,b           arguments that the file has under their names are the examples
  minigrad source model.py:f --arg x=32,8 --grad-of x   or are drawn at random, of a shape
  minigrad source train.py:loss_value                   a Tensor of the file: its tape

exit codes: 0 all well, 1 it cannot become a program, 2 wrong usage
"""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """The arguments of the command."""
    parser.description = "Print what a function computes, its gradient and its training step, as plain NumPy."
    parser.epilog = EXAMPLES
    parser.add_argument("what", metavar="lab | file.py:NAME", help="the lab's step, or a function or Tensor in a file")
    parser.add_argument(
        "--arg", action="append", default=[], metavar="NAME=SHAPE[:DTYPE]",
        help="an example for an argument: x=32,8, or y=32:int64; 0 for a single number",
    )  # fmt: skip
    parser.add_argument("--grad-of", metavar="NAME[,NAME]", help="print the gradient by these arguments, too")
    parser.add_argument("--order", type=int, help="2 for the second derivative (default 1)")
    parser.add_argument("--batch-size", type=int, metavar="ROWS", help="of the lab's step (default 32)")
    parser.add_argument("--clip-norm", type=float, metavar="NORM", help="of the lab's step (default: none)")
    parser.add_argument("--dtype", choices=("float32", "float64"), help="of the lab's step (default float64)")
    parser.add_argument("--raw", action="store_true", help="the recording as it is, nothing simplified")
    parser.add_argument("--save", metavar="FILE", help="write the program to a file")
    parser.add_argument("--force", action="store_true", help="replace what stands there, whatever it is")


def run(options: argparse.Namespace) -> int:
    """Print the program, or save it."""
    if reason := not_applicable(options):
        return fail(2, reason)
    given = options.what.rpartition(":")[0]
    if options.save and (reason := refused(options.save, OURS, options.force, *([given] if given else []))):
        return fail(2, reason)
    try:
        program = lab_step(options) if options.what == "lab" else of_object(load_object(options.what), options)
    except TraceError as error:
        return fail(1, str(error))
    except (TypeError, ValueError) as error:
        raise UserFileError(f"{options.what}: {error}") from error
    if options.save:
        print(f"wrote {program.save(options.save)}")
    else:
        print(program, end="")
    return 0


def not_applicable(options: argparse.Namespace) -> str | None:
    """Which of the options says nothing about what is to be printed, or nothing that can be."""
    of_lab, of_file = {"batch-size": 1, "clip-norm": 0, "dtype": None}, ("arg", "grad-of", "order")
    given = {name: getattr(options, name.replace("-", "_")) for name in (*of_lab, *of_file)}
    for name in of_file if options.what == "lab" else of_lab:
        if given[name] not in (None, []):
            other = "a file" if options.what == "lab" else "the lab's step"
            return f"--{name} is for {other}, and not for {options.what}"
    if given["batch-size"] is not None and given["batch-size"] < 1:
        return f"--batch-size must be at least 1, got {given['batch-size']}"
    if given["clip-norm"] is not None and not 0 < given["clip-norm"] < np.inf:
        return f"--clip-norm must be a number above 0, got {given['clip-norm']}"
    if given["order"] is not None and given["order"] < 1:
        return f"--order must be at least 1, got {given['order']}"
    if given["order"] and not given["grad-of"]:
        return "--order is of the derivative by --grad-of, which is not given"
    return None


def lab_step(options: argparse.Namespace) -> Any:
    rows, features, dtype = options.batch_size or 32, 8, options.dtype or "float64"
    x, y, W, b = [np.zeros(shape, dtype) for shape in ((rows, features), (rows, 1), (features, 1), (1,))]
    numbers = [np.asarray(n, dtype) for n in (0.01, options.clip_norm) if n is not None]
    rule = update if options.clip_norm is None else clipped_update
    return source(loss, x, y, W, b, *numbers, grad_of=("W", "b"), update=rule, raw=options.raw)


def of_object(fn: Any, options: argparse.Namespace) -> Any:
    names = options.grad_of.split(",") if options.grad_of else None
    grad_of = names[0] if names and len(names) == 1 else names
    order = options.order or 1
    if type(fn) is Tensor:
        if options.arg:
            raise UserFileError(f"--arg is for a function, and {options.what} is a Tensor")
        return Program(trace_tape(fn, variables(options.what), grad_of, order), {}, options.raw)
    if not callable(fn):
        raise UserFileError(f"{options.what} is a {type(fn).__name__}, and no function or Tensor")
    inputs = examples(fn, options.what, options.arg, names or ())
    return source(fn, *inputs, grad_of=grad_of, order=order, raw=options.raw)


def examples(fn: Any, what: str, texts: Sequence[str], grad_of: Sequence[str]) -> list[Any]:
    """An example for each argument of `fn`: those of --arg, or what its file has under their names."""
    given = dict(example(text) for text in texts)
    there = getattr(fn, "__globals__", {})
    found = []
    there_are = [p.name for p in parameters(fn)]
    for option, said in (("--arg", given), ("--grad-of", grad_of)):
        if wrong := [name for name in said if re.split(r"\W", name)[0] not in there_are]:
            raise UserFileError(f"{option}: {what} has no argument {wrong[0]!r}; it has {', '.join(there_are)}")
    for p in parameters(fn):
        value = given.get(p.name, there.get(p.name))
        if not isinstance(value, np.ndarray | np.generic | Tensor | list | tuple | dict | float | int):
            if p.default is not p.empty:
                break
            raise UserFileError(
                f"{what}: there is no example for the argument {p.name!r}: the file has no array of that name; "
                f"say --arg {p.name}=SHAPE"
            )
        found.append(value)
    return found


def variables(spec: str) -> dict[str, Any]:
    """The variables of the file or module that `spec` names an object of."""
    place = spec.rpartition(":")[0] or spec.rpartition(".")[0]
    path = str(Path(place).resolve())
    found = [m for n, m in sys.modules.items() if n == place or getattr(m, "__file__", None) == path]
    return vars(found[-1]) if found else {}


def example(text: str) -> tuple[str, Any]:
    """``x=32,8`` as ("x", an array of that shape): normal numbers, or zeros of an integer dtype."""
    name, equals, form = text.partition("=")
    shape, _, dtype = form.partition(":")
    try:
        sizes = tuple(int(n) for n in shape.split(",")) if equals and shape != "0" else ()
        numbers = np.random.default_rng(0).normal(size=sizes)
        return name, np.asarray(numbers if np.dtype(dtype or "float64").kind == "f" else 0 * numbers).astype(
            dtype or "float64"
        )
    except (ValueError, TypeError):
        raise UserFileError(f"--arg {text}: write NAME=SHAPE or NAME=SHAPE:DTYPE, as in x=32,8:float32") from None
