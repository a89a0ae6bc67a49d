"""Tables of any kind as columns of numbers: pandas parses, and what was noticed and assumed is said in notes.

A file is known by its first bytes, not by its name, so that a pipe may be anything that a file may be.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minigrad.engine.words import counted, shortened
from minigrad.lab.errors import LabError, option, unknown
from minigrad.lab.settings import TASKS

Floats = npt.NDArray[np.float64]
CLASSIFICATION = TASKS[1]

# What stands for a missing value.
NA = (
    "",
    "?",
    ".",
    "NA",
    "N/A",
    "n/a",
    "NaN",
    "nan",
    "NULL",
    "null",
    "None",
    "<NA>",
    "#N/A",
    "#NA",
    "#VALUE!",
    "#DIV/0!",
)
DELIMITERS = ("\t", ";", "|", ",", " ")  # in this order: a cell may have a comma or a blank in it
SPELLED = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
UNPACK: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
# Decimal mark: a number with it, whose thousands may be grouped by another one.
NUMBER = {
    mark: re.compile(
        rf"(?=\D{{0,2}}[0-9])[+-]?(?:[0-9]{{1,3}}(?:([{other}'’ \u00a0\u202f])[0-9]{{3}})(?:\1[0-9]{{3}})*|[0-9]*)"
        rf"(?:[{mark}][0-9]*)?(?:[eE][+-]?[0-9]+)?"
    )
    for mark, other in ((".", ","), (",", "."))
}
DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{4}[- ]?[QMW]\d{1,2}"
    r"|([a-z]{3,9}[-/ .]{1,2}\d{1,2}|\d{1,2}[-/ .]{1,2}[a-z]{3,9}|[a-z]{3,9})[-/ ,]{1,2}\d{2,4}|\d{1,2}:\d{2})"
    r"([T :].*)?",
    re.IGNORECASE,
)
UNNAMED = "Unnamed: "  # is how pandas begins the name of a column that has none, also when it writes the table again
CELL = r" *[+-]?[0-9]{1,15}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})? *"  # surely a number, also for pandas
MOST_LINES = 20_000  # that are read without pandas, which is faster at more
MOST_LEVELS = 1_000  # that any column may have
PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
MOST_CATEGORIES = 50  # that "auto" makes of a column; more are rather names or numbers


class Columns(NamedTuple):
    """Columns of numbers, (rows, p) and (rows, q), NaN where a value is missing, with names; and what was noticed.

    `categories` are the values of each feature that was made columns of 0 and 1 of, the measure first. Where there are
    `classes`, the targets are a column of 0 and 1 for each, or for two of them only that of the second.
    """

    features: Floats
    targets: Floats
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    notes: list[str]
    categories: Mapping[str, Sequence[Any]] = {}
    classes: tuple[str, ...] = ()


@dataclass
class Numbers:
    """A small table of nothing but numbers, with as much of a DataFrame as `picked` asks of it.

    To import pandas takes longer than a descent on such a table.
    """

    columns: list[str]
    rows: Floats

    def __getitem__(self, name: str) -> Floats:
        return np.ascontiguousarray(self.rows[:, self.columns.index(name)])


def is_frame(data: Any) -> bool:
    """Whether `data` is a table with named columns: of pandas, polars or pyarrow."""
    return hasattr(type(data), "columns") and hasattr(type(data), "__getitem__")


def names_of(part: Any, letter: str, count: int) -> tuple[str, ...]:
    """The names of the columns of an array, a DataFrame or a Series: `letter` and a number where it has none."""
    names = getattr(part, "columns", None)
    if names is None and getattr(part, "name", None) is not None:
        names = [part.name]
    return tuple(map(str, names)) if names is not None else tuple(f"{letter}{i}" for i in range(count))


def of_pair(data: Any, task: str = TASKS[0], classes: Sequence[str] | None = None) -> Columns:
    """A pair (X, y) of arrays, or of what has names as well: a DataFrame, a Series."""
    found: tuple[str, ...] = ()
    try:
        x, y = np.asarray(data[0], np.float64), np.asarray(data[1])
        if task == CLASSIFICATION:
            if y.size != len(y):
                raise LabError(f"the classes y have one column, and these are of shape {y.shape}")
            import pandas as pd

            y, found = of_classes(pd.Series(y.ravel()), "y", "(X, y)", classes)
        y = np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, LabError):
            raise
        raise LabError(f"X and y must be arrays of numbers, or y of classes: {error}") from error
    y = y[:, np.newaxis] if y.ndim == 1 else y
    if x.ndim != 2 or y.ndim != 2:
        raise LabError(f"X needs 2 axes, (rows, features), and y 1 or 2; got shapes {x.shape} and {y.shape}")
    names = names_of(data[0], "x", x.shape[1]), names_of(data[1], "y", 1 if found else y.shape[1])
    return Columns(x, y, *names, [], {}, found)


def of_frame(data: Any, **columns: Any) -> Columns:
    """The columns meant of a table that is in memory."""
    notes: list[str] = []
    return picked(tidied(as_pandas(data), notes), "the table", notes, **columns)


def as_pandas(data: Any) -> Any:
    """A table with named columns as a DataFrame of pandas."""
    import pandas as pd

    if hasattr(data, "collect"):  # polars has frames that are not computed yet
        data = data.collect()
    if isinstance(data, pd.DataFrame):
        return data
    names = getattr(data, "column_names", data.columns)  # pyarrow's `columns` have no names
    return pd.DataFrame({name: data[name].to_numpy() for name in names})


class TextOptions(NamedTuple):
    """The user's word on how text is to be read, None where there is none."""

    delimiter: str | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None
    na: str | Sequence[str] | None = None

    def checked(self) -> TextOptions:
        """The same with the delimiter as it stands in the text. Raises LabError for what cannot be."""
        if self.decimal not in (None, ".", ","):
            raise unknown("decimal mark", self.decimal, ("'.'", "','"))
        delimiter = SPELLED.get(self.delimiter or "", self.delimiter)
        if delimiter is not None and len(delimiter) != 1:
            raise LabError(f"{option('delimiter')} is one character, or tab or space; got {delimiter!r}")
        return self._replace(delimiter=delimiter)

    def refuse(self, name: str) -> None:
        """Raise LabError if anything was said: `name` is no text."""
        if wrong := [option(key) for key, value in self._asdict().items() if value is not None]:
            raise LabError(f"{' and '.join(wrong)} can be said of text only, and {name} is none")

    @property
    def missing(self) -> list[str]:
        return [*NA, *(self.na.split(",") if isinstance(self.na, str) else self.na or ())]


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what goes wrong inside, while the file called `name` is read, into a LabError."""
    try:
        yield
    except (LabError, ModuleNotFoundError):
        raise
    except Exception as error:  # the system's, and those of eight readers, each of which has kinds of its own
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, csv.Error) and "field limit" in reason:
            reason = f"a cell has more than {csv.field_size_limit():,} characters: is a quote missing that ends it?"
        raise LabError(f"cannot read {name}: {shortened(reason, 200)}") from error


def of_file(path: str | Path, text: TextOptions, **columns: Any) -> Columns:
    """The columns meant of a file; "-" is standard input. Raises LabError."""
    numbers_do = columns["task"] != CLASSIFICATION and not columns["categorical"]
    frame, name, notes, decimal = frame_of(path, text, numbers_do)
    return picked(frame, name, notes, decimal=decimal, **columns)


def frame_of(
    path: str | Path, text: TextOptions, numbers_do: bool = False
) -> tuple[Any, str, list[str], str | None]:
    """All columns of a file, what it is called, what was noticed, and the decimal mark of texts in it.

    Where `numbers_do` a small text of numbers comes as `Numbers`, and all else as a DataFrame.
    """
    text = text.checked()
    decimal = None
    notes: list[str] = []
    name = "standard input" if str(path) == "-" else str(path)
    with reading(name):
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
        data = unpacked(data, name)
        frame = None
        if data.startswith(b"\x93NUMPY"):
            frame = of_arrays({"x": np.load(io.BytesIO(data), allow_pickle=False)}, name)
        elif data.startswith(b"PK"):
            if "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(data)).namelist():
                need("openpyxl")
                import pandas as pd

                frame = pd.read_excel(io.BytesIO(data), engine="openpyxl", na_values=list(NA))
            else:
                frame = of_arrays(dict(np.load(io.BytesIO(data), allow_pickle=False)), name)
        elif data.startswith((b"PAR1", b"ARROW1", b"FEA1")):
            need("pyarrow")
            import pandas as pd

            frame = (pd.read_parquet if data.startswith(b"PAR1") else pd.read_feather)(io.BytesIO(data))
        if frame is None:
            lines = io.StringIO(decoded(data, name, text.encoding, notes), newline="").readlines()
            frame, layout = parsed(lines, name, text, notes, numbers_do)
            decimal = layout.decimal
            if isinstance(frame, Numbers):
                return frame, name, notes, decimal
        else:
            text.refuse(name)
            if named_index := [str(part) for part in frame.index.names if part is not None]:
                notes.append(f"the index ({', '.join(named_index)}) is left out")
    return tidied(frame, notes), name, notes, decimal


def need(package: str) -> None:
    if not util.find_spec(package):
        raise ModuleNotFoundError(name=package)


def unpacked(data: bytes, name: str) -> bytes:
    """`data` without the compression that its first bytes tell of."""
    for mark, unpack in UNPACK.items():
        if data.startswith(mark):
            return bytes(unpack(io.BytesIO(data)).read())
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.namelist() if not member.endswith("/")]
            if "xl/workbook.xml" in members or all(member.endswith(".npy") for member in members):
                return data
            if len(members) != 1:
                inside = f"{counted(len(members), 'file')} in it, {listed(members, 5)}"
                raise LabError(f"{name} has {inside}: unpack the one that is meant")
            return archive.read(members[0])
    return data


def of_arrays(arrays: dict[str, Any], name: str) -> Any:
    """Arrays as a DataFrame: of one axis a column, of two axes columns with numbers, of records a column a field."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for key, array in arrays.items():
        if array.dtype.names:
            columns |= {field: array[field] for field in array.dtype.names}
        elif array.ndim == 1:
            columns[key] = array
        elif array.ndim == 2:
            columns |= {f"{key}{i}": column for i, column in enumerate(array.T)}
        else:
            raise LabError(f"{name}: an array of shape {array.shape} is no table; it needs rows and columns")
    if len({len(column) for column in columns.values()}) > 1:
        raise unequal_rows({key: array.shape for key, array in arrays.items()}, name)
    return pd.DataFrame(columns)


