"""Data sets, and what is done to them before a descent: split, standardise, clip.

All that is random in the lab is drawn in NumPy from named streams of one seed (`stream`), so that every
engine sees the same rows in the same order from the same start.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from minigrad.engine.words import counted

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]

BUILT_IN = ("california", "diabetes", "synthetic")
CALIFORNIA_FILE = Path(__file__).with_name("california_housing.csv.gz")


class LabError(ValueError):
    """The lab cannot do what it was asked; the message says in a sentence why, and what would work."""


def unknown(what: str, name: Any, known: Iterable[str]) -> LabError:
    """The error for a name that is none of those known."""
    return LabError(f"there is no {what} {name!r}; take {' or '.join(known)}")


class LabWarning(UserWarning):
    """The lab does what was asked and doubts that it was meant."""


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream called `name` of this seed; streams of different names are independent."""
    return np.random.default_rng([seed, *name.encode()])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table for regression: `features` (rows, p) and `targets` (rows, q), finite, float64, with names."""

    name: str
    features: FloatArray
    targets: FloatArray
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.targets.ndim != 2 or len(self.features) != len(self.targets):
            raise LabError(
                f"{self.name}: features and targets need two axes and the same number of rows, got shapes "
                f"{self.features.shape} and {self.targets.shape}"
            )
        if len(self.features) < 2:
            rows = counted(len(self.features), "row")
            raise LabError(f"{self.name}: {rows} cannot be split into training and test rows; 2 or more are needed")
        if not self.features.shape[1] or not self.targets.shape[1]:
            raise LabError(f"{self.name}: at least one feature and one target column are needed")
        for names, table in ((self.feature_names, self.features), (self.target_names, self.targets)):
            bad = np.argwhere(~np.isfinite(table))
            if len(bad):
                row, column = bad[0]
                where = f"row {row + 1}, column {names[column]!r}"
                raise LabError(f"{self.name}, {where}: {table[row, column]} is not a finite number")

    def __repr__(self) -> str:
        (rows, p), q = self.features.shape, self.targets.shape[1]
        return f"<Dataset {self.name}: {rows} rows, {counted(p, 'feature')}, {counted(q, 'target')}>"


def california() -> Dataset:
    """California Housing: 20640 rows, features and target (100,000 dollars) as scikit-learn derives them."""
    raw = np.loadtxt(CALIFORNIA_FILE, delimiter=",", skiprows=1)
    longitude, latitude, age, rooms, bedrooms, population, households, income, value = raw.T
    features = {
        "MedInc": income,
        "HouseAge": age,
        "AveRooms": rooms / households,
        "AveBedrms": bedrooms / households,
        "Population": population,
        "AveOccup": population / households,
        "Latitude": latitude,
        "Longitude": longitude,
    }
    return Dataset(
        "california",
        np.column_stack(list(features.values())),
        value[:, np.newaxis] / 100_000.0,
        tuple(features),
        ("MedHouseVal",),
    )


def diabetes() -> Dataset:
    """The diabetes table that scikit-learn embeds: 442 rows, 10 features, progression after a year."""
    from sklearn.datasets import load_diabetes

    table = load_diabetes()
    return Dataset("diabetes", table.data, table.target[:, np.newaxis], tuple(table.feature_names), ("progression",))


def synthetic(rows: int = 50, features: int = 13, outputs: int = 3, seed: int = 0) -> Dataset:
    """Normal features; targets linear in them with normal coefficients, plus noise of deviation 0.5."""
    for name, value in (("rows", rows), ("features", features), ("outputs", outputs)):
        if value < 1:
            raise LabError(f"{name} must be at least 1, got {value}")
    rng = stream(seed, "synthetic")
    x = rng.normal(size=(rows, features))
    y = x @ rng.normal(size=(features, outputs)) + rng.normal(size=outputs) + 0.5 * rng.normal(size=(rows, outputs))
    return Dataset("synthetic", x, y, tuple(f"x{i}" for i in range(features)), tuple(f"y{k}" for k in range(outputs)))


def read_csv(path: str | Path, target: Sequence[str]) -> Dataset:
    """A CSV file with a header line; the columns named in `target` are the targets, all others the features.

    The separator is the comma, semicolon or tab, whichever the header has most of. Raises LabError, which
    names row and column of the first cell that is not a finite number.
    """
    path = Path(path)
    try:
        # utf-8-sig: spreadsheets like to begin a file with a byte order mark
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=header.count))
            names = [name.strip() for name in next(reader, [])]
            _check_header(path, names, target)
            lines = [(reader.line_num, cells) for cells in reader if cells]  # a blank line is no row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabError(f"cannot read {path} as CSV text: {error}") from error
    table = np.empty((len(lines), len(names)))
    for row, (line, cells) in enumerate(lines):
        where = f"{path}, row {row + 1} (line {line})"
        if len(cells) != len(names):
            raise LabError(
                f"{where}: {counted(len(cells), 'cell')}, but the header has {counted(len(names), 'column')}"
            )
        table[row] = [_number(cell, f"{where}, column {name!r}") for cell, name in zip(cells, names, strict=True)]
    picked = [names.index(name) for name in target]
    rest = [column for column in range(len(names)) if column not in picked]
    kept = tuple(names[column] for column in rest)
    return Dataset(path.name, table[:, rest], table[:, picked], kept, tuple(target))


def _check_header(path: Path, names: list[str], target: Sequence[str]) -> None:
    if not names:
        raise LabError(f"{path} is empty; a header line with the names of the columns is needed")
    columns = ", ".join(names)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LabError(f"{path}: the header names column {repeated[0]!r} more than once")
    if not target:
        raise LabError(f"{path}: say with target which of its columns to predict: {columns}")
    if len(set(target)) < len(target):
        raise LabError(f"the target columns {', '.join(target)} name one column twice")
    for name in target:
        if name not in names:
            raise LabError(f"{path} has no column {name!r} to take as target; its columns are {columns}")
    if len(target) == len(names):
        raise LabError(f"{path}: every column is a target, none is left as a feature")


def _number(cell: str, where: str) -> float:
    if not cell.strip():
        raise LabError(f"{where}: the cell is empty; fill it or drop the row")
    try:
        value = float(cell)
    except ValueError:
        raise LabError(f"{where}: {cell!r} is not a number; encode text as numbers or drop the column") from None
    if not math.isfinite(value):
        raise LabError(f"{where}: {cell!r} is not a finite number; fill the cell or drop the row")
    return value


def load(
    data: str | Path | Dataset | tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    target: str | Sequence[str] | None = None,
    rows: int | None = None,
    features: int | None = None,
    outputs: int | None = None,
    seed: int = 0,
) -> Dataset:
    """The data meant: a built-in name, the path of a CSV file, a pair (X, y) of arrays, or a Dataset.

    `target` names the target columns of a CSV file, as a list or separated by commas; `rows`, `features` and
    `outputs` shape the synthetic data. Raises LabError.
    """
    asked = {"rows": rows, "features": features, "outputs": outputs}
    sizes = {name: value for name, value in asked.items() if value is not None}
    if sizes and not (isinstance(data, str) and data == "synthetic"):
        raise LabError(f"{' and '.join(sizes)} can be chosen for synthetic data only")
    is_file = isinstance(data, str | Path) and data not in BUILT_IN
    if target is not None and not is_file:
        raise LabError("target names the target columns of a CSV file; other data have their own")
    if isinstance(data, Dataset):
        return data
    if data == "california":
        return california()
    if data == "diabetes":
        return diabetes()
    if data == "synthetic":
        return synthetic(**sizes, seed=seed)
    if isinstance(data, str | Path):
        if not Path(data).is_file():
            known = ", ".join(BUILT_IN)
            raise LabError(f"there is no data set or file {str(data)!r}; take {known} or the path of a CSV file")
        names = [target] if isinstance(target, str) else list(target or ())
        return read_csv(data, [part.strip() for name in names for part in name.split(",") if part.strip()])
    x, y = (np.asarray(part, np.float64) for part in data)
    y = y[:, np.newaxis] if y.ndim == 1 else y
    if x.ndim != 2 or y.ndim != 2:
        raise LabError(f"X needs 2 axes, (rows, features), and y 1 or 2; got shapes {x.shape} and {y.shape}")
    return Dataset("arrays", x, y, tuple(f"x{i}" for i in range(x.shape[1])), tuple(f"y{k}" for k in range(y.shape[1])))


@dataclass(frozen=True, eq=False)
class Prepared:
    """Training and test rows ready for a descent: x (n, p) standardised, y (n, q) as it came, of one dtype.

    `notes` says in sentences what was done to get here.
    """

    name: str
    x_train: FloatArray
    y_train: FloatArray
    x_test: FloatArray
    y_test: FloatArray
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


def split(rows: int, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The numbers of the test rows, a fifth, and of the training rows: those of scikit-learn's train_test_split.

    They are drawn here because importing that takes a second, and a small table is trained in less.
    """
    order = np.random.RandomState(seed).permutation(rows)
    tests = math.ceil(0.2 * rows)
    return order[:tests], order[tests:]


