"""Optimizers: what becomes of a parameter, given its gradient. Names, defaults and formulas are those of torch.optim.

Each optimizer is one method, ``update``: the parameter's array w and gradient g in, the new array out. `state` is what
it remembers of this parameter from step to step. Arrays are replaced and never written into, so a tape that was
recorded before a step still holds the numbers it was recorded with.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad import Tensor, enable_grad

Array = npt.NDArray[Any]
Group = dict[str, Any]


FROM_0_ON = {
    "alpha", "eps", "initial_accumulator_value", "lr", "lr_decay", "momentum", "momentum_decay", "rho",
    "tolerance_change", "tolerance_grad", "weight_decay",
}  # fmt: skip
SINCE = {"maximize": False}  # settings that older states do not name, and what they meant


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

    >>> from minigrad import Tensor, optim
    >>> class Sign(optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, lr=lr)
    ...     def update(self, w, g, state, *, lr):
    ...         return w - lr * np.sign(g)
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Sign([w], lr=0.1).step()
    >>> w
    Tensor([ 0.9, -1.9], requires_grad=True)
    """

    def __init__(self, params: Iterable[Any], **defaults: Any) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        groups: list[Any] = [params] if isinstance(params, Tensor | Mapping) else list(params)
        for group in groups if groups and isinstance(groups[0], Mapping) else [{"params": groups}]:
            self.add_param_group(group)
        if not self.parameters:
            raise ValueError(f"{self.name} got no parameters; an iterator like model.parameters() can be used up once")
        self.stale = StaleGradient(self)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Learn more parameters, with settings of their own or the defaults."""
        if unknown := param_group.keys() - self.defaults.keys() - {"params"}:
            raise ValueError(f"{self.name} has no setting {min(unknown)!r}; it has {', '.join(self.defaults)}")
        members = param_group["params"]
        members = [members] if isinstance(members, Tensor) else list(members)
        group = {**self.defaults, **param_group, "params": members}
        self.check(**self.settings(group))
        self.check_parameters(self.parameters + members)
        self.param_groups.append(group)

    name = property(lambda self: type(self).__name__)
    parameters = property(lambda self: [p for group in self.param_groups for p in group["params"]])

    def settings(self, group: Mapping[str, Any]) -> Group:
        """The settings of a group that this optimizer knows, by name."""
        return {name: group[name] for name in self.defaults}

    def check(self, **settings: Any) -> None:
        """Raise ValueError for a setting that makes no sense."""
        for name in settings.keys() & FROM_0_ON:
            if not 0 <= settings[name] < math.inf:
                raise ValueError(f"{self.name}: {name} is a number from 0 on, and not {settings[name]!r}")
        if not all(0 <= beta < 1 for beta in settings.get("betas", ())):
            raise ValueError(f"{self.name}: betas are from 0 to below 1, and not {settings['betas']!r}")

    def check_parameters(self, parameters: list[Any]) -> None:
        """Raise unless these are leaves, each once."""
        for i, p in enumerate(parameters):
            if not isinstance(p, Tensor):
                raise TypeError(f"{self.name}: parameter {i} is a {type(p).__name__}, and needs to be a Tensor")
            if p.op is not None:
                raise ValueError(f"{self.name}: parameter {i} is a result ({p!r}), and only leaves can be learned")
        if len(set(parameters)) < len(parameters):
            raise ValueError(f"{self.name}: a parameter comes twice, and would take two steps at once")

    def update(self, w: Array, g: Array, state: dict[str, Any], *_: Any, **settings: Any) -> Any:
        """The array after a step, given the one before it and the gradient; a subclass says."""
        raise NotImplementedError(f"{self.name} needs a method update(self, w, g, state, *, lr, ...)")

    def moved(self, w: Array, g: Array, state: dict[str, Any], **settings: Any) -> Any:
        """The array w after a step: up the gradient g with ``maximize``, else down. It changes `state`."""
        return self.update(w, -g if settings.pop("maximize", False) else g, state, **settings)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Give each parameter that has a gradient its new values, those that lower the loss, or with ``maximize``
        raise it. A `closure` is called first: it computes the gradients, and returns the loss, which is returned.
        """
        loss = None if closure is None else enable_grad(closure)()
        self.stale.before_step()
        for group in self.param_groups:
            settings = self.settings(group)
            for p in group["params"]:
                if p.grad is not None:
                    p.data = self.moved(p.data, bare(p.grad), self.state.setdefault(p, {}), **settings)
        self.stale.after_step()
        return loss

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `grad` becomes None."""
        self.stale.forget()
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    # -------------------------------------------------------------------------------------------------------- the state
    def state_dict(self) -> dict[str, Any]:
        """A copy of state and settings, in torch's form: parameters are numbers, counted through all groups."""
        number = {p: i for i, p in enumerate(self.parameters)}
        groups = [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": {number[p]: copied(state) for p, state in self.state.items()}, "param_groups": groups}

    def shape_of_state(self, p: Tensor) -> tuple[int, ...]:
        """The shape of the arrays that are remembered of p."""
        shape: tuple[int, ...] = p.shape
        return shape

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over state and settings of an optimizer of this kind (or torch's) for parameters of these shapes.

        Raises:
            ValueError: groups, settings, or the shapes of what is remembered differ; the optimizer is as it was.
        """
        own = self.state_dict()["param_groups"]
        try:
            groups, states = [{**SINCE, **group} for group in state_dict["param_groups"]], state_dict["state"]
            if [group["params"] for group in groups] != [group["params"] for group in own]:
                raise ValueError("it is for other groups of parameters")
            for group in groups:
                self.check(**self.settings(group))
            new = {self.parameters[i]: copied(state) for i, state in states.items()}
            for p, state in new.items():
                for name, value in state.items():
                    for array in value if isinstance(value, list) else [value]:
                        if np.shape(array) not in (self.shape_of_state(p), ()):
                            raise ValueError(f"{name} has shape {np.shape(array)}, for a parameter of shape {p.shape}")
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


def copied(state: Any) -> Any:
    """A copy of what is remembered: numbers and arrays, or tensors of torch, and lists and dicts of these."""
    if isinstance(state, Mapping):
        return {name: copied(x) for name, x in state.items()}
    if isinstance(state, list):
        return [copied(x) for x in state]
    return state if state is None or isinstance(state, int | float) else Tensor(np.asanyarray(state)).data.copy()


def bare(g: Any) -> Any:
    """The array of a gradient; it is a Tensor where its sweep was recorded, and may be a list that a user assigned."""
    return g if type(g) is np.ndarray else np.asarray(g.data if isinstance(g, Tensor) else g)


def moved(w: Array, step: Any) -> Any:
    """w - step, in the memory of `step`, which nobody else has. (A step of one number is no array.)"""
    return np.subtract(w, step, out=step) if type(step) is np.ndarray else w - step


class StaleGradient:
    """Notices that a sweep added to a gradient which a step had used already.

    A hook on one parameter, the smallest, sees each sweep arrive, just before it adds to the gradient: if that is the
    very array that the last step used, nobody has called zero_grad. Sweeps that add up before a step are no mistake.
    (One stands for all, as a hook gets a copy of the cotangent, and copies of large ones would cost something.) The
    hook is there from a step to the optimizer's zero_grad, so that a loop which calls that does not pay for it.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        learned = [p for p in optimizer.parameters if p.requires_grad and p.size]
        self.p: Tensor | None = min(learned, key=lambda p: p.size, default=None)
        self.used: Array | None = None  # the gradient of the last step
        self.arrived: Array | None = None  # what the last sweep brought, if it came on top of `used`
        if self.p is not None:
            self.handle = self.p.register_hook(self)
            self.handle.remove()  # until a step
            weakref.finalize(optimizer, self.handle.remove)

    def __call__(self, g: Any) -> None:
        assert self.p is not None
        if self.p.grad is None:
            self.arrived = None
        elif self.p.grad is self.used and bare(self.used).any():  # somebody may have zeroed it in place
            self.arrived = bare(g)

    def before_step(self) -> None:
        if self.arrived is None or self.p is None or self.p.grad is None or self.p.grad is self.used:
            return
        # A gradient that is what the sweep brought and no more was assigned by hand, from gradients() perhaps.
        if not np.array_equal(bare(self.p.grad), self.arrived):
            warnings.warn(
                "this step uses a gradient that still contains the gradient of the step before: call "
                "optimizer.zero_grad() before each backward, or after each step. (Said once.)",
                StaleGradientWarning,
                stacklevel=3,
            )
            self.forget()
            self.p = None

    def after_step(self) -> None:
        self.arrived, self.used = None, None if self.p is None else self.p.grad
        if self.used is not None:
            self.handle.put_back(self)

    def forget(self) -> None:
        """No gradient is left that a step has used."""
        self.arrived = self.used = None
        if self.p is not None:
            self.handle.remove()


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
        weight_decay: float = 0.0, nesterov: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
            maximize=maximize,
        )  # fmt: skip

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


def decayed(w: Array, g: Array, lr: float, weight_decay: float, decoupled: bool) -> tuple[Array, Array]:
    """w and g: the decay shrinks w itself where it is decoupled, and else is part of the gradient."""
    if not weight_decay:
        return w, g
    return (w - lr * weight_decay * w, g) if decoupled else (w, g + weight_decay * w)


def moments(g: Array, state: dict[str, Any], beta1: float, beta2: float) -> tuple[int, Any, Any]:
    """The number of the step, and the running means of g and g² after it."""
    k = state["step"] = int(state.get("step", 0)) + 1
    m = state["exp_avg"] = beta1 * state.get("exp_avg", 0) + (1 - beta1) * g
    v = state["exp_avg_sq"] = beta2 * state.get("exp_avg_sq", 0) + (1 - beta2) * g * g
    return k, m, v


class Adam(Optimizer):
    """Steps of about lr for each entry, whatever the size of its gradients (Kingma and Ba, ICLR 2015).

    m and v follow g and g² by 1 - β₁ and 1 - β₂ a step; divided by 1 - βᵏ they forget that they started at 0:
    w ← w - lr m̂ / (√v̂ + eps). `weight_decay` adds weight_decay w to g; `amsgrad` takes the largest v so far.

    >>> from minigrad import Tensor, optim
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.9, -1.9])
    """

    decoupled = False

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize
        )

    def update(
        self, w: Array, g: Array, state: dict[str, Any], *, lr: float, betas: tuple[float, float], eps: float,
        weight_decay: float, amsgrad: bool,
    ) -> Any:  # fmt: skip
        w, g = decayed(w, g, lr, weight_decay, self.decoupled)
        k, m, v = moments(g, state, *betas)
        if amsgrad:
            v = state["max_exp_avg_sq"] = np.maximum(v, state.get("max_exp_avg_sq", 0))
        m_hat, v_hat = m / (1 - betas[0] ** k), v / (1 - betas[1] ** k)
        return moved(w, lr * m_hat / (np.sqrt(v_hat) + eps))


