"""PyTorch as the judge.

The reference is always computed in float64, also where minigrad worked in float32: every input of a test is exact in
both. What minigrad returns may differ from it by ``k * unit * magnitude``, where `unit` is the rounding unit of its
dtype and the magnitude is how far the exact result could move if every number that enters it moved by its own size::

    |f(a)| + Σ |∂f/∂a_j| |a_j|

For sums and products that is the operation evaluated on absolute values. It is large where digits cancel and small
where they do not, entry by entry, so there is no absolute tolerance behind which a small gradient could be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from strategies import Call

from minigrad import Tensor, gradients, tape

K = 16  # roundings allowed on the way to one result
TIGHT = 4  # within so many units of the result itself there is nothing to explain, and no magnitude to compute

# The mean of no entries is nan here and in torch; NumPy adds a word about it.
MEAN_OF_NOTHING = pytest.mark.filterwarnings(
    "ignore:Mean of empty slice:RuntimeWarning",
    "ignore:invalid value encountered in (scalar )?divide:RuntimeWarning",
)

Reference = Callable[..., tuple[torch.Tensor, ...]]

# ------------------------------------------------------------------------------------- the operation in torch's words
DTYPES = {np.float32: torch.float32, np.float64: torch.float64}

COUNTERPARTS: dict[str, Callable[..., torch.Tensor]] = {
    "astype": lambda x, dtype: x.to(DTYPES[dtype]),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "equal": torch.eq,  # torch.equal compares whole tensors
    "expand_dims": lambda x, axis: torch.unsqueeze(x, axis),
    "linear": lambda x, W, b: x @ W if b is None else x @ W + b,  # torch keeps W transposed
    "matrix_transpose": lambda x: x.mT,
    "power": torch.pow,
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, axes=None: x.permute(axes or tuple(reversed(range(x.ndim)))),
}
# Where torch is right to first order only, an expression of the same meaning judges the second.
SECOND_ORDER: dict[str, Callable[..., torch.Tensor]] = {
    "power": lambda a, b: torch.exp(b * torch.log(a)),  # torch.pow: d2/dadb is 0 at b = 0, where it is 1/a
}
WITHOUT_COUNTERPART: dict[str, str] = {}  # name of an operation: why torch has nothing like it
RENAMED = {"axis": "dim", "keepdims": "keepdim"}


def counterpart(name: str) -> Callable[..., torch.Tensor]:
    """The torch function of that meaning, called with minigrad's parameter names."""
    if name in COUNTERPARTS:
        return COUNTERPARTS[name]
    for module in (torch, torch.nn.functional, torch.special, torch.linalg):
        if function := getattr(module, name, None):
            return lambda *inputs, **params: function(*inputs, **{RENAMED.get(k, k): v for k, v in params.items()})
    raise LookupError(
        f"no torch function is called {name}: enter its counterpart in COUNTERPARTS, or the reason why there is none "
        "in WITHOUT_COUNTERPART"
    )


def exact(array: Any, requires_grad: bool = False) -> Any:
    """An array as a torch tensor of its own memory: floats in float64, the rest as it is."""
    if array is None:
        return None
    dtype = np.float64 if array.dtype.kind == "f" else array.dtype
    return torch.from_numpy(np.array(array, dtype, order="C")).requires_grad_(requires_grad)


# ---------------------------------------------------------------------------------------------------------- comparison
def pullback(f: Reference) -> Callable[..., tuple[torch.Tensor, ...]]:
    """(cotangents, arguments) -> the cotangents of the arguments, differentiable in all of them; zero where unused."""

    def pulled(cotangents: Sequence[torch.Tensor], arguments: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        pairs = [(y, g) for y, g in zip(f(*arguments), cotangents, strict=True) if y.requires_grad]
        if not pairs:
            return tuple(torch.zeros_like(a) for a in arguments)
        outputs, weights = zip(*pairs, strict=True)
        return torch.autograd.grad(outputs, arguments, weights, create_graph=True, materialize_grads=True)

    return pulled


def magnitude(want: torch.Tensor, arguments: Sequence[torch.Tensor]) -> np.ndarray:
    """|want| + Σ |∂want/∂a| |a|, entry by entry. An argument that is 0 has no size to move by."""
    sizes = want.detach().abs().reshape(-1).clone()
    for j, entry in enumerate(want.reshape(-1)):
        if entry.requires_grad:
            rows = torch.autograd.grad(entry, arguments, retain_graph=True, materialize_grads=True)
            for row, a in zip(rows, arguments, strict=True):
                sizes[j] += torch.where(a == 0, 0.0, row * a).abs().sum().detach()
    return sizes.reshape(want.shape).numpy()


def assert_agrees(
    got: Any, want: torch.Tensor, arguments: Sequence[torch.Tensor], unit: float, what: str, k: float = K
) -> None:
    """`got` is `want`, a function of `arguments`, up to the roundings that its dtype cannot avoid."""
    got, exactly = np.asarray(got), want.detach().numpy()
    assert got.shape == exactly.shape, f"{what}: shape {got.shape}, torch has {exactly.shape}"
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, exactly, what)
        return
    with np.errstate(invalid="ignore"):  # inf - inf, which compares as equal below
        error = np.abs(got.astype(np.float64) - exactly)
    agrees = (got == exactly) | (np.isnan(got) & np.isnan(exactly)) | (error <= TIGHT * unit * np.abs(exactly))
    if agrees.all():
        return
    allowed = k * unit * magnitude(want, arguments)
    agrees |= error <= allowed
    if not agrees.all():
        at = tuple(int(i) for i in np.argwhere(~agrees)[0])
        raise AssertionError(
            f"{what}{list(at)}: got {got[at]!r}, torch says {exactly[at]!r}; off by {error[at]:.3g}, "
            f"allowed {allowed[at]:.3g}; ratio {got[at] / exactly[at] if exactly[at] else np.inf}"
        )


