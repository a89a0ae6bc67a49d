"""Modules beside torch's: names, values, gradients, first values, states that go there and back; and what they say."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import minigrad
from minigrad import Tensor, gradcheck, nn, no_grad

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(3)
NUMBERS = {
    "rows": RNG.normal(size=(5, 6)),
    "sequences": RNG.normal(size=(5, 3, 6)),
    "vector": RNG.normal(size=6),
    "channels": RNG.normal(size=(5, 3, 4)),
    "images": RNG.normal(size=(4, 3, 6, 6)),
    "indices": RNG.integers(0, 7, (4, 3)),
    "image": RNG.normal(size=(3, 6, 6)),
    "long": RNG.normal(size=(2, 3, 9)),
    "deep": RNG.normal(size=(2, 4, 5, 6)),
}
# (constructor call, input); `n` is either library's nn, `k` says which dtype
LAYERS = {
    "Linear": (lambda n, **k: n.Linear(6, 4, **k), "rows"),
    "Linear without bias": (lambda n, **k: n.Linear(6, 4, bias=False, **k), "rows"),
    "Linear of sequences": (lambda n, **k: n.Linear(6, 4, **k), "sequences"),
    "Linear of a vector": (lambda n, **k: n.Linear(6, 4, **k), "vector"),
    "Conv2d": (lambda n, **k: n.Conv2d(3, 5, 3, **k), "images"),
    "Conv2d with all": (lambda n, **k: n.Conv2d(3, 5, (2, 3), stride=2, padding=(1, 0), bias=False, **k), "images"),
    "Conv2d in groups": (lambda n, **k: n.Conv2d(4, 6, 3, 1, "same", 2, 2, **k), "deep"),
    "Conv2d of an image": (lambda n, **k: n.Conv2d(3, 2, 2, **k), "image"),
    "Conv1d": (lambda n, **k: n.Conv1d(3, 6, 3, 2, 1, 2, 3, False, **k), "long"),
    "ConvTranspose1d": (lambda n, **k: n.ConvTranspose1d(3, 2, 4, 3, 1, 2, **k), "long"),
    "ConvTranspose2d": (lambda n, **k: n.ConvTranspose2d(4, 6, (3, 2), 2, 1, (1, 0), 2, True, 2, **k), "deep"),
    "RMSNorm": (lambda n, **k: n.RMSNorm(6, **k), "sequences"),
    "RMSNorm plain": (lambda n, **k: n.RMSNorm((3, 6), 0.1, elementwise_affine=False, **k), "sequences"),
    "GroupNorm": (lambda n, **k: n.GroupNorm(2, 4, **k), "deep"),
    "GroupNorm plain": (lambda n, **k: n.GroupNorm(4, 4, 0.1, affine=False, **k), "deep"),
    "InstanceNorm1d": (lambda n, **k: n.InstanceNorm1d(3, affine=True, **k), "long"),
    "InstanceNorm2d": (lambda n, **k: n.InstanceNorm2d(4, track_running_stats=True, **k), "deep"),
    "InstanceNorm2d of an image": (lambda n, **k: n.InstanceNorm2d(3, 0.1, **k), "image"),
    "LayerNorm": (lambda n, **k: n.LayerNorm(6, **k), "sequences"),
    "LayerNorm of two axes": (lambda n, **k: n.LayerNorm((3, 6), 0.1, **k), "sequences"),
    "LayerNorm without bias": (lambda n, **k: n.LayerNorm(6, bias=False, **k), "rows"),
    "LayerNorm plain": (lambda n, **k: n.LayerNorm(6, elementwise_affine=False, **k), "rows"),
    "BatchNorm1d": (lambda n, **k: n.BatchNorm1d(6, **k), "rows"),
    "BatchNorm1d of sequences": (lambda n, **k: n.BatchNorm1d(3, momentum=0.3, **k), "channels"),
    "BatchNorm1d plain": (lambda n, **k: n.BatchNorm1d(6, affine=False, **k), "rows"),
    "BatchNorm1d without memory": (lambda n, **k: n.BatchNorm1d(6, track_running_stats=False, **k), "rows"),
    "BatchNorm1d of all batches": (lambda n, **k: n.BatchNorm1d(6, momentum=None, **k), "rows"),
    "BatchNorm2d": (lambda n, **k: n.BatchNorm2d(3, eps=0.1, **k), "images"),
    "Embedding": (lambda n, **k: n.Embedding(7, 2, **k), "indices"),
    "Embedding with padding": (lambda n, **k: n.Embedding(7, 2, -4, **k), "indices"),
    "RNNCell": (lambda n, **k: n.RNNCell(6, 4, **k), "rows"),
    "RNNCell with relu": (lambda n, **k: n.RNNCell(6, 4, nonlinearity="relu", bias=False, **k), "rows"),
    "GRUCell": (lambda n, **k: n.GRUCell(6, 4, **k), "rows"),
    "LSTMCell": (lambda n, **k: First(n.LSTMCell(6, 4, **k), n), "vector"),
    "RNN": (lambda n, **k: First(n.RNN(6, 4, 2, "relu", **k), n, in_all), "sequences"),
    "LSTM": (lambda n, **k: First(n.LSTM(6, 4, 2, bidirectional=True, batch_first=True, **k), n, in_all), "sequences"),
    "GRU": (lambda n, **k: First(n.GRU(6, 4, bias=False, bidirectional=True, **k), n, in_all), "rows"),
    "Conv2d, circular": (lambda n, **k: n.Conv2d(3, 2, 3, padding=(1, 2), padding_mode="circular", **k), "image"),
    "Conv2d, same": (lambda n, **k: n.Conv2d(3, 2, (2, 3), 1, "same", 2, padding_mode="replicate", **k), "images"),
    "MultiheadAttention": (lambda n, **k: To_itself(n.MultiheadAttention(6, 2, **k), n), "sequences"),
    "TransformerEncoderLayer": (lambda n, **k: n.TransformerEncoderLayer(6, 2, 5, 0.0, **k), "sequences"),
    "TransformerEncoderLayer, norm first": (
        lambda n, **k: n.TransformerEncoderLayer(6, 3, 5, 0.0, "gelu", 0.1, True, True, False, **k),
        "sequences",
    ),
    "Dropout(0)": (lambda n, **k: n.Dropout(0.0), "rows"),
    "Flatten": (lambda n, **k: n.Flatten(), "images"),
    "Flatten some": (lambda n, **k: n.Flatten(2, 3), "images"),
    "Flatten all": (lambda n, **k: n.Flatten(0), "images"),
    "MaxPool2d": (lambda n, **k: n.MaxPool2d(2), "images"),
    "MaxPool2d beyond the end": (lambda n, **k: n.MaxPool2d(2, 3, 1, 2, ceil_mode=True), "image"),
    "MaxPool1d": (lambda n, **k: n.MaxPool1d(3), "long"),
    "AvgPool1d": (lambda n, **k: n.AvgPool1d(4, 3, 1, True, False), "long"),
    "AvgPool2d with all": (lambda n, **k: n.AvgPool2d(3, 2, 1, True, False, 5), "image"),
    "AdaptiveAvgPool1d": (lambda n, **k: n.AdaptiveAvgPool1d(4), "long"),
    "AdaptiveAvgPool2d": (lambda n, **k: n.AdaptiveAvgPool2d((4, None)), "images"),
    "AdaptiveMaxPool2d": (lambda n, **k: n.AdaptiveMaxPool2d(4), "image"),
    "PixelShuffle": (lambda n, **k: n.PixelShuffle(2), "deep"),
    "PixelUnshuffle": (lambda n, **k: n.PixelUnshuffle(3), "images"),
    "Unflatten": (lambda n, **k: n.Unflatten(-1, (2, 3)), "sequences"),
    "Identity": (lambda n, **k: n.Identity(), "rows"),
    "GELU": (lambda n, **k: n.GELU("tanh"), "rows"),
    "SiLU": (lambda n, **k: n.SiLU(), "rows"),
    "Mish": (lambda n, **k: n.Mish(), "rows"),
    "Softsign": (lambda n, **k: n.Softsign(), "rows"),
    "LogSigmoid": (lambda n, **k: n.LogSigmoid(), "rows"),
    "Hardtanh": (lambda n, **k: n.Hardtanh(-0.5, 0.25), "rows"),
    "MaxPool2d with all": (lambda n, **k: n.MaxPool2d((2, 3), stride=1, padding=1), "images"),
    "AvgPool2d": (lambda n, **k: n.AvgPool2d(3, 2), "images"),
    "ReLU": (lambda n, **k: n.ReLU(), "rows"),
    "Tanh": (lambda n, **k: n.Tanh(), "rows"),
    "Sigmoid": (lambda n, **k: n.Sigmoid(), "rows"),
    "LeakyReLU": (lambda n, **k: n.LeakyReLU(), "rows"),
    "LeakyReLU(0.2)": (lambda n, **k: n.LeakyReLU(0.2), "rows"),
    "ELU": (lambda n, **k: n.ELU(0.5), "rows"),
    "Softplus": (lambda n, **k: n.Softplus(2.0, 3.0), "rows"),
    "Softmax": (lambda n, **k: n.Softmax(dim=1), "sequences"),
    "LogSoftmax": (lambda n, **k: n.LogSoftmax(dim=-1), "sequences"),
}
TARGETS = {
    "numbers": RNG.normal(size=(5, 6)),
    "shares": RNG.uniform(size=(5, 6)),
    "classes": RNG.integers(0, 6, 5),
    "signs": np.where(RNG.normal(size=(5, 6)) > 0, 1.0, -1.0),
}


def First(cell, n, merge=sum):
    """A module of several results as one that has a single one."""
    module = n.Module()
    module.cell, module.forward = cell, lambda x: merge(cell(x))
    return module


def in_all(results):
    """The output, and the sum of all states at the end."""
    output, states = results
    return output * (sum(h.sum() for h in states) + 1)


def To_itself(attention, n):
    module = n.Module()
    module.attention, module.forward = attention, lambda x: attention(x, x, x)[0]
    return module


WEIGHT = RNG.uniform(0.5, 2, 6)


def weight(n):
    return WEIGHT if n is nn else torch.from_numpy(WEIGHT)


LOSSES = {
    "MSELoss": (lambda n: n.MSELoss(), "numbers"),
    "MSELoss sum": (lambda n: n.MSELoss(reduction="sum"), "numbers"),
    "L1Loss": (lambda n: n.L1Loss(reduction="none"), "numbers"),
    "HuberLoss": (lambda n: n.HuberLoss(), "numbers"),
    "HuberLoss(0.3)": (lambda n: n.HuberLoss("sum", 0.3), "numbers"),
    "CrossEntropyLoss": (lambda n: n.CrossEntropyLoss(), "classes"),
    "CrossEntropyLoss weighted": (lambda n: n.CrossEntropyLoss(weight(n), ignore_index=2), "classes"),
    "CrossEntropyLoss smoothed": (lambda n: n.CrossEntropyLoss(label_smoothing=0.2), "classes"),
    "CrossEntropyLoss of shares": (lambda n: n.CrossEntropyLoss(weight(n)), "shares"),
    "SmoothL1Loss": (lambda n: n.SmoothL1Loss(beta=0.5), "numbers"),
    "KLDivLoss": (lambda n: n.KLDivLoss(reduction="batchmean"), "shares"),
    "MultiMarginLoss": (lambda n: n.MultiMarginLoss(2, 0.5, weight(n)), "classes"),
    "SoftMarginLoss": (lambda n: n.SoftMarginLoss(), "signs"),
    "HingeEmbeddingLoss": (lambda n: n.HingeEmbeddingLoss(0.5), "signs"),
    "NLLLoss": (lambda n: n.NLLLoss(weight(n), reduction="sum"), "classes"),
    "BCEWithLogitsLoss": (lambda n: n.BCEWithLogitsLoss(), "shares"),
    "BCEWithLogitsLoss weighted": (lambda n: n.BCEWithLogitsLoss(weight(n), pos_weight=weight(n)), "shares"),
}


def made(build, seed=0):
    """The module in both libraries, with equal parameters that are not the first ones, in float64."""
    ours = build(nn, dtype=np.float64)
    theirs = build(torch.nn, dtype=torch.float64)
    rng = np.random.default_rng(seed)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    state = {
        name: rng.uniform(0.5, 1.5, array.shape) if array.dtype.kind == "f" else array
        for name, array in ours.state_dict().items()
    }
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return ours, theirs


def close(mine, other, what):
    other = other.detach().numpy(force=True)
    assert mine.shape == other.shape, what
    np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12 * np.abs(other).max(initial=0), err_msg=what)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_what_torchs_compute(name):
    build, kind = LAYERS[name]
    ours, theirs = made(build)
    array = NUMBERS[kind]
    floats = array.dtype.kind == "f"
    for mode in True, True, False:  # in training twice, so that running statistics run; then in evaluation
        ours.train(mode)
        theirs.train(mode)
        ours.zero_grad()
        theirs.zero_grad()
        x, t = Tensor(array, requires_grad=floats), torch.from_numpy(array).requires_grad_(floats)
        y, u = ours(x), theirs(t)
        close(y.data, u, "value")
        g = np.random.default_rng(9).normal(size=y.shape)
        if y.requires_grad:
            y.backward(g)
            u.backward(torch.from_numpy(g))
        if floats:
            close(x.grad, t.grad, "gradient of the input")
        for (path, p), (same, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert path == same
            close(p.grad, q.grad, path)
    for path, array in ours.state_dict().items():
        close(array, theirs.state_dict()[path], path)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_compute_what_torchs_compute(name):
    build, kind = LOSSES[name]
    ours, theirs = build(nn), build(torch.nn)
    x, t = Tensor(NUMBERS["rows"], requires_grad=True), torch.from_numpy(NUMBERS["rows"]).requires_grad_()
    y, u = ours(x, TARGETS[kind]), theirs(t, torch.from_numpy(TARGETS[kind]))
    close(y.data, u, "value")
    y.backward(np.ones(y.shape))
    u.backward(torch.ones_like(u))
    close(x.grad, t.grad, "gradient")
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("name", sorted({re.match(r"\w+", key)[0] for key in (*LAYERS, *LOSSES)} - {"RNN"}))
def test_arguments_and_defaults_are_torchs(name):
    """Each argument has torch's name and default; what may be given by position stands where it stands there."""
    ours = inspect.signature(getattr(nn, name)).parameters
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    if name in ("GRU", "LSTM"):  # as RNN, these have only *args and **kwargs there
        theirs = dict([*inspect.signature(torch.nn.RNNBase).parameters.items()][1:])
    for p in ours.values():
        if p.name not in ("rng", "dtype"):
            assert p.name in theirs
            if p.name == "activation":
                assert p.default.__name__ == theirs[p.name].default.__name__ == "relu"
                continue
            assert p.default == theirs[p.name].default or (p.name, p.default) == ("dim", -1)  # torch's None only warns
    by_position = [p.name for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_position == list(theirs)[: len(by_position)]


# ---------------------------------------------------------------------------------------------------------- the start
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda rng: nn.Linear(50, 400, rng=rng), lambda: torch.nn.Linear(50, 400)),
        (lambda rng: nn.Conv2d(5, 100, (3, 4), rng=rng), lambda: torch.nn.Conv2d(5, 100, (3, 4))),
        (lambda rng: nn.Embedding(500, 40, rng=rng), lambda: torch.nn.Embedding(500, 40)),
        (
            lambda rng: nn.ConvTranspose2d(100, 10, (3, 4), groups=2, rng=rng),
            lambda: torch.nn.ConvTranspose2d(100, 10, (3, 4), groups=2),
        ),
        (lambda rng: nn.GRUCell(30, 50, rng=rng), lambda: torch.nn.GRUCell(30, 50)),
        (lambda rng: nn.MultiheadAttention(50, 2, rng=rng), lambda: torch.nn.MultiheadAttention(50, 2)),
    ],
    ids=["Linear", "Conv2d", "Embedding", "ConvTranspose2d", "GRUCell", "MultiheadAttention"],
)
def test_first_values_are_drawn_as_torch_draws_them(ours, theirs):
    """The same quantiles, up to chance: those of n numbers have a standard deviation of up to 1.7 σ/√n, in both."""
    torch.manual_seed(0)
    mine, other = ours(np.random.default_rng(0)), theirs()
    for (name, p), (same, t) in zip(mine.named_parameters(), other.named_parameters(), strict=True):
        assert (name, p.shape, p.dtype) == (same, tuple(t.shape), np.float32)
        quantiles = np.linspace(0.1, 0.9, 9)
        want = np.quantile(t.detach().numpy(), quantiles)
        spread = t.detach().numpy().std()
        np.testing.assert_allclose(np.quantile(p.data, quantiles), want, atol=10 * spread / p.size**0.5, err_msg=name)
        if isinstance(mine, nn.Linear | nn.Conv2d):
            bound = 1 / (60 if isinstance(mine, nn.Conv2d) else 50) ** 0.5
            assert 0.9 * bound < np.abs(p.data).max() <= np.float32(bound)


