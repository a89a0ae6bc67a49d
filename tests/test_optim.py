"""Optimizers and schedules beside torch's, on the same networks from the same start; and a forgotten zero_grad."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
import weakref

import numpy as np
import pytest
import torch
from students import no_collector

import minigrad
from minigrad import Tensor, gradients, nn, no_grad, optim
from minigrad.optim import lbfgs, lr_scheduler

RNG = np.random.default_rng(0)
STEPS, BATCH = 50, 16
ROWS, CLASSES = RNG.normal(size=(STEPS, BATCH, 6)), RNG.integers(0, 4, (STEPS, BATCH))
IMAGES = RNG.normal(size=(STEPS, 8, 1, 6, 6))


def mlp(nn, **options):
    """6-10-8-4 with what an MLP may have; `nn` is either library's."""
    return nn.Sequential(
        nn.Linear(6, 10, **options),
        nn.LayerNorm(10, dtype=options["dtype"]),
        nn.Tanh(),
        nn.Linear(10, 8, **options),
        nn.ReLU(),
        nn.Linear(8, 4, **options),
    )


def conv_net(nn, **options):
    """Two convolutions, batch norm, both kinds of pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, **options),
        nn.BatchNorm2d(3, dtype=options["dtype"]),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2, **options),
        nn.LeakyReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 4, **options),
    )


def twins(build):
    """The network of minigrad and that of torch, from the same start, in float64."""
    ours = build(nn, dtype=np.float64, rng=np.random.default_rng(1))
    theirs = build(torch.nn, dtype=torch.float64)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
    return ours, theirs


OPTIMIZERS = {
    "SGD": (lambda o, p: o.SGD(p, lr=0.1)),
    "SGD momentum": (lambda o, p: o.SGD(p, lr=0.05, momentum=0.9)),
    "SGD dampening": (lambda o, p: o.SGD(p, lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.01)),
    "SGD nesterov": (lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)),
    "Adam": (lambda o, p: o.Adam(p, lr=0.01)),
    "Adam amsgrad": (lambda o, p: o.Adam(p, lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.02, amsgrad=True)),
    "AdamW": (lambda o, p: o.AdamW(p, lr=0.01)),
    "AdamW amsgrad": (lambda o, p: o.AdamW(p, lr=0.01, weight_decay=0.3, amsgrad=True)),
    "RMSprop": (lambda o, p: o.RMSprop(p, lr=0.01)),
    "RMSprop centered": (
        lambda o, p: o.RMSprop(p, lr=0.002, alpha=0.9, momentum=0.8, centered=True, weight_decay=0.01)
    ),
    "Adagrad": (lambda o, p: o.Adagrad(p, lr=0.1, lr_decay=0.1, weight_decay=0.01, initial_accumulator_value=0.1)),
    "Adadelta": (lambda o, p: o.Adadelta(p, rho=0.8, eps=1e-4, weight_decay=0.01)),
    "NAdam": (lambda o, p: o.NAdam(p, lr=0.01, weight_decay=0.02)),
    "NAdam decoupled": (lambda o, p: o.NAdam(p, momentum_decay=0.1, weight_decay=0.3, decoupled_weight_decay=True)),
    "RAdam": (lambda o, p: o.RAdam(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.02)),
    "RAdam decoupled": (lambda o, p: o.RAdam(p, lr=0.01, weight_decay=0.3, decoupled_weight_decay=True)),
    "maximize": (lambda o, p: o.Adagrad(p, lr=0.001, weight_decay=0.01, maximize=True)),
    "defaults": (lambda o, p: o.SGD(p)),
    "groups": (
        lambda o, p: o.SGD([{"params": (p := list(p))[:2], "lr": 0.2, "momentum": 0.5}, {"params": p[2:]}], lr=0.01)
    ),
}
SCHEDULES = {
    "StepLR": (lambda s, o: s.StepLR(o, step_size=7, gamma=0.5)),
    "MultiStepLR": (lambda s, o: s.MultiStepLR(o, milestones=[30, 8], gamma=0.3)),
    "ExponentialLR": (lambda s, o: s.ExponentialLR(o, gamma=0.95)),
    "LinearLR": (lambda s, o: s.LinearLR(o, start_factor=0.1, total_iters=20)),
    "LinearLR defaults": (lambda s, o: s.LinearLR(o)),
    "CosineAnnealingLR": (lambda s, o: s.CosineAnnealingLR(o, T_max=20, eta_min=0.001)),
    "CosineAnnealingWarmRestarts": (lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=6, T_mult=2, eta_min=0.001)),
    "CosineAnnealingWarmRestarts alike": (lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=7)),
    "LambdaLR": (lambda s, o: s.LambdaLR(o, lambda t: 0.9**t)),
    "LambdaLR of each group": (lambda s, o: s.LambdaLR(o, [lambda t: 1 / (1 + t)])),
    "ConstantLR": (lambda s, o: s.ConstantLR(o, factor=0.2, total_iters=12)),
    "PolynomialLR": (lambda s, o: s.PolynomialLR(o, total_iters=30, power=1.5)),
    "OneCycleLR": (lambda s, o: s.OneCycleLR(o, max_lr=0.1, total_steps=50)),
    "OneCycleLR three phases": (
        lambda s, o: s.OneCycleLR(
            o, [0.1], epochs=10, steps_per_epoch=5, pct_start=0.4, anneal_strategy="linear", three_phase=True
        )
    ),
    "SequentialLR": (
        lambda s, o: s.SequentialLR(
            o,
            [s.LinearLR(o, start_factor=0.2, total_iters=6), s.CosineAnnealingLR(o, 30), s.ExponentialLR(o, 0.9)],
            milestones=[6, 36],
        )
    ),
}


def train(ours, theirs, inputs, make_optimizer, make_schedule=None, clip=None, steps=STEPS):
    """Both networks, a step at a time; yields the two optimizers' step lengths after each."""
    mine, other = make_optimizer(optim, ours.parameters()), make_optimizer(torch.optim, theirs.parameters())
    schedules = (
        []
        if make_schedule is None
        else [make_schedule(lr_scheduler, mine), make_schedule(torch.optim.lr_scheduler, other)]
    )
    loss, twin_loss = nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    for x, target in zip(inputs[:steps], CLASSES, strict=False):
        target = target[: len(x)]
        mine.zero_grad()
        other.zero_grad()
        loss(ours(x), target).backward()
        twin_loss(theirs(torch.from_numpy(x)), torch.from_numpy(target)).backward()
        if clip is not None:
            norm = nn.utils.clip_grad_norm_(ours.parameters(), clip)
            assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip).item(), rel=1e-9)
        mine.step()
        other.step()
        for schedule in schedules:
            schedule.step()
        if schedules:
            assert schedules[0].get_last_lr() == pytest.approx(schedules[1].get_last_lr(), rel=1e-12, abs=1e-15)
    return mine, other