# --------------------------------------------------------------------------------------------- an operation under test
def tensors(call: Call) -> tuple[Any, ...]:
    """The inputs as minigrad takes them: leaves, constant Tensors or bare arrays."""
    wrapped = call.wrapped or not call.leaves
    return tuple(
        a if a is None or not (wrapped or i in call.leaves) else Tensor(a, requires_grad=i in call.leaves)
        for i, a in enumerate(call.inputs)
    )


def reference(function: Callable[..., torch.Tensor], call: Call) -> tuple[Reference, list[torch.Tensor]]:
    """The torch function as a function of the leaves only, and the leaves."""
    given = [exact(a, i in call.leaves) for i, a in enumerate(call.inputs)]

    def f(*leaves: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs = list(given)
        for i, leaf in zip(call.leaves, leaves, strict=True):
            inputs[i] = leaf
        return (function(*inputs, **call.params),)

    return f, [given[i] for i in call.leaves]


def refuses_emptiness(operation: Any, call: Call) -> bool:
    """Whether the operation has an error for inputs without entries. Then torch has no number for them, either."""
    if all(a is None or a.size for a in call.inputs):
        return False
    try:
        operation.function(*call.inputs, **call.params)
        return False
    except ValueError:
        pass
    f, leaves = reference(counterpart(operation.name), call)
    try:
        (want,) = f(*leaves)
    except (RuntimeError, IndexError):
        return True
    assert want.numel() > 0, f"{operation.name} refuses what torch answers with {want}"
    assert want.isnan().all(), f"{operation.name} refuses what torch answers with {want}"
    return True


def assert_first_order(operation: Any, call: Call) -> None:
    """Value and gradients equal torch's, in the inputs' shapes and dtypes; nothing is written into, nothing shared."""
    if refuses_emptiness(operation, call):
        return
    before = [None if a is None else a.copy() for a in call.inputs]
    inputs = tensors(call)
    y = operation.function(*inputs, **call.params)
    f, leaves = reference(counterpart(operation.name), call)
    (want,) = f(*leaves)
    unit = max(call.unit, np.finfo(y.dtype).eps) if y.dtype.kind == "f" else 0.0
    assert_agrees(y.data, want, leaves, unit, "y")
    assert_dtype(operation, call, y.dtype)
    assert y.requires_grad == want.requires_grad
    if not y.requires_grad:
        return

    g = call.cotangent(y.shape, y.dtype)
    given = g.copy()
    weight = exact(g, requires_grad=True)
    wanted = pullback(f)([weight], leaves)
    y.backward(g)
    found = [inputs[i].grad for i in call.leaves]
    retained, *again = gradients(y, [y, *(inputs[i] for i in call.leaves)], gradient=g)
    for i, x_grad, same, x_want in zip(call.leaves, found, again, wanted, strict=True):
        name, x = f"gradient of input {i}", call.inputs[i]
        assert x is not None
        assert x_grad is not None, f"{name} is None"
        assert x_grad.dtype == x.dtype, f"{name}: dtype {x_grad.dtype} for an input of {x.dtype}"
        assert_agrees(x_grad, x_want, [weight, *leaves], unit, name)
        np.testing.assert_array_equal(same.data, x_grad, "gradients() and backward() differ")
    np.testing.assert_array_equal(retained.data, given, "the cotangent was written into on its way")

    np.testing.assert_array_equal(g, given, "the caller's cotangent was written into")
    for a, b in zip(call.inputs, before, strict=True):
        np.testing.assert_array_equal(a, b, "an input was written into")
    assert_owned([*found, retained.data, *(t.data for t in again)], [*call.inputs, g, y.data])


def assert_dtype(operation: Any, call: Call, got: np.dtype[Any]) -> None:
    """Inputs of one dtype give torch's result dtype. (For several, NumPy and torch have each their own rules.)"""
    if len({a.dtype for a in call.inputs if a is not None and a.dtype.kind == "f"}) <= 1:
        own = [None if a is None else torch.from_numpy(np.array(a, order="C")) for a in call.inputs]
        want = counterpart(operation.name)(*own, **call.params).dtype
        assert str(want) == f"torch.{got}", f"{operation.name}: result dtype {got}, torch has {want}"


def assert_owned(grads: Sequence[np.ndarray], others: Sequence[Any]) -> None:
    """Every gradient is writable memory of its own."""
    for i, grad in enumerate(grads):
        assert type(grad) is np.ndarray
        assert grad.flags.owndata, f"gradient {i} is a view"
        assert grad.flags.writeable, f"gradient {i} cannot be written"
        for other in [*grads[:i], *others]:
            assert other is None or not np.shares_memory(grad, other), f"gradient {i} shares its memory"


def assert_second_order(operation: Any, call: Call) -> None:
    """A recorded sweep gives the same gradients, and their derivatives to inputs and cotangent equal torch's."""
    if refuses_emptiness(operation, call):
        return
    inputs = tensors(call)
    y = operation.function(*inputs, **call.params)
    if not y.requires_grad:
        return
    xs = [inputs[i] for i in call.leaves]
    g = Tensor(call.cotangent(y.shape, y.dtype), requires_grad=True)
    found = gradients(y, xs, create_graph=True, gradient=g)
    plain = gradients(y, xs, gradient=g)
    unit = max(call.unit, np.finfo(y.dtype).eps)

    f, leaves = reference(SECOND_ORDER.get(operation.name) or counterpart(operation.name), call)
    weight = exact(g.data, requires_grad=True)
    wanted = pullback(f)([weight], leaves)
    for i, recorded, unrecorded, want in zip(call.leaves, found, plain, wanted, strict=True):
        assert_agrees(recorded.data, want, [weight, *leaves], unit, f"recorded gradient of input {i}")
        np.testing.assert_array_equal(recorded.data, unrecorded.data, "recorded and unrecorded sweep differ")

    directions = [call.cotangent(x.shape, x.dtype, stream) for stream, x in enumerate(xs, 1)]
    total = sum((d * u).sum() for d, u in zip(found, directions, strict=True))
    second = gradients(total, [g, *xs], allow_unused=True)
    weights = [exact(u, requires_grad=True) for u in directions]
    want_second = pullback(lambda weight, *leaves: pullback(f)([weight], leaves))(weights, [weight, *leaves])
    names = ["cotangent", *(f"input {i}" for i in call.leaves)]
    for name, x, got, want in zip(names, [g, *xs], second, want_second, strict=True):
        value = np.zeros(x.shape, x.dtype) if got is None else got.data
        assert value.dtype == x.dtype
        assert_agrees(value, want, [*weights, weight, *leaves], unit, f"second derivative to {name}")


def assert_rules_run_on_tensors(operation: Any, call: Call) -> None:
    """Every rule, called by itself: Tensors in, a Tensor out; locked arrays in, the same numbers out."""
    if refuses_emptiness(operation, call):
        return
    for node in tape(operation.function(*tensors(call), **call.params)):
        if node.op is None or node.dtype.kind != "f":
            continue
        values = [locked(a) if isinstance(a, np.ndarray) else a for a in node.values]
        lifted = [Tensor(a, a.dtype.kind == "f") if isinstance(a, np.ndarray) else a for a in values]
        y, g = locked(node.data), locked(call.cotangent(node.shape, node.dtype))
        for i, (x, rule) in enumerate(zip(node.inputs, node.op.rules, strict=False)):
            if rule and isinstance(x, Tensor):
                on_arrays = rule(g, y, *values, **node.params)
                on_tensors = rule(Tensor(g, requires_grad=True), Tensor(y, requires_grad=True), *lifted, **node.params)
                name = f"{node.op.name}, rule of input {i}"
                assert type(on_tensors) is Tensor, f"{name}: Tensors in, {type(on_tensors).__name__} out"
                assert on_tensors.requires_grad, f"{name}: the derivative to the cotangent is lost"
                np.testing.assert_array_equal(on_arrays, on_tensors.data, name)


def locked(array: Any) -> np.ndarray:
    copy = np.array(array)
    copy.flags.writeable = False
    return copy
