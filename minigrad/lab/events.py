"""Event files for TensorBoard: a folder of its own for every run, made anew, never written to again."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.lab.errors import LabError
from minigrad.views.steps import Trace
from minigrad.views.tensorboard import event_of, graph_of, tensorboardx

Array = np.ndarray[Any, Any]

_serial = itertools.count()


def new_folder(logdir: str | Path, label: str) -> Path:
    """Make and return a folder in `logdir` that did not exist before, named by the time and `label`.

    Raises LabError when that is not possible.
    """
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
    flush does not wait, and writes hyper-parameters as a second run in a folder below.
    """

    def __init__(self, folder: Path, hyper_parameters: Mapping[str, bool | float | str]) -> None:
        folder.mkdir()
        # The file would be named by second and host only, and an earlier one of that name would be emptied.
        suffix = f".{os.getpid()}.{next(_serial)}"
        self._writer = tensorboardx("event_file_writer").EventsWriter(str(folder / "events"), filename_suffix=suffix)
        names = {"loss/train": 0.0, "loss/test": 0.0}
        experiment, begin, self._end = tensorboardx("summary").hparams(dict(hyper_parameters), names)
        self._write(experiment, 0)
        self._write(begin, 0)

    def _write(self, summary: Any, step: int) -> None:
        event = tensorboardx("proto.event_pb2").Event
        self._writer.write_event(event(wall_time=time.time(), step=step, summary=summary))

    def losses(self, samples: int, train: float, test: float) -> None:
        """Log both losses after `samples` samples seen; they are in the file when this returns."""
        scalar = tensorboardx("summary").scalar
        self._write(scalar("loss/train", train), samples)
        self._write(scalar("loss/test", test), samples)
        self._writer.flush()

    def graph(self, loss: Tensor, **names: Tensor | Array) -> None:
        """Log the tape of `loss` and its backward for the Graphs tab, under the `names` of its tensors and arrays."""
        trace = Trace(loss, names={id(value): name for name, value in names.items()})
        self._writer.write_event(event_of(graph_of(trace), time.time()))

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self._write(self._end, 0)
        self._writer.close()
