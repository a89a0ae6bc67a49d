"""`minigrad check file.py:MyFunction`: the checker, on the command line."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from minigrad.checks.checker import check
from minigrad.checks.subject import UsageError
from minigrad.commands.userfile import fail, load_object

EXAMPLES = """\
examples:
  minigrad check lab.py:Linear --signature "(n,p),(p,q),(q)->(n,q)"
  minigrad check lab.py:MSE --against torch_ref.MSE
  minigrad check lab.py:Log --signature "()->()" --domain x=0:inf
  minigrad check minigrad.tanh

A function may bring its own signature and domain: attributes `signature` and `domain` of the class. Those of torch_ref
and the operations of minigrad have them, and lend their signature to what is checked against them.

`python -m minigrad.testing.conformance` takes what comes from JAX and HIPS autograd as well, and prints a
table of all promises; `minigrad.testing.gradients` makes a test of each in pytest.
exit codes: 0 nothing is wrong, 1 something is, 2 it cannot be loaded or checked
"""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    parser.description = "Check the backward of a Function, and say what is wrong with it."
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add("target", metavar="FILE.py:NAME", help="a Function, of minigrad or of torch, or a function of Tensors")
    add(
        "--signature",
        metavar="SHAPES",
        help='of the inputs, such as "(n,p),(p,q),(q)->(n,q)"; "()->()" is entry by entry',
    )
    add(
        "--domain",
        metavar="NAME=VALUES",
        action="append",
        default=[],
        type=domain_of,
        help="of one input: LOW:HIGH, bool, or a letter of the signature for indices; once for each input",
    )
    add("--against", metavar="FILE.py:NAME", help="another that must give the same values and gradients")
    add("--seed", type=int, default=0, help="draws other inputs (default 0)")
    add("--max-examples", type=int, metavar="N", help="inputs that are drawn, behind the designed ones (default 20)")
    add("--nondet-tol", type=float, default=0.0, metavar="X", help="how far apart the results of equal calls may be")
    add("-v", "--verbose", action="store_true", help="show every promise, and how sure it is")
    add("--json", action="store_true", help="the report as JSON")


def domain_of(text: str) -> tuple[str, object]:
    name, _, values = text.partition("=")
    low, colon, high = values.partition(":")
    if colon:
        return name, (float(low or "-inf"), float(high or "inf"))
    if not name or not values:
        raise ValueError(text)
    return name, bool if values == "bool" else values


domain_of.__name__ = "domain"  # which argparse puts into "invalid ... value"


def run(options: argparse.Namespace) -> int:
    target = load_object(options.target)
    try:
        report = check(target, **chosen(options), verbose=options.verbose)
    except UsageError as error:  # what the function itself raises is in the report
        return refused(error)
    if options.json:
        print(report.to_json())
    else:
        report.show()
    sys.stdout.flush()
    return 0 if report else 1


def chosen(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `check`."""
    return {
        "signature": options.signature,
        "domain": dict(options.domain) or None,
        "against": load_object(options.against) if options.against else None,
        "seed": options.seed,
        "max_examples": options.max_examples,
        "nondet_tol": options.nondet_tol,
    }


def refused(error: UsageError) -> int:
    return fail(2, str(error).replace("signature=", "--signature "))
