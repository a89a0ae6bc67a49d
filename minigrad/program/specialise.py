"""The forward of an operation as the text that one call of it runs.

A forward is plain NumPy, but written for every shape and every static argument. For one call these are known, so the
body is run here by hand: what depends on shapes and static arguments only is computed and becomes a literal, a branch
on it is taken, a call of another function of `minigrad/ops/` is replaced by that function's own body. What is left is
straight-line NumPy on the inputs.
"""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from minigrad.ops.index import together

__all__ = ["Body", "literal", "parsed", "specialise"]

STATIC = {"shape", "ndim", "size", "dtype"}  # of an array: the same for all arrays of one signature
STATIC_CALLS = {type, len, np.shape, np.ndim, np.size}
ARRANGING = {together}  # only puts its arguments somewhere, so it can be called with their names
IN_PLACE_OF_NUMPYS: dict[str, Any] = {  # np.add(a, b) is a + b: the same loop, the same bits
    "add": ast.Add, "subtract": ast.Sub, "multiply": ast.Mult, "divide": ast.Div, "matmul": ast.MatMult,
    "negative": ast.USub, "equal": ast.Eq, "not_equal": ast.NotEq, "less": ast.Lt, "less_equal": ast.LtE,
    "greater": ast.Gt, "greater_equal": ast.GtE,
}  # fmt: skip
# What None or False for these arguments says is what leaving them out says.
NONE_IS_DEFAULT = {"sum", "mean", "prod", "max", "min", "argmax", "argmin", "cumsum", "transpose", "flip", "squeeze"}


class Unsupported(Exception):
    """A statement or expression that has no straight-line form."""


@dataclass
class Body:
    """Straight-line NumPy: assignments, then an expression for the result. `inputs` are the free names."""

    inputs: list[str]
    statements: list[ast.stmt]
    result: ast.expr


@dataclass
class Known:
    """What a name of the original text stands for: an expression of the new text, and its value in this call."""

    text: ast.expr
    value: Any
    dynamic: bool  # whether it depends on the entries of arrays


def specialise(function: Callable[..., Any], inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Body:
    """The body of ``function(*inputs, **params)``; `inputs` has a tuple under the name of a variadic parameter.

    Raises:
        Unsupported: a branch on the entries of an array, or a construct that has no straight-line form.
    """
    names: list[str] = []

    def known(name: str, value: Any) -> Known:
        if isinstance(value, tuple):
            parts = [known(f"{name}{i}", part) for i, part in enumerate(value)]
            return Known(ast.Tuple([part.text for part in parts], ast.Load()), value, True)
        if isinstance(value, np.ndarray):
            names.append(name)
            return Known(ast.Name(name, ast.Load()), value, True)
        return Known(literal(value), value, False)

    env = {name: known(name, value) for name, value in inputs.items()}
    env |= {name: Known(literal(value), value, False) for name, value in params.items()}
    values = dict(zip(names, arrays_in(inputs.values()), strict=True))
    run = Run(values)
    with np.errstate(all="ignore"):
        result = run.body(function, env)
    return Body(names, run.statements, tidy(result))


def arrays_in(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple):
            yield from arrays_in(value)
        elif isinstance(value, np.ndarray):
            yield value


class Run:
    """Runs bodies of functions on known values, and writes down what is left of them.

    Attributes:
        values: what the names of the new text are in this call.
        statements: the new text so far.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.statements: list[ast.stmt] = []

    # -------------------------------------------------------------------------------------------------- statements
    def body(self, function: Callable[..., Any], env: dict[str, Known]) -> ast.expr:
        """Run the body of `function` with its parameters in `env`; the expression that it returns."""
        tree, space = parsed(function)
        self.space = space
        result = self.block(tree.body, env)
        if result is None:
            raise Unsupported(f"{function.__name__} returns nothing")
        return result

    def block(self, statements: Sequence[ast.stmt], env: dict[str, Known]) -> ast.expr | None:
        for s in statements:
            match s:
                case ast.Expr(ast.Constant()):
                    continue
                case ast.Return(value) if value is not None:
                    return self.text(value, env)
                case ast.Assign([ast.Name() as target], value):
                    self.assign(target.id, value, env)
                case ast.Assign([ast.Tuple() as target], value) if not self.depends(value, env):
                    scope: dict[str, Any] = {**self.space, **{k: v.value for k, v in env.items()}}
                    before = dict(scope)
                    exec(compiled(ast.Module([s], []), "exec"), scope)
                    for name in (n.id for n in ast.walk(target) if isinstance(n, ast.Name)):
                        if scope.get(name) is not before.get(name):
                            env[name] = Known(literal(scope[name]), scope[name], False)
                case ast.If(test, then, otherwise):
                    result = self.block(then if self.static(test, env) else otherwise, env)
                    if result is not None:
                        return result
                case ast.Assign([ast.Subscript()], _) | ast.AugAssign(ast.Subscript()) | ast.Expr(ast.Call()):
                    self.effect(s, env)
                case ast.For(target, items, inside):
                    self.loop(target, items, inside, env)
                case _:
                    raise Unsupported(ast.unparse(s))
        return None

    def assign(self, name: str, value: ast.expr, env: dict[str, Known]) -> None:
        text = self.text(value, env)
        if not self.depends(value, env) and is_literal(text):
            env[name] = Known(text, self.evaluate(text), False)
        elif isinstance(text, ast.Tuple):
            env[name] = Known(text, self.evaluate(text), True)
        else:
            env[name] = self.named(name, tidy(text))

    def named(self, name: str, text: ast.expr) -> Known:
        """Give an expression of the new text a name of its own there."""
        value = self.evaluate(text)
        new = next(n for n in numbered(name) if n not in self.values)
        self.statements.append(ast.Assign([ast.Name(new, ast.Store())], text))
        self.values[new] = value
        return Known(ast.Name(new, ast.Load()), value, True)

    def effect(self, s: ast.stmt, env: dict[str, Known]) -> None:
        """A statement that writes into an array which this body has made."""
        new = copy.copy(s)
        if isinstance(new, ast.Expr):
            new.value = self.text(new.value, env)
        elif isinstance(new, ast.AugAssign):
            new.target, new.value = self.stored(new.target, env), self.text(new.value, env)
        elif isinstance(new, ast.Assign):
            new.targets, new.value = [self.stored(new.targets[0], env)], self.text(new.value, env)
        exec(compiled(ast.Module([new], []), "exec"), {"np": np, **self.values})
        self.statements.append(new)

    def stored(self, target: Any, env: dict[str, Known]) -> Any:
        text: Any = self.text(target, env)
        text.ctx = ast.Store()
        return text

    def loop(self, target: ast.expr, items: ast.expr, inside: Sequence[ast.stmt], env: dict[str, Known]) -> None:
        """A loop over static items stays a loop; its variables are run once, for the shapes of what they make."""
        first = next(iter(self.static(items, env)), None)
        if first is None:
            return
        before, self.statements = self.statements, []
        for part, value in zip(target.elts, first, strict=True) if isinstance(target, ast.Tuple) else [(target, first)]:
            assert isinstance(part, ast.Name)
            self.values[part.id] = value
            env[part.id] = Known(ast.Name(part.id, ast.Load()), value, True)
        if self.block(inside, env) is not None:
            raise Unsupported("a return inside of a loop")
        body, self.statements = self.statements, before
        self.statements.append(ast.For(target, self.text(items, env), body, []))

    # ------------------------------------------------------------------------------------------------- expressions
    def depends(self, node: ast.AST, env: Mapping[str, Known]) -> bool:
        """Whether the value of an expression of the original text depends on the entries of arrays."""
        match node:
            case ast.Name(name):
                return env[name].dynamic if name in env else False
            case ast.Attribute(_, attribute) if attribute in STATIC:
                return False
            case ast.Call(function) if self.callee(function) in STATIC_CALLS:
                return False
            case ast.Compare(_, [ast.Is() | ast.IsNot()]):  # x is None: whether it was given
                return False
            case ast.Call(ast.Name("getattr"), [_, ast.Constant(attribute), *_]) if attribute in STATIC:
                return False
            case ast.Call(function) if is_ours(self.callee(function)) and self.is_static(node, env):
                return False
            case ast.ListComp() | ast.GeneratorExp():
                inner = dict(env)
                for generator in node.generators:
                    loops = self.depends(generator.iter, inner)
                    for part in ast.walk(generator.target):
                        if isinstance(part, ast.Name):
                            inner[part.id] = Known(part, None, loops)
                    if any(self.depends(test, inner) for test in generator.ifs):
                        return True
                return self.depends(node.elt, inner)
        return any(self.depends(child, env) for child in ast.iter_child_nodes(node))

    def callee(self, node: ast.expr) -> Any:
        """The function that is called by a name, or as np.name or np.add.at; None for a method."""
        if isinstance(node, ast.Name):
            return self.space.get(node.id, getattr(builtins, node.id, None))
        if isinstance(node, ast.Attribute):
            owner = self.callee(node.value)
            return getattr(owner, node.attr, None) if isinstance(owner, ModuleType | np.ufunc) else None
        return None

    def is_static(self, node: ast.expr, env: Mapping[str, Known]) -> bool:
        """Whether a call gives Python numbers or tuples of them: no forward makes these of entries."""
        try:
            return plain(self.run(node, env))
        except NameError:  # a name of a comprehension around it
            return False

    def static(self, node: ast.expr, env: Mapping[str, Known]) -> Any:
        if self.depends(node, env):
            raise Unsupported(f"a branch on the entries of an array: {ast.unparse(node)}")
        return self.run(node, env)

    def run(self, node: ast.expr, env: Mapping[str, Known]) -> Any:
        """The value of an expression of the original text."""
        scope = {**self.space, **{name: known.value for name, known in env.items()}}
        return eval(compiled(ast.Expression(copy.deepcopy(node))), scope)

    def evaluate(self, text: ast.expr) -> Any:
        """The value of an expression of the new text."""
        return eval(compiled(ast.Expression(copy.deepcopy(text))), {"np": np, **self.values})

    def text(self, node: ast.expr, env: Mapping[str, Known]) -> ast.expr:
        """The expression of the new text for one of the original text."""
        if not self.depends(node, env) and not isinstance(node, ast.Starred | ast.Slice):
            value = self.static(node, env)
            try:
                return literal(value)
            except TypeError:  # an array or a function
                if isinstance(value, FunctionType | BuiltinFunctionType | np.ufunc | type) or callable(value):
                    return path_of(value)
        match node:
            case ast.Name(name):
                return copy.deepcopy(env[name].text)
            case ast.Attribute(value, attribute, context):
                return ast.Attribute(self.text(value, env), attribute, context)
            case ast.IfExp(test, then, otherwise):
                return self.text(then if self.static(test, env) else otherwise, env)
            case ast.BoolOp(op, [first, *rest]):
                if bool(self.static(first, env)) == isinstance(op, ast.Or):
                    return self.text(first, env)
                return self.text(rest[0] if len(rest) == 1 else ast.BoolOp(op, rest), env)
            case ast.Call(function, arguments, keywords):
                return self.call(function, arguments, keywords, env)
            case ast.Compare(left, ops, comparators):
                return ast.Compare(self.text(left, env), ops, [self.text(c, env) for c in comparators])
            case ast.Subscript(value, index, context):
                where = self.text(index, env)
                return ast.Subscript(self.text(value, env), single(where), context)
            case ast.BinOp() | ast.UnaryOp() | ast.Tuple() | ast.List() | ast.Starred() | ast.Slice():
                new = copy.copy(node)
                for field, value in ast.iter_fields(node):
                    if isinstance(value, list):
                        setattr(new, field, [self.text(part, env) for part in value])
                    elif isinstance(value, ast.expr):
                        setattr(new, field, self.text(value, env))
                return new
        raise Unsupported(ast.unparse(node))

    def call(
        self, function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword], env: Mapping[str, Known]
    ) -> ast.expr:
        texts: list[ast.expr] = []
        for a in arguments:
            text = self.text(a.value if isinstance(a, ast.Starred) else a, env)
            texts += text.elts if isinstance(a, ast.Starred) and isinstance(text, ast.Tuple) else [text]
        named = {k.arg: self.text(k.value, env) for k in keywords if k.arg is not None}
        called = self.callee(function)
        if called in ARRANGING:
            plain = [a.elts if isinstance(a, ast.Tuple) and self.depends(b, env) else self.static(b, env)
                     for a, b in zip(texts, arguments, strict=True)]  # fmt: skip
            return literal(called(*plain))
        if is_ours(called):
            return self.inlined(called, texts, named)
        if called is None:
            assert isinstance(function, ast.Attribute)
            of: ast.expr = ast.Attribute(self.text(function.value, env), function.attr, ast.Load())
        else:
            of = path_of(called)
        return tidy(ast.Call(of, texts, [ast.keyword(name, text) for name, text in named.items()]))

    def inlined(self, function: FunctionType, texts: list[ast.expr], named: dict[str, ast.expr]) -> ast.expr:
        """The body of another function of minigrad.ops in the place of its call."""
        bound = inspect.signature(function).bind(*texts, **named)
        bound.apply_defaults()
        tree, _ = parsed(function)
        reads = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]
        env = {}
        for name, text in bound.arguments.items():
            text = text if isinstance(text, ast.expr) else literal(text)
            if is_literal(text):
                env[name] = Known(text, self.evaluate(text), False)
            elif isinstance(text, ast.Name | ast.Tuple) or reads.count(name) <= 1:
                env[name] = Known(text, self.evaluate(text), True)
            else:
                env[name] = self.named(name, text)
        outer = self.space
        try:
            return self.body(function, env)
        finally:
            self.space = outer


# ------------------------------------------------------------------------------------------------------------- sources
@functools.cache
def parsed(function: Any) -> tuple[ast.FunctionDef, dict[str, Any]]:
    """The syntax tree of a function, and the global names it knows."""
    lines = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(lines).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return tree, inspect.unwrap(function).__globals__


def is_ours(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__.startswith("minigrad.ops")


def plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(plain, value))
    return isinstance(value, int | str | slice | None) or type(value) is float


def compiled(tree: Any, mode: str = "eval") -> Any:
    return compile(ast.fix_missing_locations(tree), "<specialised>", mode)


def numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}{number}"
        number += 1


# ------------------------------------------------------------------------------------------------------------ literals
def literal(value: Any) -> ast.expr:
    """A static value as an expression. Expressions in it stand for themselves.

    Raises:
        TypeError: it is an array, or something else that no short text makes.
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
            return ast.Name(name, load)
    if value is np.ndarray:  # the hole in an index where an array stands
        return numpys("ndarray")
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
    raise TypeError(f"no literal for {value!r}")


def is_literal(node: ast.AST) -> bool:
    """Whether an expression is made by `literal` from a static value."""
    match node:
        case ast.Constant():
            return True
        case ast.Tuple() | ast.List() | ast.Slice() | ast.UnaryOp():
            return all(is_literal(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
        case ast.Attribute(ast.Name("np"), name):
            return not callable(getattr(np, name)) or isinstance(getattr(np, name), type)
        case ast.Name(name):
            return isinstance(getattr(builtins, name, None), type)
        case ast.Call(ast.Attribute(ast.Name("np"), name), [part]):
            return isinstance(getattr(np, name, None), type) and is_literal(part)
    return False


def numpys(path: str) -> ast.expr:
    node: ast.expr = ast.Name("np", ast.Load())
    for name in path.split("."):
        node = ast.Attribute(node, name, ast.Load())
    return node


def path_of(function: Any) -> ast.expr:
    """How the new text calls a function: as a builtin, or through np."""
    name = function.__name__
    if getattr(builtins, name, None) is function:
        return ast.Name(name, ast.Load())
    for owner, prefix in ((np, ""), (np.linalg, "linalg."), (np.lib.stride_tricks, "lib.stride_tricks.")):
        if getattr(owner, name, None) is function:
            return numpys(prefix + name)
    for method in ("at", "reduce"):  # np.add.at
        ufunc = getattr(function, "__self__", None)
        if isinstance(ufunc, np.ufunc) and name == method:
            return numpys(f"{ufunc.__name__}.{method}")
    raise Unsupported(f"{function!r} is not NumPy's")


# ---------------------------------------------------------------------------------------------------------------- taste
def single(index: ast.expr) -> ast.expr:
    """x[(i,)] is x[i]."""
    return index.elts[0] if isinstance(index, ast.Tuple) and len(index.elts) == 1 else index


def tidy(node: ast.expr) -> ast.expr:
    """A call as one would write it, where the bits are the same: np.add(a, b) as a + b, np.transpose(x) as x.T."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return node
    name, arguments, keywords = node.func.attr, list(node.args), list(node.keywords)
    if name in NONE_IS_DEFAULT:
        while arguments and isinstance(arguments[-1], ast.Constant) and arguments[-1].value is None:
            arguments.pop()
        keywords = [k for k in keywords if not (isinstance(k.value, ast.Constant) and k.value.value in (None, False))]
    node = ast.Call(node.func, arguments, keywords)
    if not isinstance(node.func, ast.Attribute) or ast.unparse(node.func.value) != "np" or keywords:
        return node
    op = IN_PLACE_OF_NUMPYS.get(name)
    if name == "transpose" and len(arguments) == 1:
        return ast.Attribute(arguments[0], "T", ast.Load())
    if op is None:
        return node
    if issubclass(op, ast.unaryop):
        return ast.UnaryOp(op(), arguments[0])
    if issubclass(op, ast.cmpop):
        return ast.Compare(arguments[0], [op()], [arguments[1]])
    return ast.BinOp(arguments[0], op(), arguments[1])
