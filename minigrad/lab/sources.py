"""Tables that need not fit in memory, as blocks of rows: files of several kinds, several files, whatever gives batches.

A source is read once, from its first row to its last, a block at a time, and is asked for nothing
else; so a pipe and a generator will do. The first rows decide what the columns are, as they do for a table in memory,
and the others have to agree. What comes of it stands in `minigrad.lab.store`.
"""

from __future__ import annotations

import codecs
import glob
import io
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.lab import data as in_memory
from minigrad.lab import tables
from minigrad.lab.errors import LabError, option
from minigrad.lab.settings import TASKS
from minigrad.lab.tables import Columns, TextOptions, need, reading

LARGE = 2**28  # bytes of a file that is read in blocks unless one says otherwise
BINARY = (b"\x93NUMPY", b"PK", b"PAR1", b"ARROW1", b"FEA1")
Frames = Iterator[tuple[Any, str | None]]  # DataFrames, and the decimal mark of the texts in them


def files(data: Any) -> list[Path]:
    """The files that `data` names: one, or those that a pattern such as "part-*.csv" fits, in the order of names."""
    if not isinstance(data, str | Path):
        return []
    if str(data) == "-" or Path(data).is_file():
        return [Path(data)]
    return [Path(found) for found in sorted(glob.glob(str(data), recursive=True)) if Path(found).is_file()]


def of_files(
    paths: Sequence[Path], text: TextOptions, notes: list[str], *, survey: bool = False, **columns: Any
) -> Iterator[Any]:
    """The rows of several files with the same columns, in blocks; for a `survey` as DataFrames. Raises LabError."""
    text = text.checked()
    for path in paths:
        name = "standard input" if str(path) == "-" else str(path)
        frames = _tidied(_frames(path, name, text, notes), notes)
        if survey:
            yield from (frame for frame, _, _ in frames)
            continue
        for frame, decimal, before in frames:
            table = tables.picked(frame, name, [] if before else notes, decimal=decimal, before=before, **columns)
            yield table
            columns |= settled(table)


def settled(table: Columns) -> dict[str, Any]:
    """Which columns the rows after these have: those that were found in these."""
    features = list(dict.fromkeys(tables.columns_of(table.feature_names, table.categories)))
    known = {name: table.categories[name] for name in features if name in table.categories}
    return {"target": table.target_names, "features": features, "drop": None, "categorical": known}


def values(frames: Iterable[Any], columns: dict[str, Any]) -> dict[str, Any]:
    """The values of the categorical columns that are meant, and the classes of the target. Raises LabError."""
    found: dict[str, set[str]] = {}
    classes = columns["task"] == TASKS[1]
    for frame in frames:
        if not found:
            given = dict(columns)
            if classes and columns["target"]:
                targets = tables.named(columns["target"], list(frame.columns), "the table", "target")
                given["classes"] = tables.levels_of(tables.labels_of(frame[targets[0]])[1])
            first = tables.picked(frame, "the table", [], **given)
            found = {name: set() for name in [*first.categories, *(first.target_names if classes else ())]}
        for name, labels in found.items():
            labels.update(tables.labels_of(frame[name])[1])
            if len(labels) > tables.MOST_LEVELS:
                raise LabError(f"{name!r} has more than {tables.MOST_LEVELS:,} values, which are the most")
    levels = {name: tables.levels_of(labels) for name, labels in found.items()}
    targets = [*levels][-1:] if classes else []
    if targets and len(levels[targets[0]]) < 2:
        raise LabError(f"{targets[0]!r} has one value only, and a classification needs two classes or more")
    return {
        "categorical": {name: found for name, found in levels.items() if name not in targets},
        "classes": levels[targets[0]] if targets else None,
    }


def of_batches(batches: Iterable[Any], notes: list[str], *, survey: bool = False, **columns: Any) -> Iterator[Any]:
    """The rows of batches, each a pair (X, y) of arrays or a DataFrame; for a `survey` DataFrames. Raises LabError."""
    names = None
    said = {name: value for name, value in columns.items() if name in ("task", "classes")}
    for i, batch in enumerate(batches, 1):
        if survey and tables.is_frame(batch):
            yield tables.tidied(tables.as_pandas(batch), [])
            continue
        if tables.is_frame(batch):
            table = tables.of_frame(batch, **columns)
            columns |= settled(table)
        elif isinstance(batch, tuple | list) and len(batch) == 2:
            if given := [option(name) for name, value in columns.items() if value and name not in said]:
                raise LabError(f"{given[0]} is for parts that are DataFrames; a pair (X, y) says itself what is y")
            if survey:  # of pairs, only the classes are asked for
                import pandas as pd

                yield pd.DataFrame({"x": 0.0, "y": np.ravel(batch[1])})
                columns["target"] = "y"
                continue
            table = tables.of_pair(batch, **said)
        else:
            raise LabError(f"parts are pairs (X, y) of arrays or DataFrames, and part {i} is a {type(batch).__name__}")
        names = names or table[2:4]
        if names != table[2:4]:
            ours, theirs = (", ".join(features + targets) for features, targets in (table[2:4], names))
            raise LabError(f"part {i} has the columns {ours}, and those before it {theirs}")
        notes += [note for note in table.notes if note not in notes]
        yield table


def _tidied(frames: Frames, notes: list[str]) -> Iterator[tuple[Any, str | None, int]]:
    """Blocks without empty rows and unnamed columns, which are decided on the first; with the rows before each."""
    kept: list[int] | None = None
    before = 0
    for frame, decimal in frames:
        rows = len(frame)
        frame = tables.filled(frame, notes if kept is None else [])
        if kept is None:
            kept, names = tables.labels(frame, notes)
        yield frame.iloc[:, kept].set_axis(names, axis=1), decimal, before
        before += rows


