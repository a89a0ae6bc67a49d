"""Event files for TensorBoard: a folder of its own for every run, made anew, never written to again."""

from __future__ import annotations

import errno
import itertools
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.lab.errors import FileWarning, LabError
from minigrad.views.steps import Trace
from minigrad.views.tensorboard import event_of, graph_of, tensorboardx

Array = np.ndarray[Any, Any]

_serial = itertools.count()


def new_folder(logdir: str | Path, label: str) -> Path:
    """Make and return a folder in `logdir` that did not exist before, named by the time and `label`.

    Raises LabError when that is not possible.
    """
    label = re.sub(r"[^\w.+=,-]+", "_", label)[:80]  # a data set may be called anything
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{label}"
    for attempt in itertools.count(1):
        folder = Path(logdir) / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            if not folder.is_dir():  # something above it is a file
                raise LabError(f"cannot write to the log folder {str(logdir)!r}: {error.strerror}") from error
        except OSError as error:
            raise LabError(f"cannot write to the log folder {str(logdir)!r}: {error.strerror}") from error
        else:
            return folder
    raise AssertionError("unreachable")


class EventLog:
    """Writes one run's losses, on the axis of samples seen, and its hyper-parameters; for a `with`.

    It stands on tensorboardX's EventsWriter: SummaryWriter hands events to another thread, for whose queue its
    flush does not wait, and writes hyper-parameters as a second run in a folder below. A disk that is full, or a
    folder that vanishes, ends the log with a FileWarning, and not the run.
    """

    def __init__(self, folder: Path, hyper_parameters: Mapping[str, bool | float | str]) -> None:
        self._folder = folder
        self._writer: Any = None
        # The file would be named by second and host only, and an earlier one of that name would be emptied.
        suffix = f".{os.getpid()}.{next(_serial)}"
        names = {"loss/train": 0.0, "loss/test": 0.0}
        experiment, begin, self._end = tensorboardx("summary").hparams(dict(hyper_parameters), names)
        with self._noticing():
            folder.mkdir(exist_ok=True)
            writer = tensorboardx("event_file_writer").EventsWriter
            self._writer = writer(str(folder / "events"), filename_suffix=suffix)
        self._write((experiment, 0), (begin, 0))

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                if self._writer:
                    self._writer.close()
            self._writer = None
            warnings.warn(f"the log in {self._folder} ends here: {error.strerror}", FileWarning, stacklevel=2)

    def _write(self, *summaries: tuple[Any, int]) -> None:
        event = tensorboardx("proto.event_pb2").Event
        self._events(*(event(wall_time=time.time(), step=step, summary=summary) for summary, step in summaries))

    def _events(self, *events: Any) -> None:
        """Write events; they are in the file when this returns."""
        if self._writer:
            with self._noticing():
                for event in events:
                    self._writer.write_event(event)
                self._writer.flush()
                if not self._folder.exists():  # Linux writes into a file that was deleted as into any other
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def losses(self, samples: int, train: float, test: float) -> None:
        """Log both losses after `samples` samples seen."""
        scalar = tensorboardx("summary").scalar
        self._write((scalar("loss/train", train), samples), (scalar("loss/test", test), samples))

    def graph(self, loss: Tensor, **names: Tensor | Array) -> None:
        """Log the tape of `loss` and its backward for the Graphs tab, under the `names` of its tensors and arrays."""
        trace = Trace(loss, names={id(value): name for name, value in names.items()})
        self._events(event_of(graph_of(trace), time.time()))

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self._write((self._end, 0))
        if self._writer:
            with self._noticing():
                self._writer.close()
