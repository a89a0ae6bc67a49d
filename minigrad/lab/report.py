"""Runs, the outcomes of descents, and how they are told: as text, as tables and as a picture."""

from __future__ import annotations

import io
import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt

from minigrad.engine.pages import page_of
from minigrad.engine.words import counted, html_table
from minigrad.lab.data import FloatArray, output_names
from minigrad.lab.model import Model
from minigrad.lab.settings import METHODS, TASKS, Settings
from minigrad.lab.tables import listed
from minigrad.lab.theory import FAR, Optimum, percent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from minigrad.lab.landscape import Landscape


@dataclass(frozen=True, eq=False)
class History:
    """The losses of a run, an entry a look: `samples` seen, and of equal weights the loss on `train` and `test` rows.

    It is the MSE, and of a classification the log loss with the penalty. `path` (looks, 2) is where the weights were
    along the two steepest directions of the loss, from the optimum.

    >>> from minigrad import lab
    >>> history = lab.train("synthetic", method="batch", epochs=2).history
    >>> history.samples
    array([ 0, 40, 80])
    """

    samples: npt.NDArray[np.int64]
    train: FloatArray
    test: FloatArray
    path: FloatArray


@dataclass(frozen=True, eq=False)
class Run:
    """One descent: `settings`, `history`, what it learned, and the exact solution to hold that against.

    `weights` (p, q) and `bias` (q,) belong to the standardised features, `mean` and `deviation` (p,) standardised them.
    `seconds` are those spent in steps. `diverged` is None, or says why the run was stopped. `notes` say what was
    done to the data. `folder` has the event file, when one was asked for. Where workers
    computed, `shared` says who, and `work` has the seconds of computing and of exchange. `categories` are the values
    of features that were made columns of 0 and 1 of. Of a classification there are the `classes`, and `confusion`, how
    many test rows of each class (in rows) were taken for each (in columns).

    >>> from minigrad import lab
    >>> run = lab.train("synthetic", epochs=1)
    >>> sorted(run.named_weights)[:3], run.history.train.shape == run.history.samples.shape
    (['bias', 'x0', 'x1'], True)
    """

    settings: Settings
    history: History
    weights: FloatArray
    bias: FloatArray
    exact: Optimum
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    steps: int
    seconds: float
    diverged: str | None
    notes: list[str]
    folder: Path | None
    mean: FloatArray
    deviation: FloatArray
    shared: str | None = None
    work: tuple[float, float] | None = None
    categories: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    confusion: npt.NDArray[np.int64] | None = None
    landscape: Landscape | None = None

    @property
    def model(self) -> Model:
        """The model that was learned, to be saved or to predict with."""
        scaling = self.mean, self.deviation, self.settings.clip_features
        names: Any = self.feature_names, self.target_names, self.categories, self.classes
        return Model(self.weights, self.bias, *scaling, *names)

    @property
    def method(self) -> str:
        return self.settings.method

    @property
    def name(self) -> str:
        """The method; local steps make another one of it."""
        alone = self.settings.local_steps
        return self.method if alone == 1 else f"{self.method}, {alone} local steps"

    @property
    def samples(self) -> int:
        """Rows seen, each as often as it was seen."""
        return int(self.history.samples[-1])

    @property
    def train_loss(self) -> float:
        return float(self.history.train[-1])

    @property
    def test_loss(self) -> float:
        return float(self.history.test[-1])

    @property
    def train_mse(self) -> float:
        """`train_loss`, which is an MSE."""
        self._only(TASKS[0])
        return self.train_loss

    @property
    def test_mse(self) -> float:
        """`test_loss`, which is an MSE."""
        self._only(TASKS[0])
        return self.test_loss

    @property
    def log_loss(self) -> float:
        """The log loss on the test rows: `test_loss` without the penalty."""
        self._only(TASKS[1])
        return self.test_loss - self.exact.alpha / 2 * float(np.vdot(self.weights, self.weights))

    @property
    def accuracy(self) -> float:
        """The part of the test rows that are taken for what they are."""
        self._only(TASKS[1])
        counts: Any = self.confusion
        return float(np.trace(counts) / counts.sum())

    def _only(self, task: str) -> None:
        if self.settings.task != task:
            raise AttributeError(f"only a run of task={task!r} has this, and here it is {self.settings.task!r}")

    @property
    def above_optimum(self) -> float:
        """How far the training loss is above the exact optimum, in parts of it (0.01 is 1 %)."""
        return self.train_loss / self.exact.least - 1 if self.exact.least else math.inf

    @property
    def microseconds_per_step(self) -> float:
        return 1e6 * self.seconds / self.steps if self.steps else math.nan

    @property
    def named_weights(self) -> dict[str, FloatArray]:
        """The weights (q,) of each feature by its name, and "bias"."""
        return dict(zip((*self.feature_names, "bias"), np.vstack([self.weights, self.bias]), strict=True))

    def plot(self, path: str | Path) -> Path:
        """Draw the losses as a PNG; `path` must not exist. Returns it."""
        return picture([self], path)

    def __repr__(self) -> str:
        return text([self])

    def _repr_html_(self) -> str:
        return page([self])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several runs on the same rows from the same start; `comparison["sgd"]` is the run of that method.

    >>> from minigrad import lab
    >>> runs = lab.compare("synthetic", methods=["batch", "sgd"], epochs=1)
    >>> len(runs), runs["sgd"].samples
    (2, 40)
    """

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
        return picture(self.runs, path)

    def __repr__(self) -> str:
        return text(self.runs)

    def _repr_html_(self) -> str:
        return page(self.runs)


def _console(file: TextIO) -> Console:
    from rich.console import Console

    # A pipe has no width; rich would take 80 columns and fold.
    return Console(file=file, width=None if file.isatty() else 100, highlight=False)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> Table:
    """A table whose first `names` columns are names and whose others are numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i < names else "right", no_wrap=i >= names, overflow="fold")
    for row in rows:  # as Text: rich would take brackets in a name for markup
        table.add_row(*(Text("".join(c if c.isprintable() else " " for c in cell)) for cell in row))
    return table


