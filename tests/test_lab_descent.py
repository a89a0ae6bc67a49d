"""The one loop: it visits every row once an epoch, and takes the same steps as PyTorch."""

import itertools

import numpy as np
import pytest
import torch

from minigrad import lab
from minigrad.lab.data import LabError
from minigrad.lab.descent import TapeEngine, clipped_update, descend, make_engine, rates
from minigrad.lab.settings import METHODS as TABLE
from minigrad.lab.settings import SCHEDULES
from torch_ref import descent as by_hand
from torch_ref.descent import Torch


class Watcher:
    """An engine that only looks at what it is given."""

    def __init__(self):
        self.batches = []

    def step(self, x, y):
        assert (x == y).all()
        self.batches.append(x[:, 0].tolist())

    def parameters(self):
        raise AssertionError("the loop has no business with the parameters")


def watch(n, batch_size, epochs=3):
    engine, rows = Watcher(), np.arange(n, dtype=float)[:, None]
    marks = list(descend(engine, rows, rows, epochs=epochs, batch_size=batch_size, rng=np.random.default_rng(0)))
    return engine.batches, marks


@pytest.mark.parametrize(("n", "batch_size"), [(1, 1), (7, 1), (7, 7), (12, 4), (13, 4), (33, 32), (64, 5)])
def test_every_row_is_seen_once_an_epoch_in_even_batches(n, batch_size):
    batches, marks = watch(n, batch_size)
    steps = -(-n // batch_size)
    assert len(batches) == 3 * steps
    for epoch in range(3):
        mine = batches[epoch * steps : (epoch + 1) * steps]
        assert sorted(itertools.chain(*mine)) == list(range(n))
        assert max(map(len, mine)) <= batch_size
        assert max(map(len, mine)) - min(map(len, mine)) <= 1
    last = marks[-1]
    assert (last.epoch, last.steps, last.samples) == (3, 3 * steps, 3 * n)


def test_order_is_new_every_epoch():
    batches, _ = watch(20, 1)
    assert batches[:20] != batches[20:40] != batches[40:]


def test_marks_are_dense_where_most_happens():
    _, marks = watch(20, 2)
    assert [(mark.epoch, mark.steps, mark.samples) for mark in marks] == [
        (1, 1, 2), (1, 2, 4), (1, 4, 8), (1, 8, 16), (1, 10, 20), (2, 20, 40), (3, 30, 60),
    ]  # fmt: skip
    seconds = [mark.seconds for mark in marks]
    assert seconds == sorted(seconds)


def difference(ours, theirs):
    """The largest difference, relative to the largest weight."""
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in zip(ours, theirs, strict=True))


METHODS = [("batch", 0.1, 43), ("sgd", 0.01, 1), ("minibatch", 0.05, 8)]


@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize(("method", "lr", "size"), METHODS)
class TestAgainstTorch:
    """Same split, start and order, 5 epochs of 43 rows: the weights agree to 1e-9."""

    def data(self, q):
        rng = np.random.default_rng(q)
        return rng.normal(size=(43, 4)), rng.normal(size=(43, q)), rng.normal(size=(4, q)), rng.normal(size=q)

    def run(self, engine, x, y, size):
        for _ in descend(engine, x, y, epochs=5, batch_size=size, rng=np.random.default_rng(0)):
            pass
        return engine.parameters()

    def test_engines_take_the_same_steps(self, method, lr, size, q, clip_norm):
        x, y, W, b = self.data(q)
        ours = self.run(TapeEngine(W, b, lr, clip_norm), x, y, size)
        theirs = self.run(Torch(W, b, lr, clip_norm), x, y, size)
        assert difference(ours, theirs) < 1e-9
        # and such a test would notice a step that is off by one part in a million
        planted = self.run(TapeEngine(W, b, lr * (1 + 1e-6), clip_norm), x, y, size)
        assert difference(planted, theirs) > 1e-9

    def test_loop_is_the_one_written_by_hand_in_torch(self, method, lr, size, q, clip_norm):
        x, y, W, b = self.data(q)
        ours = self.run(TapeEngine(W, b, lr, clip_norm), x, y, size)
        tensors = [torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True)]
        more = {"batch": {}, "sgd": {"rng": np.random.default_rng(0)}}.get(
            method, {"rng": np.random.default_rng(0), "batch_size": size}
        )
        descent = getattr(by_hand, method)
        descent(torch.tensor(x), torch.tensor(y), *tensors, lr=lr, epochs=5, clip_norm=clip_norm, **more)
        assert difference(ours, [tensor.detach().numpy() for tensor in tensors]) < 1e-9


