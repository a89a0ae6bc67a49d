"""A symbol is a value together with the text that computes it, and answers to NumPy as arrays do.

The forward of an operation is plain NumPy, written for every shape and every static argument. Run on symbols it writes
down what it computes, one operation a line; Python itself does its loops, branches and calls. What the values decide (a
branch, ``int()``, a length) is no text of one run, and is refused with its line.
"""

from __future__ import annotations

import ast
import dis
import operator
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count, pairwise
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from minigrad.engine.errors import at
from minigrad.engine.rerun import same
from minigrad.engine.trees import leaves, like, mapped
from minigrad.program.text import (
    LIBRARIES,
    OPERATORS,
    entry,
    literal,
    named,
    names_read,
    numbered,
    numpys,
    renamed,
    tidy,
    unparse,
)

__all__ = ["Body", "Symbol", "TraceError", "body_of"]

STATIC = {"shape", "ndim", "size", "dtype", "itemsize", "nbytes"}  # of an array: the same for all of one signature
STATIC_CALLS = {np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj}
ARRAYS = {"T", "mT", "real", "imag"}
BY_VALUE = {  # how long these results are depends on values
    "nonzero", "flatnonzero", "argwhere", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
    "compress", "extract", "union1d", "intersect1d", "setdiff1d", "setxor1d", "trim_zeros", "bincount", "delete",
}  # fmt: skip
BY_LENGTH = (
    "has a length that depends on values, and a program is for one length. Choose by value with np.where(condition, "
    "a, b), or give the positions as an argument"
)
LONGEST = 72  # characters of a line that several are put into


class TraceError(RuntimeError):
    """A function cannot become a program; the message names the line and says what to do."""


@dataclass
class Body:
    """Straight-line NumPy: statements, then an expression for the result. `inputs` are its free names.

    Attributes:
        masks: the inputs whose number of true entries is a length.
        straight: whether the statements only give names to arrays, so that each may be a line of its own.
    """

    inputs: list[str]
    statements: list[ast.stmt] = field(default_factory=list)
    result: ast.expr = field(default_factory=lambda: ast.Constant(None))
    masks: list[str] = field(default_factory=list)
    straight: bool = True


def body_of(function: Callable[..., Any], inputs: Mapping[str, Any], params: Mapping[str, Any], result: Any) -> Body:
    """The body of ``function(*inputs, **params)``, step by step; a tuple among `inputs` stands for several.

    Raises:
        TraceError: it depends on values, or does not compute `result`.
    """
    script = Script()
    arguments = []
    for name, value in inputs.items():
        if isinstance(value, tuple):
            arguments += [script.input(f"{name}{i}", x) for i, x in enumerate(value)]
        else:
            arguments.append(script.input(name, value))
    try:
        with np.errstate(all="ignore"):
            found = script.reading(function)(*arguments, **params)
    except Exception as error:
        raise script.refusal or error from None  # NumPy says something else of what a symbol refuses
    if script.refusal:
        raise script.refusal
    if type(found) is Symbol and found.script is not script:
        raise TraceError("it returns what another call computed")
    if not same(script.bare(found), result):
        raise TraceError(
            "run on symbols it computes other numbers. Ask for .shape and .dtype and not for the type of an input, "
            "and call nothing but NumPy"
        )
    return script.body(found)


