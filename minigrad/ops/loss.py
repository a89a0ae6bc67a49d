"""Losses: a number that says how far off a prediction is.

`reduction` is "mean", "sum", or "none" for the losses one by one. Predictions and targets have one shape; nothing is
broadcast. The mean of no losses raises. `words` has the parameters of torch's function of the same name, in its order.
"""

import numpy as np

from minigrad.engine.state import tracing
from minigrad.ops.activations import EXACT, softplus
from minigrad.ops.elementwise import POSITIVE, silently, subtract
from minigrad.ops.operation import operand
from minigrad.ops.registry import op
from minigrad.tensor import Tensor

REDUCTIONS = [{}, {"reduction": "sum"}, {"reduction": "none"}]


@op
class mse_loss:
    """L = Σ (input - target)² / N, the mean over all N entries

    >>> mse_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(2.)
    """
    wide = "ebiu"
    def words(input, target, size_average=None, reduce=None, reduction="mean", weight=None): ...
    params = REDUCTIONS
    signature = "(n,q),(n,q)->()"
    def forward(input, target, *, reduction="mean"):
        error = residuals(input, target)
        if reduction == "mean" and error.size:
            return error.dot(error) / error.size
        return reduced("mse_loss", np.square(error).reshape(np.shape(input)), reduction)
    def d_input(g, y, input, target, *, reduction):      return slope(input, reduction) * g * (input - target)
    def d_target(g, y, input, target, *, reduction):     return slope(input, reduction) * g * (target - input)


def slope(input, reduction):
    """The weight of an error in the cotangent."""
    return 2 / input.size if reduction == "mean" else 2


def residuals(input, target):
    """The differences as a vector."""
    a, b = getattr(input, "shape", ()), getattr(target, "shape", ())
    if a != b:
        raise ValueError(mismatch("mse_loss", a, b))
    return np.subtract(input, target).reshape(-1)


@op
class l1_loss:
    """L = Σ |input - target| / N, the mean over all N entries

    >>> l1_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(1.)
    """
    wide = "ebiu"
    def words(input, target, size_average=None, reduce=None, reduction="mean", weight=None): ...
    params = REDUCTIONS
    signature = "(n,q),(n,q)->()"
    def compose(input, target, *, reduction="mean"):
        return reduced("l1_loss", np.abs(difference("l1_loss", input, target)), reduction)


@op
class huber_loss:
    """L = Σ h(input - target) / N, the mean over all N entries

    h(e) is e² / 2 up to |e| = delta, and goes on as a straight line, delta |e| - delta² / 2.

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> huber_loss([1.0, 2.0], [1.0, 5.0])
    Tensor(1.25)
    """
    wide = "ebiu"
    def words(input, target, reduction="mean", delta=1.0, weight=None): ...
    params = [*REDUCTIONS, {"delta": 0.5}]
    signature = "(n,q),(n,q)->()"
    def compose(input, target, *, reduction="mean", delta=1.0):
        if not delta > 0:
            raise ValueError(f"huber_loss: delta must be positive, and is {delta}")
        e = difference("huber_loss", input, target)
        size = np.abs(e)
        return reduced("huber_loss", np.where(size < delta, np.square(e) / 2, delta * (size - delta / 2)), reduction)


@op
class smooth_l1_loss:
    """L = Σ h(input - target) / N, the mean over all N entries

    h(e) is e² / (2 beta) up to |e| = beta, and goes on as a straight line, |e| - beta / 2: huber_loss over beta. With
    beta 0 it is l1_loss.

    >>> smooth_l1_loss([1.0, 2.0], [1.0, 5.0])
    Tensor(1.25)
    """
    wide = "ebiu"
    def words(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0): ...
    params = [{"reduction": "sum", "beta": 0.5}]
    signature = "(n,q),(n,q)->()"
    def compose(input, target, *, reduction="mean", beta=1.0):
        if not beta >= 0:
            raise ValueError(f"smooth_l1_loss: beta must not be negative, and is {beta}")
        e = difference("smooth_l1_loss", input, target)
        size = np.abs(e)
        losses = size if beta == 0 else np.where(size < beta, np.square(e) / (2 * beta), size - beta / 2)
        return reduced("smooth_l1_loss", losses, reduction)