def unequal_rows(shapes: Mapping[str, tuple[int, ...]], name: str) -> LabError:
    """The error for arrays that cannot stand side by side."""
    told = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
    return LabError(f"{name}: its arrays have different numbers of rows: {told}")


def decoded(data: bytes, name: str, encoding: str | None, notes: list[str]) -> str:
    """The text of a file."""
    try:
        if encoding is None:
            encoding = next((code for mark, code in MARKS.items() if data.startswith(mark)), "utf-8")
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                text = data.decode("cp1252", errors="replace")
                notes.append(f"{name} is not UTF-8 and was read as Windows-1252; {option('encoding')} names another")
        else:
            text = data.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise LabError(f"there is no encoding {encoding!r}; utf-8, latin-1 and utf-16 are common ones") from None
    except UnicodeError as error:
        raise LabError(f"{name} is not {encoding}: {error}") from None
    if "\0" in text:
        raise LabError(f"{name} is no table that is known here: as text it has NUL bytes in it")
    return text


class TextLayout(NamedTuple):
    """How lines of text are a table: as their first lines tell, or as was said."""

    name: str
    names: list[str]
    width: int
    reader: dict[str, Any]  # settings of pandas.read_csv
    decimal: str | None  # None until rows have been looked at

    def frame(self, lines: Sequence[tuple[int, str]]) -> Any:
        """Numbered lines as a DataFrame."""
        import pandas as pd

        text = io.StringIO("".join(line for _, line in lines))
        try:  # where the mark is a comma, what looks like 1.234 is a thousand
            frame = pd.read_csv(text, **self.reader, dtype=str if self.decimal == "," else None)
        except pd.errors.ParserError as error:
            found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
            if not found:
                raise
            raise LabError(
                f"{self.name}: line {lines[int(found[2]) - 1][0]} has {found[3]} cells, and those above it {found[1]}: "
                f"a # before it makes a line a comment, and quotes keep in a cell what separates "
                f"({option('delimiter')})"
            ) from None
        names = self.names + [""] * (self.width - len(self.names))
        return frame.set_axis([names[i] or f"{UNNAMED}{i}" for i in range(self.width)], axis=1)


    def numbers(self, lines: Sequence[tuple[int, str]]) -> Numbers | None:
        """Numbered lines as a table of numbers, if they are few, with nothing else in them, and columns have names."""
        if len(lines) > MOST_LINES or not all(self.names) or len(self.names) != self.width:
            return None
        mark = self.reader["sep"]
        row = re.compile(rf"{CELL}(?:{re.escape(mark)}{CELL}){{{self.width - 1}}}\s*")
        if any(name.startswith(UNNAMED) for name in self.names) or not all(row.fullmatch(line) for _, line in lines):
            return None
        return Numbers(self.names, np.array([line.split(mark) for _, line in lines], np.float64))


