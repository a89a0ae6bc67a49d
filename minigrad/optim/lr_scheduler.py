"""Learning-rate schedules: a formula for the step length after so many epochs. Names and formulas are torch's.

Call ``scheduler.step()`` once an epoch, after the optimizer's steps. Each schedule is one method, ``at``: the step
length at epoch t, given the one that the group was made with. (torch goes from each epoch to the next by a recursion
of the same meaning; here what happened to ``group["lr"]`` in between has no influence.)
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from minigrad.optim.optimizers import Optimizer


class LRScheduler:
    """Base class: write ``at(self, t, base)``.

    Attributes:
        last_epoch: how often ``step`` was called.
        base_lrs: the step length of each group at the start.
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
        """Go on where another schedule of this kind was; the step lengths are set accordingly.

        Raises:
            ValueError: it is no such state, or has another number of groups; nothing has changed.
        """
        try:
            epoch, bases = int(state_dict["last_epoch"]), [float(base) for base in state_dict["base_lrs"]]
            if len(bases) != len(self.base_lrs) or len(state_dict) != 2 or epoch < 0:
                raise ValueError(f"it has {len(bases)} groups, not {len(self.base_lrs)}, or other entries")
        except (KeyError, TypeError, ValueError) as error:
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
    """base * gamma ** (how many of the milestones are past)."""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return base * self.gamma ** bisect_right(self.milestones, t)


class ExponentialLR(LRScheduler):
    """base * gamma ** t"""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return base * self.gamma**t


class LinearLR(LRScheduler):
    """From start_factor * base to end_factor * base in total_iters epochs, and no further: a warm-up."""

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
    """Half a cosine, from base to eta_min in T_max epochs (and back in as many more)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = self.epochs("T_max", T_max), eta_min
        super().__init__(optimizer)

    def at(self, t: int, base: float) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


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