# ------------------------------------------------------------------------------------------------- of probabilities
@op
class kl_div:
    """L = Σ target (ln target - input) / N for log-probabilities `input`: the divergence of it from the target

    N is the number of entries; with reduction "batchmean" it is the number of samples, as the definition has it. With
    log_target the target is a log-probability, too. Where the target is 0 so is its term, with the derivative -inf.

    >>> kl_div([[-1.0, -1.0]], [[0.5, 0.5]], reduction="batchmean")
    Tensor(0.30685282)
    """
    wide = "ebiu"
    def words(input, target, size_average=None, reduce=None, reduction="mean", log_target=False): ...
    params = [{"reduction": "batchmean"}, {"reduction": "none", "log_target": True}]
    signature = "(n,q),(n,q)->()"
    domain = {"target": POSITIVE}
    def compose(input, target, *, reduction="mean", log_target=False):
        difference("kl_div", input, target)
        losses = np.exp(target) * (target - input) if log_target else x_log_x(target) - target * input
        if reduction != "batchmean":
            return reduced("kl_div", losses, reduction, "'mean', 'batchmean', 'sum' or 'none'")
        if not losses.ndim or not len(losses):
            raise ValueError(f'kl_div: "batchmean" is a mean over samples, and the shape {losses.shape} has none')
        return losses.sum() / len(losses)


@op
class x_log_x:
    "y = x ln x, and 0 at 0"
    helper = True
    domain = {"x": POSITIVE}
    def forward(x):         return x * np.log(np.where(np.equal(x, 0), 1, x))
    @silently
    def d_x(g, y, x):       return g * (np.log(x) + 1)


@op
class binary_cross_entropy:
    """L = -Σ w (t ln x + (1 - t) ln(1 - x)) / N for probabilities x and targets t, from 0 to 1, over all N entries

    weight is broadcast to the shape of the input, and is 1 if left out. As in torch no logarithm is below -100, and in
    the derivative x (1 - x) is not below 1e-12. Numbers before a sigmoid are better off in
    binary_cross_entropy_with_logits, which loses no digits.

    >>> binary_cross_entropy([0.5, 0.5], [0.0, 1.0])
    Tensor(0.69314718)
    """
    wide = "ebiu"
    def words(input, target, weight=None, size_average=None, reduce=None, reduction="mean"): ...
    params = [{}]
    signature = "(n,q),(n,q),(q)->()"
    domain = {"input": (0.0, 1.0), "target": (0.0, 1.0), "weight": POSITIVE}
    def compose(input, target, weight=None, *, reduction="mean"):
        difference("binary_cross_entropy", input, target)
        losses = bernoulli(input, target.astype(input.dtype))
        return reduced("binary_cross_entropy", weighed("binary_cross_entropy", losses, weight), reduction)
    def public(loss, input, target, weight=None, *, reduction="mean"):
        shares = {"input": operand(input), "target": operand(target)}
        for name, x in shares.items():
            numbers = x.array if type(x) is Tensor else x
            if numbers.size and not tracing() and not (numbers.min() >= 0 and numbers.max() <= 1):
                advice = "; binary_cross_entropy_with_logits takes any numbers" if name == "input" else ""
                raise ValueError(
                    f"binary_cross_entropy: the {name} is probabilities, from 0 to 1, and goes from {numbers.min()} to "
                    f"{numbers.max()}{advice}"
                )
        return loss(*shares.values(), weight, reduction=reduction)


@op
class bernoulli:
    "y = -b ln a - (1 - b) ln(1 - a), where no logarithm is below -100"
    helper = True
    domain = {"a": (0.0, 1.0), "b": (0.0, 1.0)}
    @silently
    def forward(a, b):
        return -(b * np.maximum(np.log(a), -100) + (1 - b) * np.maximum(np.log1p(-a), -100)).astype(a.dtype)
    def d_a(g, y, a, b):    return g * bounded(a - b, a * (1 - a))
    @silently
    def d_b(g, y, a, b):    return g * (np.log1p(-a) - np.log(a))


@op
class bounded:
    "y = a / max(b, 1e-12), with the derivative nan where b is less: there y is a convention, and no function of b"
    helper = True
    domain = {"b": POSITIVE}
    def forward(a, b):      return a / np.maximum(b, 1e-12)
    @silently
    def d_a(g, y, a, b):    return np.where(np.less(b, 1e-12), np.nan, g / b)
    @silently
    def d_b(g, y, a, b):    return np.where(np.less(b, 1e-12), np.nan, -g * y / b)


