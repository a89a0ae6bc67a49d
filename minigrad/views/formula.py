"""The rule as mathematics, read from the rule's own source: what is printed cannot drift from what is computed.

A rule is one line of NumPy. It is simplified as a syntax tree that still runs (`simplified`: helpers of one line put in
place, branches on static arguments taken), and then written in the field's notation by `Writer`: g is ȳ, the cotangent
of y, and x̄ is what the rule returns, the cotangent of x. What has no shorter notation stays as it is in the code.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.names import input_names
from minigrad.function import Function
from minigrad.ops.operation import Operation
from minigrad.ops.registry import REGISTRY
from minigrad.tensor import Tensor
from minigrad.views.steps import Step, Trace, traced


class Equation(NamedTuple):
    """One equation: on the left a name or a cotangent, on the right an expression."""

    unicode: str
    latex: str


class Notation(NamedTuple):
    """The names for the output of an operation, whose cotangent is g, and for its inputs."""

    output: str
    called: Mapping[str, str]


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
    if operation.composed:
        return [*lines, text("its rules are those of the operations that it is composed of")]
    for name, rule in zip(operation.inputs, islice(iter(operation.rules), len(operation.inputs)), strict=True):
        lines += rule_lines(getattr(rule, "func", rule), name, operation.defaults) if rule else [no_derivative(name)]
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
    notation = Notation(trace.name[node], called)
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
    rule = op.rule_of(position)
    if rule is None:
        return [no_derivative(name)]
    known = dict(node.params)
    known |= {f"{x}.ndim": np.ndim(v) for x, v in zip(input_names(node), node.values, strict=True)}
    if op.variadic and position >= len(op.inputs) - 1:
        name = op.inputs[-1]
    return rule_lines(rule, name, known, notation)


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
    """The syntax tree of a function, not to be changed; None where Python has no source of it."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return None
    tree = ast.parse(source)
    return next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)), None)


def body_of(tree: ast.FunctionDef) -> list[ast.stmt]:
    first = tree.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return tree.body[1:] if documented else tree.body


def expression_of(function: Any) -> ast.expr | None:
    """The expression that a function of one statement returns."""
    tree = definition(function)
    body = body_of(tree) if tree else []
    return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None


def rule_lines(rule: Any, name: str, known: Mapping[str, Any], notation: Notation = LETTERS) -> list[Equation]:
    """``x̄ = ...``, then the rule's own local names, if it has some; its code where it has branches or loops."""
    tree = definition(rule)
    if tree is None:
        return [text(f"{bar(name, UNICODE)} = code whose source is not there")]
    straight = straight_line(body_of(tree))
    if straight is None:
        return [as_code(bar(name, UNICODE), bar(name, LATEX), body_of(tree))]
    assignments, value = straight
    spaces, cotangent = inspect.unwrap(rule).__globals__, {"g": notation.output}
    called = {"y": notation.output, **notation.called}
    lines = [equation(bar(name, UNICODE), bar(name, LATEX), simplified(value, spaces, known), cotangent, called)]
    for target, value in assignments:
        lines.append(equation(*where(target), simplified(value, spaces, known), cotangent, called))
    return lines


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
    ctx, grad = (a.arg for a in tree.args.args[:2])
    statements = [s for s in body_of(tree) if not from_ctx(s, ctx)]
    straight = straight_line(statements)
    if straight is None:
        return [as_code(f"{name}.backward", f"\\text{{{escaped(name)}.backward}}", statements)]
    assignments, value = straight
    cotangent = {grad: notation.output}
    lines = []
    for x, part in zip(names, value.elts if isinstance(value, ast.Tuple) else [value]):  # noqa: B905 - see wrong_count
        absent = isinstance(part, ast.Constant) and part.value is None
        left = bar(x, UNICODE), bar(x, LATEX)
        lines.append(no_derivative(x) if absent else equation(*left, part, cotangent, notation.called))
    return lines + [equation(*where(target), part, cotangent, notation.called) for target, part in assignments]


def unpacked(node: Tensor, application: Any, notation: Notation) -> dict[str, str]:
    """For the names under which a backward takes inputs or the output from ctx: what these are called on the tape."""
    tree = definition(application.student.backward)
    if tree is None:
        return {}
    inputs = zip(node.values, notation.called.values(), strict=True)
    known = {id(value): name for value, name in inputs} | {id(application.result): notation.output}
    found = {}
    for statement in body_of(tree):
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


