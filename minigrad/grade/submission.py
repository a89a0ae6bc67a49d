"""What a student hands in: a Python file or a notebook, read as text and never run here."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minigrad.commands.userfile import UserFileError

__all__ = ["Submission", "found_in", "main_file", "read"]

LARGEST = 10 << 20  # bytes of a file
HELPERS = 20  # files beside a submission that it may import
SUFFIXES = ".py", ".ipynb"
ASCII = "".join(map(chr, range(128)))
IMAGINARY = {"imag", "angle"}
COMPLEX = {"complex", "complex64", "complex128", "complex256", "csingle", "cdouble", "clongdouble"}


@dataclass(frozen=True)
class Submission:
    """A file as it is sent to a worker.

    Attributes:
        name: whose it is, or which.
        path: where it was read.
        cells: a label and the text of each part; a Python file is one part without a label.
        helpers: name and text of the files beside it that it imports.
        problem: why there is nothing to run; "" if there is.
    """

    name: str
    path: Path
    cells: tuple[tuple[str, str], ...] = ()
    helpers: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @property
    def file(self) -> str:
        return visible(str(self.path))

    @property
    def imports(self) -> set[str]:
        """The packages that it names."""
        return {module.partition(".")[0] for _, text in self.cells for module in imported(parsed(text))}

    @property
    def digest(self) -> str:
        whole = json.dumps([self.cells, self.helpers, self.problem])
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()

    def complex_step(self, name: str) -> bool:
        """Whether the answer of that name, or what it reads, makes complex numbers and takes an imaginary part."""
        body = [node for _, text in self.cells for node in parsed(text).body]
        nodes = [node for i in needed(body, answers(name)) for node in ast.walk(body[i])]
        words = {getattr(node, "id", getattr(node, "attr", None)) for node in nodes}
        made = any(isinstance(node, ast.Constant) and isinstance(node.value, complex) for node in nodes)
        return not words.isdisjoint(IMAGINARY) and (made or not words.isdisjoint(COMPLEX))


def answers(name: str) -> list[str]:
    """The names by which an answer may go."""
    return [name, f"{name}_forward", f"{name}_backward"]


# -------------------------------------------------------------------------------------------------------------- text
def decoded(raw: bytes) -> str:
    """Text in UTF-8, in UTF-16 as PowerShell writes it, or in what a Python file says of itself; else a ValueError."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16")
    if raw[1:2] == b"\0" or raw[:1] == b"\0":  # no text begins with that, but UTF-16 without its mark does
        return raw.decode("utf-16-le" if raw[1:2] == b"\0" else "utf-16-be")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        if ASCII.encode().decode(encoding) != ASCII:  # some of these take a day for a long file
            raise ValueError(f"{encoding} is no encoding of Python files")
        return raw.decode(encoding)
    except (SyntaxError, LookupError) as error:
        raise ValueError(str(error)) from error