def prepare(
    dataset: Dataset, *, clip_features: float | None = 5.0, seed: int = 0, dtype: npt.DTypeLike = np.float64
) -> Prepared:
    """Split 80/20 at random, standardise the features with statistics of the training rows, clip them.

    `clip_features` is in standard deviations; None leaves outliers where they are. A feature that is constant
    in the training rows has no standard deviation and is left out, with a LabWarning. Targets are not touched.
    Raises LabError.
    """
    if clip_features is not None and not clip_features > 0:
        raise LabError(f"clip_features must be above 0 (or None for no clipping), got {clip_features}")
    test, train = split(len(dataset.features), int(stream(seed, "split").integers(2**32)))
    x_train, x_test = dataset.features[train], dataset.features[test]
    y_train, y_test = dataset.targets[train], dataset.targets[test]
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    varies = deviation > 10 * np.finfo(np.float64).eps * np.abs(x_train).max(axis=0)  # more than rounding
    x_train, x_test = ((x - mean) / np.where(varies, deviation, 1.0) for x in (x_train, x_test))
    if not varies.any():
        rows = counted(len(x_train), "training row")
        raise LabError(f"{dataset.name}: every feature is constant in the {rows}, nothing can be learned from them")
    x_train, x_test = x_train[:, varies], x_test[:, varies]
    names = np.array(dataset.feature_names)
    notes = [
        f"{dataset.name}: {len(dataset.features):,} rows, {counted(len(names), 'feature')}, "
        f"{counted(y_train.shape[1], 'target')} ({', '.join(dataset.target_names)})",
        f"split at random (seed {seed}): {counted(len(x_train), 'training row')}, {counted(len(x_test), 'test row')}",
        "features standardised with the mean and standard deviation of the training rows",
    ]
    if clip_features is None:
        notes.append("features not clipped")
    else:
        outside = np.abs(x_train) > clip_features
        notes.append(
            f"features clipped at ±{clip_features:g}: {outside.sum():,} of {x_train.size:,} training values, "
            f"in {counted(outside.any(1).sum(), 'row')}"
        )
        x_train, x_test = (
            x_train.clip(-clip_features, clip_features),
            x_test.clip(-clip_features, clip_features),
        )
    if not varies.all():
        notes.append(f"left out, because constant in the training rows: {', '.join(names[~varies])}")
        warnings.warn(notes[-1], LabWarning, stacklevel=2)
    return Prepared(
        dataset.name,
        np.ascontiguousarray(x_train, dtype),
        np.ascontiguousarray(y_train, dtype),
        np.ascontiguousarray(x_test, dtype),
        np.ascontiguousarray(y_test, dtype),
        tuple(map(str, names[varies])),
        dataset.target_names,
        notes,
    )
