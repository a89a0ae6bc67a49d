"""Marks for files of Functions: exercises, the examiner, and the process that a submission runs in."""

from minigrad.grade.exercise import Exercise, load_exercises
from minigrad.grade.grading import Mark, Marks, grade
from minigrad.grade.notebooks import assert_right, heard

__all__ = ["Exercise", "Mark", "Marks", "assert_right", "grade", "heard", "load_exercises"]