def text_of(path: Path) -> str:
    """The text of a file that is no larger than it may be; a ValueError says in a sentence why not."""
    if not path.is_file():  # but a pipe, which has no end
        raise ValueError("it is no file")
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"it has {size / 2**20:.0f} MB, and at most {LARGEST >> 20} are read")
    raw = path.read_bytes()
    try:
        text = decoded(raw)
    except ValueError as error:
        raise ValueError(f"it is no text: {error}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


# --------------------------------------------------------------------------------------------------------- notebooks
def notebook_cells(text: str) -> list[str]:
    """The code cells of a notebook, what is no Python in them as comments; a ValueError if it is none."""
    try:
        cells = json.loads(text)["cells"]
        code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        whole = ["".join(source) for source in code]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError("it is no notebook of format 4") from error
    return [only_python(source) for source in whole]


def percent_cells(text: str) -> Iterator[tuple[str, str]]:
    """Head and text of each cell of a Python file in the percent format."""
    for part in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        yield head, body


def only_python(source: str) -> str:
    """A cell with its magics, shell commands and questions as comments."""
    if parsed(source).body:
        return source
    return re.sub(r"^(\s*)((?:[\w, ]+=\s*)?[%!?].*|[\w.]+\?+\s*)$", r"\1pass  # \2", source, flags=re.MULTILINE)


def parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def bound(tree: ast.AST) -> set[str]:
    """The names that a cell or a statement binds: what it assigns to, imports and defines."""
    names, waiting = set(), [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            root: ast.AST = node
            while isinstance(root, ast.Attribute | ast.Subscript):  # A.backward = ... changes A
                root = root.value
            names |= {root.id} if isinstance(root, ast.Name) else set()
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return names


def needed(trees: Sequence[ast.AST], wanted: Iterable[str]) -> list[int]:
    """The cells or statements that define the names, and those that define what they read."""
    binds = [bound(tree) for tree in trees]
    reads = [{node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} for tree in trees]
    names, chosen = set(wanted), set[int]()
    while more := {i for i, own in enumerate(binds) if (own & names or "*" in own) and i not in chosen}:
        chosen |= more
        names |= {name for i in more for name in reads[i]}
    return sorted(chosen)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


# ----------------------------------------------------------------------------------------------------------- reading
def read(
    path: Path, wanted: Sequence[str], name: str = "", helpers: bool = True, closed: Path | None = None
) -> Submission:
    """A submission, or one with the sentence that says why it cannot be read.

    Args:
        wanted: the names of the exercises; of a notebook only the cells that define these are taken.
        helpers: whether it may import what lies beside it; except for `closed`, the teacher's file.
    """
    name = name or visible(path.stem)
    try:
        text = text_of(path)
        percent = [body for head, body in percent_cells(text) if "[markdown]" not in head]
        if path.suffix == ".ipynb" or (percent and not parsed(text).body):  # a broken cell costs no other
            every = percent if path.suffix == ".py" else notebook_cells(text)
            names = {own for one in wanted for own in answers(one)}
            trees = [parsed(text) for text in every]
            broken = [i for i, cell in enumerate(every) if cell.strip() and not trees[i].body]
            chosen = sorted({*needed(trees, names), *[i for i in broken if any(one in every[i] for one in wanted)]})
            cells = tuple((f"cell {i + 1}", every[i]) for i in chosen)
        else:
            cells = (("", text),)
            try:
                ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                line = getattr(error, "lineno", None)
                said = getattr(error, "msg", str(error))
                text = f"{type(error).__name__}: {said}".removesuffix(": ")
                raise ValueError(f"line {line}: {text}" if line else text) from error
    except (OSError, ValueError) as error:
        said = str(error) or type(error).__name__
        return Submission(name, path, problem=visible(f"{path.name} cannot be read: {said}"))
    return Submission(name, path, cells, tuple(beside(path, cells, closed)) if helpers else ())


def main_file(folder: Path, wanted: Sequence[str], closed: Path | None = None) -> Submission:
    """Of what lies in a folder that file which defines most of the exercises; it may import the others."""
    try:
        found = found_in([folder], closed)
    except UserFileError as error:
        return Submission(visible(folder.name), folder, problem=visible(str(error)))
    files = [read(path, wanted, closed=closed) for _, path, _ in found if inside(path, os.path.realpath(folder))]
    if not files:
        return Submission(visible(folder.name), folder, problem=visible(f"{folder}: {found[0][2]}"))
    return max(files, key=lambda one: sum(len(bound(parsed(text)) & {*wanted}) for _, text in one.cells))


def beside(path: Path, cells: Sequence[tuple[str, str]], closed: Path | None) -> Iterator[tuple[str, str]]:
    """The files in the same folder that are imported, from the submission or from one of them."""
    waiting, seen, home = [text for _, text in cells], set[str](), os.path.realpath(path.parent)
    while waiting and len(seen) < HELPERS:
        for module in sorted({name.partition(".")[0] for name in imported(parsed(waiting.pop()))} - seen):
            file = path.parent / f"{module}.py"
            if inside(file, home) and file.is_file() and not (closed and file.samefile(closed)):
                seen.add(module)
                try:
                    waiting.append(text_of(file))
                except (OSError, ValueError):  # then it cannot be imported, which is what the worker will say
                    continue
                yield file.name, waiting[-1]


def inside(path: Path, folder: str | Path) -> bool:
    """Whether a path stays in the folder, which is no link itself, when its links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(folder)


def visible(text: str) -> str:
    """A name of a file as it may stand in a terminal or a table: what is not printable is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def found_in(paths: Sequence[Path], closed: Path | None = None) -> list[tuple[str, Path, str]]:
    """Each submission in files and folders: a name of its own, its path, and why it is not to be read (or "").

    Raises:
        UserFileError: there is no such path, or nothing in it.
    """
    found: list[tuple[Path, Path]] = []
    for top in paths:
        if top.is_dir():
            here = [
                Path(folder, file)
                for folder, folders, files in os.walk(top)
                for file in (*files, *folders)
                if (file.endswith(SUFFIXES) if file in files else Path(folder) == top and os.path.islink(top / file))
                and not any(p.startswith((".", "__")) for p in Path(folder, file).relative_to(top).parts)
            ]
            found += [(top, path) for path in sorted(here) if not (closed and path.exists() and path.samefile(closed))]
        elif top.exists():
            found.append((top.parent, top))
        else:
            raise UserFileError(f"there is no file {str(top)!r}")
    if not found:
        raise UserFileError(f"there is no .py or .ipynb file in {', '.join(map(str, paths))}")
    first = [path.relative_to(top).parts[0] for top, path in found]
    short = [Path(name).stem if path.name == name else name for name, (_, path) in zip(first, found, strict=True)]
    whole = [str(path.relative_to(top)) for top, path in found]
    names = [a if short.count(a) == 1 else b for a, b in zip(short, whole, strict=True)]
    names = [a if names.count(a) == 1 else str(path) for a, (_, path) in zip(names, found, strict=True)]
    homes = [Path(os.path.realpath(top), name) for name, (top, _) in zip(first, found, strict=True)]
    return [
        (visible(name), path, "" if inside(path, home) else "it is a link that leads out of its folder")
        for name, (_, path), home in zip(names, found, homes, strict=True)
    ]
