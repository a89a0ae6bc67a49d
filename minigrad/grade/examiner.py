"""The examiner: it holds exercises, references and the checker, and never runs a line of the submission.

A worker does that, in a process of its own (`worker.py`, behind the walls of `jail.py`), and answers with arrays. To
the checker it is a Subject like any other; what is compared with it, is computed here from the reference.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np

from minigrad.checks.subject import Call, Inputs, Subject, shapes_in_words
from minigrad.grade import worker as remote
from minigrad.grade.submission import Submission

Array = np.ndarray[Any, Any]
START = 60.0  # seconds that Python and NumPy may take to start, on a machine that has much to do
GRACE = 5.0  # seconds in which a worker's processes end
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Limits:
    """The bounds on what a worker uses.

    Attributes:
        time: seconds for one exercise; loading the file has as many.
        cpu: seconds of processor time, for each process.
        memory: bytes of address space, for each process.
        file: bytes of one file that it writes.
        files: how many are open at once.
        processes: how many there may be, and threads, those of the same user included.
    """

    time: float = 30.0
    cpu: int = 300
    memory: int = 4 << 30
    file: int = 16 << 20
    files: int = 256
    processes: int = 32


class WorkerError(RuntimeError):
    """No worker can be started."""


class Gone(BaseException):
    """The worker is no more, or no use any more; the message says why in half a sentence.

    It is no Exception, so that the checker does not take it for one of the submission's.
    """


class StudentError(Exception):
    """An exception of the submission, as text: `raised` gives it the name that its type has there."""


def raised(name: str, text: str, line: int, code: str) -> StudentError:
    kind = type(name if name.isidentifier() else "Exception", (StudentError,), {})
    place = f" (line {line}: {code})" if line else ""
    return kind(f"{plain(text)}{place}".strip())  # type: ignore[no-any-return]


def plain(text: str) -> str:
    """A submission's text on one line, without what a terminal or a format would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class Worker:
    """A process that runs a submission.

    Attributes:
        walls: what stands around it: "user", "namespaces", "files"; none on systems that have none.
        deadline: when it has to have answered, in `time.monotonic()`.
    """

    def __init__(self, submission: Submission, limits: Limits, hidden: Iterable[Path] = (), gate: bool = True) -> None:
        self.gate = gate
        self.deadline = monotonic() + START
        self.folder = tempfile.mkdtemp(prefix="grade-")
        self.link, theirs = socket.socketpair()
        self.come = bytearray()  # what has been received and not yet been read
        try:
            for name, text in submission.helpers:
                Path(self.folder, name).write_text(text, encoding="utf-8")
            self.process = self.start(theirs, submission, limits, [*hidden, submission.path])
            theirs.close()
            self.walls: list[str] = self.ask("hello")
        except BaseException as error:
            theirs.close()
            said = self.close()
            if isinstance(error, Gone | OSError):
                raise WorkerError(f"the worker does not start: {said or error}") from None
            raise

    def start(
        self, theirs: socket.socket, submission: Submission, limits: Limits, hidden: Sequence[Path]
    ) -> subprocess.Popen[bytes]:
        needed = ("numpy", "torch") if self.gate else ("numpy", "torch", "minigrad")
        paths = [str(Path(spec.origin).parents[1]) for name in needed if (spec := found(name)) and spec.origin]
        kept = {"PATH", "LANG", "LC_ALL", "MINIGRAD_LANG", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
        here = {name: value for name, value in os.environ.items() if name in kept}
        here |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        here |= {"HOME": self.folder, "TMPDIR": self.folder, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg"}
        command = [sys.executable, "-I", "-X", "utf8"]
        if os.name != "posix":
            process = subprocess.Popen(
                [*command, str(HERE / "worker.py"), *([] if self.gate else ["--no-gate"])],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=here,
                cwd=self.folder,
            )
            assert process.stdin
            process.stdin.write(theirs.share(process.pid))  # type: ignore[attr-defined]
            process.stdin.close()
            return process
        imports = submission.imports - ({"minigrad"} if self.gate else set())
        closed = [*hidden, *package_folders()] if self.gate else list(hidden)
        libraries, readable, listed = in_sight(paths, closed)
        job = {
            "folder": os.path.realpath(self.folder),
            "libraries": libraries,
            "readable": readable,
            "listed": listed,
            "limits": {name: value for name, value in asdict(limits).items() if name != "time"},
            "paths": paths,
            "imports": [name for name in ("torch", "scipy", "matplotlib", "minigrad") if name in imports],
            "gate": self.gate,
        }
        process = subprocess.Popen(
            [*command, str(HERE / "jail.py"), self.folder],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=here,
            cwd="/",
            start_new_session=True,
        )
        raw = json.dumps(job).encode()
        self.link.settimeout(START)
        self.link.sendall(len(raw).to_bytes(4, "little") + raw)
        return process

    def ask(self, verb: str, *arguments: Any) -> Any:
        """The worker's answer; a StudentError if the submission raised, Gone if there is no answer."""
        nonce = secrets.token_bytes(16)
        try:
            self.link.settimeout(max(self.deadline - monotonic(), 0.001))
            self.link.sendall(remote.framed(nonce, [verb, *arguments]))
            head, length = remote.HEAD.unpack(self.exactly(remote.HEAD.size))
            if head != nonce or length > remote.LARGEST:
                raise Gone("it wrote into the line to the examiner")
            answer = remote.unpacked(self.exactly(length), views=False)
        except TimeoutError:
            raise Gone("over") from None
        except (EOFError, BrokenPipeError, ConnectionError):
            raise Gone(f"it ended the process ({self.end_of()})") from None
        except ValueError as error:
            raise Gone(f"it wrote into the line to the examiner ({error})") from None
        return self.taken(verb, answer)

    def taken(self, verb: str, answer: Any) -> Any:
        match answer:
            case ["ok", value]:
                return value
            case ["error", str(name), str(text), int(line), str(code)] if verb in ("forward", "backward"):
                raise raised(name, text, line, code)
        raise Gone("it wrote into the line to the examiner")

    def exactly(self, size: int) -> bytes:
        while len(self.come) < size:
            self.link.settimeout(max(self.deadline - monotonic(), 0.001))
            part = self.link.recv(1 << 18)
            if not part:
                raise EOFError
            self.come += part
        raw = bytes(self.come[:size])
        del self.come[:size]
        return raw

    def end_of(self) -> str:
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return "it closed its end"
        number = 256 - code if code > 128 else -code  # a signal, as jail.py passes it on
        if number in (signal.SIGSEGV, getattr(signal, "SIGBUS", -1)):
            return "a segmentation fault"
        return signal.Signals(number).name if number in [*signal.Signals] else f"exit code {code}"

    def close(self) -> str:
        """End the worker with everything that it has started. The last line that it wrote before its walls were up."""
        self.link.close()
        said = b""
        if hasattr(self, "process"):
            self.process.terminate()
            try:
                _, said = self.process.communicate(timeout=GRACE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                _, said = self.process.communicate()
        if os.name == "posix":  # which goes as deep as the folders in there, and shutil a thousand
            subprocess.run(["rm", "-rf", self.folder], stderr=subprocess.DEVNULL, start_new_session=True, check=False)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return said.decode(errors="replace").strip().rpartition("\n")[2]

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.close()


class Indoors(Worker):
    """A worker in this very process, where the system has no others: a browser's Python. There are no walls, and no
    torch, whose engine would have to be given back."""

    def __init__(self, submission: Submission, limits: Limits, hidden: Iterable[Path] = ()) -> None:
        self.walls, self.deadline = [], 0.0
        self.submission = remote.Submission()

    def ask(self, verb: str, *arguments: Any) -> Any:
        """The same values as over the wire; while it runs, minigrad is what a worker offers of it."""
        shut = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "minigrad"}
        gate = remote.Gate()
        sys.meta_path.insert(0, gate)
        try:
            with redirect_stdout(io.StringIO()):
                frame = remote.replied(self.submission, bytes(16), remote.packed([verb, *arguments]))
        finally:
            sys.meta_path.remove(gate)
            for name in [name for name in sys.modules if name.split(".")[0] == "minigrad"]:
                del sys.modules[name]
            sys.modules.update(shut)
        return self.taken(verb, remote.unpacked(frame[remote.HEAD.size :], views=False))

    def close(self) -> str:
        return ""


def without_processes() -> bool:
    return sys.platform == "emscripten"


def found(name: str) -> Any:
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None


def package_folders() -> list[Path]:
    """Where minigrad is, and what else would differentiate."""
    specs = [spec for name in ("minigrad", *remote.ENGINES) if (spec := found(name)) and spec.origin]
    return [Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin) for spec in specs]


def in_sight(paths: Sequence[str], hidden: Sequence[Path]) -> tuple[list[str], list[str], list[str]]:
    """The libraries; what a worker may read of them, without what is hidden; what it may list."""
    libraries = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    system = ["/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc", "/usr/share/zoneinfo"]
    closed = {Path(os.path.realpath(path)) for path in hidden}  # which takes a link to itself, too
    readable: list[str] = []
    listed: list[str] = []

    def visit(path: Path) -> None:
        if path in closed:
            return
        if not any(other.is_relative_to(path) for other in closed):
            readable.append(str(path))
            return
        listed.append(str(path))
        with suppress(OSError):
            for entry in path.iterdir():
                visit(entry.resolve())

    tops = sorted({Path(one).resolve() for one in (*libraries, *paths, *system) if os.path.isdir(one)})
    tops = [path for path in tops if not any(path != other and path.is_relative_to(other) for other in tops)]
    for path in tops:
        visit(path)
    return list(map(str, tops)), readable, listed


# ----------------------------------------------------------------------------------------------------- as a Subject
class RemoteCall(Call):
    """A forward that has run in the worker. What it wrote into there, is written into here."""

    def __init__(self, subject: RemoteSubject, inputs: Inputs, needs: Sequence[bool]) -> None:
        self.subject, self.inputs = subject, inputs
        forget, subject.forgotten = subject.forgotten, []
        asked = fingerprint(inputs)
        try:
            answer = subject.worker.ask("forward", subject.exercise_name, list(inputs), list(map(int, needs)), forget)
        except StudentError:
            subject.hold(asked, None)
            raise
        self.number, outputs, changed = shaped(answer, (int, list, list))
        if not outputs or not all(isinstance(y, np.ndarray) for y in outputs):
            raise Gone("it wrote into the line to the examiner")
        real = [i for i, y in enumerate(outputs) if y.dtype.kind == "f"]
        if len(outputs) > 1 and not real:
            raise StudentError(f"none of the {len(outputs)} outputs of forward is of floats")
        self.returned(outputs, real)
        subject.hold(asked, [(y.shape, y.dtype, np.isfinite(y).tobytes()) for y in outputs])
        rewrite(inputs, changed)
        subject.look_at(self.shapes, inputs)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            self.subject.forgotten.append(self.number)

    def backward(self, g: Array) -> list[Any]:
        gs = self.cotangents(g)
        parts, same, changed = shaped(self.subject.worker.ask("backward", self.number, gs), (list, list, list))
        if len(same) != len(parts) or not all(p is None or isinstance(p, np.ndarray) for p in parts):
            raise Gone("it wrote into the line to the examiner")
        rewrite([*gs, *self.outputs, *self.inputs], changed)
        for j, i in enumerate(same):
            if isinstance(i, int) and 0 <= i < j and parts[i].shape == parts[j].shape:
                parts[j] = parts[i]  # one array there is one array here
        while len(parts) > len(self.inputs) and parts[-1] is None and self.subject.defaults:
            parts.pop()  # for an argument that has a default, and is no input of the exercise
        return list(parts)

    def kept(self) -> list[Array]:
        return [a for a in self.subject.worker.ask("kept", self.number) if isinstance(a, np.ndarray)]

    def disturb(self, change: Callable[[Array], Array]) -> None:
        kept = [change(a) if a.dtype.kind == "f" else a for a in self.kept()]
        self.subject.worker.ask("keep", self.number, kept)


class RemoteSubject(Subject):
    """An answer to an exercise, in the worker."""

    def __init__(self, worker: Worker, name: str, torch: bool, parameters: Sequence[tuple[str, int]]) -> None:
        kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
        known = [inspect.Parameter(name, kinds[kind == 2]) for name, kind in parameters]
        super().__init__(None, name, known)
        self.worker, self.exercise_name = worker, name
        self.defaults = any(kind == 1 for _, kind in parameters)
        self.forgotten: list[int] = []
        self.shapes: dict[Any, list[tuple[int, ...]]] = {}
        self.answers: dict[int, Any] = {}
        if torch:
            self.wide, self.any_layout = np.float64, False

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        return RemoteCall(self, inputs, needs)

    def hold(self, asked: int, answer: Any) -> None:
        """A forward stays with its answer: with one that is right at first and then of no use, no backward is tried."""
        if self.answers.setdefault(asked, answer) != answer:
            raise Gone("forward raises, or returns other than numbers of that shape, where it did not before")

    def look_at(self, found: list[tuple[int, ...]], inputs: Inputs) -> None:
        """A forward that is right has the right shape wherever it is called."""
        if self.reference is None:
            return
        shapes = tuple(np.shape(x) for x in inputs)
        if shapes not in self.shapes:
            self.shapes[shapes] = self.reference.call(inputs, [False] * len(inputs)).shapes
        if found != (needed := self.shapes[shapes]):
            raise StudentError(f"forward returns {shapes_in_words(found)} where {shapes_in_words(needed)} is needed")


def fingerprint(values: Inputs) -> int:
    return hash(tuple((x.shape, x.dtype.str, x.tobytes()) if isinstance(x, np.ndarray) else x for x in values))


def shaped(answer: Any, kinds: Sequence[type]) -> list[Any]:
    if isinstance(answer, list) and len(answer) == len(kinds) and all(map(isinstance, answer, kinds)):
        return answer
    raise Gone("it wrote into the line to the examiner")


def rewrite(here: Sequence[Any], changed: Sequence[Any]) -> None:
    for array, new in zip(here, changed, strict=False):
        fits = isinstance(new, np.ndarray) and isinstance(array, np.ndarray) and new.shape == array.shape
        if fits and array.flags.writeable:
            array[...] = new


def subject_of(worker: Worker, name: str) -> RemoteSubject | str:
    """The answer to an exercise, or the sentence that says why there is none."""
    match worker.ask("find", name):
        case [str(reason)]:
            return plain(reason)
        case ["", int(torch), [*parameters]]:
            known: dict[str, int] = {}
            for one in parameters:
                match one:
                    case [str(own), int(kind)] if own.isidentifier() and len(own) < 50:
                        known[own] = kind
            return RemoteSubject(worker, name, bool(torch), list(known.items()))
    raise Gone("it wrote into the line to the examiner")