def numbered(lines: Sequence[str], first: int = 1) -> list[tuple[int, str]]:
    """Lines with their numbers, without those that are empty or comments."""
    return [(i, line) for i, line in enumerate(lines, first) if line.strip() and not line.startswith("#")]


def parsed(
    lines: Sequence[str], name: str, text: TextOptions, notes: list[str], numbers_do: bool = False
) -> tuple[Any, TextLayout]:
    """Lines as a DataFrame, or where these do as `Numbers`, and how more of them are to be read."""
    delimiter, header, na = text.delimiter, text.header, text.missing
    kept = numbered(lines) or [(i, line) for i, line in enumerate(lines, 1) if line.strip()]
    if not kept:
        raise LabError(f"{name} is empty")
    comment = lines[kept[0][0] - 2].lstrip("# ") if kept[0][0] > 1 else ""
    said = re.fullmatch(r"sep=(.)", kept[0][1].strip("\r\n"), re.IGNORECASE)  # as Excel has it
    if said and len(kept) > 1:
        delimiter, kept = delimiter or said[1], kept[1:]
    texts = [line for _, line in kept]
    if delimiter is None:
        delimiter = separator(texts[:50])
    quote = "'" if texts[0].startswith("'") else '"'
    reader = csv.reader(texts, delimiter=delimiter, quotechar=quote, skipinitialspace=True)
    first = cells(next(reader), delimiter)
    used = reader.line_num  # a quoted name may go over several lines
    second = cells(next(reader, first), delimiter)
    if header is None:
        header = not all(is_number(cell) or cell in na for cell in first) or all(cell in na for cell in first)
        if not header:
            notes.append(f"the first line is numbers, and so is read as a row ({option('header')} takes it for names)")
    if header:
        names, kept = first, kept[used:]
        if not kept:
            raise LabError(f"{name} has no rows, only the names of columns")
        if len(second) == len(names) + 1 > 2 and second[-1]:  # as R writes row names
            names = ["", *names]
    else:
        names = cells(next(csv.reader([comment], delimiter=delimiter, skipinitialspace=True), []), delimiter)
        if len(names) != len(first) or any(map(is_number, names)):
            names = [f"x{i}" for i in range(len(first))]
    if len(second) > len(names) and any(second[len(names) :]):
        raise LabError(
            f"{name}: the header has {counted(len(names), 'column')}, and the row below it "
            f"{counted(len(second), 'cell')}: a # before it makes a line a comment"
        )
    width = max(len(names), len(second))
    settings: dict[str, Any] = {
        "sep": r"\s+" if delimiter == " " else delimiter, "header": None, "names": range(width), "quotechar": quote,
        "skipinitialspace": True, "keep_default_na": False, "na_values": na, "low_memory": False, "index_col": False,
    }  # fmt: skip
    layout = TextLayout(name, names, width, settings, None)
    if numbers_do and not text.na and text.decimal != "," and delimiter != " " and (found := layout.numbers(kept)):
        return found, layout._replace(decimal=".")
    frame = layout.frame(kept)
    layout = layout._replace(decimal=text.decimal or decimal_mark(frame, notes))
    return frame if layout.decimal == "." else layout.frame(kept), layout


