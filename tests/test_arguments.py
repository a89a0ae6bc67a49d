"""Every argument is obeyed or refused by its name: those of NumPy's functions and methods, and of torch's.

What is called derives from the registry, and with what from NumPy's and torch's own signatures: each parameter gets
values other than its default, by name and by position. The judge of a call that is not refused is the same call on
arrays, and its differences.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import minigrad
from minigrad import Tensor, gradients
from minigrad.engine.numerical import numerical_gradient
from minigrad.ops.registry import FROM_NUMPY, REGISTRY

P = inspect.Parameter
MASK = np.array([[True, False, True]] * 3)
INTEGERS = np.array([[0, 2, 1], [1, 1, 0], [2, 0, 2]])
REQUIRED = {  # what is no array of floats
    "axis": 0, "axis1": 0, "axis2": 1, "condition": MASK, "dtype": np.float32, "indices": INTEGERS,
    "a_min": 0.75, "a_max": 1.25, "pad_width": 1, "repeats": 2, "shift": 1, "shape": (3, 3), "normalized_shape": (3,),
}  # fmt: skip
OTHERS = {  # for each parameter values that are not its default
    "beta": [0.5], "log_target": [True], "margin": [0.5], "multi_margin_loss.p": [2], "triplet_margin_loss.p": [1.0],
    "running_mean": [np.ones(3)], "running_var": [np.full(3, 2.0)], "swap": [True], "use_input_stats": [False],
    "alpha": [0.5], "approximate": ["tanh"], "axes": [(1, 0), np.array([1, 0])], "axis": [0, -1, np.int64(1)],
    "casting": ["unsafe"], "constant_values": [2, (1, 2), ((1, 2), (3, 4))], "copy": [False], "correction": [1],
    "decimals": [1, np.int64(-1)], "nan": [1.0], "posinf": [2.0], "neginf": [-2.0], "max_val": [0.75],
    "min_val": [0.75], "ddof": [1, np.int64(2)], "delta": [0.5], "device": ["cpu"], "dim": [0], "dtype": [np.float32],
    "end_values": [1], "eps": [0.5], "ignore_index": [0], "initial": [2.0], "inplace": [True],
    "k": [1, np.int64(-1)], "keepdims": [True], "kind": ["stable"], "stable": [True],
    "label_smoothing": [0.1], "max": [1.0], "max_norm": [1.0], "mean": [np.ones((1, 1))], "min": [0.75],
    "mode": ["edge", "reflect", "symmetric", "wrap", "mean", "linear_ramp", "empty", "valid", "same"],
    "momentum": [0.5], "side": ["right"], "sorter": [np.arange(3)],
    "negative_slope": [0.5], "norm_type": [1.0], "optimize": [True], "ord": [2, 1, np.inf, "nuc"],
    "order": ["F", "A"], "out": [np.ones((3, 3))], "p": [0.0], "padding_idx": [0], "reduce": [False],
    "reduction": ["sum", "none"], "reflect_type": ["odd"], "scale_grad_by_freq": [True], "signature": ["dd->d"],
    "size_average": [False], "sparse": [True], "stat_length": [1], "subok": [True, False], "training": [False],
    "rcond": [1e-3], "rtol": [1e-3], "hermitian": [True],
    "where": [MASK], "weight": [np.full(3, 2.0)], "bias": [np.ones(3)], "pos_weight": [np.full(3, 2.0)],
}  # fmt: skip
REDUCING = ["initial", "keepdims", "where"]
HIDDEN = {  # what stands in **kwargs
    "clip": ["casting", "dtype", "where"], "einsum": ["casting", "dtype", "order"], "mean": ["keepdims", "where"],
    "pad": ["constant_values", "end_values", "reflect_type", "stat_length"], "std": ["keepdims", "mean", "where"],
    "var": ["keepdims", "mean", "where"], "sum": REDUCING, "prod": REDUCING, "max": REDUCING, "min": REDUCING,
}  # fmt: skip
CLASSES = np.array([0, 2, 1])
SHARES = np.linspace(0.1, 0.9, 9).reshape(3, 3)
SIGNS = np.where(INTEGERS == 1, 1.0, -1.0)
TWO_ARRAYS = (
    "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div", "binary_cross_entropy_with_logits",
)  # fmt: skip
STANDS = {  # the arguments that a function of torch needs, where they are not two arrays of one shape
    "cross_entropy": (1, [CLASSES]), "nll_loss": (1, [CLASSES]), "layer_norm": (1, [(3,)]),
    "batch_norm": (1, [np.ones(3), np.full(3, 2.0)]), "embedding": (0, [CLASSES, np.eye(3) + 1]),
    "group_norm": (1, [1]), "rms_norm": (1, [(3,)]), "multi_margin_loss": (1, [CLASSES]),
    "hinge_embedding_loss": (1, [SIGNS]), "soft_margin_loss": (1, [SIGNS]), "margin_ranking_loss": (2, [SIGNS]),
    "cosine_embedding_loss": (2, [SIGNS[0]]), "triplet_margin_loss": (3, []),
    "binary_cross_entropy": (0, [SHARES, SHARES.T]),
    "instance_norm": (0, [np.sin(np.arange(18.0)).reshape(3, 3, 2), np.ones(3), np.full(3, 2.0)]),
    **dict.fromkeys(TWO_ARRAYS, (2, [])),
}  # fmt: skip
MOVED = {
    "arcsin": -0.75,
    "arccos": -0.75,
    "arctanh": -0.75,
    "arccosh": 1.0,
    "erfinv": -0.75,
    "logit": -0.5,
    "ndtri": -0.5,
}  # into the domain
OF_MASKS = ("bitwise_and", "bitwise_or", "invert", "logical_and", "logical_or", "logical_not")


def needed(function):
    """The arguments without a default, by position."""
    name, found = function.__name__, []
    for i, p in enumerate(inspect.signature(function).parameters.values()):
        numbers = np.random.default_rng((7, i)).uniform(0.5, 1.5, (3, 3)) + MOVED.get(name, 0)
        if name == "einsum" and p.kind is p.VAR_POSITIONAL:
            found += ["ij,jk->ik", numbers, numbers.T.copy()]
        elif (
            name == "where"
            or p.name in ("a_min", "a_max")
            or (p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
        ):
            numbers = MASK if name in OF_MASKS else numbers
            found.append([numbers, numbers.T.copy()] if p.name == "arrays" else REQUIRED.get(p.name, numbers))
        elif p.kind is p.VAR_POSITIONAL and name == "reshape":
            found.append(-1)
    return found


def calls(function):
    """(parameter, value, args, kwargs): each way to give each parameter another value."""
    args, parameters = needed(function), list(inspect.signature(function).parameters.values())
    assert all(p.default is p.empty or p.name in OTHERS or i < len(args) for i, p in enumerate(parameters))
    for i, p in enumerate(parameters):
        if p.kind is p.VAR_KEYWORD:
            for name in HIDDEN[function.__name__]:
                for value in OTHERS[name]:
                    yield name, value, args, {name: value}
        elif p.default is not p.empty and p.name in OTHERS:
            for value in OTHERS[p.name]:
                yield p.name, value, args, {p.name: value}
                before = parameters[len(args) : i]
                if p.kind is not p.KEYWORD_ONLY and not any(q.kind is q.VAR_POSITIONAL for q in parameters[:i]):
                    yield p.name, value, [*args, *(q.default for q in before), value], {}


def lifted(value):
    if isinstance(value, list):
        return [lifted(part) for part in value]
    return Tensor(value, requires_grad=True) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def with_first(args, x):
    """The arguments with x for the first array."""
    at = next(i for i, a in enumerate(args) if isinstance(a, Tensor | np.ndarray | list))
    first = [x, *args[at][1:]] if isinstance(args[at], list) else x
    return [*args[:at], first, *args[at + 1 :]]


def first(args):
    found = next(a for a in args if isinstance(a, np.ndarray | list))
    return found[0] if isinstance(found, list) else found


def outcome(function, *args, **kwargs):
    """What comes out: a result and None, or None and an exception."""
    try:
        return function(*args, **kwargs), None
    except Exception as error:
        return None, error


# inv has an argument only, and np.size and its kin answer with Python numbers
NUMPYS = [(f.__name__, f, f) for f, wrapper in FROM_NUMPY.items() if hasattr(wrapper, "operation")]
METHODS = [
    (f"Tensor.{name}", getattr(np.ndarray, name), getattr(Tensor, name))
    for name in vars(Tensor)
    if not name.startswith("_") and hasattr(getattr(Tensor, name), "operation") and hasattr(np.ndarray, name)
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("function", "ours"), [pytest.param(*functions, id=label) for label, *functions in NUMPYS + METHODS]
)
def test_arguments_of_numpy_are_obeyed_or_refused(function, ours):
    for call in calls(function):
        assert_obeyed_or_refused(function, ours, *call)


def assert_obeyed_or_refused(function, ours, name, value, args, kwargs):
    count = len(needed(function))
    x = lifted(first(args))
    tensors = with_first([*map(lifted, args[:count]), *args[count:]], x)
    y, refusal = outcome(ours, *tensors, **kwargs)
    if refusal is not None:
        named = (type(refusal) is TypeError and name in str(refusal)) or f"{name}={value!r}" in str(refusal)
        _, theirs = outcome(function, *args, **kwargs)
        assert named or type(theirs) is type(refusal), f"{name} is not named: {refusal}"
        return
    want, theirs = outcome(function, *args, **kwargs)
    if theirs is not None:  # the signatures of ndarray.any and all have keepdims by position, which they do not take
        assert function in (np.ndarray.any, np.ndarray.all)
        return
    assert y.dtype == want.dtype, f"{name}={value!r}"
    np.testing.assert_allclose(y.data, want, 1e-12 if y.dtype != np.float32 else 1e-6, err_msg=f"{name}={value!r}")
    if type(y) is Tensor and y.requires_grad and y.dtype == np.float64:
        g = np.random.default_rng(3).normal(size=want.shape)
        (slope,) = gradients(y, x, gradient=g, allow_unused=True)
        slope = np.zeros(x.shape) if slope is None else slope.data
        right, error, _ = numerical_gradient(lambda x: function(*with_first(args, x), **kwargs), first(args), g[None])
        assert (abs(slope - right[0]) <= error[0] + 1e-9).all(), f"{name}={value!r}"


@pytest.mark.parametrize("operation", [o for o in REGISTRY.values() if not o.helper], ids=lambda o: o.name)
def test_no_function_swallows_a_keyword(operation):
    call, params = operation.function, operation.params[0]
    if function := next(iter(operation.numpy), None):
        args, params = [lifted(a) for a in needed(function)], {}
    elif operation.name in STANDS:
        arrays, args = STANDS[operation.name]
        args, params = [*[Tensor(np.ones((3, 3)))] * arrays, *args], {}
    else:
        args = [Tensor(np.ones((3, 3)))] * operation.required
    method = getattr(Tensor, operation.name, call)
    for called in [call, method if callable(method) else call, function or call]:
        with pytest.raises(TypeError, match="bogus"):
            called(*args, bogus=1, **params)


# ---------------------------------------------------------------------------------------------------- torch's names
def of_torch():
    for name in sorted(REGISTRY):
        function = getattr(F, name, None)
        if not inspect.isfunction(function) or name in ("pad", "tanh", "sigmoid") or "pool" in name:
            continue  # pad is NumPy's, and torch's pools do not say what they take
        arrays, more = STANDS.get(name, (1, []))
        args = [*(np.random.default_rng(i).uniform(0.5, 1.5, (3, 3)) for i in range(arrays)), *more]
        parameters = list(inspect.signature(function).parameters.values())
        for i, p in enumerate(parameters[len(args) :], len(args)):
            for value in () if p.name.startswith("_") else OTHERS.get(f"{name}.{p.name}", OTHERS[p.name]):
                by_name = {"rng": np.random.default_rng(0)} if name == "dropout" else {}
                yield pytest.param(name, p.name, args, by_name | {p.name: value}, id=f"{name}-{p.name}-{value}")
                between = [q.default for q in parameters[len(args) : i]]
                yield pytest.param(name, p.name, [*args, *between, value], by_name, id=f"{name}-{p.name}-{value}-{i}")


@pytest.mark.filterwarnings("ignore:size_average and reduce", "ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(("name", "parameter", "args", "kwargs"), [*of_torch()])
def test_arguments_of_torch_are_obeyed_or_refused(name, parameter, args, kwargs):
    by_position = parameter not in kwargs
    x, *others = args
    x = lifted(x)
    y, refusal = outcome(REGISTRY[name].function, x, *others, **kwargs)
    if refusal is not None:
        assert type(refusal) is TypeError
        assert by_position or parameter in str(refusal), f"{parameter} is not named: {refusal}"
        return

    def theirs(value):
        return torch.tensor(value) if isinstance(value, np.ndarray) else value

    twin = theirs(args[0]).requires_grad_(args[0].dtype.kind == "f")
    want = getattr(F, name)(twin, *map(theirs, others), **{k: theirs(v) for k, v in kwargs.items() if k != "rng"})
    np.testing.assert_allclose(y.data, want.detach().numpy(), rtol=1e-12, atol=1e-15)
    if y.requires_grad:
        g = np.random.default_rng(3).normal(size=y.shape)
        (slope,) = torch.autograd.grad(want, twin, torch.tensor(g))
        np.testing.assert_allclose(gradients(y, x, gradient=g)[0].data, slope.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("call", [lambda t: minigrad.sum(t, 0, np.float64), lambda t: t.sum(0, np.float64)])
def test_positions_are_numpys(call):
    assert call(Tensor(np.ones(2, np.float32))).dtype == np.float64
    with pytest.raises(
        TypeError, match=r"argmax\(x, axis=None, \*, keepdims=False\): out of np\.argmax is not supported"
    ):
        minigrad.argmax(Tensor([1.0]), 0, np.zeros(()))


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "var", "std", "any", "all"])
def test_a_mask_is_one_and_a_start_a_number(name):
    x, function = Tensor(np.ones((2, 3))), getattr(np, name)
    start = {"initial": 1.0} if name in ("sum", "prod", "max", "min") else {}
    with pytest.raises(TypeError, match=r"where= is a mask .* int64"):
        function(x, where=np.ones((2, 3), int), **start)
    if name in ("max", "min"):
        with pytest.raises(ValueError, match="where= needs initial="):
            function(x, where=x > 0)
    if start:
        with pytest.raises(ValueError, match=r"initial= is one number, and this has shape \(3,\)"):
            function(x, initial=np.ones(3))
        assert function(x[:0], initial=2.0).data == function(x.data[:0], initial=2.0)
