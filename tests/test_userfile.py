"""What a user gets for a file named on the command line: the object, or one sentence on what is wrong with it."""

import sys

import pytest

from minigrad.commands.userfile import UserFileError, load_file, load_object


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_an_object_in_a_file(folder):
    (folder / "beside.py").write_text("two = 2\n")
    (folder / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom beside import two\n"
        "@dataclass\nclass Pair:\n    a: int = two\n    def double(self): return 2 * self.a\n"
    )
    path = list(sys.path)
    assert load_object("mine.py:Pair")().double() == 4
    assert load_object(f"{folder}/mine.py:Pair.double").__name__ == "double"
    assert load_file("mine.py").two == 2
    assert sys.path == path


def test_a_file_called_as_a_module_takes_no_place(folder):
    import json

    (folder / "json.py").write_text("loss = 1.0\n")
    assert load_object("json.py:loss") == 1.0
    assert sys.modules["json"] is json
    (folder / "mine.py").write_text("loss = 1.0\n")
    assert load_object("mine.py:loss") == 1.0
    (folder / "mine.py").write_text("loss = 'another size, so that no compiled file is taken for it'\n")
    assert load_object("mine.py:loss") != 1.0


def test_an_object_in_a_module(folder):
    (folder / "some_package").mkdir()
    (folder / "some_package" / "__init__.py").write_text("from .inner import f\n")
    (folder / "some_package" / "inner.py").write_text("def f(): return 5\n")
    assert load_object("some_package:f")() == 5
    assert load_object("some_package.inner:f")() == 5
    assert load_object("some_package.f")() == 5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere.py:f", "there is no file 'nowhere.py'"),
        ("mine.py", "say which object in it, as mine.py:NAME"),
        ("mine.py:", "is not file.py:NAME"),
        ("mine", "is not file.py:NAME"),
        ("mine.py:lost", "mine.py has no 'lost'; did you mean 'loss'?"),
        ("mine.py:loss.y", "mine.py has no 'y'"),
        ("no.such.module:f", "No module named 'no'"),
        ("syntax.py:f", 'syntax.py", line 2'),
        ("failing.py:f", "ZeroDivisionError: division by zero"),
        ("leaving.py:f", "SystemExit: 3"),
    ],
)
def test_what_is_wrong(folder, spec, message):
    (folder / "mine.py").write_text("loss = 1.0\n")
    (folder / "syntax.py").write_text("x = 1\ny = = 2\n")
    (folder / "failing.py").write_text("def f():\n    return 1 / 0\nf()\n")
    (folder / "leaving.py").write_text("import sys\nsys.exit(3)\n")
    path = list(sys.path)
    with pytest.raises(UserFileError) as caught:
        load_object(spec)
    text = str(caught.value)
    assert message in text
    assert "importlib" not in text, "the lines shown are the user's"
    assert "userfile" not in text
    if spec.startswith("failing"):
        assert 'failing.py", line 3' in text
        assert 'failing.py", line 2, in f' in text
    assert sys.path == path