def cells(row: list[str], delimiter: str) -> list[str]:
    """The cells of a row, stripped; blanks that separate may be several."""
    return [cell.strip() for cell in row if cell or delimiter != " "]


def separator(lines: list[str]) -> str:
    """The separator of the cells of these lines: what cuts all into equally many, or else the header into most."""
    for mark in DELIMITERS:
        first, *others = [len(cells(row, mark)) for row in csv.reader(lines, delimiter=mark, skipinitialspace=True)]
        if first > 1 and (set(others) <= {first} or set(others) == {first + 1}):
            return mark
    return max(",;\t|", key=lines[0].count)


def is_number(cell: str) -> bool:
    return any(pattern.fullmatch(cell) for pattern in NUMBER.values())


def tidied(frame: Any, notes: list[str]) -> Any:
    """A table without its empty rows, and without columns that have no name and are empty or number the rows."""
    frame = filled(frame, notes)
    kept, names = labels(frame, notes)
    return frame.iloc[:, kept].set_axis(names, axis=1)


def filled(frame: Any, notes: list[str]) -> Any:
    """A table without its empty rows."""
    empty = frame.isna().all(axis=1)
    if not empty.any():
        return frame
    notes.append(f"{counted(int(empty.sum()), 'empty row')} left out")
    return frame[~empty]


