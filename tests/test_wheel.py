"""The wheel ships the package and its data and nothing else, and works where there is no checkout."""

import email
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import minigrad

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built with the hatchling that is installed: no network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder into which the wheel was installed: it is pure, so that is to unpack it."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_ships_the_package_whole_and_claims_no_other_name(wheel):
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tree = {
        (inside / path.relative_to(ROOT)).as_posix()
        for package, inside in (("minigrad", Path()), ("_minigrad_plugins", Path()), ("torch_ref", Path("minigrad")))
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == tree
    assert {"minigrad/py.typed", "minigrad/__init__.pyi", "minigrad/lab/california_housing.csv.gz"} <= shipped
    assert {"minigrad/torch_ref/__init__.py", "minigrad/torch_ref/functions.py"} <= shipped


def test_an_editable_install_claims_no_other_name_either(tmp_path):
    """It is a path, which type checkers follow, too, to a folder that has nothing beside the packages."""
    from hatchling.builders.wheel import WheelBuilder

    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["editable"])
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if ".dist-info/" not in name)
        (opened,) = archive.read(name).decode().splitlines()
    assert name.endswith(".pth")
    leads_to = {link.name: link.resolve() for link in Path(opened).iterdir()}
    assert leads_to == {name: ROOT / name for name in ("minigrad", "_minigrad_plugins")}


def test_needs_only_numpy(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
        assert any(name.endswith("LICENSE") for name in archive.namelist())
    assert (metadata["Name"], metadata["Version"]) == ("minigrad-tape", minigrad.__version__)
    required = [text for text in metadata.get_all("Requires-Dist") if "extra ==" not in text]
    assert [re.match(r"[\w-]+", text)[0] for text in required] == ["numpy"]
    extras = {"lab", "tables", "check", "cluster", "widget", "numba", "test", "docs", "bench"}
    assert set(metadata.get_all("Provides-Extra")) == extras
    assert metadata["Requires-Python"] == ">=3.11"


def elsewhere(installed, folder, program):
    """What a program prints in another folder, where minigrad is what the wheel brought."""
    start = f"import sys; sys.path.insert(0, {str(installed)!r})\n"
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return run(sys.executable, "-W", "error", "-c", start + program, cwd=folder, env=alone)


def test_imports_from_another_folder(installed, tmp_path):
    program = (
        "import minigrad, importlib.util\n"
        "print(minigrad.__file__, importlib.util.find_spec('minigrad.torch_ref').origin, sep='\\n')\n"
        "x = minigrad.Tensor([3.0], requires_grad=True)\n"
        "minigrad.mse_loss(x, [1.0]).backward()\n"
        "print(x.grad)"
    )
    *files, gradient = elsewhere(installed, tmp_path, program).splitlines()
    assert [Path(file).relative_to(installed).as_posix() for file in files] == [
        "minigrad/__init__.py",
        "minigrad/torch_ref/__init__.py",
    ]
    assert gradient == "[4.]"


def test_torch_ref_is_found_under_the_name_that_a_clone_has(installed, tmp_path):
    program = "from minigrad.commands.userfile import load_object; print(load_object('torch_ref.MSE').__module__)"
    assert elsewhere(installed, tmp_path, program).endswith("torch_ref.functions\n")


def test_pytest_finds_its_plugin(installed, tmp_path):
    """And does not compile the package anew, nor warn where it was imported before."""
    (tmp_path / "test_it.py").write_text(
        "from minigrad.testing import gradients\n"
        "test_it = gradients(2.0)(lambda x: x * x)\n"
        "def test_option(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.hasplugin('minigrad')\n"
        "    assert 'Rewriting' not in type(gradients.__globals__['__loader__']).__name__\n"
    )
    options = ["-W", "error", "-q", "--minigrad-max-examples=1"]
    program = f"import minigrad, pytest, sys\nsys.exit(pytest.main({options}))"
    here = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = sys.executable, "-W", "error", "-c", program
    assert " passed" in run(*command, cwd=tmp_path, env={**here, "PYTHONPATH": str(installed)})


def test_hypothesis_finds_its_types(installed, tmp_path):
    program = "import hypothesis.strategies as st, minigrad; print(st.from_type(minigrad.Tensor))"
    assert elsewhere(installed, tmp_path, program) == "tensors()\n"


def test_trains_on_the_data_it_carries(installed, tmp_path):
    program = (
        "from minigrad.cli import main\n"
        "sys.exit(main(['train', '--method', 'minibatch', '--epochs', '1', '--no-log', '--quiet']))"
    )
    assert "minibatch" in elsewhere(installed, tmp_path, program)
    assert list(tmp_path.iterdir()) == []
