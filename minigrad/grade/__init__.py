"""Marks for files of Functions: exercises, the examiner, and the process that a submission runs in."""