def labels(frame: Any, notes: list[str]) -> tuple[list[int], list[str]]:
    """Which columns are kept, and their names: not those without a name that are empty or number the rows."""
    names = [str(column).strip() for column in frame.columns]
    kept = []
    for i, name in enumerate(names):
        if name.startswith(UNNAMED):
            column = frame.iloc[:, i]
            if column.isna().all():
                continue
            if i == 0 and is_index(column):
                notes.append("the first column has no name and numbers or names the rows: left out")
                continue
            notes.append(f"column {i + 1} has no name and is called x{i}")
            names[i] = f"x{i}"
        kept.append(i)
    return kept, [names[i] for i in kept]


def is_index(column: Any) -> bool:
    """Whether a column counts the rows, or gives each a name of its own."""
    if column.dtype.kind in "iu":
        return bool((np.diff(column.to_numpy()) == 1).all())
    return column.dtype.kind not in "fb" and bool(column.is_unique)


def decimal_mark(frame: Any, notes: list[str]) -> str:
    """Which of comma and point is the decimal mark of the columns that are no plain numbers."""
    texts = {name: column.dropna().astype(str).str.strip() for name, column in frame.items() if is_text(column)}
    texts = {name: column for name, column in texts.items() if len(column) and is_number(column.iloc[0])}
    fit: dict[str, Any] = {
        mark: {name: as_numbers(column, mark) for name, column in texts.items() if column.str.fullmatch(pattern).all()}
        for mark, pattern in NUMBER.items()
    }
    if len(fit[","]) != len(fit["."]):
        found = max(fit, key=lambda mark: len(fit[mark]))
        if found == ",":
            notes.append("the decimal mark is the comma")
        return found
    for name, values in fit["."].items():
        if name in fit[","] and not np.array_equal(values, fit[","][name]):
            if any(column.dtype.kind == "f" and (column % 1 != 0).any() for _, column in frame.items()):
                notes.append(f"commas group thousands, as in {texts[name].iloc[0]}; {option('decimal', ',')} otherwise")
                return "."
            raise LabError(
                f"the comma of {texts[name].iloc[0]!r} in column {name!r} may be a decimal mark or group thousands: "
                f"say {option('decimal', ',')} or {option('decimal', '.')}"
            )
    return "."