def test_chance_comes_from_the_generator_alone():
    def network(rng):
        return nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Dropout(rng=rng), nn.Conv2d(1, 2, 2, rng=rng))

    state = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global one, which must not be touched
    one, same, other = (network(np.random.default_rng(seed)).state_dict() for seed in (1, 1, 2))
    free, again = nn.Linear(3, 4), nn.Linear(3, 4)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    np.testing.assert_equal(one, same)
    assert all((one[name] != other[name]).any() for name in one)
    assert (free.weight.data != again.weight.data).any()  # without rng, every layer and run differs


MASKS = {
    "none": {},
    "not later ones": {"attn_mask": np.triu(np.ones((5, 5), bool), 1)},
    "numbers added": {"attn_mask": RNG.normal(size=(5, 5))},
    "padding": {"key_padding_mask": np.arange(5) >= np.array([[5], [3], [1]])},
    "both, each head": {
        "attn_mask": RNG.normal(size=(6, 5, 5)), "key_padding_mask": np.arange(5) >= np.array([[2], [5], [4]]),
        "average_attn_weights": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("name", MASKS)
def test_attention_and_its_masks(name, batch_first):
    """The output, the weights, and the gradient of both."""
    attention, theirs = made(lambda n, **k: n.MultiheadAttention(6, 2, batch_first=batch_first, **k))
    x = RNG.normal(size=(3, 5, 6) if batch_first else (5, 3, 6))
    x, t = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    of_torch = {k: torch.tensor(m) if isinstance(m, np.ndarray) else m for k, m in MASKS[name].items()}
    if name.startswith("both"):  # torch wants masks of one kind
        padding = of_torch["key_padding_mask"]
        of_torch["key_padding_mask"] = torch.zeros(padding.shape, dtype=torch.float64).masked_fill(padding, -torch.inf)
    (y, weights), (u, others) = attention(x, x, x, **MASKS[name]), theirs(t, t, t, **of_torch)
    close(y.data, u, "output")
    close(weights.data, others, "weights")
    ((y**2).sum() + (weights**2).sum()).backward()
    ((u**2).sum() + (others**2).sum()).backward()
    close(x.grad, t.grad, "gradient")
    close(attention(x, x, x, need_weights=False, **MASKS[name])[0].data, u, "without weights")


@pytest.mark.parametrize("sizes", [{}, {"kdim": 5, "vdim": 7}])
def test_attention_to_other_sequences(sizes):
    attention, theirs = made(lambda n, **k: n.MultiheadAttention(6, 3, **sizes, **k))
    q, k, v = (RNG.normal(size=shape) for shape in [(2, 6), (4, sizes.get("kdim", 6)), (4, sizes.get("vdim", 6))])
    (y, weights), (u, others) = attention(q, k, v), theirs(*map(torch.from_numpy, (q, k, v)))
    close(y.data, u, "output")
    close(weights.data, others, "weights")


def test_attention_to_what_came_before():
    """is_causal alone, and with a mask, whose own zeros stay."""
    attention, later = nn.MultiheadAttention(4, 2, dtype=np.float64), np.triu(np.ones((5, 5), bool), 1)
    x, first = RNG.normal(size=(5, 4)), np.eye(5, k=-2, dtype=bool)
    for mask, whole in (None, later), (first, later | first):
        y, weights = attention(x, x, x, attn_mask=mask, is_causal=True)
        want, _ = attention(x, x, x, attn_mask=whole)
        np.testing.assert_array_equal(y.data, want.data)
        np.testing.assert_array_equal(weights.data == 0, np.broadcast_to(whole, weights.shape))
    layer = nn.TransformerEncoderLayer(4, 2, 3, 0.0)
    np.testing.assert_array_equal(layer(x, is_causal=True).data, layer(x, later).data)


def test_attention_drops_in_training_only():
    attention = nn.MultiheadAttention(4, 2, 0.5, rng=np.random.default_rng(0), batch_first=True)
    x = np.ones((2, 8, 4), np.float32)
    _, weights = attention(x, x, x, average_attn_weights=False)
    assert set(np.unique(weights.data)) == {0, 0.25}
    assert np.unique(attention.eval()(x, x, x)[1].data).tolist() == [0.125]


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
def test_a_cell_goes_on_from_its_state(name):
    ours, theirs = made(lambda n, **k: getattr(n, name)(6, 4, **k))
    h, u = None, None
    x = RNG.normal(size=(3, 5, 6))
    for step in x:
        h, u = ours(step, h), theirs(torch.from_numpy(step), u)
    for mine, other in zip(h, u, strict=True):
        close(mine.data, other, "state")
    assert (h[0] if name == "LSTMCell" else h).shape == (5, 4)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_a_sequence_goes_on_from_its_states(name):
    ours, theirs = made(lambda n, **k: getattr(n, name)(6, 4, 2, **k))
    x, u = RNG.normal(size=(3, 5, 6)), None
    _, h = ours(x[:1])
    y, h = ours(x[1:], h)
    want, u = theirs(torch.from_numpy(x))
    close(y.data, want[1:], "output")
    for mine, other in zip(h if name == "LSTM" else [h], u if name == "LSTM" else [u], strict=True):
        close(mine.data, other, "states")


def test_entries_are_dropped_between_layers_only():
    x, model = np.ones((3, 1, 2)), nn.GRU(2, 4, 2, dropout=1.0, rng=np.random.default_rng(0))
    one = nn.GRU(2, 4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(model(x)[1][0].data, one(x)[1][0].data)
    np.testing.assert_array_equal(model(x)[0].data, model(7 * x)[0].data)  # nothing comes through
    model.eval()
    assert (model(x)[0].data != model(7 * x)[0].data).all()


TRIPLES = {
    "TripletMarginLoss": (lambda n: n.TripletMarginLoss(0.5, swap=True), 3),
    "MarginRankingLoss": (lambda n: n.MarginRankingLoss(0.5), 2),
    "CosineEmbeddingLoss": (lambda n: n.CosineEmbeddingLoss(0.1, reduction="sum"), 2),
    "CosineSimilarity": (lambda n: n.CosineSimilarity(), 2),
    "BCELoss": (lambda n: n.BCELoss(weight(n)), 2),
}


@pytest.mark.parametrize("name", TRIPLES)
def test_losses_of_several_inputs(name):
    build, count = TRIPLES[name]
    arrays = [np.random.default_rng(i).uniform(size=(5, 6)) for i in range(count)]
    if "Margin" in name and count == 2:
        arrays.append(TARGETS["signs"])
    elif name == "CosineEmbeddingLoss":
        arrays.append(TARGETS["signs"][:, 0])
    close(build(nn)(*arrays).data, build(torch.nn)(*map(torch.from_numpy, arrays)), "value")


def test_dropout_drops_in_training_only():
    layer, x = nn.Dropout(0.25, rng=np.random.default_rng(0)), np.ones((40, 50))
    y = layer(x).data
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert 0.2 < (y == 0).mean() < 0.3
    assert (layer(x).data != y).any()
    assert (layer.eval()(x).data == 1).all()
    assert (layer.train()(x).data != 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes(dtype):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, dtype=dtype), nn.BatchNorm2d(2, dtype=dtype), nn.Flatten(), nn.LayerNorm(8, dtype=dtype),
        nn.Linear(8, 3, dtype=dtype),
    )  # fmt: skip
    y = model(np.ones((5, 1, 4, 4), dtype))
    assert y.dtype == dtype
    nn.CrossEntropyLoss()(y, [0, 1, 2, 0, 1]).backward()
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype(dtype)}
    assert nn.Embedding(2, 2, dtype=dtype)([1]).dtype == dtype


# ----------------------------------------------------------------------------------------------------------- the module
class Block(nn.Module):
    def __init__(self, norm):
        self.first = nn.Linear(3, 4, rng=np.random.default_rng(0), dtype=np.float64)
        self.scale = Tensor(np.ones(4), requires_grad=True)
        self.constant = Tensor(np.ones(4))
        self.table = np.ones(4)
        self.norm = norm
        self.register_buffer("seen", np.zeros(2))
        self.steps = nn.ModuleList([nn.Tanh(), nn.Linear(4, 4, rng=np.random.default_rng(1), dtype=np.float64)])

    def forward(self, x):
        x = self.norm(self.first(x)) * self.scale * self.constant
        for step in self.steps:
            x = step(x)
        self.hidden = x  # a result, and no parameter
        with no_grad():
            self.quiet = x * 1.0
        return x


def block():
    return Block(nn.BatchNorm1d(4, dtype=np.float64))


NAMES = [
    "scale", "first.weight", "first.bias", "norm.weight", "norm.bias", "steps.1.weight", "steps.1.bias"
]  # fmt: skip


def test_parameters_are_what_was_assigned_to_be_learned():
    model = block()
    model(np.ones((5, 3)))
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert [id(p) for p in model.parameters()] == [id(p) for _, p in model.named_parameters()]
    assert next(model.named_buffers())[0] == "seen"
    assert len(list(model.buffers())) == 4
    assert list(model.state_dict())[:2] == ["scale", "seen"]
    assert sorted(model.state_dict()) == sorted([*NAMES, *(name for name, _ in model.named_buffers())])
    assert [name for name, _ in model.named_modules()] == ["", "first", "norm", "steps", "steps.0", "steps.1"]
    assert [type(child).__name__ for child in model.children()] == ["Linear", "BatchNorm1d", "ModuleList"]


def test_a_module_without_anything():
    assert list(nn.ReLU().parameters()) == list(nn.ReLU().buffers()) == list(nn.ReLU().children()) == []
    assert nn.ReLU().state_dict() == {}
    nn.ReLU().load_state_dict({})
    with pytest.raises(NotImplementedError, match="Module needs a method forward"):
        nn.Module()(1)


def test_a_frozen_parameter_stays_one():
    model = block()
    model.first.weight.requires_grad = False
    assert "first.weight" in dict(model.named_parameters())
    assert "first.weight" in model.state_dict()
    model(np.ones((5, 3))).sum().backward()
    assert model.first.weight.grad is None
    assert model.first.bias.grad is not None
    with no_grad():
        model.first.weight -= 1.0  # a frozen one may be written, too


def test_a_shared_parameter_is_one():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert len(list(model.parameters())) == 3
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]  # in torch's state it is twice
    layer = nn.Linear(3, 3)
    twice = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(twice.parameters())) == 2
    assert len(list(twice.modules())) == 3
    assert list(twice.state_dict()) == list(
        torch.nn.Sequential(t := torch.nn.Linear(3, 3), torch.nn.ReLU(), t).state_dict()
    )


