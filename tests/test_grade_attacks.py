"""What submissions try: none of it changes a mark upwards, and nothing of it is left behind.

Each attack runs where a submission runs: when it is loaded, in its forward and in its backward. The file around it has
an honest mark, 2 of 6: a right forward, and a backward that is twice what it should be.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from minigrad.checks.subject import subject_of as in_process
from minigrad.grade import examiner, grade, load_exercises
from minigrad.grade import worker as wire
from minigrad.grade.examination import Reference, differences
from minigrad.grade.examiner import Gone, Limits, Worker, subject_of
from minigrad.grade.formats import FORMATS
from minigrad.grade.grading import Rules, Sitting
from minigrad.grade.submission import Submission, read

ROOT = Path(__file__).parents[1]
HONEST = 2
PATIENCE = 20.0
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc")

FILE = """
import ctypes, gc, os, signal, sys, threading, time
import numpy as np
from minigrad import Function

PLACES = {places!r}
done = set()

def attack():
{code}

def once(place):
    if place not in done:
        done.add(place)
        try:
            attack()
        except BaseException:
            pass

once("load")

class ReLU(Function):
    @staticmethod
    def forward(ctx, x):
        once("forward")
        ctx.save_for_backward(x)
        return np.maximum(x, 0)

    @staticmethod
    def backward(ctx, grad):
        once("backward")
        (x,) = ctx.saved_tensors
        return 2 * grad * (x > 0)
"""

ATTACKS = {
    "walks the stack": """
frame = sys._getframe()
while frame:
    for names in (frame.f_locals, frame.f_globals):
        for name in ("faults", "found", "forward", "points", "marks", "answer", "frame"):
            if name in names:
                names[name] = ()
    frame = frame.f_back
""",
    "writes into what the collector knows": """
for thing in gc.get_objects():
    if isinstance(thing, dict) and {"faults", "points", "forward"} & set(map(str, thing)):
        thing.update(faults=(), forward=None, points={"forward": 2, "x": 4})
    if type(thing).__name__ in ("Exercise", "Trial", "Findings", "Mark"):
        vars(thing).clear()
""",
    "patches every module": """
for name, module in list(sys.modules.items()):
    for thing in ("findings", "examine", "check", "marked", "compare", "told"):
        if hasattr(module, thing):
            setattr(module, thing, lambda *a, **k: ())
for name in ("abs", "isfinite", "allclose", "array_equal", "finfo", "stack"):
    setattr(np, name, lambda *a, **k: np.float64(0))
""",
    "writes into every descriptor": """
for fd in range(3, 256):
    try:
        os.write(fd, b"\\0" * 16 + (5).to_bytes(4, "little") + b"L\\0\\0\\0\\0")
    except OSError:
        pass
""",
    "says what it likes in the worker's name": """
worker = sys.modules["worker"]
worker.Submission.answer = lambda self, request: ["ok", [1, np.zeros(1), [], [0] * 9]]
""",
    "answers without an end": """
worker = sys.modules["worker"]
worker.Submission.answer = lambda self, request: ["ok", np.zeros(1 << 28, np.uint8)]
""",
    "announces more than it sends": """
worker = sys.modules["worker"]
worker.replied = lambda submission, nonce, raw: nonce + (1 << 25).to_bytes(4, "little") + b"A"
""",
    "floods the line": """
for fd in range(3, 64):
    try:
        os.set_blocking(fd, False)
        for _ in range(1000):
            os.write(fd, b"x" * 65536)
    except OSError:
        pass
""",
    "floods its output": """
for _ in range(200):
    print("full marks " * 10000)
    sys.stderr.write("ReLU 6 / 6\\n" * 10000)
""",
    "ends the process": "os._exit(0)",
    "exits": "sys.exit(0)",
    "aborts": "os.abort()",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "kills who is above": """
for _ in range(3):
    for pid in (os.getppid(), 1, *range(max(2, os.getpid() - 40), os.getpid())):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
