"""Learning-rate schedules: a formula for the step length after so many epochs. Names and formulas are torch's.

Call ``scheduler.step()`` once an epoch, after the optimizer's steps. Each schedule is one method, ``at``: the step
length at epoch t, given the one that the group was made with. (torch goes from each epoch to the next by a recursion
of the same meaning; here what happened to ``group["lr"]`` in between has no influence.)
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minigrad.optim.optimizers import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class LRScheduler:
    """Base class: write ``at(self, t, base)``.

    Attributes:
        last_epoch: how often ``step`` was called.
        base_lrs: the step length of each group at the start.

    >>> from minigrad import Tensor, optim
    >>> class Halved(optim.lr_scheduler.LRScheduler):
    ...     def at(self, t, base):
    ...         return base / 2**t
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = Halved(optimizer)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: {optimizer!r} is no optimizer of minigrad.optim")
        self.optimizer = optimizer
        # Of several schedules for one optimizer, the first finds the step length, and leaves it for the others.
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = 0
        self.apply()

    def epochs(self, name: str, value: int) -> int:
        """`value`, if it is a number of epochs."""
        if value < 1:
            raise ValueError(f"{type(self).__name__}: {name} is at least 1, and is {value}")
        return value

    def at(self, t: int, base: float) -> float:
        """The step length at epoch t of a group that started with `base`; a subclass says."""
        raise NotImplementedError(f"{type(self).__name__} needs a method at(self, t, base)")

    def apply(self) -> None:
        """Give all groups the step length of this epoch."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.at(self.last_epoch, base)

    def step(self) -> None:
        """On to the next epoch."""
        self.last_epoch += 1
        self.apply()

    def get_last_lr(self) -> list[float]:
        """The step length of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the first step lengths; the schedule itself is made anew by whoever resumes."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another schedule of this kind (or torch's) was; the step lengths are set accordingly.

        Raises:
            ValueError: it is no such state, or has another number of groups; nothing has changed.
        """
        try:
            found = state_dict.get("base_lrs", [group["initial_lr"] for group in self.optimizer.param_groups])
            epoch, bases = int(state_dict["last_epoch"]), [float(base) for base in found]
            if len(bases) != len(self.base_lrs) or epoch < 0:
                raise ValueError(f"it has {len(bases)} groups, not {len(self.base_lrs)}, or a negative epoch")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is no state of a {type(self).__name__} for this optimizer: {error}") from None
        self.last_epoch, self.base_lrs = epoch, bases
        self.apply()


class StepLR(LRScheduler):
    """base * gamma ** (t // step_size): shorter by gamma every step_size epochs.

    >>> from minigrad import optim
    >>> w = Tensor([1.0], requires_grad=True)
    >>> scheduler = optim.lr_scheduler.StepLR(optim.SGD([w], lr=1.0), step_size=2)
    >>> for epoch in range(5):
    ...     print(epoch, scheduler.get_last_lr()[0])
    ...     scheduler.step()
    0 1.0
    1 1.0
    2 0.1
    3 0.1
    4 0.010000000000000002
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = self.epochs("step_size", step_size), gamma
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """base * gamma ** (how many of the milestones are past).

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 2], gamma=0.5)
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return base * self.gamma ** bisect_right(self.milestones, t)


class ExponentialLR(LRScheduler):
    """base * gamma ** t

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return base * self.gamma**t


class LinearLR(LRScheduler):
    """From start_factor * base to end_factor * base in total_iters epochs, and no further: a warm-up.

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.75, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = self.epochs("total_iters", total_iters)
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        share = min(t / self.total_iters, 1)
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class CosineAnnealingLR(LRScheduler):
    """Half a cosine, from base to eta_min in T_max epochs (and back in as many more).

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.5, 0.0]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = self.epochs("T_max", T_max), eta_min
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from base to eta_min in T_0 epochs, and from base again, each time T_mult times as long.

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.T_0, self.T_mult, self.eta_min = self.epochs("T_0", T_0), self.epochs("T_mult", T_mult), eta_min
        super().__init__(optimizer)

    def period(self, t: int) -> tuple[int, int]:
        """How many epochs after a restart t is, and how many there are until the next."""
        length = self.T_0
        while self.T_mult > 1 and t >= length:
            t, length = t - length, length * self.T_mult
        return t % length, length

    def at(self, t: int, base: float) -> float:
        t, length = self.period(t)
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / length)) / 2

    def state_dict(self) -> dict[str, Any]:
        t, length = self.period(self.last_epoch)
        return {**super().state_dict(), "T_cur": t, "T_i": length}  # which torch goes on from


