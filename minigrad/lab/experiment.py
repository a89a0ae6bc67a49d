"""Gradient descent with honest books: `train` for one method, `compare` for several on the same data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad import linear, mse_loss
from minigrad.lab import report
from minigrad.lab.data import Dataset, FloatArray, LabError, LabWarning, Prepared, load, prepare, stream
from minigrad.lab.descent import ENGINES, METHODS, Mark, Tape, descend, make_engine
from minigrad.lab.events import EventLog, new_folder
from minigrad.lab.theory import LeastSquares, mse

INITS = ("zeros", "random")
DTYPES = ("float64", "float32")
# The settings of the lab report this lab grew from.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "lab": {
        "batch": {"lr": 0.01, "epochs": 100},
        "sgd": {"lr": 1e-4, "epochs": 100, "clip_norm": 1.0},
        "minibatch": {"lr": 1e-4, "epochs": 100, "clip_norm": 1.0},
    }
}
MINIBATCH = 32
# A training loss this many times the one at the start will not come back.
EXPLODED = 10.0


@dataclass(frozen=True)
class Settings:
    """What a run was told, or took by default."""

    data: str
    method: str
    engine: str
    lr: float
    epochs: int
    batch_size: int
    clip_norm: float | None
    clip_features: float | None
    init: str
    seed: int
    dtype: str
    step_bound: float  # the largest stable lr for this batch size
    default_lr: float


@dataclass(frozen=True, eq=False)
class History:
    """The losses of a run, an entry a look: `samples` seen, and `train` and `test` MSE of equal weights."""

    samples: npt.NDArray[np.int64]
    train: FloatArray
    test: FloatArray


@dataclass(frozen=True, eq=False)
class Run:
    """One descent: `settings`, `history`, what it learned, and the exact solution to hold that against.

    `weights` (p, q) and `bias` (q,) belong to the standardised features. `seconds` are those spent in steps.
    `diverged` is None, or says why the run was stopped. `notes` say what was done to the data. `folder` has
    the event file, when one was asked for.
    """

    settings: Settings
    history: History
    weights: FloatArray
    bias: FloatArray
    exact: LeastSquares
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    steps: int
    seconds: float
    diverged: str | None
    notes: list[str]
    folder: Path | None

    @property
    def method(self) -> str:
        return self.settings.method

    @property
    def samples(self) -> int:
        """Rows seen, each as often as it was seen."""
        return int(self.history.samples[-1])

    @property
    def train_mse(self) -> float:
        return float(self.history.train[-1])

    @property
    def test_mse(self) -> float:
        return float(self.history.test[-1])

    @property
    def above_optimum(self) -> float:
        """How far the training MSE is above the exact optimum, in parts of it (0.01 is 1 %)."""
        return self.train_mse / self.exact.mse - 1 if self.exact.mse else math.inf

    @property
    def microseconds_per_step(self) -> float:
        return 1e6 * self.seconds / self.steps if self.steps else math.nan

    @property
    def named_weights(self) -> dict[str, FloatArray]:
        """The weights (q,) of each feature by its name, and "bias"."""
        return dict(zip((*self.feature_names, "bias"), np.vstack([self.weights, self.bias]), strict=True))

    def plot(self, path: str | Path) -> Path:
        """Draw the losses as a PNG; `path` must not exist. Returns it."""
        return report.picture([self], path)

    def __repr__(self) -> str:
        return report.text([self])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several runs on the same rows from the same start; `comparison["sgd"]` is the run of that method."""

    runs: list[Run]
    folder: Path | None

    def __getitem__(self, method: str) -> Run:
        for run in self.runs:
            if run.method == method:
                return run
        raise KeyError(method)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def plot(self, path: str | Path) -> Path:
        """Draw the losses of all runs as a PNG; `path` must not exist. Returns it."""
        return report.picture(self.runs, path)

    def __repr__(self) -> str:
        return report.text(self.runs)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; `result` is what there was until then."""

    def __init__(self, result: Comparison) -> None:
        super().__init__("interrupted")
        self.result = result


def train(
    data: str | Path | Dataset | tuple[npt.ArrayLike, npt.ArrayLike] = "california",
    *,
    method: str = "minibatch",
    lr: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    clip_norm: float | None = None,
    clip_features: float | None = 5.0,
    init: str = "zeros",
    seed: int = 0,
    dtype: str = "float64",
    engine: str = "minigrad",
    preset: str | None = None,
    logdir: str | Path | None = None,
    progress: bool = False,
    target: str | Sequence[str] | None = None,
    rows: int | None = None,
    features: int | None = None,
    outputs: int | None = None,
) -> Run:
    """Fit a linear model by gradient descent on the mean squared error, and keep honest books about it.

    data: "california", "diabetes", "synthetic", the path of a CSV file (with `target`, its target columns), a
        pair (X, y) of arrays, or a `Dataset`. `rows`, `features` and `outputs` shape the synthetic data.
    method: "batch" (all rows a step), "sgd" (one row a step) or "minibatch" (`batch_size` rows a step, 32).
    lr: the step. By default it comes from the data (`LeastSquares.default_lr`).
    epochs: passes over the training rows. By default enough to end within 1.5 % of the optimum, as predicted
        (`LeastSquares.default_epochs`).
    clip_norm: the most that the norm of a step's gradient may be; None for no limit.
    clip_features: standardised features are clipped at ± this; None for no limit.
    init: "zeros", or "random" (normal weights of variance 1/p for p features, zero bias).
    seed: of the split, the start, the order of the rows and the synthetic data.
    dtype: "float64" or "float32", of the data and the weights; losses are evaluated in float64.
    engine: "minigrad", its tape; "compiled" or "numba", to take the same steps as the program that the tape prints; or
        "torch", with PyTorch.
    preset: "lab" for the settings of the lab report; what is given beside it goes before it.
    logdir: where to make a folder with TensorBoard event files; None for none.
    progress: show bars (lines when standard error is not a terminal) while it runs.

    A loss that explodes ends the run: `Run.diverged` says why. Raises LabError for what cannot be done, warns
    (LabWarning) when lr exceeds the largest stable step, and at Ctrl-C raises Interrupted, which is a
    KeyboardInterrupt with the result so far.
    """
    return compare(
        data, methods=[method], lr=lr, epochs=epochs, batch_size=batch_size, clip_norm=clip_norm,
        clip_features=clip_features, init=init, seed=seed, dtype=dtype, engine=engine, preset=preset,
        logdir=logdir, progress=progress, target=target, rows=rows, features=features, outputs=outputs,
    ).runs[0]  # fmt: skip


def compare(
    data: str | Path | Dataset | tuple[npt.ArrayLike, npt.ArrayLike] = "california",
    *,
    methods: Sequence[str] = METHODS,
    lr: float | Mapping[str, float] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    clip_norm: float | None = None,
    clip_features: float | None = 5.0,
    init: str = "zeros",
    seed: int = 0,
    dtype: str = "float64",
    engine: str = "minigrad",
    preset: str | None = None,
    logdir: str | Path | None = None,
    progress: bool = False,
    target: str | Sequence[str] | None = None,
    rows: int | None = None,
    features: int | None = None,
    outputs: int | None = None,
) -> Comparison:
    """`train` by several methods on the same rows, from the same start, with the same number of samples seen.

    lr: for all methods, or a mapping from method to step.
    epochs: by default as many as the slowest method needs.
    All else is as `train` has it.
    """
    _check_names(methods, init=init, dtype=dtype, engine=engine, preset=preset)
    if seed < 0:
        raise LabError(f"seed must be 0 or more, got {seed}")
    if batch_size is not None and "minibatch" not in methods:
        taken = "one row" if methods[0] == "sgd" else "all rows"
        raise LabError(f"batch_size is for minibatch; {methods[0]} takes {taken} a step")
    lrs = lr if isinstance(lr, Mapping) else dict.fromkeys(methods, lr)
    if not set(lrs) <= set(methods):
        unknown = ", ".join(sorted(set(lrs) - set(methods)))
        raise LabError(f"lr names {unknown}, but the methods are {', '.join(methods)}")

    dataset = load(data, target=target, rows=rows, features=features, outputs=outputs, seed=seed)
    table = prepare(dataset, clip_features=clip_features, seed=seed, dtype=dtype)
    exact = LeastSquares(table.x_train, table.y_train)
    start = _start(exact, init, seed, dtype)

    plans = []
    for method in methods:
        given = {"lr": lrs.get(method), "epochs": epochs, "clip_norm": clip_norm}
        if method == "minibatch":
            given["batch_size"] = batch_size
        numbers = PRESETS[preset][method] if preset else {}
        numbers = numbers | {name: value for name, value in given.items() if value is not None}
        numbers = _numbers(method, exact, start, **numbers)
        common: dict[str, Any] = {"clip_features": clip_features, "init": init, "seed": seed, "dtype": dtype}
        plans.append(Settings(dataset.name, method, engine, **common, **numbers))
    budget = max(plan.epochs for plan in plans)
    return _carry_out([replace(plan, epochs=budget) for plan in plans], table, exact, start, logdir, progress)


def _check_names(methods: Sequence[str], **given: str | None) -> None:
    if not methods or len(set(methods)) < len(methods):
        raise LabError("methods must name at least one method, and none twice")
    known = {"method": METHODS, "init": INITS, "dtype": DTYPES, "engine": ENGINES, "preset": (*PRESETS, None)}
    for name, value in (*given.items(), *(("method", method) for method in methods)):
        if value not in known[name]:
            raise LabError(f"there is no {name} {value!r}; take {' or '.join(k for k in known[name] if k)}")


def _start(exact: LeastSquares, init: str, seed: int, dtype: str) -> tuple[FloatArray, FloatArray]:
    """The weights (p, q) and bias (q,) that every method starts from."""
    weights, bias = np.zeros_like(exact.weights, dtype), np.zeros_like(exact.bias, dtype)
    if init == "random":
        weights[:] = stream(seed, "init").normal(scale=len(weights) ** -0.5, size=weights.shape)
    return weights, bias


def _numbers(
    method: str,
    exact: LeastSquares,
    start: tuple[FloatArray, FloatArray],
    *,
    lr: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    clip_norm: float | None = None,
) -> dict[str, Any]:
    """The numeric settings of a run: those given, checked, and from the data those that are not."""
    if batch_size is None:
        batch_size = {"batch": exact.rows, "sgd": 1, "minibatch": min(MINIBATCH, exact.rows)}[method]
    if not 1 <= batch_size <= exact.rows:
        raise LabError(f"batch_size must be from 1 to the {exact.rows} training rows, got {batch_size}")
    for name, value in (("lr", lr), ("clip_norm", clip_norm)):
        if value is not None and not 0 < value < math.inf:
            raise LabError(f"{name} must be a number above 0, got {value}")
    if epochs is not None and epochs < 1:
        raise LabError(f"epochs must be at least 1, got {epochs}")
    default_lr = exact.default_lr(batch_size)
    lr = default_lr if lr is None else float(lr)
    return {
        "lr": lr,
        "default_lr": default_lr,
        "step_bound": exact.step_bound(batch_size),
        "epochs": exact.default_epochs(*start, lr, batch_size) if epochs is None else epochs,
        "batch_size": batch_size,
        "clip_norm": clip_norm,
    }


def _carry_out(
    plans: Sequence[Settings],
    table: Prepared,
    exact: LeastSquares,
    start: tuple[FloatArray, FloatArray],
    logdir: str | Path | None,
    progress: bool,
) -> Comparison:
    for plan in plans:
        if plan.lr > plan.step_bound:
            warnings.warn(
                f"{plan.method}: lr {plan.lr:.3g} is above the largest stable step, {plan.step_bound:.3g}; "
                "the loss may explode",
                LabWarning,
                stacklevel=3,
            )
    folder = None if logdir is None else new_folder(logdir, table.name)
    result = Comparison([], folder)
    with report.Progress(progress) as show:
        for plan in plans:
            run, interrupted = _run(plan, table, exact, start, folder, show)
            result.runs.append(run)
            if interrupted:
                raise Interrupted(result)
    return result


def _run(
    plan: Settings,
    table: Prepared,
    exact: LeastSquares,
    start: tuple[FloatArray, FloatArray],
    folder: Path | None,
    show: report.Progress,
) -> tuple[Run, bool]:
    """Carry out one plan. Returns the run, and whether Ctrl-C ended it."""
    engine = make_engine(plan.engine, *start, plan.lr, plan.clip_norm)
    weights, bias = start
    mark = Mark(0, 0, 0, 0.0)
    looks: list[tuple[int, float, float]] = []
    diverged = None
    interrupted = False
    own = None if folder is None else folder / plan.method

    def look() -> None:
        nonlocal weights, bias
        weights, bias = engine.parameters()
        train = mse(table.x_train, table.y_train, weights, bias)
        test = mse(table.x_test, table.y_test, weights, bias)
        looks.append((mark.samples, train, test))
        if log:
            log.losses(*looks[-1])
        show(plan, mark, train)

    with (
        nullcontext() if own is None else EventLog(own, _hyper_parameters(plan)) as log,
        np.errstate(over="ignore", invalid="ignore"),  # what overflows is noticed below, and said better
    ):
        look()
        if log and isinstance(engine, Tape):
            x, y = table.x_train[: plan.batch_size], table.y_train[: plan.batch_size]
            log.graph(mse_loss(linear(x, engine.W, engine.b), y), W=engine.W, b=engine.b, x=x, y=y)
        try:
            for mark in descend(
                engine, table.x_train, table.y_train,
                epochs=plan.epochs, batch_size=plan.batch_size, rng=stream(plan.seed, plan.method),
            ):  # fmt: skip
                look()
                if not looks[-1][1] <= EXPLODED * looks[0][1]:  # so written, nan counts as exploded
                    diverged = _why(plan, mark, looks[0][1], looks[-1][1])
                    break
        except KeyboardInterrupt:
            interrupted = True
    samples, train, test = map(np.array, zip(*looks, strict=True))
    run = Run(
        plan, History(samples, train, test), weights, bias, exact, table.feature_names, table.target_names,
        mark.steps, mark.seconds, diverged, table.notes, own,
    )  # fmt: skip
    return run, interrupted


def _hyper_parameters(plan: Settings) -> dict[str, float | str]:
    return {name: "none" if value is None else value for name, value in asdict(plan).items()}


def _why(plan: Settings, mark: Mark, first: float, last: float) -> str:
    remedies = [f"lr {plan.default_lr:.2g}"] if plan.lr > plan.default_lr else [f"lr {plan.lr / 10:.2g}"]
    if plan.clip_features is None:
        remedies.append("clip_features 5")
    if plan.clip_norm is None:
        remedies.append("clip_norm 1")
    return (
        f"{plan.method} diverged in epoch {mark.epoch}, after {mark.samples:,} samples: "
        f"the training MSE went from {first:.3g} to {last:.3g} with lr {plan.lr:.3g}, "
        f"where the largest stable step is {plan.step_bound:.3g}; try {' or '.join(remedies)}"
    )