def is_text(column: Any) -> bool:
    return column.dtype.kind not in "biufcmM" or column.dtype.name == "category"


def as_numbers(column: Any, mark: str) -> Floats:
    """Texts that are all numbers with this decimal mark, as float64."""
    strip = re.compile(f"[{',' if mark == '.' else '.'}'’ \u00a0\u202f]")
    return np.array([float(strip.sub("", text).replace(mark, ".")) for text in column])


# --------------------------------------------------------------------------------------------------- columns of a table
def picked(
    frame: Any,
    name: str,
    notes: list[str],
    *,
    target: str | Sequence[str] | None,
    features: str | Sequence[str] | None,
    drop: str | Sequence[str] | None,
    categorical: str | Sequence[str] | Mapping[str, Sequence[Any]] | None,
    task: str = TASKS[0],
    classes: Sequence[str] | None = None,
    decimal: str | None = None,
    before: int = 0,
) -> Columns:
    """The columns meant of a table that is tidied, as numbers; it has so many rows before these.

    Of `categorical` features the values may be given, and of a target the `classes`; else they are those that are here.

    Raises LabError, which names all columns that cannot be.
    """
    there = list(frame.columns)
    if not target:
        raise LabError(f"{name}: say with {option('target')} which of its columns to predict: {listed(there)}")
    targets = named(target, there, name, "target")
    dropped = named(drop or (), there, name, "drop")
    kept = named(features, there, name, "features") if features else [c for c in there if c not in targets + dropped]
    if both := [column for column in targets if column in kept + dropped] or [c for c in dropped if c in kept]:
        raise LabError(f"{name}: column {both[0]!r} is to be two things at once: see target, features and drop")
    if not kept:
        raise LabError(f"{name}: no column is left as a feature; all are targets or dropped")
    if repeated := dict.fromkeys(column for column in kept + targets if there.count(column) > 1):
        out = option("drop", ",".join(repeated)) + " leaves them out"
        out = out if set(repeated).isdisjoint(targets) else "give each a name of its own"
        raise LabError(f"{name}: the header names more than once {listed(list(map(repr, repeated)))}: {out}")
    if task == CLASSIFICATION and len(targets) > 1:
        raise LabError(f"{name}: {option('task', task)} has one target, and {option('target')} names {len(targets)}")
    auto = categorical == "auto"
    levels = dict(categorical) if isinstance(categorical, Mapping) else {}
    wanted = (
        []
        if auto or not categorical
        else named(categorical if isinstance(categorical, str) else list(categorical), there, name, "categorical")
    )
    if absent := [column for column in wanted if column not in kept]:
        raise LabError(f"{name}: column {absent[0]!r} of {option('categorical')} is no feature")
    values: dict[str, dict[str, Floats]] = {}
    trouble: dict[str, dict[str, str]] = {}
    categories: dict[str, tuple[str, ...]] = {}
    found_classes: tuple[str, ...] = ()
    for column in kept + targets:
        if task == CLASSIFICATION and column in targets:
            found_y, found_classes = of_classes(frame[column], column, name, classes)
            values[column] = {f"{column}={i}": part for i, part in enumerate(found_y.T)}
            continue
        found = None if column in wanted else numbers(frame[column], decimal or ".", before)
        few = auto and column in kept and 2 * frame[column].nunique() <= min(2 * MOST_CATEGORIES, len(frame))
        if found is None or (isinstance(found, tuple) and found[0] == TEXT and few):
            values[column], categories[column] = one_hot(frame[column], column, notes, levels.get(column), before)
        elif isinstance(found, tuple):
            kind = found[0]
            if kind == TEXT and (column in targets or frame[column].nunique() > most_levels(frame)):
                kind = TARGET if column in targets else NAMES
            trouble.setdefault(kind, {})[column] = found[1]
        else:
            values[column] = {column: found}
    if trouble:
        raise LabError(f"{name}: " + "; ".join(remedy(kind, columns, decimal) for kind, columns in trouble.items()))
    made = [name for part in values.values() for name in part]
    if twice := [name for name in made if made.count(name) > 1]:
        raise LabError(
            f"{name}: {twice[0]!r} is a column, and one of {option('categorical')} becomes another of that name"
        )
    parts = [{k: v for column in group for k, v in values[column].items()} for group in (kept, targets)]
    if not parts[0]:
        raise LabError(f"{name}: no column is left as a feature; those there are have one value only")
    x, y = (np.column_stack(list(part.values())) for part in parts)
    return Columns(x, y, tuple(parts[0]), tuple(targets), notes, categories, found_classes)