def _relative(run: Run) -> bool:
    """Whether distances can be told in parts of the optimum: not where that is zero up to rounding."""
    return run.exact.least > run.exact.negligible


def _above(run: Run) -> str:
    if not _relative(run):
        return f"{run.train_loss - run.exact.least:+.2g}"
    percent = round(100 * run.above_optimum, 2) + 0.0  # no -0.00
    return f"{percent:+.2f} %" if percent < 1e4 else f"{percent:+.2g} %"


def titled(runs: Sequence[Run]) -> str:
    settings = runs[0].settings
    return f"{settings.data}, {counted(settings.epochs, 'epoch')}, engine {settings.engine}, {settings.dtype}"


def header(runs: Sequence[Run]) -> list[str]:
    """What stands above `results`."""
    word, classes = runs[0].exact.word, bool(runs[0].classes)
    test = ["test\nlog loss", "test\naccuracy"] if classes else [f"test\n{word}"]
    return ["method", "lr", "samples\nseen", "steps", f"train\n{word}", *test, "above\noptimum", "seconds", "µs/step"]


def results(runs: Sequence[Run]) -> list[list[str]]:
    """One row a run, below its `header`."""
    classes = bool(runs[0].classes)
    return [
        [
            run.name, f"{run.settings.lr:.3g}", f"{run.samples:,}", f"{run.steps:,}",
            f"{run.train_loss:.6g}", f"{run.log_loss if classes else run.test_loss:.6g}",
            *([f"{100 * run.accuracy:.2f} %"] if classes else []), _above(run),
            f"{run.seconds:.2f}", f"{run.microseconds_per_step:.1f}",
        ]
        for run in runs
    ]  # fmt: skip


WEIGHTS = "weights, per standard deviation of the feature"