class AdamW(Adam):
    """Adam with a weight decay that shrinks w itself, w ← w - lr weight_decay w, beside the step (Loshchilov and
    Hutter, ICLR 2019).

    >>> from minigrad import Tensor, optim
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.AdamW([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.899, -1.898])
    """

    decoupled = True

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class NAdam(Optimizer):
    """Adam whose momentum is Nesterov's (Dozat, ICLR workshop 2016): the step mixes m as it will be next with g.

    The share of m at step k is μ = β₁ (1 - 0.96^(k momentum_decay) / 2), which grows to β₁.

    >>> from minigrad import Tensor, optim
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.894, -1.894])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
        maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip

    def update(
        self, w: Array, g: Array, state: dict[str, Any], *, lr: float, betas: tuple[float, float], eps: float,
        weight_decay: float, momentum_decay: float, decoupled_weight_decay: bool,
    ) -> Any:  # fmt: skip
        w, g = decayed(w, g, lr, weight_decay, decoupled_weight_decay)
        k, m, v = moments(g, state, *betas)
        now, following = (betas[0] * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in (k, k + 1))
        product = state["mu_product"] = float(state.get("mu_product", 1.0)) * now
        ahead = (1 - now) / (1 - product) * g + following / (1 - product * following) * m
        return moved(w, lr * ahead / (np.sqrt(v / (1 - betas[1] ** k)) + eps))


class RAdam(Optimizer):
    """Adam that divides by √v̂ only when enough steps have made v̂ trustworthy (Liu et al., ICLR 2020).

    ρ counts the gradients that v averages, in effect. Up to 5 the step is lr m̂; from there on it is that of Adam, times
    r = √((ρ-4)(ρ-2)ρ∞ / ((ρ∞-4)(ρ∞-2)ρ)), which grows to 1.

    >>> from minigrad import Tensor, optim
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.8, -1.6])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, decoupled_weight_decay: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip

    def update(
        self, w: Array, g: Array, state: dict[str, Any], *, lr: float, betas: tuple[float, float], eps: float,
        weight_decay: float, decoupled_weight_decay: bool,
    ) -> Any:  # fmt: skip
        w, g = decayed(w, g, lr, weight_decay, decoupled_weight_decay)
        k, m, v = moments(g, state, *betas)
        m_hat, left = m / (1 - betas[0] ** k), 1 - betas[1] ** k
        most = 2 / (1 - betas[1]) - 1
        rho = most - 2 * k * betas[1] ** k / left
        if rho <= 5:
            return moved(w, lr * m_hat)
        r = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
        return moved(w, lr * r * math.sqrt(left) * m_hat / (np.sqrt(v) + eps))


