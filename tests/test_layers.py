"""Losses and layers against torch.nn.functional: values, gradients and second derivatives, in float32 and float64."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import minigrad
from minigrad import Tensor, gradcheck, gradients

CLASSES = np.array([2, 0, 1, 2])
GRID = np.array([[[0, 2], [1, 1], [2, 0]], [[-100, 2], [1, -100], [0, 0]]])  # (2, 3, 2): pixels, two of them ignored
MASK = np.array([[True, False, True], [False, True, True]])
ROWS = np.array([[0, 2, 2], [4, 0, 2]])
LOOK = np.array([[True, False, True, True], [False] * 4, [False, True, False, True]])
SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])


def either(call: Any) -> tuple[Any, Any]:
    """One text for both: `call(package, index)`, where `index` wraps integers and masks."""
    return (lambda *xs: call(minigrad, np.asarray, *xs)), (lambda *xs: call(F, torch.tensor, *xs))


CASES: dict[str, tuple[tuple[Any, Any], list[tuple[int, ...]]]] = {
    "l1_loss": (either(lambda f, _, x, t: f.l1_loss(x, t)), [(4, 3), (4, 3)]),
    "huber_loss": (either(lambda f, _, x, t: f.huber_loss(x, t, delta=0.7, reduction="sum")), [(4, 3), (4, 3)]),
    "mse_loss sum": (either(lambda f, _, x, t: f.mse_loss(x, t, reduction="sum")), [(4,), (4,)]),
    "mse_loss none": (either(lambda f, _, x, t: f.mse_loss(x, t, reduction="none")), [(4, 3), (4, 3)]),
    "cross_entropy": (either(lambda f, i, x: f.cross_entropy(x, i(CLASSES))), [(4, 3)]),
    "cross_entropy of pixels": (either(lambda f, i, x: f.cross_entropy(x, i(GRID))), [(2, 3, 3, 2)]),
    "cross_entropy ignores": (
        either(lambda f, i, x: f.cross_entropy(x, i(CLASSES), ignore_index=2, reduction="none")),
        [(4, 3)],
    ),
    "cross_entropy of one": (either(lambda f, i, x: f.cross_entropy(x, i(np.array(1)))), [(3,)]),
    "nll_loss sum": (either(lambda f, i, x: f.nll_loss(x, i(GRID), reduction="sum")), [(2, 3, 3, 2)]),
    "cross_entropy smoothed": (
        either(lambda f, i, x: f.cross_entropy(x, i(GRID), x[0, :, 0, 0].detach() ** 2, label_smoothing=0.1)),
        [(2, 3, 3, 2)],
    ),
    "cross_entropy smoothed sum": (
        either(lambda f, i, x: f.cross_entropy(x, i(CLASSES), ignore_index=2, reduction="sum", label_smoothing=0.3)),
        [(4, 3)],
    ),
    "cross_entropy smoothed mean": (
        either(lambda f, i, x: f.cross_entropy(x, i(CLASSES), ignore_index=0, label_smoothing=0.1)),
        [(4, 3)],
    ),
    "cross_entropy smoothed none": (
        either(lambda f, i, x: f.cross_entropy(x, i(np.array(1)), reduction="none", label_smoothing=0.3)),
        [(3,)],
    ),
    "cross_entropy of shares": (
        either(lambda f, _, x, t, w: f.cross_entropy(x, t, w, label_smoothing=0.2)),
        [(2, 3, 4), (2, 3, 4), (3,)],
    ),
    "cross_entropy of shares of one": (
        either(lambda f, _, x, t: f.cross_entropy(x, t, reduction="none")),
        [(3,), (3,)],
    ),
    "smooth_l1_loss": (either(lambda f, _, x, t: f.smooth_l1_loss(x, t, beta=0.7)), [(4, 3), (4, 3)]),
    "smooth_l1_loss without a curve": (either(lambda f, _, x, t: f.smooth_l1_loss(x, t, beta=0)), [(4, 3), (4, 3)]),
    "kl_div": (either(lambda f, _, x, t: f.kl_div(x, t * t, reduction="sum")), [(4, 3), (4, 3)]),
    "kl_div of samples": (
        either(lambda f, _, x, t: f.kl_div(x, t, reduction="batchmean", log_target=True)),
        [(4, 3, 2), (4, 3, 2)],
    ),
    "hinge_embedding_loss": (either(lambda f, i, x: f.hinge_embedding_loss(x, i(SIGNS), 0.5)), [(2, 3)]),
    "margin_ranking_loss": (
        either(lambda f, i, x, y: f.margin_ranking_loss(x, y, i(SIGNS), 0.5, reduction="sum")),
        [(2, 3), (2, 3)],
    ),
    "soft_margin_loss": (either(lambda f, i, x: f.soft_margin_loss(x, i(SIGNS))), [(2, 3)]),
    "triplet_margin_loss": (
        either(lambda f, _, x, y, z: f.triplet_margin_loss(x, y, z, 0.5, swap=True, reduction="none")),
        [(4, 3), (4, 3), (4, 3)],
    ),
    "cosine_embedding_loss": (
        either(lambda f, i, x, y: f.cosine_embedding_loss(x, y, i(SIGNS[0]), 0.1)),
        [(3, 4), (3, 4)],
    ),
    "cosine_similarity": (either(lambda f, _, x, y: f.cosine_similarity(x, y, dim=-2)), [(2, 3, 1), (3, 4)]),
    "attention": (
        either(lambda f, _, q, k, v: f.scaled_dot_product_attention(q, k, v)),
        [(2, 3, 4), (2, 5, 4), (2, 5, 2)],
    ),
    "attention to the past": (
        either(lambda f, _, q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3)),
        [(2, 1, 3, 4), (1, 2, 5, 4), (5, 2)],
    ),
    "attention with a mask": (
        either(lambda f, i, q, k, v: f.scaled_dot_product_attention(q, k, v, i(LOOK))),
        [(2, 3, 4), (2, 4, 4), (2, 4, 2)],
    ),
    "attention with numbers added": (
        either(lambda f, i, q, k, v, m: f.scaled_dot_product_attention(q, k, v, f.leaky_relu(m))),
        [(3, 4), (4, 4), (4, 2), (3, 4)],
    ),
    "bce": (either(lambda f, _, x, t: f.binary_cross_entropy_with_logits(x, t)), [(4, 3), (4, 3)]),
    "conv2d": (either(lambda f, _, x, w, b: f.conv2d(x, w, b)), [(2, 3, 5, 6), (4, 3, 3, 2), (4,)]),
    "conv2d strides": (
        either(lambda f, _, x, w: f.conv2d(x, w, stride=(2, 3), padding=(1, 2))),
        [(2, 3, 5, 6), (4, 3, 3, 2)],
    ),
    "conv2d 1 x 1": (either(lambda f, _, x, w, b: f.conv2d(x, w, b)), [(1, 1, 1, 1), (1, 1, 1, 1), (1,)]),
    "conv2d dilated": (
        either(lambda f, _, x, w: f.conv2d(x, w, padding=(3, 1), dilation=(2, 3))),
        [(2, 3, 5, 6), (4, 3, 3, 2)],
    ),
    "conv2d in groups": (
        either(lambda f, _, x, w, b: f.conv2d(x, w, b, 2, 1, 1, 3)),
        [(2, 6, 5, 4), (3, 2, 3, 2), (3,)],
    ),
    "conv2d by depth": (either(lambda f, _, x, w: f.conv2d(x, w, groups=3)), [(2, 3, 4, 4), (6, 1, 2, 2)]),
    "conv2d same": (
        either(lambda f, _, x, w: f.conv2d(x, w, padding="same", dilation=(2, 1))),
        [(2, 1, 4, 5), (2, 1, 2, 5)],
    ),
    "conv2d valid": (either(lambda f, _, x, w: f.conv2d(x, w, padding="valid")), [(1, 1, 3, 3), (1, 1, 2, 2)]),
    "conv2d of one image": (either(lambda f, _, x, w, b: f.conv2d(x, w, b)), [(3, 4, 5), (4, 3, 3, 2), (4,)]),
    "conv1d": (either(lambda f, _, x, w, b: f.conv1d(x, w, b, 2, (1,), 2, 2)), [(2, 4, 7), (6, 2, 3), (6,)]),
    "conv1d same": (either(lambda f, _, x, w: f.conv1d(x, w, padding="same")), [(3, 5), (2, 3, 3)]),
    "conv_transpose1d": (
        either(lambda f, _, x, w, b: f.conv_transpose1d(x, w, b, (2,), 1, 0, 2, 2)),
        [(2, 4, 3), (4, 3, 3), (6,)],
    ),
    "conv_transpose2d": (
        either(lambda f, _, x, w, b: f.conv_transpose2d(x, w, b, stride=2, padding=(1, 0))),
        [(2, 3, 3, 2), (3, 2, 3, 2), (2,)],
    ),
    "conv_transpose2d of one": (
        either(lambda f, _, x, w: f.conv_transpose2d(x, w, groups=2, dilation=(1, 2))),
        [(4, 2, 3), (4, 1, 2, 2)],
    ),
    "max_pool2d": (either(lambda f, _, x: f.max_pool2d(x, 2)), [(2, 3, 5, 6)]),
    "max_pool2d of one image": (
        either(lambda f, _, x: f.max_pool2d(x, 2, 2, 1, dilation=(1, 2), ceil_mode=True)),
        [(3, 5, 6)],
    ),
    "max_pool2d, nothing beyond the end": (
        either(lambda f, _, x: f.max_pool2d(x, 2, 3, 1, ceil_mode=True)),
        [(1, 1, 4, 5)],
    ),
    "max_pool1d": (either(lambda f, _, x: f.max_pool1d(x, 3, 2, 1, 2, True)), [(2, 3, 8)]),
    "avg_pool1d": (either(lambda f, _, x: f.avg_pool1d(x, 3, 2, 1, True, False)), [(3, 8)]),
    "avg_pool2d with all": (
        either(lambda f, _, x: f.avg_pool2d(x, (2, 3), (2, 3), (1, 0), True, True)),
        [(2, 3, 5, 7)],
    ),
    "avg_pool2d, padding does not count": (
        either(lambda f, _, x: f.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
        [(3, 5, 6)],
    ),
    "avg_pool2d divides": (either(lambda f, _, x: f.avg_pool2d(x, 2, divisor_override=3)), [(2, 3, 4, 4)]),
    "adaptive_avg_pool1d": (either(lambda f, _, x: f.adaptive_avg_pool1d(x, 4)), [(2, 3, 7)]),
    "adaptive_avg_pool2d": (either(lambda f, _, x: f.adaptive_avg_pool2d(x, (3, None))), [(2, 3, 7, 4)]),
    "adaptive_avg_pool2d grows": (either(lambda f, _, x: f.adaptive_avg_pool2d(x, (4, 2))), [(3, 3, 4)]),
    "adaptive_max_pool2d": (either(lambda f, _, x: f.adaptive_max_pool2d(x, (3, 2))), [(2, 3, 7, 4)]),
    "pixel_shuffle": (either(lambda f, _, x: f.pixel_shuffle(x, 3)), [(2, 18, 2, 3)]),
    "pixel_unshuffle": (either(lambda f, _, x: f.pixel_unshuffle(x, 2)), [(3, 4, 6)]),
    "max_pool2d overlaps": (either(lambda f, _, x: f.max_pool2d(x, (3, 2), stride=1, padding=1)), [(2, 3, 5, 6)]),
    "avg_pool2d": (either(lambda f, _, x: f.avg_pool2d(x, 3, stride=(1, 2), padding=1)), [(2, 3, 5, 6)]),
    "layer_norm": (either(lambda f, _, x, w, b: f.layer_norm(x, (3, 4), w, b)), [(2, 3, 4), (3, 4), (3, 4)]),
    "layer_norm plain": (either(lambda f, _, x: f.layer_norm(x, (4,))), [(2, 3, 4)]),
    "rms_norm": (either(lambda f, _, x, w: f.rms_norm(x, (3, 4), w)), [(2, 3, 4), (3, 4)]),
    "rms_norm plain": (either(lambda f, _, x: f.rms_norm(x, (4,), eps=0.5)), [(2, 3, 4)]),
    "group_norm": (either(lambda f, _, x, w, b: f.group_norm(x, 2, w, b)), [(2, 4, 3, 2), (4,), (4,)]),
    "instance_norm": (
        either(lambda f, _, x, w, b: f.instance_norm(x, None, None, w, b, eps=0.1)),
        [(2, 3, 4, 5), (3,), (3,)],
    ),
    "batch_norm": (
        either(lambda f, _, x, w, b: f.batch_norm(x, None, None, w, b, training=True)),
        [(5, 3), (3,), (3,)],
    ),
    "batch_norm of images": (
        either(lambda f, _, x, w, b: f.batch_norm(x, None, None, w, b, True, 0.1, 0.5)),
        [(2, 3, 4, 5), (3,), (3,)],
    ),
    "embedding": (either(lambda f, i, w: f.embedding(i(ROWS), w)), [(5, 2)]),
    "embedding without a row": (either(lambda f, i, w: f.embedding(i(ROWS), w, padding_idx=-3)), [(5, 2)]),
    "softmax": (
        (lambda x: minigrad.softmax(x, axis=1), lambda x: torch.softmax(x, 1)),
        [(2, 3, 4)],
    ),
    "log_softmax": (
        (lambda x: minigrad.log_softmax(x, axis=0), lambda x: torch.log_softmax(x, 0)),
        [(2, 3, 4)],
    ),
    "dropout": (
        (lambda x: minigrad.dropout(x, 0.3, mask=MASK), lambda x: x * torch.tensor(MASK) / 0.7),
        [(2, 3)],
    ),
}


def close(got: np.ndarray, want: Any, what: str, digits_lost: float = 500) -> None:
    """Equal up to `digits_lost` units of the largest entry. (The entries differ in size by far less than that.)"""
    want = want.detach().numpy(force=True)
    assert got.shape == want.shape, what
    scale = np.finfo(got.dtype).eps * np.abs(want).max(initial=0)
    np.testing.assert_allclose(got, want, rtol=0, atol=digits_lost * scale, err_msg=what)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_torch_to_second_order(name, dtype):
    (ours, theirs), shapes = CASES[name]
    rng = np.random.default_rng(7)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in arrays]

    y, t = ours(*xs), theirs(*ts)
    assert y.dtype == dtype
    close(y.data, t, "value")

    weights = rng.normal(size=y.shape).astype(dtype)
    g, h = Tensor(weights, requires_grad=True), torch.tensor(weights.astype(np.float64), requires_grad=True)
    slopes = gradients(y, xs, create_graph=True, gradient=g)
    wanted = torch.autograd.grad(t, ts, h, create_graph=True)
    for i, (slope, want) in enumerate(zip(slopes, wanted, strict=True)):
        close(slope.data, want, f"gradient {i}")

    directions = [rng.normal(size=x.shape).astype(dtype) for x in xs]
    total = sum((slope * slope * u).sum() for slope, u in zip(slopes, directions, strict=True))
    total_want = sum((w * w * torch.tensor(u)).sum() for w, u in zip(wanted, directions, strict=True))
    second = gradients(total, [g, *xs], allow_unused=True)
    second_want = torch.autograd.grad(total_want, [h, *ts], materialize_grads=True)
    for i, (x, got, want) in enumerate(zip([g, *xs], second, second_want, strict=True)):
        close(np.zeros_like(x.data) if got is None else got.data, want, f"second derivative {i}")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_class_weights(reduction):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(4, 3)), rng.uniform(0.5, 2, 3)
    ours = minigrad.cross_entropy(Tensor(x), CLASSES, w, ignore_index=0, reduction=reduction)
    theirs = F.cross_entropy(*map(torch.tensor, (x, CLASSES, w)), ignore_index=0, reduction=reduction)
    close(ours.data, theirs, "value")


def test_class_weights_of_smoothed_labels_have_their_derivative():
    x, w = np.random.default_rng(1).normal(size=(4, 3)), Tensor([0.5, 2.0, 1.5], requires_grad=True)
    for settings in {}, {"ignore_index": 2}, {"reduction": "sum"}:
        gradcheck(lambda w, more=settings: minigrad.cross_entropy(x, CLASSES, w, label_smoothing=0.1, **more), w)


def test_weights_of_binary_cross_entropy():
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(4, 3)), rng.uniform(size=(4, 3))
    weight, pos_weight = rng.uniform(0.5, 2, (4, 1)), rng.uniform(0.5, 2, 3)
    leaf, twin = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    ours = minigrad.binary_cross_entropy_with_logits(leaf, t, weight, pos_weight=pos_weight)
    theirs = F.binary_cross_entropy_with_logits(
        twin, torch.tensor(t), torch.tensor(weight), pos_weight=torch.tensor(pos_weight)
    )
    close(ours.data, theirs, "value")
    ours.backward()
    theirs.backward()
    close(leaf.grad, twin.grad, "gradient")


# ------------------------------------------------------------------------------------------------------------ stability
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits(dtype):
    """No overflow, no warning (warnings are errors here), and the limits as values and gradients."""
    x = Tensor(np.array([[1e30, -1e30, 0.0], [-1e30, -1e30, 1e30]], dtype), requires_grad=True)
    assert minigrad.softmax(x).data.tolist() == [[1, 0, 0], [0, 0, 1]]
    loss = minigrad.cross_entropy(x, [0, 2])
    loss.backward()
    assert loss.item() == 0
    assert x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]
    x.zero_grad()
    loss = minigrad.binary_cross_entropy_with_logits(x, np.array([[1, 0, 1], [0, 0, 0]], dtype), reduction="none")
    np.testing.assert_array_equal(loss.data, np.array([[0, 0, np.log(2)], [0, 0, 1e30]], dtype))
    loss.backward(np.ones(x.shape, dtype))
    assert x.grad.tolist() == [[0, 0, -0.5], [0, 0, 1]]


def test_binary_cross_entropy_keeps_the_digits_of_small_losses():
    """-ln σ(x) is e⁻ˣ for large x; the textbook's max(x, 0) - t x + ln(1 + e^-|x|) would round it to 0."""
    loss = minigrad.binary_cross_entropy_with_logits(np.array([60.0, -60.0]), np.array([1.0, 0.0]), reduction="none")
    np.testing.assert_allclose(loss.data, np.exp(-60.0), rtol=1e-15)