def weights(runs: Sequence[Run]) -> tuple[str, list[str], list[list[str]]]:
    """A title, a head, and the learned weight of each named feature, and the bias, beside the exact ones."""
    exact = runs[0].exact
    outputs = output_names(runs[0].target_names, runs[0].classes)
    several = len(outputs) > 1
    columns = [np.vstack([exact.weights, exact.bias]), *(np.vstack([run.weights, run.bias]) for run in runs)]
    digits = max(0, 4 - math.floor(math.log10(np.abs(columns[0]).max() or 1.0)))
    rows = [
        [name, *([target] if several else []), *(_number(column[i, k], digits) for column in columns)]
        for k, target in enumerate(outputs)
        for i, name in enumerate([*runs[0].feature_names, "bias"])
    ]
    head = ["feature", *(["target"] if several else []), "exact", *(run.method for run in runs)]
    if len(rows) <= MOST_WEIGHTS:
        return WEIGHTS, head, rows
    largest = np.argsort(-np.abs(columns[0].T.ravel()), kind="stable")[:MOST_WEIGHTS]
    title = f"{WEIGHTS}: of {len(rows):,} the {MOST_WEIGHTS} that are largest at the optimum"
    return title, head, [rows[i] for i in sorted(largest)]


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if abs(value) < 1e9 else f"{value:.3g}"


def account(runs: Sequence[Run]) -> list[str]:
    """In sentences: what was done to the data, the floor, the steps and their bounds."""
    exact, settings = runs[0].exact, runs[0].settings
    least = f"exact least squares: train MSE {exact.least:.6g}"
    if runs[0].classes:
        least = f"exact optimum, by Newton's method: loss {exact.least:.6g}, which is log loss + {exact.alpha:g}/2 ‖W‖²"
    return [
        *runs[0].notes,
        "start: all weights zero" if settings.init == "zeros" else f"start: random weights (seed {settings.seed})",
        f"{least}; no weights do better on these rows{_doubt(exact)}{_exact_fit(runs[0])}",
        f"largest stable lr: {exact.full_batch_bound:.3g} for the full batch (2/lambda_max), "
        f"{exact.one_sample_bound:.3g} for one sample",
        *(_steps(run) for run in runs),
    ]


def _doubt(exact: Optimum) -> str:
    if exact.error <= 1e-9:
        return ""
    digits = max(0, math.floor(-math.log10(exact.error)))
    return (
        f". Of a stream they come from the normal equations, and at a condition number of {exact.condition:.2g} "
        f"{counted(digits, 'digit')} of the weights are sure"
    )


def _exact_fit(run: Run) -> str:
    """Why least squares leave nothing of the targets, where that is so."""
    exact = run.exact
    if run.classes or exact.least > exact.negligible:
        return ""
    if exact.rows <= len(exact.weights) + 1:
        rows, features = counted(exact.rows, "training row"), counted(len(exact.weights), "feature")
        return f". It is as good as zero: {rows} and {features}, which make up any targets"
    sizes = np.abs(exact.weights).max(1)
    makers = [name for name, size in zip(run.feature_names, sizes, strict=True) if size > 1e-6 * sizes.max() > 0]
    made = f"{listed(makers, 5)} alone make{'s' * (len(makers) == 1)} up the targets" if makers else "they are constant"
    return f". It is as good as zero: {made}" + (": is a target among the features?" if len(makers) == 1 else "")


def _steps(run: Run) -> str:
    plan = run.settings
    rows = {1: "one row", run.exact.rows: "all rows"}.get(plan.batch_size, f"{plan.batch_size:,} rows")
    clipped = f", gradient norm clipped at {plan.clip_norm:g}" if plan.clip_norm else ""
    adapts = METHODS[plan.method].adaptive
    share = (
        "adapted in each weight" if adapts else f"{plan.lr / plan.step_bound:.2g} of its bound {plan.step_bound:.3g}"
    )
    shorter = "" if plan.schedule == "constant" else f", {plan.schedule} schedule"
    far = "" if plan.predicted <= FAR else f"; predicted to end {percent(plan.predicted)} above the optimum"
    shared = f"; {run.shared}" if run.shared else ""
    return f"{run.name}: {rows} a step, lr {plan.lr:.3g} ({share}){shorter}{clipped}{far}{shared}"


