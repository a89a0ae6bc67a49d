"""The commands `minigrad train` and `minigrad compare`: arguments in, `minigrad.lab` called, a report out."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Sequence
from importlib import util
from inspect import signature
from pathlib import Path
from typing import Any

from minigrad import lab
from minigrad.commands.outputs import refused, replacing
from minigrad.commands.userfile import fail
from minigrad.lab.errors import FileWarning, on_command_line
from minigrad.lab.settings import (
    BACKENDS,
    COMPARED,
    DTYPES,
    ENGINES,
    INITS,
    METHODS,
    MISSING,
    PRESETS,
    SCHEDULES,
    TASKS,
)

EXAMPLES = """\
examples:
  minigrad compare                                  the three methods on California Housing
  minigrad train --method sgd --lr 0.001 --epochs 5
  minigrad train --data diabetes --method batch --dtype float32
  minigrad compare --data synthetic --rows 50 --features 13 --outputs 3
  minigrad train --data houses.csv --target price,rent --drop name --missing median --categorical auto
  zcat sensors.gz | minigrad train --data - --target y --delimiter ';' --decimal ,
  minigrad train --method sgd --epochs 2 --engine torch
  minigrad train --data houses.csv --target price --save price.npz --export torch
  minigrad compare --data diabetes --methods minibatch,momentum,adam --schedule cosine
  minigrad compare --task classification --data digits
  minigrad compare --preset lab                     the settings of the lab report