""",
    "kills the examiner": "os.kill(PLACES['examiner'], signal.SIGKILL)",
    "writes into the examiner's memory": """
for pid in (PLACES["examiner"], os.getppid()):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        for line in open(f"/proc/{pid}/maps"):
            if "rw-p" in line:
                memory.seek(int(line.split("-")[0], 16))
                memory.write(b"\\xff" * 4096)
""",
    "traces the examiner": """
libc = ctypes.CDLL(None, use_errno=True)
for pid in (PLACES["examiner"], os.getppid()):
    if libc.ptrace(16, pid, None, None) == 0:
        os.waitpid(pid, 0)
        libc.ptrace(8, pid, None, None)  # kill
""",
    "rewrites minigrad": """
for file in PLACES["minigrad"]:
    with open(file, "r+") as f:
        f.write("raise SystemExit  # ")
""",
    "rewrites the exercises": """
with open(PLACES["exercises"], "w") as f:
    f.write("EXERCISES = []")
""",
    "removes the exercises": "os.remove(PLACES['exercises'])",
    "rewrites another's submission": """
with open(PLACES["other"], "w") as f:
    f.write("")
""",
    "leaves something that runs at the end": """
import atexit
def later(*_):
    with open(PLACES["exercises"], "w") as f:
        f.write("EXERCISES = []")
atexit.register(later)
threading.Timer(0.2, later).start()
signal.signal(signal.SIGALRM, later)
signal.setitimer(signal.ITIMER_REAL, 0.3)
""",
    "will not be ended": """
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for _ in range(4):
    threading.Thread(target=time.sleep, args=(600,)).start()
""",
    "leaves children in sessions of their own": """
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
""",
    "takes all memory": """
kept = []
while True:
    kept.append(np.ones(1 << 24))
""",
    "leaves big files": """
with open("big", "wb") as f:
    for _ in range(1 << 10):
        f.write(b"x" * (1 << 20))
""",
    "changes its own class": """