def show(runs: Sequence[Run], brief: bool = False, file: TextIO | None = None) -> None:
    """Print what there is to say about runs on the same data: all of it, or in brief only the results."""
    file = sys.stdout if file is None else file
    console = _console(file)
    # Captured, because rich pads lines with blanks and ends the process itself when nobody reads any more.
    with console.capture() as captured:
        if not brief:
            for sentence in account(runs):
                console.print(f"- {sentence}", markup=False)
            console.print()
        table = _table(header(runs), results(runs))
        if console.measure(table, options=console.options.update(width=1000)).maximum > console.width:
            names = [name.replace("\n", " ") for name in header(runs)]  # one column a run
            first, *body = zip(names, *results(runs), strict=True)
            table = _table(first, body)
        console.print(titled(runs), style="bold", markup=False)
        console.print(table)
        if not brief:
            title, head, rows = weights(runs)
            console.print(title, style="bold")
            console.print(_table(head, rows, head.index("exact")))
    _print(captured.get(), file)


def _print(text: str, file: TextIO) -> None:
    for line in text.splitlines():
        print(line.rstrip(), file=file)


def listing(header: Sequence[str], rows: Sequence[Sequence[str]], file: TextIO, names: int) -> None:
    """Print a table whose first columns are names, and whose others are numbers."""
    console = _console(file)
    with console.capture() as captured:
        console.print(_table(header, rows, names))
    _print(captured.get(), file)


def page(runs: Sequence[Run]) -> str:
    """`show` as a notebook has it."""
    if not runs:
        return "<p>no runs</p>"
    said = "".join(f"<li>{escape(line)}</li>" for line in account(runs))
    tables = html_table(titled(runs), header(runs), results(runs)) + html_table(*weights(runs))
    return f"<ul>{said}</ul>{tables}" + "".join(f"<p>{escape(run.diverged)}</p>" for run in runs if run.diverged)


def text(runs: Sequence[Run]) -> str:
    """`show` as a string, with the reasons of runs that diverged."""
    if not runs:
        return "<no runs>"
    file = io.StringIO()
    show(runs, file=file)
    return "\n".join([file.getvalue().strip(), *(run.diverged for run in runs if run.diverged)])


# Colour and width of a method's curve; where its name stands: how far down the curve, and on which side.
# The curve of sgd is wide because that of minibatch, drawn after it, often runs along the same line.
STYLES = {
    "batch": ("#1b6ca8", 2.0, 0.8, "left"),
    "sgd": ("#dd8452", 4.5, 0.3, "left"),
    "minibatch": ("#2e7d5b", 1.6, 0.55, "right"),
    "momentum": ("#8c3b7a", 1.6, 0.42, "left"),
    "nesterov": ("#c44e52", 1.6, 0.68, "left"),
    "adagrad": ("#7f6a2e", 1.6, 0.2, "right"),
    "rmsprop": ("#4c9fb0", 1.6, 0.9, "left"),
    "adam": ("#333333", 1.6, 0.12, "left"),
}
DASHES = (0, (3, 2))
# Titles and labels stand where they are told to: matplotlib measures all ticks, twice, to find a place for them.
TITLE: dict[str, Any] = {"loc": "left", "weight": "bold", "y": 1.0}
MOST_WEIGHTS = 60  # in a table
MOST_CELLS = 20  # classes in a row of a picture whose counts can be read


