"""Module: a part of a network that owns parameters, and knows them by name.

A module is an ordinary object whose ``forward`` computes with minigrad's operations. What it knows of itself it finds
in its own attributes: a Tensor that was assigned with requires_grad is a parameter, a module is a child.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, ParamSpec, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from minigrad import Tensor

Array = npt.NDArray[Any]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")
PARAMETER, BUFFER = "parameter", "buffer"


class IncompatibleKeys(NamedTuple):
    """The names that ``load_state_dict(..., strict=False)`` did not find, and those it could not place."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def Parameter(data: Any) -> Tensor:
    """A copy of `data` to be learned: a Tensor with requires_grad, which is all that a parameter needs to be.

    >>> from minigrad import nn
    >>> nn.Parameter([1.0, 2.0])
    Tensor([1., 2.], requires_grad=True)
    """
    constant = data if isinstance(data, Tensor) else Tensor(data)
    return Tensor(np.array(constant), requires_grad=True)


class Forward(Protocol[P, T_co]):
    """A module, to a type checker: calling it takes and returns what its forward does."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...


class Module:
    """Base class of all layers: write ``forward``, and call the module.

    Assigning a leaf that requires grad makes it a parameter under that attribute's name, for good: to freeze it, set
    its ``requires_grad`` to False, and it still is saved with the rest. ``self.name = None`` takes it away.

    >>> from minigrad import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         self.factor = nn.Parameter(np.ones(3))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> layer = Scale()
    >>> layer(np.array([1.0, 2.0, 3.0]))
    Tensor([1., 2., 3.], op=multiply)
    >>> [name for name, parameter in layer.named_parameters()]
    ['factor']
    """

    training = True  # what train() and eval() set, for layers that behave differently in the two

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output of the module; a subclass says how."""
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(self, ...)")

    def __call__(self: Forward[P, T_co], *inputs: P.args, **named: P.kwargs) -> T_co:
        return self.forward(*inputs, **named)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and value.op is None and value.requires_grad:
            self._keep(name, PARAMETER)
        elif (
            self.__dict__.get("_kept", {}).get(name) == PARAMETER
            and value is not None
            and value is not self.__dict__[name]
        ):
            raise TypeError(
                f"{type(self).__name__}.{name} is a parameter, and can only become another leaf that requires grad, "
                f"or None. New values: module.{name}.data = array, or `with no_grad(): module.{name} -= step`"
            )
        object.__setattr__(self, name, value)

    def register_buffer(self, name: str, array: Array | None) -> None:
        """Keep an array that is no parameter and yet part of the state: running statistics, say."""
        self._keep(name, BUFFER)
        setattr(self, name, array)

    def _keep(self, name: str, kind: str) -> None:
        self.__dict__.setdefault("_kept", {})[name] = kind

    # -------------------------------------------------------------------------------------------- what there is inside
    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules among the attributes, in the order in which they were assigned."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def children(self) -> Iterator[Module]:
        return (child for _, child in self.named_children())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module and all below it, parents first, each once, with paths such as "encoder.0"."""
        return each_once(self._tree())

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Each parameter once, frozen or not, with paths such as "encoder.0.weight"."""
        return each_once((path, getattr(owner, name)) for path, owner, name in self._entries(PARAMETER))

    def parameters(self) -> Iterator[Tensor]:
        """Each parameter once: what an optimizer takes."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        return each_once((path, getattr(owner, name)) for path, owner, name in self._entries(BUFFER))

    def buffers(self) -> Iterator[Array]:
        return (buffer for _, buffer in self.named_buffers())

    def _tree(self, path: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it; one that is used in two places comes twice, as in torch's state."""
        yield path, self
        for name, child in self.named_children():
            yield from child._tree(f"{path}.{name}" if path else name)

    def _entries(self, *kinds: str) -> Iterator[tuple[str, Module, str]]:
        """(path, owner, name) of all that is kept, in torch's order: parameters before buffers, parents first."""
        for path, owner in self._tree():
            for kind in kinds:
                for name, kept_as in vars(owner).get("_kept", {}).items():
                    if kept_as == kind and vars(owner)[name] is not None:
                        yield f"{path}.{name}" if path else name, owner, name

    # -------------------------------------------------------------------------------------------------------- the state
    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by path, with torch's names and shapes.

        Training goes on without them: what was saved at the best epoch stays that of the best epoch. In torch the same
        model takes it by ``load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})``.
        """
        return {path: held(owner, name).copy() for path, owner, name in self._entries(PARAMETER, BUFFER)}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Take over arrays (or torch's tensors) by path, in the dtypes that are here: all of them, or none.

        Raises:
            ValueError: names are missing or unexpected (unless not `strict`), a shape differs, or a dtype is of another
                kind. The message names all that is wrong; the module is as it was.
        """
        entries = {path: (owner, name) for path, owner, name in self._entries(PARAMETER, BUFFER)}
        missing = [path for path in entries if path not in state_dict]
        unexpected = [path for path in state_dict if path not in entries]
        wrong = [f"{path} is missing" for path in missing if strict]
        wrong += [f"{path} is unexpected" for path in unexpected if strict]
        new = {}
        for path, place in entries.items():
            if path in state_dict:
                own = held(*place)
                array = np.asanyarray(state_dict[path])
                try:
                    array = array if type(array) is np.ndarray else Tensor(array).data  # which takes no mask
                except TypeError as error:
                    wrong.append(f"{path}: {error}")
                    continue
                if array.shape != own.shape:
                    wrong.append(f"{path} has shape {array.shape} instead of {own.shape}")
                elif not np.can_cast(array.dtype, own.dtype, "same_kind"):
                    wrong.append(f"{path} has dtype {array.dtype} instead of {own.dtype}")
                else:
                    new[place] = np.array(array, own.dtype, order="C")
        if wrong:
            raise ValueError(f"this state does not fit the {type(self).__name__}: {'; '.join(wrong)}")
        for (owner, name), array in new.items():
            if isinstance(value := getattr(owner, name), Tensor):
                value.data = array
            else:
                setattr(owner, name, array)
        return IncompatibleKeys(missing, unexpected)

    # ------------------------------------------------------------------------------------------------- what can be set
    def train(self, mode: bool = True) -> Self:
        """Training mode, here and in all modules below: dropout drops, batch norm takes the batch's statistics."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Evaluation mode: the opposite of train()."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    # ----------------------------------------------------------------------------------------------------- its picture
    def extra_repr(self) -> str:
        """The settings that stand in the repr; a subclass says."""
        return ""

    def __repr__(self) -> str:
        lines = [line for name, child in self.named_children() for line in f"({name}): {child!r}".splitlines()]
        body = "".join(f"\n  {line}" for line in lines) + "\n" if lines else ""
        return f"{type(self).__name__}({self.extra_repr()}{body})"


def held(owner: Module, name: str) -> Array:
    """The array of a parameter or buffer."""
    value = getattr(owner, name)
    array: Array = value.data if isinstance(value, Tensor) else value
    return array


def each_once(named: Iterator[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Without what has come already, under another name."""
    seen = set()
    for name, thing in named:
        if id(thing) not in seen:
            seen.add(id(thing))
            yield name, thing


class ModuleList(Module):
    """Modules in a row, which their owner finds; in a plain list they would be hidden from it.

    >>> from minigrad import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> [name for name, _ in layers.named_children()]
    ['0', '1', '2']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> Self:
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: number {len(self)} is {module!r}, and needs to be a module: nn.ReLU() for "
                "minigrad.relu, or a class of your own with a forward"
            )
        setattr(self, str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(list(self.children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int) -> Any:  # a module, with the attributes of its kind
        return list(self.children())[index]


class Sequential(ModuleList):
    """Modules one behind the other: each gets what the one before it computed.

    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    >>> model(np.ones((5, 3))).shape
    (5, 2)
    >>> model[1]
    ReLU()
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Any) -> Tensor:
        for module in self.children():
            x = module(x)
        return x  # type: ignore[no-any-return]
