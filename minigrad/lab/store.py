"""Rows made ready for a descent without ever being in memory together.

They are written to files as they are read, and mapped into memory from there: a descent may read them in any order
and as often as it likes, whatever they came from, and the system keeps as many of them in memory as there is room for.
After the one reading of the source three passes go over the files: one standardises the rows in place, one adds up
their moments, for the normal equations, and one the squares of their residuals (`theory.LeastSquares`).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad.engine.words import counted
from minigrad.lab import data as in_memory
from minigrad.lab import sources
from minigrad.lab.data import FloatArray, Prepared, blocks, check_apart, check_scale, gaps_refused, standardised, told
from minigrad.lab.errors import LabError, option, unknown
from minigrad.lab.settings import TASKS
from minigrad.lab.tables import Columns, TextOptions

TEST_SHARE = 0.2
SETS = ("train", "test")


def ready(
    data: Any,
    *,
    parts: Iterable[Any] | None = None,
    stream: bool | None = None,
    clip_features: float | None = 5.0,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float64,
    progress: bool = False,
    **table: Any,
) -> Prepared:
    """Training and test rows of what `lab.load` takes, or of a source that need not fit in memory.

    parts: in the place of `data`, any iterable of batches, each a pair (X, y) of arrays or a DataFrame.
    stream: read block by block, and keep the rows in files; by default parts, several files ("part-*.csv"), and what is
        larger than 256 MB.
    """
    paths = [] if parts is not None else sources.files(data)
    if stream is None:
        large = sum(path.stat().st_size for path in paths if str(path) != "-") > sources.LARGE
        stream = parts is not None or len(paths) > 1 or large
    if not stream:
        if parts is not None or len(paths) > 1:
            what = "parts" if parts is not None else f"{len(paths)} files"
            raise LabError(f"{what} are read as a stream, which {option('stream')} must not forbid")
        dataset = in_memory.load(data, seed=seed, **table)
        return in_memory.prepare(dataset, clip_features=clip_features, seed=seed, dtype=dtype)
    if clip_features is not None and not clip_features > 0:
        raise LabError(f"{option('clip_features')} must be above 0 (or none for no clipping), got {clip_features}")
    missing = table.setdefault("missing", "refuse")
    if missing == "median":
        raise LabError(f"a median needs all rows at once; for a stream take {option('missing', 'mean')}")
    notes: list[str] = []
    if parts is None and not paths:
        dataset = in_memory.load(data, seed=seed, **table)
        name, notes = dataset.name, [*dataset.notes]
        more: Any = dataset.feature_names, dataset.target_names, notes, dataset.categories, dataset.classes
        whole = np.asarray(dataset.features, np.float64), np.asarray(dataset.targets, np.float64)
        read: Any = (Columns(*rows, *more) for rows in [whole])
    else:
        if parts is not None and data != "california":
            raise LabError("data and parts are both given, and only one of them can be meant")
        task = table.pop("task", TASKS[0])
        if task not in TASKS:
            raise unknown("task", task, TASKS)
        columns, text = in_memory.options(in_memory.FILE if paths else in_memory.PARTS, table)
        columns["task"] = task
        name = "parts" if parts is not None else "stdin" if str(data) == "-" else Path(data).name

        def reading(notes: list[str], **columns: Any) -> Any:
            if parts is not None:
                return sources.of_batches(parts, notes, **columns)
            return sources.of_files(paths, TextOptions(**text), notes, **columns)

        if columns["task"] == TASKS[1] or (columns["categorical"] and not isinstance(columns["categorical"], Mapping)):
            if name == "stdin" or isinstance(parts, Iterator):
                what = option("categorical") if columns["categorical"] else option("task", TASKS[1])
                raise LabError(
                    f"{what} reads a stream twice, at first to see which values there are, and {name} can be read "
                    "once: write it to a file first" + ("" if name == "stdin" else ", or give a list")
                )
            columns |= sources.values(reading([], **columns, survey=True), columns)
        read = reading(notes, **columns)
    folder = Path(tempfile.mkdtemp(prefix="minigrad-", dir=_roomy()))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            rows = _Writer(folder, name, missing, seed, progress)
            with closing(read), rows:
                for block in read:
                    rows.add(block)
            made = rows.ready(clip_features, np.dtype(dtype), notes)
        except OSError as error:
            room = "the environment variable TMPDIR names another folder for rows that are read as a stream"
            raise LabError(f"{folder}: {error.strerror or error}; {room}") from error
        weakref.finalize(made, stack.pop_all().close)
    return made


def kept(table: Prepared) -> Prepared:
    """The same training rows, in files that go when `table` does."""
    folder = Path(tempfile.mkdtemp(prefix="minigrad-", dir=_roomy()))
    weakref.finalize(table, shutil.rmtree, folder, ignore_errors=True)
    rows = {name: getattr(table, name) for name in ("x_train", "y_train")}
    for name, values in rows.items():
        values.tofile(folder / name)
        rows[name] = np.memmap(folder / name, values.dtype, "r", shape=values.shape)
    return replace(table, **rows)


def _roomy() -> str | None:
    """A folder for large files: what TMPDIR says, or /var/tmp, which unlike /tmp is on a disk; None for the default."""
    return None if os.environ.get("TMPDIR") or not os.access("/var/tmp", os.W_OK) else "/var/tmp"


_own, _loads = signature(ready), signature(in_memory.load)
_more = [p for name, p in _loads.parameters.items() if name not in _own.parameters]
ready.__signature__ = _own.replace(parameters=[*list(_own.parameters.values())[:-1], *_more])  # type: ignore[attr-defined]


class _Columns:
    """Count, mean, squares about it, least and greatest of each column of rows that come in blocks; NaN is missing.

    The update is that of `theory.Moments`, with a count for each column. Mean and squares are those of the rows times
    `unit`, a power of two, which rounds nothing, with which a column begins below 1: squares of 1e-200 would be zero.
    """

    def __init__(self, columns: int) -> None:
        self.count = np.zeros(columns, np.int64)
        self.mean, self.squares = np.zeros(columns), np.zeros(columns)
        self.low, self.high = np.full(columns, np.inf), np.full(columns, -np.inf)
        self.unit = np.ones(columns)

    def add(self, rows: FloatArray) -> None:
        if not len(rows):
            return
        there = ~np.isnan(rows)
        added = there.sum(0)
        low, high = np.fmin.reduce(rows), np.fmax.reduce(rows)
        largest = np.where(added > 0, np.maximum(np.abs(low), np.abs(high)), 1.0)
        self.unit = np.where(self.count == 0, np.ldexp(1.0, -np.frexp(largest)[1].clip(-1020)), self.unit)
        with np.errstate(over="ignore", invalid="ignore"):  # `_Writer.ready` says it
            rows = rows * self.unit
            mean = rows.sum(0, where=there) / np.maximum(added, 1)
            squares = np.square(rows - mean).sum(0, where=there)
            total = np.maximum(self.count + added, 1)
            self.squares += squares + (mean - self.mean) ** 2 * (self.count * added / total)
            self.mean += (mean - self.mean) * (added / total)
        self.count += added
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)

    def range(self) -> FloatArray:
        there = self.count > 0
        return np.where(there, [self.low, self.high], 0.0)


class _Writer(ExitStack):
    """Takes rows in blocks, splits them, and keeps the training rows and the test rows in files, open until it ends."""

    def __init__(self, folder: Path, name: str, missing: str, seed: int, progress: bool) -> None:
        super().__init__()
        self.folder, self.name, self.missing, self.seed, self.progress = folder, name, missing, seed, progress
        self.rng = in_memory.stream(seed, "split")
        self.files: dict[tuple[str, str], Any] = {}
        self.sizes = dict.fromkeys(SETS, 0)
        self.read = self.dropped = self.filled = self.said = 0
        self.first_gap = 0
        self.feature_names: tuple[str, ...] = ()
        self.target_names: tuple[str, ...] = ()

    def add(self, block: Columns) -> None:
        x, y = block.features, block.targets
        if not self.files:
            self.feature_names, self.target_names = block.feature_names, block.target_names
            self.categories, self.classes = block.categories, block.classes
            self.features, self.targets = _Columns(x.shape[1]), _Columns(y.shape[1])
            self.gaps = np.zeros(x.shape[1] + y.shape[1], np.int64)
            for key in product("xy", SETS):
                self.files[key] = self.enter_context(self._path(*key).open("wb"))
        for names, part in ((self.feature_names, x), (self.target_names * y.shape[1], y)):
            if len(bad := np.argwhere(np.isinf(part))):
                row, column = bad[0]
                where = f"row {self.read + row + 1}, column {names[column]!r}"
                raise LabError(f"{self.name}, {where}: {part[row, column]} is not a finite number")
        gaps = np.isnan(np.column_stack([x, y]))
        gap = gaps.any(1) if self.missing != "mean" else np.isnan(y).any(1)
        if gap.any() and not self.dropped:
            self.first_gap = self.read + int(np.flatnonzero(gap)[0]) + 1
        self.gaps += gaps.sum(0)
        self.dropped += int(gap.sum())
        self.read += len(x)
        x, y = x[~gap], y[~gap]
        self.filled += int(np.isnan(x).sum())
        test = self.rng.random(len(x)) < TEST_SHARE
        self.features.add(x[~test])
        self.targets.add(y)
        for which, rows in zip(SETS, (~test, test), strict=True):
            self.sizes[which] += int(rows.sum())
            for axis, values in (("x", x), ("y", y)):
                self.files[axis, which].write(np.ascontiguousarray(values[rows], np.float64).data)
        if self.progress and self.read >= max(2 * self.said, 1_000_000):
            self.said = self.read
            print(f"{self.name}: {self.read:,} rows read", file=sys.stderr, flush=True)

    def _path(self, axis: str, part: str) -> Path:
        return self.folder / f"{axis}_{part}"

    def ready(self, clip: float | None, dtype: np.dtype[Any], notes: list[str]) -> Prepared:
        """The rows, standardised in their files. Raises LabError where nothing can be learned from them."""
        if self.dropped and (self.missing == "refuse" or self.read - self.dropped < 2):
            raise gaps_refused(self, self.gaps, self.dropped, self.read, self.first_gap, ["mean"])
        if not all(self.sizes.values()) or self.sizes["train"] < 2:
            rows = counted(sum(self.sizes.values()), "complete row")
            raise LabError(f"{self.name}: {rows} cannot be split into training and test rows as a stream")
        for check in (check_scale, check_apart):
            check(f"{self.name}: the targets", self.targets.range(), dtype)
        low, high = self.features.range()
        squares, unit = self.features.squares, self.features.unit
        if (strange := ~np.isfinite(squares) | (squares == 0) & (low < high)).any():
            i = int(strange.argmax())
            name = self.feature_names[i]
            raise LabError(
                f"{self.name}: {name!r} begins with other magnitudes than those it has later, from {low[i]:.3g} to "
                f"{high[i]:.3g}, and their squares are no float64 numbers: {option('drop', name)} leaves it out"
            )
        deviation = np.sqrt(squares / self.sizes["train"])  # what is filled in is the mean
        largest = np.maximum(np.abs(low), np.abs(high)) * unit
        varies = deviation > 10 * np.finfo(np.float64).eps * 2.0 ** np.frexp(largest)[1]  # more than rounding
        if not varies.any():
            rows = counted(self.sizes["train"], "training row")
            raise LabError(f"{self.name}: every feature is constant in the {rows}, nothing can be learned from them")
        mean, scale, unit = self.features.mean[varies], deviation[varies], unit[varies]
        values_outside = rows_outside = 0

        def standardise(rows: FloatArray) -> FloatArray:
            nonlocal values_outside, rows_outside
            with np.errstate(over="ignore"):  # a test row may be anywhere
                rows = (rows[:, varies] * unit - mean) / scale
            rows[np.isnan(rows)] = 0.0  # the mean
            if clip is not None:
                outside = np.abs(rows) > clip
                values_outside += int(outside.sum())
                rows_outside += int(outside.any(1).sum())
                rows = rows.clip(-clip, clip)
            return rows

        x_test = self._mapped("x", "test", len(varies), standardise, dtype)
        values_outside = rows_outside = 0
        x_train = self._mapped("x", "train", len(varies), standardise, dtype)
        y_train, y_test = (self._mapped("y", part, len(self.targets.count), np.asarray, dtype) for part in SETS)
        names = np.array(self.feature_names)
        (train, p), test = x_train.shape, len(x_test)
        said = [
            *notes,
            f"{self.name}: {self.read:,} rows, {counted(len(names), 'feature')}, "
            f"{told(self.target_names, self.classes)}; read as a stream",
            f"split at random (seed {self.seed}): {counted(train, 'training row')}, {counted(test, 'test row')}",
        ]
        if self.dropped:
            what = "a value is missing in them" if self.missing == "drop" else "their target is missing"
            said.append(f"{counted(self.dropped, 'row')} of {self.read:,} left out, because {what}")
        if self.filled:
            said.append(
                f"{counted(self.filled, 'missing value')} filled with the mean of the feature in the training rows"
            )
        said += standardised(clip, values_outside, train * p, rows_outside, names[~varies])
        return Prepared(
            self.name, x_train, y_train, x_test, y_test, tuple(map(str, names[varies])), self.target_names, said,
            mean / unit, scale / unit, self.categories, self.classes,
        )  # fmt: skip

    def _mapped(self, axis: str, part: str, columns: int, change: Any, dtype: np.dtype[Any]) -> FloatArray:
        """The rows of a file, each block of them changed in its place: they may become shorter, but not longer."""
        path, rows = self._path(axis, part), self.sizes[part]
        there = np.memmap(path, np.float64, "r+", shape=(rows, columns))
        width = 0
        for block in blocks(there):
            changed = np.asarray(change(np.array(there[block])), dtype)
            width = changed.shape[1]
            changed_there = there.reshape(-1).view(dtype)[: rows * width].reshape(rows, width)
            changed_there[block] = changed
        return np.memmap(path, dtype, "r", shape=(rows, width))
