"""Gradient descent with honest books: `train` for one method, `compare` for several on the same data."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, astuple, replace
from inspect import Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import Tensor, checkpoint
from minigrad.engine.words import counted
from minigrad.lab.data import FloatArray, Prepared, rows_in_memory, stream
from minigrad.lab.descent import (
    Milestone,
    TapeEngine,
    check_engine,
    descend,
    make_engine,
    objective,
    rates,
    rows_a_step,
)
from minigrad.lab.errors import LabError, LabWarning, option, unknown
from minigrad.lab.events import EventLog, new_folder
from minigrad.lab.landscape import landscape, place
from minigrad.lab.newton import CrossEntropy, confusion
from minigrad.lab.progress import Progress
from minigrad.lab.report import Comparison, History, Run
from minigrad.lab.runs import RESULTS, SETTINGS, keep, noticed, repeatable
from minigrad.lab.runs import result as ended
from minigrad.lab.settings import (
    ALPHA,
    COMPARED,
    DTYPES,
    ENGINES,
    INITS,
    METHODS,
    MOST_TAPED,
    PRESETS,
    SCHEDULES,
    SHARED_BATCH,
    TASKS,
    Method,
    Settings,
)
from minigrad.lab.store import ready
from minigrad.lab.theory import FAR, LeastSquares, Optimum, percent

if TYPE_CHECKING:
    from minigrad.lab.parallel import Crew, Part

CHECKPOINT = "checkpoint.npz"  # in the folder of a method: where it goes on
EVERY = 2.0  # seconds from one checkpoint to the next
SHAPE = 32  # points of a schedule from which the end of a run is predicted
MOST_EPOCHS = 10**12  # more are no number of samples that a file can hold, and no end
# A training loss this many times the one at the start will not come back.
EXPLODED = 10.0


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; `result` is what there was until then."""

    def __init__(self, result: Comparison) -> None:
        super().__init__("interrupted")
        self.result = result