@op
class binary_cross_entropy_with_logits:
    """L = -Σ w (pos_weight t ln σ(x) + (1 - t) ln(1 - σ(x))) / N for input x and target t, over all N entries

    weight and pos_weight are broadcast to the shape of the input, and are 1 if left out.

    >>> binary_cross_entropy_with_logits([0.0, 0.0], [0.0, 1.0])
    Tensor(0.69314718)
    """
    wide = "ebiu"
    def words(
        input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
    ): ...
    params = REDUCTIONS
    signature = "(n,q),(n,q),(q),(q)->()"
    domain = {"weight": POSITIVE, "pos_weight": POSITIVE}
    def compose(input, target, weight=None, pos_weight=None, *, reduction="mean"):
        loss = "binary_cross_entropy_with_logits"
        difference(loss, input, target)
        target = target.astype(input.dtype)
        hit = target * softplus(-input, threshold=EXACT)
        losses = (hit if pos_weight is None else hit * pos_weight) + (1 - target) * softplus(input, threshold=EXACT)
        return reduced(loss, weighed(loss, losses, weight, input.shape), reduction)
    def public(loss, input, target, weight=None, *, pos_weight=None, reduction="mean"):
        return loss(input, target, weight, pos_weight, reduction=reduction)


def weighed(loss, losses, weight, shape=None):
    """losses * weight, which must not have more entries than there are predictions."""
    shape, losses = shape or losses.shape, losses if weight is None else losses * weight
    if losses.shape != shape:
        raise ValueError(f"{loss}: a weight broadcasts the losses of shape {shape} to {losses.shape}")
    return losses


# --------------------------------------------------------------------------------------------------------- margins
def signs(x):
    """1 and -1, as targets of margins are: where the tests take theirs from."""
    return np.where(x > 0, 1, -1).astype(x.dtype)


def check_signs(loss, target):
    """Raise unless all targets are 1 or -1. Classes 0 and 1 would give a number, and it would mean nothing."""
    target = operand(target)
    numbers = target.array if type(target) is Tensor else target
    if not tracing() and (np.abs(numbers) != 1).any():  # which tries other numbers
        wrong = numbers[np.abs(numbers) != 1].flat[0]
        raise ValueError(f"{loss}: targets are 1 and -1, and one is {wrong}; 2 * target - 1 makes them of 1 and 0")
    return target


@op
class soft_margin_loss:
    """L = Σ ln(1 + exp(-target input)) / N for targets 1 and -1, the mean over all N entries

    >>> soft_margin_loss([0.0], [1.0])
    Tensor(0.69314718)
    """
    wide = "ebiu"
    def words(input, target, size_average=None, reduce=None, reduction="mean"): ...
    params = [{}]
    signature = "(n,q),(n,q)->()"
    domain = {"target": signs}
    def compose(input, target, *, reduction="mean"):
        difference("soft_margin_loss", input, target)
        return reduced("soft_margin_loss", softplus(-target.astype(input.dtype) * input, threshold=EXACT), reduction)
    def public(soft_margin_loss, input, target, *, reduction="mean"):
        return soft_margin_loss(input, check_signs("soft_margin_loss", target), reduction=reduction)


