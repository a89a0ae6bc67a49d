"""The report: in a terminal, in a notebook, as JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

from minigrad.checks.diagnosis import Fault


class Verdict(NamedTuple):
    name: str
    status: str
    sure: str


class Report:
    def __init__(self, function: str, faults: tuple[Fault, ...], verdicts: tuple[Verdict, ...]) -> None:
        self.function, self.faults, self.verdicts = function, faults, verdicts

    def __bool__(self) -> bool:
        return not self.faults

    def __repr__(self) -> str:
        head = f"check of {self.function}: {'ok' if self else 'FAILED'}"
        lines = [head]
        lines += [f"  {f.kind}{f' ({f.input})' if f.input else ''}: {f.text}" for f in self.faults]
        lines += [f"  {v.status:12}{v.name} {v.sure}" for v in self.verdicts]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        return {"function": self.function, "ok": bool(self), "faults": [f._asdict() for f in self.faults]}