def test_binary_cross_entropy_is_exact_up_to_where_a_straight_line_is():
    """Beyond 40, ln(1 + eˣ) is x to all digits; not at 20, where torch's softplus changes over."""
    x = np.array([12.0, 25.0, 41.0])
    loss = minigrad.binary_cross_entropy_with_logits(x, np.zeros(3), reduction="none")
    np.testing.assert_array_max_ulp(loss.data, x + np.log1p(np.exp(-x)), maxulp=1)


def test_an_ignored_target_may_have_probability_zero():
    x = Tensor([[0.0, -np.inf], [1.0, 2.0]], requires_grad=True)
    loss = minigrad.nll_loss(x, [1, 0], ignore_index=1, reduction="sum")
    loss.backward()
    assert loss.item() == -1
    assert x.grad.tolist() == [[0, 0], [-1, 0]]


# ------------------------------------------------------------------------------------------------- ties, chance, state
def test_max_pool_takes_the_first_of_ties():
    image = np.array([[[[1.0, 3.0, 3.0], [3.0, 2.0, 3.0]]]])
    x, t = Tensor(image, requires_grad=True), torch.tensor(image, requires_grad=True)
    minigrad.max_pool2d(x, (2, 3)).sum().backward()
    F.max_pool2d(t, (2, 3)).sum().backward()
    assert x.grad.tolist() == t.grad.tolist() == [[[[0, 1, 0], [0, 0, 0]]]]


