"""Losses: a number that says how far off a prediction is.

`reduction` is "mean", "sum", or "none" for the losses one by one. Predictions and targets have one shape; nothing is
broadcast. The mean of no losses raises. `words` has the parameters of torch's function of the same name, in its order.
"""

import numpy as np

from minigrad.ops.activations import EXACT, softplus
from minigrad.ops.elementwise import POSITIVE, subtract
from minigrad.ops.operation import operand
from minigrad.ops.registry import op
from minigrad.tensor import Tensor

REDUCTIONS = [{}, {"reduction": "sum"}, {"reduction": "none"}]


@op
class mse_loss:
    "L = Σ (input - target)² / N, the mean over all N entries"
    wide = "ebiu"
    def words(input, target, size_average=None, reduce=None, reduction="mean", weight=None): ...
    params = REDUCTIONS
    signature = "(n,q),(n,q)->()"
    def forward(input, target, *, reduction="mean"):
        error = residuals(input, target)
        if reduction == "mean" and error.size:
            return error.dot(error) / error.size
        return reduced("mse_loss", np.square(error).reshape(np.shape(input)), reduction)
    def d_input(g, y, input, target, *, reduction):      return slope(input, reduction) * (input - target) * g
    def d_target(g, y, input, target, *, reduction):     return slope(input, reduction) * (target - input) * g


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
    "L = Σ |input - target| / N, the mean over all N entries"
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
class nll_loss:
    """L = -Σ w[t] input[i, t] / Σ w[t] with t = target[i]: the mean of the negative log-likelihoods

    input is (n, c) or (n, c, d1, ...), the log-probabilities of c classes (axis 1); target is (n) or (n, d1, ...),
    class numbers; or input is (c) and target a number. weight is (c), all ones if left out. Targets that are
    ignore_index do not count.
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
        w = weights(input, target, weight, ignore_index)
        return -per_row(g, w, reduction) * w
    def d_weight(g, y, input, target, weight, *, ignore_index, reduction):
        return weight_slope(g, y, input, target, weight, ignore_index, reduction)
    def public(nll_loss, input, target, weight=None, *, ignore_index=-100, reduction="mean"):
        return by_rows("nll_loss", nll_loss, input, target, weight, ignore_index, reduction)


@op
class cross_entropy:
    """L = -Σ w[t] ln p[i, t] / Σ w[t] with p = softmax(input) and t = target[i]

    input is (n, c) or (n, c, d1, ...), any numbers (logits) for c classes (axis 1); target is (n) or (n, d1, ...),
    class numbers; or input is (c) and target a number. weight is (c), all ones if left out. Targets that are
    ignore_index do not count.
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
        w = weights(input, target, weight, ignore_index)
        return per_row(g, w, reduction) * (probabilities(input) * w.sum(-1, keepdims=True) - w)
    def d_weight(g, y, input, target, weight, *, ignore_index, reduction):
        return weight_slope(g, y, log_probabilities(input), target, weight, ignore_index, reduction)
    def public(cross_entropy, input, target, weight=None, *, ignore_index=-100, reduction="mean"):
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


def probabilities(x):
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


def one_hot(x, target, ignore_index):
    """True in each row at the class that is its target, unless that is ignored."""
    classes = np.arange(x.shape[-1]).reshape(1, -1)
    if 0 <= ignore_index < classes.size:
        classes = np.where(classes == ignore_index, -1, classes)
    return np.equal(target.reshape(-1, 1), classes)


def weights(x, target, weight, ignore_index):
    """w[t] in each row at the class t that is its target, 0 elsewhere."""
    hot = one_hot(x, target, ignore_index)
    return hot.astype(x.dtype) if weight is None else hot * weight


def per_row(g, w, reduction):
    """The weight of -w[t] x[i, t] in the cotangent: a column, of one entry if that is the same for all rows."""
    return g.reshape(-1, 1) / w.sum() if reduction == "mean" else g.reshape(-1, 1)


def weight_slope(g, y, x, target, weight, ignore_index, reduction):
    """The derivative to w[c]: of each row with that target -x[i, c], less the mean if it is a mean."""
    hot = one_hot(x, target, ignore_index)
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
            f"{loss}: targets are class numbers, integers, and these are {labels.dtype}; class probabilities are not "
            "supported: target.argmax(1), or target.astype(int)"
        )
    if labels.shape != needed:
        advice = f"; target.reshape({needed}) has it" if labels.size == np.prod(needed) else ""
        raise ValueError(
            f"{loss}: with an input of shape {shape}, classes along axis {axis}, the target needs the shape "
            f"{needed}, and it has {labels.shape}{advice}"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels[(labels != ignore_index) & ((labels < 0) | (labels >= classes))]
        if wrong.size:
            raise ValueError(f"{loss}: target {wrong[0]} is no class: the input has {classes}, numbered from 0")
    if weight is not None and weight.shape != (classes,):
        raise ValueError(f"{loss}: weight has shape {weight.shape}, and needs one entry for each class: ({classes},)")


@op
class binary_cross_entropy_with_logits:
    """L = -Σ w (pos_weight t ln σ(x) + (1 - t) ln(1 - σ(x))) / N for input x and target t, over all N entries

    weight and pos_weight are broadcast to the shape of the input, and are 1 if left out.
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
        losses = losses if weight is None else losses * weight
        if losses.shape != input.shape:
            raise ValueError(f"{loss}: a weight broadcasts the losses of shape {input.shape} to {losses.shape}")
        return reduced(loss, losses, reduction)
    def public(loss, input, target, weight=None, *, pos_weight=None, reduction="mean"):
        return loss(input, target, weight, pos_weight, reduction=reduction)


def reduced(loss, losses, reduction):
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction != "mean":
        raise ValueError(f"{loss}: reduction is 'mean', 'sum' or 'none', and not {reduction!r}")
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