@pytest.mark.filterwarnings("ignore:.*shortens its steps")
@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_lab_trains_alike_with_both_engines(q, clip_norm):
    options = {
        "data": "synthetic",
        "outputs": q,
        "init": "random",
        "epochs": 5,
        "clip_norm": clip_norm,
        "seed": 3,
    }
    ours, theirs = (lab.compare(engine=engine, **options) for engine in ("minigrad", "torch"))
    for a, b in zip(ours, theirs, strict=True):
        assert difference((a.weights, a.bias), (b.weights, b.bias)) < 1e-9
        np.testing.assert_allclose(a.history.train, b.history.train, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["minigrad", "torch"])
def test_engine_keeps_the_dtype_and_the_start(engine, dtype):
    W, b = np.ones((2, 1), dtype), np.ones(1, dtype)
    made = make_engine(engine, W, b, 0.1, 1.0)
    made.step(np.ones((3, 2), dtype), np.zeros((3, 1), dtype))
    before = made.parameters()
    made.step(np.ones((3, 2), dtype), np.zeros((3, 1), dtype))
    assert (W == 1).all()
    assert (b == 1).all()
    assert all(part.dtype == dtype for part in before)
    assert (before[0] != made.parameters()[0]).all()


def test_unknown_engine():
    with pytest.raises(LabError, match="no engine 'jax'; take minigrad or compiled or numba or torch"):
        make_engine("jax", np.ones((1, 1)), np.ones(1), 0.1, None)


@pytest.mark.parametrize("most", [0.1, 1.0, 100.0])
def test_clipping_is_torchs(most):
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(4, 2)), rng.normal(size=2)]
    leaves = [torch.zeros(g.shape, dtype=torch.float64) for g in gradients]
    for leaf, g in zip(leaves, gradients, strict=True):
        leaf.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_norm_(leaves, most)
    steps = clipped_update([np.zeros_like(g) for g in gradients], gradients, 1.0, most)
    for leaf, step in zip(leaves, steps, strict=True):
        np.testing.assert_allclose(-step, leaf.grad.numpy(), rtol=1e-14)


ROWS = [("momentum", "SGD"), ("nesterov", "SGD"), ("adagrad", "Adagrad"), ("rmsprop", "RMSprop"), ("adam", "Adam")]


@pytest.mark.parametrize(("method", "name"), ROWS)
def test_rows_of_the_table_are_torchs_methods(method, name):
    """With clipping and a schedule, in torch's words."""
    rng = np.random.default_rng(0)
    x, y, W, b = rng.normal(size=(43, 4)), rng.normal(size=(43, 2)), rng.normal(size=(4, 2)), rng.normal(size=2)
    engine = TapeEngine(W, b, 0.1, 0.5, TABLE[method])
    rate = rates("cosine", 0.1, 5)
    for _ in descend(engine, x, y, epochs=5, batch_size=9, rng=np.random.default_rng(0), rate=rate):
        pass
    leaves = [torch.tensor(part, requires_grad=True) for part in (W, b)]
    more = {} if name != "SGD" else {"momentum": 0.9, "nesterov": method == "nesterov"}
    optimizer = getattr(torch.optim, name)(leaves, lr=0.1, **more)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    rng = np.random.default_rng(0)
    for _ in range(5):
        order = rng.permutation(43)
        for i in range(5):
            rows = order[43 * i // 5 : 43 * (i + 1) // 5]
            optimizer.zero_grad()
            ((torch.tensor(x[rows]) @ leaves[0] + leaves[1] - torch.tensor(y[rows])) ** 2).mean().backward()
            torch.nn.utils.clip_grad_norm_(leaves, 0.5)
            optimizer.step()
        schedule.step()
    assert difference(engine.parameters(), [leaf.detach().numpy() for leaf in leaves]) < 1e-9


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_begin_with_lr_and_do_not_grow(schedule):
    rate = rates(schedule, 0.5, 30)
    found = [rate(t) for t in range(30)]
    assert found[0] == 0.5
    assert found == sorted(found, reverse=True)
    assert (found[-1] < 0.03) == (schedule != "constant")
