"""What a wheel has that the folder has not, and what an editable install opens: hatchling calls it for both."""

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Beside(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """torch_ref lies inside of minigrad in a wheel, which claims no other name. A checkout has it beside minigrad.

        An editable install is a path to `.editable`, where nothing but links to the packages is: type checkers and
        editors follow a path, and not a finder of imports, and the checkout itself would open tests and benchmarks.
        """
        if version != "editable":
            build_data["force_include"]["torch_ref"] = "minigrad/torch_ref"
            return
        (directory,) = self.build_config.dev_mode_dirs
        for package in self.build_config.packages:
            linked(Path(self.root, directory, package), Path(self.root, package))


def linked(path: Path, folder: Path) -> None:
    """Have `path` lead to `folder`. Windows lets nobody but an administrator make a symbolic link, but a junction."""
    path.parent.mkdir(exist_ok=True)
    if os.path.lexists(path):
        if path.samefile(folder):
            return
        path.unlink()
    if sys.platform == "win32":
        import _winapi

        _winapi.CreateJunction(str(folder), str(path))
    else:
        path.symlink_to(folder, target_is_directory=True)
