"""The checks of the lessons: a verdict on each exercise. They never stop a notebook, and never show an answer.

A check is a function, which is called where it stands. It says what it expects of the names in the notebook:

>>> from minigrad.lesson import exercise, expect, same
>>> area = 12
>>> @exercise(1)
... def check_1():
...     expect(same(area, 3 * 5), "one side is 3 long, the other 5")
exercise 1: not yet right; one side is 3 long, the other 5
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from numbers import Rational
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minigrad.engine.words import SPOKEN, language, translated
from minigrad.lesson_fr import FRENCH
from minigrad.tensor import Tensor

__all__ = ["answered", "exercise", "expect", "same"]

T = TypeVar("T")
LANGUAGES: dict[str, Mapping[str, str]] = {"en": {}, "fr": FRENCH}


class Unanswered(Exception):
    """There is still a ``...`` where the answer belongs."""


class Wrong(Exception):
    """Something is not as expected: a hint, and before it what can be seen without knowing the exercise."""


class Comparison(NamedTuple):
    """What `same` has found; it is true where the answer is the same."""

    equal: bool
    remark: str = ""  # what anybody can see: another shape, say, or nan

    def __bool__(self) -> bool:
        return self.equal


def exercise(number: int, lang: str | None = None) -> Callable[[Callable[[], T]], Callable[[], T]]:
    """A decorator that calls a check and prints the verdict on exercise `number`.

    It is "right" if the check comes to its end, and what the check returns is printed below. Whatever an answer raises
    is told, with its line; only an interrupt from the keyboard goes on to the notebook.

    Args:
        lang: "en" or "fr", the language of verdicts and hints; by default that of the environment variable
            MINIGRAD_LANG, if it is one of these, else English.

    Raises:
        ValueError: there is no such `lang`.
    """
    if lang not in (None, *LANGUAGES):
        raise ValueError(f"exercise: lang is one of {', '.join(LANGUAGES)}, and not {lang!r}")
    words = LANGUAGES.get(lang or language(), {})

    def judge(check: Callable[[], T]) -> Callable[[], T]:
        before = SPOKEN.set(lang or language())  # the reports of `check` are in the same language
        try:
            verdict, between, more = judged(check, words)
        finally:
            SPOKEN.reset(before)
        print(
            translated(f"exercise {number}: ", words) + translated(verdict, words) + translated(between, words) + more
        )
        return check

    return judge


def judged(check: Callable[[], Any], words: Mapping[str, str]) -> tuple[str, str, str]:
    """The verdict, and what follows it: punctuation and a hint, or what a right answer is shown."""
    try:
        more = check()
    except Unanswered:
        return "not answered yet", "", ""
    except Wrong as wrong:
        hint, remark = wrong.args
        seen = translated(remark, words) + translated("; ", words) if remark else ""
        return "not yet right", "; ", seen + below(str(hint), words)
    except (Exception, SystemExit) as error:  # an answer may do anything, and the notebook goes on
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        return "not yet right", "; ", translated(f"it stops with {said}", words) + place(error, check, words)
    return ("right", "", "") if more is None else ("right", "\n\n", below(str(more), words))


def below(text: str, words: Mapping[str, str]) -> str:
    """`text` in French, say; what stands below an empty line stays as it is."""
    first, gap, rest = text.partition("\n\n")
    return translated(first, words) + gap + rest


def place(error: BaseException, check: Callable[[], Any], words: Mapping[str, str]) -> str:
    """Which line of the notebook raised it; nothing if it is the check's own, which is not the reader's to mend."""
    found, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if traceback.tb_frame.f_globals is check.__globals__ and code is not check.__code__:
            line = linecache.getline(code.co_filename, traceback.tb_lineno).strip()
            found = f"\n  {translated(f'in {code.co_name}, at: {line}' if line else f'in {code.co_name}', words)}"
        traceback = traceback.tb_next
    return found


def answered(answer: Any) -> Any:
    """`answer` as it is; if a ``...`` is left in it, the check ends with "not answered yet"."""
    if answer is ... or (type(answer) in (tuple, list) and any(part is ... for part in answer)):
        raise Unanswered
    return answer


def expect(condition: Any, hint: Any) -> None:
    """Unless `condition` is true the check ends with "not yet right" and the hint.

    Of a comparison by `same` the remark stands before the hint: that the shape is another one, say.
    """
    if not condition:
        raise Wrong(hint, condition.remark if isinstance(condition, Comparison) else "")


def same(answer: Any, true: Any, rtol: float = 1e-5) -> Comparison:
    """Whether the answer is what it should be: numbers, arrays or Tensors of the same shape, or a tuple of them.

    A list is as good as a tuple or an array of these entries, and an integer or a fraction as good as a float. What
    holds no numbers, such as None or a text, is not the same.

    >>> same([1, 2], np.array([1.0, 2.0])).equal, same(None, 1.0).remark
    (True, 'it is None, as without a return')
    """
    answered(answer)
    if answer is None:
        return Comparison(False, "it is None, as without a return")
    if isinstance(true, tuple):
        several = isinstance(answer, tuple | list | Iterator) or (isinstance(answer, np.ndarray) and answer.ndim > 0)
        parts = tuple(answer) if several else ()
        if len(parts) != len(true):
            return Comparison(False, f"a tuple or a list of length {len(true)} is needed")
        for i, (part, wanted) in enumerate(zip(parts, true, strict=True), 1):
            if not (one := same(part, wanted, rtol)):
                told = one.remark or np.ndim(wanted)  # which one of some numbers is wrong, is for the reader to find
                return Comparison(False, f"result {i} of {len(true)}: {one.remark or 'other numbers'}" if told else "")
        return Comparison(True)
    try:
        mine, wanted = (np.asarray(value.numpy() if type(value) is Tensor else value) for value in (answer, true))
    except ValueError:  # lists of different lengths are no array
        return Comparison(False, "its rows are of different lengths")
    if mine.dtype == object and all(isinstance(entry, Rational | Decimal) for entry in mine.flat):
        mine = mine.astype(float)
    if mine.dtype.kind not in "iuf":
        return Comparison(False, f"numbers are needed, and this is {type(answer).__name__}")
    if mine.shape != wanted.shape:
        return Comparison(False, f"its shape is {mine.shape}, and not {wanted.shape}")
    if not np.isfinite(mine).all():
        return Comparison(False, "there is inf or nan in it")
    return Comparison(np.allclose(mine, wanted, rtol=rtol))
