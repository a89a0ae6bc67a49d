"""The command `minigrad`: a table of commands, each in its own file of `minigrad/commands/`.

The module of a command is imported when the command is called. It has ``configure(parser, command)``, which adds its
arguments, and ``run(options)``, which does the work and returns the exit code. Exit codes: 0 all well, 1 something that
the command looked at is not, 2 wrong usage or a file that cannot be read or written, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn, TextIO

from minigrad import __version__, views
from minigrad.commands.userfile import UserFileError, fail

VIEWS = "minigrad.commands.views"
COMMANDS = {  # name: (module, what it does), beside those of the views
    "train": ("minigrad.commands.lab", "linear regression by one method of gradient descent"),
    "compare": ("minigrad.commands.lab", "several methods of gradient descent on the same budget"),
    "predict": ("minigrad.commands.predict", "what a model that `train --save` wrote says of a table"),
    "runs": ("minigrad.commands.runs", "what lies in the log folder"),
    "check": ("minigrad.commands.check", "what is wrong with a backward that you have written"),
    "bench": ("minigrad.commands.bench", "what value and gradient of a function cost, here and in other libraries"),
    "grade": ("minigrad.commands.grade", "marks for students' files of Functions, with what is wrong"),
    "progress": ("minigrad.commands.progress", "which exercises of the lessons are solved"),
    "source": ("minigrad.commands.source", "a function or the lab's training step as a NumPy program"),
}
# What to install for a package that is missing; for all others the lab's extra.
EXTRAS = {"torch": "torch", "hypothesis": "'minigrad-tape[check]'", "numba": "'minigrad-tape[numba]'"}
EXTRAS["distributed"] = "'minigrad-tape[cluster]', or take --backend processes"
EXTRAS |= dict.fromkeys(("pyarrow", "openpyxl"), "'minigrad-tape[tables]'")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def commands_for(called: str | None) -> dict[str, tuple[str, str]]:
    """All commands; those of the views, only where they are needed."""
    shown = {} if called in COMMANDS else views.commands()
    return {**COMMANDS, **{name: (VIEWS, what) for name, what in shown.items()}}


def parser(called: str | None = None) -> Parser:
    """The command line; of the commands only the one that is `called` has its arguments."""
    top = Parser(
        prog="minigrad",
        description="Backpropagation you can read: gradient descent on minigrad's own tape.",
        epilog="minigrad COMMAND --help has the arguments of a command, and examples.",
    )
    top.add_argument("--version", action="version", version=f"minigrad {__version__}")
    commands = top.add_subparsers(dest="command", metavar="command", required=True)
    for name, (module, what) in commands_for(called).items():
        command = commands.add_parser(name, help=what, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == called:
            import_module(module).configure(command, name)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (those of the process by default) and return the exit code."""
    closed = [name for name, mode in STREAMS.items() if opened(name, mode)]
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without "µ" gets a question mark, not a traceback
    try:
        code = obey(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has seen enough
        nowhere(sys.stdout)
        return 0
    except OSError as error:
        if error.filename is None:
            nowhere(sys.stdout)
        return fail(2, f"{error.filename or 'standard output'}: {error.strerror or error}")
    if "stdout" in closed:
        return fail(code or 2, "standard output is closed, and nothing was printed")
    return code


STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}


def opened(name: str, mode: str) -> bool:
    """Whether that stream of the process was closed; it then reads or writes nothing."""
    if getattr(sys, name) is not None:
        return False
    setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 it stays open
    return True


def nowhere(stream: TextIO) -> None:
    """Send what `stream` still holds nowhere, or the end of the process would try once more to write it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def obey(arguments: Sequence[str] | None) -> int:
    """Run the command line, and return the exit code. What concerns standard output is left to the caller."""
    words = sys.argv[1:] if arguments is None else arguments
    called = next((word for word in words if not word.startswith("-")), None)

    def run() -> int:
        options = parser(called).parse_args(words)
        code: int = import_module(COMMANDS.get(options.command, (VIEWS,))[0]).run(options)
        return code

    return guarded(run)


def guarded(run: Callable[[], int]) -> int:
    """The exit code of `run`; what it raises is said in a sentence, where that is not a mistake of ours."""
    try:
        return run()
    except SystemExit as end:  # argparse, after --help or wrong usage
        sys.stdout.flush()
        raise end
    except MemoryError as error:
        return fail(2, f"there is not enough memory: {error}")
    except KeyboardInterrupt:
        return fail(130, "stopped by Ctrl-C")
    except UserFileError as error:
        return fail(2, str(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(error.name or "", "'minigrad-tape[lab]'")
        return fail(2, f"this needs {error.name}, which is not installed: python -m pip install {extra}")
