"""Measuring: ways to do one thing, side by side in one process, and what came of it as a table, a file and a picture.

`harness.py` says what makes figures comparable. `python -m benchmarks` measures with it.
"""