def compare(
    data: Any = "california",
    *,
    methods: Sequence[str] = COMPARED,
    lr: float | Mapping[str, float] | None = None,
    task: str = TASKS[0],
    alpha: float | None = None,
    schedule: str = "constant",
    epochs: int | None = None,
    batch_size: int | None = None,
    clip_norm: float | None = None,
    clip_features: float | None = 5.0,
    init: str = "zeros",
    seed: int = 0,
    dtype: str = "float64",
    engine: str | None = None,
    preset: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    backend: str | None = None,
    local_steps: int = 1,
    logdir: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = False,
    **table: Any,
) -> Comparison:
    """`train` by several methods on the same rows, from the same start, with the same number of samples seen.

    Args:
        lr: for all methods, or a mapping from method to step.
        epochs: by default as many as the slowest method needs.

    All else is as `train` has it.

    >>> from minigrad import lab
    >>> runs = lab.compare("synthetic", methods=["batch", "minibatch"], epochs=2)
    >>> [(run.method, run.steps) for run in runs]
    [('batch', 2), ('minibatch', 4)]
    """
    arguments = {**{name: value for name, value in locals().items() if name != "table"}, **table}
    _check_names(methods, task=task, init=init, dtype=dtype, engine=engine, preset=preset, schedule=schedule)
    for method in methods:
        check_engine(engine or ENGINES[0], method)
    if alpha is not None and not 0 <= alpha < math.inf:
        raise LabError(f"{option('alpha')} must be a number from 0 on, got {alpha}")
    classes = task == TASKS[1]
    for name, value, wrong in (("alpha", alpha, not classes), ("preset", preset, classes)):
        if wrong and value is not None:
            raise LabError(f"{option(name)} is for {option('task', TASKS[0 if classes else 1])}")
    alpha = (ALPHA if alpha is None else alpha) if classes else 0.0
    if seed < 0:
        raise LabError(f"{option('seed')} must be 0 or more, got {seed}")
    if epochs is not None and epochs > MOST_EPOCHS:
        raise LabError(f"{option('epochs')} must be at most {MOST_EPOCHS:,}, got {epochs}")
    if preset and (others := [method for method in methods if method not in PRESETS[preset]]):
        raise LabError(f"{option('preset', preset)} has no settings for {others[0]}")
    if batch_size is not None and all(METHODS[method].rows != "some" for method in methods):
        taken = "one row" if methods[0] == "sgd" else "all rows"
        raise LabError(f"{option('batch_size')} is for minibatch; {methods[0]} takes {taken} a step")
    lrs = lr if isinstance(lr, Mapping) else dict.fromkeys(methods, lr)
    if not set(lrs) <= set(methods):
        unknown = ", ".join(sorted(set(lrs) - set(methods)))
        raise LabError(f"{option('lr')} names {unknown}, but the methods are {', '.join(methods)}")

    team = None
    if workers is not None or scheduler or backend or local_steps != 1:
        from minigrad.lab import cluster, parallel  # what they import takes longer than all else of the lab

        team = cluster.crew(workers, scheduler, backend)
        parallel.check(methods, engine or ENGINES[0], local_steps)
    prepared = ready(data, clip_features=clip_features, seed=seed, dtype=dtype, progress=progress, task=task, **table)
    rows = prepared.x_train, prepared.y_train
    exact = CrossEntropy(*rows, alpha) if classes else LeastSquares(*rows)
    if team and batch_size is None:
        batch_size = min(SHARED_BATCH, exact.rows)
    start = _start(exact, init, seed, dtype)

    plans = []
    for method in methods:
        given = {"lr": lrs.get(method), "epochs": epochs, "clip_norm": clip_norm}
        if METHODS[method].rows == "some":
            given["batch_size"] = batch_size
        numbers = PRESETS[preset][method] if preset else {}
        numbers = numbers | {name: value for name, value in given.items() if value is not None}
        numbers = _numbers(method, exact, start, schedule, **numbers)
        common: dict[str, Any] = {"clip_features": clip_features, "init": init, "seed": seed, "dtype": dtype}
        common |= {"local_steps": local_steps, "task": task, "alpha": alpha}
        plans.append(Settings(prepared.name, method, engine or ENGINES[0], **common, **numbers))
    budget = max(plan.epochs for plan in plans)
    large = next((plan for plan in plans if plan.batch_size > rows_in_memory(prepared.x_train)), None)
    if engine is None:
        many = budget * -(-exact.rows // min(plan.batch_size for plan in plans)) > MOST_TAPED
        if many and not team and not large and all(METHODS[method].plain for method in methods):
            plans = [replace(plan, engine="compiled") for plan in plans]
    elif engine != "minigrad" and large:
        raise LabError(
            f"{large.method}: engine {engine} holds the {large.batch_size:,} rows of a step in memory together, and "
            f"these are read as a stream; take {option('engine', 'minigrad')}, or fewer rows a step"
        )
    ends = [exact.predicted(*start, plan.lr, plan.batch_size, budget, *_how(plan.method, schedule)) for plan in plans]
    plans = [replace(plan, epochs=budget, predicted=end) for plan, end in zip(plans, ends, strict=True)]
    if epochs is None and preset is None:
        for plan in plans:
            if plan.predicted > FAR and plan.lr <= plan.step_bound:
                warnings.warn(_unfinished(plan, exact, start, prepared.feature_names), LabWarning, stacklevel=2)
    if team is None:
        return _carry_out(plans, prepared, exact, start, arguments)
    with team:
        return _carry_out(plans, prepared, exact, start, arguments, team)


def train(
    data: Any = "california",
    *,
    method: str = "minibatch",
    lr: float | None = None,
    **settings: Any,
) -> Run:
    """Fit a linear model by gradient descent on the mean squared error, or on the cross-entropy of classes, and keep
    honest books about it.

    Args:
        data: what `lab.load` takes, with all that it takes: "california", "diabetes", "digits", "synthetic" (with
            `rows`, `features`, `outputs`), the path of a table or a DataFrame (with `target`, the columns to predict),
            a pair (X, y) of arrays.
        task: "regression"; or "classification" of a target of classes: logistic regression for two of them, and for
            more softmax regression.
        alpha: of the penalty alpha/2 ‖W‖² that the loss of a classification has, by default 0.01. Without one, classes
            that can be told apart without a mistake have no least loss.
        parts: in the place of `data`, any iterable of batches, each a pair (X, y) of arrays or a DataFrame (with
            `target`).
        stream: read the table block by block, and keep its rows in files, so that it need not fit in memory. By default
            parts, several files ("part-*.csv") and files of more than 256 MB are read so.
        method: "batch" (all rows a step), "sgd" (one row a step) or "minibatch" (`batch_size` rows a step, 32); and, on
            the gradient of as many rows, "momentum", "nesterov", "adagrad", "rmsprop" or "adam", from minigrad.optim.
        lr: the step. By default it comes from the data (`LeastSquares.default_lr`).
        schedule: "constant", or how lr becomes shorter from epoch to epoch: "step" (a tenth after each third),
            "exponential" or "linear" (to a hundredth), "cosine" (to zero).
        epochs: passes over the training rows. By default enough to end within 1.5 % of the optimum, as predicted
            (`LeastSquares.default_epochs`).
        clip_norm: the most that the norm of a step's gradient may be; None for no limit.
        clip_features: standardised features are clipped at ± this; None for no limit.
        init: "zeros", or "random" (normal weights of variance 1/p for p features, zero bias).
        seed: of the split, the start, the order of the rows and the synthetic data.
        dtype: "float64" or "float32", of the data and the weights; losses are evaluated in float64.
        engine: "minigrad", its tape; "compiled" or "numba", to take the same steps as the program that the tape prints;
            or "torch", with PyTorch. By default the tape, and for plain steps of which there are more than 20,000
            "compiled", which comes to the same bits sooner.
        preset: "lab" for the settings of the lab report; what is given beside it goes before it.
        workers: share the rows of each step among so many processes, by dask.distributed, which starts again those that
            are lost. The steps are the same to the bit for any number, and of 4,096 rows unless `batch_size` says
            otherwise.
        scheduler: the address of a scheduler of dask.distributed, in the place of `workers`.
        backend: of the workers: "dask"; or "processes" or "threads" of this machine, or "serial", the same parts one
            after the other.
        local_steps: steps that each part takes alone between two exchanges, when the weights are averaged: local SGD.
        logdir: where to make a folder with TensorBoard event files; None for none.
        resume: the folder of a run that was ended before its time, which goes on where its last checkpoint is, to the
            bits that it would have come to.
        progress: show bars (lines when standard error is not a terminal) while it runs.

    A loss that explodes ends the run: `Run.diverged` says why. Raises LabError for what cannot be done, warns
    (LabWarning) when lr exceeds the largest stable step, and at Ctrl-C raises Interrupted, which is a
    KeyboardInterrupt with the result so far.

    >>> from minigrad import lab
    >>> run = lab.train("synthetic", method="batch", epochs=50)
    >>> f"{run.above_optimum:.1%} above the optimum", run.weights.shape
    ('0.0% above the optimum', (13, 3))
    """
    return compare(data, methods=[method], lr=lr, **settings).runs[0]


def _merged(own: Signature, others: Signature) -> Signature:
    """A signature whose ``**settings`` are what is not its own of the parameters of another."""
    *named, _ = own.parameters.values()
    more = [p for name, p in others.parameters.items() if name not in (*own.parameters, "methods")]
    return own.replace(parameters=[*named, *more])


compare.__signature__ = _merged(signature(compare), signature(ready))  # type: ignore[attr-defined]
train.__signature__ = _merged(signature(train), signature(compare))  # type: ignore[attr-defined]  # what help() shows


def _check_names(methods: Sequence[str], **given: str | None) -> None:
    if not methods or len(set(methods)) < len(methods):
        raise LabError("methods must name at least one method, and none twice")
    known = {"method": METHODS, "init": INITS, "dtype": DTYPES, "engine": (*ENGINES, None), "preset": (*PRESETS, None)}
    known |= {"schedule": SCHEDULES, "task": TASKS}
    for name, value in (*given.items(), *(("method", method) for method in methods)):
        if value not in known[name]:
            raise unknown(name, value, filter(None, known[name]))


def _start(exact: Optimum, init: str, seed: int, dtype: str) -> tuple[FloatArray, FloatArray]:
    """The weights (p, q) and bias (q,) that every method starts from."""
    weights, bias = np.zeros_like(exact.weights, dtype), np.zeros_like(exact.bias, dtype)
    if init == "random":
        weights[:] = stream(seed, "init").normal(scale=len(weights) ** -0.5, size=weights.shape)
    return weights, bias


def _how(method: str, schedule: str) -> tuple[Method, Sequence[float]]:
    """A method as the theory has it, and the shape of a schedule: the parts of lr that its steps have."""
    return METHODS[method], (1.0,) if schedule == "constant" else [*map(rates(schedule, 1.0, SHAPE), range(SHAPE))]


def _numbers(
    method: str,
    exact: Optimum,
    start: tuple[FloatArray, FloatArray],
    schedule: str,
    *,
    lr: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    clip_norm: float | None = None,
) -> dict[str, Any]:
    """The numeric settings of a run: those given, checked, and from the data those that are not."""
    if batch_size is None:
        batch_size = rows_a_step(method, exact.rows)
    if not 1 <= batch_size <= exact.rows:
        raise LabError(f"{option('batch_size')} must be from 1 to the {exact.rows} training rows, got {batch_size}")
    for name, value in (("lr", lr), ("clip_norm", clip_norm)):
        if value is not None and not 0 < value < math.inf:
            raise LabError(f"{option(name)} must be a number above 0, got {value}")
    if epochs is not None and epochs < 1:
        raise LabError(f"{option('epochs')} must be at least 1, got {epochs}")
    how = _how(method, schedule)
    far = float(np.abs(np.vstack(start) - np.vstack([exact.weights, exact.bias])).mean()) or 1.0
    default_lr = exact.default_lr(batch_size, *how, far)
    lr = default_lr if lr is None else float(lr)
    return {
        "lr": lr,
        "default_lr": default_lr,
        "step_bound": exact.step_bound(batch_size, METHODS[method]),
        "epochs": exact.default_epochs(*start, lr, batch_size, *how) if epochs is None else epochs,
        "batch_size": batch_size,
        "clip_norm": clip_norm,
        "predicted": 0.0,  # until the epochs of all are known
        "schedule": schedule,
    }


def _unfinished(plan: Settings, exact: Optimum, start: tuple[FloatArray, FloatArray], names: Sequence[str]) -> str:
    """That the epochs by default are not enough, why, and what would be."""
    alike = [names[i] for i in exact.dependent()]
    needed = exact.needed_epochs(*start, plan.lr, plan.batch_size, *_how(plan.method, plan.schedule))
    return (
        f"{plan.method}: {plan.epochs:,} epochs, the most by default, are predicted to end {percent(plan.predicted)} "
        f"above the optimum. The condition number of the features is {exact.condition:.2g}: "
        f"{', '.join(alike[:4])} are nearly made up of each other. Leave one of them out"
        + (f", or take {option('epochs', needed)}" if needed else "")
    )


def _unforetold(plan: Settings, above: float) -> str:
    """That a run ended farther above the optimum than was predicted, if anything was, and what may help."""
    if plan.clip_norm:
        remedy = f"{option('clip_norm', plan.clip_norm)} shortens its steps: try without it, or a larger one"
    elif METHODS[plan.method].adaptive:
        remedy = f"try {option('epochs', 4 * plan.epochs)} or {option('schedule', 'cosine')}"
    else:
        shorter = float(f"{min(plan.default_lr, plan.lr / 4):.2g}")
        remedy = f"try {option('lr', shorter)} or {option('schedule', 'cosine')}"
    epochs = counted(plan.epochs, "epoch")
    return f"{plan.method}: {epochs} ended {percent(above)} above the optimum, and nothing foretold it; {remedy}"


def _carry_out(
    plans: Sequence[Settings],
    table: Prepared,
    exact: Optimum,
    start: tuple[FloatArray, FloatArray],
    arguments: dict[str, Any],
    team: Crew | None = None,
) -> Comparison:
    for plan in plans:
        if plan.lr > plan.step_bound:
            warnings.warn(
                f"{plan.method}: lr {plan.lr:.3g} is above the largest stable step, {plan.step_bound:.3g}; "
                "the loss may explode",
                LabWarning,
                stacklevel=3,
            )
    resume = arguments["resume"]
    folder = Path(resume) if resume else arguments["logdir"] and new_folder(arguments["logdir"], table.name)
    if folder and not resume:
        keep(folder, SETTINGS, repeatable(arguments))
    result = Comparison([], folder)
    parts = team.parts_of(table) if team else ()
    with Progress(arguments["progress"]) as show:
        for plan in plans:
            run, interrupted = _run(plan, table, exact, start, folder, show, team, parts)
            result.runs.append(run)
            if folder:
                keep(folder, RESULTS, {run.method: ended(run) for run in result.runs})
            if interrupted:
                break
            expected = math.inf if run.diverged or exact.least <= exact.negligible else max(FAR, 2 * plan.predicted)
            if run.above_optimum > expected and (plan.clip_norm or plan.predicted <= FAR):
                warnings.warn(_unforetold(plan, run.above_optimum), LabWarning, stacklevel=3)
    ways = [run.history.path for run in result.runs]
    around = landscape(
        exact, exact.steepest(*start), ways, table.x_train, table.y_train, stream(plans[0].seed, "noise")
    )
    result.runs[:] = [replace(run, landscape=around) for run in result.runs]
    if interrupted:
        raise Interrupted(result)
    return result


def _run(
    plan: Settings,
    table: Prepared,
    exact: Optimum,
    start: tuple[FloatArray, FloatArray],
    folder: Path | None,
    show: Progress,
    team: Crew | None,
    parts: Sequence[Part],
) -> tuple[Run, bool]:
    """Carry out one plan. Returns the run, and whether Ctrl-C ended it."""
    weights, bias = start
    now = Milestone(0, 0, 0, 0.0)
    looks: list[tuple[int, float, float, float, float]] = []
    memory: dict[str, Any] = {}
    directions = exact.steepest(*start)
    rng = stream(plan.seed, plan.method)
    saved = folder and folder / plan.method / CHECKPOINT
    if saved and saved.exists():
        try:
            kept = checkpoint.load(saved, rng=rng)
        except checkpoint.CheckpointError as error:
            raise LabError(str(error)) from error
        if kept["weights"].shape != weights.shape:
            raise LabError(f"{saved} has weights of shape {kept['weights'].shape}, and the data {weights.shape} now")
        now, looks = Milestone(*kept["now"]), [tuple(look) for look in kept["looks"]]
        weights, bias, memory = kept["weights"], kept["bias"], kept["memory"]
    of: tuple[Any, ...] = weights, bias, plan.lr, plan.clip_norm, plan.method, exact.loss_of, exact.alpha
    engine: Any = team.engine(parts, plan.local_steps, *of) if team else make_engine(plan.engine, *of)
    if memory and isinstance(engine, TapeEngine):
        engine.recall(memory)
    begun, last = now, time.monotonic()
    diverged = None
    interrupted = False
    own = None if folder is None else folder / plan.method

    def look() -> None:
        nonlocal weights, bias
        weights, bias = engine.parameters()
        if isinstance(exact, LeastSquares) and exact.streamed:  # it is quadratic: no row has to be read
            train = exact.loss(weights, bias)
        else:
            train = exact.measure(table.x_train, table.y_train, weights, bias)
        test = exact.measure(table.x_test, table.y_test, weights, bias)
        looks.append((now.samples, train, test, *place(exact, directions, weights, bias)))
        if log:
            log.losses(*looks[-1][:3])
        show(plan, now, train)

    with (
        nullcontext() if own is None else EventLog(own, _hyper_parameters(plan)) as log,
        np.errstate(over="ignore", invalid="ignore"),  # what overflows is noticed below, and said better
    ):
        if not looks:
            look()
        if log and plan.engine != "torch":
            x, y = table.x_train[: plan.batch_size], table.y_train[: plan.batch_size]
            W, b = (Tensor(part, requires_grad=True) for part in (weights, bias))
            log.graph(objective(exact.loss_of, exact.alpha)(x, y, W, b), W=W, b=b, x=x, y=y)
        try:
            for now in descend(
                engine, table.x_train, table.y_train,
                epochs=plan.epochs, batch_size=plan.batch_size, rng=rng,
                rate=rates(plan.schedule, plan.lr, plan.epochs), since=begun,
            ):  # fmt: skip
                look()
                if not looks[-1][1] <= EXPLODED * looks[0][1]:  # so written, nan counts as exploded
                    diverged = _why(plan, now, looks[0][1], looks[-1][1])
                    break
                whole = now.samples == now.epoch * len(table.x_train)
                if saved and whole and (time.monotonic() > last + EVERY or now.epoch == plan.epochs):
                    memory = engine.memory() if isinstance(engine, TapeEngine) else {}
                    state = {"now": astuple(now), "looks": looks, "weights": weights, "bias": bias, "memory": memory}
                    with noticed(saved):
                        checkpoint.save(saved, rng=rng, **state)
                    last = time.monotonic()
        except KeyboardInterrupt:
            interrupted = True
    samples, train, test, *path = map(np.array, zip(*looks, strict=True))
    history = History(samples, train, test, np.column_stack(path))
    run = Run(
        plan, history, weights, bias, exact, table.feature_names, table.target_names,
        now.steps, now.seconds, diverged, table.notes, own, table.mean, table.deviation,
        *((engine.account(), (engine.compute, engine.exchange)) if team else ()),
    )  # fmt: skip
    if table.classes:
        run = replace(run, classes=table.classes, confusion=confusion(table.x_test, table.y_test, weights, bias))
    run = replace(run, categories=table.categories)
    return run, interrupted


def _hyper_parameters(plan: Settings) -> dict[str, float | str]:
    largest = 2**53  # of the integers that an event file can hold
    settings = asdict(plan)
    return {
        name: str(value).lower() if value in (None, math.inf) or (type(value) is int and value > largest) else value
        for name, value in settings.items()
    }


def _why(plan: Settings, now: Milestone, first: float, last: float) -> str:
    remedies = [option("lr", float(f"{plan.default_lr if plan.lr > plan.default_lr else plan.lr / 10:.2g}"))]
    if plan.clip_features is None:
        remedies.append(option("clip_features", 5))
    bound = f", where the largest stable step is {plan.step_bound:.3g}" if plan.step_bound < math.inf else ""
    return (
        f"{plan.method} diverged in epoch {now.epoch}, after {now.samples:,} samples: "
        f"the training loss went from {first:.3g} to {last:.3g} with lr {plan.lr:.3g}"
        f"{bound}; try {' or '.join(remedies)}"
    )