class Script:
    """The steps that one call computed of its symbols, in order.

    Attributes:
        inputs: the names and arrays of the inputs.
        steps: a symbol that was computed, or a statement that writes into one.
        made: arrays that NumPy made without a symbol, and that a symbol was then written into.
        refusal: why this is no program.
    """

    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}
        self.steps: list[Symbol | ast.stmt] = []
        self.made: dict[int, tuple[Any, Symbol]] = {}
        self.masks: list[str] = []
        self.refusal: TraceError | None = None

    def reading(self, function: Any) -> Any:
        """`function`, where ``np`` makes symbols of the arrays that a function makes to write into them."""
        if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
            return function
        return with_globals(function, {n: Makers(self) for n, x in function.__globals__.items() if x is np})

    def input(self, name: str, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        self.inputs[name] = value
        return Symbol(self, value, named(name), name)

    # ------------------------------------------------------------------------------------------------ what happens
    def bare(self, x: Any) -> Any:
        """Values in the place of symbols."""
        return mapped(lambda part: part.value if type(part) is Symbol else part, x)

    def text(self, x: Any) -> ast.expr:
        """How the program says a symbol or a static value."""
        if isinstance(x, np.ndarray) and id(x) in self.made:
            x = self.made[id(x)][1]
        if type(x) is Symbol:
            return named(x.name)
        if isinstance(x, tuple | list):
            parts = [self.text(part) for part in x]
            return ast.Tuple(parts, ast.Load()) if isinstance(x, tuple) else ast.List(parts, ast.Load())
        try:
            return literal(x)
        except TypeError:
            kind = f"array of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
            raise TraceError(
                f"{line()} needs a {kind} that is neither an input nor small enough to be written out. Make it an input"
            ) from None

    def call(self, of: ast.expr, args: Sequence[Any], kwargs: Mapping[str, Any]) -> ast.Call:
        return ast.Call(of, [self.text(a) for a in args], [ast.keyword(k, self.text(v)) for k, v in kwargs.items()])

    def compute(self, function: Any, of: ast.expr, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """``function(*args, **kwargs)``, which the program calls as `of`."""
        text = tidy(self.call(of, args, kwargs))
        return self.symbol(self.run(function, args, kwargs), text)

    def run(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The result of `function` on the values."""
        return function(*self.bare(list(args)), **self.bare(dict(kwargs)))

    def static(self, x: Symbol, name: str) -> Any:
        """A part that is the same for all arrays of one signature: a shape, a dtype."""
        return len(x.value) if name == "len" else getattr(x.value, name)

    def symbol(self, value: Any, text: ast.expr) -> Any:
        """`value` as a symbol; what NumPy returns several of, as so many."""
        if not isinstance(value, np.ndarray | np.generic | bool | int | float | complex | tuple | list):
            raise TraceError(f"{line()} computes a {type(value).__name__}, and a program computes arrays")
        new = Symbol(self, value, text, f"_{len(self.steps)}", assigned(outer_frame()))
        self.steps.append(new)
        if isinstance(value, tuple | list):
            places = [entry(named(new.name), literal(i)) for i in range(len(value))]
            return like(value, [self.symbol(x, place) for x, place in zip(value, places, strict=True)])
        return new

    def truth(self, x: Symbol) -> bool:
        """Whether x holds, for a branch."""
        raise x.refuse(
            "is a branch on the values of an array, and a program is for all values. Choose by value with "
            "np.where(condition, a, b)"
        )

    def target(self, array: Any) -> Symbol:
        """The array that is about to be written into, as a symbol."""
        if type(array) is not Symbol:
            if id(array) not in self.made:
                self.made[id(array)] = array, self.symbol(array, self.text(array))
            array = self.made[id(array)][1]
        if any(np.may_share_memory(array.value, x) for x in self.inputs.values()):
            raise TraceError(f"{line()} writes into an input. Write into a copy")
        return array  # type: ignore[no-any-return]

    # ------------------------------------------------------------------------------------------------- how it reads
    def body(self, result: Any, longest: int = LONGEST) -> Body:
        """The steps that `result` needs, with names for what had one or is used several times."""
        end = self.text(result)
        needed, steps = set(names_read(end)), []
        for step in reversed(self.steps):
            if type(step) is not Symbol or step.name in needed:  # what is written may be seen through a view
                needed.update(names_read(text_of(step)))
                steps.append(step)
        uses = Counter(name for tree in [end, *map(text_of, steps)] for name in names_read(tree))
        body, counted = Body(list(self.inputs), masks=self.masks), (f"t{i}" for i in count(1))
        taken, instead = {*LIBRARIES, *self.inputs}, dict[str, Any]()
        waiting: dict[str, tuple[Symbol, Any]] = {}  # what the one step that uses it may say itself

        def name(symbol: Symbol, text: Any) -> None:
            new = next(n for n in (numbered(symbol.hint) if symbol.hint else counted) if n not in taken)
            taken.add(new)
            instead[symbol.name] = named(new)
            body.statements.append(ast.Assign([ast.Name(new, ast.Store())], text))

        def final(tree: Any) -> Any:
            for part, text in [waiting.pop(n) for n in dict.fromkeys(names_read(tree)) if n in waiting]:
                if len(unparse(renamed(tree, {**instead, part.name: text}))) <= longest:
                    instead[part.name] = text
                else:
                    name(part, text)
            return renamed(tree, instead)

        for step in reversed(steps):
            text = final(text_of(step))
            if type(step) is Symbol and uses[step.name] == 1 and not step.hint:
                waiting[step.name] = step, text
            elif type(step) is Symbol:
                name(step, text)
            else:
                for part in list(waiting.values()):  # they were computed before this
                    name(*part)
                waiting.clear()
                body.statements.append(text)
            body.straight &= type(step) is Symbol and not isinstance(step.value, tuple | list)
        body.result = final(end)
        match body.statements, body.result:  # what is returned at once needs no name
            case [*rest, ast.Assign([ast.Name(last)], text)], ast.Name(name_of_result) if last == name_of_result:
                body.statements, body.result = list(rest), text
        return body


class Makers:
    """NumPy, as a function on symbols finds it."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name not in ("zeros", "ones", "empty", "full"):
            return found
        return lambda *args, **kwargs: self.script.compute(found, numpys(name), args, kwargs)


class Symbol:
    """A value, and the text that computes it.

    Attributes:
        value: an array or a number of NumPy's.
        text: what computes it, of the names of other symbols.
        name: what others call it.
        hint: the variable that it was assigned to.
    """

    __slots__ = "hint", "name", "script", "text", "value"
    __hash__ = object.__hash__

    def __init__(self, script: Script, value: Any, text: ast.expr, name: str, hint: str = "") -> None:
        self.script, self.value, self.text, self.name, self.hint = script, value, text, name, hint

    # -------------------------------------------------------------------------------------------- NumPy's functions
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **kwargs: Any) -> Any:
        script, inner = self.script, "" if method == "__call__" else f".{method}"
        library, path = ufunc_path(ufunc)
        of, function = numpys(path + inner, library), getattr(ufunc, method)
        if not out and method != "at":
            return script.compute(function, of, inputs, kwargs)
        changed = script.target(inputs[0] if method == "at" else out[0])
        inputs = tuple([changed if x is changed.value else x for x in inputs])
        op: Any = OPERATORS.get(str(ufunc.__name__), ast.unaryop)
        if not inner and inputs[0] is changed and not kwargs and issubclass(op, ast.operator):  # y += x
            return changed.change(op(), inputs[1], function)
        named_out = {} if method == "at" else {"out": changed}
        script.steps.append(ast.Expr(script.call(of, inputs, {**kwargs, **named_out})))
        script.run(function, inputs, {**kwargs, **named_out})
        return changed

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        script, name = self.script, function.__name__
        if function in (np.shape, np.ndim, np.size) and len(args) == 1:
            return script.static(args[0], name)
        if function in STATIC_CALLS:
            return script.run(function, args, kwargs)
        if name in BY_VALUE or (name == "where" and len(args) == 1) or (name == "repeat" and symbolic(args[1:])):
            raise self.refuse(BY_LENGTH)
        if "out" in kwargs:
            raise TraceError(f"{line()} writes with out=, and only ufuncs may. Write y[...] = np.{name}(...)")
        return script.compute(function, path_of(function), args, kwargs)

    # ------------------------------------------------------------------------------------------ methods and entries
    def __getattr__(self, name: str) -> Any:
        if name in STATIC:
            return self.script.static(self, name)
        found, text = getattr(self.value, name), ast.Attribute(named(self.name), name, ast.Load())
        if name in ARRAYS:
            return self.script.symbol(found, text)
        if name.startswith("_"):
            raise AttributeError(name)
        if name in EXITS or not callable(found):
            return self.taken_out()

        def method(*args: Any, **kwargs: Any) -> Any:
            if name in BY_VALUE or (name == "repeat" and symbolic(args)):
                raise self.refuse(BY_LENGTH)
            if name not in WRITING:
                return self.script.compute(found, text, args, kwargs)
            self.script.target(self)
            self.script.steps.append(ast.Expr(self.script.call(text, args, kwargs)))
            return self.script.run(found, args, kwargs)

        return method

    def __getitem__(self, index: Any) -> Any:
        for mask in leaves(index):
            if type(mask) is Symbol and np.asarray(mask.value).dtype.kind == "b":
                if mask.name not in self.script.inputs:
                    raise self.refuse(BY_LENGTH)
                self.script.masks.append(mask.name)
        value = self.script.run(operator.getitem, (self, index), {})
        return self.script.symbol(value, entry(named(self.name), self.script.text(index)))

    def __setitem__(self, index: Any, value: Any) -> None:
        script, bare = self.script, self.script.bare(index)
        script.target(self)
        if not (type(value) is Symbol and same_memory(value.value, self.value[bare])):  # the second half of y[i] += x
            place = entry(named(self.name), script.text(index))
            script.steps.append(ast.Assign([place], script.text(value)))
            self.value[bare] = script.bare(value)

    def change(self, op: Any, other: Any, function: Callable[..., Any]) -> Symbol:
        """In-place arithmetic."""
        script = self.script
        script.target(self)
        if not isinstance(self.text, ast.Subscript):
            self.hint = self.hint or "y"  # only a name or an entry can stand on the left
        place: Any = script.text(self)
        script.steps.append(ast.AugAssign(place, op, script.text(other)))
        function(self.value, script.bare(other), out=self.value)
        return self

    def __len__(self) -> int:
        return self.script.static(self, "len")  # type: ignore[no-any-return]

    def __iter__(self) -> Any:
        return map(self.__getitem__, range(len(self)))

    # --------------------------------------------------------------------------------------------------- the exits
    def refuse(self, reason: str) -> TraceError:
        self.script.refusal = error = TraceError(f"{line()} {reason}")
        return error

    def __bool__(self) -> bool:
        return self.script.truth(self)

    def taken_out(self, *args: Any, **kwargs: Any) -> Any:
        raise self.refuse(
            "takes a value out of the arrays that are followed, and it would be a constant of the program. Compute "
            "with arrays, choose by value with np.where(condition, a, b), and write into arrays that the function "
            "itself has made with np.zeros, ones, empty or full"
        )

    __int__ = __float__ = __complex__ = __index__ = __array__ = taken_out


EXITS = {"item", "tolist", "tobytes", "tofile", "dump", "dumps", "__array_interface__"}
WRITING = {"fill", "sort", "put", "partition"}
ARITHMETIC = {
    "add": ast.Add, "sub": ast.Sub, "mul": ast.Mult, "truediv": ast.Div, "floordiv": ast.FloorDiv, "mod": ast.Mod,
    "pow": ast.Pow, "matmul": ast.MatMult, "and": ast.BitAnd, "or": ast.BitOr, "xor": ast.BitXor,
    "lshift": ast.LShift, "rshift": ast.RShift,
}  # fmt: skip
COMPARISONS = {"eq": ast.Eq, "ne": ast.NotEq, "lt": ast.Lt, "le": ast.LtE, "gt": ast.Gt, "ge": ast.GtE}
SIGNS = {"neg": ast.USub, "pos": ast.UAdd, "invert": ast.Invert}


def install(name: str, op: Any) -> None:
    """The operator of this name, as arrays have it."""
    run = getattr(operator, f"__{name}__")

    def sign(self: Symbol) -> Any:
        return self.script.symbol(self.script.run(run, (self,), {}), ast.UnaryOp(op(), named(self.name)))

    def binary(self: Symbol, other: Any) -> Any:
        text = self.script.text
        return self.script.symbol(self.script.run(run, (self, other), {}), said(text(self), text(other)))

    def reflected(self: Symbol, other: Any) -> Any:
        text = self.script.text
        return self.script.symbol(self.script.run(run, (other, self), {}), said(text(other), text(self)))

    def in_place(self: Symbol, other: Any) -> Any:
        if not isinstance(self.value, np.ndarray):  # a number cannot be written into
            return binary(self, other)
        return self.change(op(), other, lambda a, b, out: getattr(operator, f"__i{name}__")(a, b))

    def said(a: ast.expr, b: ast.expr) -> ast.expr:
        return ast.Compare(a, [op()], [b]) if name in COMPARISONS else ast.BinOp(a, op(), b)

    setattr(Symbol, f"__{name}__", sign if name in SIGNS else binary)
    if name in ARITHMETIC:
        setattr(Symbol, f"__r{name}__", reflected)
        setattr(Symbol, f"__i{name}__", in_place)


for name, op in {**ARITHMETIC, **COMPARISONS, **SIGNS}.items():
    install(name, op)
Symbol.__abs__ = lambda self: np.absolute(self)  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------------- the text
def with_globals(function: Any, names: Mapping[str, Any]) -> Any:
    """`function`, with other things under some global names."""
    code, space = function.__code__, {**function.__globals__, **names}
    new = FunctionType(code, space, function.__name__, function.__defaults__, function.__closure__)
    new.__kwdefaults__ = function.__kwdefaults__
    return new


def text_of(step: Symbol | ast.stmt) -> Any:
    return step.text if type(step) is Symbol else step


def symbolic(x: Any) -> bool:
    return any(type(part) is Symbol for part in leaves(x))


def same_memory(a: Any, b: Any) -> bool:
    """Whether two arrays are the same entries of the same memory."""
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    return a.ctypes.data == b.ctypes.data and (a.shape, a.strides, a.dtype) == (b.shape, b.strides, b.dtype)


def ufunc_path(ufunc: Any) -> tuple[str, str]:
    """The library of a ufunc, as a program calls it, and where it stands there."""
    name, special = ufunc.__name__, sys.modules.get("scipy.special")
    if getattr(np, name, None) is ufunc:
        return "np", name
    if getattr(special, name, None) is ufunc:
        return "scipy", f"special.{name}"
    if special and ufunc is getattr(special._ufuncs, "_zeta", None):  # all that the function zeta calls
        return "scipy", "special.zeta"
    raise TraceError(f"{line()} calls {ufunc!r}, which is not NumPy's, nor one of scipy.special")


def path_of(function: Any) -> ast.expr:
    """How the text calls a function of NumPy's."""
    module = str(function.__module__).removeprefix("numpy").lstrip(".")
    for prefix in ("", f"{module}."):
        try:
            if operator.attrgetter(prefix + function.__name__)(np) is function:
                return numpys(prefix + function.__name__)
        except AttributeError:
            continue
    raise TraceError(f"{line()} calls {function!r}, which is no public function of NumPy's")


# ------------------------------------------------------------------------------------------------------------- the line
def outer_frame() -> FrameType:
    """The frame that works with symbols."""
    frame = sys._getframe(1)
    while frame.f_globals is globals() or str(frame.f_globals.get("__name__")).startswith("numpy"):
        assert frame.f_back is not None
        frame = frame.f_back
    return frame


def line() -> str:
    frame = outer_frame()
    return at((frame.f_code, frame.f_lasti))


@lru_cache(maxsize=4096)
def instructions_behind(code: CodeType) -> dict[int, tuple[str, Any]]:
    """For each offset, the name and argument of the instruction behind the one that it lies in."""
    found = list(dis.get_instructions(code))
    found = [b for a, b in pairwise([found[0], *found]) if a.opname != "PRECALL"]  # which Python 3.11 has before CALL
    return {i: (b.opname, b.argval) for a, b in pairwise(found) for i in range(a.offset, b.offset, 2)}


def assigned(frame: FrameType | None) -> str:
    """The variable that what is being computed in `frame` goes to, also through the return of a function; or ""."""
    while frame is not None and frame.f_globals is not globals():
        name, argument = instructions_behind(frame.f_code).get(frame.f_lasti, ("", ""))
        if name != "RETURN_VALUE":
            return (argument if isinstance(argument, str) else argument[0]) if name.startswith("STORE_FAST") else ""
        frame = frame.f_back
    return ""
