"""The command `minigrad runs`: what lies in the log folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from minigrad.commands.userfile import fail

EXAMPLES = """\
examples:
  minigrad runs                 those in the folder runs
  minigrad runs logs
  minigrad train --from runs/20260101-120000-california      once more, to the same bits

exit codes: 0 all well, 2 there is no such folder, or wrong usage
"""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    parser.description, parser.epilog = "What lies in the log folder: a row for each method of each run.", EXAMPLES
    parser.add_argument("logdir", nargs="?", default="runs", metavar="DIR", help="the log folder (default runs)")


def run(options: argparse.Namespace) -> int:
    from minigrad.lab import report, runs

    if not Path(options.logdir).is_dir():
        return fail(2, f"there is no folder {options.logdir}; minigrad train makes one")
    rows = runs.table(runs.found_in(options.logdir))
    if not rows:
        print(f"there are no runs in {options.logdir}")
        return 0
    header = ["run", "data", "method", "state", "lr", "epochs", "train loss", "above optimum"]
    report.listing(header, rows, sys.stdout, names=4)
    return 0
