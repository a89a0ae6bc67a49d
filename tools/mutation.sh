#!/usr/bin/env bash
# Plant, one at a time, every bug that mutmut can think of in the engine's four files, and list those that the tests of
# the engine do not notice. Takes about a quarter of an hour on two cores.
# Needs `python -m pip install mutmut==3.8.1` beside the test extra. Works on a copy, in the folder mutants/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CI=true OMP_NUM_THREADS=1 # the same examples for every mutant
rm -rf mutants
python -m mutmut run "$@"
python -m mutmut results
