"""Counting instructions instead of seconds: what other programs do on the machine does not change the count.

The program runs once more inside of valgrind's callgrind, which counts nothing until it is asked to. A program asks
with a sequence of instructions that do nothing elsewhere, the *client request* of valgrind.h, in machine code here, as
it cannot be written in Python. Imports and compilers are not counted, and so cost little of the time.

A count is no time: it knows nothing of caches, of wrong guesses of branches, and of how many instructions a processor
does at once. So compare a program with itself, before and after a change.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

NOTE = "Instructions were counted, by valgrind, and stand for nanoseconds: µs are thousands of them."
__all__ = ["NOTE", "are_counted", "counted", "restarted", "unavailable"]

FOLDER = "MINIGRAD_INSTRUCTIONS"  # the environment variable that tells the program inside where the counts lie
ZERO, DUMP, START, STOP = (0x43540000 + n for n in (1, 0, 4, 5))  # VG_USERREQ_TOOL_BASE('C', 'T'), callgrind.h
REQUEST = bytes.fromhex(  # x86-64, of valgrind.h: the address of the arguments in rax, the answer in rdx
    "4889f8 31d2"  # mov rax, rdi; xor edx, edx
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol rdi by 3, 13, 61 and 51 bits, which is nothing
    "4887db"  # xchg rbx, rbx
    "4889d0 c3"  # mov rax, rdx; ret
)
STEPS, WARM = 10, 10  # Python rewrites a function in its first calls
ROUNDS = 3  # counts differ only in where memory was found


def are_counted() -> bool:
    """Whether this program was restarted to count."""
    return FOLDER in os.environ


def unavailable() -> str | None:
    """Why instructions cannot be counted here, if they cannot."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"instructions are counted on Linux and x86-64, and this is {platform.system()} on {platform.machine()}"
    return None if shutil.which("valgrind") else "valgrind, which counts instructions, is not installed"


def restarted(arguments: Sequence[str]) -> int:
    """Run Python with these arguments inside of callgrind, and return its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/counts", "-q"]
        environment = os.environ | {FOLDER: folder, "PYTHONHASHSEED": "0"}  # sets are walked in the same order
        return subprocess.run([*tool, sys.executable, *arguments], env=environment, check=False).returncode


def requests() -> Any:
    """A function that sends a request to callgrind."""
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(REQUEST)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    send = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)

    def request(number: int) -> None:
        words = (ctypes.c_uint64 * 6)(number)  # the request, and five arguments that these have not
        send(ctypes.addressof(words))

    request.memory = memory  # type: ignore[attr-defined]  # it must live as long
    return request


def counted(side: Iterator[Any], rounds: int) -> list[float]:
    """Instructions a step, for a few rounds."""
    request, folder = requests(), Path(os.environ[FOLDER])
    for _ in islice(side, WARM):
        pass
    found: list[float] = []
    for _ in range(min(rounds, ROUNDS)):
        gc.collect()
        request(START)
        request(ZERO)
        for _ in islice(side, STEPS):
            pass
        request(DUMP)
        request(STOP)
        newest = max(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
        lines = newest.read_text(encoding="utf-8", errors="replace").splitlines()
        total = next(line for line in lines if line.startswith("summary:"))
        found.append(int(total.split()[1]) / STEPS)
    return found