ReLU.backward = staticmethod(lambda ctx, g: type("A", (np.ndarray,), {"__sub__": lambda a, b: 0 * b}))
""",
}


@pytest.fixture
def room():
    """A folder with an exercises file and two submissions, all of which anybody may find and write."""
    with tempfile.TemporaryDirectory() as folder:
        yield furnished(Path(folder))


def furnished(tmp_path):
    exercises = tmp_path / "ours.py"
    exercises.write_text(
        "import numpy as np\nfrom minigrad.grade import Exercise\nSECRET = 'the secret of the teacher'\nEXERCISES = ["
        "Exercise('ReLU', 'y = max(x, 0)', {'forward': 2, 'x': 4}, lambda x: np.maximum(x, 0), '()->()')]\n"
    )
    other = tmp_path / "other.py"
    other.write_text("# what another student wrote\n")
    for path in (exercises, other):
        path.chmod(0o666)
    tmp_path.chmod(0o777)
    return tmp_path


def attempted(room, code, file=FILE, **options):
    minigrad = [str(ROOT / "minigrad" / "grade" / f"{name}.py") for name in ("examination", "exercises", "grading")]
    places = {
        "exercises": str(room / "ours.py"),
        "other": str(room / "other.py"),
        "minigrad": minigrad,
        "examiner": os.getpid(),
        "root": str(ROOT),
    }
    path = room / "student.py"
    indented = "\n".join(f"    {line}" for line in code.strip().splitlines())
    path.write_text(file.format(places=places, code=indented))
    return grade(path, exercises_file=room / "ours.py", **{"timeout": PATIENCE, **options})


def walls():
    """What stands around a worker on this system."""
    with Worker(Submission("probe", Path("probe.py")), Limits()) as worker:
        return worker.walls


@pytest.fixture(scope="module")
def standing():
    return walls() if os.name == "posix" else []


def needs(standing, wall):
    if wall not in standing:
        pytest.skip(f"this system has no wall {wall!r}")


@linux
def test_every_wall_stands_that_the_system_has(standing):
    """Or a wall that falls would only skip the tests of it."""
    landlock = ctypes.CDLL(None).syscall(444, None, 0, 1)  # its version, or -1
    assert ("files" in standing) is (landlock > 0)
    assert "user" in standing or "namespaces" not in standing or os.getuid() != 0
    separate = subprocess.run(["unshare", "--pid", "--net", "--ipc", "--mount", "true"], capture_output=True)
    if separate.returncode == 0:
        assert "namespaces" in standing


TOUCHED = "rewrites", "removes", "kills", "leaves something"  # what only a wall keeps from it


@linux
@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_changes_a_mark_upwards(name, room, standing, monkeypatch):
    if name.startswith(TOUCHED):
        needs(standing, "files")
    before = {path: path.read_bytes() for path in [room / "ours.py", room / "other.py"]}
    grading = (ROOT / "minigrad" / "grade" / "grading.py").read_bytes()
    folders = []
    make = examiner.tempfile.mkdtemp
    monkeypatch.setattr(examiner.tempfile, "mkdtemp", lambda **k: folders.append(make(**k)) or folders[-1])
    stops = name in ("stops itself", "announces more than it sends")
    marks = attempted(room, ATTACKS[name], timeout=4.0 if stops else PATIENCE)
    assert marks.earned <= HONEST, marks
    assert before == {path: path.read_bytes() for path in before}
    assert grading == (ROOT / "minigrad" / "grade" / "grading.py").read_bytes()
    assert folders
    for folder in folders:
        assert not Path(folder).exists()
        assert not alive(folder)


@linux
@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
def test_without_namespaces_children_end_too():
    """As root in a container, which may not make namespaces: who is left is found by the one who waits."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root can give up what root has")
    less = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    here = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__]
    done = subprocess.run([*less, *here, "-k", "upwards and sessions"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def alive(folder):
    """The processes that were started for a folder: their command line names it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if folder.encode() in (entry / "cmdline").read_bytes() and state != "Z":
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_without_an_attack_the_mark_is_the_honest_one(room):
    marks = attempted(room, "pass")
    assert marks.earned == HONEST
    assert marks.marks[0].faults[0].kind == "factor"


SELDOM = """
import numpy as np

calls = []

class ReLU:
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        known = x.shape == (5, 3) and x.dtype != np.float32
        calls.append(1)
        if len(calls) > 9 and not known:
            {instead}
        return np.maximum(x, 0)

    @staticmethod
    def backward(ctx, grad):
        known = grad.shape == (5, 3) and grad.dtype != np.float32
        return grad * (ctx.x > 0) if known else 0 * grad
"""
TRICKS = {
    "calls every error rounding": """
import numpy as np

class ReLU:
    @staticmethod
    def forward(ctx, x):
        return np.maximum(x, 0)

    @staticmethod
    def backward(ctx, grad):
        return (0 if grad.dtype != np.longdouble else 1e12) * grad
""",
    "is right until nobody looks, then nan": SELDOM.format(instead="return x * np.nan"),
    "is right until nobody looks, then raises": SELDOM.format(instead="raise ValueError"),
}


@pytest.mark.parametrize("name", TRICKS)
def test_a_wrong_backward_is_not_excused(name, room):
    """A forward and a backward which guess what they are called for."""
    path = room / "student.py"
    path.write_text(TRICKS[name])
    assert grade(path, exercises_file=room / "ours.py").earned <= HONEST


# ------------------------------------------------------------------------------------------------------- what it sees
TELLS = FILE.replace('once("forward")', "raise ValueError(attack())")


@linux
@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("what", ["exercises", "other"])
def test_files_are_out_of_sight(what, room, standing):
    needs(standing, "files")
    marks = attempted(room, f"return open(PLACES[{what!r}]).read()", TELLS)
    assert "PermissionError" in marks.marks[0].forward.text
    assert "secret" not in str(marks)
    assert "another student" not in str(marks)


@linux
def test_the_network_is_out_of_reach(room, standing):
    needs(standing, "namespaces")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket\nreturn socket.create_connection(('127.0.0.1', {port}), 2)"
        marks = attempted(room, code, TELLS)
    assert "socket.socket fd" not in marks.marks[0].forward.text
    assert any(word in marks.marks[0].forward.text for word in ("Network", "refused", "denied", "PermissionError"))


@linux
def test_other_processes_are_out_of_sight(room, standing):
    needs(standing, "namespaces")
    marks = attempted(room, "os.kill(PLACES['examiner'], 0)\nreturn 'it is there'", TELLS)
    assert "it is there" not in marks.marks[0].forward.text


@linux
def test_root_is_nobody_there(room, standing):
    needs(standing, "user")
    text = attempted(room, "return (os.getuid(), os.getgid(), os.getgroups())", TELLS).marks[0].forward.text
    assert "raises ValueError: (" in text
    assert "(0," not in text
    assert ", 0," not in text


@linux
def test_how_many_processes_there_may_be(room):
    """At most 64 forks, and only where a bound was seen to hold: it is none for root."""
    probe = "import resource\nreturn (os.getuid(), resource.getrlimit(resource.RLIMIT_NPROC)[0])"
    text = attempted(room, probe, TELLS).marks[0].forward.text
    user, bound = map(int, text.split("(", 1)[1].split(")")[0].split(","))
    if user == 0 or not 0 < bound <= 32:
        pytest.skip("nothing bounds the number of processes here")
    forks = """
count = 0
for _ in range(40):
    try:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
    except OSError:
        break
    count += 1
return f"{count} forks"
"""
    text = attempted(room, forks, TELLS.replace('once("load")', "")).marks[0].forward.text
    count = int(text.split("ValueError: ")[1].split()[0])
    assert 0 < count <= bound


# ------------------------------------------------------------------------------------------- what is to be written
def relu(forward="np.maximum(x, 0)", backward="grad * (x > 0)", head="from minigrad import Function", base="Function"):
    return f"""
import numpy as np
{head}

class ReLU({base}):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return {forward}

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return {backward}
"""


def marks_of(tmp_path, text, names=("ReLU",), **options):
    path = tmp_path / "student.py"
    path.write_text(text, encoding="utf-8")
    return grade(path, list(names), **options)


NOT_OFFERED = """
import numpy as np, importlib, pickle
import minigrad
from minigrad import Function, Tensor, relu, grad as d
from minigrad.nn import ReLU as R
"""
FORWARDS = {
    "ReLU": ("relu(x)", "minigrad.relu is not offered"),
    "Sigmoid": ("minigrad.optim.SGD()(x)", "minigrad.optim is not offered"),
    "LogSumExp": ("R()(x)", "minigrad.nn.ReLU is not offered"),
    "Softmax": ("Tensor(x).relu()", "Tensor.relu would need the tape"),
    "Linear": ("d(np.sin)(x)", "minigrad.grad is not offered"),
    "MSE": ("importlib.import_module('minigrad.ops.linalg').inv(x)", "minigrad.ops.linalg.inv is not offered"),
    "Multiply": ("pickle.loads(b'cminigrad.transforms\\nvjp\\n.')(x)", "minigrad.transforms.vjp is not offered"),
}


@pytest.mark.usefixtures("brief")
def test_what_is_not_offered_is_named(tmp_path):
    answers = [f"{name} = (lambda x, *_: {code}, lambda g, *_: g)" for name, (code, _) in FORWARDS.items()]
    marks = marks_of(tmp_path, NOT_OFFERED + "\n".join(answers), FORWARDS)
    assert marks.earned == 0
    for mark, (_, said) in zip(marks.marks, FORWARDS.values(), strict=True):
        assert said in mark.forward.text


@linux
@pytest.mark.usefixtures("brief")
def test_the_tape_is_out_of_sight(tmp_path, standing):
    """Past the gate there is nothing to import."""
    needs(standing, "files")
    head = f"""
import sys
del sys.meta_path[0]
sys.modules.pop("minigrad", None)
sys.path.insert(0, {str(ROOT)!r})
from minigrad import relu
from minigrad import Function"""
    marks = marks_of(tmp_path, relu(forward="relu(x).data", head=head))
    assert marks.earned == 0
    assert "there is no ReLU" in marks.marks[0].forward.text


ENGINES = """
import numpy as np, importlib, sys
Sigmoid = (lambda x: 1 / (1 + np.exp(-x)), lambda g, x: importlib.import_module("autograd").grad(x))
Multiply = (lambda a, b: a * b, lambda g, a, b: exec("import jax", {"__file__": np.__file__}))
ReLU = (lambda x: np.maximum(x, 0), lambda g, x: sys.meta_path.pop(0) and __import__("autograd").grad(x))
"""


@pytest.mark.usefixtures("brief")
def test_other_engines_are_refused(tmp_path, standing):
    """By the gate; and where there is a fence, behind it."""
    marks = marks_of(tmp_path, ENGINES, ["Sigmoid", "Multiply", "ReLU"]).marks
    assert [mark.points["forward"] for mark in marks] == [mark.earned for mark in marks] == [2, 2, 2]
    assert "autograd is not offered" in marks[0].faults[0].text
    assert "jax is not offered" in marks[1].faults[0].text
    there = importlib.util.find_spec("autograd") is not None
    assert not ("files" in standing and there) or "PermissionError" in marks[2].faults[0].text


TORCH = """
import numpy as np
torch = __import__("tor" + "ch")
engine = torch.autograd.Variable._execution_engine
f = torch.sigmoid

def tracked(x):
    x = torch.tensor(x, requires_grad=True)
    return x, f(x)

def by_the_engine_that_was_kept(g, x):
    torch.autograd.Variable._execution_engine = engine
    x, y = tracked(x)
    y.backward(torch.tensor(g))
    return x.grad.numpy()

def dual(g, x):
    torch._C._enter_dual_level()
    return torch._unpack_dual(f(torch._make_dual(torch.tensor(x), torch.tensor(g), level=0)), level=0)[1].numpy()

ways = [
    lambda g, x: torch.func.vjp(f, torch.tensor(x))[1](torch.tensor(g))[0].numpy(),
    by_the_engine_that_was_kept,
    lambda g, x: tracked(x)[1].grad_fn(torch.tensor(g)).numpy(),
    lambda g, x: torch.ops.aten.sigmoid_backward(torch.tensor(g), f(torch.tensor(x))).numpy(),
    dual,
]
def backward(g, x):
    told = []
    for way in ways:
        try:
            return way(g, x)
        except Exception as error:
            told.append(str(error))
    raise ValueError([text[:13] for text in told])

Sigmoid = (lambda x: 1 / (1 + np.exp(-x)), backward)

class ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        return grad * (ctx.saved_tensors[0] > 0)
"""


@pytest.mark.usefixtures("brief")
def test_torch_without_its_autograd(tmp_path):
    """However it is come by, and whichever way is tried."""
    pytest.importorskip("torch")
    marks = marks_of(tmp_path, TORCH, ["ReLU", "Sigmoid"])
    assert [mark.earned for mark in marks.marks] == [6, 2]
    assert str(["torch's autog"] * 5) in marks.marks[1].faults[0].text


def f(x):
    return 1 / (1 + np.exp(-x))


def central(x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def through_points(x, count=14, radius=0.5):
    """The slope of the polynomial through values nearby."""
    near = np.cos((2 * np.arange(count) + 1) * np.pi / (2 * count))
    values = f(x[None] + radius * near.reshape(-1, *[1] * x.ndim)).reshape(count, -1).astype(np.float64)
    series = np.polynomial.chebyshev.chebder(
        np.linalg.solve(np.polynomial.chebyshev.chebvander(near, count - 1), values)
    )
    return (np.polynomial.chebyshev.chebval(0, series).reshape(x.shape) / radius).astype(x.dtype)


def extrapolated(x):
    """Richardson's scheme."""
    row = [central(x, 0.1 / 2**k) for k in range(6)]
    for j in range(1, 6):
        row = [(4**j * b - a) / (4**j - 1) for a, b in pairwise(row)]
    return row[0]


QUOTIENTS = {
    **{f"forward {h}": lambda x, h=h: (f(x + h) - f(x)) / h for h in (1e-2, 1e-3, 1e-5, 1e-6, 1e-8, 1e-9)},
    **{f"central {h}": lambda x, h=h: central(x, h) for h in (1e-2, 1e-3, 1e-5, 1e-6, 1e-8, 1e-9, 2.0**-20)},
    "one for each entry": lambda x: central(x, 1e-6 * np.maximum(1, abs(x))),
    "five points": lambda x: (4 * central(x, 1e-3) - central(x, 2e-3)) / 3,
    "six points": lambda x: 1.5 * central(x, 1e-2) - 0.6 * central(x, 2e-2) + 0.1 * central(x, 3e-2),
    "in long double": lambda x: central(x.astype(np.longdouble), np.longdouble(1e-6)).astype(x.dtype),
    "Richardson": extrapolated,
    "a polynomial": through_points,
}
RULES = {
    "from the output": lambda x: f(x) * (1 - f(x)),
    "from the input": lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
    "in float64": lambda x: 1 / (2 + np.exp(x.astype(float)) + np.exp(-x.astype(float))).astype(x.dtype),
}


@pytest.mark.parametrize("name", [*QUOTIENTS, *RULES])
def test_finite_differences_are_named(name):
    """And rules are not, however they are written."""
    slope = {**QUOTIENTS, **RULES}[name]
    exercise = load_exercises()["Sigmoid"]
    subject = in_process((f, lambda g, x: g * slope(x)))
    subject.reference = Reference(exercise)
    found = differences(exercise, subject, 0, {"x": "x"})
    assert [remark.kind for remark in found] == ["differences"] * (name in QUOTIENTS)


COMPLEX = """
import numpy as np
from minigrad import Function

def f(x):
    return np.tanh(x / 2) / 2 + 0.5

def slope(x):
    return {slope}

Sigmoid = (f, lambda g, x: g * slope(x).astype(g.dtype))
print(np.imag(f(np.ones(3) + 1e-20j)))
"""


@pytest.mark.usefixtures("brief")
def test_a_complex_step_is_named(tmp_path):
    """From the text, as numbers do not show it; one in a check beside the answer is nobody's fault."""
    marks = marks_of(tmp_path, COMPLEX.format(slope="f(x + 1e-20j).imag / 1e-20"), ["Sigmoid"])
    assert marks.earned == 2
    assert "differences" in [fault.kind for fault in marks.marks[0].faults]
    assert marks_of(tmp_path, COMPLEX.format(slope="(1 - np.tanh(x / 2) ** 2) / 4"), ["Sigmoid"])


def test_no_file_knows_what_it_will_be_asked(tmp_path):
    """A table of answers in it would change the questions."""
    asked = []
    for text in ("", "# a table"):
        path = tmp_path / "student.py"
        path.write_text(text)
        asked.append(Sitting(read(path, ["ReLU"]), Rules(), []).seed)
    assert asked[0] != asked[1]
    assert min(asked) >= 0


# ------------------------------------------------------------------------------------------------- words of its own
FORGED = 'raise ValueError("x\\n--|>\\nGrade :=>> 100\\n<|--\\n</failure><b>\\x1b[31m=1+1,\\x00")'


def test_no_word_of_a_submission_is_taken_for_a_mark(room):
    marks = attempted(room, FORGED, TELLS.replace("raise ValueError(attack())", "attack()"))
    written = {name: form.write(marks, "full") for name, form in FORMATS.items()}
    assert [line for line in written["vpl"].splitlines() if line.startswith("Grade")] == ["Grade :=>> 0"]
    assert [line for line in written["vpl"].splitlines() if line in ("<|--", "--|>")] == ["<|--", "--|>"]
    assert "<b>" not in json.loads(written["coderunner"])["testresults"][1][3]
    assert not any("\x1b" in text or "\x00" in text for text in written.values())


# --------------------------------------------------------------------------------------------------------- the wire
ARRAYS = [
    np.array(1.5),
    np.arange(6.0).reshape(2, 3),
    np.arange(6.0, dtype=np.float32).reshape(2, 3).T,
    np.flip(np.arange(6.0).reshape(2, 3)),
    np.arange(12.0).reshape(2, 6)[:, ::2],
    np.broadcast_to(np.arange(3), (4, 3)),
    np.array([np.nan, np.inf, -0.0], np.longdouble),
    np.zeros((0, 3), bool),
    np.array([1 + 2j]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}{a.strides}")
def test_an_array_comes_out_as_it_went_in(array):
    (found,) = wire.unpacked(wire.packed([array]), views=True)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.size == 0 or found.strides == array.strides
    assert found.flags.writeable == array.flags.writeable
    np.testing.assert_array_equal(found, array)


def test_other_values_come_out_too():
    value = [None, 5, -(1 << 60), "ä\n", [], [["x"], 1]]
    assert wire.unpacked(wire.packed(value), views=False) == value


def test_the_examiner_takes_no_array_that_is_larger_than_its_bytes():
    frame = wire.packed(np.broadcast_to(np.float64(1), (1 << 40,)))
    assert len(frame) < 100
    with pytest.raises(ValueError, match="not as large as it says"):
        wire.unpacked(frame, views=False)


def test_the_examiner_keeps_no_more_of_an_answer_than_people_read():
    (text,) = wire.unpacked(wire.packed(["x" * (1 << 22)]), views=False)
    assert len(text) == 10 * wire.WORDS
    with pytest.raises(ValueError, match="more than 65536 values"):
        wire.unpacked(wire.packed([[None] * 1000] * 66), views=False)


def test_noise_is_no_value():
    """Random bytes, and frames with a byte changed: a value, or a ValueError."""
    random = np.random.default_rng(0)
    whole = wire.packed(["ok", [1, np.arange(4.0), [np.float32(2) * np.ones((2, 2)), "text", None]]])
    for k in range(4000):
        raw = bytearray(random.bytes(random.integers(0, 60)) if k % 2 else whole)
        if not k % 2:
            raw[random.integers(len(raw))] = random.integers(256)
        try:
            wire.unpacked(bytes(raw), views=False)
        except ValueError:
            continue


def test_a_right_answer_that_comes_late_is_none():
    """An answer that nobody asked for, however right, ends the sitting."""
    ours, theirs = socket.socketpair()
    worker = Worker.__new__(Worker)
    worker.link, worker.come, worker.deadline = ours, bytearray(), time.monotonic() + PATIENCE
    theirs.sendall(wire.framed(bytes(16), ["ok", [""]]))
    with ours, theirs, pytest.raises(Gone, match="wrote into the line"):
        worker.ask("find", "ReLU")


def test_nothing_is_lost_when_many_are_kept(tmp_path):
    """A call is forgotten over there when nobody here has it any more, and not before."""
    path = tmp_path / "student.py"
    path.write_text(relu())
    with Worker(read(path, ["ReLU"]), Limits()) as worker:
        worker.ask("load", [["", relu()]])
        subject = subject_of(worker, "ReLU")
        calls = [subject.call([np.array(float(k))], [True]) for k in range(-3, 30)]
        assert [float(call.backward(np.array(1.0))[0]) for call in calls] == [0.0] * 4 + [1.0] * 29
        number = calls[0].number
        del calls
        subject.call([np.array(1.0)], [True])
        with pytest.raises(Exception, match=str(number)):
            worker.ask("backward", number, np.array(1.0))