def test_max_pool_of_nan_is_nan_and_the_first_nan_gets_the_gradient():
    image = np.array([[[[1.0, np.nan], [3.0, np.nan]]]])
    x, t = Tensor(image, requires_grad=True), torch.tensor(image, requires_grad=True)
    y = minigrad.max_pool2d(x, 2)
    y.sum().backward()
    F.max_pool2d(t, 2).sum().backward()
    assert np.isnan(y.data).all()
    assert x.grad.tolist() == [[[[0, 1], [0, 0]]]]
    assert t.grad.sum() == 1  # torch's goes to the last of the two


@pytest.mark.parametrize("d", [1, 2])
def test_a_transposed_convolution_is_the_adjoint(d):
    """Of the convolution with the same settings: ⟨conv(x), z⟩ = ⟨x, conv_transpose(z)⟩, for each output_padding."""
    rng = np.random.default_rng(0)
    for stride, padding, dilation, groups, length in np.ndindex(3, 2, 2, 2, 4):
        stride, dilation, groups, length = stride + 1, dilation + 1, groups + 1, length + 5
        x = rng.normal(size=(2, 4, *[length, 6][:d]))
        W = rng.normal(size=(6, 4 // groups, *[2, 3][:d]))
        settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        y = getattr(minigrad, f"conv{d}d")(x, W, **settings).data
        z = rng.normal(size=y.shape)
        reach = [n + 2 * padding - dilation * (k - 1) - 1 for n, k in zip(x.shape[2:], W.shape[2:], strict=True)]
        more = tuple(n % stride for n in reach)
        back = getattr(minigrad, f"conv_transpose{d}d")(z, W, output_padding=more, **settings).data
        assert back.shape == x.shape
        np.testing.assert_allclose((y * z).sum(), (x * back).sum(), rtol=1e-9)


def test_adaptive_max_pool_takes_the_first_of_ties():
    image = np.array([[[0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])
    for size in (1, 2):
        x, t = Tensor(image, requires_grad=True), torch.tensor(image, requires_grad=True)
        minigrad.adaptive_max_pool2d(x, size).sum().backward()
        F.adaptive_max_pool2d(t, size).sum().backward()
        assert x.grad.tolist() == t.grad.tolist()


def test_windows_keep_infinities_to_themselves():
    image = np.arange(25.0).reshape(1, 1, 5, 5)
    image[..., 0, 0] = np.inf
    for pool in (lambda f, x: f.adaptive_avg_pool2d(x, 3), lambda f, x: f.avg_pool2d(x, 2, ceil_mode=True)):
        np.testing.assert_array_equal(pool(minigrad, image).data, pool(F, torch.tensor(image)).numpy())


def test_attention_that_drops():
    q, v, rng = np.ones((2, 3, 4)), np.ones((2, 3, 5)), np.random.default_rng(0)
    y = minigrad.scaled_dot_product_attention(q, q, v, dropout_p=0.5, rng=rng).data
    left = y / 2 * 3  # so many of three keys
    np.testing.assert_allclose(left, left.round(), atol=1e-12)
    assert len(np.unique(left.round())) > 1


def test_the_rows_of_an_instance_share_running_statistics():
    rng = np.random.default_rng(0)
    mean, variance = np.zeros(3), np.ones(3)
    twins = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    x = rng.normal(2, 3, size=(4, 3, 5))
    minigrad.instance_norm(x, mean, variance, momentum=0.3)
    F.instance_norm(torch.tensor(x), *twins, momentum=0.3)
    close(mean, twins[0], "running mean")
    close(variance, twins[1], "running variance")
    got = minigrad.instance_norm(x, mean, variance, use_input_stats=False)
    close(got.data, F.instance_norm(torch.tensor(x), *twins, use_input_stats=False), "evaluation")


def test_padding_never_wins():
    x = Tensor(np.full((1, 1, 2, 2), -5.0), requires_grad=True)
    y = minigrad.max_pool2d(x, 2, padding=1)
    assert y.data.tolist() == [[[[-5, -5], [-5, -5]]]]


def test_dropout_draws_from_the_generator_only():
    x = Tensor(np.ones((50, 40)), requires_grad=True)
    state = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global one, which must not be touched
    y, again, other = (minigrad.dropout(x, 0.25, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    np.testing.assert_array_equal(y.data, again.data)
    assert (y.data != other.data).any()
    assert set(np.unique(y.data)) == {0.0, 1 / 0.75}
    assert 0.2 < (y.data == 0).mean() < 0.3
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)


def test_dropout_at_the_ends():
    x, rng = Tensor(np.ones(5, np.float32)), np.random.default_rng(0)
    assert minigrad.dropout(x, training=False) is x
    assert minigrad.dropout(x, 0.0) is x  # with nothing drawn, so that a program can be made of it
    assert minigrad.dropout(x, 1.0, rng=rng).data.tolist() == [0] * 5
    assert minigrad.dropout(x, 0.5, rng=rng).dtype == np.float32


def test_running_statistics():
    rng = np.random.default_rng(0)
    mean, variance = np.zeros(3), np.ones(3)
    twins = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for _ in range(3):
        x = rng.normal(2, 3, size=(4, 3, 5))
        y = minigrad.batch_norm(Tensor(x), mean, variance, training=True, momentum=0.3)
        t = F.batch_norm(torch.tensor(x), *twins, training=True, momentum=0.3)
        close(y.data, t, "training")
    close(mean, twins[0], "running mean")
    close(variance, twins[1], "running variance")
    before = mean.copy()
    close(minigrad.batch_norm(Tensor(x), mean, variance).data, F.batch_norm(torch.tensor(x), *twins), "evaluation")
    np.testing.assert_array_equal(mean, before)


def test_evaluation_remembers_the_statistics_it_used():
    """Training that goes on before the backward changes the running arrays, not the recorded function."""
    x, w = Tensor(np.ones((2, 1)), requires_grad=True), Tensor([2.0], requires_grad=True)
    mean, variance = np.zeros(1), np.ones(1)
    with minigrad.strict():  # which locks what is on the tape: these arrays are not
        y = minigrad.batch_norm(x, mean, variance, w, eps=0.0)
        minigrad.batch_norm(np.array([[5.0], [9.0]]), mean, variance, training=True)
        y.sum().backward()
    assert mean.item() != 0
    assert x.grad.tolist() == [[2], [2]]
    assert w.grad.tolist() == [2]


# --------------------------------------------------------------------------------------------------------------- errors
X = Tensor(np.zeros((2, 3)), requires_grad=True)
IMAGE, KERNEL = np.zeros((1, 2, 4, 4)), np.zeros((3, 2, 2, 2))
ERRORS = [
    (lambda m: m.l1_loss(X, np.zeros(2)), ValueError, r"l1_loss: the prediction has shape \(2, 3\) and the target"),
    (lambda m: m.huber_loss(X[:, :1], np.zeros(2)), ValueError, r"target.reshape\(\(2, 1\)\)"),
    (lambda m: m.huber_loss(X, X, delta=0), ValueError, "delta must be positive"),
    (lambda m: m.mse_loss(X, X, reduction="avg"), ValueError, "mse_loss: reduction is 'mean', 'sum' or 'none'"),
    (lambda m: m.l1_loss(X[:0], X[:0]), ValueError, "mean over no entries"),
    (lambda m: m.mse_loss(X[:0], X[:0]), ValueError, "mean over no entries"),
    (lambda m: m.cross_entropy(X, [[0], [1]]), ValueError, r"needs the shape \(2,\), and it has \(2, 1\); target.resh"),
    (lambda m: m.cross_entropy(X, [0, 3]), ValueError, "target 3 is no class: the input has 3"),
    (lambda m: m.nll_loss(X, [0, -1]), ValueError, "nll_loss: target -1 is no class"),
    (lambda m: m.nll_loss(X, X), TypeError, "class numbers, integers, and these are float64"),
    (lambda m: m.cross_entropy(X, X[0]), TypeError, r"also probabilities, floats of the input's shape \(2, 3\)"),
    (lambda m: m.cross_entropy(X, X, ignore_index=1), ValueError, "ignore_index=1 is a class, and targets are shares"),
    (lambda m: m.cross_entropy(X, X, np.ones(2)), ValueError, r"weight has shape \(2,\), .* \(3,\)"),
    (lambda m: m.cross_entropy(X[:0], X[:0]), ValueError, "mean over no entries"),
    (lambda m: m.cross_entropy(X, [0, 1], label_smoothing=2), ValueError, "a share, from 0 to 1, and is 2"),
    (lambda m: m.cross_entropy(X, [0, 3], label_smoothing=0.1), ValueError, "cross_entropy: target 3 is no class"),
    (lambda m: m.cross_entropy(X, [1, 1], ignore_index=1, label_smoothing=0.1), ValueError, "cross_entropy: .*ignored"),
    (lambda m: m.cross_entropy(X, [1, 1], reduction="no", label_smoothing=0.1), ValueError, "'sum' or 'none', and not"),
    (lambda m: m.multi_margin_loss(X, [0, 3]), ValueError, "multi_margin_loss: target 3 is no class"),
    (lambda m: m.multi_margin_loss(X, [0, 1], 3), ValueError, "p is 1 or 2, and not 3"),
    (lambda m: m.multi_margin_loss(X[None], [[0, 1, 1]]), ValueError, r"needs the axes \(n, c\) or \(c\)"),
    (lambda m: m.smooth_l1_loss(X, X, beta=-1), ValueError, "beta must not be negative, and is -1"),
    (lambda m: m.kl_div(X, X, reduction="avg"), ValueError, "reduction is 'mean', 'batchmean', 'sum' or 'none'"),
    (lambda m: m.kl_div(X, X[0]), ValueError, "kl_div: the prediction has shape"),
    (lambda m: m.kl_div(X[:0], X[:0], reduction="batchmean"), ValueError, "mean over samples"),
    (lambda m: m.binary_cross_entropy(X - 1, X), ValueError, r"from -1.0 to -1.0; binary_cross_entropy_with_logits"),
    (lambda m: m.binary_cross_entropy(X * np.nan, X), ValueError, "from nan to nan"),
    (lambda m: m.binary_cross_entropy(X, X + 2), ValueError, "the target is .* from 0 to 1, and goes from 2.0"),
    (lambda m: m.cross_entropy(X, np.eye(3, dtype=int)[:2]), ValueError, r"are floats: target.astype\(float\)"),
    (lambda m: m.scaled_dot_product_attention(X, X, X[:1]), ValueError, r"the n of 2 keys, and has shape \(1, 3\)"),
    (lambda m: m.embedding([0], X, padding_idx=1.0), TypeError, "padding_idx is the number of a row"),
    (lambda m: m.conv2d(IMAGE, KERNEL[..., :0]), ValueError, r"weight has shape \(3, 2, 2, 0\)"),
    (lambda m: m.soft_margin_loss(X, X), ValueError, r"targets are 1 and -1, and one is 0.0; 2 \* target - 1"),
    (lambda m: m.hinge_embedding_loss(X, [[1, -1, 0]]), ValueError, "and one is 0;"),
    (lambda m: m.hinge_embedding_loss(X, [1, -1, 1]), ValueError, "hinge_embedding_loss: the prediction has shape"),
    (lambda m: m.margin_ranking_loss(X, X, [1]), ValueError, "margin_ranking_loss: the prediction has shape"),
    (lambda m: m.cosine_embedding_loss(X, X, [1, 1, 1]), ValueError, r"need a target of shape \(2,\), and it "),
    (lambda m: m.triplet_margin_loss(X, X, X[0]), ValueError, "triplet_margin_loss: the prediction has shape"),
    (lambda m: m.cross_entropy(X, [0, 1], np.ones(2)), ValueError, r"one entry for each class: \(3,\)"),
    (lambda m: m.cross_entropy(X, [1, 1], ignore_index=1), ValueError, "^cross_entropy: the mean .*are ignored"),
    (lambda m: m.cross_entropy(X, [1, 1], reduction="avg"), ValueError, "^cross_entropy: reduction is 'mean'"),
    (lambda m: m.binary_cross_entropy_with_logits(X, X[0]), ValueError, "cross_entropy_with_logits: the prediction"),
    (lambda m: m.binary_cross_entropy_with_logits(X, X, np.ones((4, 1, 1))), ValueError, "a weight broadcasts"),
    (lambda m: m.layer_norm(X, 2), ValueError, r"normalized_shape \(2,\) is not how .* \(2, 3\) ends"),
    (lambda m: m.layer_norm(X, 3, np.ones(2)), ValueError, r"layer_norm: weight has shape \(2,\), and needs \(3,\)"),
    (lambda m: m.batch_norm(X), ValueError, "running_mean and running_var are needed, or training=True"),
    (lambda m: m.batch_norm(X[0], training=True), ValueError, r"needs the axes \(n, c, ...\)"),
    (lambda m: m.batch_norm(X[:1], training=True), ValueError, "two values a channel"),
    (lambda m: m.batch_norm(X, X[0], X[0]), TypeError, "running statistics are arrays"),
    (lambda m: m.batch_norm(X, np.ones(2), np.ones(3)), ValueError, "running_mean has shape"),
    (lambda m: m.conv2d(IMAGE, KERNEL, groups=2), ValueError, r"weight has shape \(3, 2, 2, 2\), .* and groups=2"),
    (lambda m: m.conv2d(IMAGE, KERNEL[:, :1], groups=2), ValueError, "groups=2 does not divide the 3 outputs"),
    (lambda m: m.conv2d(IMAGE, KERNEL, groups=0), ValueError, "groups is at least 1, and is 0"),
    (lambda m: m.conv2d(IMAGE, KERNEL, groups=1.0), TypeError, "groups is an int, and not 1.0"),
    (lambda m: m.conv2d(IMAGE[0, 0], KERNEL), ValueError, r"conv2d: the input needs the axes \(n, c, h, w\) or \(c"),
    (lambda m: m.conv2d(IMAGE, KERNEL, dilation=4), ValueError, r"of \(2, 2\) with the dilation \(4, 4\) does not"),
    (lambda m: m.conv2d(IMAGE, KERNEL, padding_mode="reflect"), TypeError, "padding_mode"),
    (lambda m: m.conv2d(IMAGE, KERNEL, padding="full"), ValueError, "'same', 'valid' or a number, and not 'full'"),
    (lambda m: m.conv2d(IMAGE, KERNEL, stride=2, padding="same"), ValueError, r"a stride of \(2, 2\) does not"),
    (lambda m: m.conv1d(IMAGE, KERNEL[..., 0]), ValueError, r"conv1d: .* needs the axes \(n, c, l\) or \(c, l\)"),
    (lambda m: m.conv1d(IMAGE[0], KERNEL), ValueError, r"weight .* needs the axes \(o, c / groups, k\)"),
    (lambda m: m.conv1d(IMAGE[:, :, 0], KERNEL[..., 0], stride=(1, 1)), TypeError, "conv1d: stride is an int, and not"),
    (lambda m: m.conv_transpose2d(IMAGE, KERNEL), ValueError, r"needs the axes \(c, o / groups, kh, kw\)"),
    (lambda m: m.conv_transpose2d(IMAGE, KERNEL[:2], groups=3), ValueError, "groups=3 does not divide the 2 channels"),
    (lambda m: m.conv_transpose2d(IMAGE, KERNEL[:2], output_padding=1), ValueError, "output_padding .* is less than"),
    (lambda m: m.conv_transpose2d(IMAGE, KERNEL[:2], padding=3), ValueError, r"nothing is left of .* \(5, 5\)"),
    (lambda m: m.adaptive_avg_pool2d(IMAGE, 0), ValueError, "output_size is at least 1"),
    (lambda m: m.adaptive_avg_pool1d(IMAGE[0], None), TypeError, "output_size is an int, and not None"),
    (lambda m: m.adaptive_max_pool2d(IMAGE[:, :, :0], 2), ValueError, "has nothing to make parts of"),
    (lambda m: m.adaptive_max_pool2d(IMAGE, 2, return_indices=True), TypeError, "return_indices"),
    (lambda m: m.avg_pool2d(IMAGE, 2, divisor_override=0), ValueError, "must not be 0"),
    (lambda m: m.max_pool2d(IMAGE, 2, padding=2, dilation=3), ValueError, "more than half of the window"),
    (lambda m: m.pixel_shuffle(IMAGE, 2), ValueError, "2² = 4 does not divide the 2 channels"),
    (lambda m: m.pixel_unshuffle(IMAGE, 3), ValueError, r"3 does not divide height and width of \(1, 2, 4, 4\)"),
    (lambda m: m.pixel_unshuffle(IMAGE, 0), ValueError, "downscale_factor is at least 1, and is 0"),
    (lambda m: m.group_norm(IMAGE, 3), ValueError, "num_groups=3 does not divide 2 channels"),
    (lambda m: m.group_norm(IMAGE, 2, np.ones(3)), ValueError, r"group_norm: weight has shape \(3,\), and "),
    (lambda m: m.instance_norm(IMAGE[..., 0, 0]), ValueError, "two values a channel of a sample"),
    (lambda m: m.instance_norm(IMAGE, use_input_stats=False), ValueError, "needed, or use_input_stats=True"),
    (lambda m: m.rms_norm(X, 2), ValueError, r"rms_norm: normalized_shape \(2,\) is not how"),
    (lambda m: m.scaled_dot_product_attention(X, X[:, :2], X), ValueError, r"have shapes \(2, 3\) and \(2, 2\)"),
    (lambda m: m.scaled_dot_product_attention(X, X, X, MASK), ValueError, r"attn_mask has shape \(2, 3\), and "),
    (lambda m: m.scaled_dot_product_attention(X, X, X, [[0, 1]]), TypeError, "booleans, or floats that are added"),
    (lambda m: m.scaled_dot_product_attention(X, X, X, MASK[:, :2], is_causal=True), ValueError, "is_causal is a mask"),
    (lambda m: m.scaled_dot_product_attention(X, X, X, dropout_p=0.5), TypeError, "default_rng"),
    (lambda m: m.scaled_dot_product_attention(X, X, X, enable_gqa=True), TypeError, "enable_gqa"),
    (lambda m: m.conv2d(IMAGE, KERNEL[:, :1]), ValueError, "with the c of the input"),
    (lambda m: m.conv2d(IMAGE, KERNEL, np.ones(2)), ValueError, "conv2d: bias has shape"),
    (lambda m: m.conv2d(IMAGE, KERNEL, padding=(1, 1, 1)), TypeError, "padding is an int or a pair of ints"),
    (lambda m: m.conv2d(IMAGE, KERNEL, stride=0), ValueError, "stride is at least 1"),
    (lambda m: m.max_pool2d(IMAGE, 5), ValueError, r"a window of \(5, 5\) does not fit into \(4, 4\)"),
    (lambda m: m.avg_pool2d(IMAGE, 2, padding=2), ValueError, "more than half of the window"),
    (lambda m: m.max_pool2d(IMAGE, 2, return_indices=True), TypeError, "return_indices"),
    (lambda m: m.embedding([0, 2], X), IndexError, "from 0 to 2 in a table of 2 rows"),
    (lambda m: m.embedding([-1], X), IndexError, "from -1"),
    (lambda m: m.embedding([0.5], X), TypeError, "indices are integers"),
    (lambda m: m.embedding([0], X, padding_idx=2), IndexError, "padding_idx=2 is no row of a table of 2"),
    (lambda m: m.embedding([0], X, max_norm=1.0), TypeError, "max_norm"),
    (lambda m: m.dropout(X), TypeError, "default_rng"),
    (lambda m: m.dropout(X, 1.5, mask=MASK), ValueError, "from 0 to 1, and is 1.5"),
    (lambda m: m.dropout(X, mask=MASK[0]), ValueError, r"the mask has shape \(3,\), and x has \(2, 3\)"),
    (lambda m: m.dropout(X, rng=np.random), TypeError, "default_rng"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[message[:40] for *_, message in ERRORS])
def test_errors(call, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=message):
            call(minigrad)
