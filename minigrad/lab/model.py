"""A model that was trained, as a file: weights, and what has to be done to a table before they are of use."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad.engine.files import replacing
from minigrad.engine.words import counted
from minigrad.lab import tables
from minigrad.lab.data import FloatArray
from minigrad.lab.errors import LabError
from minigrad.lab.newton import predicted, shares

OURS = "minigrad_model"  # a word that is in each of these files
FORMAT = 2
FORMATS = (".npz", ".json")


@dataclass(frozen=True, eq=False)
class Model:
    """A linear model that predicts ((x - mean) / deviation, clipped at ±clip) W + b of the features by these names.

    Attributes:
        weights, bias: (p, q) and (q,).
        mean, deviation: (p,), of the training rows.
        clip: in standard deviations; None for none.
        feature_names, target_names: a feature "colour=red" is 1 where the column colour is red, and else 0.
        categories: the values of such columns that are known.
        classes: of a classification, whose one target is a class. Then x W + b are scores: of each class, q of them,
            or for two classes that of the second.

    >>> one, none = np.ones(1), np.zeros(1)
    >>> model = Model(np.full((1, 1), 2.0), none, 3 * one, one, clip=None, feature_names=("x",), target_names=("y",))
    >>> model.predict(np.array([[3.0], [4.0]])).ravel()
    array([0., 2.])
    """

    weights: FloatArray
    bias: FloatArray
    mean: FloatArray
    deviation: FloatArray
    clip: float | None
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    categories: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    def scores(self, x: FloatArray) -> FloatArray:
        """x W + b (n, q) of features (n, p), as they are in the table."""
        z = (np.asarray(x, np.float64) - self.mean) / self.deviation
        return np.asarray((z if self.clip is None else z.clip(-self.clip, self.clip)) @ self.weights + self.bias)

    def predict(self, x: FloatArray) -> npt.NDArray[Any]:
        """The targets (n, q) of features (n, p), or their classes (n,), where a value is missing NaN or ""."""
        scores = self.scores(x)
        if not self.classes:
            return scores
        found = np.array(self.classes, object)[predicted(scores)]
        found[np.isnan(scores).any(1)] = ""
        return found

    def probabilities(self, x: FloatArray) -> FloatArray:
        """That of each class, (n, classes). Raises LabError where there are none."""
        if not self.classes:
            raise LabError("a model of numbers has no probabilities of classes")
        p = shares(self.scores(x))
        return np.column_stack([1 - p, p]) if len(self.classes) == 2 else p

    def save(self, path: str | Path) -> Path:
        """Write it to `path`, .npz for NumPy or .json for anything else, in the place of what was there."""
        path = checked(path)
        content = {OURS: FORMAT, **asdict(self)}
        if path.suffix == ".json":
            with replacing(path) as file:
                json.dump(content, file, default=lambda array: array.tolist(), ensure_ascii=False, indent=1)
        else:
            content["categories"] = json.dumps(content["categories"])
            content["classes"] = list(self.classes) or np.empty(0, str)
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
                raise ValueError("another version of minigrad wrote it")
            W, b, mean, deviation = (
                np.array(found[name], np.float64) for name in ("weights", "bias", "mean", "deviation")
            )
            features, targets = (tuple(map(str, found[name])) for name in ("feature_names", "target_names"))
            clip = found["clip"]
            clip = None if clip is None or np.isnan(clip) else float(clip)
            known = found["categories"]
            known = json.loads(known) if isinstance(known, str) else known
            categories = {str(name): tuple(map(str, levels)) for name, levels in known.items()}
            classes = tuple(map(str, found["classes"]))
            model = Model(W, b, mean, deviation, clip, features, targets, categories, classes)
            model.predict(np.zeros((1, len(model.feature_names))))
            if len(classes or targets) != W.shape[1] + (len(classes) == 2):
                raise ValueError("weights and names do not fit")
        except Exception as error:  # the system's, and whatever is in a file that is none of these
            reason = getattr(error, "strerror", None) or str(error)
            raise LabError(f"{path} is no model that minigrad saved: {reason}") from error
        return model

    def features(self, frame: Any, name: str, notes: list[str]) -> FloatArray:
        """The features (n, p) in a DataFrame, NaN where a value is missing or a category is not known, which is noted.

        Raises LabError if a column is absent.
        """
        columns, absent, bad = [], [], []
        made = {f"{column}={level}": (column, level) for column, levels in self.categories.items() for level in levels}
        labels: dict[str, tuple[Any, Any]] = {}
        for column, levels in self.categories.items():
            if column in frame:
                there, texts = labels[column] = tables.labels_of(frame[column])
                strange = ~np.isin(texts, levels)
                if strange.any():
                    there[np.flatnonzero(there)[strange]] = False
                    labels[column] = there, texts[~strange]
                    rows = counted(int(strange.sum()), "row")
                    notes.append(
                        f"{column} has a value in {rows} that training has not seen, such as {texts[strange][0]!r}"
                    )
        for feature in self.feature_names:
            column, level = made.get(feature, (feature, ""))
            if feature in made and column in labels:
                columns.append(tables.marked(*labels[column], level))
            elif feature in made:
                absent += [column] if column not in absent else []
            elif feature in frame:
                found = tables.numbers(frame[feature], ".")
                columns.append(np.full(len(frame), np.nan) if isinstance(found, tuple) else found)
                bad += [feature] if isinstance(found, tuple) else []
            else:
                absent.append(feature)
        for names, what in ((absent, "is not in it"), (bad, "is not of numbers")):
            if names:
                raise LabError(f"{name}: a column that the model needs {what}: {tables.listed(names)}")
        return np.column_stack(columns).astype(np.float64)

    def torch(self) -> str:
        """A Python file with the same model as a torch.nn.Module, float64, which needs PyTorch only."""
        numbers = {name: getattr(self, name).tolist() for name in ("weights", "bias", "mean", "deviation")}
        probable = called = ""
        outputs = len(self.bias)
        if self.classes:
            outputs, called = len(self.classes), f"CLASSES = {list(self.classes)!r}\n"
            probable = f"""

    def probabilities(self, x):
        \"\"\"Of each of the classes, (n, {outputs}).\"\"\"
        p = {"self(x).softmax(1)" if outputs > 2 else "self(x).sigmoid()"}
        return {"p" if outputs > 2 else "torch.cat([1 - p, p], 1)"}"""
        what = f"scores (n, {len(self.bias)})" if self.classes else f"targets (n, {outputs})"
        show = "Model().probabilities" if self.classes else "Model()"
        clip = "" if self.clip is None else f".clamp({-self.clip!r}, {self.clip!r})"
        return f'''"""{OURS}: a linear model that minigrad trained, as a module of PyTorch."""

import torch

FEATURES = {list(self.feature_names)!r}
TARGETS = {list(self.target_names)!r}
{called}NUMBERS = {numbers!r}


class Model(torch.nn.Module):
    """Features (n, {len(self.feature_names)}), as they are in the table, to {what}; float64."""

    def __init__(self):
        super().__init__()
        for name, value in NUMBERS.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    def forward(self, x):
        return ((x - self.mean) / self.deviation){clip} @ self.weights + self.bias{probable}


if __name__ == "__main__":
    print({show}(torch.tensor({[self.mean.tolist()]!r}, dtype=torch.float64)))
'''


def checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix not in FORMATS:
        raise LabError(f"a model is a file .npz or .json, and not {str(path)!r}")
    return path


def table(model: Model, x: FloatArray) -> str:
    """What the model says of features (n, p), as CSV: targets, or a class and the probability of each.

    Cells are empty where a value is missing.
    """
    import pandas as pd

    found = pd.DataFrame(model.predict(x).reshape(len(x), -1), columns=list(model.target_names))
    if model.classes:
        found[[f"p({name})" for name in model.classes]] = model.probabilities(x)
    text: str = found.to_csv(index=False)
    return text
