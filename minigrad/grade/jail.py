"""Start the worker where it can do little harm: as another user, seeing no other process, no network, few files.

It is started as a file, and takes from standard input, which is a socket, a job in JSON behind its length: the
`folder` that is the worker's own, the `libraries` and what of them is `readable` and may be `listed`, `limits`, the
`paths` to import from, what to import before the walls are up (`imports`), and whether there is a `gate` to keep
minigrad's operations out. The folder is named on the command line as well, for who looks at processes.

Each wall is put up where the system has it, and the worker says which stand: "user", "namespaces", "files". This
process stays outside, waits for the worker, and ends what is left of it. It needs Linux for anything but the limits; on
other systems these are all.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x08000000, 0x10000000, 0x20000000, 0x40000000  # linux/sched.h
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18  # linux/mount.h
SET_PDEATHSIG, SET_DUMPABLE, SET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS = 1, 4, 36, 38  # linux/prctl.h
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # landlock, the same numbers on all machines
EXECUTE, READ, READ_WRITE, LIST = 1, 4, 2 | 4, 8  # its rights; no program is started from anywhere
DEVICES = "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"
STRANGERS = 20000, 60000  # users that nobody is: between those of people and those of containers


class Libc:
    """The calls of the C library that Python does not have; an OSError where one fails."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(None, use_errno=True)

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.library, name)

        def call(*arguments: Any) -> int:
            result = int(function(*arguments))
            if result < 0:
                error = ctypes.get_errno()
                raise OSError(error, f"{name}: {os.strerror(error)}")
            return result

        return call


libc = Libc()
LINUX = sys.platform == "linux"


def prctl(option: int, value: int) -> None:
    if LINUX:
        libc.prctl(option, value, 0, 0, 0)


def limited(limits: dict[str, int]) -> None:
    names = {
        "cpu": "RLIMIT_CPU",
        "memory": "RLIMIT_AS",
        "file": "RLIMIT_FSIZE",
        "files": "RLIMIT_NOFILE",
        "processes": "RLIMIT_NPROC",
    }
    for name, value in {**limits, "core": 0}.items():
        kind = getattr(resource, names.get(name, "RLIMIT_CORE"), None)
        if kind is not None:
            _, most = resource.getrlimit(kind)
            value = value if most == resource.RLIM_INFINITY else min(value, most)
            with suppress(ValueError, OSError):  # macOS has no limit of address space
                resource.setrlimit(kind, (value, value))


def apart() -> bool:
    """Namespaces for what will be forked: processes, network, shared memory, mounts. Whether they could be had."""
    if not LINUX:
        return False
    user, group = os.getuid(), os.getgid()
    for also in (0,) if user == 0 else (0, NEWUSER):  # who is not root may make the rest in one of users
        try:
            libc.unshare(also | NEWPID | NEWNET | NEWIPC | NEWNS)
        except OSError:
            continue
        if also:
            for name, text in (
                ("setgroups", "deny"),
                ("uid_map", f"{user} {user} 1"),
                ("gid_map", f"{group} {group} 1"),
            ):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(text)
        return True
    return False


def shut(path: str) -> str:
    """The uppermost folder above `path`, itself included, that not everybody may enter; "" if there is none."""
    folders = [path]
    while os.path.dirname(folders[0]) != folders[0]:
        folders.insert(0, os.path.dirname(folders[0]))
    return next((folder for folder in folders if not os.stat(folder).st_mode & 1), "")


def uncover(paths: list[str]) -> None:
    """Make libraries in root's own folders readable for others: in this namespace, without anything else in there."""
    libc.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None)
    below: dict[str, list[str]] = {}
    for path in paths:
        below.setdefault(shut(path), []).append(path)
    for folder, wanted in below.items():
        found = [(path, os.open(path, os.O_PATH)) for path in wanted]
        libc.mount(b"none", folder.encode(), b"tmpfs", 0, b"mode=755")
        for path, descriptor in found:
            os.makedirs(path, exist_ok=True)
            libc.mount(f"/proc/self/fd/{descriptor}".encode(), path.encode(), None, BIND | RECURSIVE, None)
            os.close(descriptor)


def stranger() -> int:
    """A user without a name; each worker has another, as what a user may start is counted over all its processes."""
    import pwd

    low, high = STRANGERS
    for number in range(os.getpid(), os.getpid() + high - low):
        uid = low + number % (high - low)
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid
    raise OSError("every user is somebody")


