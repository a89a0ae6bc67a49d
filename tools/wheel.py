"""What the wheel has that minigrad's folder has not: hatchling calls it when it builds one."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Beside(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """torch_ref lies inside of minigrad there: a wheel claims no other name. A checkout has it beside minigrad."""
        if version != "editable":
            build_data["force_include"]["torch_ref"] = "minigrad/torch_ref"
