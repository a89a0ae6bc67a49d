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


class Conv2d(Convolution):
    """Cross-correlation of (n, in_channels, h, w), or of one image without n.

    weight is (out_channels, in_channels / groups, kh, kw), bias (out_channels). kernel_size, stride, padding and
    dilation are ints, or pairs for height and width; padding may be "same" or "valid".
    """

    axes = 2
    operation = staticmethod(minigrad.conv2d)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair | str = 0,
        dilation: Pair = 1, groups: int = 1, bias: bool = True, *, rng: Rng = None, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.keep(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.start((out_channels, in_channels // groups, *self.kernel_size), bias, rng, dtype)

    def forward(self, x: Any) -> Tensor:
        return self.operation(
            x, self.weight, self.bias, stride=self.stride, padding=self.padding, dilation=self.dilation,
            groups=self.groups,
        )  # fmt: skip


class Conv1d(Conv2d):
    """Cross-correlation of sequences (n, in_channels, l), or of one without n; see Conv2d."""

    axes = 1
    operation = staticmethod(minigrad.conv1d)


class ConvTranspose2d(Convolution):
    """The adjoint of Conv2d with these settings, of (n, in_channels, h, w) or of one image without n: it enlarges.

    weight is (in_channels, out_channels / groups, kh, kw), bias (out_channels).
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
    """The adjoint of Conv1d with these settings, of (n, in_channels, l) or of one sequence without n."""

    axes = 1
    operation = staticmethod(minigrad.conv_transpose1d)


# --------------------------------------------------------------------------------------------------------------- pools
class MaxPool2d(Activation):
    """The largest entry of each window; the windows lie side by side unless a stride is given."""

    operation = staticmethod(minigrad.max_pool2d)
    settings = "kernel_size", "stride", "padding", "dilation", "ceil_mode"

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1,
        *, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        self.kernel_size, self.padding, self.dilation, self.ceil_mode = kernel_size, padding, dilation, ceil_mode
        self.stride = kernel_size if stride is None else stride


class MaxPool1d(MaxPool2d):
    """The largest entry of each window of sequences; see MaxPool2d."""

    operation = staticmethod(minigrad.max_pool1d)


class AvgPool2d(Activation):
    """The mean of each window; the windows lie side by side unless a stride is given."""

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
    """The mean of each window of sequences; see AvgPool2d."""

    operation = staticmethod(minigrad.avg_pool1d)
    settings = "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AdaptiveAvgPool2d(Activation):
    """The means of output_size parts of each image, as nearly equal as they can be; None keeps a length."""

    operation = staticmethod(minigrad.adaptive_avg_pool2d)
    settings = ("output_size",)

    def __init__(self, output_size: int | Sequence[int | None]) -> None:
        self.output_size = output_size


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """The means of output_size parts of each sequence, as nearly equal as they can be."""

    operation = staticmethod(minigrad.adaptive_avg_pool1d)


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    """The largest entries of output_size parts of each image, as nearly equal as they can be."""

    operation = staticmethod(minigrad.adaptive_max_pool2d)


class PixelShuffle(Activation):
    """Channels become pixels: (..., c r², h, w) becomes (..., c, h r, w r) with r = upscale_factor."""

    operation = staticmethod(minigrad.pixel_shuffle)
    settings = ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor


class PixelUnshuffle(Activation):
    """Pixels become channels: (..., c, h r, w r) becomes (..., c r², h, w) with r = downscale_factor."""

    operation = staticmethod(minigrad.pixel_unshuffle)
    settings = ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor
