"""The rule as mathematics, as the rule itself computes it: what is printed cannot drift from what is computed.

A rule is run on its own letters: on symbols without values, as the printer of programs runs a forward on symbols. What
it computes is written in the field's notation by `Writer`: g is ȳ, the cotangent of y, and x̄ is what the rule returns,
the cotangent of x. What has no shorter notation stays as it is in the code, and a student's backward is read from it.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import islice
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.names import input_names
from minigrad.engine.outputs import Part, Piece, results
from minigrad.engine.trees import leaves
from minigrad.function import Function
from minigrad.ops.operation import Operation
from minigrad.ops.registry import REGISTRY
from minigrad.program.symbol import Body, Script, Symbol, with_globals
from minigrad.program.text import named, tidy
from minigrad.tensor import Tensor
from minigrad.views.steps import Step, Trace, traced


class Equation(NamedTuple):
    """One equation: on the left a name or a cotangent, on the right an expression."""

    unicode: str
    latex: str


class Notation(NamedTuple):
    """The names for the output of an operation, whose cotangent is g, and for its inputs; for several outputs, too."""

    output: str
    called: Mapping[str, str]
    outputs: Sequence[str] = ()


LETTERS = Notation("y", {})  # those of the rule itself


class Formula:
    """Equations, as text and as LaTeX.

    Attributes:
        lines: for each equation, ``unicode`` and ``latex``.
        unicode, latex: all of them; LaTeX in an ``aligned`` environment.
    """

    def __init__(self, lines: Sequence[Equation]) -> None:
        self.lines = list(lines)

    @property
    def unicode(self) -> str:
        return "\n".join(line.unicode for line in self.lines)

    @property
    def latex(self) -> str:
        body = " \\\\\n".join(line.latex.replace("=", "&=", 1) for line in self.lines)
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"

    def __repr__(self) -> str:
        return self.unicode

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"


def equations_of(subject: Any) -> list[Equation]:
    """The equations of an operation, its name, or a Function."""
    if isinstance(subject, type) and issubclass(subject, Function):
        return of_function(subject)
    operation = REGISTRY.get(subject) if isinstance(subject, str) else getattr(subject, "operation", subject)
    if not isinstance(operation, Operation):
        raise TypeError(f"formula takes an operation, its name, a Function or a Tensor, and got {subject!r}")
    return of_operation(operation)


# ---------------------------------------------------------------------------------------------------------- subjects
def of_operation(operation: Operation) -> list[Equation]:
    lines = [documented(operation.formula)]
    *shapes, result = re.findall(r"\(([^()]*)\)", operation.signature)  # a letter for each axis
    known = {f"{x}.ndim": shape.count(",") + 1 for x, shape in zip(operation.inputs, shapes, strict=False) if shape}
    known |= {f"{x}.ndim": result.count(",") + 1 for x in "gy" if result}
    if operation.composed:
        return [*lines, text("its rules are those of the operations that it is composed of")]
    for name, rule in zip(operation.inputs, islice(iter(operation.rules), len(operation.inputs)), strict=True):
        code = getattr(rule, "func", rule)  # of a variadic operation, d_xs bound to a position
        lines += rule_lines(code, name, operation.inputs, operation.defaults | known) if rule else [no_derivative(name)]
    return lines


def of_function(function: type[Function]) -> list[Equation]:
    names = list(inspect.signature(function.forward).parameters)[1:]
    return backward_lines(function, names, Notation("out" if "y" in names else "y", {}))


def of_tape(trace: Trace) -> list[Equation]:
    lines = []
    for node in trace.nodes:
        if node.op is not None:
            lines.append(text(f"{trace.name[node]} = {trace.call(node)}"))
    for step in trace.steps:
        lines += edge_equations(trace, step)
    return lines


def edge_equations(trace: Trace, step: Step) -> list[Equation]:
    """The rule of one edge of a tape, in the names of the tape; += where it adds to what came on other edges."""
    node = step.node
    called = dict(zip(input_names(node), trace.inputs(node), strict=True))
    outputs = []
    if node.op.student and (count := len(node.op.pieces)):
        parts = {n.op.i: trace.name[n] for n in trace.nodes if isinstance(n.op, Part) and n.op.whole is node.op}
        outputs = [parts.get(i, "0") for i in range(count)]
    notation = Notation(trace.name[node], called, outputs)
    first, *rest = edge_lines(node, step.position, notation)
    names = trace.name[step.input]
    sign = "=" if step.before is None else "+="
    unicode = f"{bar(names, UNICODE)} {sign} {first.unicode.partition(' = ')[2]}"
    return [Equation(unicode, f"{bar(names, LATEX)} {sign} {first.latex.partition(' = ')[2]}"), *rest]


def edge_lines(node: Tensor, position: int, notation: Notation) -> list[Equation]:
    """The lines of one rule, the one for the cotangent first."""
    name = input_names(node)[position]
    op: Any = node.op
    if op.student is not None:
        lines = backward_lines(op.student, input_names(node), notation._replace(called=unpacked(node, op, notation)))
        left = f"{bar(name, UNICODE)} = "
        found = [line for line in lines if line.unicode.startswith(left)]
        return found + [line for line in lines if line.unicode.startswith("where ")] if found else lines
    if isinstance(op, Part):
        return [among_zeros(op.piece, notation.output)]
    rule = op.rule_of(position)
    if rule is None:
        return [no_derivative(name)]
    known = dict(node.params)
    for x, v in [*zip(input_names(node), node.values, strict=True), ("y", node.array), ("g", node.array)]:
        known |= {x: None} if v is None else {f"{x}.{a}": getattr(np, a)(v) for a in ("ndim", "shape", "size")}
    which = position + 1 - len(op.inputs)
    return rule_lines(rule, name, input_names(node), known, which, notation)


def among_zeros(piece: Piece, name: str) -> Equation:
    """The rule for one output of several, whose cotangents lie in one row."""
    start, stop = piece.stretch.start, piece.stretch.stop
    unicode, latex = (f"{bar('outputs', d)} = {bar(name, d)}" for d in (UNICODE, LATEX))
    where = f" in entries {start} to {stop - 1}, 0 in the others" if stop > start else ", which is empty"
    return Equation(unicode + where, f"{latex} \\text{{{where}}}")


def no_derivative(name: str) -> Equation:
    return Equation(f"{bar(name, UNICODE)} = none", f"{bar(name, LATEX)} = \\text{{none}}")


def documented(formula: str) -> Equation:
    """The first line of an operation's docstring, which is written in mathematics already."""
    first = formula.splitlines()[0].replace(" * ", " · ") if formula else "y = …"
    return Equation(first, "y = \\text{" + escaped(first.split("= ", 1)[-1]) + "}")


def text(unicode: str) -> Equation:
    """A line of words, or of words on both sides of " = "."""
    left, equals, right = unicode.partition(" = ")
    latex = f"\\text{{{escaped(left)}}} = \\text{{{escaped(right)}}}" if equals else f"\\text{{{escaped(unicode)}}}"
    return Equation(unicode, latex)


def escaped(words: str) -> str:
    return "".join("\\" + c if c in "_&%#${}" else "\\textbackslash " if c == "\\" else c for c in words)


# -------------------------------------------------------------------------------------------------------- from source
@lru_cache(maxsize=512)
def definition(function: Any) -> ast.FunctionDef | None:
    """The syntax tree of a function without its docstring, not to be changed; None where Python has no source of it."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return None
    tree = next((n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)), None)
    if tree is not None and ast.get_docstring(tree) is not None:
        del tree.body[0]
    return tree


def rule_lines(
    rule: Any,
    name: str,
    inputs: Sequence[str],
    known: Mapping[str, Any],
    which: Any = None,
    notation: Notation = LETTERS,
) -> list[Equation]:
    """``x̄ = ...`` for an input, then what the rule names itself; its code where it asks what no letter can say.

    Args:
        which: for the rule of a variadic operation, the number of the input; it is its code if nobody knows.
    """
    left = bar(name, UNICODE), bar(name, LATEX)
    try:
        body = Letters(known).rule(rule, which, inputs)
    except Exception:
        tree = definition(rule)
        return [as_code(*left, tree.body) if tree else text(f"{left[0]} = code whose source is not there")]
    called, cotangent = {"y": notation.output, **notation.called}, {"g": notation.output}
    named = [(where(s.targets[0].id), s.value) for s in body.statements]  # type: ignore[attr-defined]
    return [equation(*of, right, cotangent, called) for of, right in [(left, body.result), *named]]


class Letters(Script):
    """A script of letters: what a rule computes, whatever the values.

    Args:
        known: values of static arguments, and of attributes of inputs, as "x.ndim": a branch on these is taken.
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__()
        self.known = known

    def rule(self, rule: Any, which: Any, inputs: Sequence[str]) -> Body:
        first, *_ = parameters = list(inspect.signature(rule).parameters.values())
        arguments = [self.letter(name) for name in ("g", "y", *inputs)]
        if first.name == "i":
            arguments = [operator.index(which), *arguments]
        params = {p.name: self.letter(p.name) for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.inputs = dict.fromkeys(["g", "y", *inputs, *params])
        return self.body(self.reading(rule)(*arguments, **params), longest=999)

    def letter(self, name: str) -> Any:
        value = self.known.get(name, UNKNOWN)
        return value if isinstance(value, bool | tuple | None) else Symbol(self, value, named(name), name)

    def reading(self, function: Any) -> Any:
        """`function`, calling what it calls by name where that is an operation, or more than an expression."""
        function = inspect.unwrap(function)
        ours = {n: partial(self.called, n, f) for n, f in function.__globals__.items() if type(f) is FunctionType}
        return with_globals(function, ours)

    def called(self, name: str, function: Any, *args: Any, **kwargs: Any) -> Any:
        """The expression that a helper computes of its arguments, if it is one; otherwise the call."""
        code, before = function.__code__, len(self.steps)
        if code.co_nlocals == code.co_argcount + code.co_kwonlyargcount and not hasattr(function, "operation"):
            with suppress(Exception):
                return self.reading(function)(*args, **kwargs)
            del self.steps[before:]
        return self.symbol(UNKNOWN, self.call(named(name), args, kwargs))

    def run(self, function: Any, args: Any, kwargs: Any) -> Any:
        values = self.bare([*args, *kwargs.values(), getattr(function, "__self__", None)])
        with np.errstate(all="ignore"):
            return (
                UNKNOWN if any(isinstance(x, Unknown) for x in leaves(values)) else super().run(function, args, kwargs)
            )

    def static(self, x: Symbol, name: str) -> Any:
        value = self.known.get(f"{x.name}.{name}", True if name == "size" else UNKNOWN)  # there are entries
        self.steps.append(Symbol(self, value, ast.Attribute(named(x.name), name, ast.Load()), f"_{len(self.steps)}"))
        return self.steps[-1]

    def truth(self, x: Symbol) -> bool:
        return super().truth(x) if isinstance(x.value, Unknown) else bool(x.value)


class Unknown(np.ndarray[Any, Any]):
    """A value that nobody knows."""


UNKNOWN = np.zeros((2, 2)).view(Unknown)


def straight_line(body: Sequence[ast.stmt]) -> tuple[list[tuple[str, ast.expr]], ast.expr] | None:
    """A body of assignments to names and one return, as (assignments, what is returned); None for any other."""
    *before, last = body or [ast.Pass()]
    assignments = []
    for s in before:
        if not (isinstance(s, ast.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], ast.Name | ast.Tuple)):
            return None
        assignments.append((ast.unparse(s.targets[0]).strip("()"), s.value))
    return (assignments, last.value) if isinstance(last, ast.Return) and last.value is not None else None


def as_code(left: str, left_latex: str, body: Sequence[ast.stmt]) -> Equation:
    """Branches and loops have no shorter notation."""
    code = " ".join("; ".join(ast.unparse(s) for s in body).split())
    return Equation(f"{left} = {{ {code} }}", f"{left_latex} = \\texttt{{{escaped(code)}}}")


def where(name: str) -> tuple[str, str]:
    """The left-hand side for a name that only the rule has."""
    return f"where {letter(name, UNICODE)}", f"\\text{{where }} {letter(name, LATEX)}"


def backward_lines(function: type[Function], names: Sequence[str], notation: Notation = LETTERS) -> list[Equation]:
    """The equations of a student's backward: one for each gradient it returns, then those of its local names."""
    tree, name = definition(function.backward), function.__name__
    if tree is None:
        return [text(f"{name}.backward = code whose source is not there")]
    ctx, *grads = (a.arg for a in tree.args.args)
    statements = [s for s in tree.body if not from_ctx(s, ctx)]
    straight = straight_line(statements)
    if straight is None:
        return [as_code(f"{name}.backward", f"\\text{{{escaped(name)}.backward}}", statements)]
    assignments, value = straight
    outputs = [f"{notation.output}{i}" for i in range(len(grads))] if len(grads) > 1 else [notation.output]
    cotangent = dict(zip(grads, notation.outputs or outputs, strict=False))
    lines, local = list[Equation](), []
    for target, part in assignments:
        local.append(equation(*where(target), part, cotangent, notation.called))
        cotangent.pop(target, None)  # from here on the name is another value's
    for x, part in zip(names, value.elts if isinstance(value, ast.Tuple) else [value]):  # noqa: B905 - see wrong_count
        absent = isinstance(part, ast.Constant) and part.value is None
        left = bar(x, UNICODE), bar(x, LATEX)
        lines.append(no_derivative(x) if absent else equation(*left, part, cotangent, notation.called))
    return lines + local


def unpacked(node: Tensor, application: Any, notation: Notation) -> dict[str, str]:
    """For the names under which a backward takes inputs or the output from ctx: what these are called on the tape."""
    tree = definition(application.student.backward)
    if tree is None:
        return {}
    inputs = zip(node.values, notation.called.values(), strict=True)
    known = {id(value): name for value, name in inputs}
    outputs = zip(results(application.result), notation.outputs or (notation.output,), strict=True)
    known |= {id(value): name for value, name in outputs}
    found = {}
    for statement in tree.body:
        if from_ctx(statement, tree.args.args[0].arg):
            assert isinstance(statement, ast.Assign)
            assert isinstance(statement.value, ast.Attribute)
            target, kept = statement.targets[0], getattr(application.ctx, statement.value.attr, None)
            several = isinstance(target, ast.Tuple) and isinstance(kept, tuple)
            pairs: Any = zip(target.elts, kept) if several else [(target, kept)]  # type: ignore[attr-defined,arg-type]  # noqa: B905
            for name, value in pairs:
                if id(value) in known:
                    found[ast.unparse(name)] = known[id(value)]
    return found


def from_ctx(statement: ast.stmt, ctx: str) -> bool:
    """``x, y = ctx.saved_tensors`` and ``n = ctx.n``: the names say it."""
    value = getattr(statement, "value", None)
    return (
        isinstance(statement, ast.Assign)
        and isinstance(value, ast.Attribute)
        and isinstance(value.value, ast.Name)
        and value.value.id == ctx
    )


# ------------------------------------------------------------------------------------------------------------ writing
UNICODE, LATEX = "unicode", "latex"
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "epsilon": "ε"}
SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
CHOICE, COMPARE, SUM, PRODUCT, SIGN, POWER, ATOM = range(7)  # how tightly an expression holds together
COMPARISONS = {ast.Gt: (">", ">"), ast.Lt: ("<", "<"), ast.Eq: ("=", "="), ast.NotEq: ("≠", "\\neq"),
               ast.GtE: ("≥", "\\geq"), ast.LtE: ("≤", "\\leq"), ast.Is: ("is", "\\text{is}"),
               ast.IsNot: ("is not", "\\text{is not}"), ast.In: ("∈", "\\in"), ast.NotIn: ("∉", "\\notin")}  # fmt: skip
FUNCTIONS = {"log": ("ln", "\\ln"), "sin": ("sin", "\\sin"), "cos": ("cos", "\\cos"), "exp": ("exp", "\\exp"),
             "sign": ("sign", "\\operatorname{sign}")}  # fmt: skip
TRANSPOSED = ("T", "mT")


def letter(name: str, dialect: str) -> str:
    """A name in mathematics."""
    if dialect == LATEX:
        plain = escaped(name)
        return f"\\{name}" if name in GREEK and name != "eps" else plain if len(name) == 1 else f"\\mathrm{{{plain}}}"
    return GREEK.get(name, name)


def bar(name: str, dialect: str) -> str:
    """The cotangent of `name`: ā, and for longer names a line over all of it."""
    if dialect == LATEX:
        return f"\\bar{{{name}}}" if len(name) == 1 else f"\\overline{{{letter(name, LATEX)}}}"
    over = name + "\u0304" if len(name) == 1 else "".join(c + "\u0305" for c in name)
    return unicodedata.normalize("NFC", over)


def equation(
    left: str, left_latex: str, right: ast.expr, cotangents: Mapping[str, str], called: Mapping[str, str]
) -> Equation:
    unicode, latex = (Writer(dialect, cotangents, called).write(right) for dialect in (UNICODE, LATEX))
    return Equation(f"{left} = {unicode}", f"{left_latex} = {latex}")


class Writer:
    """Writes a syntax tree as mathematics: `of` returns the text, and how tightly it holds together."""

    def __init__(self, dialect: str, cotangents: Mapping[str, str], called: Mapping[str, str]) -> None:
        self.latex = dialect == LATEX
        self.dialect, self.cotangents, self.called = dialect, cotangents, called

    def write(self, node: ast.expr, least: int = CHOICE) -> str:
        """In parentheses, if what surrounds it holds tighter than it does."""
        words, tight = self.of(node)
        return words if tight >= least else f"({words})"

    def of(self, node: ast.expr) -> tuple[str, int]:
        for known in type(node).__mro__:
            if method := getattr(self, known.__name__, None):
                found: tuple[str, int] = method(node)
                return found
        return self.code(node)

    def code(self, node: ast.expr) -> tuple[str, int]:
        words = ast.unparse(node)
        return (f"\\texttt{{{escaped(words)}}}" if self.latex else words), CHOICE

    def pick(self, unicode: str, latex: str) -> str:
        return latex if self.latex else unicode

    def Name(self, node: ast.Name) -> tuple[str, int]:
        if node.id in self.cotangents:
            return bar(self.cotangents[node.id], self.dialect), ATOM
        name = self.called.get(node.id, node.id)
        return letter(name, self.dialect), SUM if name.startswith("-") else ATOM

    def Constant(self, node: ast.Constant) -> tuple[str, int]:
        return repr(node.value).removesuffix(".0"), ATOM

    def UnaryOp(self, node: ast.UnaryOp) -> tuple[str, int]:
        if not isinstance(node.op, ast.USub):
            return self.code(node)
        return "-" + self.write(node.operand, PRODUCT), SIGN if isinstance(node.operand, ast.Constant) else PRODUCT

    def BinOp(self, node: ast.BinOp) -> tuple[str, int]:
        match node.op:
            case ast.Add():
                return f"{self.write(node.left, SUM)} + {self.write(node.right, SUM)}", SUM
            case ast.Sub():
                return f"{self.write(node.left, SUM)} - {self.write(node.right, PRODUCT)}", SUM
            case ast.Mult() if (
                isinstance(node.left, ast.Constant) and node.left.value == 1
            ):  # an empty product, times it
                return self.of(node.right)
            case ast.Mult() if isinstance(node.left, ast.Name) and ast.dump(node.left) == ast.dump(node.right):
                return self.power(node.left, "2")
            case ast.Mult():
                dot = self.pick("·", "\\cdot")
                return f"{self.write(node.left, PRODUCT)} {dot} {self.write(node.right, SIGN)}", PRODUCT
            case ast.MatMult():
                return f"{self.write(node.left, PRODUCT)} {self.write(node.right, SIGN)}", PRODUCT
            case ast.Div() if self.latex:
                return f"\\frac{{{self.write(node.left)}}}{{{self.write(node.right)}}}", ATOM
            case ast.Div():
                return f"{self.write(node.left, PRODUCT)} / {self.write(node.right, SIGN)}", PRODUCT
            case ast.Pow():
                return self.power(node.left, self.write(node.right))
        return self.code(node)

    def power(self, base: ast.expr, exponent: str) -> tuple[str, int]:
        if self.latex:
            return f"{self.write(base, ATOM)}^{{{exponent}}}", POWER
        whole = exponent.lstrip("-").isdecimal()
        raised = exponent.translate(SUPERSCRIPT) if whole else f"^({exponent})"
        return f"{self.write(base, ATOM)}{raised}", POWER

    def Compare(self, node: ast.Compare) -> tuple[str, int]:
        parts = [self.write(node.left, SUM)]
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts += [self.pick(*COMPARISONS[type(op)]), self.write(right, SUM)]
        return " ".join(parts), COMPARE

    def IfExp(self, node: ast.IfExp) -> tuple[str, int]:
        return self.choice(node.test, node.body, node.orelse)

    def choice(self, test: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        a, c, b = self.write(yes, COMPARE), self.write(test), self.write(no, CHOICE)
        cases = f"\\begin{{cases}} {a} & {c} \\\\ {b} & \\text{{otherwise}} \\end{{cases}}"
        return (cases, ATOM) if self.latex else (f"{a} if {c} else {b}", CHOICE)

    def BoolOp(self, node: ast.BoolOp) -> tuple[str, int]:
        word = " and " if isinstance(node.op, ast.And) else " or "
        joint = f"\\text{{{word}}}" if self.latex else word
        return joint.join(self.write(v, COMPARE) for v in node.values), CHOICE

    def Attribute(self, node: ast.Attribute) -> tuple[str, int]:
        if node.attr in TRANSPOSED:
            base = self.write(node.value, ATOM)
            return (f"{base}^{{\\mathsf T}}" if self.latex else f"{base}ᵀ"), POWER
        if node.attr in ("shape", "size", "ndim"):
            return self.named(node.attr, [node.value])
        return self.code(node)[0], ATOM

    def Tuple(self, node: ast.Tuple) -> tuple[str, int]:
        return "(" + ", ".join(self.write(v) for v in node.elts) + ")", ATOM

    def Subscript(self, node: ast.Subscript) -> tuple[str, int]:
        index = ast.unparse(node.slice)
        return f"{self.write(node.value, ATOM)}[{escaped(index) if self.latex else index}]", ATOM

    def Call(self, node: ast.Call) -> tuple[str, int]:
        if not isinstance(tidied := tidy(node), ast.Call):  # np.greater(a, b) is a > b
            return self.of(tidied)
        called = node.func
        if isinstance(called, ast.Attribute):
            if ast.unparse(called.value) in ("np", "np.linalg"):
                return self.numpy(called.attr, node)
            return self.method(called, node)
        return self.named(ast.unparse(called), node.args, node.keywords)

    def numpy(self, name: str, node: ast.Call) -> tuple[str, int]:
        args = node.args
        if name == "where":
            return self.choice(*args)
        if name == "sqrt":
            inside = self.write(args[0], CHOICE if self.latex else ATOM)
            return self.pick(f"√{inside}", f"\\sqrt{{{inside}}}"), POWER
        if name == "exp" and self.latex:
            return f"e^{{{self.write(args[0])}}}", POWER
        if name in ("absolute", "abs"):
            return self.pick("|", "\\lvert ") + self.write(args[0]) + self.pick("|", " \\rvert"), ATOM
        if name in FUNCTIONS:
            inside = self.write(args[0])
            atomic = self.of(args[0])[1] == ATOM and not inside.startswith("(")
            return f"{self.pick(*FUNCTIONS[name])}" + (f" {inside}" if atomic else f"({inside})"), SIGN
        return self.named(name, args, node.keywords)

    def method(self, called: ast.Attribute, node: ast.Call) -> tuple[str, int]:
        if called.attr == "sum":
            inside = self.write(called.value, PRODUCT)
            axis = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "axis"), None)
            if axis is None or (isinstance(axis, ast.Constant) and axis.value is None):
                return self.pick("Σ ", "\\sum ") + inside, PRODUCT
            over = self.write(axis)
            return self.pick(f"Σ[{over}] {inside}", f"\\sum_{{{over}}} {inside}"), PRODUCT
        return self.named(called.attr, [called.value, *node.args], node.keywords)

    def named(self, name: str, args: Sequence[ast.expr], keywords: Sequence[ast.keyword] = ()) -> tuple[str, int]:
        inside = [self.write(a) for a in args]
        inside += [f"{letter(k.arg or '**', self.dialect)}={self.write(k.value)}" for k in keywords]
        head = f"\\operatorname{{{escaped(name)}}}" if self.latex else name
        return f"{head}({', '.join(inside)})", ATOM


def formula(subject: Any) -> Formula:
    """The rules of an operation, of a Function or of a whole tape as mathematics, read from their source.

    ȳ is the cotangent of y, dL/dy. What the code calls g is written so, and what the rule for x returns is x̄.

    Args:
        subject: an operation (``minigrad.multiply``) or its name; a Function; or a Tensor: then each node of its tape
            under its own name, in the order of the forward and then of the backward.

    Returns:
        An object with `lines`, `unicode` and `latex`; Jupyter shows the mathematics.

    Raises:
        TypeError: for anything else.

    >>> formula("multiply")
    y = a · b
    ā = ȳ · b
    b̄ = ȳ · a
    >>> print(formula("tanh").lines[1].latex)
    \\bar{x} = \\bar{y} \\cdot (1 - y^{2})
    """
    return Formula(of_tape(traced(subject)) if type(subject) is Tensor else equations_of(subject))
