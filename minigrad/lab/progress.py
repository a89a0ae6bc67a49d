"""How far a descent is, while it runs."""

from __future__ import annotations

import sys
from typing import Any

from minigrad.lab.descent import Milestone
from minigrad.lab.settings import Settings


class Progress:
    """Shows on standard error how far each run is, and its loss: bars on a terminal, else ten lines."""

    def __init__(self, wanted: bool = True) -> None:
        self._wanted = wanted
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Progress:
        if self._wanted and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._bars = progress.Progress(
                progress.TextColumn("{task.description:<9}"),
                progress.BarColumn(),
                progress.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
                progress.TextColumn("train loss {task.fields[loss]:.4g}"),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bars.__enter__()
        return self

    def __call__(self, plan: Settings, milestone: Milestone, loss: float) -> None:
        """Note that the run of `plan` is at `milestone`, with this training loss."""
        if self._bars is not None:
            if plan.method not in self._tasks:
                self._tasks[plan.method] = self._bars.add_task(
                    plan.method, total=plan.epochs, epoch=0, epochs=plan.epochs, loss=loss
                )
            self._bars.update(self._tasks[plan.method], completed=milestone.epoch, epoch=milestone.epoch, loss=loss)
        elif self._wanted:
            tenth = 10 * milestone.epoch // plan.epochs
            if self._tasks.get(plan.method) != tenth:
                self._tasks[plan.method] = tenth
                line = f"{plan.method}: epoch {milestone.epoch}/{plan.epochs}, train loss {loss:.4g}"
                print(line, file=sys.stderr, flush=True)

    def __exit__(self, *exception: object) -> None:
        if self._bars is not None:
            self._bars.__exit__(*exception)