--from RUN takes the settings of the run in that folder, and gives the same bits; --resume RUN
goes on with it where it was ended, and comes to the bits that it would have come to.
exit codes: 0 all well, 1 a run diverged, 2 wrong usage or a file could not be written, 130 stopped by Ctrl-C
"""

DESCRIPTIONS = {
    "train": "Fit a linear model, of numbers or of classes, by one method.",
    "compare": "Fit a linear model, of numbers or of classes, by each of the methods: same rows, start and "
    "number of samples seen.",
}


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """The arguments of `command`. Defaults that depend on data or method are None here and chosen by the lab."""
    parser.description, parser.epilog = DESCRIPTIONS[command], EXAMPLES
    add = parser.add_argument_group("data").add_argument
    known = "california (default), diabetes, digits, synthetic, or a file: CSV, Parquet, Feather, Excel, .npy or .npz"
    add("--data", default="california", help=f'{known}, packed or not; - is standard input; "part-*.csv" several')
    add("--task", choices=TASKS, default=TASKS[0], help="predict numbers (default), or the classes of one target")
    add(
        "--stream",
        action=argparse.BooleanOptionalAction,
        help="read the rows in blocks, and keep them in files (default: several files, and what is over 256 MB)",
    )
    columns = "COLUMN[,COLUMN]"
    add("--target", metavar=columns, help="columns of a file to predict")
    add(
        "--features",
        type=_columns,
        metavar=columns,
        help="columns to predict from (default: all others); of synthetic data how many (default 13)",
    )
    add("--drop", metavar=columns, help="columns to leave out")
    add(
        "--categorical",
        metavar=f"auto|{columns}",
        help="columns to make 0 and 1 of; auto: those of text with few values",
    )
    add("--missing", choices=MISSING, default="refuse",
        help="rows with missing values: refuse them (default), drop them, or fill in what the training rows have",
    )  # fmt: skip
    add("--na", metavar="TEXT[,TEXT]", help="what stands for a missing value, beside NA, ?, . and the like")
    add("--delimiter", metavar="CHARACTER", help="between cells; or tab, or space (default: as the first lines tell)")
    add("--decimal", metavar="MARK", help="the decimal mark, . or , (default: as the cells tell)")
    add(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="the first line is names (default: unless it is numbers)",
    )
    add("--encoding", help="of text (default: UTF-8, or as its first bytes tell)")
    add("--rows", type=int, help="of synthetic data (default 50)")
    add("--outputs", type=int, help="of synthetic data (default 3)")
    add(
        "--clip-features",
        type=_limit,
        default=5.0,
        metavar="SIGMA",
        help="clip standardised features at this many standard deviations, or none (default 5)",
    )
    add = parser.add_argument_group("descent").add_argument
    add(
        "--epochs",
        type=int,
        help="passes over the training rows (default: predicted to end within 1.5%% of the optimum)",
    )
    add("--batch-size", type=int, metavar="ROWS", help="rows a step of minibatch and what is below it (default 32)")
    add("--alpha", type=float, help="of the penalty alpha/2 ‖W‖² in the loss of a classification (default 0.01)")
    add("--schedule", choices=SCHEDULES, default="constant", help="how lr becomes shorter (default constant)")
    add("--clip-norm", type=_limit, metavar="NORM", help="the largest norm of a step's gradient, or none (default)")
    add("--init", choices=INITS, default="zeros", help="the weights to start from (default zeros)")
    add("--seed", type=int, default=0, help="of the split, the start and the order of the rows (default 0)")
    add("--dtype", choices=DTYPES, default="float64", help="of data and weights (default float64)")
    add(
        "--engine",
        choices=ENGINES,
        help="whose gradients (default minigrad, its tape; of more than 20,000 steps compiled, to the same bits)",
    )
    add("--preset", choices=PRESETS, help="the lab report's lr, epochs and clip-norm; what you give goes first")
    add = parser.add_argument_group("workers").add_argument
    add("--workers", type=int, metavar="N", help="share the rows of a step among N processes; the bits stay the same")
    add("--scheduler", metavar="ADDRESS", help="share them among the workers of a scheduler of dask.distributed")
    add("--backend", choices=BACKENDS, help="of the workers (default dask, which survives the loss of one)")
    add(
        "--local-steps",
        type=int,
        default=1,
        metavar="STEPS",
        help="steps each part takes between exchanges (default 1)",
    )
    add = parser.add_argument_group("output").add_argument
    add(
        "--logdir",
        default="runs",
        metavar="DIR",
        help="make a new folder there for event files and picture (default runs)",
    )
    add("--no-log", action="store_const", const=None, dest="logdir", help="write no files")
    add("--from", metavar="RUN", help="repeat the run in this folder, with the settings that are kept there")
    add("--resume", metavar="RUN", help="go on with the run in this folder, which was killed or stopped by Ctrl-C")
    add("--animate", metavar="FILE.html", help="write a page that shows the ways of the methods in motion")
    parser.set_defaults(defaults=parser.get_default)
    add("--force", action="store_true", help="replace what stands where a file is to be written, whatever it is")
    add("-q", "--quiet", action="store_true", help="no progress, and of the report only the table of results")
    if command == "train":
        add("--save", metavar="FILE", help="write the model there, .npz or .json, for `minigrad predict`")
        add(
            "--export",
            choices=("torch",),
            help="write it as a Python file for PyTorch as well, FILE_torch.py beside it",
        )
        parser.add_argument("--method", choices=METHODS, default="minibatch", help="default minibatch")
        parser.add_argument("--lr", type=float, help="the step (default: from the data, as the report says)")
    else:
        parser.add_argument(
            "--methods",
            type=lambda text: [*METHODS] if text == "all" else text.split(","),
            default=COMPARED,
            metavar="METHOD[,METHOD]",
            help=f"of {', '.join(METHODS)}; or all (default {','.join(COMPARED)})",
        )
        parser.add_argument(
            "--lr", type=_steps, help="one step for all, or batch=LR,sgd=LR,minibatch=LR (default: from the data)"
        )


def _limit(text: str) -> float | None:
    return None if text == "none" else float(text)


def _columns(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _steps(text: str) -> float | dict[str, float]:
    if "=" not in text:
        return float(text)
    return {name: float(value) for name, value in (part.split("=") for part in text.split(","))}


# argparse puts these names into "invalid ... value"
_limit.__name__ = _steps.__name__ = "number"


def run(options: argparse.Namespace) -> int:
    """Carry out the command, and return the exit code."""
    given: dict[str, Any] = vars(options)
    # What the report needs is missed before the descent, not after it.
    for package in ("sklearn", "rich", *(("matplotlib", "tensorboardX") if given["logdir"] else ())):
        if not util.find_spec(package):
            raise ModuleNotFoundError(name=package)
    command, quiet = given.pop("command"), given.pop("quiet")
    repeated, resumed, defaults = given.pop("from"), given.pop("resume"), given.pop("defaults")
    if repeated and resumed:
        return fail(2, "--from repeats a run and --resume goes on with it: only one can be meant")
    word, repeated = ("--resume", resumed) if resumed else ("--from", repeated)
    save, export, force, animate = (given.pop(name, None) for name in ("save", "export", "force", "animate"))
    if animate and (reason := refused(animate, "minigrad animation", bool(force), given["data"])):
        return fail(2, reason)
    if reason := _not_saved(save, export, force, given["data"]):
        return fail(2, reason)
    if repeated:
        from minigrad.lab import runs as kept_runs

        if own := [name for name, value in given.items() if name != "logdir" and value != defaults(name)]:
            return fail(2, f"--{own[0].replace('_', '-')} is in the settings of {repeated}, which {word} takes")
        try:
            known = kept_runs.settings(repeated)
        except lab.LabError as error:
            return fail(2, str(error))
        if strange := sorted(set(known) - set(signature(lab.compare).parameters)):
            return fail(2, f"{repeated}: its settings name {strange[0]!r}, which is none")
        given = {**known, "logdir": given["logdir"], **({"resume": resumed} if resumed else {})}
        if command == "train":
            method, *others = given.pop("methods")
            if others:
                return fail(2, f"{repeated} is a run of several methods: minigrad compare {word} {repeated}")
            given["method"] = method
    given["progress"] = not quiet
    lost: list[str] = []  # files that could not be written

    def say(text: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        print(f"minigrad: warning: {text}", file=sys.stderr)
        if issubclass(category, FileWarning):
            lost.append(str(text))

    with on_command_line(), warnings.catch_warnings():
        warnings.simplefilter("always", lab.LabWarning)
        warnings.showwarning = say  # type: ignore[assignment]
        try:
            runs = [lab.train(**given)] if command == "train" else lab.compare(**given).runs
        except lab.LabError as error:
            return fail(2, str(error))
        except lab.Interrupted as stop:
            runs = stop.result.runs
            _report(runs, quiet)
            last = runs[-1]
            kept = f"what it logged is in {last.folder}" if last.folder else "nothing was to be logged"
            where = f"in the run of {last.method}, after {last.samples:,} samples"
            return fail(130, f"stopped by Ctrl-C {where}; {kept}")
    code = _report(runs, quiet) or (2 if lost else 0)
    if save and not runs[0].diverged:
        print(f"model:   {runs[0].model.save(save)}")
        if export:
            with replacing(_exported(save)) as file:
                file.write(runs[0].model.torch())
            print(f"torch:   {_exported(save)}")
        sys.stdout.flush()
    if animate:
        with replacing(Path(animate)) as file:
            file.write(lab.report.animation(runs))
        print(f"page:    {animate}")
    diverged = [run.diverged for run in runs if run.diverged]
    for reason in diverged:
        fail(1, reason)
    return 1 if diverged else code


def _exported(save: str) -> Path:
    return Path(save).with_name(f"{Path(save).stem}_torch.py")


def _not_saved(save: str | None, export: str | None, force: bool | None, data: str) -> str | None:
    """Why the model cannot be saved as is wanted, said before the descent."""
    if not save:
        return "--export goes with --save" if export else None
    if not save.endswith((".npz", ".json")):
        return f"--save takes a file .npz or .json, and not {save}"
    if not Path(save).parent.is_dir():
        return f"--save {save}: there is no folder {Path(save).parent}"
    paths = [Path(save), *([_exported(save)] if export else [])]
    return next(filter(None, (refused(path, "minigrad_model", bool(force), data) for path in paths)), None)


def _report(runs: Sequence[lab.Run], quiet: bool) -> int:
    """Print the results, and only then write the picture: neither is lost with the other. Returns the exit code."""
    folder = runs[0].folder and runs[0].folder.parent
    trouble: OSError | None = None
    code = 0
    try:
        lab.report.show(runs, brief=quiet)
        sys.stdout.flush()
    except OSError as error:  # `main` says it, when the picture is there
        trouble = error
    if folder:
        drawings = {"losses.png": lab.report.picture, "path.png": lab.report.path_picture}
        if runs[0].classes:
            drawings["confusion.png"] = lab.report.classes_picture
        for name, draw in drawings.items():
            try:
                picture = draw(runs, folder / name)
            except OSError as error:
                code = fail(2, f"the picture {folder / name} could not be written: {error.strerror}")
            else:
                if not trouble:
                    print(f"picture: {picture}")
        if not trouble and folder.exists():
            how = "" if util.find_spec("tensorboard") else "python -m pip install tensorboard, and then "
            print(f"curves:  {how}tensorboard --logdir {shlex.quote(str(folder))}")
    if trouble:
        raise trouble
    sys.stdout.flush()
    return code