def test_a_parameter_cannot_be_lost_by_assigning_a_result():
    layer = nn.Linear(2, 2)
    layer(np.ones((1, 2))).sum().backward()
    for value in layer.weight - 0.1 * layer.weight.grad, layer.weight.data, Tensor(np.ones((2, 2))), 3:
        with pytest.raises(
            TypeError, match=r"Linear.weight is a parameter, and can only become .* module.weight.data ="
        ):
            layer.weight = value
    before = layer.weight
    with no_grad():
        layer.weight -= 0.1 * layer.weight.grad
    assert layer.weight is before
    layer.weight = new = Tensor(np.ones((2, 2)), requires_grad=True)
    assert next(layer.parameters()) is new
    layer.bias = None
    assert len(list(layer.parameters())) == 1
    assert layer(np.ones((1, 2))).data.tolist() == [[2, 2]]


def test_modes_reach_all_below():
    model = block()
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    model.train()
    assert all(module.training for module in model.modules())


def test_zero_grad_and_gradcheck():
    model = Block(nn.LayerNorm(4, dtype=np.float64))
    x = Tensor(np.random.default_rng(0).normal(size=(5, 3)), requires_grad=True)
    assert gradcheck(lambda x, *parameters: model(x), (x, *model.parameters()))
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_copy_is_another_network():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    other = copy.deepcopy(model)
    before = other.state_dict()
    with no_grad():
        for p in model.parameters():
            p -= 1.0
    model(np.random.default_rng(0).normal(size=(4, 3)))
    np.testing.assert_equal(other.state_dict(), before)
    other(np.ones((4, 3))).sum().backward()
    assert all(p.grad is not None for p in other.parameters())


