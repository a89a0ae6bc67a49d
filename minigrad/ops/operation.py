"""What an operation is: a forward, and a rule for each of its inputs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, count, islice
from types import NoneType
from typing import Any

import numpy as np

from minigrad.broadcasting import unbroadcast
from minigrad.engine.numeric import as_numeric, refuse_other_arrays
from minigrad.engine.op import Op
from minigrad.ops.calling import STATIC, Calling, in_order, static
from minigrad.tensor import Tensor

WEAK = frozenset({float, int, bool, np.float64, np.float32})  # enter an operation as they are
WIDE = frozenset(map(np.dtype, "fdgFDG"))  # from single precision on
DOUBLE = np.dtype("d")


class Operation(Op):
    """One row of the derivative table: a forward, and a rule for each of its array inputs.

    Attributes:
        name, formula: the block's name and docstring.
        forward: arrays to array.
        rules: for each input, ``d_x(g, y, *inputs, **params)``, or None where there is no derivative.
        defaults: the static (keyword-only) arguments that have a default.
        signature: the shapes in gufunc notation; "()" is elementwise.
        batched: whether axes before those of the signature broadcast.
        domain: for an input, the open interval it is defined and smooth on; bool for a mask; "k" for integers that
            index the axis k of the signature.
        params: static arguments worth trying, a list of dicts.
        composed: True for a function that is written with other operations (``compose`` instead of ``forward``): it has
            no rules of its own, only True where a derivative passes and None where not.
        helper: True for an operation that only rules call: on arrays it is its forward, as NumPy's functions are.
        wide: the kinds of numbers that it takes in a wider dtype: "e", half precision in single, rounded at the end;
            "biu", integers in double.
        plain: the types of inputs, beside arrays, that enter the forward as they are. Where several inputs meet
            entry by entry, Python's numbers do, as they have no dtype of their own there; elsewhere they are arrays.
        in_full: whether `public` is only for calls with more arguments than the forward has.
        function: what the user calls.
    """

    def __init__(self, block: Any) -> None:
        self.name: str = block.__name__
        self.formula: str = inspect.cleandoc(block.__doc__ or "")
        self.composed: bool = hasattr(block, "compose")
        self.forward: Callable[..., Any] = block.compose if self.composed else block.forward
        parameters = list(inspect.signature(self.forward).parameters.values())
        self.inputs = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)  # *xs: any number of inputs, one rule
        statics = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        self.statics = {p.name: p for p in statics}
        self.defaults = {p.name: p.default for p in statics if p.default is not p.empty}
        self.optional = () if self.variadic else tuple(p.default for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.most = sys.maxsize if self.variadic else len(self.inputs)
        self.required = len(self.inputs) - 1 if self.variadic else self.optional.count(inspect.Parameter.empty)
        self.numpy: list[Any] = getattr(block, "numpy", [getattr(np, self.name)] if hasattr(np, self.name) else [])
        words, renamed = getattr(block, "words", next(iter(self.numpy), None)), getattr(block, "renamed", {})
        self.in_full: bool = hasattr(block, "in_full")
        self.onto = getattr(block, "onto", None)
        self.public: Any = block.in_full if self.in_full else getattr(block, "public", None)
        if self.public:
            called = list(inspect.signature(self.public).parameters.values())[1:]
            arrays = [p for p in called if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in self.statics]
            self.calling = Calling(self.name, called, len(arrays), words, renamed)
            words = words if self.in_full else None
        named = parameters if self.variadic else in_order(parameters, len(self.inputs), words, renamed)
        self.call = Calling(self.name, named, len(self.inputs), words, renamed)
        self.positional = [p.name for p in named[len(self.inputs) :] if p.kind is p.POSITIONAL_OR_KEYWORD]
        # The number of inputs that need no binding; none if a static argument must be given.
        self.arity = len(self.inputs) if len(self.defaults) == len(statics) and not self.variadic else None
        self.rules: Iterable[Any] = [self.rule(block, name) for name in self.inputs]
        if self.variadic:
            self.rules = EachInput(*self.rules)
        self.has_constants = any(self.rule(block, name) is None for name in self.inputs)
        self.signature: str = getattr(block, "signature", ",".join(["()"] * len(self.inputs)) + "->()")
        meet = len(self.inputs) > 1 and not hasattr(block, "signature")
        self.plain = (WEAK if meet else frozenset()) | ({NoneType} if None in self.optional else set())
        self.wide: str = getattr(block, "wide", "")
        self.batched: bool = getattr(block, "batched", False)
        self.domain: dict[str, Any] = getattr(block, "domain", {})
        self.params: list[dict[str, Any]] = getattr(block, "params", [{}])
        self.helper: bool = getattr(block, "helper", False)
        self.function: Callable[..., Tensor]

    def rule(self, block: Any, name: str) -> Any:
        if self.composed:  # the rules are those of the operations it is made of
            return getattr(block, f"d_{name}", self.composed)
        if not hasattr(block, f"d_{name}"):
            raise TypeError(f"operation {self.name}: input {name!r} has no rule; write d_{name}, or d_{name} = None")
        return getattr(block, f"d_{name}")

    def bind(self, inputs: tuple[Any, ...], params: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort the arguments of a call into inputs and static arguments, defaults filled in."""
        taken, given, once = inputs, params, True
        if len(inputs) > self.most:
            taken, extra = inputs[: self.most], inputs[self.most :]
            given = dict(zip(self.positional, extra, strict=False)) | params
            once = len(given) == len(extra) + len(params)  # none too many, none twice
        for name, value in given.items():
            kind = type(value)
            if kind not in STATIC and (kind is not tuple or not STATIC.issuperset(map(type, value))):
                given[name] = self.static(name, value)
        found = self.defaults | given
        if len(taken) >= self.required and once and found.keys() == self.statics.keys():  # none missing, none unknown
            return taken + self.optional[len(taken) :], found
        if not self.call.fits(inputs, params):
            return self.bind(*self.call.translated(inputs, params))
        try:  # an input by its name, or a mistake
            bound = self.call.signature.bind(*inputs, **params)
        except TypeError:
            raise self.call.mistake(inputs, params) from None
        bound.apply_defaults()
        found = {k: self.static(k, v) for k, v in bound.arguments.items() if k not in self.inputs}
        return inputs if self.variadic else tuple(bound.arguments[name] for name in self.inputs), found

    def static(self, name: str, value: Any) -> Any:
        """A static argument as the tape keeps it. A tensor is none: no derivative would reach it."""
        refuse_other_arrays(value)
        if self.composed:  # it is none of this operation's
            return value
        if type(value) is Tensor and name in self.statics:
            raise TypeError(
                f"{self.name}: {name} is a static argument, a number or a tuple of numbers, and this is a tensor, to "
                "which no derivative would reach; .item() says that its history ends here"
            )
        return static(value)

    def widened(self, inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
        """The inputs in a dtype that is wide enough to compute in, and the one to round the result to, or None."""
        rules = list(zip(inputs, self.rules))  # noqa: B905 - a variadic operation has rules without end
        dtype = np.result_type(*[operand(x).dtype for x, rule in rules if rule and x is not None])
        if dtype.kind not in self.wide and dtype.char not in self.wide:
            return inputs, None
        wide = np.float32 if dtype.char == "e" else np.float64
        found = tuple([operand(x).astype(wide) if rule and x is not None else x for x, rule in rules])
        return found, dtype if dtype.char == "e" else None

    def constant(self, x: Any, position: int) -> Any:
        """An input that is neither a Tensor nor a plain array or number."""
        try:
            return as_numeric(x)
        except TypeError as error:
            raise TypeError(f"{self.name}: input {position} ({self.input_name(position)}): {error}") from None

    def input_name(self, position: int) -> str:
        """The name of an input; of a variadic operation ``xs[0]``, ``xs[1]``, ..."""
        last = len(self.inputs) - 1
        in_last = self.variadic and position >= last
        return f"{self.inputs[last]}[{position - last}]" if in_last else self.inputs[position]

    def partials(
        self, node: Tensor, wanted: Callable[[Tensor], bool], g: Any, y: Any, inputs: Sequence[Any]
    ) -> Sequence[Any]:
        """The cotangents of the inputs of `node`, given its own, `g`; None for those not `wanted`."""
        found: list[Any] = []
        arguments, params = (g, y, *inputs), node.params
        for x, rule in zip(node.inputs, self.rules):  # noqa: B905 - a variadic operation has rules without end
            if not rule or type(x) is not Tensor or not wanted(x):
                found.append(None)
            else:  # Python makes a dict for each **, also of nothing, which costs half a small addition
                found.append(rule(*arguments, **params) if params else rule(*arguments))
        return found

    def fit(self, g: Any, node: Tensor, i: int) -> Any:
        """Undo on the way to input i what NumPy did on the way here: broadcasting, and promotion to a wider dtype."""
        x = node.inputs[i].array
        if g.dtype.char in "eFDG":
            if g.dtype.kind == "c":
                raise TypeError(f"{self.name}: the cotangent of input {i} ({x.dtype}) is complex, not real")
            g = g.astype(np.float32)  # the sum of thousands is none in half precision
        g = unbroadcast(g, x.shape)
        return g if g.dtype is x.dtype else g.astype(x.dtype)

    def input_names(self, count: int) -> list[str]:
        *named, each = self.inputs
        return [*named, *(f"{each}{i}" for i in range(count - len(named)))] if self.variadic else self.inputs

    def rule_of(self, position: int) -> Callable[..., Any] | None:
        rule = next(islice(iter(self.rules), position, None), None)
        return getattr(rule, "func", rule) or None  # of a variadic operation, d_xs bound to a position

    @property
    def code(self) -> Callable[..., Any]:
        return self.forward

    def __repr__(self) -> str:
        return f"<operation {self.name}: {self.formula.splitlines()[0] if self.formula else ''}>"


class EachInput:
    """The rules of a variadic operation: those of its named inputs, then ``d_xs(i, g, y, *xs)`` for i = 0, 1, ..."""

    def __init__(self, *rules: Any) -> None:
        *self.named, self.each = rules

    def __iter__(self) -> Iterator[Any]:
        return chain(self.named, (callable(self.each) and partial(self.each, i) for i in count()))


def narrow(x: Any) -> bool:
    """Whether x has no dtype to compute sums in: neither single nor double precision."""
    return (x.array if type(x) is Tensor else operand(x)).dtype not in WIDE


def lifted(x: Any) -> Any:
    """`x` as composed operations get it."""
    return x if type(x) is Tensor or x is None else Tensor(x)


def operand(x: Any) -> Any:
    """`x` as something with a shape: lists and numbers become arrays."""
    return x if type(x) is Tensor or type(x) is np.ndarray else as_numeric(x)
