"""Losses of classifiers: targets are class numbers, or the probabilities of classes.

`reduction` is "mean", "sum", or "none" for the losses one by one. `words` has the parameters of torch's function of the
same name, in its order.
"""

import numpy as np

from minigrad.ops.activations import relu
from minigrad.ops.elementwise import POSITIVE
from minigrad.ops.layers import log_softmax
from minigrad.ops.loss import REDUCTIONS, reduced
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import op
from minigrad.tensor import Tensor


@op
class nll_loss:
    """L = -Σ w[t] input[i, t] / Σ w[t] with t = target[i]: the mean of the negative log-likelihoods

    Shapes: input is (n, c) or (n, c, d1, ...), the log-probabilities of c classes (axis 1); target is (n) or (n, d1,
    ...), class numbers; or input is (c) and target a number. weight is (c), all ones if left out. Targets that are
    ignore_index do not count.

    >>> nll_loss([[-0.5, -1.0], [-2.0, -0.25]], [0, 1])
    Tensor(0.375)
    """
    wide = "ebiu"
    def words(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"): ...
    params = [*REDUCTIONS, {"ignore_index": 0, "reduction": "sum"}]
    signature = "(n,c),(n),(c)->()"
    domain = {"input": (-np.inf, 0.0), "target": "c", "weight": POSITIVE}
    d_target = None
    def forward(input, target, weight=None, *, ignore_index=-100, reduction="mean"):
        return chosen("nll_loss", input, target, weight, ignore_index, reduction)
    def d_input(g, y, input, target, weight, *, ignore_index, reduction):
        w = one_hot(input, target, weight, ignore_index)
        return -per_row(g, w, reduction) * w
    def d_weight(g, y, input, target, weight, *, ignore_index, reduction):
        return weight_slope(g, y, input, target, weight, ignore_index, reduction)
    def public(nll_loss, input, target, weight=None, *, ignore_index=-100, reduction="mean"):
        return by_rows("nll_loss", nll_loss, input, target, weight, ignore_index, reduction)


@op
class cross_entropy:
    """L = -Σ w[t] ln p[i, t] / Σ w[t] with p = softmax(input) and t = target[i]

    Shapes: input is (n, c) or (n, c, d1, ...), any numbers (logits) for c classes (axis 1); target is (n) or (n, d1,
    ...), class numbers; or input is (c) and target a number. weight is (c), all ones if left out. Targets that are
    ignore_index do not count. A target of the shape of input has the probability t[i, c] of each class, and the loss is
    -Σ w[c] t[i, c] ln p[i, c] / n. With label_smoothing ε targets are (1 - ε) t + ε / c.

    >>> cross_entropy([[0.0, 0.0]], [1])
    Tensor(0.69314718)
    """
    wide = "ebiu"
    def words(
        input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
        label_smoothing=0.0,
    ): ...
    params = [*REDUCTIONS, {"ignore_index": 0, "reduction": "sum"}]
    signature = "(n,c),(n),(c)->()"
    domain = {"target": "c", "weight": POSITIVE}
    d_target = None
    def forward(input, target, weight=None, *, ignore_index=-100, reduction="mean"):
        return chosen("cross_entropy", log_probabilities(input), target, weight, ignore_index, reduction)
    def d_input(g, y, input, target, weight, *, ignore_index, reduction):
        w = one_hot(input, target, weight, ignore_index)
        return per_row(g, w, reduction) * (softmax_of_rows(input) * w.sum(-1, keepdims=True) - w)
    def d_weight(g, y, input, target, weight, *, ignore_index, reduction):
        return weight_slope(g, y, log_probabilities(input), target, weight, ignore_index, reduction)
    def public(
        cross_entropy, input, target, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0
    ):
        target = operand(target)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"cross_entropy: label_smoothing is a share, from 0 to 1, and is {label_smoothing}")
        if target.dtype.kind == "f" and target.shape == np.shape(input):
            if ignore_index >= 0:
                raise ValueError(f"cross_entropy: ignore_index={ignore_index} is a class, and targets are shares")
            return of_probabilities(input, target, weight, reduction, label_smoothing)
        if label_smoothing:
            return smoothed(input, target, weight, ignore_index, reduction, label_smoothing)
        return by_rows("cross_entropy", cross_entropy, input, target, weight, ignore_index, reduction)


