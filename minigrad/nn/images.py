"""Layers of images (n, c, h, w) and sequences (n, c, l), or of one without n: convolutions and pools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import minigrad
from minigrad import Tensor
from minigrad.nn.activations import Activation
from minigrad.nn.layers import Rng, WeightAndBias

Pair = int | Sequence[int]


class Convolution(WeightAndBias):
    """The settings of a convolution over `axes` axes: ints, or one for each of these axes."""

    axes: int
    output_padding: tuple[int, ...] = ()

    def each(self, value: Pair) -> tuple[int, ...]:
        """A setting for each axis; the operation says what is wrong with it."""
        return (value,) * self.axes if isinstance(value, int) else tuple(value)

    def keep(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair, padding: Pair | str, dilation: Pair,
        groups: int,
    ) -> None:  # fmt: skip
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{type(self).__name__}: groups={groups} does not divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        if len(self.each(kernel_size)) != self.axes:
            raise ValueError(
                f"{type(self).__name__}: kernel_size is an int or {self.axes} of them, and not {kernel_size}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = self.each(kernel_size), self.each(stride), self.each(dilation)
        self.padding = padding if isinstance(padding, str) else self.each(padding)

    def extra_repr(self) -> str:
        settings = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        settings += [f"padding={self.padding}"] if self.padding != self.each(0) else []
        settings += [f"dilation={self.dilation}"] if self.dilation != self.each(1) else []
        settings += [f"output_padding={self.output_padding}"] if any(self.output_padding) else []
        settings += [f"groups={self.groups}"] if self.groups != 1 else []
        return ", ".join(settings + (["bias=False"] if self.bias is None else []))


MARGINS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # NumPy's words


class Conv2d(Convolution):
    """Cross-correlation of (n, in_channels, h, w), or of one image without n.

    weight is (out_channels, in_channels / groups, kh, kw), bias (out_channels). kernel_size, stride, padding and
    dilation are ints, or pairs for height and width; padding may be "same" or "valid". padding_mode says what is in the
    margin: "zeros", or entries of the image, by "reflect", "replicate" or "circular".

    >>> from minigrad import nn
    >>> layer = nn.Conv2d(3, 8, kernel_size=3, padding="same", rng=np.random.default_rng(0))
    >>> layer(np.ones((2, 3, 5, 7))).shape
    (2, 8, 5, 7)
    """

    axes = 2
    operation = staticmethod(minigrad.conv2d)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair | str = 0,
        dilation: Pair = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", *, rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        if padding_mode not in MARGINS:
            raise ValueError(
                f"{type(self).__name__}: padding_mode is one of {', '.join(MARGINS)}, and not {padding_mode!r}"
            )
        self.keep(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.padding_mode = padding_mode
        self.start((out_channels, in_channels // groups, *self.kernel_size), bias, rng, dtype)

    def forward(self, x: Any) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            reach = [(k - 1) * d for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            widths = [(n // 2, n - n // 2) for n in reach] if padding == "same" else [(n, n) for n in padding]
            none = [(0, 0)] * (np.ndim(x) - self.axes)
            x, padding = minigrad.pad(x, none + widths, MARGINS[self.padding_mode]), 0
        return self.operation(
            x, self.weight, self.bias, stride=self.stride, padding=padding, dilation=self.dilation, groups=self.groups
        )  # fmt: skip

    def extra_repr(self) -> str:
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}"
        return super().extra_repr() + mode


class Conv1d(Conv2d):
    """Cross-correlation of sequences (n, in_channels, l), or of one without n; see Conv2d.

    >>> from minigrad import nn
    >>> layer = nn.Conv1d(3, 8, kernel_size=3, stride=2, rng=np.random.default_rng(0))
    >>> layer(np.ones((2, 3, 9))).shape
    (2, 8, 4)
    """

    axes = 1
    operation = staticmethod(minigrad.conv1d)


class ConvTranspose2d(Convolution):
    """The adjoint of Conv2d with these settings, of (n, in_channels, h, w) or of one image without n: it enlarges.

    weight is (in_channels, out_channels / groups, kh, kw), bias (out_channels).

    >>> from minigrad import nn
    >>> layer = nn.ConvTranspose2d(8, 3, kernel_size=2, stride=2, rng=np.random.default_rng(0))
    >>> layer(np.ones((2, 8, 5, 7))).shape
    (2, 3, 10, 14)
    """

    axes = 2
    operation = staticmethod(minigrad.conv_transpose2d)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
        output_padding: Pair = 0, groups: int = 1, bias: bool = True, dilation: Pair = 1, *, rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.keep(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.output_padding = self.each(output_padding)
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self.start(shape, bias, rng, dtype, outputs=out_channels)

    def forward(self, x: Any) -> Tensor:
        return self.operation(
            x, self.weight, self.bias, stride=self.stride, padding=self.padding, output_padding=self.output_padding,
            groups=self.groups, dilation=self.dilation,
        )  # fmt: skip


class ConvTranspose1d(ConvTranspose2d):
    """The adjoint of Conv1d with these settings, of (n, in_channels, l) or of one sequence without n.

    >>> from minigrad import nn
    >>> layer = nn.ConvTranspose1d(8, 3, kernel_size=2, stride=2, rng=np.random.default_rng(0))
    >>> layer(np.ones((2, 8, 5))).shape
    (2, 3, 10)
    """

    axes = 1
    operation = staticmethod(minigrad.conv_transpose1d)


# --------------------------------------------------------------------------------------------------------------- pools
class MaxPool2d(Activation):
    """The largest entry of each window; the windows lie side by side unless a stride is given.

    >>> from minigrad import nn
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> nn.MaxPool2d(2)(x)
    Tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """

    operation = staticmethod(minigrad.max_pool2d)
    settings = "kernel_size", "stride", "padding", "dilation", "ceil_mode"

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1,
        *, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        self.kernel_size, self.padding, self.dilation, self.ceil_mode = kernel_size, padding, dilation, ceil_mode
        self.stride = kernel_size if stride is None else stride


class MaxPool1d(MaxPool2d):
    """The largest entry of each window of sequences; see MaxPool2d.

    >>> from minigrad import nn
    >>> nn.MaxPool1d(2)([[[1.0, 5.0, 2.0, 3.0]]])
    Tensor([[[5., 3.]]])
    """

    operation = staticmethod(minigrad.max_pool1d)


class AvgPool2d(Activation):
    """The mean of each window; the windows lie side by side unless a stride is given.

    >>> from minigrad import nn
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> nn.AvgPool2d(2)(x)
    Tensor([[[[ 2.5,  4.5],
              [10.5, 12.5]]]])
    """

    operation: Callable[..., Tensor] = staticmethod(minigrad.avg_pool2d)
    settings: tuple[str, ...] = (
        "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override",
    )  # fmt: skip

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        self.kernel_size, self.padding, self.ceil_mode = kernel_size, padding, ceil_mode
        self.stride = kernel_size if stride is None else stride
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(AvgPool2d):
    """The mean of each window of sequences; see AvgPool2d.

    >>> from minigrad import nn
    >>> nn.AvgPool1d(2)([[[1.0, 5.0, 2.0, 3.0]]])
    Tensor([[[3. , 2.5]]])
    """

    operation = staticmethod(minigrad.avg_pool1d)
    settings = "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AdaptiveAvgPool2d(Activation):
    """The means of output_size parts of each image, as nearly equal as they can be; None keeps a length.

    >>> from minigrad import nn
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> nn.AdaptiveAvgPool2d((1, 2))(x)
    Tensor([[[[6.5, 8.5]]]])
    """

    operation = staticmethod(minigrad.adaptive_avg_pool2d)
    settings = ("output_size",)

    def __init__(self, output_size: int | Sequence[int | None]) -> None:
        self.output_size = output_size


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """The means of output_size parts of each sequence, as nearly equal as they can be.

    >>> from minigrad import nn
    >>> nn.AdaptiveAvgPool1d(2)([[[1.0, 5.0, 2.0, 3.0]]])
    Tensor([[[3. , 2.5]]])
    """

    operation = staticmethod(minigrad.adaptive_avg_pool1d)


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    """The largest entries of output_size parts of each image, as nearly equal as they can be.

    >>> from minigrad import nn
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> nn.AdaptiveMaxPool2d((1, 2))(x)
    Tensor([[[[13., 15.]]]])
    """

    operation = staticmethod(minigrad.adaptive_max_pool2d)


class PixelShuffle(Activation):
    """Channels become pixels: (..., c r², h, w) becomes (..., c, h r, w r) with r = upscale_factor.

    >>> from minigrad import nn
    >>> nn.PixelShuffle(2)(np.arange(4.0).reshape(1, 4, 1, 1))
    Tensor([[[[0., 1.],
              [2., 3.]]]])
    """

    operation = staticmethod(minigrad.pixel_shuffle)
    settings = ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor


class PixelUnshuffle(Activation):
    """Pixels become channels: (..., c, h r, w r) becomes (..., c r², h, w) with r = downscale_factor.

    >>> from minigrad import nn
    >>> nn.PixelUnshuffle(2)(np.ones((1, 3, 4, 6))).shape
    (1, 12, 2, 3)
    """

    operation = staticmethod(minigrad.pixel_unshuffle)
    settings = ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor
