"""Expressions of NumPy as syntax trees: how values are written, how texts are put together and tidied."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any

import numpy as np

__all__ = ["literal", "named", "names_read", "numbered", "numpys", "renamed", "tidy", "unparse"]

Array = np.ndarray[Any, Any]
FEW = 64  # entries of an array that a program makes by writing them out
OPERATORS: dict[str, Any] = {  # np.add(a, b) is a + b: the same loop, the same bits
    "add": ast.Add, "subtract": ast.Sub, "multiply": ast.Mult, "divide": ast.Div, "matmul": ast.MatMult,
    "negative": ast.USub, "equal": ast.Eq, "not_equal": ast.NotEq, "less": ast.Lt, "less_equal": ast.LtE,
    "greater": ast.Gt, "greater_equal": ast.GtE,
}  # fmt: skip
TIGHT = ast.Name, ast.Attribute, ast.Call, ast.Subscript  # no operator is in sight: they need no brackets
SIDES = *TIGHT, ast.Constant
SIGNS: dict[Any, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@"}
# What None or False for these arguments says is what leaving them out says.
LIBRARIES = {"np", "scipy"}
NONE_IS_DEFAULT = {
    "sum", "mean", "prod", "max", "min", "any", "all", "argmax", "argmin", "cumsum", "cumprod", "transpose", "flip",
    "squeeze",
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- the text
# Trees are never changed once they are made. So a node keeps what was found out about it, and trees may share nodes.
@lru_cache(maxsize=4096)
def named(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def renamed(tree: Any, names: Mapping[str, Any]) -> Any:
    """A syntax tree with other expressions in the place of names; what is assigned to gets another name."""
    if isinstance(tree, list):
        return [renamed(part, names) for part in tree]
    if isinstance(tree, ast.Name):
        new = names.get(tree.id, tree)
        return new if isinstance(tree.ctx, ast.Load) or new is tree else ast.Name(new.id, tree.ctx)
    if not isinstance(tree, ast.AST) or names.keys().isdisjoint(names_in(tree)):
        return tree
    return tree.__class__(**{field: renamed(value, names) for field, value in ast.iter_fields(tree)})


def names_in(tree: Any) -> tuple[str, ...]:
    """The names in a syntax tree, one as often as it is there."""
    found: tuple[str, ...] | None = tree.__dict__.get("names_in")
    if found is None:
        found = (tree.id,) if isinstance(tree, ast.Name) else ()
        for field in tree._fields:
            value = getattr(tree, field, None)
            if isinstance(value, list):
                found += tuple([name for part in value if isinstance(part, ast.AST) for name in names_in(part)])
            elif isinstance(value, ast.expr):
                found += names_in(value)
        tree.names_in = found
    return found


def names_read(tree: ast.AST) -> Iterator[str]:
    return (name for name in names_in(tree) if name not in LIBRARIES)


def unparse(tree: Any) -> str:
    if not isinstance(tree, ast.expr):
        return ast.unparse(ast.fix_missing_locations(tree))
    known: dict[str, Any] = tree.__dict__
    if "text" not in known:
        known["text"] = plain(tree) or ast.unparse(tree)
    return str(known["text"])


def plain(tree: ast.expr) -> str | None:
    """The text of what most lines are, a call or one operation: `ast.unparse` takes ten times as long for it."""
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Constant) and type(tree.value) in (int, bool, NoneType):
        return repr(tree.value)
    if isinstance(tree, ast.Attribute) and isinstance(tree.value, TIGHT):
        return f"{unparse(tree.value)}.{tree.attr}"
    if isinstance(tree, ast.Call) and isinstance(tree.func, TIGHT) and all(k.arg for k in tree.keywords):
        arguments = [*map(unparse, tree.args), *[f"{k.arg}={unparse(k.value)}" for k in tree.keywords]]
        return f"{unparse(tree.func)}({', '.join(arguments)})"
    if isinstance(tree, ast.BinOp) and isinstance(tree.left, SIDES) and isinstance(tree.right, SIDES):
        sign = SIGNS.get(type(tree.op))
        return sign and f"{unparse(tree.left)} {sign} {unparse(tree.right)}"
    return None


def numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}{number}"
        number += 1


def libraries() -> dict[str, Any]:
    """The modules that a program finds under the names of LIBRARIES; SciPy if it was imported."""
    return {"np": np, "scipy": sys.modules.get("scipy")}


@lru_cache(maxsize=4096)
def numpys(path: str, library: str = "np") -> ast.expr:
    node: ast.expr = named(library)
    for name in path.split("."):
        node = ast.Attribute(node, name, ast.Load())
    return node


def call(name: str, *arguments: ast.expr, keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    return ast.Call(numpys(name), list(arguments), list(keywords))


def entry(x: ast.expr, index: ast.expr) -> ast.expr:
    """x[index]; x[(i,)] is x[i]."""
    index = index.elts[0] if isinstance(index, ast.Tuple) and len(index.elts) == 1 else index
    return ast.Subscript(x, index, ast.Load())


# ------------------------------------------------------------------------------------------------------------ literals
def literal(value: Any) -> ast.expr:
    """A static value as an expression. Expressions in it stand for themselves.

    Raises:
        TypeError: it is something that no short text makes.
    """
    load = ast.Load()
    if isinstance(value, ast.expr):
        return value
    if isinstance(value, tuple | list):
        return (ast.Tuple if isinstance(value, tuple) else ast.List)([literal(part) for part in value], load)
    if isinstance(value, slice):
        parts = [None if part is None else literal(part) for part in (value.start, value.stop, value.step)]
        return ast.Slice(*parts)
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return numpys(np.dtype(value).name if np.dtype(value) != np.bool_ else "bool")
    for name in ("bool", "int", "float"):
        if value is getattr(builtins, name):
            return named(name)
    if isinstance(value, np.generic):
        return ast.Call(literal(value.dtype), [literal(value.item())], [])
    if isinstance(value, float) and value != value:
        return numpys("nan")
    if isinstance(value, float) and abs(value) == np.inf:
        return numpys("inf") if value > 0 else ast.UnaryOp(ast.USub(), numpys("inf"))
    if isinstance(value, int | float) and not isinstance(value, bool) and str(value).startswith("-"):
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    if value is None or value is Ellipsis or isinstance(value, bool | int | float | complex | str):
        return ast.Constant(value)
    if isinstance(value, np.ndarray) and (text := structural(value) or written_out(value)):
        return text
    raise TypeError(f"no literal for {value!r}")


def structural(array: Array) -> ast.expr | None:
    """How NumPy makes an array that needs no data: zeros, ones, numbers in a row, a diagonal."""
    if not array.flags.c_contiguous or not array.size:
        return None if array.size else call("zeros", literal(array.shape), literal(array.dtype))
    kind = [] if array.dtype == np.float64 else [ast.keyword("dtype", literal(array.dtype))]
    shape = literal(array.shape if array.ndim != 1 else array.size)
    first = array.reshape(-1)[0]
    if is_uniform(array) and array.dtype.kind in "fiu":
        if array.ndim == 0:
            return ast.Call(literal(array.dtype), [number(array)], [])
        if first in (0, 1) and not np.signbit(first):
            return call("ones" if first else "zeros", shape, keywords=kind)
        return call("full", shape, number(array), keywords=kind if array.dtype != np.int64 else [])
    if array.dtype.kind in "iu" and same_bits(array.reshape(-1), np.arange(array.size, dtype=array.dtype)):
        made = call("arange", literal(array.size), keywords=[] if array.dtype == np.int64 else kind)
        return made if array.ndim == 1 else ast.Call(ast.Attribute(made, "reshape", ast.Load()), [shape], [])
    if array.size > FEW and np.count_nonzero(array) == 1 and array.max() == 1 and not np.signbit(array).any():
        row = entry(call("eye", literal(array.size), keywords=kind), literal(int(array.argmax())))
        return row if array.ndim == 1 else ast.Call(ast.Attribute(row, "reshape", ast.Load()), [shape], [])
    if array.ndim == 2 and same_bits(array, np.eye(*array.shape, dtype=array.dtype)):
        return call("eye", *[literal(n) for n in dict.fromkeys(array.shape)], keywords=kind)
    return triangle(array) if array.ndim == 2 else None


def triangle(array: Array) -> ast.expr | None:
    """A matrix of one number up to some diagonal, and of another above it, as causal attention is masked: np.tri."""
    low, high = array[-1, 0], array[0, -1]
    row, column = array[0] == low, array[:, 0] == low
    k = int(np.count_nonzero(row)) - 1 if row[0] else int(np.count_nonzero(column)) - len(column)
    lower = np.tri(array.shape[0], array.shape[1], k, dtype=bool)
    if array.dtype.kind not in "fiub" or not same_bits(np.where(lower, low, high), array):
        return None
    shape = array.shape if k or len({*array.shape}) > 1 else array.shape[:1]
    ones = low == 1 and high == 0
    dtype = array.dtype if ones else lower.dtype
    kind = [ast.keyword("dtype", literal(dtype))] if dtype != np.float64 else []
    made = call("tri", *map(literal, [*shape, *([k] if k else [])]), keywords=kind)
    if ones:
        return made
    plain = array.dtype.type in (np.float64, np.bool_)  # Python's numbers are these
    return call("where", made, *(literal(x.item() if plain else x) for x in (low, high)))


def written_out(array: Array) -> ast.expr | None:
    """A small array as its entries."""
    if array.size > FEW or not array.flags.c_contiguous or array.dtype.kind not in "fiub":
        return None
    return call("array", literal(array.tolist()), literal(array.dtype))


def is_uniform(value: Any) -> bool:
    """Whether all entries have the same bits."""
    flat = np.asarray(value).reshape(-1)
    return flat.tobytes() == flat[:1].tobytes() * len(flat)


def number(value: Any) -> ast.expr:
    """The first entry of an array as a Python number, in as few digits as its dtype needs."""
    first = value.reshape(-1)[0]
    return literal(float(str(first)) if first.dtype.kind == "f" and np.isfinite(first) else first.item())


def same_bits(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


# ---------------------------------------------------------------------------------------------------------------- taste
def tidy(node: ast.Call) -> ast.expr:
    """A call as one would write it, where the bits are the same: np.add(a, b) as a + b, np.transpose(x) as x.T."""
    if not isinstance(node.func, ast.Attribute):
        return node
    name, arguments, keywords = node.func.attr, list(node.args), list(node.keywords)
    if name in NONE_IS_DEFAULT:
        while arguments and isinstance(arguments[-1], ast.Constant) and arguments[-1].value is None:
            arguments.pop()
        keywords = [k for k in keywords if not (isinstance(k.value, ast.Constant) and k.value.value in (None, False))]
    node = ast.Call(node.func, arguments, keywords)
    if unparse(node.func) != f"np.{name}" or keywords:
        return node
    op = OPERATORS.get(name)
    if name == "transpose" and len(arguments) == 1:
        return ast.Attribute(arguments[0], "T", ast.Load())
    if op is None:
        return node
    if issubclass(op, ast.unaryop):
        return ast.UnaryOp(op(), arguments[0])
    if issubclass(op, ast.cmpop):
        return ast.Compare(arguments[0], [op()], [arguments[1]])
    return ast.BinOp(arguments[0], op(), arguments[1])