def by_rows(loss, apply, input, target, weight, ignore_index, reduction):
    """`apply` with a row for each target and a column for each class."""
    input, target, weight = operand(input), operand(target), weight if weight is None else operand(weight)
    shape, ndim = target.shape, input.ndim
    axis = 0 if ndim == 1 else 1
    check_classes(loss, input.shape, target, weight, ignore_index, axis)
    if reduction == "mean":
        check_counts(loss, target, weight, ignore_index)
    if ndim != 2:
        order = (*range(axis), *range(axis + 1, ndim), axis)
        input, target = input.transpose(order).reshape(-1, input.shape[axis]), target.reshape(-1)
    losses = apply(input, target, weight, ignore_index=ignore_index, reduction=reduction)
    return losses.reshape(shape) if ndim != 2 and reduction == "none" else losses


def log_probabilities(x):
    """ln softmax of each row."""
    z = x - x.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def softmax_of_rows(x):
    """softmax of each row."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def chosen(loss, x, target, weight, ignore_index, reduction):
    """The reduced -w[t] x[i, t]."""
    counts = np.not_equal(target, ignore_index)
    index = np.where(counts, target, 0)
    losses = np.negative(x[np.arange(len(x)), index])
    losses = np.where(counts, losses if weight is None else losses * weight[index], 0)
    if reduction != "mean":
        return reduced(loss, losses, reduction)
    return losses.sum() / (counts.sum(dtype=x.dtype) if weight is None else np.where(counts, weight[index], 0).sum())


def at_target(x, target, ignore_index):
    """True in each row at the class that is its target, unless that is ignored."""
    classes = np.arange(x.shape[-1]).reshape(1, -1)
    if 0 <= ignore_index < classes.size:
        classes = np.where(classes == ignore_index, -1, classes)
    return np.equal(target.reshape(-1, 1), classes)


def one_hot(x, target, weight, ignore_index):
    """w[t] in each row at the class t that is its target, 0 elsewhere."""
    hot = at_target(x, target, ignore_index)
    return hot.astype(x.dtype) if weight is None else hot * weight


def per_row(g, w, reduction):
    """The weight of -w[t] x[i, t] in the cotangent: a column, of one entry if that is the same for all rows."""
    return g / w.sum() if reduction == "mean" else g.reshape(-1, 1)


def weight_slope(g, y, x, target, weight, ignore_index, reduction):
    """The derivative to w[c]: of each row with that target -x[i, c], less the mean if it is a mean."""
    hot = at_target(x, target, ignore_index)
    excess = np.where(hot, -x - y if reduction == "mean" else -x, 0)
    return (per_row(g, hot * weight, reduction) * excess).sum(0)


def check_counts(loss, target, weight, ignore_index):
    """Raise if no target counts: of these there is no mean. Here and not in the forward, which branches on no value."""
    labels = target.array if type(target) is Tensor else target
    w = weight.array if type(weight) is Tensor else weight
    counts = labels != ignore_index
    if not (counts.any() if w is None else w[labels[counts]].sum()):
        raise ValueError(f"{loss}: the mean over no targets is not defined: all of them are ignored, or have weight 0")


def check_classes(loss, shape, target, weight, ignore_index, axis):
    """Raise unless `target` holds class numbers for the classes along `axis` of an input of this shape."""
    if not shape:
        raise ValueError(f"{loss}: the input needs an axis of classes, (n, c) or (c), and it is a single number")
    classes = shape[axis]
    needed = shape[:axis] + shape[axis + 1 :]
    labels = target.array if type(target) is Tensor else np.asarray(target)
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{loss}: targets are class numbers, integers, and these are {labels.dtype}, of shape {labels.shape}: "
            f"target.astype(int); for cross_entropy also probabilities, floats of the input's shape {shape}"
        )
    if labels.shape != needed:
        advice = f"; target.reshape({needed}) has it" if labels.size == np.prod(needed) else ""
        if labels.shape == shape:
            advice = "; the probabilities of classes, which cross_entropy takes, are floats: target.astype(float)"
        raise ValueError(
            f"{loss}: with an input of shape {shape}, classes along axis {axis}, the target needs the shape "
            f"{needed}, and it has {labels.shape}{advice}"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels[(labels != ignore_index) & ((labels < 0) | (labels >= classes))]
        if wrong.size:
            raise ValueError(f"{loss}: target {wrong[0]} is no class: the input has {classes}, numbered from 0")
    check_weight(loss, weight, classes)


def of_probabilities(input, target, weight, reduction, label_smoothing):
    """The cross-entropy with targets that are probabilities."""
    target, axis = lifted(target), 0 if target.ndim == 1 else 1
    logarithms = log_softmax(input, axis)
    classes = target.shape[axis]
    target = target.astype(logarithms.dtype)
    if label_smoothing:
        target = (1 - label_smoothing) * target + label_smoothing / classes
    losses = -(target * per_class("cross_entropy", logarithms, weight, axis)).sum(axis)
    return reduced("cross_entropy", losses, reduction)


def smoothed(input, target, weight, ignore_index, reduction, label_smoothing):
    """The cross-entropy with targets that are class numbers, each with a share of all classes."""
    input, weight = lifted(operand(input)), weight if weight is None else lifted(operand(weight))
    axis = 0 if input.ndim == 1 else 1
    check_classes("cross_entropy", input.shape, target, weight, ignore_index, axis)
    if reduction == "mean":
        check_counts("cross_entropy", target, weight, ignore_index)
    logarithms, target = log_softmax(input, axis), lifted(target)
    hard = nll_loss(logarithms, target, weight, ignore_index=ignore_index, reduction="none")
    soft = -per_class("cross_entropy", logarithms, weight, axis).sum(axis)
    counts = np.not_equal(target, ignore_index)
    losses = (1 - label_smoothing) * hard + label_smoothing / input.shape[axis] * np.where(counts, soft, 0)
    if reduction != "mean":
        return reduced("cross_entropy", losses, reduction)
    total = counts.astype(losses.dtype) if weight is None else np.where(counts, weight[np.where(counts, target, 0)], 0)
    return losses.sum() / total.sum()


def per_class(loss, x, weight, axis):
    """x with each class, along `axis`, times its weight."""
    if weight is None:
        return x
    check_weight(loss, weight, x.shape[axis])
    return x * lifted(operand(weight)).reshape(-1, *[1] * (x.ndim - axis - 1))


def check_weight(loss, weight, classes):
    if weight is not None and np.shape(weight) != (classes,):
        shape = np.shape(weight)
        raise ValueError(f"{loss}: weight has shape {shape}, and needs one entry for each class: ({classes},)")


@op
class multi_margin_loss:
    """L = Σ w[t] max(margin - input[i, t] + input[i, j], 0)ᵖ / (n c) with t = target[i], over all i and all j but t

    The hinge loss of c classes.

    Shapes: input is (n, c) or (c), target is (n) or a number, class numbers; weight is (c), all ones if left out. p is
    1 or 2.

    >>> multi_margin_loss([[1.0, 0.5]], [0])
    Tensor(0.25)
    """
    wide = "ebiu"
    def words(
        input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
    ): ...
    params = [{"margin": 0.5}, {"p": 2, "reduction": "none"}]
    signature = "(n,c),(n),(c)->()"
    domain = {"target": "c", "weight": POSITIVE}
    d_target = None
    def compose(input, target, weight=None, *, p=1, margin=1.0, reduction="mean"):
        if p not in (1, 2):
            raise ValueError(f"multi_margin_loss: p is 1 or 2, and not {p!r}")
        rows = input.reshape(-1, input.shape[-1])
        index = target.reshape(-1)
        own = rows[np.arange(len(rows)), index].reshape(-1, 1)
        excess = np.where(at_target(rows, index, -1), 0, relu(margin - own + rows))
        losses = (excess if p == 1 else np.square(excess)).mean(-1)
        losses = losses if weight is None else losses * weight[index]
        return reduced("multi_margin_loss", losses.reshape(target.shape), reduction)
    def public(multi_margin_loss, input, target, p=1, margin=1.0, weight=None, *, reduction="mean"):
        input, target, weight = operand(input), operand(target), weight if weight is None else operand(weight)
        if input.ndim > 2:
            raise ValueError(f"multi_margin_loss: the input needs the axes (n, c) or (c), and has shape {input.shape}")
        check_classes("multi_margin_loss", input.shape, target, weight, -1, input.ndim - 1)
        return multi_margin_loss(input, target, weight, p=p, margin=margin, reduction=reduction)
