"""Train on a table that is larger than the memory there is: ``python tests/streaming_run.py FILE ALLOWANCE [BLOCK]``.

FILE is a .npy, of which the last column is the target. Memory is limited to ALLOWANCE megabytes above what is taken
once all is imported. Prints what training in memory says to that, and then the run of the same table as a stream.
"""

import resource
import sys

import numpy as np
import pandas  # noqa: F401  # what is imported later would count
import rich.console  # noqa: F401

from minigrad import lab
from minigrad.lab import data

path, allowance, *block = sys.argv[1:]
data.BLOCK = int(block[0]) if block else data.BLOCK
target = f"x{np.load(path, mmap_mode='r').shape[1] - 1}"
lab.train("synthetic", epochs=1)  # what is made at first use
with open("/proc/self/status", encoding="ascii") as status:
    taken = next(int(line.split()[1]) for line in status if line.startswith("VmData")) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (taken + int(allowance) * 2**20,) * 2)
try:
    lab.train(path, target=target, epochs=1, stream=False)
except (MemoryError, lab.LabError) as error:
    print("in memory:", str(error) or type(error).__name__)
run = lab.train(path, target=target, epochs=1, batch_size=4096 if block else None, stream=True, progress=True)
print(run)
with open("/proc/self/status", encoding="ascii") as status:
    print(*(line.strip() for line in status if line.startswith(("VmHWM", "VmData", "RssAnon"))))
