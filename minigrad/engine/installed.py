"""What backprop.py and, one block an operation, ops/ install on Tensor: for type checkers only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class Installed:
        inputs: tuple[Any, ...]
        values: Any
        params: dict[str, Any]

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...

        __sub__ = __mul__ = __truediv__ = __pow__ = __matmul__ = __add__
        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = __add__
        __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = __add__
        __pos__ = __abs__ = __neg__

else:
    Installed = object
