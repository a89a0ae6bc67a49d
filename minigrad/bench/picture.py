"""The picture of the README: what a training step costs, as a multiple of the same step by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigrad.bench.harness import Ratio, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, OTHERS = "#c2410c", "#64748b"


def draw(table: Table, path: Path) -> Figure:
    """Draw the table of `benchmarks.step`: a panel for each batch size, a line for each side, a dot for each ratio."""
    from matplotlib.figure import Figure

    columns = [table.header.index(name) for name in ("batch", "side", "over by hand")]
    ratios: dict[Any, dict[Any, float]] = {}
    for row in filter(None, table.rows):
        batch, name, ratio = (row[i] for i in columns)
        assert isinstance(ratio, Ratio)
        ratios.setdefault(batch, {})[name] = ratio.value
    first = next(iter(ratios.values()))
    names = sorted(first, key=first.__getitem__, reverse=True)  # the fastest on top

    figure = Figure(figsize=(9, 0.6 + 0.3 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(ratios), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (rows, found) in zip(panels, ratios.items(), strict=True):
        values = [found[name] for name in names]
        colours = [OURS if name.startswith("minigrad") else OTHERS for name in names]
        panel.hlines(names, 1, values, colors=colours, linewidth=2)
        panel.scatter(values, names, color=colours, zorder=3)
        for name, value in found.items():
            text = f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
            offset, side = ((-7, 0), "right") if value < 1 else ((7, 0), "left")  # away from the line
            panel.annotate(text, (value, name), offset, textcoords="offset points", ha=side, va="center", fontsize=8)
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log")
        panel.set_title(f"batch {rows:,}", fontsize=10)
        panel.tick_params(left=False)
        panel.spines[["top", "right", "left"]].set_visible(False)
    panels[0].margins(x=0.25)
    for label, name in zip(panels[0].get_yticklabels(), names, strict=True):
        label.set_color(OURS if name.startswith("minigrad") else "black")
    ticks = [1, 3, 10]
    panels[0].set_xticks(ticks, [f"{tick}x" for tick in ticks])
    panels[0].minorticks_off()
    figure.supxlabel("time of a training step over that of the same step by hand in NumPy (log scale)", fontsize=9)
    figure.savefig(path, dpi=120)
    return figure