# ------------------------------------------------------------------------------------------------------------ the state
def test_a_state_goes_to_torch_and_back():
    def network(n):
        return n.Sequential(n.Conv2d(1, 2, 3), n.BatchNorm2d(2), n.Flatten(), n.Linear(8, 3), n.LayerNorm(3))

    ours, theirs, back = network(nn), network(torch.nn), network(nn)
    x = np.random.default_rng(0).normal(size=(5, 1, 4, 4)).astype(np.float32)
    ours(x)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
    back.load_state_dict(theirs.state_dict())
    np.testing.assert_equal(back.state_dict(), ours.state_dict())
    y = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours.eval()(x).data, y, rtol=1e-4, atol=1e-5)
    assert back.state_dict()["1.num_batches_tracked"].dtype == np.int64


def test_a_state_is_a_copy():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    state = model.state_dict()
    kept = copy.deepcopy(state)
    model(np.random.default_rng(0).normal(size=(4, 3)))
    with no_grad():
        for p in model.parameters():
            p -= 1.0
    np.testing.assert_equal(state, kept)
    model.load_state_dict(state)
    model(np.random.default_rng(0).normal(size=(4, 3)))
    for p in model.parameters():
        p.data[...] = 7
    np.testing.assert_equal(state, kept)


def test_a_state_is_taken_over_in_the_dtype_that_is_here_and_in_any_layout():
    model = nn.Linear(3, 2)
    weight = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    model.load_state_dict({"weight": weight, "bias": [1, 2]})
    assert model.weight.dtype == np.float32
    assert model.weight.data.flags.c_contiguous
    assert model.weight.data.tolist() == weight.tolist()
    assert model.bias.data.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": np.zeros((2, 3))}, "bias is missing"),
        ({"weight": np.zeros((2, 3)), "bias": np.zeros(2), "scale": 1}, "scale is unexpected"),
        ({"weight": np.zeros((3, 2)), "bias": np.zeros(3)}, r"weight has shape \(3, 2\) instead of \(2, 3\); bias has"),
        ({"weight": np.zeros((2, 3)), "bias": np.zeros(2) * 1j}, "bias has dtype complex128 instead of float32"),
        ({"weight": np.zeros((2, 3)), "bias": np.array(["a", "b"])}, "bias has dtype"),
        ({"weight": np.zeros((2, 3)), "bias": np.array([None, 1])}, "bias has dtype object"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state, message):
    model = nn.Linear(3, 2)
    before = model.state_dict()
    with pytest.raises(ValueError, match=f"this state does not fit the Linear: .*{message}"):
        model.load_state_dict(state)
    np.testing.assert_equal(model.state_dict(), before)