def _frames(path: Path, name: str, text: TextOptions, notes: list[str]) -> Frames:
    """The blocks of one file as DataFrames. It is known by its first bytes, as in `tables`."""
    with reading(name), _opened(path) as file:
        stream, packed = _peekable(file), False
        for mark, unpack in tables.UNPACK.items():
            if stream.peek(8).startswith(mark):
                stream, packed = _peekable(unpack(stream)), True
        head = stream.peek(8)[:8]
        if not head.startswith(BINARY):
            yield from _of_text(stream, name, text, notes)
            return
        if packed or str(path) == "-":
            raise LabError(f"{name} is read here and there, so it must lie unpacked in a file of its own")
        if head.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.namelist() if not member.endswith("/")]
                if len(members) == 1 and not members[0].endswith(".npy"):
                    yield from _of_text(_peekable(archive.open(members[0])), name, text, notes)
                    return
        text.refuse(name)
        if head.startswith(b"\x93NUMPY"):
            array = np.load(path, mmap_mode="r")
            for start in range(0, len(array), _rows(array)):
                yield tables.of_arrays({"x": array[start : start + _rows(array)]}, name), None
        elif head.startswith(b"PK") and all(member.endswith(".npy") for member in members):
            yield from _of_npz(path, name)
        elif head.startswith((b"PAR1", b"ARROW1")):
            need("pyarrow")
            yield from _of_parquet(path) if head.startswith(b"PAR1") else _of_feather(path)
        else:
            raise LabError(f"{name} can be read as a whole only: leave out {option('stream')}, or write it as Parquet")


def _opened(path: Path) -> Any:
    return nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb")


def _peekable(file: Any) -> io.BufferedReader:
    return file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)


def _rows(array: Any) -> int:
    """How many rows of an array are a block."""
    return max(1, 8 * in_memory.BLOCK // max(int(array[:1].nbytes), 1))


def _of_text(file: io.BufferedReader, name: str, text: TextOptions, notes: list[str]) -> Frames:
    """Text in blocks of whole lines; a quoted cell that goes over several lines stays in one block."""
    encoding = text.encoding
    if encoding is None:
        head = file.peek(1 << 16)
        encoding = next((code for mark, code in tables.MARKS.items() if head.startswith(mark)), "utf-8")
        try:
            codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            encoding = "cp1252"
            notes.append(f"{name} is not UTF-8 and was read as Windows-1252; {option('encoding')} names another")
    elif encoding.lower() in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        lines = io.TextIOWrapper(file, encoding, newline="")
    except LookupError:
        raise LabError(f"there is no encoding {encoding!r}; utf-8, latin-1 and utf-16 are common ones") from None
    try:
        yield from _of_lines(lines, name, text, notes)
    finally:
        lines.detach()


def _of_lines(lines: io.TextIOWrapper, name: str, text: TextOptions, notes: list[str]) -> Frames:
    layout, number = None, 1
    while block := lines.readlines(2 * in_memory.BLOCK):
        quote = '"' if layout is None else layout.reader["quotechar"]
        while sum(line.count(quote) for line in block) % 2 and (more := lines.readline()):
            block.append(more)
        if any("\0" in line for line in block):
            raise LabError(f"{name} is no table that is known here: as text it has NUL bytes in it")
        if layout is None:
            frame, layout = tables.parsed(block, name, text, notes)
        else:
            kept = tables.numbered(block, number)
            frame = layout.frame(kept) if kept else None
        number += len(block)
        if frame is not None:
            yield frame, layout.decimal
    if layout is None:
        raise LabError(f"{name} is empty")


def _of_npz(path: Path, name: str) -> Frames:
    """The members of an .npz file side by side, in blocks of rows."""
    with zipfile.ZipFile(path) as archive:
        members = {}
        for member in archive.namelist():
            file = archive.open(member)
            major, _ = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, by_columns, dtype = header(file)
            if (by_columns and len(shape) > 1) or dtype.hasobject or len(shape) not in (1, 2):
                raise LabError(
                    f"{name}: {member} has shape {shape}, dtype {dtype}{', column by column' if by_columns else ''}; "
                    "an array whose rows lie one after the other can be read in blocks, as of numpy.ascontiguousarray"
                )
            members[member.removesuffix(".npy")] = file, shape, dtype
        if len({shape[0] for _, shape, _ in members.values()}) != 1:
            raise tables.unequal_rows({key: shape for key, (_, shape, _) in members.items()}, name)
        rows = next(shape[0] for _, shape, _ in members.values())
        width = sum(dtype.itemsize * int(np.prod(shape[1:])) for _, shape, dtype in members.values())
        step = max(1, 8 * in_memory.BLOCK // width)
        for start in range(0, rows, step):
            count = min(step, rows - start)
            arrays = {}
            for key, (file, shape, dtype) in members.items():
                size = count * int(np.prod(shape[1:]))
                arrays[key] = np.frombuffer(file.read(size * dtype.itemsize), dtype).reshape(count, *shape[1:])
            yield tables.of_arrays(arrays, name), None


def _of_parquet(path: Path) -> Frames:
    from pyarrow import parquet

    with parquet.ParquetFile(path, memory_map=True, pre_buffer=False) as file:  # threads would take memory
        rows = max(1, in_memory.BLOCK // max(len(file.schema_arrow.names), 1))
        for batch in file.iter_batches(rows, use_threads=False):
            yield batch.to_pandas(use_threads=False), None


def _of_feather(path: Path) -> Frames:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        for i in range(file.num_record_batches):
            yield file.get_batch(i).to_pandas(), None