def fenced(folder: str, readable: list[str], listed: list[str]) -> bool:
    """Nothing of the file system but `folder`, and `readable` to read; no signals, no TCP to the outside of here."""
    if not LINUX:
        return False
    try:
        version = libc.syscall(CREATE_RULESET, None, 0, 1)
    except OSError:  # the kernel has it not, or not switched on
        return False
    rights = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    net, scope = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    rules = struct.pack("<QQQ", rights, net, scope)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = libc.syscall(CREATE_RULESET, rules, len(rules), 0)

    def allow(path: str, what: int) -> None:
        with suppress(OSError), opened(path) as descriptor:  # what does not exist need not be allowed
            is_folder = os.path.isdir(path)
            rule = struct.pack("<Qi", what if is_folder else what & 0x4006 & rights, descriptor)
            libc.syscall(ADD_RULE, ruleset, 1, rule, 0)

    for path in readable:
        allow(path, READ | LIST)
    for path in listed:
        allow(path, LIST)
    for path in DEVICES:
        allow(path, READ_WRITE)
    allow(folder, rights & ~EXECUTE)
    prctl(SET_NO_NEW_PRIVS, 1)
    libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return True


@contextmanager
def opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def fork() -> int:
    """A child that ends when this process does."""
    parent = os.getpid()
    child = os.fork()
    if not child:
        prctl(SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() not in (parent, 0):  # 0 is a parent outside of the namespace; else it has gone already
            os._exit(1)
    return child


def begin(job: dict[str, Any], worker: Any, uid: int, walls: list[str]) -> NoReturn:
    """Become the worker: for good."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    limited(job["limits"])
    if uid:
        os.setgroups([])
        os.setgid(uid)  # for root these set the saved ones, too
        os.setuid(uid)
        walls.append("user")
    if LINUX:
        libc.capset(struct.pack("<Ii", 0x20080522, 0), bytes(24))  # none of root's powers, nor those over a namespace
    prctl(SET_PDEATHSIG, signal.SIGKILL)  # which a change of users clears
    prctl(SET_NO_NEW_PRIVS, 1)
    os.chdir(job["folder"])
    if fenced(job["folder"], job["readable"], job["listed"]):
        walls.append("files")
    elif not (uid or os.getuid()):
        raise SystemExit("it would run as root: Python lies where no other user may read it")
    code = 1
    try:
        worker.main(walls, job["gate"])
        code = 0
    finally:
        os._exit(code)


def children() -> list[int]:
    """Those of this process, orphans of its descendants included."""
    found = []
    for entry in os.listdir("/proc") if LINUX else ():
        with suppress(OSError, ValueError), open(f"/proc/{int(entry)}/stat") as stat:  # it may have gone meanwhile
            if int(stat.read().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(entry))
    return found


def end(worker: int) -> None:
    """End the worker and whatever it has started, sessions of their own included."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    while left := children():
        for child in left:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for child in left:
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def main() -> int:
    with socket.socket(fileno=os.dup(0)) as line:
        size = int.from_bytes(line.recv(4, socket.MSG_WAITALL), "little")
        job = json.loads(line.recv(size, socket.MSG_WAITALL))
    prctl(SET_PDEATHSIG, signal.SIGTERM)
    prctl(SET_CHILD_SUBREAPER, 1)
    sys.path[:0] = [path for path in job["paths"] if path not in sys.path]  # first: it is what the examiner imports
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    worker = import_module("worker")
    del sys.path[0]
    for name in ("numpy.linalg", "numpy.random", "numpy.fft", "numpy.ma", *job["imports"]):
        with suppress(ImportError):  # now, as whose user this is may read what the worker's may not
            import_module(name)
    walls = ["namespaces"] if apart() else []
    uid = stranger() if os.getuid() == 0 else 0
    if uid and (closed := [path for path in job["libraries"] if shut(path)]):
        try:
            if not walls:
                raise OSError("the mounts are everybody's")
            uncover(closed)
        except OSError:
            uid = 0  # the user stays, without his powers, and only if there is a fence around the files
    if uid:
        os.chown(job["folder"], uid, uid)
    if walls and not fork():  # the first in a namespace of processes: with it they all end
        os.closerange(0, 3)
        while True:
            signal.pause()
    started = fork()
    if not started:
        begin(job, worker, uid, walls)

    def stop(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):  # it may have ended by itself, and what it started is still to be ended
            os.kill(started, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    os.close(0)  # so that the examiner sees the end of the worker
    _, status = os.waitpid(started, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end(started)
    return os.waitstatus_to_exitcode(status) % 256


if __name__ == "__main__":
    os._exit(main())