def simplified(expression: ast.expr, names: Mapping[str, Any], known: Mapping[str, Any]) -> ast.expr:
    """The same expression, with one-line helpers put in place and with the branches taken that are `known`.

    Args:
        names: the global names of the function that it comes from.
        known: values of static arguments, and of attributes of inputs, as "x.ndim".
    """
    tree = Inliner(names, known).visit(copy.deepcopy(expression))
    return ast.fix_missing_locations(tree)  # type: ignore[no-any-return]


class Inliner(ast.NodeTransformer):
    """Rewrites an expression into one of the same value."""

    def __init__(self, names: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        self.names, self.known = names, known

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        helper = self.names.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if type(helper) is not FunctionType or hasattr(helper, "operation") or hasattr(helper, "__wrapped__"):
            return node
        result = expression_of(helper)
        if result is None:
            return node
        try:
            bound = inspect.signature(helper).bind(*node.args, **{k.arg: k.value for k in node.keywords if k.arg})
        except TypeError:
            return node
        inner = Substitution(bound.arguments).visit(copy.deepcopy(result))
        return Inliner({**self.names, **helper.__globals__}, self.known).visit(inner)  # type: ignore[no-any-return]

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        try:
            return self.visit(node.body if self.value(node.test) else node.orelse)  # type: ignore[no-any-return]
        except LookupError:
            return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """``axes and f(axes)``, where axes is known."""
        first, *rest = node.values
        try:
            decided = bool(self.value(first)) == isinstance(node.op, ast.Or)
        except LookupError:
            return self.generic_visit(node)
        if decided or not rest:
            return self.visit(first)  # type: ignore[no-any-return]
        return self.visit(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))  # type: ignore[no-any-return]

    def value(self, node: ast.expr) -> Any:
        """The value of an expression of static arguments; LookupError where it needs something else."""
        if isinstance(node, ast.BoolOp):  # left to right, as far as it takes
            for operand in node.values:
                result = self.value(operand)
                if bool(result) == isinstance(node.op, ast.Or):
                    break
            return result
        constants = Constants(self.known).visit(copy.deepcopy(node))
        for part in ast.walk(constants):
            if isinstance(part, ast.Name) and part.id not in self.known and not hasattr(builtins, part.id):
                raise LookupError(part.id)
            if isinstance(part, ast.Call) and ast.unparse(part.func) != "type":
                raise LookupError(ast.unparse(part))
        code = compile(ast.fix_missing_locations(ast.Expression(constants)), "rule", "eval")
        return eval(code, {}, dict(self.known))


class Constants(ast.NodeTransformer):
    """``x.ndim`` as the number that it is; KeyError where that is not known."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = known

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Constant(self.known[ast.unparse(node)])


class Substitution(ast.NodeTransformer):
    """Arguments in the place of parameters."""

    def __init__(self, arguments: Mapping[str, ast.expr]) -> None:
        self.arguments = arguments

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return copy.deepcopy(self.arguments.get(node.id, node))


# ------------------------------------------------------------------------------------------------------------ writing
UNICODE, LATEX = "unicode", "latex"
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "epsilon": "ε"}
SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
CHOICE, COMPARE, SUM, PRODUCT, SIGN, POWER, ATOM = range(7)  # how tightly an expression holds together
COMPARISONS = {"greater": (">", ">"), "less": ("<", "<"), "equal": ("=", "="), "not_equal": ("≠", "\\neq"),
               "greater_equal": ("≥", "\\geq"), "less_equal": ("≤", "\\leq")}  # fmt: skip
SYMBOLS = {ast.Gt: ">", ast.Lt: "<", ast.Eq: "=", ast.NotEq: "≠", ast.GtE: "≥", ast.LtE: "≤", ast.Is: "is",
           ast.IsNot: "is not", ast.In: "∈", ast.NotIn: "∉"}  # fmt: skip
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
            parts += [SYMBOLS[type(op)], self.write(right, SUM)]
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
        called = node.func
        if isinstance(called, ast.Attribute):
            if ast.unparse(called.value) in ("np", "np.linalg"):
                return self.numpy(called.attr, node)
            return self.method(called, node)
        return self.named(ast.unparse(called), node.args, node.keywords)

    def numpy(self, name: str, node: ast.Call) -> tuple[str, int]:
        args = node.args
        if name in COMPARISONS:
            return f"{self.write(args[0], SUM)} {self.pick(*COMPARISONS[name])} {self.write(args[1], SUM)}", COMPARE
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