def picture(runs: Sequence[Run], path: str | Path) -> Path:
    """Draw the losses of runs on the same data as a PNG at `path`, which must not exist. Returns the path.

    Left: training and test loss over samples seen, with the exact optimum as the floor. Right: how far the
    training loss is above that floor. All axes are logarithmic; that of samples has its zero all the same.
    """
    from matplotlib.figure import Figure

    path = Path(path)
    exact, plan = runs[0].exact, runs[0].settings
    start = float(runs[0].history.train[0])
    relative = _relative(runs[0])
    figure = Figure(figsize=(12, 5), dpi=120)
    # Margins for labels of seven characters: a layout that measures them first takes a third of the time of all.
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.1, top=0.93, wspace=0.19)
    left, right = figure.subplots(1, 2)
    for run in runs:
        samples, train, test = run.history.samples, run.history.train, run.history.test
        colour, width, *_ = STYLES[run.method]
        # Batch descent stays where it is until it has seen all rows.
        look: dict[str, Any] = {
            "color": colour,
            "drawstyle": "steps-post" if run.method == "batch" else "default",
        }
        left.plot(samples, train, linewidth=width, **look)
        left.plot(samples, test, linewidth=max(1.0, width / 2), linestyle=DASHES, **look)
        _name(left, run.method, samples, train)
        above = train - exact.least
        above[above < 1e-9 * exact.least] = np.nan  # from here down it is rounding
        above *= 100 / exact.least if relative else 1
        right.plot(samples, above, linewidth=width, **look)
        _name(right, run.method, samples, above)
    what = "log loss, with the penalty" if runs[0].classes else "mean squared error"
    left.set_title(f"{plan.data}: {what}", **TITLE, parse_math=False)
    left.plot([], [], color="grey", linewidth=2, label="training rows")
    left.plot([], [], color="grey", linewidth=1.2, linestyle=DASHES, label="test rows")
    left.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 0.1))
    if exact.least > 1e-6 * start:  # else the axis would be all depth
        left.axhline(exact.least, color="black", linewidth=1)
        left.annotate(
            f"exact optimum of the training rows, {exact.least:.4g}", (0.01, exact.least),
            xycoords=("axes fraction", "data"), xytext=(0, -4), textcoords="offset points",
            va="top", fontsize=9,
        )  # fmt: skip
        left.set_ylim(exact.least * (exact.least / start) ** 0.1)
    unit = ", in percent" if relative else ""
    right.set_title(f"training loss above the exact optimum{unit}", **TITLE)
    # The axis of samples is linear from 0 to the first look of any run and logarithmic from there.
    first = min((int(run.history.samples[1]) for run in runs if len(run.history.samples) > 1), default=1)
    _logarithmic(left, first, "{:g}")
    _logarithmic(right, first, "{:g} %" if relative else "{:g}")
    if any(run.diverged for run in runs):
        left.set_ylim(top=20 * start)
        right.set_ylim(top=20 * start * (100 / exact.least if relative else 1))
    return _drawn(figure, path)


def _drawn(figure: Any, path: Path) -> Path:
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it in the picture
        figure.savefig(drawn, format="png", pil_kwargs={"compress_level": 3})
    with path.open("xb") as file:
        file.write(drawn.getvalue())
    return path


def animation(runs: Sequence[Run]) -> str:
    """A page of its own with the ways of `runs` in motion, over samples seen; it needs no network."""
    found: Any = runs[0].landscape
    data = {
        "along": _rounded(found.along), "above": _rounded(found.above), "least": runs[0].exact.least,
        "runs": [
            {
                "name": run.name, "colour": STYLES[run.method][0], "samples": run.history.samples.tolist(),
                "path": _rounded(run.history.path), "loss": _rounded(run.history.train),
            }
            for run in runs
        ],
    }  # fmt: skip
    title = escape(f"{runs[0].settings.data}: descents to the least {runs[0].exact.word}")
    return page_of("minigrad.lab", "animation", json.dumps(data, separators=(",", ":")), title=title)


def _rounded(numbers: FloatArray) -> Any:
    """Numbers to six digits, null where there is none."""
    found = np.vectorize(lambda x: float(f"{x:.6g}") if np.isfinite(x) else None, otypes=[object])(numbers)
    return found.tolist()