@op
class hinge_embedding_loss:
    """L = Σ l / N, where l is the input (a distance) if the target is 1, and max(margin - input, 0) if it is -1

    >>> hinge_embedding_loss([0.5, 2.0], [1.0, -1.0])
    Tensor(0.25)
    """
    wide = "ebiu"
    def words(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"): ...
    params = [{"margin": 0.5}]
    signature = "(n,q),(n,q)->()"
    domain = {"target": signs}
    d_target = None
    def compose(input, target, *, margin=1.0, reduction="mean"):
        difference("hinge_embedding_loss", input, target)
        losses = np.where(target == 1, input, np.clip(margin - input, 0, None))
        return reduced("hinge_embedding_loss", losses, reduction)
    def public(hinge_embedding_loss, input, target, margin=1.0, *, reduction="mean"):
        target = check_signs("hinge_embedding_loss", target)
        return hinge_embedding_loss(input, target, margin=margin, reduction=reduction)


@op
class margin_ranking_loss:
    """L = Σ max(margin - target (input1 - input2), 0) / N: a target of 1 says that input1 is to be larger, -1 input2

    >>> margin_ranking_loss([1.0], [3.0], [1.0])
    Tensor(2.)
    """
    wide = "ebiu"
    def words(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"): ...
    params = [{"margin": 0.5}]
    signature = "(n,q),(n,q),(n,q)->()"
    domain = {"target": signs}
    def compose(input1, input2, target, *, margin=0, reduction="mean"):
        e = difference("margin_ranking_loss", input1, input2)
        difference("margin_ranking_loss", input1, target)
        losses = np.clip(margin - target.astype(e.dtype) * e, 0, None)
        return reduced("margin_ranking_loss", losses, reduction)
    def public(margin_ranking_loss, input1, input2, target, margin=0, *, reduction="mean"):
        target = check_signs("margin_ranking_loss", target)
        return margin_ranking_loss(input1, input2, target, margin=margin, reduction=reduction)


@op
class triplet_margin_loss:
    """L = Σ max(d(anchor, positive) - d(anchor, negative) + margin, 0) / N, the mean over N triplets of vectors

    Source: Schroff, Kalenichenko and Philbin, arXiv 1503.03832.

    Shapes: all three are (..., d) and broadcast; a number, or with reduction "none" (...).

    d(a, b) is ‖a - b + eps‖, of order p, along the last axis; with swap the negative is compared with what is nearer
    to it, anchor or positive.

    >>> triplet_margin_loss([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 1.0]], eps=0.0)
    Tensor(5.)
    """
    wide = "ebiu"
    def words(
        anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None,
        reduction="mean",
    ): ...
    params = [{"eps": 0.25, "reduction": "sum"}, {"eps": 0.25, "margin": 2.0, "swap": True}]
    signature = "(n,q),(n,q),(n,q)->()"
    def compose(anchor, positive, negative, *, margin=1.0, p=2, eps=1e-6, swap=False, reduction="mean"):
        def distance(a, b):
            e = difference("triplet_margin_loss", a, b) + eps
            return np.linalg.norm(e, p, -1)

        other = distance(anchor, negative)
        if swap:
            other = np.minimum(other, distance(positive, negative))
        losses = np.clip(distance(anchor, positive) - other + margin, 0, None)
        return reduced("triplet_margin_loss", losses, reduction)


@op
class cosine_embedding_loss:
    """L = Σ l / N, where l is 1 - cos(input1, input2) if the target is 1, and max(cos - margin, 0) if it is -1

    Shapes: input1 and input2 are (n, q) or (q), target is (n) or a number. As in torch 1e-12 is added to the squared
    lengths.

    >>> cosine_embedding_loss([[1.0, 0.0]], [[0.0, 1.0]], [1.0])
    Tensor(1.)
    """
    wide = "ebiu"
    def words(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"): ...
    params = [{"margin": -2.0}]
    signature = "(n,q),(n,q),(n)->()"
    domain = {"input1": POSITIVE, "input2": (-np.inf, 0.0), "target": signs}
    d_target = None
    def compose(input1, input2, target, *, margin=0, reduction="mean"):
        difference("cosine_embedding_loss", input1, input2)
        if target.shape != input1.shape[:-1]:
            raise ValueError(
                f"cosine_embedding_loss: vectors of shape {input1.shape} need a target of shape {input1.shape[:-1]}, "
                f"and it has {target.shape}"
            )
        lengths = [np.square(x).sum(-1) + 1e-12 for x in (input1, input2)]
        cosine = (input1 * input2).sum(-1) / np.sqrt(lengths[0] * lengths[1])
        losses = np.where(target == 1, 1 - cosine, np.clip(cosine - margin, 0, None))
        return reduced("cosine_embedding_loss", losses, reduction)
    def public(cosine_embedding_loss, input1, input2, target, margin=0, *, reduction="mean"):
        target = check_signs("cosine_embedding_loss", target)
        return cosine_embedding_loss(input1, input2, target, margin=margin, reduction=reduction)


# -------------------------------------------------------------------------------------------------- what they share
def reduced(loss, losses, reduction, possible="'mean', 'sum' or 'none'"):
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction != "mean":
        raise ValueError(f"{loss}: reduction is {possible}, and not {reduction!r}")
    if losses.size == 0:
        raise ValueError(f"{loss}: the mean over no entries is not defined (shape {losses.shape})")
    return losses.mean()


def difference(loss, input, target):
    if np.shape(input) != np.shape(target):
        raise ValueError(mismatch(loss, np.shape(input), np.shape(target)))
    return subtract(input, target)


def mismatch(loss, prediction, target):
    """The error for shapes that would have broadcasting compare every prediction with every target."""
    advice = "reshape one of them to the shape of the other"
    if sorted(n for n in prediction if n != 1) == sorted(n for n in target if n != 1):
        advice = f"target.reshape({prediction}) or input.reshape({target}) makes them one shape"
    return (
        f"{loss}: the prediction has shape {prediction} and the target {target}. Broadcasting would compare entries "
        f"that do not belong together; {advice}"
    )