class RMSprop(Optimizer):
    """w ← w - lr g / (√v + eps), where v follows g² by 1 - alpha a step (Hinton, lecture 6 of his course of 2012).

    `centered` takes the variance, v less the square of a running mean of g. `momentum` remembers earlier steps.

    >>> from minigrad import Tensor, optim
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0., -1.])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered,
            maximize=maximize,
        )  # fmt: skip

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


class Adagrad(Optimizer):
    """w ← w - lr g / (√s + eps), where s is the sum of all g² so far, and initial_accumulator_value (Duchi, Hazan and
    Singer, JMLR 2011). `lr_decay` divides lr by 1 + lr_decay times the number of earlier steps.

    >>> from minigrad import Tensor, optim
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.9, -1.9])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0, eps: float = 1e-10, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize,
        )  # fmt: skip

    def update(
        self, w: Array, g: Array, state: dict[str, Any], *, lr: float, lr_decay: float, weight_decay: float,
        initial_accumulator_value: float, eps: float,
    ) -> Any:  # fmt: skip
        if weight_decay:
            g = g + weight_decay * w
        k = state["step"] = int(state.get("step", 0)) + 1
        total = state["sum"] = state.get("sum", initial_accumulator_value) + g * g
        return moved(w, lr / (1 + (k - 1) * lr_decay) * g / (np.sqrt(total) + eps))


class Adadelta(Optimizer):
    """w ← w - lr d, where d = g √(u + eps) / √(v + eps) has the unit of w (Zeiler, arXiv:1212.5701).

    v and u follow g² and d² by 1 - rho a step.

    >>> from minigrad import Tensor, optim
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adadelta([w], lr=1.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.997, -1.997])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0, *,
        maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def check(self, **settings: Any) -> None:
        super().check(**settings)
        if settings["rho"] > 1:
            raise ValueError(f"Adadelta: rho is from 0 to 1, and not {settings['rho']!r}")

    def update(
        self, w: Array, g: Array, state: dict[str, Any], *, lr: float, rho: float, eps: float, weight_decay: float
    ) -> Any:
        if weight_decay:
            g = g + weight_decay * w
        state["step"] = int(state.get("step", 0)) + 1  # which the formula does not need, and torch expects
        v = state["square_avg"] = rho * state.get("square_avg", 0) + (1 - rho) * g * g
        u = state.get("acc_delta", 0)
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        state["acc_delta"] = rho * u + (1 - rho) * d * d
        return moved(w, lr * d)