def test_part_of_a_state():
    model = nn.Linear(3, 2)
    keys = model.load_state_dict({"weight": np.ones((2, 3)), "scale": 1}, strict=False)
    assert keys.missing_keys == ["bias"]
    assert keys.unexpected_keys == ["scale"]
    assert (model.weight.data == 1).all()
    with pytest.raises(ValueError, match="shape"):
        model.load_state_dict({"weight": np.ones((3, 3))}, strict=False)


# -------------------------------------------------------------------------------------------------- what they look like
def network(n):
    return n.Sequential(
        n.Conv2d(1, 8, 3, padding=1), n.ReLU(), n.MaxPool2d(2), n.AvgPool2d(2), n.Flatten(), n.Embedding(3, 4),
        n.Conv2d(1, 2, (3, 2), stride=2, bias=False), n.Linear(3, 4, bias=False), n.LeakyReLU(), n.ELU(), n.Softplus(),
        n.Softmax(dim=1), n.LogSoftmax(dim=1), n.Tanh(), n.Sigmoid(), n.CrossEntropyLoss(), n.MSELoss(),
        n.Conv1d(4, 2, 3, padding="same", dilation=2, groups=2), n.ConvTranspose2d(4, 2, 3, 2, 1, 1, 2, False, 2),
        n.AdaptiveAvgPool2d((1, None)), n.MaxPool1d(2), n.Hardtanh(), n.GELU(), n.SiLU(), n.LSTMCell(2, 3),
        n.LSTM(2, 3, 2, False, True, 0.5, True), n.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
        n.RNNCell(2, 3, nonlinearity="relu"), n.GRUCell(2, 3, bias=False), n.PixelShuffle(2), n.Identity(),
        n.Unflatten(1, (2, 2)), n.RMSNorm(3), n.Embedding(3, 4, padding_idx=1), n.CosineSimilarity(),
        n.Sequential(n.Linear(2, 2), n.Sequential()), n.ModuleList([n.L1Loss()]),
    )  # fmt: skip


