"""What editors and docs/numpy.md are told of minigrad: ``python tools/stubs.py`` writes it, ``--check`` compares.

An operation enters minigrad, and Tensor, when its block is run, which no editor does. So the names, arguments,
defaults and formulas that the registry holds are written down in two stubs: `minigrad/__init__.pyi`, and for the
methods and operators of Tensor `minigrad/engine/installed.pyi`. Run this after every change of a block.

What a block says of a type counts: an annotation of an argument or of the result. Otherwise an input is an array, a
static argument is what its default and its `params` are, and a result is a Tensor.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import operator
import sys
from collections.abc import Callable, Iterator
from inspect import Parameter
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np

import minigrad
from minigrad.ops import namespace
from minigrad.ops.operation import Operation
from minigrad.ops.registry import COMPOSITIONS, REGISTRY

AXES, SIZES, OPERANDS = "int | Sequence[int] | None", "int | Sequence[int]", "Iterable[Operand]"
NAMED = {  # arguments that mean the same wherever they stand
    **dict.fromkeys(["axis", "axes"], AXES),
    **dict.fromkeys(["shape"], f"{SIZES} | None"),
    **dict.fromkeys(["*sizes", "*order", "new_shape", "normalized_shape", "reps", "kernel_size", "output_size"], SIZES),
    **dict.fromkeys(["stride", "output_padding", "dilation", "shift"], SIZES),
    **dict.fromkeys(["a", "b", "x", "v", "m", "A", "arr", "ary", "*arys", "*xi", "*args"], "Operand"),
    **dict.fromkeys(["p", "xp", "fp", "min", "max", "default", "where"], "Operand"),
    **dict.fromkeys(["arrays", "tup", "choices", "condlist", "choicelist"], OPERANDS),
    "constant_values": "Any",
    "momentum": "float | None",
    "padding": f"{SIZES} | str",
    "dtype": "npt.DTypeLike | None",
    "rng": "np.random.Generator | None",
}
BY_HAND = {  # where the number of arguments decides what the result is
    "where": [
        "(condition: Operand) -> tuple[npt.NDArray[np.intp], ...]",
        "(condition: Operand, a: Operand, b: Operand) -> Tensor",
    ],
    **{f"atleast_{n}d": ["(ary: Operand, /) -> Tensor", "(*arys: Operand) -> tuple[Tensor, ...]"] for n in (1, 2, 3)},
}
BINARY = "(self, other: Operand) -> Tensor"
PAIR = "(self, other: Operand) -> tuple[Tensor, Tensor]"
DUNDERS = {
    "__getitem__": "(self, index: Any) -> Tensor",
    "__iter__": "(self) -> Iterator[Tensor]",
    "__divmod__": PAIR,
    "__rdivmod__": PAIR,
}

HEAD = '"""{what} Written by tools/stubs.py from what the registry holds."""\n'
INSTALLED = '''
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from minigrad.tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]
Operand: TypeAlias = Tensor | Array | np.generic | complex | list[Any] | tuple[Any, ...] | range

class Entry(Tensor, np.object_):  # type: ignore[misc]
    """An entry of a Tensor to NumPy's stubs: an object, so `array + tensor` is no array, and np.sum(tensor) is one."""

class Installed:
    inputs: tuple[Any, ...]
    values: Any
    params: dict[str, Any]
    real: Tensor
    imag: Tensor