def listed(names: Sequence[str], most: int = 20) -> str:
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"


def named(given: str | Sequence[str], there: Sequence[str], name: str, what: str) -> list[str]:
    """Names of columns: a list of them, or a text in which commas separate them and may be part of them."""
    if isinstance(given, str):
        pieces, found = given.split(","), []
        while pieces:
            ends = range(len(pieces), 0, -1)
            end = next((end for end in ends if ",".join(pieces[:end]).strip() in there), 1)
            found.append(",".join(pieces[:end]).strip())
            pieces = pieces[end:]
        found = [column for column in found if column]
    else:
        found = [str(column) for column in given]
    for column in found:
        if column not in there:
            raise LabError(f"{name} has no column {column!r}, which {option(what)} names: they are {listed(there)}")
    if len(set(found)) < len(found):
        raise LabError(f"{name}: the {what} columns {', '.join(found)} name one column twice")
    return found


# The kinds of columns that are no numbers.
TEXT, NAMES, TARGET, DATES = "text", "text with too many values to be categories", "a target of text", "dates"
CELLS, COMPLEX = "cells that are no numbers", "complex numbers"
OTHER_MARK = "numbers with another decimal mark than the rest"


def numbers(column: Any, decimal: str, before: int = 0) -> Floats | tuple[str, str]:
    """A column as float64 with NaN where it is missing; or the kind of what it is instead, with an example."""
    if isinstance(column, np.ndarray):
        return column
    if not is_text(column):
        if column.dtype.kind in "mM":
            return DATES, str(column.dropna().iloc[0] if column.notna().any() else "none")
        if column.dtype.kind == "c":
            return COMPLEX, str(column.iloc[0])
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    there = column.notna().to_numpy()
    texts = column[there].astype(str).str.strip()
    fits = texts.str.fullmatch(NUMBER[decimal]).to_numpy(dtype=bool)
    if fits.all():
        found = np.full(len(column), np.nan)
        found[there] = as_numbers(texts, decimal)
        return found
    if texts.str.fullmatch(NUMBER["," if decimal == "." else "."]).all():
        return OTHER_MARK, repr(texts[~fits].iloc[0])
    odd = texts[~fits]
    if 2 * len(odd) < len(texts):
        return CELLS, f"{odd.iloc[0]!r} in row {np.flatnonzero(there)[~fits][0] + 1 + before}"
    if odd.iloc[:100].str.fullmatch(DATE).all():
        return DATES, repr(odd.iloc[0])
    return TEXT, f"{shortened(odd.iloc[0], 30)!r}, {counted(texts.nunique(), 'value')}"