def test_its_repr_is_torchs():
    assert repr(network(nn)) == repr(network(torch.nn))
    assert repr(nn.Dropout()) == "Dropout(p=0.5)"
    assert repr(nn.LayerNorm((2, 3))) == "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True)"
    assert repr(nn.BatchNorm1d(3)).startswith("BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track")


ERRORS = [
    (lambda: nn.Sequential(nn.ReLU(), minigrad.relu), TypeError, "Sequential: number 1 is <function relu"),
    (lambda: nn.Linear(2, 2, rng=3), TypeError, r"np.random.default_rng\(seed\), shared by all layers; and not 3"),
    (lambda: nn.Dropout(1.5), ValueError, "p is the probability to drop an entry, from 0 to 1, and is 1.5"),
    (lambda: nn.MSELoss(reduction="avg"), ValueError, "MSELoss: reduction is 'mean', 'sum' or 'none', and not 'avg'"),
    (lambda: nn.Linear(3, 2)(np.ones((5, 4))), ValueError, r"weight has shape \(2, 3\), .*; x has \(5, 4\)"),
    (lambda: nn.Linear(3, 2)(np.float64(1)), ValueError, r"x has \(\)"),
    (
        lambda: nn.BatchNorm2d(3)(np.ones((5, 3))),
        ValueError,
        r"BatchNorm2d needs an input of 4 axes, and got shape \(5, 3",
    ),
    (lambda: nn.BatchNorm1d(3)(np.ones((5, 3, 2, 2))), ValueError, "needs an input of 2 or 3 axes"),
    (lambda: nn.BatchNorm1d(3)(np.ones((1, 3))), ValueError, "two values a channel"),
    (lambda: nn.MSELoss()(np.ones((3, 1)), np.ones(3)), ValueError, r"target.reshape\(\(3, 1\)\)"),
    (lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0, 3]), ValueError, "target 3 is no class"),
    (lambda: nn.KLDivLoss(reduction="avg"), ValueError, "'mean', 'batchmean', 'sum' or 'none', and not 'avg'"),
    (lambda: nn.Conv2d(4, 6, 3, groups=4), ValueError, "groups=4 does not divide in_channels=4 and out_channels=6"),
    (lambda: nn.Conv2d(4, 6, 3, padding_mode="edge"), ValueError, "padding_mode is one of zeros, .*, and not 'edge'"),
    (lambda: nn.Conv2d(4, 6, 3, device="cpu"), TypeError, "device"),
    (lambda: nn.LSTM(2, 3)(np.ones((4, 5, 2)), [np.ones(3)] * 2), ValueError, r"needs the shape \(1, 5, 3\), and"),
    (lambda: nn.GRU(2, 3)(np.ones((0, 5, 2))), ValueError, "GRU: a sequence has a step at least"),
    (lambda: nn.GRU(2, 3)(np.ones(2)), ValueError, "GRU: the input has 2 axes or 3"),
    (lambda: nn.GRU(2, 3, 0), ValueError, "num_layers is from 1 on"),
    (lambda: nn.ConvTranspose2d(4, 6, (3, 3, 3)), ValueError, "ConvTranspose2d: kernel_size is an int or 2 of them"),
    (lambda: nn.GroupNorm(3, 4), ValueError, "num_groups=3 does not divide num_channels=4"),
    (lambda: nn.InstanceNorm2d(3)(np.ones((3, 5))), ValueError, "InstanceNorm2d needs an input of 3 or 4 axes"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), ValueError, "padding_idx=3 is no row of a table of 3"),
    (lambda: nn.RNNCell(2, 2, nonlinearity="gelu"), ValueError, "'tanh' or 'relu', and not 'gelu'"),
    (lambda: nn.LSTMCell(2, 3)(np.ones((4, 3))), ValueError, r"weight has shape \(12, 2\)"),
    (lambda: nn.MultiheadAttention(5, 2), ValueError, "num_heads=2 does not divide embed_dim=5"),
    (lambda: nn.MultiheadAttention(4, 2)(*[np.ones(4)] * 3), ValueError, "have 2 axes or 3"),
    (
        lambda: nn.MultiheadAttention(4, 2)(*[np.ones((3, 4))] * 3, attn_mask=np.ones((3, 3), int)),
        TypeError,
        "a mask is of booleans, or of floats to add, and not of int64",
    ),
    (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), ValueError, "'relu', 'gelu' or a function, not tanh"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[message[:40] for *_, message in ERRORS])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_batch_that_is_refused_is_not_counted():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="two values"):
        layer(np.ones((1, 3)))
    assert layer.num_batches_tracked == 0


