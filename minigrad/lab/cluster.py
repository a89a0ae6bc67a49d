"""Workers of dask.distributed: processes of this machine, which nannies start again, or those of a cluster.

A worker that is lost costs time and nothing else: Dask gives its task to another one, or to the one that its nanny
started, and the same numbers come of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

import minigrad
from minigrad.engine.words import counted, shortened
from minigrad.lab.errors import LabError, option, unknown
from minigrad.lab.parallel import Answer, Crew, Part, Pool, Task, work
from minigrad.lab.settings import BACKENDS

TIMEOUT = 10  # seconds until a scheduler counts as unreachable


def versions() -> dict[str, str]:
    """The versions that have to be the same here and on a worker for the same bits."""
    blas: Any = np.show_config(mode="dicts")
    return {
        "minigrad": minigrad.__version__,
        "NumPy": np.__version__,
        "BLAS": "{name} {version}".format(**blas["Build Dependencies"]["blas"]),
        "processor": f"{platform.machine()} {', '.join(blas['SIMD Extensions']['found'])}",
    }


def sees(files: Sequence[tuple[str, int]]) -> bool:
    """Whether these files are there, in their sizes."""
    return all(os.path.isfile(path) and os.path.getsize(path) == size for path, size in files)


class Cluster(Crew):
    """The workers at the address of a scheduler, or so many of this machine."""

    def __init__(self, workers: int, scheduler: str | None) -> None:
        import distributed

        super().__init__(workers)
        self.dask, self.scheduler = distributed, scheduler

    def __enter__(self) -> Self:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said below
        with self.speaking():
            address: Any = self.scheduler
            if address is None:
                address = self.stack.enter_context(
                    self.dask.LocalCluster(
                        n_workers=self.workers, threads_per_worker=1, processes=True, dashboard_address=":0",
                        silence_logs=logging.CRITICAL,
                    )
                )  # fmt: skip
            self.client = self.stack.enter_context(self.dask.Client(address, timeout=TIMEOUT, set_as_default=False))
            if self.scheduler:
                self.client.wait_for_workers(1, timeout=6 * TIMEOUT)  # they may still be on their way
            theirs = self.client.run(versions)
        self.workers = len(theirs)
        self.name = counted(self.workers, "Dask worker") + (f" at {self.scheduler}" if self.scheduler else "")
        ours, differ = versions(), ""
        for worker, has in theirs.items():
            for what, version in ours.items():
                if has[what] == version:
                    continue
                if what == "minigrad":
                    raise LabError(
                        f"the worker {worker} has minigrad {has[what]}, and here it is {version}: install the same "
                        "version on both sides"
                    )
                differ = f" ({worker} has {what} {has[what]}, and here it is {version}: bits may differ)"
        self.name += differ
        return super().__enter__()

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turn what goes wrong between here and the scheduler into a LabError of one sentence."""
        at = f"the scheduler at {self.scheduler}" if self.scheduler else "the local scheduler"
        try:
            yield
        except LabError:
            raise
        except self.dask.scheduler.KilledWorker:
            raise LabError("one part after the other ended its worker: is there enough memory for them?") from None
        except ModuleNotFoundError as error:
            raise LabError(f"a worker at {at} has no {error.name}: install minigrad with its lab there") from None
        except (OSError, TimeoutError, CancelledError, asyncio.CancelledError, ValueError) as error:
            reason = shortened(str(error) or type(error).__name__, 120)
            raise LabError(f"{at} cannot be reached, or was lost: {reason}") from None

    def hold(self, parts: Sequence[Part]) -> None:
        super().hold(parts)
        files = [(path, os.path.getsize(path)) for path in parts[0].paths]
        with self.speaking():
            there = self.client.run(sees, files)
            if not all(there.values()):  # they are on machines that do not share this folder
                parts = [part.with_rows() for part in parts]
                super().hold(parts)
            workers = sorted(there)
            # As tasks, which Dask does again when the worker that held their results is lost.
            self.held = [
                self.client.submit(list, group, pure=False, workers=worker, allow_other_workers=True)
                for group, worker in zip(self.groups, workers, strict=False)
            ]

    def ask(self, task: Task) -> list[tuple[list[Answer], float]]:
        with self.speaking():
            return list(self.client.gather([self.client.submit(work, group, task, pure=False) for group in self.held]))


def crew(workers: int | None, scheduler: str | None, backend: str | None) -> Crew:
    """The workers that were asked for. Raises LabError for what cannot be asked for."""
    if backend is None:
        backend = "dask" if scheduler or workers else "serial"
    if backend not in BACKENDS:
        raise unknown(option("backend"), backend, BACKENDS)
    if workers is not None and workers < 1:
        raise LabError(f"{option('workers')} must be at least 1, got {workers}")
    if scheduler and (workers or backend != "dask"):
        other = "workers" if workers else "backend"
        raise LabError(f"{option('scheduler')} has workers of its own, so leave out {option(other)}")
    if backend == "dask":
        return Cluster(workers or 1, scheduler)
    return Crew() if backend == "serial" else Pool(workers or 1, backend)
