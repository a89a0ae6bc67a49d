"""Optimizers: what becomes of a parameter, given its gradient. Names, defaults and formulas are those of torch.optim.

Each optimizer is one method, ``update``: the parameter's array w and gradient g in, the new array out. `state` is what
it remembers of this parameter from step to step. Arrays are replaced and never written into, so a tape that was
recorded before a step still holds the numbers it was recorded with.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad import Tensor

Array = npt.NDArray[Any]
Group = dict[str, Any]


class StaleGradientWarning(UserWarning):
    """A step used a gradient that still contains the one of the step before: zero_grad was forgotten."""


class Optimizer:
    """Steps for parameters, or for groups of them: dicts with "params", and settings that differ from the defaults.

    Attributes:
        param_groups: the groups, each with all of its settings; what changes ``group["lr"]`` changes the next step.
        state: what is remembered, a dict for each parameter that has taken a step.

    Raises:
        TypeError: something is no Tensor.
        ValueError: there are no parameters, one comes twice, one is a result, or a setting is out of its range.
    """

    def __init__(self, params: Iterable[Any], **defaults: Any) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        groups = [params] if isinstance(params, Tensor | Mapping) else list(params)
        for group in groups if groups and isinstance(groups[0], Mapping) else [{"params": groups}]:
            if unknown := group.keys() - defaults.keys() - {"params"}:
                raise ValueError(f"{self.name} has no setting {min(unknown)!r}; it has {', '.join(defaults)}")
            members = group["params"]
            members = [members] if isinstance(members, Tensor) else list(members)
            self.param_groups.append({**defaults, **group, "params": members})
            self.check(**self.settings(self.param_groups[-1]))
        self.check_parameters()
        self.stale = StaleGradient(self)

    name = property(lambda self: type(self).__name__)
    parameters = property(lambda self: [p for group in self.param_groups for p in group["params"]])

    def settings(self, group: Mapping[str, Any]) -> Group:
        """The settings of a group that this optimizer knows, by name."""
        return {name: group[name] for name in self.defaults}

    def check(self, **settings: Any) -> None:
        """Raise ValueError for a setting that makes no sense."""
        for name in settings.keys() & {"lr", "weight_decay", "momentum", "eps", "alpha"}:
            if not 0 <= settings[name] < math.inf:
                raise ValueError(f"{self.name}: {name} is a number from 0 on, and not {settings[name]!r}")
        if not all(0 <= beta < 1 for beta in settings.get("betas", ())):
            raise ValueError(f"{self.name}: betas are from 0 to below 1, and not {settings['betas']!r}")

    def check_parameters(self) -> None:
        """Raise unless there are parameters, all of them leaves, each once."""
        if not self.parameters:
            raise ValueError(f"{self.name} got no parameters; an iterator like model.parameters() can be used up once")
        for i, p in enumerate(self.parameters):
            if not isinstance(p, Tensor):
                raise TypeError(f"{self.name}: parameter {i} is a {type(p).__name__}, and needs to be a Tensor")
            if p.op is not None:
                raise ValueError(f"{self.name}: parameter {i} is a result ({p!r}), and only leaves can be learned")
        if len(set(self.parameters)) < len(self.parameters):
            raise ValueError(f"{self.name}: a parameter comes twice, and would take two steps at once")

    def update(self, w: Array, g: Array, state: dict[str, Any], *_: Any, **settings: Any) -> Any:
        """The array after a step, given the one before it and the gradient; a subclass says."""
        raise NotImplementedError(f"{self.name} needs a method update(self, w, g, state, *, lr, ...)")

    def step(self) -> None:
        """Give each parameter that has a gradient its new values."""
        self.stale.before_step()
        for group in self.param_groups:
            settings = self.settings(group)
            for p in group["params"]:
                if p.grad is not None:
                    p.data = self.update(p.data, p.grad, self.state.setdefault(p, {}), **settings)
        self.stale.after_step()

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `grad` becomes None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    # -------------------------------------------------------------------------------------------------------- the state
    def state_dict(self) -> dict[str, Any]:
        """A copy of state and settings, in torch's form: parameters are numbers, counted through all groups."""
        number = {p: i for i, p in enumerate(self.parameters)}
        groups = [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": {number[p]: copied(state) for p, state in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over state and settings of an optimizer of this kind (or torch's) for parameters of these shapes.

        Raises:
            ValueError: groups, settings, or the shapes of what is remembered differ; the optimizer is as it was.
        """
        own = self.state_dict()["param_groups"]
        try:
            groups, states = state_dict["param_groups"], state_dict["state"]
            if [group["params"] for group in groups] != [group["params"] for group in own]:
                raise ValueError("it is for other groups of parameters")
            for group in groups:
                self.check(**self.settings(group))
            new = {self.parameters[i]: copied(state) for i, state in states.items()}
            for p, state in new.items():
                for name, value in state.items():
                    if np.shape(value) not in (p.shape, ()):
                        raise ValueError(f"{name} has shape {np.shape(value)}, for a parameter of shape {p.shape}")
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no state of {self.name} for these parameters: {error!r}") from None
        for mine, group in zip(self.param_groups, groups, strict=True):
            mine.pop("initial_lr", None)  # where a schedule started
            mine.update({name: group[name] for name in (*self.defaults, "initial_lr") if name in group})
        self.state = new

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "stale"}

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        """A copy, or what was pickled: it has an eye on its own parameters."""
        vars(self).update(attributes)
        self.stale = StaleGradient(self)

    def __repr__(self) -> str:
        groups = []
        for group in self.param_groups:
            n, settings = len(group["params"]), self.settings(group)
            groups.append(f"{n} parameter{'s' * (n != 1)}" + "".join(f", {k}={v}" for k, v in settings.items()))
        return f"{self.name}({'; '.join(groups)})"


def copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of what is remembered of one parameter: numbers and arrays, or tensors of torch."""
    arrays = {name: Tensor(np.asanyarray(x)) for name, x in state.items() if not isinstance(x, int | float)}
    return {**state, **{name: array.data.copy() for name, array in arrays.items()}}


def moved(w: Array, step: Any) -> Any:
    """w - step, in the memory of `step`, which nobody else has. (A step of one number is no array.)"""
    return np.subtract(w, step, out=step) if type(step) is np.ndarray else w - step


class StaleGradient:
    """Notices that a sweep added to a gradient which a step had used already.

    A hook on one parameter, the smallest, sees each sweep arrive, just before it adds to the gradient: if that is the
    very array that the last step used, nobody has called zero_grad. Sweeps that add up before a step are no mistake.
    (One stands for all, as a hook gets a copy of the cotangent, and copies of large ones would cost something.)
    """

    def __init__(self, optimizer: Optimizer) -> None:
        learned = [p for p in optimizer.parameters if p.requires_grad and p.size]
        self.p: Tensor | None = min(learned, key=lambda p: p.size, default=None)
        self.used: Array | None = None  # the gradient of the last step
        self.arrived: Array | None = None  # what the last sweep brought, if it came on top of `used`
        if self.p is not None:
            self.handle = self.p.register_hook(self)
            weakref.finalize(optimizer, self.handle.remove)

    def __call__(self, g: Any) -> None:
        assert self.p is not None
        if self.p.grad is None:
            self.arrived = None
        elif self.p.grad is self.used and self.used.any():  # somebody may have zeroed it in place
            self.arrived = g.data if isinstance(g, Tensor) else g

    def before_step(self) -> None:
        if self.arrived is None or self.p is None or self.p.grad is None or self.p.grad is self.used:
            return
        # A gradient that is what the sweep brought and no more was assigned by hand, from gradients() perhaps.
        if not np.array_equal(self.p.grad, self.arrived):
            warnings.warn(
                "this step uses a gradient that still contains the gradient of the step before: call "
                "optimizer.zero_grad() before each backward, or after each step. (Said once.)",
                StaleGradientWarning,
                stacklevel=3,
            )
            self.handle.remove()
            self.p = None

    def after_step(self) -> None:
        self.arrived = None
        self.used = None if self.p is None else self.p.grad


# ------------------------------------------------------------------------------------------------------------- formulas
class SGD(Optimizer):
    """w ← w - lr g; with momentum w ← w - lr b, where b ← momentum b + (1 - dampening) g remembers earlier gradients.

    `nesterov` steps along g + momentum b, which is where b will point next. `weight_decay` adds weight_decay w to g.

    >>> from minigrad import optim
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.5, momentum=0.5)
    >>> for _ in range(3):
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    >>> w
    Tensor([-0.25], requires_grad=True)
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
        )

    def check(self, **settings: Any) -> None:
        super().check(**settings)
        if settings["nesterov"] and (settings["momentum"] <= 0 or settings["dampening"] != 0):
            raise ValueError("SGD: nesterov needs momentum, and no dampening")

    def update(
        self, w: Array, g: Array, state: dict[str, Any], *, lr: float, momentum: float, dampening: float,
        weight_decay: float, nesterov: bool,
    ) -> Any:  # fmt: skip
        if weight_decay:
            g = g + weight_decay * w
        if momentum:
            b = state.get("momentum_buffer")
            b = g.copy() if b is None else momentum * b + (1 - dampening) * g
            state["momentum_buffer"] = b
            g = g + momentum * b if nesterov else b
        return moved(w, lr * g)


class Adam(Optimizer):
    """Steps of about lr for each entry, whatever the size of its gradients (Kingma and Ba, ICLR 2015).

    m and v follow g and g² by 1 - β₁ and 1 - β₂ a step; divided by 1 - βᵏ they forget that they started at 0:
    w ← w - lr m̂ / (√v̂ + eps). `weight_decay` adds weight_decay w to g; `amsgrad` takes the largest v so far.
    """

    decoupled = False

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, amsgrad: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)

    def update(
        self, w: Array, g: Array, state: dict[str, Any], *, lr: float, betas: tuple[float, float], eps: float,
        weight_decay: float, amsgrad: bool,
    ) -> Any:  # fmt: skip
        if weight_decay and self.decoupled:
            w = w - lr * weight_decay * w
        elif weight_decay:
            g = g + weight_decay * w
        beta1, beta2 = betas
        k = state["step"] = int(state.get("step", 0)) + 1
        m = state["exp_avg"] = beta1 * state.get("exp_avg", 0) + (1 - beta1) * g
        v = state["exp_avg_sq"] = beta2 * state.get("exp_avg_sq", 0) + (1 - beta2) * g * g
        if amsgrad:
            v = state["max_exp_avg_sq"] = np.maximum(v, state.get("max_exp_avg_sq", 0))
        m_hat, v_hat = m / (1 - beta1**k), v / (1 - beta2**k)
        return moved(w, lr * m_hat / (np.sqrt(v_hat) + eps))


class AdamW(Adam):
    """Adam with a weight decay that shrinks w itself, w ← w - lr weight_decay w, beside the step (Loshchilov and
    Hutter, ICLR 2019)."""

    decoupled = True

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)


class RMSprop(Optimizer):
    """w ← w - lr g / (√v + eps), where v follows g² by 1 - alpha a step (Hinton, lecture 6 of his course of 2012).

    `centered` takes the variance, v less the square of a running mean of g. `momentum` remembers earlier steps.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )

    def update(
        self, w: Array, g: Array, state: dict[str, Any], *, lr: float, alpha: float, eps: float,
        weight_decay: float, momentum: float, centered: bool,
    ) -> Any:  # fmt: skip
        if weight_decay:
            g = g + weight_decay * w
        state["step"] = int(state.get("step", 0)) + 1  # which the formula does not need, and torch expects
        v = state["square_avg"] = alpha * state.get("square_avg", 0) + (1 - alpha) * g * g
        if centered:
            mean = state["grad_avg"] = alpha * state.get("grad_avg", 0) + (1 - alpha) * g
            v = v - mean * mean
        d = g / (np.sqrt(v) + eps)
        if momentum:
            d = state["momentum_buffer"] = momentum * state.get("momentum_buffer", 0) + d
        return moved(w, lr * d)
