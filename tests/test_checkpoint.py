"""Checkpoints: the same bits come back, whatever kills the run; what is damaged or foreign changes nothing."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
import sys
import time
import zipfile

import numpy as np
import pytest
import training_run

from minigrad import Tensor, checkpoint, nn, optim
from minigrad.checkpoint import CheckpointError
from minigrad.optim import lr_scheduler

EPOCHS = 6
# Runs are forked from a process that has imported what they need, where there is such a thing.
PROCESSES = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
PROCESSES.set_forkserver_preload(["minigrad.checkpoint", "minigrad.nn", "minigrad.optim"])


# ---------------------------------------------------------------------------------------------------------- kill -9
@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The last line of a run that nobody disturbs."""
    return finished(tmp_path_factory.mktemp("run") / "run.npz")[-1]


def started(path, epochs=EPOCHS, death="", forgotten=""):
    """A run in a process of its own."""
    output = path.parent.parent / f"{path.parent.name}.txt"
    run = PROCESSES.Process(target=training_run.main, args=(path, output, epochs, death, forgotten))
    run.start()
    return run, output


def finished(path, epochs=EPOCHS, forgotten=""):
    """The lines of a run that is left to end."""
    run, output = started(path, epochs, forgotten=forgotten)
    run.join()
    assert run.exitcode == 0
    return output.read_text(encoding="utf-8").splitlines()


DEATHS = [  # and the epoch that the file then holds
    ("step:1", 0),
    ("step:20", 3),  # six steps an epoch
    ("before fsync:1", 0),  # of the first file: two a checkpoint, file and folder
    ("before fsync:5", 2),
    ("after fsync:5", 2),
    ("before replace:4", 3),
    ("after replace:4", 4),
    ("before fsync:8", 4),  # of the folder
]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize(("death", "epoch"), DEATHS)
def test_a_run_killed_at_any_moment_ends_with_the_same_bits(death, epoch, uninterrupted, tmp_path):
    path = tmp_path / "run.npz"
    killed, _ = started(path, death=death)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert path.exists() == (epoch > 0)
    lines = finished(path)
    assert lines[:-1] == [f"epoch {i}" for i in range(epoch + 1, EPOCHS + 1)]
    assert lines[-1] == uninterrupted
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]  # the unfinished file is used again


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_run_killed_from_outside_again_and_again(uninterrupted, tmp_path):
    """Wherever the blow falls: nothing here depends on when."""
    path = tmp_path / "run.npz"
    for _ in range(3):
        run, output = started(path)
        while run.is_alive() and not (output.exists() and output.stat().st_size):
            time.sleep(0.0001)
        run.kill()  # it has finished an epoch, and is somewhere in the next
        run.join()
        output.unlink()
    assert finished(path)[-1] == uninterrupted


def test_the_run_depends_on_all_that_is_restored(uninterrupted, tmp_path):
    """A resumed run that forgets a part does not end with those bits: the test above can fail."""
    path = tmp_path / "run.npz"
    for part in "model", "optimizer", "schedule", "rng":
        path.unlink(missing_ok=True)
        finished(path, 3)
        assert finished(path, forgotten=part)[-1] != uninterrupted


# -------------------------------------------------------------------------------------------------------- round trips
def network(seed=0, dtype=np.float32, bit_generator=np.random.PCG64):
    rng = np.random.Generator(bit_generator(seed))
    model = nn.Sequential(nn.Linear(3, 4, rng=rng, dtype=dtype), nn.Dropout(rng=rng), nn.BatchNorm1d(4, dtype=dtype))
    optimizer = optim.Adam(model.parameters(), amsgrad=True)
    schedule = lr_scheduler.StepLR(optimizer, 2)
    (model(np.ones((5, 3))) ** 2).sum().backward()
    optimizer.step()
    schedule.step()
    return {"model": model, "optimizer": optimizer, "schedule": schedule, "rng": rng}


def states(parts):
    """All that can be seen of the parts, with the numbers that the generators would draw next."""
    found = {name: part.state_dict() for name, part in parts.items() if name != "rng"}
    return found | {"rng": parts["rng"].bit_generator.state}


@pytest.mark.parametrize(
    "bit_generator", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM]
)
def test_every_part_comes_back(bit_generator, tmp_path):
    parts = network(bit_generator=bit_generator)
    parts["rng"].integers(5, dtype=np.uint32)  # leaves half of a word for the next draw
    before = states(parts)
    checkpoint.save(tmp_path / "file", **parts)
    other = network(seed=1, bit_generator=bit_generator)
    assert checkpoint.load(tmp_path / "file", **other) == {}
    np.testing.assert_equal(states(other), before)
    np.testing.assert_array_equal(other["rng"].random(5), parts["rng"].random(5))


