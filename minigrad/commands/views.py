"""The commands that show the tape of a user's script: one for each view that has a `COMMAND`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from minigrad import views
from minigrad.commands.outputs import refused
from minigrad.commands.userfile import UserFileError, fail, load_object, run_script
from minigrad.engine.names import names_around
from minigrad.engine.places import ENGINE
from minigrad.engine.state import Watch
from minigrad.tensor import Tensor
from minigrad.views.steps import Trace

EPILOG = """\
The script runs as `python FILE` would run it, and what is shown is the tensor on which it called .backward() last. Name
another one, or one of a script that calls no backward, as FILE.py:NAME.

examples:
  minigrad table train.py
  minigrad draw train.py:loss -o graph.svg --backward
  minigrad debug train.py
  minigrad explore train.py -o page.html

exit codes: 0 all well, 2 wrong usage, or the script fails
"""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    view = views.find(command).COMMAND
    parser.description, parser.epilog = view.description, EPILOG
    parser.add_argument("script", metavar="FILE.py[:NAME]", help="the script, and which of its tensors to show")
    view.configure(parser)
    if view.ours:
        parser.add_argument("--force", action="store_true", help="replace what stands there, whatever it is")


def run(options: argparse.Namespace) -> int:
    view = views.find(options.command).COMMAND
    script = options.script if options.script.endswith(".py") else options.script.rpartition(":")[0]
    if view.ours and (reason := refused(options.output, view.ours, options.force, script)):
        return fail(2, reason)
    trace = trace_of(options.script)
    try:
        view.show(trace, options)
    except ValueError as error:  # an argument that the view cannot obey
        return fail(2, str(error))
    return 0


def trace_of(script: str) -> Trace:
    """The tape that the user means by ``file.py`` or ``file.py:name``.

    Raises:
        UserFileError: there is none.
    """
    if not script.endswith(".py"):
        found = load_object(script)
        if type(found) is not Tensor:
            raise UserFileError(f"{script} is a {type(found).__name__}, and only a Tensor has a tape to show")
        file = Path(script.rpartition(":")[0])
        spaces = [vars(m) for m in list(sys.modules.values()) if getattr(m, "__file__", None) == str(file.resolve())]
        return Trace(found, names=names_around(None, *spaces))
    with LastBackward() as last:
        try:
            space = run_script(script)
        except UserFileError as error:
            if not (last.failed and type(last.output) is Tensor):
                raise
            print(f"minigrad: {error}\nminigrad: this is the backward that failed:", file=sys.stderr)
            space = {}
    if last.output is None:
        raise UserFileError(f"{script} called .backward() on nothing: say which tensor to show, as {script}:NAME")
    return Trace(last.output, last.gradient, {**last.names, **names_around(None, space)})


class LastBackward(Watch):
    """Notes which tensor ``backward`` was called on last, what variables were called there, and whether it failed."""

    output: Any = None
    gradient: Any = None
    failed = False

    def __init__(self) -> None:
        self.names: dict[int, str] = {}

    def begins(self, output: Any, gradient: Any, inputs: Any) -> None:
        if inputs:  # `gradients`
            return
        frame = sys._getframe(1)
        while ENGINE[frame.f_globals.get("__package__")] and frame.f_back:
            frame = frame.f_back
        self.output, self.gradient, self.names, self.failed = output, gradient, names_around(frame), True

    def ends(self, output: Any) -> None:
        self.failed = self.failed and output is not self.output