def test_modules_read_like_any_function():
    for name in nn.__all__:
        thing = getattr(nn, name)
        assert thing.__doc__, name


def test_tensors_know_the_users_line_through_layers():
    y = nn.Sequential(nn.Linear(2, 2), nn.ReLU())(np.ones((1, 2)))
    assert y.where.file == __file__
    assert "nn.Sequential(" in y.where.text


# ---------------------------------------------------------------------------------------------------------- plain users
PLAIN = [*sorted((ROOT / "minigrad" / "nn").glob("*.py")), *sorted((ROOT / "minigrad" / "optim").glob("*.py"))]
ENGINE = {"array", "hooks", "cut", "inputs", "values", "params", "serial", "recorded", "differentiable", "made_at"}


@pytest.mark.parametrize("path", [*PLAIN, ROOT / "minigrad" / "checkpoint.py"], ids=lambda path: path.stem)
def test_they_are_plain_users_of_the_public_engine(path):
    """From minigrad they import what ``from minigrad import *`` gives, and each other; they use no Tensor's insides."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "minigrad":
            own = node.module.split(".")[1:2] in (["nn"], ["optim"]) or node.module == "minigrad.engine.files"
            assert own or node.module == "minigrad", ast.unparse(node)
            for name in node.names:
                assert own or (not name.name.startswith("_") and hasattr(minigrad, name.name)), ast.unparse(node)
        if isinstance(node, ast.Import):
            for name in node.names:
                assert name.name == "minigrad" or not name.name.startswith("minigrad."), ast.unparse(node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "minigrad":
            assert hasattr(minigrad, node.attr), ast.unparse(node)
            assert not inspect.ismodule(getattr(minigrad, node.attr)), ast.unparse(node)
        if isinstance(node, ast.Attribute) and node.attr in ENGINE and ast.unparse(node) != "np.array":
            raise AssertionError(f"{path.name}:{node.lineno}: {ast.unparse(node)} is the engine's own")