VALUES = {
    "epoch": 12,
    "huge": 2**200,
    "float": 0.1,
    "inf": -np.inf,
    "text": "Größe",
    "nothing": None,
    "flag": True,
    "list": [1, (2.5, "three"), {}, []],
    "dict": {"a": {1: [np.arange(3), np.float32(0.1)]}, None: "key"},
    "clash": {"a/b": np.zeros(2), "a": {"b": np.ones(2)}},
    "file": np.array([1 + 2j]),
    "tree": np.array(True),
}


def test_what_has_no_state_is_returned(tmp_path):
    checkpoint.save(tmp_path / "file", **VALUES)
    found = checkpoint.load(tmp_path / "file")
    np.testing.assert_equal(found, VALUES)
    assert [type(part) for part in found["list"]] == [int, tuple, dict, list]
    assert np.isnan(checkpoint.load(tmp_path / "file")["float"]) is np.False_
    with np.load(tmp_path / "file", allow_pickle=False) as members:
        assert members["parts/dict/a/1/0"].tolist() == [0, 1, 2]


LAYOUTS = {
    "transposed": lambda a: a.T,
    "Fortran": np.asfortranarray,
    "strided": lambda a: a[::2, ::3],
    "backwards": lambda a: a[::-1],
    "broadcast": lambda a: np.broadcast_to(a[0], a.shape),
    "empty": lambda a: a[:0],
    "one": lambda a: a[0, 0],
    "big endian": lambda a: a.astype(">f8"),
    "read-only": lambda a: np.frombuffer(a.tobytes()).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_in_memory_does_not_matter(layout, tmp_path):
    array = LAYOUTS[layout](np.arange(24.0).reshape(4, 6))
    checkpoint.save(tmp_path / "file", array=array)
    found = checkpoint.load(tmp_path / "file")["array"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype

    class Held(nn.Module):
        def __init__(self, values):
            self.p = Tensor(values, requires_grad=True)

    checkpoint.save(tmp_path / "file", model=Held(array))
    other = Held(np.zeros(array.shape, array.dtype))
    checkpoint.load(tmp_path / "file", model=other)
    np.testing.assert_array_equal(other.p.data, array)


# ------------------------------------------------------------------------------------------------- what does not fit
@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.npz"
    checkpoint.save(path, **network(), epoch=3)
    return path


def refused(path, match, parts=None, error=CheckpointError):
    parts = parts or network(seed=5)
    before = states(parts)
    with pytest.raises(error, match=match) as caught:
        checkpoint.load(path, **parts)
    np.testing.assert_equal(states(parts), before)
    return str(caught.value)


def test_a_file_that_is_cut_off_anywhere(file):
    data = file.read_bytes()
    for length in [*range(0, len(data), 997), *range(len(data) - 70, len(data))]:
        file.write_bytes(data[:length])
        message = refused(file, "was not written by minigrad.checkpoint; nothing was changed")
        assert str(file) in message


def test_a_file_with_one_wrong_bit_anywhere(file):
    data = bytearray(file.read_bytes())
    parts = network(seed=5)
    before = states(parts)
    for position in [*range(0, len(data), 131), *range(len(data) - 100, len(data))]:
        data[position] ^= 1 << position % 8
        file.write_bytes(data)
        with pytest.raises(CheckpointError, match="written by minigrad"):
            checkpoint.load(file, **parts)
        data[position] ^= 1 << position % 8
    np.testing.assert_equal(states(parts), before)
    file.write_bytes(data)
    checkpoint.load(file, **parts)


def test_foreign_files(tmp_path):
    np.savez(tmp_path / "a.npz", weight=np.ones(3))
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "c").write_text("weights: 3", encoding="utf-8")
    refused(tmp_path / "a.npz", "is damaged or cut off, or was not written by")
    refused(tmp_path / "b", "b was not written by")
    refused(tmp_path / "c", "c was not written by")
    refused(tmp_path / "d", "d", error=FileNotFoundError)


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


def test_nothing_in_a_file_is_ever_run(tmp_path):
    """An array of objects inside of an otherwise valid checkpoint is refused, not unpickled."""
    inside = io.BytesIO()
    np.savez(inside, tree=np.array(Bomb(), object), allow_pickle=True)
    with zipfile.ZipFile(inside, "a") as archive:
        archive.comment = b" " * 64
    body = inside.getvalue()[:-64]
    (tmp_path / "file").write_bytes(body + hashlib.sha256(body).hexdigest().encode())
    with pytest.raises(CheckpointError, match="allow_pickle"):
        checkpoint.load(tmp_path / "file")


def signed(path, **members):
    """A file with these members that is signed as a checkpoint."""
    file = io.BytesIO()
    np.savez(file, **members)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b" " * 64
    body = file.getvalue()[:-64]
    path.write_bytes(body + hashlib.sha256(body).hexdigest().encode())


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ('{"minigrad": 99, "parts": 0}', "it is of format 99, and this minigrad reads up to 1: a later one wrote it"),
        ('["dict", [["epoch", ["array", "nowhere"]]]]', "has no member 'nowhere'"),
        ('{"minigrad": 1}', "has no member 'parts'"),
        ('["dict"]', "not enough values"),
        ('["list", [1]]', "it holds no parts with names"),
        ('["dict", [[["list", []], 3]]]', "unhashable"),
        ("not JSON", "Expecting value"),
        ("[" * 100_000 + "]" * 100_000, "recursion"),
        (None, "has no member 'tree'"),
    ],
)
def test_signed_content_that_is_malformed(tmp_path, tree, message):
    signed(tmp_path / "file", **({} if tree is None else {"tree": np.array(tree)}))
    refused(tmp_path / "file", message)


def test_files_without_a_version_are_read(tmp_path):
    signed(tmp_path / "file", tree=np.array('["dict", [["epoch", 7]]]'))
    assert checkpoint.load(tmp_path / "file") == {"epoch": 7}


def test_what_stumbles_over_a_state_changes_nothing(tmp_path):
    class Odd:
        def __init__(self, n):
            self.n = n

        def state_dict(self):
            return {"n": self.n}

        def load_state_dict(self, state):
            self.n = state["n"]
            if self.n == 3:
                raise AttributeError("stumbled")

    checkpoint.save(tmp_path / "file", part=Odd(3))
    part = Odd(4)
    with pytest.raises(CheckpointError, match="does not fit part, and nothing was changed: stumbled"):
        checkpoint.load(tmp_path / "file", part=part)
    assert part.n == 4


def test_a_checkpoint_of_other_objects(file):
    parts = network(seed=5)
    larger = nn.Sequential(nn.Linear(3, 9), nn.Dropout(), nn.BatchNorm1d(9))
    refused(file, r"does not fit model.*0.weight has shape \(4, 3\) instead of \(9, 3\)", {**parts, "model": larger})
    refused(file, "does not fit model.* drew at random", {**parts, "model": nn.Sequential(nn.Linear(3, 4))})
    refused(file, "does not fit optimizer", {**parts, "optimizer": optim.SGD(parts["model"].parameters())})
    refused(file, "does not fit rng", {**parts, "rng": np.random.Generator(np.random.MT19937(0))})
    refused(file, "does not fit model.*MT19937", network(bit_generator=np.random.MT19937))
    refused(file, "does not fit other, .* it was not saved, only model", {**parts, "other": nn.Linear(2, 2)})
    refused(file, "does not fit epoch.*of another kind", {**parts, "epoch": nn.Linear(2, 2)})
    with pytest.raises(TypeError, match="epoch is a int, which has no state; load returns"):
        checkpoint.load(file, epoch=3)


def test_what_cannot_be_saved_is_named_and_the_old_file_is_kept(file):
    before = file.read_bytes()
    for part, message in [
        (object(), "state/1 is a object"),
        (np.array([None]), "is a ndarray"),
        (np.random.RandomState(0), "RandomState"),
    ]:
        with pytest.raises(TypeError, match=message):
            checkpoint.save(file, state=[3, part])
        assert file.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links of Unix")
def test_mode_and_link_of_the_old_file_are_kept(file, tmp_path):
    file.chmod(0o640)
    link = tmp_path / "link.npz"
    link.symlink_to(file.name)
    checkpoint.save(link, epoch=8)
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert checkpoint.load(file) == {"epoch": 8}


def test_two_savers_at_once_have_files_of_their_own(tmp_path):
    from minigrad.engine.files import replacing

    with replacing(tmp_path / "run.npz", "wb") as one, replacing(tmp_path / "run.npz", "wb") as two:
        one.write(b"one" * 1000)
        two.write(b"two" * 10)
        one.flush()
    assert (tmp_path / "run.npz").read_bytes() == b"one" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_a_disk_that_is_full(file, monkeypatch):
    before = file.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(file, epoch=4)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == before
