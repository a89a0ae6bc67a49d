"""Marks for files of Functions: exercises, the examiner, and the process that a submission runs in."""

from minigrad.grade.exercise import Exercise, load_exercises
from minigrad.grade.grading import Mark, Marks, grade

__all__ = ["Exercise", "Mark", "Marks", "grade", "load_exercises"]