def assert_same_state(ours, theirs):
    """Parameters and buffers agree to 1e-9 of the largest entry of each."""
    mine, other = ours.state_dict(), {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    assert list(mine) == list(other)
    for name, array in other.items():
        np.testing.assert_allclose(mine[name], array, rtol=1e-9, atol=1e-9 * np.abs(array).max(), err_msg=name)


@pytest.fixture(autouse=True)
def numbers_of_torch_are_float64():
    """Those that torch's optimizers remember, too."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # torch's SequentialLR warns of itself
@pytest.mark.parametrize(
    ("build", "name"),
    [*[(mlp, name) for name in OPTIMIZERS], *[(conv_net, name) for name in ("SGD momentum", "Adam amsgrad", "groups")]],
)
def test_weights_after_50_steps(build, name):
    ours, theirs = twins(build)
    start = ours.state_dict()
    train(ours, theirs, ROWS if build is mlp else IMAGES, OPTIMIZERS[name])
    assert_same_state(ours, theirs)
    assert any((start[name] != array).any() for name, array in ours.state_dict().items())


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
@pytest.mark.parametrize("name", SCHEDULES)
def test_weights_after_50_epochs_of_a_schedule(name):
    ours, theirs = twins(mlp)
    train(ours, theirs, ROWS, OPTIMIZERS["SGD momentum"], SCHEDULES[name])
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("clip", [0.3, 1e3])
def test_clipped(clip):
    ours, theirs = twins(mlp)
    train(ours, theirs, ROWS, OPTIMIZERS["SGD momentum"], clip=clip)
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
def test_norms_of_gradients(norm_type):
    arrays = [np.array([3.0, -4.0]), np.array(5.0), np.zeros((0, 2))]
    ps, ts = [Tensor(a, requires_grad=True) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]
    assert nn.utils.clip_grad_norm_(ps, 1.0, norm_type) == 0  # there are none yet
    for p, t, a in zip(ps, ts, arrays, strict=True):
        p.grad, t.grad = a.copy(), torch.tensor(a)
    want = torch.nn.utils.clip_grad_norm_(ts[:2], 0.5, norm_type).item()  # torch has no largest of no entries
    assert nn.utils.clip_grad_norm_(ps, 0.5, norm_type) == pytest.approx(want, rel=1e-12)
    for p, t in zip(ps, ts, strict=True):
        np.testing.assert_allclose(p.grad, t.grad.numpy(), rtol=1e-12)


def test_a_norm_that_is_no_number():
    p = Tensor(np.zeros(2), requires_grad=True)
    p.grad = np.array([1.0, np.inf])
    with pytest.raises(RuntimeError, match="the norm of the gradients is inf"):
        nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [1, np.inf]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "LBFGS"])
def test_defaults_are_torchs(name):
    p, t = Tensor(np.zeros(2), requires_grad=True), torch.zeros(2, requires_grad=True)
    mine, theirs = getattr(optim, name)([p]).defaults, getattr(torch.optim, name)([t]).defaults
    assert mine == {setting: theirs[setting] for setting in mine}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_of_any_shape_and_dtype_keep_it(name):
    ps = [Tensor(np.ones(shape, dtype), requires_grad=True) for shape in ((), (3,), (0, 2)) for dtype in ("f4", "f8")]
    frozen = Tensor(np.ones(2))
    optimizer = OPTIMIZERS[name](optim, [*ps, frozen])
    for _ in range(3):
        sum((p * p).sum() for p in ps).backward()
        before = [p.data for p in ps]
        values = [array.copy() for array in before]
        optimizer.step()
        optimizer.zero_grad()
        for p, array, value in zip(ps, before, values, strict=True):
            assert (p.shape, p.dtype) == (array.shape, array.dtype)
            np.testing.assert_array_equal(array, value)  # replaced, not written into
            assert p.size == 0 or (p.data != array).all()
    assert frozen.data.tolist() == [1, 1]


@pytest.mark.parametrize("name", ["SGD momentum", "Adam", "RMSprop centered"])
def test_what_is_remembered_is_memory_of_its_own(name):
    """Whoever writes into a gradient, or into a state that was handed out, changes nothing that comes later."""

    def trained(spoil):
        model = nn.Linear(3, 2, rng=np.random.default_rng(0))
        optimizer = OPTIMIZERS[name](optim, model.parameters())
        for i in range(4):
            optimizer.zero_grad()
            (model(ROWS[i, :, :3]) ** 2).sum().backward()
            optimizer.step()
            if spoil:
                for p in model.parameters():
                    p.grad[...] = 7
                state = optimizer.state_dict()
                optimizer.load_state_dict(state)
                for array in [array for kept in state["state"].values() for array in kept.values()]:
                    if isinstance(array, np.ndarray):
                        array[...] = 7
        return model.state_dict()

    np.testing.assert_equal(trained(spoil=True), trained(spoil=False))


def test_a_tape_from_before_a_step_is_still_right():
    w = Tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    first, second = (w * w).sum(), (w * w * w).sum()
    first.backward()
    optimizer.step()
    optimizer.zero_grad()
    second.backward()
    assert w.grad.tolist() == [27.0]


# -------------------------------------------------------------------------------------------------------------- state
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resumed_from_its_state_it_takes_the_same_steps(name):
    ours, _ = twins(mlp)
    loss = nn.CrossEntropyLoss()

    def steps(model, optimizer, batches):
        for i in batches:
            optimizer.zero_grad()
            loss(model(ROWS[i]), CLASSES[i]).backward()
            optimizer.step()

    optimizer = OPTIMIZERS[name](optim, ours.parameters())
    steps(ours, optimizer, range(5))
    state, weights = optimizer.state_dict(), ours.state_dict()
    kept = copy.deepcopy(state)
    steps(ours, optimizer, range(5, 10))
    np.testing.assert_equal(state, kept)  # a copy: the steps did not change it
    other, _ = twins(mlp)
    resumed = OPTIMIZERS[name](optim, other.parameters())
    other.load_state_dict(weights)
    resumed.load_state_dict(state)
    steps(other, resumed, range(5, 10))
    np.testing.assert_equal(other.state_dict(), ours.state_dict())
    np.testing.assert_equal(resumed.state_dict(), optimizer.state_dict())
    np.testing.assert_equal(state, kept)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_goes_on_from_a_state_of_torch(name):
    ours, theirs = twins(mlp)
    _, other = train(ours, theirs, ROWS, OPTIMIZERS[name], steps=5)
    resumed = OPTIMIZERS[name](optim, ours.parameters())
    resumed.load_state_dict(other.state_dict())
    loss, twin_loss = nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    for x, target in zip(ROWS[5:15], CLASSES[5:15], strict=True):
        resumed.zero_grad()
        other.zero_grad()
        loss(ours(x), target).backward()
        twin_loss(theirs(torch.from_numpy(x)), torch.from_numpy(target)).backward()
        resumed.step()
        other.step()
    assert_same_state(ours, theirs)


def tensors(state):
    """A state with torch's tensors in place of arrays; the settings and what is counted in lists are numbers."""
    as_they_are = {"param_groups", "ro", "H_diag", "t", "prev_loss", "n_iter", "func_evals"}
    if isinstance(state, dict):
        return {name: x if name in as_they_are else tensors(x) for name, x in state.items()}
    return [tensors(x) for x in state] if isinstance(state, list) else torch.tensor(state)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_torch_goes_on_from_our_state(name):
    ours, theirs = twins(mlp)
    mine, _ = train(ours, theirs, ROWS, OPTIMIZERS[name], steps=5)
    state = mine.state_dict()
    resumed = OPTIMIZERS[name](torch.optim, theirs.parameters())
    resumed.load_state_dict(tensors(state))
    loss, twin_loss = nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    for x, target in zip(ROWS[5:15], CLASSES[5:15], strict=True):
        mine.zero_grad()
        resumed.zero_grad()
        loss(ours(x), target).backward()
        twin_loss(theirs(torch.from_numpy(x)), torch.from_numpy(target)).backward()
        mine.step()
        resumed.step()
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy], ids=["pickle", "deepcopy"])
@pytest.mark.parametrize("name", ["SGD momentum", "Adam", "RMSprop centered"])
def test_a_model_is_copied_together_with_its_optimizer_and_schedule(name, copied):
    """Both go on alike, each with its own numbers; and each optimizer still notices a forgotten zero_grad."""
    ours, _ = twins(mlp)
    optimizer = OPTIMIZERS[name](optim, ours.parameters())
    runs = [(ours, optimizer, lr_scheduler.StepLR(optimizer, 2))]
    loss = nn.CrossEntropyLoss()

    def steps(model, optimizer, schedule):
        for x, target in zip(ROWS[:4], CLASSES[:4], strict=True):
            optimizer.zero_grad()
            loss(model(x), target).backward()
            optimizer.step()
            schedule.step()

    steps(*runs[0])
    before = ours.state_dict()
    runs.append(copied(runs[0]))
    assert all(a is b for a, b in zip(runs[1][0].parameters(), runs[1][1].parameters, strict=True))
    steps(*runs[1])
    np.testing.assert_equal(ours.state_dict(), before)
    steps(*runs[0])
    np.testing.assert_equal(runs[1][0].state_dict(), ours.state_dict())
    np.testing.assert_equal(runs[1][1].state_dict(), optimizer.state_dict())
    for model, its, _ in runs:
        loss(model(ROWS[0]), CLASSES[0]).backward()
        with pytest.warns(optim.StaleGradientWarning):
            its.step()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on_from_its_state(name):
    def made():
        optimizer = optim.SGD([Tensor(np.zeros(2), requires_grad=True)], lr=0.3)
        return optimizer, SCHEDULES[name](lr_scheduler, optimizer)

    optimizer, schedule = made()
    for _ in range(9):
        schedule.step()
    state, settings = schedule.state_dict(), optimizer.state_dict()
    other, resumed = made()
    other.load_state_dict(settings)
    resumed.load_state_dict(state)
    for _ in range(40):
        assert resumed.get_last_lr() == schedule.get_last_lr()
        resumed.step()
        schedule.step()


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning", "ignore:Detected call of `lr_:UserWarning")
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_and_that_of_torch_go_on_from_each_other(name):
    def made(optim, schedules, p):
        optimizer = optim.SGD([p], lr=0.3, momentum=0.5)
        return optimizer, SCHEDULES[name](schedules, optimizer)

    def ours():
        return made(optim, lr_scheduler, Tensor(np.zeros(2), requires_grad=True))

    def theirs():
        return made(torch.optim, torch.optim.lr_scheduler, torch.zeros(2, requires_grad=True))

    pairs = [ours(), theirs()]
    for _ in range(9):
        for _, schedule in pairs:
            schedule.step()
    for make, (source, schedule) in [(theirs, pairs[0]), (ours, pairs[1])]:
        optimizer, resumed = make()
        optimizer.load_state_dict(source.state_dict())
        resumed.load_state_dict(schedule.state_dict())
        pairs.append((optimizer, resumed))
    for _ in range(35):
        for _, schedule in pairs:
            schedule.step()
        for optimizer, _ in pairs:
            for setting in ("lr", "momentum"):
                want = pairs[1][0].param_groups[0][setting]
                assert optimizer.param_groups[0][setting] == pytest.approx(want, rel=1e-9, abs=1e-15)


PLATEAUS = {
    "min": {"patience": 2, "factor": 0.5, "threshold": 0.05},
    "max": {"mode": "max", "patience": 1, "cooldown": 3, "threshold": 0.1},
    "abs": {"patience": 0, "threshold": 0.3, "threshold_mode": "abs", "min_lr": 0.01, "factor": 0.3},
    "max abs": {"mode": "max", "threshold_mode": "abs", "patience": 1, "min_lr": [0.02], "eps": 0.01, "factor": 0.6},
}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", PLATEAUS)
def test_a_plateau_is_that_of_torch(name, sign):
    def made():
        mine = optim.Adam([W], lr=0.3)
        other = torch.optim.Adam([torch.zeros(3, requires_grad=True)], lr=0.3)
        schedules = lr_scheduler, torch.optim.lr_scheduler
        return [s.ReduceLROnPlateau(o, **PLATEAUS[name]) for s, o in zip(schedules, (mine, other), strict=True)]

    figures = sign * (2.0 - RNG.random(40).cumsum() / 20 + RNG.normal(size=40) / 5)
    pair, lengths = made(), []
    for i, figure in enumerate(figures):
        if i == 15:  # each goes on from the other's state
            again = made()
            for one, source in zip(again, pair[::-1], strict=True):
                one.load_state_dict(source.state_dict())
                one.optimizer.param_groups[0]["lr"] = source.optimizer.param_groups[0]["lr"]
            pair = again
        for schedule in pair:
            schedule.step(figure)
        lengths.append(pair[0].get_last_lr()[0])
        assert lengths[-1] == pytest.approx(pair[1].get_last_lr()[0], rel=1e-12)
    assert lengths[-1] < 0.3


# -------------------------------------------------------------------------------------------------------------- LBFGS
def rosenbrock(x, y):
    return ((1 - x) ** 2).sum() + 100 * ((y - x * x) ** 2).sum()


def descended(kind, array, options, *, states=(), steps=4):
    """The parameters after some steps on rosenbrock, the losses before each, the optimizer."""
    ps = [array(v) for v in ([-1.2, 0.5], [1.0, 0.3])]
    optimizer = kind(ps, **options)
    for state in states:
        optimizer.load_state_dict(state[0])
        for p, value in zip(ps, state[1], strict=True):
            p.data = value

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(*ps)
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure).detach().numpy()) for _ in range(steps)]
    return ps, losses, optimizer


OURS = optim.LBFGS, lambda v: Tensor(v, requires_grad=True)
THEIRS = torch.optim.LBFGS, lambda v: torch.tensor(v, requires_grad=True)


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.02, "max_iter": 7, "history_size": 3},
        {"lr": 0.5, "max_iter": 1},
        {"lr": 0.1, "max_iter": 20, "max_eval": 6},
        {"lr": 0.1, "tolerance_change": 0.03},
        {"lr": 0.1, "tolerance_grad": 1.5},
    ],
)
def test_lbfgs_is_that_of_torch(options):
    ours, theirs = descended(*OURS, options), descended(*THEIRS, options)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-8)
    counts = [
        [s[name] for name in ("n_iter", "func_evals")]
        for s in (ours[2].state[ours[0][0]], theirs[2].state[theirs[0][0]])
    ]
    assert counts[0] == counts[1]
    values = [[p.data.copy() for p in ours[0]], [p.detach().clone() for p in theirs[0]]]
    on_ours = descended(*OURS, options, states=[(theirs[2].state_dict(), [v.numpy() for v in values[1]])])
    on_theirs = descended(
        *THEIRS, options, states=[(tensors(ours[2].state_dict()), [torch.tensor(v) for v in values[0]])]
    )
    np.testing.assert_allclose(on_ours[1], on_theirs[1], rtol=1e-7)
    assert on_ours[1][0] < ours[1][0]


def test_lbfgs_finds_the_minimum_along_each_line():
    ps, _, optimizer = descended(*OURS, {"line_search_fn": "strong_wolfe", "max_iter": 200}, steps=1)
    for p in ps:
        np.testing.assert_allclose(p.data, 1, atol=1e-5)
    theirs = descended(*THEIRS, {"line_search_fn": "strong_wolfe", "max_iter": 200}, steps=1)[2].state_dict()
    assert optimizer.state[ps[0]]["func_evals"] < 1.5 * theirs["state"][0]["func_evals"]


@pytest.mark.parametrize("t", [1e-6, 0.1, 1.0, 50.0])
@pytest.mark.parametrize("f", [lambda x: x**4 - 3 * x**2 + x, lambda x: -x / (x * x + 2), lambda x: np.exp(-x) + x / 9])
def test_a_line_search_ends_where_the_wolfe_conditions_hold(f, t):
    def point(t):
        loss, slope = minigrad.value_and_grad(f)(t)
        return lbfgs.Point(t, float(loss), np.array([slope]), float(slope), loss)

    start = point(0.0)
    if start.slope > 0:
        start, f = start._replace(slope=-start.slope), lambda x, f=f: f(-x)
    found = lbfgs.strong_wolfe(point, start, t, np.ones(1), 1e-9)
    assert found.t > 0
    assert found.loss <= start.loss + 1e-4 * found.t * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)


def test_a_group_that_comes_later():
    both = []
    for library, make in (optim, Tensor), (torch.optim, torch.tensor):
        v, w = make([1.0, 2.0], requires_grad=True), make([3.0], requires_grad=True)
        optimizer = library.Adam([v], lr=0.1)
        for later in (False, True, True):
            if later and len(optimizer.param_groups) == 1:
                optimizer.add_param_group({"params": w, "lr": 0.5})
            optimizer.zero_grad()
            ((v**2).sum() * (w**2).sum()).backward()
            optimizer.step()
        both.append([*v.detach().numpy(), *w.detach().numpy()])
        with pytest.raises(ValueError, match=r"twice|more than one"):
            optimizer.add_param_group({"params": [v]})
        assert len(optimizer.param_groups) == 2
    np.testing.assert_allclose(*both, rtol=1e-6)


def test_what_lbfgs_needs():
    with pytest.raises(TypeError, match=r"call step\(closure\)"):
        optim.LBFGS([W]).step()
    for options in ({"max_iter": 0}, {"history_size": 0}, {"line_search_fn": "wolfe"}, {"tolerance_grad": -1.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            optim.LBFGS([W], **options)
    with pytest.raises(ValueError, match="no groups"):
        optim.LBFGS([{"params": [Tensor(1.0, requires_grad=True)]}, {"params": [W]}])


def test_a_step_calls_its_closure_and_takes_recorded_gradients():
    w = Tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward(create_graph=True)
        return loss

    with no_grad():
        assert optimizer.step(closure).item() == 4
    assert w.data.tolist() == [1]
    closure()
    closure()
    optimizer.step()
    assert w.data.tolist() == [0.5]


def test_a_state_from_before_there_was_maximize_is_taken():
    optimizer = optim.SGD([W], lr=0.5)
    state = optimizer.state_dict()
    del state["param_groups"][0]["maximize"]
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["maximize"] is False


def broken(change):
    state = {
        "state": {0: {"momentum_buffer": np.ones(3)}},
        "param_groups": [dict(optim.SGD([W], lr=7.0).state_dict()["param_groups"][0])],
    }
    change(state)
    return state


W = Tensor(np.zeros(3), requires_grad=True)
BROKEN = {
    "shape": (
        lambda s: s["state"][0].update(momentum_buffer=np.ones(2)),
        r"shape \(2,\), for a parameter of shape \(3,\)",
    ),
    "number": (lambda s: s["state"].update({5: {}}), "no state of SGD"),
    "no groups": (lambda s: s.pop("param_groups"), "param_groups"),
    "two groups": (lambda s: s["param_groups"].append({"params": [1]}), "other groups"),
    "a setting less": (lambda s: s["param_groups"][0].pop("momentum"), "momentum"),
    "a wrong setting": (lambda s: s["param_groups"][0].update(lr=-1.0), "lr is a number from 0 on"),
    "no dict": (lambda s: s.update(state=3), "no state of SGD"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_state_that_does_not_fit_changes_nothing(name):
    change, message = BROKEN[name]
    optimizer = optim.SGD([W], lr=0.5, momentum=0.9)
    optimizer.state[W] = {"momentum_buffer": np.arange(3.0)}
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(broken(change))
    np.testing.assert_equal(optimizer.state_dict(), before)
    optimizer.load_state_dict(broken(lambda s: None))
    assert optimizer.param_groups[0]["lr"] == 7.0
    assert optimizer.state_dict()["state"][0]["momentum_buffer"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "state", [{}, {"last_epoch": 3, "base_lrs": [1.0, 2.0]}, {"last_epoch": "x", "base_lrs": [1.0]}, 5]
)
def test_a_schedule_refuses_another_state(state):
    optimizer = optim.SGD([W], lr=0.5)
    schedule = lr_scheduler.StepLR(optimizer, 1)
    with pytest.raises(ValueError, match="no state of a StepLR"):
        schedule.load_state_dict(state)
    assert (schedule.last_epoch, schedule.get_last_lr()) == (0, [0.5])


# ------------------------------------------------------------------------------------------------------------- mistakes
RESULT = W * 2


def beyond(schedule):
    for _ in range(3):
        schedule.step()


ERRORS = [
    (lambda: optim.SGD([]), ValueError, "no parameters; an iterator"),
    (lambda: optim.SGD([np.zeros(3)]), TypeError, "parameter 0 is a ndarray"),
    (lambda: optim.SGD([W, RESULT]), ValueError, "parameter 1 is a result"),
    (lambda: optim.Adam([W, W]), ValueError, "comes twice"),
    (lambda: optim.SGD([{"params": W}, {"params": [W]}]), ValueError, "comes twice"),
    (lambda: optim.SGD([{"params": W, "beta": 1}]), ValueError, "SGD has no setting 'beta'; it has lr, momentum"),
    (lambda: optim.SGD([W], lr=-1), ValueError, "lr is a number from 0 on, and not -1"),
    (lambda: optim.SGD([W], lr=math.nan), ValueError, "lr"),
    (lambda: optim.SGD([W], weight_decay=-1), ValueError, "weight_decay"),
    (lambda: optim.SGD([W], nesterov=True), ValueError, "nesterov needs momentum"),
    (lambda: optim.SGD([W], momentum=0.9, dampening=0.1, nesterov=True), ValueError, "nesterov"),
    (lambda: optim.Adam([W], betas=(0.9, 1.0)), ValueError, "betas are from 0 to below 1"),
    (lambda: optim.RMSprop([W], alpha=-0.1), ValueError, "alpha"),
    (lambda: lr_scheduler.StepLR([W], 3), TypeError, "is no optimizer"),
    (lambda: lr_scheduler.StepLR(optim.SGD([W]), 0), ValueError, "step_size is at least 1, and is 0"),
    (lambda: lr_scheduler.CosineAnnealingLR(optim.SGD([W]), 0), ValueError, "T_max is at least 1"),
    (lambda: lr_scheduler.LinearLR(optim.SGD([W]), total_iters=0), ValueError, "total_iters is at least 1"),
    (lambda: lr_scheduler.SequentialLR(optim.SGD([W]), [], [1]), ValueError, "0 schedules need"),
    (lambda: optim.Adadelta([W], rho=1.5), ValueError, "rho is from 0 to 1"),
    (lambda: lr_scheduler.LambdaLR(optim.SGD([W]), []), ValueError, "0 functions for 1 group$"),
    (lambda: lr_scheduler.OneCycleLR(optim.SGD([W]), 0.1), ValueError, "needs total_steps, or epochs"),
    (lambda: lr_scheduler.OneCycleLR(optim.SGD([W]), 0.1, 9, pct_start=2), ValueError, "pct_start is from 0 to 1"),
    (lambda: lr_scheduler.OneCycleLR(optim.SGD([W]), 0.1, 9, anneal_strategy="x"), ValueError, "not 'x'"),
    (lambda: lr_scheduler.OneCycleLR(optim.Adagrad([W]), 0.1, 9), ValueError, "no momentum to cycle"),
    (lambda: lr_scheduler.OneCycleLR(optim.SGD([W]), [0.1, 0.2], 9), ValueError, "2 numbers max_lr for 1"),
    (lambda: lr_scheduler.ReduceLROnPlateau(optim.SGD([W]), factor=1), ValueError, "factor is below 1"),
    (lambda: lr_scheduler.ReduceLROnPlateau(optim.SGD([W]), mode="least"), ValueError, "not 'least'"),
    (lambda: lr_scheduler.ReduceLROnPlateau(optim.SGD([W]), min_lr=[1, 2]), ValueError, "2 numbers min_lr"),
    (lambda: lr_scheduler.ReduceLROnPlateau(optim.SGD([W])).load_state_dict({}), ValueError, "no state of a Reduce"),
    (lambda: beyond(lr_scheduler.OneCycleLR(optim.SGD([W]), 0.1, 2)), ValueError, "step 3 of 2"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[message[:40] for *_, message in ERRORS])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ----------------------------------------------------------------------------------------------- a forgotten zero_grad
def forgetful(batches=1, zero=None, before=None, model=None, steps=3, clip=None):
    """A loop, the number of warnings it gives, and after which step the first came."""
    model = model or nn.Linear(2, 3, rng=np.random.default_rng(0))
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    found = []
    for i in range(steps):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if before:
                before(model, optimizer, i)
            for _ in range(batches):
                (model(np.ones((4, 2))) ** 2).sum().backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            if zero:
                zero(model, optimizer, i)
        found += [(i, warning) for warning in caught]
    return found


def by_hand(model, optimizer, i):
    for p in model.parameters():
        p.grad = None


def in_place(model, optimizer, i):
    for p in model.parameters():
        p.grad[...] = 0


RIGHT = {
    "optimizer": lambda m, o, i: o.zero_grad(),
    "model": lambda m, o, i: m.zero_grad(),
    "tensors": lambda m, o, i: [p.zero_grad() for p in m.parameters()],
    "None": by_hand,
    "zeroed in place": in_place,
    "multiplied by zero": lambda m, o, i: [setattr(p, "grad", 0 * p.grad) for p in m.parameters()],
}


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_it_is_said_once_at_the_step_that_uses_it(batches, clip):
    ((step, warning),) = forgetful(batches, clip=clip, steps=6)
    assert step == 1
    assert warning.category is optim.StaleGradientWarning
    assert "optimizer.zero_grad()" in str(warning.message)
    assert warning.filename == __file__  # the line that stepped


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("when", ["zero", "before"])
@pytest.mark.parametrize("name", RIGHT)
def test_no_false_alarm(batches, name, when):
    """Sweeps that add up before one step are no mistake, however the gradients are forgotten, before or after."""
    if when == "before" and name not in ("optimizer", "model", "tensors", "None"):
        pytest.skip("there is no gradient yet to be zeroed")
    assert forgetful(batches, **{when: RIGHT[name]}) == []


def test_an_empty_parameter_does_not_stand_for_the_others():
    model = nn.Linear(2, 3, rng=np.random.default_rng(0))
    model.nothing = nn.Parameter(np.zeros((0, 2)))
    assert len(forgetful(model=model)) == 1


def test_a_second_loop_is_watched_too():
    assert forgetful(zero=lambda m, o, i: o.zero_grad() if i < 4 else None, steps=8)[0][0] == 5


def test_no_false_alarm_of_two_optimizers_for_two_parts():
    """As in adversarial training: the other part's sweep adds to gradients that are forgotten before their use."""
    g, d = (nn.Linear(2, 2, rng=np.random.default_rng(i)) for i in (0, 1))
    first, second = optim.SGD(g.parameters(), lr=0.01), optim.SGD(d.parameters(), lr=0.01)
    for _ in range(4):  # warnings are errors here
        for optimizer in first, second:
            optimizer.zero_grad()
            d(g(np.ones((3, 2)))).sum().backward()
            optimizer.step()


def test_no_false_alarm_of_gradients_assigned_by_hand():
    model = nn.Linear(2, 3, rng=np.random.default_rng(0))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(4):
        loss = (model(np.ones((4, 2))) ** 2).sum()
        for p, g in zip(model.parameters(), gradients(loss, list(model.parameters())), strict=True):
            p.grad = g.data
        optimizer.step()
    for _ in range(2):
        optimizer.step()  # again with the same gradient, which no sweep added to


def test_an_optimizer_that_is_gone_watches_no_more():
    model = nn.Linear(2, 3, rng=np.random.default_rng(0))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    alive = weakref.ref(optimizer)
    model(np.ones((1, 2))).sum().backward()
    optimizer.step()
    assert [len(p.hooks.functions) for p in model.parameters() if p.hooks] == [1]
    optimizer.zero_grad()
    assert not any(p.hooks for p in model.parameters())
    model(np.ones((1, 2))).sum().backward()
    optimizer.step()
    del optimizer
    assert alive() is None  # no cycle: at once, not when the collector comes by
    assert not any(p.hooks for p in model.parameters())
    with no_collector():
        parameter = weakref.ref(model.weight)
        del model
        assert parameter() is None


def test_frozen_parameters_are_no_hindrance():
    frozen = Tensor(np.ones(2))
    optimizer = optim.SGD([frozen])
    optimizer.step()
    optimizer.zero_grad()
    assert minigrad.square(frozen).data.tolist() == [1, 1]


def test_it_is_readable():
    optimizer = optim.SGD([{"params": W}, {"params": Tensor(1.0, requires_grad=True), "lr": 0.5}], lr=0.1)
    assert repr(optimizer) == (
        "SGD(1 parameter, lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False; "
        "1 parameter, lr=0.5, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False)"
    )
