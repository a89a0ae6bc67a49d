"""Event files for TensorBoard: a folder of its own for every run, made anew, never written to again."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from minigrad.lab.data import LabError

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
    """Writes one run's losses, on the axis of samples seen, and its hyper-parameters; to be used in a `with`."""

    def __init__(self, folder: Path, hyper_parameters: Mapping[str, bool | float | str]) -> None:
        from tensorboardX import SummaryWriter

        folder.mkdir()
        # The writer's own file name has only the second and the host in it, and an existing file would be emptied.
        self._writer = SummaryWriter(str(folder), filename_suffix=f".{os.getpid()}.{next(_serial)}")
        self._write_hyper_parameters(hyper_parameters)

    def _write_hyper_parameters(self, values: Mapping[str, bool | float | str]) -> None:
        # SummaryWriter.add_hparams would make a second run in a folder below; the same records fit in this run's file.
        from tensorboardX.summary import hparams

        for summary in hparams(dict(values), {"loss/train": 0.0, "loss/test": 0.0}):
            self._writer.file_writer.add_summary(summary)

    def losses(self, samples: int, train: float, test: float) -> None:
        """Log both losses after `samples` samples seen, and see to it that they are in the file."""
        self._writer.add_scalar("loss/train", train, samples)
        self._writer.add_scalar("loss/test", test, samples)
        self._writer.flush()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
