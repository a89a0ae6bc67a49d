"""Measurements, one file per question: `python -m benchmarks` runs all, `python -m benchmarks.step` one of them.

Importing this package asks for one thread of BLAS and of XLA. The libraries read these variables when they are loaded,
so this must come before NumPy, and does when a benchmark is run as a command.
"""

import os

for variable in "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS":
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