class LambdaLR(LRScheduler):
    """base * lr_lambda(t); a list has a function for each group.

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.5, 0.3333333333333333]
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
    ) -> None:
        self.lr_lambda = lr_lambda
        if not callable(lr_lambda) and len(lr_lambda) != len(optimizer.param_groups):
            groups = len(optimizer.param_groups)
            raise ValueError(f"LambdaLR: {len(lr_lambda)} functions for {groups} group{'s' * (groups != 1)}")
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        if not callable(self.lr_lambda):
            raise ValueError("LambdaLR: a part of a SequentialLR has one function for all groups")
        return base * self.lr_lambda(t)

    def apply(self) -> None:
        groups = self.optimizer.param_groups
        factors = [self.lr_lambda] * len(groups) if callable(self.lr_lambda) else self.lr_lambda
        for group, base, factor in zip(groups, self.base_lrs, factors, strict=True):
            group["lr"] = base * factor(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lr_lambdas": [None] * len(self.base_lrs)}  # which torch asks for


class ConstantLR(LRScheduler):
    """factor * base for total_iters epochs, then base.

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.5, 1.0]
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        self.factor, self.total_iters = factor, self.epochs("total_iters", total_iters)
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return base * self.factor if t < self.total_iters else base


class PolynomialLR(LRScheduler):
    """base * (1 - t / total_iters) ** power, and 0 from total_iters epochs on.

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4)
    >>> rates = []
    >>> for epoch in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.75, 0.5]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters, self.power = self.epochs("total_iters", total_iters), power
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return base * math.pow(1 - min(t, self.total_iters) / self.total_iters, self.power)


class OneCycleLR(LRScheduler):
    """Up to max_lr and down to nearly nothing, a step after every batch (Smith and Topin, arXiv:1708.07120).

    From max_lr / div_factor it rises to max_lr in pct_start of all steps, and falls in the others to
    max_lr / div_factor / final_div_factor; with three_phase it falls to where it began first, as fast as it rose.
    Meanwhile momentum, or the first of betas, goes from max_momentum to base_momentum and back, with cycle_momentum.

    Args:
        max_lr: a number, or one for each group.
        total_steps: how many steps there are; or else `epochs` and `steps_per_epoch`.
        anneal_strategy: "cos" or "linear", the form of each slope.

    Raises:
        ValueError: an argument is out of its range, the optimizer has no momentum to cycle, or, in ``step``, all steps
            have been taken.

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=4, pct_start=0.5)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> np.round(rates, 3)
    array([0.04, 1.  , 0.5 , 0.  ])
    """

    def __init__(
        self, optimizer: Optimizer, max_lr: float | Sequence[float], total_steps: int | None = None,
        epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
        anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum: float = 0.85,
        max_momentum: float = 0.95, div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
    ) -> None:  # fmt: skip
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is from 0 to 1, and is {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        self.total_steps, self.cosine = self.epochs("total_steps", total_steps), anneal_strategy == "cos"
        self.div_factor, self.final_div_factor, self.three_phase = div_factor, final_div_factor, three_phase
        up = pct_start * total_steps - 1
        self.ends = [up, 2 * up, total_steps - 1] if three_phase else [up, total_steps - 1]
        groups = optimizer.param_groups
        self.momentum = ("momentum" if "momentum" in groups[0] else "betas") if cycle_momentum else None
        if self.momentum and self.momentum not in groups[0]:
            raise ValueError(f"OneCycleLR: {optimizer.name} has no momentum to cycle; give cycle_momentum=False")
        self.momenta = max_momentum, base_momentum
        peaks = list(max_lr) if isinstance(max_lr, Sequence) else [max_lr] * len(groups)
        if len(peaks) != len(groups):
            raise ValueError(f"OneCycleLR: {len(peaks)} numbers max_lr for {len(groups)} groups")
        for group, peak in zip(groups, peaks, strict=True):  # under the names that torch goes on from
            low = peak / div_factor
            group.update(initial_lr=low, max_lr=peak, min_lr=low / final_div_factor)
            if self.momentum:
                group.update(max_momentum=max_momentum, base_momentum=base_momentum)
        super().__init__(optimizer)

    def between(self, t: int, *values: float) -> float:
        """At step t, on the way from the first of `values` to the next, one for each end of a phase."""
        i = next(i for i, end in enumerate(self.ends) if t <= end or i == len(self.ends) - 1)
        begin = self.ends[i - 1] if i else 0.0
        share = (t - begin) / ((self.ends[i] - begin) or 1)
        if self.cosine:
            share = (1 - math.cos(math.pi * share)) / 2
        return values[i] + (values[i + 1] - values[i]) * share

    def at(self, t: int, base: float) -> float:
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: step {t} of {self.total_steps}")
        back = [base] if self.three_phase else []
        return self.between(t, base, base * self.div_factor, *back, base / self.final_div_factor)

    def apply(self) -> None:
        super().apply()
        most, least = self.momenta
        momentum = self.between(self.last_epoch, most, least, *[most] * self.three_phase, most)
        for group in self.optimizer.param_groups:
            if self.momentum == "betas":
                group["betas"] = (momentum, *group["betas"][1:])
            elif self.momentum:
                group["momentum"] = momentum


class ReduceLROnPlateau(LRScheduler):
    """Shorter by `factor`, but not below min_lr, when a figure has not become better for more than `patience` epochs.

    Call ``step(metrics)`` with the figure, a loss perhaps. The step lengths are in the state of the optimizer.

    Args:
        mode: "min" if less is better, or "max".
        threshold: how much better counts: a share of the best so far, or with threshold_mode "abs" itself.
        cooldown: epochs after a change in which nothing is counted.
        min_lr: a number, or one for each group.
        eps: changes that are no greater are not made.

    >>> from minigrad import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 3.0, 3.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
        threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:  # fmt: skip
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor is below 1, and is {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: mode is 'min' or 'max', threshold_mode 'rel' or 'abs'; not {mode!r}, "
                f"{threshold_mode!r}"
            )
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.sign, self.threshold, self.relative = 1 - 2 * (mode == "max"), threshold, threshold_mode == "rel"
        self.best, self.num_bad_epochs, self.cooldown_counter = self.sign * math.inf, 0, 0
        super().__init__(optimizer)
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, Sequence) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError(f"ReduceLROnPlateau: {len(self.min_lrs)} numbers min_lr for {groups} groups")

    def apply(self) -> None:
        """The step lengths stay what they are: they depend on all that came before."""

    def better(self, figure: float) -> bool:
        if math.isinf(self.best):
            return self.sign * figure < self.sign * self.best
        margin = self.threshold * (self.best if self.relative else 1)
        return self.sign * figure < self.sign * self.best - margin

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """On to the next epoch, at the end of which the figure was `metrics`."""
        self.last_epoch += 1
        figure = float(metrics)
        if self.better(figure):
            self.best, self.num_bad_epochs = figure, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                new = max(group["lr"] * self.factor, least)
                group["lr"] = new if group["lr"] - new > self.eps else group["lr"]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def state_dict(self) -> dict[str, Any]:
        counted = {name: getattr(self, name) for name in ("best", "num_bad_epochs", "cooldown_counter")}
        return {**super().state_dict(), **counted}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        try:
            best, bad, cooldown = (state_dict[name] for name in ("best", "num_bad_epochs", "cooldown_counter"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no state of a ReduceLROnPlateau: {error}") from None
        super().load_state_dict(state_dict)
        self.best, self.num_bad_epochs, self.cooldown_counter = float(best), int(bad), int(cooldown)


class SequentialLR(LRScheduler):
    """One schedule after the other, from each milestone on, where the next starts at its own epoch 0.

    >>> from minigrad import optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> warm_up = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> cosine = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    >>> scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warm_up, cosine], milestones=[2])
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        if len(schedulers) != len(milestones) + 1:
            raise ValueError(f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones")
        self.schedulers, self.milestones = schedulers, list(milestones)
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        i = bisect_right(self.milestones, t)
        return self.schedulers[i].at(t - self.milestones[i - 1] if i else t, base)

    def apply(self) -> None:
        super().apply()
        for schedule, start in zip(self.schedulers, [0, *self.milestones], strict=True):
            schedule.last_epoch = max(self.last_epoch - start, 0)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [schedule.state_dict() for schedule in self.schedulers]}
