"""Checkpoints: everything a training run needs to go on, in one file, without pickle.

    checkpoint.save("run.npz", model=model, optimizer=optimizer, rng=rng, epoch=epoch)
    ...
    epoch = checkpoint.load("run.npz", model=model, optimizer=optimizer, rng=rng)["epoch"]

What has a ``state_dict`` and a ``load_state_dict`` (modules, optimizers, schedules) and what is a
np.random.Generator goes on from where it was; numbers, strings, arrays, and lists and dicts of them are returned.

The file is an .npz, which ``np.load`` reads: one member for each array, and the rest as JSON in the member "tree". Its
last 64 bytes (a zip file may end with a comment) are the SHA-256 of all bytes before them, so that a file which is
damaged, cut off or of other origin is recognised before anything is changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad.engine.files import replacing

__all__ = ["CheckpointError", "load", "save"]

Array = npt.NDArray[Any]
DIGEST = 64  # characters of a SHA-256 in hexadecimal
FORMAT = 1  # of the member "tree"; files without a number, which came before, are read as well


class CheckpointError(ValueError):
    """A file is no checkpoint, or not one of these objects. Nothing has been changed."""


def save(path: str | Path, **parts: Any) -> None:
    """Write the state of `parts` to `path`, which holds the old checkpoint or the new one at any moment, and whole.

    Raises:
        TypeError: a part is something that can be neither saved nor restored.
        OSError: the file cannot be written; what was there is still there.

    >>> from minigrad import checkpoint, nn
    >>> import tempfile, os
    >>> model, rng = nn.Linear(3, 2), np.random.default_rng(0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.npz")
    ...     checkpoint.save(path, model=model, rng=rng, epoch=7)
    ...     found = checkpoint.load(path, model=model, rng=rng)
    >>> found
    {'epoch': 7}
    """
    data = encoded({name: state_of(part) for name, part in parts.items()})
    with replacing(path, "wb") as file:
        file.write(data)


def load(path: str | Path, **parts: Any) -> dict[str, Any]:
    """Give `parts` back the state they had when `path` was written, and return what else was saved, by name.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, or no checkpoint, or of other objects than `parts`. They are, every
            single one, as they were.

    >>> import tempfile
    >>> rng, path = np.random.default_rng(0), Path(tempfile.mkdtemp(), "run.npz")
    >>> save(path, rng=rng)
    >>> first = rng.normal()
    >>> load(path, rng=rng)
    {}
    >>> rng.normal() == first
    True
    """
    for name, part in parts.items():
        if not has_state(part):
            raise TypeError(f"load: {name} is a {type(part).__name__}, which has no state; load returns what was saved")
    states = decoded(Path(path).read_bytes(), path)
    before = {name: state_of(part) for name, part in parts.items()}
    touched = []
    try:
        for name, part in parts.items():
            if name not in states:
                raise ValueError(f"it was not saved, only {', '.join(states)}")
            touched.append(name)
            restore(part, states[name])
    except BaseException as error:
        for earlier in touched:
            restore(parts[earlier], before[earlier])
        if isinstance(error, Exception):  # a load_state_dict may stumble over anything
            raise CheckpointError(f"{path} does not fit {name}, and nothing was changed: {error}") from None
        raise
    return {name: state for name, state in states.items() if name not in parts}


# ------------------------------------------------------------------------------------------------ parts and their state
def generators(part: Any) -> dict[str, np.random.Generator]:
    """The generators that a module's layers draw from (Dropout's), by path."""
    modules = part.named_modules() if hasattr(part, "named_modules") else ()
    found = {path: getattr(module, "rng", None) for path, module in modules}
    return {path: rng for path, rng in found.items() if isinstance(rng, np.random.Generator)}


def has_state(part: Any) -> bool:
    return isinstance(part, np.random.Generator) or hasattr(part, "load_state_dict")


def state_of(part: Any) -> Any:
    """The part of `part` that is saved: its state, or all of it if it has none."""
    if isinstance(part, np.random.Generator):
        return dict(part.bit_generator.state)
    if has_state(part):
        return {
            "state": part.state_dict(),
            "generators": {path: state_of(rng) for path, rng in generators(part).items()},
        }
    return part


def restore(part: Any, state: Any) -> None:
    """Give a part that has a state the one that `state_of` found."""
    if isinstance(part, np.random.Generator):
        part.bit_generator.state = state
        return
    if not isinstance(state, dict) or state.keys() != {"state", "generators"}:
        raise ValueError("what was saved under this name is of another kind")
    rngs = generators(part)
    if rngs.keys() != state["generators"].keys():
        raise ValueError(f"{sorted(state['generators'])} drew at random when it was saved, and {sorted(rngs)} do now")
    part.load_state_dict(state["state"])
    for path, rng in rngs.items():
        restore(rng, state["generators"][path])


# ------------------------------------------------------------------------------------------------------ states as bytes
def encoded(states: dict[str, Any]) -> bytes:
    """The bytes of a checkpoint."""
    arrays: dict[str, Array] = {}
    tree = json.dumps({"minigrad": FORMAT, "parts": packed(states, "parts", arrays)})
    file = io.BytesIO()
    np.savez(file, tree=np.array(tree), **arrays)  # type: ignore[arg-type]  # mypy takes a name for allow_pickle
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b" " * DIGEST
    body = file.getvalue()[:-DIGEST]
    return body + hashlib.sha256(body).hexdigest().encode()


def decoded(data: bytes, path: str | Path) -> dict[str, Any]:
    """The states in the bytes of a checkpoint; CheckpointError if it is none."""
    body, digest = data[:-DIGEST], data[-DIGEST:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        kind = "is damaged or cut off, or was not written by" if data.startswith(b"PK") else "was not written by"
        raise CheckpointError(f"{path} {kind} minigrad.checkpoint; nothing was changed")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as members:
            arrays = {name: members[name] for name in members}
        tree = json.loads(arrays.pop("tree").item())
        version = tree["minigrad"] if isinstance(tree, dict) else 0
        if version > FORMAT:
            raise ValueError(f"it is of format {version}, and this minigrad reads up to {FORMAT}: a later one wrote it")
        states = unpacked(tree["parts"] if version else tree, arrays)
        if not isinstance(states, dict):
            raise ValueError("it holds no parts with names")
    except Exception as error:  # whoever signs a file as ours may have put anything into it
        reason = f"has no member {error}" if isinstance(error, KeyError) else error
        raise CheckpointError(f"{path} cannot be read, and nothing was changed: {reason}") from error
    return states


def packed(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """`value` as JSON has it; what JSON has not is a pair ["kind", ...], and arrays are put aside under their path."""
    if type(value) in (NoneType, bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiubc":
        while path in arrays:  # as "a/b" in one dict, and "b" in a dict "a"
            path += "'"
        arrays[path] = np.asarray(value)
        return ["array", path]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [packed(part, f"{path}/{i}", arrays) for i, part in enumerate(value)]]
    if isinstance(value, Mapping):
        return ["dict", [[packed(k, path, arrays), packed(v, f"{path}/{k}", arrays)] for k, v in value.items()]]
    raise TypeError(
        f"checkpoint: {path.partition('/')[2]} is a {type(value).__name__}, and can be neither saved nor restored; "
        "take what has a state_dict, a np.random.Generator, numbers, strings, arrays, or lists and dicts of them"
    )


def unpacked(tree: Any, arrays: Mapping[str, Array]) -> Any:
    """The opposite of `packed`."""
    if not isinstance(tree, list):
        return tree
    kind, content = tree
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {unpacked(k, arrays): unpacked(v, arrays) for k, v in content}
    parts = [unpacked(part, arrays) for part in content]
    return parts if kind == "list" else tuple(parts)
