"""Measurements, one file per question: `python -m benchmarks.step`.

Importing this package asks for one BLAS thread. The libraries read these variables when they are loaded, so
this must come before NumPy, and does when a benchmark is run as a command.
"""

import os

for variable in "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS":
    os.environ[variable] = "1"