def remedy(kind: str, columns: dict[str, str], decimal: str | None) -> str:
    """A sentence on columns of one kind of trouble: each with its example, and what to do about them."""
    names = ",".join(columns)
    out = f"{option('drop', names)} leaves {'it' if len(columns) == 1 else 'them'} out"
    advice = {
        TEXT: f"{option('categorical', names)} makes columns of 0 and 1, one a value, {out}",
        TARGET: f"{option('task', CLASSIFICATION)} predicts classes",
        NAMES: out,
        DATES: f"{out}; or make numbers of the dates first, such as the days since the first",
        CELLS: f"{option('na')} names what stands for a missing value, {out}" if decimal else out,
        OTHER_MARK: f"write all with one mark, here {decimal or '.'!r}, or {out}",
        COMPLEX: out,
    }[kind]
    return f"{kind} in {', '.join(f'{name!r} ({example})' for name, example in columns.items())}: {advice}"


def labels_of(column: Any) -> tuple[npt.NDArray[np.bool_], npt.NDArray[Any]]:
    """Where a column has a value, and these values as texts: 3.0 is 3, as in a column without gaps."""
    there = column.notna().to_numpy(dtype=bool, copy=True)
    values = column[there]
    if values.dtype.kind == "f":
        values = values.map({value: str(int(value)) if value % 1 == 0 else str(value) for value in values.unique()})
    return there, values.astype(str).str.strip().to_numpy(dtype=object)


def levels_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The values among these texts, in the order of numbers where they are numbers."""
    found = sorted(set(labels))
    return tuple(sorted(found, key=float) if all(map(PLAIN.fullmatch, found)) else found)


def one_hot(
    column: Any, name: str, notes: list[str], levels: Sequence[Any] | None = None, before: int = 0
) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """A column of 0 and 1 for each value but the first, NaN where it is missing; and the values."""
    there, labels = labels_of(column)
    known = levels_of(labels) if levels is None else tuple(map(str, levels))
    if len(known) > MOST_LEVELS:
        raise LabError(
            f"{option('categorical')}: {name!r} has {len(known):,} values, and {MOST_LEVELS:,} are the most: "
            f"{option('drop', name)} leaves it out"
        )
    if len(other := np.flatnonzero(~np.isin(labels, known))):
        row = np.flatnonzero(there)[other[0]] + 1 + before
        raise LabError(f"{option('categorical')}: {labels[other[0]]!r} in row {row} is none of the values of {name!r}")
    if len(known) < 2:
        notes.append(f"{name}: left out, because it has one value only")
        return {}, known
    notes.append(f"{name}: columns of 0 and 1 for each of its {len(known)} values but {known[0]!r}, the measure")
    return {f"{name}={level}": marked(there, labels, level) for level in known[1:]}, known


def columns_of(features: Iterable[str], categories: Mapping[str, Sequence[Any]]) -> list[str]:
    """The column that each feature comes from: several come from one of categories."""
    made = {f"{column}={level}": column for column, levels in categories.items() for level in levels}
    return [made.get(name, name) for name in features]


def most_levels(frame: Any) -> int:
    """How many values categories may have, with rows to learn each from."""
    return min(MOST_LEVELS, max(len(frame) // 2, 2))


def marked(there: npt.NDArray[np.bool_], labels: npt.NDArray[Any], level: str) -> Floats:
    """1 where the label is `level` and else 0, NaN where there is none."""
    found = np.full(len(there), np.nan)
    found[there] = labels == level
    return found


def of_classes(
    column: Any, target: str, name: str, classes: Sequence[str] | None = None
) -> tuple[Floats, tuple[str, ...]]:
    """The classes of a column, and for each a column of 0 and 1, or only for the second of two."""
    there, labels = labels_of(column)
    known = levels_of(labels) if classes is None else tuple(classes)
    if classes is None and (len(known) < 2 or len(known) > most_levels(labels)):
        what = f"{counted(len(known), 'value')} in {counted(len(labels), 'row')}"
        raise LabError(
            f"{name}: {target!r} has {what}, and a classification needs two classes or more, with rows to "
            "learn each from"
        )
    if strange := sorted(set(labels) - set(known)):
        raise LabError(f"{name}: {target!r} has the value {strange[0]!r}, and the classes are {listed(known)}")
    parts = [marked(there, labels, level) for level in (known[1:] if len(known) == 2 else known)]
    return np.column_stack(parts), known