'''
PACKAGE = """
from collections.abc import Iterable, Sequence
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from minigrad.engine.installed import Array, Operand
"""


def written(annotation: Any) -> str:
    """An annotation as text; a bare tuple or list is one of Tensors."""
    known = {tuple: "tuple[Tensor, ...]", list: "list[Tensor]"}
    return annotation if isinstance(annotation, str) else known.get(annotation) or annotation.__name__


def kinds_of(values: list[Any]) -> str | None:
    """The types of static values that somebody has tried; None where they do not say enough."""
    names: dict[str, None] = {}
    for value in values:
        if type(value) in (bool, int, float, str):
            names[type(value).__name__] = None
        elif type(value) is tuple:
            names["Sequence[int]"] = names["Array"] = None
        elif value is None:
            names["None"] = None
        else:
            return None
    if not names.keys() & {"bool", "int", "float", "str"}:
        return None
    if "float" in names:
        names.pop("int", None)
    return " | ".join(names)


class Signatures:
    """The arguments and results of one function of the registry, as text."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.operation: Operation | None = getattr(function, "operation", None)
        self.signature = inspect.signature(function)
        self.inputs = set(self.operation.inputs) if self.operation else set()

    def type_of(self, p: Parameter) -> str:
        if p.annotation is not p.empty:
            return written(p.annotation)
        name = f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name
        if p.name in self.inputs:
            found = "Any" if p.name in ("index", "subscripts") else "Operand"
        elif name in NAMED:
            found = NAMED[name]
        else:
            tried = [params[p.name] for params in self.operation.params if p.name in params] if self.operation else []
            if name == "reduction":
                return f"Literal[{', '.join(map(default_of, dict.fromkeys(['mean', 'sum', 'none', *tried])))}]"
            return kinds_of([p.default, *tried] if p.default is not p.empty else tried) or "Any"
        return f"{found} | None" if p.default is None and "None" not in found else found

    def arguments(self, method: bool, renamed: dict[str, str]) -> str:
        parts, keyword_only = [], False
        for i, p in enumerate(self.signature.parameters.values()):
            if method and not i:
                parts.append("self")
                continue
            if p.kind is p.KEYWORD_ONLY and not keyword_only:
                parts.append("*")
            keyword_only = keyword_only or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
            star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
            default = "" if p.default is p.empty else f" = {default_of(p.default)}"
            parts.append(f"{star}{renamed.get(p.name, p.name)}: {self.type_of(p)}{default}")
        return ", ".join(parts)

    def all(self, method: bool = False) -> list[str]:
        """``(x: Operand, axis: ...) -> Tensor``, once for each way to call it."""
        if self.name in BY_HAND and not method:
            return BY_HAND[self.name]
        result = self.signature.return_annotation
        result = "Tensor" if result is inspect.Signature.empty else written(result)
        found = [f"({self.arguments(method, {})}) -> {result}"]
        if self.operation:
            calling = getattr(self.operation, "calling", self.operation.call)
            own = {own: word for word, own in calling.renamed.items() if own != word and own not in self.inputs}
            if own and all(name in self.signature.parameters for name in own):
                found.append(f"({self.arguments(method, own)}) -> {result}")  # in the words of NumPy or torch
        return found


def default_of(value: Any) -> str:
    plain = value is None or type(value) in (bool, int, str) or (type(value) is float and np.isfinite(value))
    return repr(value).replace("'", '"') if plain else "..."


def definition(name: str, signatures: list[str], doc: str | None, indent: str = "") -> Iterator[str]:
    """The lines of a function, or of a method. An editor shows the first paragraph of the docstring."""
    first = " ".join((doc or "").strip().partition("\n\n")[0].split())
    body = f'\n{indent}    """{first}{" " * first.endswith(chr(34))}"""' if first else " ..."
    for signature in signatures:
        if len(signatures) > 1:
            yield f"{indent}@overload"
        yield f"{indent}def {name}{signature}:{body}"


def of_tensor(name: str, method: Any) -> Iterator[str]:
    """What was installed on Tensor under that name."""
    doc = inspect.getdoc(method)
    if name in ("__eq__", "__ne__"):  # they answer entry by entry, and object's do not
        yield f"    def {name}(self, other: object) -> Tensor: ...  # type: ignore[override]"
        return
    if method in COMPOSITIONS.values() or (hasattr(method, "operation") and not name.startswith("__")):
        signatures = Signatures(name, method).all(method=True)
    elif name in DUNDERS:
        signatures, doc = [DUNDERS[name]], None
    elif name.startswith("__i") and hasattr(operator, f"__{name[3:]}"):  # in place
        signatures, doc = [BINARY], None
    elif name in OPERATORS:
        signatures, doc = [OPERATORS[name]], None
    else:  # it says itself what it takes
        signature, unknown = inspect.signature(method), inspect.Signature.empty
        parameters = [
            p.replace(annotation=Any) if p.annotation is unknown else p for p in signature.parameters.values()
        ]
        result = Any if signature.return_annotation is unknown else signature.return_annotation
        shown = [unquoted(str(p).replace("typing.", "")) for p in parameters[1:]]
        signatures = [f"({', '.join(['self', *shown])}) -> {written(result)}"]
    yield from definition(name, signatures, doc, "    ")


def unquoted(parameter: str) -> str:
    """``x: int = 0``, where inspect says ``x: 'int' = 0``."""
    name, colon, rest = parameter.partition(": ")
    annotation, equals, default = rest.partition(" = ")
    return f"{name}{colon}{annotation.strip(chr(39))}{equals}{default}"


def operators() -> dict[str, str]:
    """The signatures of the operators that operations have installed, and of their reflections."""
    found = {}
    for name, method in vars(minigrad.Tensor).items():
        if getattr(method, "__qualname__", "") == f"Tensor.{name}" and name not in WRITTEN:
            found[name] = BINARY
        elif name.startswith("__") and hasattr(method, "operation"):
            found[name] = "(self) -> Tensor"
    return found


def written_in_tensor() -> set[str]:
    """The names that the class body in tensor.py has: a type checker reads them there."""
    tree = ast.parse((ROOT / "minigrad" / "tensor.py").read_text(encoding="utf-8"))
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Tensor"]
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return names | {t.id for node in body if isinstance(node, ast.Assign) for t in node.targets if type(t) is ast.Name}


WRITTEN = written_in_tensor() | {*minigrad.Tensor.__slots__, "__module__", "__doc__", "__dict__", "__hash__"}
OPERATORS = operators()


def installed() -> Iterator[str]:
    """The lines of minigrad/engine/installed.pyi."""
    yield HEAD.format(what="What Tensor gets from its operations and from backprop.py.") + INSTALLED.rstrip("\n")
    for name, method in sorted(vars(minigrad.Tensor).items()):
        if name not in WRITTEN and callable(method):
            yield from of_tensor(name, method)


def package() -> Iterator[str]:
    """The lines of minigrad/__init__.pyi."""
    functions = {name: operation.function for name, operation in REGISTRY.items()} | COMPOSITIONS
    public = {name: getattr(minigrad, name) for name in minigrad.__all__}
    yield HEAD.format(what=minigrad.__doc__.partition("\n")[0]) + PACKAGE.rstrip("\n")
    imports = []
    for name, found in public.items():
        if name not in functions:
            module = getattr(found, "__module__", None) or type(found).__module__
            module = "minigrad" if isinstance(found, ModuleType) else module
            imports.append(f"from {module} import {name} as {name}")
    yield from sorted(imports)
    yield "\n__version__: str\n"
    for name in sorted(functions.keys() & public.keys()):
        function = functions[name]
        yield from definition(name, Signatures(name, function).all(), inspect.getdoc(function))


def of_numpy() -> Iterator[str]:
    """The lines of docs/numpy.md."""
    found: dict[str, list[str]] = {}
    for name, answer in namespace.answers().items():
        found.setdefault(answer, []).append(f"`{name}`")
    tape, array, write = [", ".join(found.pop(answer)) for answer in ("tape", "array", "write")]
    rows = [f"| {', '.join(names)} | {instead} |" for instead, names in found.items()]
    yield NUMPYS.format(version=VERSION, tape=tape, array=array, write=write, rows="\n".join(rows))


VERSION = "NumPy " + ".".join(np.__version__.split(".")[:2])
NUMPYS = """# NumPy's functions, one by one

What each function of {version} that asks its arguments comes to when one of them is a tensor: all of `np`,
`np.linalg` and `np.fft`. (Written by tools/stubs.py from what the registry holds.) What makes arrays of numbers, as
`np.zeros` and `np.arange`, has nothing to ask. `np.array`, `np.asarray` and `np.full` ask nobody, and refuse a tensor
with a history: `np.stack` is for a list of tensors, `np.full_like` and `np.broadcast_to` for one number.

NumPy tells type checkers and editors that its functions return arrays, whatever they are given, and that those of
`np.linalg` take nothing else. Where that is in the way, `minigrad.exp(x)` and `minigrad.inv(x)` are the same, and say
that they return tensors.

## On the tape

With derivatives, where there are any. A step such as `floor` or `argmax` is recorded, so that a program contains it.

{tape}

Of the methods of ufuncs there are `reduce` of `add`, `multiply`, `maximum`, `minimum`, `logaddexp`, `logical_and` and
`logical_or`, `accumulate` of `add` and `multiply`, and `outer` of all that are in the list.

## Arrays, numbers and truth values

What has no derivative whatever the entries are: shapes, dtypes, positions, whether something holds. A program can only
contain what depends on the shape alone.

{array}

## Refused

| functions | instead |
|---|---|
{rows}

These write into an array, and a tensor is not written into; the message has the ways to write it:

{write}"""

STUBS = {
    ROOT / "minigrad" / "engine" / "installed.pyi": installed, ROOT / "minigrad" / "__init__.pyi": package,
    ROOT / "docs" / "numpy.md": of_numpy,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the stubs that editors and type checkers read.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where the registry has changed")
    check = parser.parse_args().check
    stale = 0
    for path, lines in STUBS.items():
        text = "\n".join(lines()) + "\n"
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if path.suffix == ".md" and check and VERSION not in old:  # another NumPy has other functions
            continue
        if check and old != text:
            print(f"{path.relative_to(ROOT)} is not what the registry holds: python tools/stubs.py", file=sys.stderr)
            stale = 1
        if not check:
            path.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
