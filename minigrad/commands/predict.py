"""The command `minigrad predict`: what a model that was saved says of the rows of a table."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from minigrad.commands.outputs import refused, replacing
from minigrad.commands.userfile import fail
from minigrad.engine.words import counted
from minigrad.lab.errors import LabError, on_command_line

EXAMPLES = """\
examples:
  minigrad train --data houses.csv --target price --save price.npz
  minigrad predict price.npz new-houses.csv -o prices.csv
  zcat sensors.gz | minigrad predict model.json -

The table needs the columns that the model was trained on, by name and in any order; others do not matter. A row with a
missing value, or a category that training has not seen, has an empty prediction, and is counted. Of classes there is
the most probable one, and the probability of each.
exit codes: 0 all well, 2 a file cannot be read or written, or wrong usage
"""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    parser.description, parser.epilog = "What a model that was saved says of the rows of a table.", EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="what `minigrad train --save` wrote, .npz or .json")
    parser.add_argument("data", metavar="FILE", help="the table, of any kind that `minigrad train` reads; - is stdin")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write a CSV there, and not to stdout")
    parser.add_argument("--force", action="store_true", help="replace what stands there, whatever it is")
    for name, what in (("delimiter", "CHARACTER"), ("decimal", "MARK"), ("encoding", "NAME")):
        parser.add_argument(f"--{name}", metavar=what, help="of the table, as in `minigrad train`")


def run(options: argparse.Namespace) -> int:
    from minigrad.lab import model, tables

    with on_command_line():
        try:
            found = model.Model.load(options.model)
            heading = ",".join(found.target_names)
            given = (options.model, options.data)
            if options.output and (reason := refused(options.output, heading, options.force, *given)):
                return fail(2, f"predict: {reason}")
            text = tables.TextOptions(options.delimiter, options.decimal, None, options.encoding, None)
            frame, name, _, _ = tables.frame_of(options.data, text)
            notes: list[str] = []
            features = found.features(frame, name, notes)
        except LabError as error:
            return fail(2, str(error))
    for note in notes:
        fail(0, note)
    empty = int(np.isnan(features).any(axis=1).sum())
    if empty:
        why = "because of that or a missing value" if notes else "because a value is missing"
        fail(0, f"{counted(empty, 'row')} of {len(features):,} without a prediction, {why}")
    written = model.table(found, features)
    if options.output is None:
        print(written, end="")
        return 0
    with replacing(options.output) as file:
        file.write(written)
    print(f"{counted(len(features), 'prediction')}: {options.output}")
    return 0
