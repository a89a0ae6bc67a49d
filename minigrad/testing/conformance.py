"""``python -m minigrad.testing.conformance module:Function``: the whole contract, for an implementation from elsewhere.

Besides what `minigrad check` takes: a function of JAX or of HIPS autograd, whose own vjp is looked at, and a class of
any engine with ``forward(ctx, ...)`` and ``backward(ctx, grad)`` of arrays.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from minigrad.checks.engines import rebased
from minigrad.checks.report import Report, Verdict
from minigrad.checks.subject import UsageError, comes_from, speaks
from minigrad.cli import Parser, guarded
from minigrad.commands.check import chosen, configure, refused
from minigrad.commands.userfile import load_object
from minigrad.function import Function
from minigrad.testing.decorator import gradients

__all__ = ["adapted", "main"]

EXAMPLES = """\
examples:
  python -m minigrad.testing.conformance mine.py:Linear --signature "(n,p),(p,q),(q)->(n,q)"
  python -m minigrad.testing.conformance jax.nn:softplus --signature "()->()"
  python -m minigrad.testing.conformance mine.py:scatter_add --signature "(n)->(n)" --nondet-tol 1e-12

exit codes: 0 every promise is kept, 1 one is not, 2 it cannot be loaded or checked
"""


def adapted(target: Any) -> Any:
    """Something that `check` takes, in the place of what comes from another library."""
    if isinstance(target, type):
        own = all(callable(getattr(target, name, None)) for name in ("forward", "backward"))
        foreign = not issubclass(target, Function) and not any(comes_from(cls, "torch") for cls in target.__mro__)
        return rebased(target, Function) if own and foreign else target
    if callable(target) and speaks(target, "jax"):
        return as_arrays(target), by_jax(target)
    if callable(target) and speaks(target, "autograd"):
        return as_arrays(target), by_autograd(target)
    return target


def as_arrays(target: Any) -> Any:
    """The function, with the same name and parameters, whose result is an array."""

    @functools.wraps(target)
    def forward(*inputs: Any) -> Any:
        y = target(*inputs)
        return tuple(map(np.asarray, y)) if isinstance(y, tuple) else np.asarray(y)

    return forward


def by_jax(target: Any) -> Any:
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)  # of this process: numerical derivatives are made in double precision

    def vjp(g: Any, *inputs: Any) -> list[Any]:
        parts = jax.vjp(target, *inputs)[1](jax.tree.map(jax.numpy.asarray, g))
        return [None if part.dtype == jax.dtypes.float0 else np.array(part) for part in parts]

    return vjp


def by_autograd(target: Any) -> Any:
    autograd: Any = import_module("autograd")

    def vjp(g: Any, *inputs: Any) -> list[Any]:
        able = [isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in inputs]
        return [autograd.make_vjp(target, i)(*inputs)[0](g) if wanted else None for i, wanted in enumerate(able)]

    return vjp


def show(report: Report, verdicts: Sequence[Verdict]) -> None:
    """The table of the promises, in colours on a terminal, and what is wrong below it."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError:
        for verdict in verdicts:
            print(f"{verdict.status:12} {verdict.name:60} {told(verdict)}")
    else:
        styles = {"ok": "green", "fault": "bold red", "not checked": "dim", "kink": "yellow"}
        table = Table("", "promise", "", title=f"conformance of {report.function}", title_justify="left")
        for verdict in verdicts:
            style = styles[verdict.status]
            table.add_row(Text(verdict.status, style), Text(verdict.name), Text(told(verdict), style))
        Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    report.show()


def told(verdict: Verdict) -> str:
    return ", ".join(verdict.faults) or verdict.sure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` and return the exit code, as `minigrad check` has it."""
    parser = Parser(prog="python -m minigrad.testing.conformance", formatter_class=argparse.RawDescriptionHelpFormatter)
    configure(parser, "conformance")
    parser.description = "Hold an implementation from elsewhere to all that a backward promises."
    parser.epilog = EXAMPLES
    options = parser.parse_args(arguments)
    return guarded(functools.partial(run, options))


def run(options: argparse.Namespace) -> int:
    looked_at = gradients(**chosen(options))(adapted(load_object(options.target)))
    verdicts = [looked_at.judge(name) for name in looked_at.tests]
    report = looked_at.report("")
    if isinstance(report, UsageError):
        return refused(report)
    report.verbose = options.verbose
    if options.json:
        print(report.to_json())
    else:
        show(report, verdicts)
    sys.stdout.flush()
    return 0 if report else 1


if __name__ == "__main__":
    sys.exit(main())
