"""What is kept beside a run: the settings that repeat it, and how it ended."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigrad.engine.files import replacing
from minigrad.lab.errors import FileWarning, LabError

if TYPE_CHECKING:
    from minigrad.lab.report import Run

SETTINGS, RESULTS = "settings.json", "results.json"


def keep(folder: Path, name: str, content: dict[str, Any]) -> None:
    """Write `content` as JSON into the folder of a run; a disk that is full costs that file, and not the run."""
    with noticed(folder / name), replacing(folder / name) as file:
        json.dump(content, file, indent=1, default=str)


@contextmanager
def noticed(path: Path) -> Iterator[None]:
    """Warn of a file that cannot be written."""
    try:
        yield
    except OSError as error:
        warnings.warn(f"{path} could not be written: {error.strerror}", FileWarning, stacklevel=3)


def repeatable(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `lab.compare` as they can be written: data that is no file and has no name is left out."""
    data = arguments["data"]
    named = isinstance(data, str | Path) and str(data) != "-" and arguments.get("parts") is None
    if named and Path(data).is_file():
        data = str(Path(data).resolve())
    left_out = ("logdir", "progress", "parts", "resume")
    return {
        **{name: value for name, value in arguments.items() if name not in left_out},
        "data": str(data) if named else None,
    }


def settings(folder: str | Path) -> dict[str, Any]:
    """The arguments of `lab.compare` that made the run in this folder. Raises LabError."""
    path = Path(folder) / SETTINGS
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or "methods" not in found or "data" not in found:
            raise ValueError("it has no methods and data")
    except OSError as error:
        raise LabError(f"{folder} is no folder of a run: {path}: {error.strerror}") from error
    except ValueError as error:
        raise LabError(f"{path} has no settings of a run: {error}") from error
    if found["data"] is None:
        raise LabError(f"{path}: the data were in memory or came through a pipe, and cannot be read again")
    return found


def result(run: Run) -> dict[str, Any]:
    """How a run ended."""
    done = run.diverged is None and run.history.samples[-1] == run.settings.epochs * run.exact.rows
    state = "diverged" if run.diverged else "done" if done else "stopped"
    return {
        "state": state, "epochs": run.settings.epochs, "lr": run.settings.lr, "samples": run.samples,
        "train": run.train_loss, "test": run.test_loss, "above": run.above_optimum, "seconds": run.seconds,
    }  # fmt: skip


def found_in(logdir: str | Path) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The runs in a log folder, oldest first: name, settings and results by method. What is no run is passed over."""
    rows = []
    for path in sorted(Path(logdir).glob(f"*/{SETTINGS}")):
        try:
            parts = [json.loads(path.with_name(name).read_text("utf-8")) for name in (SETTINGS, RESULTS)]
        except FileNotFoundError:  # it was killed before it ended, or runs now
            parts = [json.loads(path.read_text("utf-8")), {}]
        except ValueError:
            continue
        if all(isinstance(part, dict) for part in parts):
            rows.append((path.parent.name, parts[0], parts[1]))
    return rows


def table(rows: Sequence[tuple[str, dict[str, Any], dict[str, Any]]]) -> list[list[str]]:
    """A row for each method of each run."""
    lines = []
    for name, given, results in rows:
        for method in given.get("methods", ()):
            end = results.get(method)
            line = [name, Path(given.get("data") or "in memory").name, str(method)]
            if end is None:
                line += ["not ended", "", "", "", ""]
            else:
                line += [end["state"], f"{end['lr']:.3g}", f"{end['epochs']:,}", f"{end['train']:.6g}",
                         f"{100 * end['above']:+.2f} %"]  # fmt: skip
            lines.append(line)
    return lines
