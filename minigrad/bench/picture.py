"""A table of sides as a picture: what each takes, as a multiple of the same by a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigrad.bench.harness import Ratio, Table
from minigrad.bench.results import OURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOUR, OTHERS = "#c2410c", "#64748b"  # of minigrad's sides, and of all others
TICKS = 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000


def can_draw(table: Table) -> bool:
    """Whether a table has sides, and ratios over a reference."""
    return "side" in table.header and any(name.startswith("over ") for name in table.header)


def draw(table: Table, path: Path, what: str) -> Figure:
    """A panel for each case, a line for each side, a dot for each ratio.

    Args:
        table: `side` is one of its columns, the case stands in the column before it, if there is one, and the ratio in
            the first column that begins with "over".
        what: of the axis below.
    """
    from matplotlib.figure import Figure

    side = table.header.index("side")
    column = next(i for i, name in enumerate(table.header) if name.startswith("over "))
    ratios: dict[Any, dict[Any, float]] = {}
    for row in filter(None, table.rows):
        ratio = row[column]
        assert isinstance(ratio, Ratio)
        ratios.setdefault(row[side - 1] if side else None, {})[row[side]] = ratio.value
    first = next(iter(ratios.values()))
    names = sorted(first, key=first.__getitem__, reverse=True)  # the fastest on top

    figure = Figure(figsize=(9, 0.9 + 0.3 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(ratios), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (case, found) in zip(panels, ratios.items(), strict=True):
        values = [found[name] for name in names]
        colours = [COLOUR if name.startswith("minigrad") else OTHERS for name in names]
        panel.hlines(names, 1, values, colors=colours, linewidth=2)
        panel.scatter(values, names, color=colours, zorder=3)
        for name, value in found.items():
            text = f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
            offset, alignment = ((-7, 0), "right") if value < 1 else ((7, 0), "left")  # away from the line
            panel.annotate(
                text, (value, name), offset, textcoords="offset points", ha=alignment, va="center", fontsize=8
            )
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log")
        if side:
            panel.set_title(f"{table.header[side - 1]} {case:,}" if isinstance(case, int) else case, fontsize=10)
        panel.tick_params(left=False)
        panel.spines[["top", "right", "left"]].set_visible(False)
    panels[0].margins(x=0.25)
    for label, name in zip(panels[0].get_yticklabels(), names, strict=True):
        label.set_color(COLOUR if name.startswith("minigrad") else "black")
    low, high = panels[0].get_xlim()
    wide = high > 100 * low  # then the labels between the powers of ten would run into each other
    ticks = [tick for tick in (TICKS[::2] if wide else TICKS) if low <= tick <= high]
    panels[0].set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    panels[0].minorticks_off()
    figure.supxlabel(f"{what} (log scale)", fontsize=9)
    metadata = {"Title" if path.suffix.lower() in (".svg", ".pdf") else "Software": OURS}  # so that it is known again
    figure.savefig(path, dpi=120, metadata=metadata)
    return figure