def path_picture(runs: Sequence[Run], path: str | Path) -> Path:
    """Draw the ways of the runs and the noise of the gradient as a PNG at `path`, which must not exist. Returns it.

    Left: the ways on the contours of the loss, along the two directions in which it is steepest; from one contour to
    the next it is three times as far above the optimum. Right: what the gradient of a batch is long at the optimum,
    where that of all rows is zero, by the size of the batch.
    """
    from matplotlib.figure import Figure

    found = runs[0].landscape
    assert found is not None
    figure = Figure(figsize=(12, 5.4), dpi=120)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.11, top=0.92, wspace=0.2)
    left, right = figure.subplots(1, 2)
    (a, b), top = found.along, float(found.above.max())
    if top:
        left.contour(a, b, found.above.T, levels=[top / 3**k for k in range(9, -1, -1)], colors="0.8", linewidths=0.8)
    for run in runs:
        colour, width, *_ = STYLES[run.method]
        steps = run.history.path
        inside = np.cumprod(np.isfinite(steps).all(1) & (np.abs(steps) < 1e3 * (np.abs(found.along).max() or 1)).all(1))
        steps = steps[: int(inside.sum())]
        left.plot(*steps.T, color=colour, linewidth=width, marker=".", markersize=5, label=run.name)
    left.plot(
        0, 0, marker="+", color="black", markersize=12, markeredgewidth=2, linestyle="none", label="exact optimum"
    )
    left.set_xlim(a[0], a[-1])
    left.set_ylim(b[0], b[-1])
    left.set_title(f"{runs[0].settings.data}: the ways to the optimum", **TITLE, parse_math=False)
    left.set_xlabel("along the steepest direction of the loss")
    left.set_ylabel("along the second steepest")
    left.legend(frameon=False, fontsize=9)
    if found.noise:
        sizes, measured, predicted = (
            np.sqrt(column) if i else np.array(column) for i, column in enumerate(zip(*found.noise, strict=True))
        )
        right.plot(sizes, predicted, color="0.6", linewidth=1.5, label="as that of one row foretells, about 1/√rows")
        right.plot(sizes, measured, "o", color="#1b6ca8", label="measured on the tape, root mean square")
        right.set_xscale("log", base=2)
        right.set_yscale("log", base=2)
        for axis in (right.xaxis, right.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:.2g}")
        right.legend(frameon=False, fontsize=9, loc="lower left")
    right.set_title("noise: length of the gradient at the optimum", **TITLE)
    right.set_xlabel("rows a step")
    right.grid(color="0.92")
    right.set_axisbelow(True)
    right.spines[["top", "right"]].set_visible(False)
    return _drawn(figure, Path(path))


def classes_picture(runs: Sequence[Run], path: str | Path) -> Path:
    """Draw the confusion matrix of each run on the test rows as a PNG at `path`, which must not exist. Returns it."""
    from matplotlib.figure import Figure

    names = runs[0].classes
    across = min(len(runs), 4)
    down = -(-len(runs) // across)
    figure = Figure(figsize=(4.2 * across, 4.9 * down), dpi=120, layout="constrained")
    for axes, run in zip(figure.subplots(down, across, squeeze=False).flat, runs, strict=False):
        counts: Any = run.confusion
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axes.set_title(
            f"{run.method}: accuracy {100 * run.accuracy:.2f} %\n"
            f"log loss {run.log_loss:.4g} on {counts.sum():,} test rows",
            fontsize=10,
        )
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if len(names) <= MOST_CELLS:
            look: dict[str, Any] = {"labels": [name[:12] for name in names], "parse_math": False, "fontsize": 8}
            axes.set_xticks(range(len(names)), **look, rotation=0 if max(map(len, names)) < 4 else 45)
            axes.set_yticks(range(len(names)), **look)
            for i, k in zip(*counts.nonzero(), strict=True):
                colour = "white" if share[i, k] > 0.5 else "black"
                axes.text(k, i, f"{counts[i, k]:,}", ha="center", va="center", fontsize=8, color=colour)
    for axes in figure.axes[len(runs) :]:
        axes.remove()
    return _drawn(figure, Path(path))


def _name(axes: Any, method: str, x: Any, y: Any) -> None:
    """Write the method's name beside its curve, where that has come a part of its way down."""
    from matplotlib.patheffects import withStroke

    colour, _, part, side = STYLES[method]
    y = np.where(np.isfinite(y) & (y > 0), y, np.nan)
    if np.isnan(y).all():
        return
    level = y[0] * (np.nanmin(y) / y[0]) ** part
    at = int(np.flatnonzero(y <= level)[0])
    # A name aligned left stands right of its curve; its white rim keeps it legible on top of another one.
    axes.annotate(
        method, (x[at], y[at]), xytext=(6, 6) if side == "left" else (-6, -6), textcoords="offset points",
        ha=side, va="center", color=colour, weight="bold", fontsize=11,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )  # fmt: skip


def _logarithmic(axes: Any, first: int, form: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("symlog", linthresh=first, linscale=0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("samples seen")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1e3 * low else (1,)))
    # Plain numbers: the typesetter of formulas takes as long to start as all else that is drawn here.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: form.format(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
