"""A model that was trained, as a file: weights, and what has to be done to a table before they are of use."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.engine.files import replacing
from minigrad.lab import tables
from minigrad.lab.data import FloatArray
from minigrad.lab.errors import LabError

OURS = "minigrad_model"  # a word that is in each of these files
FORMAT = 1
FORMATS = (".npz", ".json")


@dataclass(frozen=True, eq=False)
class Model:
    """A linear model that predicts ((x - mean) / deviation, clipped at ±clip) W + b of the features by these names.

    Attributes:
        weights, bias: (p, q) and (q,).
        mean, deviation: (p,), of the training rows.
        clip: in standard deviations; None for none.
        feature_names, target_names: a feature "colour=red" is 1 where the column colour is red, and else 0.
    """

    weights: FloatArray
    bias: FloatArray
    mean: FloatArray
    deviation: FloatArray
    clip: float | None
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]

    def predict(self, x: FloatArray) -> FloatArray:
        """The targets (n, q) of features (n, p), as they are in the table."""
        z = (np.asarray(x, np.float64) - self.mean) / self.deviation
        return np.asarray((z if self.clip is None else z.clip(-self.clip, self.clip)) @ self.weights + self.bias)

    def save(self, path: str | Path) -> Path:
        """Write it to `path`, .npz for NumPy or .json for anything else, in the place of what was there."""
        path = checked(path)
        content = {OURS: FORMAT, **asdict(self)}
        if path.suffix == ".json":
            with replacing(path) as file:
                json.dump(content, file, default=lambda array: array.tolist(), ensure_ascii=False, indent=1)
        else:
            arrays = {name: np.asarray(np.nan if value is None else value) for name, value in content.items()}
            packed = io.BytesIO()
            np.savez(packed, **arrays)  # type: ignore[arg-type]  # mypy takes a name for allow_pickle
            with replacing(path, "wb") as file:
                file.write(packed.getvalue())
        return path

    @staticmethod
    def load(path: str | Path) -> Model:
        """Read what `save` wrote. Raises LabError for anything else."""
        path = checked(path)
        try:
            if path.suffix == ".json":
                found = json.loads(path.read_text(encoding="utf-8"))
            else:
                with np.load(path, allow_pickle=False) as members:
                    found = {name: members[name].tolist() for name in members}
            if found.pop(OURS) != FORMAT:
                raise ValueError("a later minigrad wrote it")
            W, b, mean, deviation = (
                np.array(found[name], np.float64) for name in ("weights", "bias", "mean", "deviation")
            )
            features, targets = (tuple(map(str, found[name])) for name in ("feature_names", "target_names"))
            clip = found["clip"]
            clip = None if clip is None or np.isnan(clip) else float(clip)
            model = Model(W, b, mean, deviation, clip, features, targets)
            model.predict(np.zeros((1, len(model.feature_names))))
        except Exception as error:  # the system's, and whatever is in a file that is none of these
            reason = getattr(error, "strerror", None) or str(error)
            raise LabError(f"{path} is no model that minigrad saved: {reason}") from error
        return model

    def features(self, frame: Any, name: str) -> FloatArray:
        """The features (n, p) in a DataFrame, NaN where a value is missing. LabError if a column is absent."""
        columns, absent, bad = [], [], []
        for feature in self.feature_names:
            column, _, level = feature.partition("=")
            if feature in frame:
                found = tables.numbers(frame[feature], ".")
                columns.append(np.full(len(frame), np.nan) if isinstance(found, tuple) else found)
                bad += [feature] if isinstance(found, tuple) else []
            elif level and column in frame:
                there = frame[column].notna().to_numpy()
                columns.append(np.where(there, frame[column].astype(str).str.strip() == level, np.nan))
            else:
                absent.append(feature)
        for names, what in ((absent, "is not in it"), (bad, "is not of numbers")):
            if names:
                raise LabError(f"{name}: a column that the model needs {what}: {tables.listed(names)}")
        return np.column_stack(columns).astype(np.float64)

    def torch(self) -> str:
        """A Python file with the same model as a torch.nn.Module, float64, which needs PyTorch only."""
        numbers = {name: getattr(self, name).tolist() for name in ("weights", "bias", "mean", "deviation")}
        clip = "" if self.clip is None else f".clamp({-self.clip!r}, {self.clip!r})"
        return f'''"""{OURS}: a linear model that minigrad trained, as a module of PyTorch."""

import torch

FEATURES = {list(self.feature_names)!r}
TARGETS = {list(self.target_names)!r}
NUMBERS = {numbers!r}


class Model(torch.nn.Module):
    """Features (n, {len(self.feature_names)}), as they are in the table, to targets (n, {len(self.bias)}); float64."""

    def __init__(self):
        super().__init__()
        for name, value in NUMBERS.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    def forward(self, x):
        return ((x - self.mean) / self.deviation){clip} @ self.weights + self.bias


if __name__ == "__main__":
    print(Model()(torch.tensor({[self.mean.tolist()]!r}, dtype=torch.float64)))
'''


def checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix not in FORMATS:
        raise LabError(f"a model is a file .npz or .json, and not {str(path)!r}")
    return path


def table(predictions: FloatArray, names: Sequence[str]) -> str:
    """Predictions (n, q) as CSV; empty cells where a value was missing."""
    import pandas as pd

    text: str = pd.DataFrame(predictions, columns=list(names)).to_csv(index=False)
    return text
