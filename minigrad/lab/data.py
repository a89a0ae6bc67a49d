"""Data sets, and what is done to them before a descent: split, standardise, clip.

All that is random in the lab is drawn in NumPy from named streams of one seed (`stream`), so that every
engine sees the same rows in the same order from the same start.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from minigrad.engine.words import counted
from minigrad.lab import tables
from minigrad.lab.errors import LabError, LabWarning, option, unknown
from minigrad.lab.settings import MISSING, TASKS

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]

BUILT_IN = ("california", "diabetes", "digits", "synthetic")
MOST_BYTES = 2**33  # of synthetic data; a descent on more would take days
BLOCK = 2**18  # numbers of a table in a file that are in memory at once
CALIFORNIA_FILE = Path(__file__).with_name("california_housing.csv.gz")


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream called `name` of this seed; streams of different names are independent."""
    return np.random.default_rng([seed, *name.encode()])


def rows_in_memory(x: FloatArray) -> int:
    """How many rows of x (n, p) are held in memory at once: all of them, unless x lies in a file."""
    return max(1, BLOCK // x.shape[1]) if isinstance(x, np.memmap) else max(1, len(x))


def blocks(x: FloatArray) -> Iterator[slice]:
    """The rows of x, a stretch at a time that fits in memory."""
    size = rows_in_memory(x)
    return (slice(start, start + size) for start in range(0, len(x), size))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table: `features` (rows, p) and `targets` (rows, q), finite, float64, with names.

    Of a classification the targets are those of `tables.Columns`, and so are `categories` and `classes`. Where a value
    is missing it is NaN, if `missing` says what to do about that: "drop", "mean" or "median". `notes` say how the
    table came to be.

    >>> from minigrad import lab
    >>> table = lab.load("diabetes")
    >>> table.features.shape, table.feature_names[:3]
    ((442, 10), ('age', 'sex', 'bmi'))
    """

    name: str
    features: FloatArray
    targets: FloatArray
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    missing: str = "refuse"
    notes: tuple[str, ...] = ()
    categories: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

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
        for names, table in ((self.feature_names, self.features), (self._targets, self.targets)):
            bad = np.argwhere(np.isinf(table))
            if len(bad):
                row, column = bad[0]
                where = f"row {row + 1}, column {names[column]!r}"
                raise LabError(f"{self.name}, {where}: {table[row, column]} is not a finite number")
        if self.missing == "refuse":
            self._refuse()

    @property
    def _targets(self) -> tuple[str, ...]:
        """The names of the columns of `targets`."""
        return self.target_names * self.targets.shape[1] if self.classes else self.target_names

    def _refuse(self) -> None:
        """Raise LabError if a value is missing."""
        gaps = np.isnan(np.column_stack([self.features, self.targets]))
        if (rows := gaps.any(1)).any():
            raise gaps_refused(self, gaps.sum(0), int(rows.sum()), len(gaps), int(np.flatnonzero(rows)[0]) + 1)

    def __repr__(self) -> str:
        (rows, p), q = self.features.shape, self.targets.shape[1]
        return f"<Dataset {self.name}: {rows} rows, {counted(p, 'feature')}, {counted(q, 'target')}>"


def gaps_refused(
    table: Any, counts: npt.NDArray[np.integer[Any]], rows: int, of: int, first: int, fills: Sequence[str] = MISSING[2:]
) -> LabError:
    """The error for the `rows` in which a value is missing, of so many, with `counts` for features and then targets.

    Of classes, whose columns all have the gap of one target, the first is counted.
    """
    features = tables.columns_of(table.feature_names, table.categories)
    columns = [*features, *table.target_names]
    gaps = dict(zip(columns, map(int, counts[: len(columns)]), strict=True))
    order = [column for column in sorted(gaps, key=lambda column: -gaps[column]) if gaps[column]]
    remedies = [f"{option('missing', 'drop')} leaves these rows out"] if of - rows >= 2 else []
    if of - max(gaps[target] for target in table.target_names) < 2:
        remedies.append(f"{option('target')} names what else could be predicted")
    elif worst := [column for column in order if column in features]:
        many = [column for column in worst if 2 * gaps[column] > of] or worst[:1]
        remedies += [
            f"{' or '.join(option('missing', how) for how in fills)} fills in that of the training rows",
            f"{option('drop', ','.join(many))} leaves out {'a column' if len(many) == 1 else 'columns'}",
        ]
    return LabError(
        f"{table.name}: a value is missing in {rows:,} of {counted(of, 'row')}, first in row {first}; by column: "
        f"{tables.listed([f'{column} {gaps[column]:,}' for column in order], 10)}. {', '.join(remedies)}"
    )


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


def digits() -> Dataset:
    """The digits that scikit-learn embeds: 1,797 rows, 64 features, the gray values of 8 x 8 pixels; 10 classes."""
    from sklearn.datasets import load_digits

    table = load_digits()
    classes = tuple(map(str, range(10)))
    hot = np.eye(10)[table.target]
    return Dataset("digits", table.data, hot, tuple(table.feature_names), ("digit",), classes=classes)


def synthetic(rows: int = 50, features: int = 13, outputs: int = 3, seed: int = 0) -> Dataset:
    """Normal features; targets linear in them with normal coefficients, plus noise of deviation 0.5."""
    for name, value in (("rows", rows), ("features", features), ("outputs", outputs)):
        if value < 1:
            raise LabError(f"{option(name)} must be at least 1, got {value}")
    rng = stream(seed, "synthetic")
    size = 8 * rows * (features + outputs)
    if size > MOST_BYTES:
        made = f"{counted(rows, 'row')} of {features + outputs:,} numbers"
        raise LabError(f"{made} are {size / 2**30:,.0f} GB; take fewer {option('rows')} or {option('features')}")
    x = rng.normal(size=(rows, features))
    y = x @ rng.normal(size=(features, outputs)) + rng.normal(size=outputs) + 0.5 * rng.normal(size=(rows, outputs))
    return Dataset("synthetic", x, y, tuple(f"x{i}" for i in range(features)), tuple(f"y{k}" for k in range(outputs)))


def load(
    data: Any,
    *,
    target: str | Sequence[str] | None = None,
    features: str | Sequence[str] | int | None = None,
    drop: str | Sequence[str] | None = None,
    categorical: str | Sequence[str] | None = None,
    missing: str = "refuse",
    delimiter: str | None = None,
    decimal: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    na: str | Sequence[str] | None = None,
    rows: int | None = None,
    outputs: int | None = None,
    seed: int = 0,
    task: str = TASKS[0],
) -> Dataset:
    """The data meant: a built-in name, the path of a file, a DataFrame, a pair (X, y) of arrays, or a Dataset.

    A file may be CSV text, Parquet, Feather, Excel, .npy or .npz, packed by gzip, bzip2, xz or zip; "-" is standard
    input. A DataFrame may be of pandas, polars or pyarrow.

    Args:
        target, features, drop: names of columns, as a list or separated by commas: those to predict, and those to
            predict from, by default all others that are not dropped.
        categorical: columns that become columns of 0 and 1, one for each of their values but the first; "auto" takes
            the columns of text that have few. A mapping from columns to their values says these beforehand.
        missing: "refuse"; "drop" leaves out the rows in which a value is missing; "mean" or "median" puts that of the
            training rows in its place.
        delimiter, decimal, header, encoding, na: how to read text, where its first lines do not tell: the separator,
            the decimal mark, whether the first line has the names, the encoding, and what else stands for a missing
            value.
        rows, features, outputs: the shape of the synthetic data.
        task: "regression", or "classification", for which the target is one column of classes, of text or of numbers.

    Raises LabError.

    >>> from minigrad import lab
    >>> lab.load("california")
    <Dataset california: 20640 rows, 8 features, 1 target>
    """
    kind = _kind(data)
    given: dict[str, Any] = {
        "target": target, "features": features, "drop": drop, "categorical": categorical, "missing": missing,
        "delimiter": delimiter, "decimal": decimal, "header": header, "encoding": encoding, "na": na,
        "rows": rows, "outputs": outputs,
    }  # fmt: skip
    columns, text = options(kind, given)
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    classes = data.classes if isinstance(data, Dataset) else data == "digits" if kind == BUILT_IN_DATA else None
    if (kind == SYNTHETIC or classes is not None) and bool(classes) != (task == TASKS[1]):
        other = TASKS[0 if task == TASKS[1] else 1]
        raise LabError(f"the data {getattr(data, 'name', data)} are for {option('task', other)}")
    if isinstance(data, Dataset):
        return data
    if kind == BUILT_IN_DATA:
        return {"california": california, "diabetes": diabetes, "digits": digits}[data]()
    columns["task"] = task
    if kind == SYNTHETIC:
        sizes: dict[str, Any] = {"rows": rows, "features": features, "outputs": outputs}
        return synthetic(**{name: size for name, size in sizes.items() if size is not None}, seed=seed)
    if kind == FILE:
        if str(data) != "-" and (not Path(data).exists() or Path(data).is_dir()):
            known = ", ".join(BUILT_IN)
            raise LabError(f"there is no data set or file {str(data)!r}; take {known} or the path of a table")
        name = Path(data).name if str(data) != "-" else "stdin"
        table = tables.of_file(data, tables.TextOptions(**text), **columns)
    elif kind == FRAME:
        name, table = "table", tables.of_frame(data, **columns)
    else:
        name, table = "arrays", tables.of_pair(data, task)
    return Dataset(name, *table[:4], missing, tuple(table.notes), *table[5:])


def options(kind: str, table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the options of `load` those that say which columns are meant, and those that say how text is read.

    Raises LabError for what data of this kind have no use for.
    """
    for name, value in table.items():
        if value is not None and name not in (*TAKES[kind], "missing"):
            *more, last = [owner for owner, names in TAKES.items() if name in names]
            owners = f"{', '.join(more)} and {last}" if more else last
            raise LabError(f"{option(name)} is for {owners}; here the data are {kind}")
    if table["missing"] not in MISSING:
        raise unknown(option("missing"), table["missing"], MISSING)
    return tuple({name: table.get(name) for name in names} for names in (COLUMNS, tables.TextOptions._fields))  # type: ignore[return-value]


SYNTHETIC, BUILT_IN_DATA, FILE, FRAME = "synthetic data", "built-in data", "files", "a DataFrame"
PARTS = "parts"
COLUMNS = ("target", "features", "drop", "categorical")
TAKES = {
    SYNTHETIC: ("rows", "features", "outputs"),
    FILE: (*COLUMNS, *tables.TextOptions._fields),
    FRAME: COLUMNS,
    PARTS: COLUMNS,
    BUILT_IN_DATA: (), "arrays": (), "a Dataset": (),
}  # fmt: skip


def _kind(data: Any) -> str:
    if isinstance(data, str | Path):
        return SYNTHETIC if data == "synthetic" else BUILT_IN_DATA if data in BUILT_IN else FILE
    if isinstance(data, Dataset):
        return "a Dataset"
    if tables.is_frame(data):
        return FRAME
    if isinstance(data, tuple | list) and len(data) == 2:
        return "arrays"
    known = ", ".join(BUILT_IN)
    raise LabError(f"data are {known}, a file, a DataFrame or a pair (X, y) of arrays, not a {type(data).__name__}")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Training and test rows ready for a descent: x (n, p) standardised, y (n, q) as it came, of one dtype.

    `notes` says in sentences what was done to get here, `mean` and `deviation` (p,) with which numbers.
    """

    name: str
    x_train: FloatArray
    y_train: FloatArray
    x_test: FloatArray
    y_test: FloatArray
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    notes: list[str]
    mean: FloatArray
    deviation: FloatArray
    categories: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, rows in zip(self.classes, class_counts(self.y_train), strict=False):
            if not rows:
                raise LabError(
                    f"{self.name}: none of the training rows is of the class {name!r}: leave out its rows, "
                    f"or take another {option('seed')}"
                )


def output_names(target_names: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns of y: the targets, or the classes of one, of two only the second."""
    names = classes[1:] if len(classes) == 2 else classes
    return tuple(f"{target_names[0]}={name}" for name in names) or tuple(target_names)


def told(target_names: Sequence[str], classes: Sequence[str]) -> str:
    """The targets, or the classes of one, in half a sentence."""
    if classes:
        return f"{len(classes)} classes of {target_names[0]} ({tables.listed(classes, 10)})"
    return f"{counted(len(target_names), 'target')} ({', '.join(target_names)})"


def class_counts(y: FloatArray) -> list[int]:
    """How many rows are of each class, from y (n, q) as `tables.Columns` has it."""
    counts = [sum(int(y[rows, k].sum()) for rows in blocks(y)) for k in range(y.shape[1])]
    return counts if len(counts) > 1 else [len(y) - counts[0], counts[0]]


def split(rows: int, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The numbers of the test rows, a fifth, and of the training rows: those of scikit-learn's train_test_split.

    They are drawn here because importing that takes a second, and a small table is trained in less.
    """
    order = np.random.RandomState(seed).permutation(rows)
    tests = math.ceil(0.2 * rows)
    return order[:tests], order[tests:]


def _complete(dataset: Dataset) -> tuple[Dataset, list[str]]:
    """The rows of which nothing is missing that cannot be filled, and what there is to say about the others."""
    gaps = np.atleast_1d(np.isnan(dataset.targets).any(1))
    what = "their target is missing"
    if dataset.missing == "drop":
        gaps |= np.isnan(dataset.features).any(1)
        what = "a value is missing in them"
    count = int(gaps.sum())
    if not count:
        return dataset, []
    if len(gaps) - count < 2:
        dataset._refuse()  # as something is missing
    kept = replace(dataset, features=dataset.features[~gaps], targets=dataset.targets[~gaps])
    return kept, [f"{counted(count, 'row')} of {len(gaps):,} left out, because {what}"]


def _fill(how: str, x_train: FloatArray, x_test: FloatArray, names: Sequence[str]) -> list[str]:
    """Put the mean or median of the training rows where a value is missing, and say how often that was."""
    gaps = np.isnan(x_train), np.isnan(x_test)
    if not any(gap.any() for gap in gaps):
        return []
    empty = gaps[0].all(0)
    middle = (np.nanmean if how == "mean" else np.nanmedian)(np.where(empty, 0.0, x_train), axis=0)
    for x, gap in zip((x_train, x_test), gaps, strict=True):
        x[gap] = np.broadcast_to(middle, x.shape)[gap]
    count = sum(int(gap[:, ~empty].sum()) for gap in gaps)
    notes = [f"{counted(count, 'missing value')} filled with the {how} of the feature in the training rows"]
    if empty.any():
        notes.append(f"without any value in the training rows: {tables.listed([*np.array(names)[empty]])}")
    return notes


def check_scale(what: str, numbers: FloatArray, dtype: npt.DTypeLike) -> None:
    """Raise LabError for numbers (rows, columns) whose squares, or sums of them, are no numbers of `dtype`."""
    largest = float(np.abs(numbers).max())
    spread = float((numbers.max(axis=0) / 2 - numbers.min(axis=0) / 2).max())
    limits = np.finfo(np.dtype(dtype).type)
    top, bottom = math.sqrt(float(limits.max)) / 1e6, math.sqrt(float(limits.tiny)) * 1e6
    if largest > top or 0 < spread < bottom:
        what += " reach" if largest > top else " differ by no more than"
        size = largest if largest > top else 2 * spread
        raise LabError(
            f"{what} {size:.3g}, and the squares of that are no {np.dtype(dtype)} numbers: divide them by "
            f"{10.0 ** math.floor(math.log10(size)):.0e} first"
        )


def check_apart(what: str, numbers: FloatArray, dtype: npt.DTypeLike) -> None:
    """Raise LabError for numbers (rows, columns) so far from zero that `dtype` has too few to tell them apart."""
    coarse = 1e3 * np.finfo(np.dtype(dtype)).eps * np.abs(numbers).max(axis=0)
    ranges = numbers.max(axis=0) - numbers.min(axis=0)
    if (blurred := (ranges < coarse) & (ranges > 0)).any():
        near, apart = (float(part[blurred][0]) for part in (numbers[0], ranges))
        single = np.dtype(dtype) == np.float32 and apart > 1e-12 * abs(near)
        other = f", or take {option('dtype', 'float64')}" if single else ""
        raise LabError(
            f"{what} lie near {near:.6g} and differ by no more than {apart:.3g}, which {np.dtype(dtype)} hardly tells "
            f"apart: subtract {near:.6g} first{other}"
        )


def standardised(clip: float | None, outside: int, of: int, rows: int, constant: Sequence[str]) -> list[str]:
    """In sentences, how features were standardised and clipped: so many values of how many, in how many rows.

    Warns (LabWarning) of the features that were left out.
    """
    notes = ["features standardised with the mean and standard deviation of the training rows"]
    if clip is None:
        notes.append("features not clipped")
    else:
        share = f"{outside:,} of {of:,} training values, in {counted(rows, 'row')}"
        notes.append(f"features clipped at ±{clip:g}: {share}")
    if len(constant):
        notes.append(f"left out, because constant in the training rows: {tables.listed(constant)}")
        warnings.warn(notes[-1], LabWarning, stacklevel=3)
    return notes


def prepare(
    dataset: Dataset, *, clip_features: float | None = 5.0, seed: int = 0, dtype: npt.DTypeLike = np.float64
) -> Prepared:
    """Split 80/20 at random, standardise the features with statistics of the training rows, clip them.

    `clip_features` is in standard deviations; None leaves outliers where they are. A feature that is constant
    in the training rows has no standard deviation and is left out, with a LabWarning. Targets are not touched.
    Missing values are treated as the data set says. Raises LabError.
    """
    if clip_features is not None and not clip_features > 0:
        raise LabError(f"{option('clip_features')} must be above 0 (or none for no clipping), got {clip_features}")
    dataset, dropped = _complete(dataset)
    test, train = split(len(dataset.features), int(stream(seed, "split").integers(2**32)))
    x_train, x_test = dataset.features[train], dataset.features[test]
    y_train, y_test = dataset.targets[train], dataset.targets[test]
    filled = _fill(dataset.missing, x_train, x_test, dataset.feature_names)
    for check in (check_scale, check_apart):
        check(f"{dataset.name}: the targets", dataset.targets, dtype)
    # Powers of two, which round nothing, keep squares of 1e-300 and sums of 1e308 within what numbers can be.
    exponent = np.frexp(np.abs(x_train).max(axis=0))[1]
    with np.errstate(over="ignore"):  # a test row may be anywhere
        x_train, x_test = (np.ldexp(x, -exponent) for x in (x_train, x_test))
        mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
        varies = deviation > 10 * np.finfo(np.float64).eps  # more than rounding
        x_train, x_test = ((x - mean) / np.where(varies, deviation, 1.0) for x in (x_train, x_test))
    if not varies.any():
        rows = counted(len(x_train), "training row")
        raise LabError(f"{dataset.name}: every feature is constant in the {rows}, nothing can be learned from them")
    x_train, x_test = x_train[:, varies], x_test[:, varies]
    outside = np.abs(x_train) > (clip_features or math.inf)
    if clip_features is not None:
        x_train, x_test = (x.clip(-clip_features, clip_features) for x in (x_train, x_test))
    names = np.array(dataset.feature_names)
    notes = [
        *dataset.notes,
        f"{dataset.name}: {len(dataset.features):,} rows, {counted(len(names), 'feature')}, "
        f"{told(dataset.target_names, dataset.classes)}",
        f"split at random (seed {seed}): {counted(len(x_train), 'training row')}, {counted(len(x_test), 'test row')}",
        *dropped,
        *filled,
        *standardised(clip_features, int(outside.sum()), x_train.size, int(outside.any(1).sum()), names[~varies]),
    ]
    return Prepared(
        dataset.name,
        np.ascontiguousarray(x_train, dtype),
        np.ascontiguousarray(y_train, dtype),
        np.ascontiguousarray(x_test, dtype),
        np.ascontiguousarray(y_test, dtype),
        tuple(map(str, names[varies])),
        dataset.target_names,
        notes,
        np.ldexp(mean, exponent)[varies],
        np.ldexp(deviation, exponent)[varies],
        categories=dataset.categories,
        classes=dataset.classes,
    )
